"""Files: uploaded, listed, read back and deleted with the official client."""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from runs import files
from tests.api.conftest import Site

MIB = 1_048_576
LIMIT = 67_108_864
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def upload(client: OpenAI, content: bytes, name: str = "notes.txt", **more: Any) -> Any:
    return client.files.create(
        file=(name, content), purpose=more.pop("purpose", "assistants"), **more
    )


def refusal(raised: pytest.ExceptionInfo[openai.APIStatusError]) -> tuple[Any, ...]:
    return raised.value.status_code, raised.value.code, raised.value.param


def test_a_file_comes_back_as_it_was_sent(client: OpenAI) -> None:
    made = upload(client, b"two lines\nof text\n")

    assert made.id.startswith("file-")
    assert (made.object, made.bytes, made.filename) == ("file", 18, "notes.txt")
    assert (made.purpose, made.status, made.expires_at) == (
        "assistants",
        "processed",
        None,
    )
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == b"two lines\nof text\n"


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 17])
def test_every_size_comes_back_byte_for_byte(client: OpenAI, size: int) -> None:
    content = os.urandom(size)

    made = upload(client, content, "bytes.bin")

    assert made.bytes == size
    assert client.files.content(made.id).read() == content


async def test_files_work_with_the_asynchronous_client_too(
    aclient: AsyncOpenAI,
) -> None:
    made = await aclient.files.create(file=b"from bytes", purpose="user_data")

    content = await aclient.files.content(made.id)
    assert await content.aread() == b"from bytes"
    assert (await aclient.files.delete(made.id)).deleted


def test_a_deleted_file_is_gone_with_its_content(client: OpenAI, site: Site) -> None:
    made = upload(client, b"x")

    gone = client.files.delete(made.id)

    assert (gone.id, gone.object, gone.deleted) == (made.id, "file", True)
    for look in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="No file found with id"):
            look(made.id)
    count = f"from runs.models import *; print(FileChunk.objects.filter(file={made.id!r}).count())"
    assert site.shell(count).strip() == "0"


def test_nobody_else_sees_or_deletes_a_file(client: OpenAI, bob: OpenAI) -> None:
    made = upload(client, b"Alice's")

    for look in (bob.files.retrieve, bob.files.content, bob.files.delete):
        with pytest.raises(openai.NotFoundError):
            look(made.id)
    assert made.id not in [file.id for file in bob.files.list()]
    assert client.files.content(made.id).read() == b"Alice's"


def test_lists_go_by_time_purpose_and_cursor(site: Site) -> None:
    site.keys.setdefault("lister", listing_key(site))
    with site.client("lister") as client:
        made = [
            upload(client, b"x", f"{n}.txt", purpose=purpose).id
            for n, purpose in enumerate(["assistants", "batch", "assistants", "vision"])
        ]

        assert [one.id for one in client.files.list()] == made[::-1]
        assert [one.id for one in client.files.list(order="asc")] == made
        batch = client.files.list(purpose="batch")
        assert [one.id for one in batch] == [made[1]]
        first = client.files.list(limit=3, order="asc")
        assert [one.id for one in first.data] == made[:3]
        assert first.has_more
        assert [one.id for one in client.files.list(limit=1)] == made[::-1]
        with pytest.raises(openai.NotFoundError):
            client.files.list(after="file-none")


def listing_key(site: Site) -> str:
    """Of a user who has no files yet."""
    return site.shell(
        "from runs import keys; from runs.models import User;"
        "print(keys.make(User.objects.create_user('lister'), 'k', ['read', 'write'])[1])"
    ).strip()


@pytest.mark.parametrize("limit", [0, 10_001])
def test_a_list_has_at_most_10000_files(client: OpenAI, limit: int) -> None:
    assert client.files.list(limit=10_000).data is not None

    with pytest.raises(openai.BadRequestError) as raised:
        client.files.list(limit=limit)

    assert raised.value.param == "limit"


def test_a_file_expires_when_it_was_to(client: OpenAI, site: Site) -> None:
    made = upload(client, b"x", expires_after={"anchor": "created_at", "seconds": 3600})

    assert made.expires_at == made.created_at + 3600
    assert client.files.retrieve(made.id).expires_at == made.expires_at

    site.shell(
        "import datetime as dt; from django.utils import timezone;"
        f"from runs.models import File; File.objects.filter(pk={made.id!r})"
        ".update(expires_at=timezone.now() - dt.timedelta(seconds=1))"
    )
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.files.content(made.id)


@pytest.mark.parametrize(
    ("more", "code", "param"),
    [
        ({"purpose": "mischief"}, "invalid_value", "purpose"),
        (
            {"expires_after": {"anchor": "now", "seconds": 3600}},
            "invalid_value",
            "expires_after.anchor",
        ),
        (
            {"expires_after": {"anchor": "created_at", "seconds": 3599}},
            "integer_below_min_value",
            "expires_after.seconds",
        ),
        (
            {"expires_after": {"anchor": "created_at", "seconds": 2_592_001}},
            "integer_above_max_value",
            "expires_after.seconds",
        ),
        (
            {"expires_after": {"anchor": "created_at"}},
            "missing_required_parameter",
            "expires_after.seconds",
        ),
        ({"extra_body": {"colour": "red"}}, "unknown_parameter", "colour"),
    ],
)
def test_a_wrong_field_is_named(
    client: OpenAI, more: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        upload(client, b"x", **more)

    assert refusal(raised) == (400, code, param)


@pytest.mark.parametrize(
    ("options", "status", "param"),
    [
        ({"files": {"file": b"x"}}, 400, "purpose"),
        ({"files": {"other": b"x"}, "data": {"purpose": "batch"}}, 400, "file"),
        ({"json": {"purpose": "batch"}}, 400, None),
        (
            {"content": b"", "headers": {"Content-Type": "multipart/form-data"}},
            400,
            None,
        ),
        (
            {
                "content": b"--x\r\n",
                "headers": {"Content-Type": "multipart/form-data; boundary=x"},
            },
            400,
            "file",
        ),
    ],
)
def test_what_is_no_upload_gets_the_error_of_the_protocol(
    site: Site, options: dict[str, Any], status: int, param: str | None
) -> None:
    answer = site.call("POST", "/files", **options)

    assert answer.status_code == status
    assert answer.json()["error"]["param"] == param
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_file_beyond_the_limit_is_refused_and_nothing_is_kept(
    client: OpenAI, site: Site
) -> None:
    before = len(client.files.list().data)

    with pytest.raises(openai.APIStatusError) as raised:
        upload(client, b"x" * (LIMIT + 1))

    assert refusal(raised) == (413, "file_too_large", "file")
    assert len(client.files.list().data) == before


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("..", "file"),
        ("a\r\nSet-Cookie: x.txt", "aSet-Cookie: x.txt"),
        ("n" * 300 + ".pdf", "n" * 251 + ".pdf"),
        ("exe\u202etxt.sh", "exetxt.sh"),
        ("Übung 1.txt", "Übung 1.txt"),
    ],
)
def test_names_are_only_names(given: str, kept: str) -> None:
    assert files.safe_name(given) == kept


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.html", b"<script>alert(1)</script>"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("photo.png", b"<html>no photo</html>"),
        ('a"b; filename=c.txt', b"x"),
    ],
)
def test_content_is_saved_and_never_shown_by_a_browser(
    client: OpenAI, site: Site, name: str, content: bytes
) -> None:
    made = upload(client, content, name)

    answer = site.call("GET", f"/files/{made.id}/content")

    assert answer.content == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; filename")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["content-length"] == str(len(content))


@pytest.mark.parametrize(
    ("beginning", "name", "kind"),
    [
        (PNG, "x.txt", "image/png"),
        (b"\xff\xd8\xff\xe0", "x", "image/jpeg"),
        (b"GIF89a", "x", "image/gif"),
        (b"RIFF\x01\x02\x03\x04WEBPVP8 ", "x", "image/webp"),
        (b"%PDF-1.7", "x", "application/pdf"),
        (b"<html>", "photo.png", files.BINARY),
        (b"<svg>", "drawing.svg", files.BINARY),
        (b"words", "notes.txt", "text/plain"),
        (b"words", "notes", files.BINARY),
    ],
)
def test_an_image_is_one_by_how_it_begins(
    beginning: bytes, name: str, kind: str
) -> None:
    assert files.content_type_of(beginning, name) == kind


def test_the_same_upload_with_the_same_key_is_one_file(client: OpenAI) -> None:
    key = {"Idempotency-Key": "upload-1"}

    first = upload(client, b"once", extra_headers=key)
    again = upload(client, b"once", extra_headers=key)

    assert again.id == first.id
    with pytest.raises(openai.BadRequestError) as raised:
        upload(client, b"other", extra_headers=key)
    assert raised.value.code == "idempotency_key_reused"


def memory_peak(process: int) -> int:
    """The most memory the process has had, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def server_process(site: Site) -> int:
    port = int(site.base.rsplit(":", 1)[1])
    inode = next(
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    )
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == f"socket:[{inode}]":
                return int(link.parts[2])
        except OSError:
            continue
    raise AssertionError("the server was not found")


def new_peak(process: int) -> int:
    """Begin to measure; gives what the process has now."""
    Path(f"/proc/{process}/clear_refs").write_text("5")
    return memory_peak(process)


def test_a_large_file_comes_with_little_more_than_itself_in_memory(
    client: OpenAI, site: Site
) -> None:
    upload(client, b"small", "small.bin")  # loads what is loaded once
    process = server_process(site)
    before = new_peak(process)

    made = upload(client, os.urandom(MIB) * 60, "large.bin")

    assert made.bytes == 60 * MIB
    assert memory_peak(process) - before < 120 * MIB


def test_a_large_file_is_read_piece_by_piece(client: OpenAI, site: Site) -> None:
    content = os.urandom(MIB) * 60
    made = upload(client, content, "large.bin")
    process = server_process(site)
    before = new_peak(process)

    digest = hashlib.sha256()
    with client.files.with_streaming_response.content(made.id) as answer:
        for piece in answer.iter_bytes(65_536):
            digest.update(piece)

    assert digest.hexdigest() == hashlib.sha256(content).hexdigest()
    assert memory_peak(process) - before < 20 * MIB


def test_uploads_at_the_same_time_all_arrive(site: Site) -> None:
    together = threading.Barrier(6)

    def send(number: int) -> bytes:
        content = bytes([number]) * (MIB + number)
        with site.client() as client:
            together.wait()
            made = upload(client, content, f"{number}.bin")
            return client.files.content(made.id).read()

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(send, range(6)))

    assert [len(content) for content in found] == [MIB + n for n in range(6)]
    assert [content[:1] for content in found] == [bytes([n]) for n in range(6)]
