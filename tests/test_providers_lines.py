"""Server-sent events however they are cut, ended or spread, and never without bound."""

from __future__ import annotations

import random
from collections import deque

import pytest

from runs.providers import ProviderError, TextDelta
from runs.providers.chat_completions import ChatReader
from runs.providers.lines import DONE, Events, Lines
from tests.providers_fixtures import read
from tests.test_providers_chat_completions import SERVER, chunk

STREAM = 'data: {"a":"é"}\r\n\r\n: hm\nid: 3\ndata:{"b":2}\n\ndata: [DONE]\n\n'.encode()


def decoded(stream: bytes, sizes: list[int]) -> list[object]:
    """The events of a stream that arrives in pieces of these sizes."""
    lines, events = Lines(1000), Events(1000)
    found: list[object] = []
    while stream:
        size = sizes.pop() if sizes else len(stream)
        piece, stream = stream[:size], stream[size:]
        found += [events.read(line) for line in lines.feed(piece)]
    return [event for event in found if event is not None]


@pytest.mark.parametrize("seed", range(20))
def test_the_cuts_of_the_network_do_not_show(seed):
    sizes = [random.Random(seed).randint(1, 7) for _ in STREAM]  # noqa: S311
    events = decoded(STREAM, sizes)
    assert events == [{"a": "é"}, {"b": 2}, {}]
    assert events[-1] is DONE


def test_an_object_may_be_spread_over_data_lines():
    assert decoded(b'data: {\ndata: "a":\ndata: 1}\n\n', []) == [{"a": 1}]


def test_events_may_lack_their_blank_lines():
    assert decoded(b'data: {"a":1}\ndata: {"a":2}\n', []) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "text", [b"\xc3", rb"\ud83d", rb"\udc00\ud83d"], ids=["bytes", "half", "swapped"]
)
def test_a_broken_character_costs_only_itself(text):
    (event,) = decoded(b'data: {"a":"x' + text + b'y"}\n\n', [])
    assert isinstance(event, dict)
    assert event["a"].startswith("x")
    assert event["a"].endswith("y")
    assert event["a"].encode()


def test_nul_never_gets_through():
    values = read(ChatReader(SERVER), chunk(content="a\0b"), chunk("stop"))
    assert values[0] == TextDelta("ab")


@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_a_line_is_never_longer_than_the_limit(size):
    endless = (b"x" * size for _ in range(2_000))
    with pytest.raises(ProviderError) as raised:
        deque(map(Lines(1000).feed, endless))
    assert raised.value.code == "answer_too_large"


def test_a_long_line_is_refused_with_its_end_in_sight_too():
    with pytest.raises(ProviderError):
        Lines(10).feed(b"x" * 11 + b"\n")
    lines = Lines(10)
    lines.feed(b"x" * 6)
    with pytest.raises(ProviderError):
        lines.feed(b"x" * 6 + b"\n")


def test_an_object_spread_over_lines_is_bounded_too():
    with pytest.raises(ProviderError) as raised:
        deque(map(Events(1000).read, [b"data: {"] * 2_000))
    assert raised.value.code == "garbage"


def test_the_last_line_may_lack_its_end():
    lines = Lines(1000)
    assert lines.feed(b'data: {"a":1}') == []
    assert lines.end() == [b'data: {"a":1}']
    assert lines.end() == []
