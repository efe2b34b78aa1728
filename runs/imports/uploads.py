"""Exports of ChatGPT and Claude that people upload, taken in by a worker.

Each batch of conversations is committed with the count of what is dealt with, under the
lease of one worker, so that another one goes on behind it after a crash.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from runs import files
from runs.conversations import title_from
from runs.imports import chatgpt, claude
from runs.imports.archive import Unreadable
from runs.imports.archive import conversations as conversations_of
from runs.imports.conversation import Conversation, NotTaken
from runs.imports.reading import refuse_unstorable
from runs.models import (
    Import,
    ImportStatus,
    Message,
    Thread,
    TitledBy,
    User,
    text_part,
)
from runs.models.fields import without_nul
from runs.threads import DatabaseThread

log = logging.getLogger(__name__)

LOOK = 2.0  # seconds between looks for an upload
AT_ONCE = 20  # conversations in one transaction
TIME_AT_ONCE = 0.5  # seconds of one transaction, or little more
ATTEMPTS = 3
MOST_REFUSALS = 100  # of which the reasons are kept
KEPT = dt.timedelta(days=2)  # the upload of an import that nobody works off
PURPOSE = "user_data"
READERS = (chatgpt, claude)


class ImportUnderWay(Exception):
    """An import of this person is under way."""

    def __init__(self) -> None:
        super().__init__(
            _("An import of yours is under way. Begin the next when it is done.")
        )


class LostLease(Exception):
    """Another worker goes on with this import."""


def begin(*, owner: User, filename: str, content: Iterable[bytes]) -> Import:
    """Keep an upload and queue it. Raises ImportUnderWay, TooLarge and NoRoom."""
    try:
        with transaction.atomic():
            file = files.store(
                owner=owner,
                filename=filename,
                purpose=PURPOSE,
                content=content,
                expires_at=timezone.now() + KEPT,
            )
            return Import.objects.create(owner=owner, file=file, filename=file.filename)
    except IntegrityError as error:
        raise ImportUnderWay from error


def under_way(owner: User) -> bool:
    """Whether an import of this person is queued or in progress."""
    return Import.objects.filter(owner=owner, status__in=_ACTIVE).exists()


async def keep_importing(worker: str) -> None:
    """Work off uploads, one after the other, until cancelled."""
    thread = DatabaseThread("importer")
    try:
        while True:
            try:
                if job := await thread.call(take, worker):
                    while await thread.call(job.work):
                        pass
            except DatabaseError:
                log.exception("Importing failed; trying again")
            await asyncio.sleep(LOOK)
    finally:
        await thread.close()


def take(worker: str) -> Job | None:
    """The oldest upload that waits, or whose worker died; now this worker's."""
    waits = Q(status=ImportStatus.QUEUED)
    lost = Q(status=ImportStatus.IN_PROGRESS, lease_until__lt=Now())
    free = Import.objects.filter(waits | lost)
    for key in free.order_by("created_at").values_list("pk", flat=True)[:5]:
        taken = free.filter(pk=key).update(
            status=ImportStatus.IN_PROGRESS,
            worker=worker,
            attempt=F("attempt") + 1,
            lease_until=_lease(),
        )
        if taken:
            return Job(Import.objects.select_related("owner", "file").get(pk=key))
    return None


class Job:
    """One import in the hands of one worker."""

    def __init__(self, row: Import) -> None:
        self.row = row
        self._part_read = row.part_read
        self._left: Iterator[tuple[str, Any]] | None = None
        self._known: set[tuple[str, str]] = set()

    def work(self) -> bool:
        """Take in some conversations; whether there are more.

        What cannot be read ends the import, with a reason; what was taken in stays.
        """
        try:
            return self._work()
        except LostLease:
            log.info("Import %s went to another worker", self.row.pk)
        except Unreadable as error:
            self._end(ImportStatus.FAILED, str(error))
        except DatabaseError:
            raise
        except Exception:
            log.exception("Import %s failed", self.row.pk)
            self._end(ImportStatus.FAILED, "Internal error.")
        return False

    def _work(self) -> bool:
        left = self._left = self._left or self._begin()
        batch, broken = _batch(left)
        with transaction.atomic():
            for place, value in batch:
                self._take_in(place, value)
            self._note(len(batch))
        if broken:
            raise broken
        if not batch:
            self._end(ImportStatus.COMPLETED)
        return bool(batch)

    def _begin(self) -> Iterator[tuple[str, Any]]:
        """What is behind that which is dealt with already. Raises Unreadable."""
        if self.row.attempt > ATTEMPTS:
            raise Unreadable("The server stopped several times while reading it.")
        if self.row.file is None:
            raise Unreadable("The uploaded file was deleted.")
        self._known = {
            (kept["imported_from"], kept["imported_id"])
            for kept in Thread.objects.owned_by(self.row.owner)
            .filter(metadata__has_key="imported_id")
            .values_list("metadata", flat=True)
            if "imported_from" in kept
        }
        found = conversations_of(self.row.file, self._heard)
        return islice(found, self.row.done, None)

    def _heard(self, part: float) -> None:
        self._part_read = min(part, 1.0)

    def _take_in(self, place: str, value: Any) -> None:
        row = self.row
        try:
            told = read(value)
            if (told.source, told.key) in self._known:
                row.threads_skipped += 1
                return
            with transaction.atomic():
                row.messages_made += len(store(told, row.owner))
        except (NotTaken, DataError) as error:
            reason = str(error) if isinstance(error, NotTaken) else "cannot be stored"
            row.refused_count += 1
            row.refused = [*row.refused, [place, reason]][:MOST_REFUSALS]
            return
        row.threads_made += 1
        row.left_out = dict(Counter(row.left_out) + told.left_out)
        self._known.add((told.source, told.key))

    def _note(self, dealt_with: int) -> None:
        """Write how far it is, unless the lease is lost. Raises LostLease."""
        row = self.row
        row.done += dealt_with
        facts = (
            "done threads_made threads_skipped messages_made "
            "left_out refused refused_count"
        )
        changes = {name: getattr(row, name) for name in facts.split()}
        held = Import.objects.filter(pk=row.pk, worker=row.worker, attempt=row.attempt)
        changes |= {"part_read": self._part_read, "lease_until": _lease()}
        if not held.filter(status=ImportStatus.IN_PROGRESS).update(**changes):
            raise LostLease

    def _end(self, status: ImportStatus, error: str = "") -> None:
        """The upload is no longer needed then."""
        with transaction.atomic():
            held = Import.objects.filter(pk=self.row.pk, attempt=self.row.attempt)
            held.update(status=status, error=error[:300], ended_at=Now(), file=None)
            if self.row.file:
                self.row.file.delete()


def _batch(
    left: Iterator[tuple[str, Any]],
) -> tuple[list[tuple[str, Any]], Unreadable | None]:
    """The next conversations, and why there will be no more if that is so.

    Parsed before the transaction, which would keep all others from writing to SQLite.
    """
    batch: list[tuple[str, Any]] = []
    until = time.monotonic() + TIME_AT_ONCE
    try:
        for one in islice(left, AT_ONCE):
            batch.append(one)
            if time.monotonic() > until:
                break
    except Unreadable as error:
        return batch, error
    return batch, None


def read(value: Any) -> Conversation:
    """The conversation in whichever of the known shapes. Raises NotTaken."""
    if not isinstance(value, dict):
        raise NotTaken("it is no JSON object")
    with suppress(RecursionError):
        for reader in READERS:
            if reader.is_one(value):
                found: Conversation = reader.read(_storable(value))
                return found
        raise NotTaken("it is neither of ChatGPT nor of Claude")
    raise NotTaken("it is nested too deeply")


def store(told: Conversation, owner: User) -> list[Message]:
    """The conversation as a thread of the owner's. Raises NotTaken."""
    if not told.said:
        raise NotTaken("it has no messages that can be taken")
    asked = (one.text for one in told.said if one.role == "user")
    title = " ".join(told.title.split())
    thread = Thread.objects.create(
        owner=owner,
        title=title or title_from(next(asked, "")),
        titled_by=TitledBy.PERSON if title else TitledBy.WORDS,
        created_at=told.at,
        last_activity_at=max([told.at, *(one.at for one in told.said if one.at)]),
        metadata={"imported_from": told.source, "imported_id": told.key},
    )
    made: dict[str, Message] = {}
    at = told.at
    for number, one in enumerate(told.said, 1):
        at = one.at or at
        made[one.key] = Message(
            thread=thread,
            number=number,
            parent=made.get(one.parent or ""),
            on_path=one.key in told.shown,
            role=one.role,
            author=owner if one.role == "user" else None,
            content=[text_part(one.text)],
            created_at=at,
            completed_at=at,
        )
    return Message.objects.bulk_create(list(made.values()), batch_size=500)


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """Without what no database takes. Raises NotTaken."""
    try:
        refuse_unstorable(value)
    except ValueError as error:
        raise NotTaken(f"it {str(error).rstrip('.')}") from error
    cleaned: dict[str, Any] = without_nul(value)
    return cleaned


def _lease() -> Any:
    return Now() + dt.timedelta(seconds=settings.RUN_LEASE_SECONDS)


_ACTIVE = (ImportStatus.QUEUED, ImportStatus.IN_PROGRESS)
