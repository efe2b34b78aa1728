"""Storage of files: what a person may keep, and what is forgotten."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from runs import files, housekeeping
from runs.models import File, FileChunk, User

pytestmark = pytest.mark.django_db


def store(owner: User, *content: bytes, **more: dt.datetime) -> File:
    return files.store(
        owner=owner, filename="x.txt", purpose="assistants", content=content, **more
    )


def test_pieces_are_of_one_size_however_they_came(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PIECE", 4)

    file = store(alice, b"a", b"bcdefghij", b"", b"klm")

    pieces = FileChunk.objects.filter(file=file).order_by("number")
    assert [bytes(piece.data) for piece in pieces] == [b"abcd", b"efgh", b"ijkl", b"m"]
    assert files.whole(file) == b"abcdefghijklm"
    assert file.bytes == 13


def test_a_file_beyond_the_limit_leaves_nothing(alice: User, settings: Any) -> None:
    settings.FILE_MAX_BYTES = 10

    with pytest.raises(files.TooLarge):
        store(alice, b"x" * 11)

    assert not File.objects.exists()
    assert not FileChunk.objects.exists()
    assert store(alice, b"x" * 10).bytes == 10


def test_a_person_has_room_for_so_much_and_no_more(
    alice: User, bob: User, settings: Any
) -> None:
    settings.FILES_PER_USER_MAX_BYTES = 10
    first = store(alice, b"x" * 6)

    with pytest.raises(files.NoRoom, match="of which 4 are left"):
        store(alice, b"x" * 5)

    assert store(bob, b"x" * 5).bytes == 5
    first.delete()
    assert store(alice, b"x" * 5).bytes == 5


def test_a_broken_upload_leaves_nothing(alice: User) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * files.PIECE
        raise OSError("the client has gone")

    with pytest.raises(OSError, match="gone"):
        files.store(owner=alice, filename="x", purpose="batch", content=broken())

    assert not File.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_housekeeping_forgets_expired_files(alice: User) -> None:
    moment = timezone.now()
    over = store(alice, b"over", expires_at=moment - dt.timedelta(seconds=1))
    kept = store(alice, b"kept", expires_at=moment + dt.timedelta(hours=1))

    assert over not in File.objects.visible_to(alice)
    housekeeping.keep_house()

    assert [file.pk for file in File.objects.all()] == [kept.pk]
    assert {chunk.file_id for chunk in FileChunk.objects.all()} == {kept.pk}


@pytest.mark.django_db(transaction=True)
async def test_reading_a_file_that_is_deleted_meanwhile_does_not_end_as_if_whole(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PIECE", 4)
    file = await sync_to_async(store)(alice, b"abcdefgh")
    pieces = files.content(file)

    assert await anext(pieces) == b"abcd"
    await File.objects.filter(pk=file.pk).adelete()

    with pytest.raises(files.Gone):
        await anext(pieces)
