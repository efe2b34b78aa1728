"""The record of a run at rest as bytes: what it holds, and how it is written.

``runs.timelines`` makes records from logs and logs from records.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

VERSION = 1  # the first byte of a record; the others are zlib over JSON
# What most records hold, for zlib to point at: a third less to store. It is part of the
# format, so that another text needs another version.
USUAL = b"""\
"thread.run.failed",{"code":"server_error","message":"","error_code":"\
"thread.run.cancelling",{"by":"\
"thread.run.retrying",{"thread.run.requires_action",{"step":"\
"type":"tool_calls","id":"call_0","name":"arguments","outputs":{"call_0":"\
"thread.message.incomplete",{"message":"msg_0","reason":"\
[[1,0,"thread.run.created",{},-1],[2,0,"thread.run.queued",{},-1],\
[3,1,"thread.run.in_progress",{"worker":"threadmill-worker-1:1","attempt":1},-1],\
[4,1,"thread.run.sent",{"model":"gpt-5","server":"openai","context_from":"msg_0\
","context_truncated":0},-1],[5,1,"thread.run.step.created",{"step":"step_0\
","turn":1,"type":"message_creation","index":0},0],\
[6,1,"thread.run.step.in_progress",{"step":"step_0"},0],\
[7,1,"thread.message.created",{"step":"step_0","number":2,"parent":"msg_0\
","message":"msg_0"},0],[8,1,"thread.message.in_progress",{"message":"msg_0"},0],\
[209,1,"thread.run.turn.completed",{"step":"step_0","turn":1,"model":"gpt-5-2025-\
","usage":{"input_tokens":1,"output_tokens":1,"reasoning_tokens":0,\
"cached_input_tokens":0},"request_id":"req_0","response_id":"resp_0\
","finish_reason":"stop"},1],[210,1,"thread.message.completed",{"message":"msg_0"},1],\
[211,1,"thread.run.step.completed",{"step":"step_0"},1]],\
[["reasoning",1,0,1],["arguments","step_0",0,1],["text","msg_0",0,1]],{},\
[9,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],[0,33,0,0,0,0,0,0,0,0]]"""
RESOLUTION = 10_000  # µs, of when a delta came: finer than a frame on a screen
NO_TEXT = -1


class Entry(NamedTuple):
    """An event of the log, its time in µs since 1970; a plain tuple, for a model instance
    costs as much as all else that is done with one here."""

    seq: int
    attempt: int
    type: str
    data: dict[str, Any]
    at: int


class Place(NamedTuple):
    """What deltas of one attempt add to.

    ``owner`` is the id of the message or step, or the number of the turn that reasons;
    ``part`` is the index of the content part or of the call.
    """

    grows: str
    owner: str | int
    part: int
    attempt: int

    @property
    def key(self) -> str:
        """The name of the text in the data of a delta."""
        return "text" if self.grows == "reasoning" else self.grows


class Mark(NamedTuple):
    """What is kept of one delta.

    ``length`` is that of its text in characters, NO_TEXT where it has none; ``more`` are
    the facts that its place and the text of the row don't tell.
    """

    seq: int
    place: Place
    length: int
    at: int
    more: dict[str, Any]


@dataclass(slots=True)
class Record:
    """What a timeline holds: marks of deltas, and the other events whole."""

    marks: list[Mark] = field(default_factory=list)
    whole: list[Entry] = field(default_factory=list)


def pack(record: Record) -> bytes:
    """The record as bytes: first time in µs, whole events, places, four columns of
    integers, and other facts of deltas.

    The first time is that of the first delta; whole events have theirs in µs after it.
    The columns hold, per delta, seq and time in RESOLUTION as differences from the delta before,
    the number of the place, and the length: small numbers that repeat, for zlib.
    """
    marks = record.marks
    # That of a delta where there is one: the first is the run's first token, to the µs.
    begin = (marks or record.whole)[0].at
    places = dict.fromkeys(mark.place for mark in marks)
    numbers = {place: number for number, place in enumerate(places)}
    whole = [(*entry[:-1], entry.at - begin) for entry in record.whole]
    columns = [
        _steps([mark.seq for mark in marks]),
        _steps([(mark.at - begin) // RESOLUTION for mark in marks]),
        [numbers[mark.place] for mark in marks],
        [mark.length for mark in marks],
    ]
    more = {mark.seq: mark.more for mark in marks if mark.more}
    parts = [begin, whole, list(places), more, *columns]
    text = json.dumps(parts, separators=(",", ":"))
    press = zlib.compressobj(9, zdict=USUAL)
    return bytes([VERSION]) + press.compress(text.encode()) + press.flush()


def unpack(data: bytes | memoryview) -> Record:
    """The record in these bytes. Raises ValueError at a version it does not know."""
    if data[0] != VERSION:
        raise ValueError(f"timeline of version {data[0]}")
    text = zlib.decompressobj(zdict=USUAL).decompress(bytes(data)[1:])
    begin, whole, places, more, *columns = json.loads(text)
    places = [Place(*place) for place in places]
    record = Record()
    for seq, attempt, kind, fact, time in whole:
        record.whole.append(Entry(seq, attempt, kind, fact, begin + time))
    seq, time = 0, 0
    for more_seq, more_time, number, length in zip(*columns, strict=True):
        seq, time = seq + more_seq, time + more_time
        at = begin + time * RESOLUTION
        mark = Mark(seq, places[number], length, at, more.get(str(seq), {}))
        record.marks.append(mark)
    return record


def _steps(numbers: Sequence[int]) -> list[int]:
    """Each number less the one before it."""
    return [b - a for a, b in zip([0, *numbers], numbers, strict=False)]
