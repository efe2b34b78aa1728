"""Runs at rest: their logs folded into one small record each, and given back from it.

A delta's text is in the row that the deltas made: a message, the arguments of a call,
the reasoning of a step. So of a delta the record keeps only what it belongs to, its
seq, its length and its time, and the text is cut out of the rows again. All other
events, and deltas that can't be had back in this way, are in it whole. The last event
stays in the log, so that what is folded shows as a gap before it. Who reads the log
with ``events.after`` or ``live.follow`` sees no difference, save that the times of
deltas are to ten milliseconds.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Coalesce, Now

from runs.models import (
    DELTAS,
    TERMINAL,
    EventType,
    Message,
    Run,
    RunEvent,
    RunStep,
    RunTimeline,
    part_text,
)
from runs.records import (
    NO_TEXT,
    RESOLUTION,
    Entry,
    Mark,
    Place,
    Record,
    pack,
    unpack,
)

log = logging.getLogger(__name__)

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
FIELDS = ("seq", "attempt", "type", "data", "created_at")  # of an Entry, in order
# On PostgreSQL the log comes as one JSON text: to read its rows one by one would cost
# more than all that is done with them.
READ_ALL = """
    SELECT json_agg(json_build_array(seq, attempt, type, data,
        (EXTRACT(EPOCH FROM created_at) * 1000000)::bigint) ORDER BY seq)::text
    FROM runs_runevent WHERE run_id = %s
"""

# What grows, and the event that tells of it.
GROWS: dict[str, str] = {
    "text": EventType.MESSAGE_DELTA.value,
    "refusal": EventType.MESSAGE_DELTA.value,
    "arguments": EventType.STEP_DELTA.value,
    "reasoning": EventType.REASONING_DELTA.value,
}


@dataclass(slots=True)
class Strand:
    """The text of one place, cut into deltas, each from where the last one ended.

    ``data`` is what all these deltas say, ``opening`` what the first says besides.
    """

    key: str
    text: str
    data: dict[str, Any]
    opening: dict[str, Any]
    start: int = 0

    def next_data(self, length: int) -> dict[str, Any]:
        """The data of the next delta."""
        data = {**self.data, **self.opening}
        self.opening = {}
        if length != NO_TEXT:
            end = self.start + length
            data[self.key] = self.text[self.start : end]
            self.start = end
        return data


class Texts:
    """What the rows of a run hold. What is deleted is empty."""

    def __init__(self, run_id: str, places: Iterable[Place]) -> None:
        self._parts: dict[Any, list[dict[str, Any]]] = {}
        self._calls: dict[Any, list[dict[str, Any]]] = {}
        self._reasoning: dict[Any, str] = defaultdict(str)
        places = set(places)
        messages = {p.owner for p in places if p.grows in ("text", "refusal")}
        if messages:
            rows = Message.objects.filter(pk__in=messages)
            self._parts.update(rows.values_list("pk", "content"))
        if any(p.owner not in messages for p in places):
            steps = RunStep.objects.filter(run_id=run_id).order_by("index")
            for step in steps.values_list("pk", "turn", "tool_calls", "reasoning"):
                self._add_step(*step)

    def _add_step(self, pk: str, turn: int, calls: list[Any], reasoning: str) -> None:
        self._calls[pk] = calls
        self._reasoning[turn] += reasoning

    def strand(self, place: Place) -> Strand:
        """The text of this place, from its beginning."""
        grows, owner, part, _ = place
        if grows == "reasoning":
            return Strand("text", self._reasoning[owner], {"turn": owner}, {})
        if grows == "arguments":
            call = _at(self._calls.get(owner, []), part)
            function = call.get("function", {})
            code = call.get("code_interpreter", {}).get("input", "")
            text = function.get("arguments", code)
            opening = {"id": call["id"], "name": function["name"]} if function else {}
            return Strand(grows, text, {"step": owner, "index": part}, opening)
        content = _at(self._parts.get(owner, []), part)
        text = part_text(content) if content else ""
        return Strand(grows, text, {"message": owner, "index": part}, {})


def compact_some(most: int = 100) -> int:
    """Bring runs to rest whose end and grace period are over, the oldest first.

    Returns how many it took up, at most ``most``; each has a transaction of its own. A
    run that can't be folded is logged and left as it is for good, so that it keeps no
    other waiting. Raises DatabaseError when the database is away.
    """
    ended = Coalesce(
        "completed_at", "incomplete_at", "failed_at", "cancelled_at", "expired_at"
    )
    grace = dt.timedelta(seconds=settings.RUN_REST_SECONDS)
    due = (
        Run.objects.filter(is_at_rest=False, status__in=TERMINAL)
        .annotate(ended=ended)
        .filter(ended__lt=Now() - grace)
        .order_by("created_at")
    )
    run_ids = list(due.values_list("pk", flat=True)[:most])
    for run_id in run_ids:
        try:
            compact(run_id)
        except Exception:
            log.exception("Run %s can't be folded; its log stays as it is", run_id)
            _set_at_rest(run_id)
    return len(run_ids)


@transaction.atomic
def compact(run_id: str) -> None:
    """Fold all but the last event of a run that is over into its timeline, once.

    Nothing happens to a run that is active, or that another worker has in hand.
    """
    over = Run.objects.filter(pk=run_id, status__in=TERMINAL, is_at_rest=False)
    if not over.select_for_update(skip_locked=True).values_list("pk").first():
        return
    *entries, last = _log_of(run_id)
    if entries:
        RunTimeline.objects.create(run_id=run_id, data=folded(run_id, entries))
        RunEvent.objects.filter(run_id=run_id, seq__lt=last.seq).delete()
    _set_at_rest(run_id)


def _log_of(run_id: str) -> list[Entry]:
    """All events of a run that is not at rest, in order."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(READ_ALL, [run_id])
            return list(map(Entry._make, json.loads(cursor.fetchone()[0])))
    rows = RunEvent.objects.filter(run_id=run_id).order_by("seq")
    return [
        Entry(seq, attempt, kind, data, (at - EPOCH) // MICROSECOND)
        for seq, attempt, kind, data, at in rows.values_list(*FIELDS)
    ]


def _set_at_rest(run_id: str) -> None:
    Run.objects.filter(pk=run_id).update(is_at_rest=True)


def folded(run_id: str, entries: Sequence[Entry]) -> bytes:
    """The record that, with the rows, gives these events back.

    Raises ValueError where it would not, and KeyError where a delta says of nothing
    that it grows.
    """
    places = [place_of(e) if e.type in DELTAS else None for e in entries]
    texts = Texts(run_id, filter(None, places))
    data = pack(record_of(entries, places, texts))
    back = unfold(unpack(data), texts)
    if len(back) != len(entries) or not all(map(is_same, entries, back)):
        raise ValueError("the record would not give back what was there")
    return data


def record_of(
    entries: Iterable[Entry], places: Iterable[Place | None], texts: Texts
) -> Record:
    """A mark of each delta, until in its place one differs from the text of the row;
    all else whole."""
    record = Record()
    strands: dict[Place, Strand] = {}
    spoiled = set()
    for entry, place in zip(entries, places, strict=True):
        if place is None or place in spoiled:
            record.whole.append(entry)
            continue
        strand = strands.get(place) or strands.setdefault(place, texts.strand(place))
        mark = mark_of(entry, place, strand)
        if mark:
            record.marks.append(mark)
        else:
            spoiled.add(place)
            record.whole.append(entry)
    return record


def mark_of(delta: Entry, place: Place, strand: Strand) -> Mark | None:
    """The mark of a delta that continues this strand; None if it doesn't."""
    told, key = delta.data, strand.key
    length = len(told[key]) if key in told else NO_TEXT
    data = strand.next_data(length)
    more: dict[str, Any] = {}
    if data != told:
        more = {k: v for k, v in told.items() if k not in data or data[k] != v}
        if key in more or data.keys() - told.keys():
            return None
    return Mark(delta.seq, place, length, delta.at, more)


def is_same(entry: Entry, back: Entry) -> bool:
    """Whether an event came back as it was; a delta's time may be a ms early."""
    if entry[:-1] != back[:-1]:
        return False
    late = entry.at - back.at
    return not late or (entry.type in DELTAS and 0 < late < RESOLUTION)


def events_after(run_id: str, seq: int) -> list[RunEvent]:
    """The folded events of a run beyond seq, in order, as they were in the log."""
    data = RunTimeline.objects.filter(pk=run_id).values_list("data", flat=True).first()
    if data is None:
        return []
    record = unpack(data)
    texts = Texts(run_id, (mark.place for mark in record.marks))
    return [
        RunEvent(
            run_id=run_id,
            seq=entry.seq,
            attempt=entry.attempt,
            type=entry.type,
            data=entry.data,
            created_at=EPOCH + entry.at * MICROSECOND,
        )
        for entry in unfold(record, texts)
        if entry.seq > seq
    ]


def has_gap(seqs: Iterable[int], after: int) -> bool:
    """Whether the log lacks an event between ``after`` and the last of these."""
    return any(seq != expected for expected, seq in enumerate(seqs, after + 1))


def unfold(record: Record, texts: Texts) -> list[Entry]:
    """The events of a record in order, the text of deltas cut out of the rows."""
    entries = list(record.whole)
    strands: dict[Place, Strand] = {}
    for seq, place, length, at, more in record.marks:
        strand = strands.get(place) or strands.setdefault(place, texts.strand(place))
        data = strand.next_data(length)
        data.update(more)
        entries.append(Entry(seq, place.attempt, GROWS[place.grows], data, at))
    entries.sort(key=itemgetter(0))
    return entries


def place_of(delta: Entry) -> Place:
    data, attempt = delta.data, delta.attempt
    if delta.type == EventType.REASONING_DELTA:
        return Place("reasoning", data["turn"], 0, attempt)
    if delta.type == EventType.STEP_DELTA:
        return Place("arguments", data["step"], data["index"], attempt)
    grows = "refusal" if "refusal" in data else "text"
    return Place(grows, data["message"], data["index"], attempt)


def _at(items: list[dict[str, Any]], index: int) -> dict[str, Any]:
    return items[index] if index < len(items) else {}
