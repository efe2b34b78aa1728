"""Files in messages: taken or refused, given out safely, and brought to the model."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from pypdf import PdfWriter

from chat.exports import as_markdown
from runs import (
    branches,
    conversations,
    shares,
    temporary,
)
from runs.models import File, FileUse, Run, User
from tests.attachments_fixtures import asked, attached, bomb, pdf, picture, send
from tests.pages_fixtures import HTMX, client_of, ended, text_of

pytestmark = pytest.mark.django_db


def upload(user: User, content: bytes, name: str) -> Any:
    file = SimpleUploadedFile(name, content)
    return client_of(user).post("/files", {"file": file})


# Taken and refused


def test_an_uploaded_picture_is_a_card_with_its_thumbnail(alice: User) -> None:
    response = upload(alice, picture(), "cat.png")

    file = File.objects.get()
    html = response.content.decode()
    assert response.status_code == 201
    assert f'name="file" value="{file.pk}"' in html
    assert f"/files/{file.pk}/thumb" in html
    assert (file.is_picture, file.width, file.height) == (True, 8, 6)
    assert file.expires_at is not None


def test_a_text_file_says_how_much_of_it_goes_to_the_prompt(alice: User) -> None:
    response = upload(alice, b"word " * 600, "notes.md")

    assert "notes.md 2.9 KB · about 1,000 tokens" in text_of(response).replace(
        "\xa0", " "
    )


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"", "empty.txt", "The file is empty."),
        (b"\x00\x01\x02" * 100, "program.exe", "only pictures, PDF and text"),
        (b"<html><script>alert(1)</script>", "x.png", "not the picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "x.png", "damaged"),
        (bomb(), "bomb.png", "too large"),
        (b"%PDF-1.7\n" + bytes(80), "x.pdf", "damaged"),
    ],
    ids=["empty", "program", "html as png", "broken png", "bomb", "broken pdf"],
)
def test_what_can_not_be_taken_is_refused_with_the_reason(
    alice: User, content: bytes, name: str, why: str
) -> None:
    response = upload(alice, content, name)

    assert response.status_code == 422
    assert response["Content-Type"].startswith("text/plain")
    assert why in response.content.decode()
    assert not File.objects.exists()


def test_a_file_beyond_the_limit_is_refused(alice: User, settings: Any) -> None:
    settings.FILE_MAX_BYTES = 1_000_000

    response = upload(alice, b"x" * 1_000_001, "long.txt")

    assert response.status_code == 422
    assert "at most 1 MB" in response.content.decode()


def test_a_protected_pdf_is_refused(alice: User) -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)

    assert "password" in upload(alice, out.getvalue(), "x.pdf").content.decode()


def test_nothing_of_a_picture_stays_but_its_pixels(alice: User) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    exif[0x0112] = 6  # to be turned by 90 degrees
    content = picture("JPEG", exif=exif) + b"<script>alert(1)</script>"

    file = attached(alice, content, "photo.jpeg")

    stored = b"".join(bytes(chunk.data) for chunk in file.chunks.all())
    assert b"home" not in stored
    assert b"script" not in stored
    assert not Image.open(io.BytesIO(stored)).getexif()
    assert (file.filename, file.width, file.height) == ("photo.jpg", 6, 8)


def test_names_are_never_paths(alice: User) -> None:
    file = attached(alice, b"x", "../../etc/pass\x00wd\u202egpj.txt")

    assert file.filename == "passwdgpj.txt"


def test_a_name_is_bounded_and_ends_as_the_content_is(alice: User) -> None:
    long = attached(alice, b"x", "n" * 10_000 + ".txt")
    double = attached(alice, picture(), "cat.png.html")

    assert len(long.filename) == 255
    assert long.filename.endswith(".txt")
    assert (double.filename, double.content_type) == ("cat.png.png", "image/png")


# Given out


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "x.svg"),
        (b"<html><script>alert(1)</script></html>", "x.html"),
        (pdf("words"), "x.pdf"),
    ],
    ids=["svg", "html", "pdf"],
)
def test_what_is_no_picture_is_only_downloaded(
    alice: User, content: bytes, name: str
) -> None:
    file = attached(alice, content, name)

    response = client_of(alice).get(f"/files/{file.pk}")

    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert_is_safe(response)


def test_a_picture_is_shown_in_a_sandbox(alice: User) -> None:
    file = attached(alice, picture(), "x.png")

    for path in (f"/files/{file.pk}", f"/files/{file.pk}/thumb"):
        response = client_of(alice).get(path)
        assert response["Content-Type"].startswith("image/")
        assert response["Content-Disposition"].startswith("inline")
        assert_is_safe(response)


def assert_is_safe(response: Any) -> None:
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert response["Cache-Control"] == "private, no-cache"


def test_foreign_files_are_not_found_and_not_sent(alice: User, mallory: User) -> None:
    file = attached(alice, b"secret", "x.txt")
    other = client_of(mallory)

    assert other.get(f"/files/{file.pk}").status_code == 404
    assert other.post(f"/files/{file.pk}/discard").status_code == 404
    assert file.filename not in text_of(other.get(f"/files/waiting?id={file.pk}"))
    sent = other.post("/messages", {"text": "Hi", "file": file.pk}, headers=HTMX)
    assert sent.status_code == 404
    assert not Run.objects.exists()


def test_a_message_that_names_a_foreign_file_does_not_open_it(
    alice: User, mallory: User
) -> None:
    file = attached(alice, b"secret", "x.txt")
    run = send(mallory, "Hi")
    ended(run, "completed")
    draft = conversations.Draft("user", [], [{"file_id": file.pk, "tools": []}])

    conversations.add_message(run.thread, draft, user=mallory)

    assert not FileUse.objects.exists()
    assert client_of(mallory).get(f"/files/{file.pk}").status_code == 404


def test_who_reads_a_shared_thread_opens_its_files_as_long_as_it_is_shared(
    alice: User, bob: User
) -> None:
    file = attached(alice, b"shared", "x.txt")
    run = send(alice, "See", file)
    page = client_of(bob)
    assert page.get(f"/files/{file.pk}").status_code == 404

    shares.share_with_team(run.thread, "read", user=alice)
    assert page.get(f"/files/{file.pk}").status_code == 200
    assert page.post(f"/files/{file.pk}/discard").status_code == 404

    shares.share_with_team(run.thread, "", user=alice)
    assert page.get(f"/files/{file.pk}").status_code == 404


def test_links_and_exports_name_files_and_open_none(alice: User) -> None:
    file = attached(alice, b"inside", "plan.txt")
    run = ended(send(alice, "See", file), "completed", "Seen.")

    copy = shares.frozen(run.thread)

    assert {"left_out": "plan.txt"} in copy[0]["parts"]
    assert file.pk not in str(copy)
    assert "*File: plan.txt*" in "".join(as_markdown(run.thread))
    assert Client().get(f"/files/{file.pk}").status_code == 302


# Sent, kept and removed


def test_a_message_may_have_files_alone(alice: User) -> None:
    file = attached(alice, picture(), "cat.png")

    client_of(alice).post("/messages", {"text": "", "file": file.pk}, headers=HTMX)

    run = Run.objects.get()
    assert run.input_preview == run.thread.title == "cat.png"
    html = client_of(alice).get(f"/t/{run.thread_id}").content.decode()
    assert f"/files/{file.pk}/thumb" in html
    file.refresh_from_db()
    assert file.expires_at is None


def test_a_message_with_files_is_not_queued(alice: User) -> None:
    run = send(alice, "First")
    file = attached(alice, b"x", "x.txt")
    path = f"/t/{run.thread_id}/messages"

    answer = client_of(alice).post(path, {"text": "B", "file": file.pk}, headers=HTMX)

    assert answer.status_code == 422
    assert "can&#x27;t be queued" in answer.content.decode()
    file.refresh_from_db()
    assert file.expires_at is not None


def test_a_file_that_is_gone_is_said_before_anything_is_sent(alice: User) -> None:
    answer = client_of(alice).post(
        "/messages", {"text": "Hi", "file": "file-gone"}, headers=HTMX
    )

    assert answer.status_code == 404
    assert "no longer there" in answer.content.decode()


def test_files_go_with_the_last_message_that_has_them(alice: User) -> None:
    file = attached(alice, b"x", "x.txt")
    run = ended(send(alice, "A", file), "completed", "B")
    again = branches.edit_message(message=asked(run), text="C", user=alice)
    ended(again, "completed", "D")

    branches.delete_turn(message=asked(again))
    assert File.objects.filter(pk=file.pk).exists()
    conversations.delete_thread(run.thread, user=alice)
    assert not File.objects.exists()


def test_an_erased_temporary_thread_leaves_no_file(alice: User) -> None:
    run = send(alice, "A", attached(alice, b"x", "x.txt"), is_temporary=True)

    Run.objects.filter(pk=run.pk).update(warnings=["The file 'x.txt' was cut."])
    temporary.erase(run.thread)

    run.refresh_from_db()
    assert (run.input_preview, run.warnings) == ("", None)
    assert not File.objects.exists()


def test_a_draft_finds_its_files_again_and_can_discard_them(alice: User) -> None:
    file, page = attached(alice, b"x", "x.txt"), client_of(alice)

    assert "x.txt" in text_of(page.get(f"/files/waiting?id={file.pk}&id=file-gone"))
    assert page.post(f"/files/{file.pk}/discard").status_code == 204
    assert not File.objects.exists()


def test_a_sent_file_can_not_be_discarded(alice: User) -> None:
    file = attached(alice, b"x", "x.txt")
    send(alice, "A", file)

    client_of(alice).post(f"/files/{file.pk}/discard")

    assert File.objects.filter(pk=file.pk).exists()
