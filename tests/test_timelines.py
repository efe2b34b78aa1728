"""A run at rest is small, and whoever reads its log sees what was there before."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

import hypothesis
import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import strategies as st

from runs import actions, endings, events, live, timelines
from runs.course import MESSAGE_FIELDS, RUN_FIELDS, STEP_FIELDS
from runs.events import Event
from runs.models import DELTAS, EventType, Message, Run, RunEvent, RunTimeline, User
from runs.providers import (
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    Value,
)
from runs.turn import Turn
from tests.scripts import WELL, Scripted, bare, columns, ended, post, working
from tests.scripts import assert_rows_are_fold_of_log as assert_fold
from tests.timelines_fixtures import Log, answered, call_values, spread_over_time, write

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = dt.timedelta(days=1)

# Characters beyond the first 65,536, combining ones, and what JSON escapes.
TEXTS = st.text(st.sampled_from('ab \n"\\é\u0301🐋𝔘漢\u2028'), max_size=6)
SAID = st.one_of(
    st.builds(TextDelta, TEXTS),
    st.builds(RefusalDelta, TEXTS),
    st.builds(ReasoningDelta, TEXTS),
)
CALLS = st.lists(st.lists(TEXTS, min_size=1, max_size=4), max_size=3)


def seen(log: Iterable[RunEvent]) -> list[tuple[Any, ...]]:
    return [(e.run_id, e.seq, e.attempt, e.type, e.data) for e in log]


def stored(run: Run) -> list[int]:
    """The seqs of the events that are rows of the log."""
    rows = RunEvent.objects.filter(run=run).order_by("seq")
    return list(rows.values_list("seq", flat=True))


def end_earlier(run: Run, by: dt.timedelta) -> None:
    Run.objects.filter(pk=run.pk).update(completed_at=timezone.now() - by)


async def followed(run: Run, after: int = 0) -> list[tuple[int, str, Any]]:
    async with (
        asyncio.timeout(10),
        contextlib.aclosing(live.follow(run.pk, after)) as log,
    ):
        return [(event.seq, event.type, event.data) async for event in log]


@hypothesis.settings(
    max_examples=30, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)
@hypothesis.given(
    first=st.lists(SAID, max_size=8),
    calls=CALLS,
    second=st.lists(SAID, max_size=8),
    commits=st.lists(st.booleans(), min_size=1, max_size=5),
    merges=st.booleans(),
    cursor=st.integers(0, 40),
    limit=st.integers(1, 12),
)
def test_rest_changes_nothing_that_a_reader_sees(
    alice: User,
    first: list[Value],
    calls: list[list[str]],
    second: list[Value],
    commits: list[bool],
    merges: bool,
    cursor: int,
    limit: int,
) -> None:
    run = actions.post_message(user=alice, text="Hi")
    values = [*first, *call_values(calls)]
    turn = write(run, values, commits=commits, merges=merges)
    if turn.tool_step:
        run.refresh_from_db()
        outputs = {f"call_{n}": "noon 🐋" for n in range(len(calls))}
        actions.submit_tool_outputs(run=run, outputs=outputs)
        write(run, second, commits=commits, merges=merges)
    assert_fold(run)
    spread_over_time(run)
    run.refresh_from_db()
    before = events.after(run.pk, 0)
    rows = folded(run)
    page = read_page(run, cursor)

    timelines.compact(run.pk)

    log = events.after(run.pk, 0)
    assert seen(log) == seen(before)
    assert all(
        abs(new.created_at - old.created_at) < dt.timedelta(milliseconds=10)
        for new, old in zip(log, before, strict=True)
    )
    assert seen(events.after(run.pk, cursor)) == seen(before[cursor:])
    limited = events.after(run.pk, cursor, limit)
    assert seen(limited) == seen(before[cursor : cursor + limit])
    assert read_page(run, cursor) == page
    assert folded(run) == rows


def folded(run: Run) -> list[dict[str, Any]]:
    """The rows that the log makes."""
    course = events.replay(bare(run), events.after(run.pk, 0))
    return [
        columns(course.run, RUN_FIELDS),
        *(columns(step, STEP_FIELDS) for step in course.steps.values()),
        *(columns(message, MESSAGE_FIELDS) for message in course.messages.values()),
    ]


def read_page(run: Run, cursor: int) -> list[tuple[int, str, Any]]:
    return [(e.seq, e.type, e.data) for e in live._read(run.pk, cursor)]


def test_the_log_of_an_answer_becomes_one_small_record(alice: User) -> None:
    run = answered(alice, *(f"{n} bottles " for n in range(200)))
    assert len(stored(run)) == run.last_seq > 200
    timelines.compact(run.pk)
    assert_fold(run)
    run.refresh_from_db()
    assert run.is_at_rest
    assert stored(run) == [run.last_seq]
    assert len(RunTimeline.objects.get(run=run).data) < 600


def test_a_second_rest_is_nothing(alice: User) -> None:
    run = answered(alice, "one ", "two")
    timelines.compact(run.pk)
    kept = RunTimeline.objects.get(run=run).data
    before = seen(events.after(run.pk, 0))
    timelines.compact(run.pk)
    assert RunTimeline.objects.get(run=run).data == kept
    assert seen(events.after(run.pk, 0)) == before


def test_a_run_without_deltas_comes_to_rest_too(alice: User) -> None:
    run = actions.post_message(user=alice, text="Hi")
    endings.failed(run.pk, error_code="x", message="y")
    before = seen(events.after(run.pk, 0))
    timelines.compact(run.pk)
    run.refresh_from_db()
    assert run.is_at_rest
    assert stored(run) == [run.last_seq]
    assert seen(events.after(run.pk, 0)) == before


def test_an_active_run_is_left_alone(alice: User) -> None:
    run = actions.post_message(user=alice, text="Hi")
    timelines.compact(run.pk)
    run.refresh_from_db()
    assert not run.is_at_rest


def test_deltas_that_no_row_kept_come_back_too(alice: User) -> None:
    """The answer has its row; the reasoning came before any step that could keep it."""
    run = actions.post_message(user=alice, text="Hi")
    claimed = events.claim(run.pk, worker="w:1")
    assert claimed
    log: Any = Log(claimed, merges=False)
    turn = Turn(log, number=1, next_index=0)
    for value in (TextDelta("Well, "), TextDelta("…")):
        turn.take(value)
    log.add(Event(EventType.REASONING_DELTA, {"turn": 2, "text": "Hm"}))
    log.commit()
    endings.interrupted(run.pk)
    before = seen(events.after(run.pk, 0))
    lost = before[-4][1]

    timelines.compact(run.pk)

    run.refresh_from_db()
    assert stored(run) == [run.last_seq]
    assert seen(events.after(run.pk, 0)) == before
    assert seen(events.after(run.pk, lost - 1, 2)) == before[lost - 1 : lost + 1]
    assert run.is_at_rest


def test_facts_beyond_the_text_come_back_too(alice: User) -> None:
    """A citation between the words, and a delta that has no text at all."""
    run = actions.post_message(user=alice, text="Hi")
    claimed = events.claim(run.pk, worker="w:1")
    assert claimed
    log: Any = Log(claimed, merges=False)
    turn = Turn(log, number=1, next_index=0)
    for text in ("Whales ", "", "sleep."):
        turn.take(TextDelta(text))
    log.pending[-2].data["annotation"] = {"type": "file_citation", "text": "[1]"}
    for event in [*turn.completed(), Event(EventType.RUN_COMPLETED)]:
        log.add(event)
    log.commit()
    bare_delta = RunEvent.objects.filter(run=run, type__in=DELTAS).order_by("seq")[1]
    RunEvent.objects.filter(run=run, seq=bare_delta.seq).update(
        data={key: bare_delta.data[key] for key in ("message", "index", "annotation")}
    )
    before = seen(events.after(run.pk, 0))

    timelines.compact(run.pk)

    run.refresh_from_db()
    assert stored(run) == [run.last_seq]
    assert seen(events.after(run.pk, 0)) == before


def test_a_deleted_message_leaves_deltas_without_text(alice: User) -> None:
    run = answered(alice, "one ", "two")
    timelines.compact(run.pk)
    Message.objects.filter(run=run).delete()
    deltas = [e for e in events.after(run.pk, 0) if e.type in DELTAS]
    assert [e.data["text"] for e in deltas] == ["", ""]
    assert [e.seq for e in events.after(run.pk, 0)] == list(range(1, run.last_seq + 1))


def test_only_runs_that_ended_long_enough_ago_come_to_rest(
    alice: User, settings: Any
) -> None:
    settings.RUN_REST_SECONDS = 60
    recent, due = answered(alice, "one"), answered(alice, "two")
    waiting = actions.post_message(user=alice, text="Hi")
    end_earlier(recent, dt.timedelta(seconds=50))
    end_earlier(due, dt.timedelta(seconds=70))
    assert timelines.compact_some() == 1
    assert list(Run.objects.filter(is_at_rest=True)) == [due]
    assert timelines.compact_some() == 0
    assert {waiting, recent} == set(Run.objects.filter(is_at_rest=False))


def test_so_many_at_most_come_to_rest_at_once_the_oldest_first(alice: User) -> None:
    runs = [answered(alice, "one") for _ in range(3)]
    for run in runs:
        end_earlier(run, LONG_AGO)
    assert timelines.compact_some(most=2) == 2
    assert set(Run.objects.filter(is_at_rest=True)) == set(runs[:2])


def test_a_run_that_cannot_be_folded_keeps_no_other_waiting(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    broken, fine = answered(alice, "one"), answered(alice, "two")
    RunEvent.objects.filter(run=broken, type__in=DELTAS).update(data={"odd": 1})
    for run in (broken, fine):
        end_earlier(run, LONG_AGO)
    before = seen(events.after(broken.pk, 0))

    assert timelines.compact_some() == 2
    assert timelines.compact_some() == 0

    assert f"Run {broken.pk} can't be folded" in caplog.text
    assert seen(events.after(broken.pk, 0)) == before
    assert stored(fine) == [fine.last_seq]


@pytest.mark.parametrize("commits", [(True,), (False, False, True), (False,)])
def test_reasoning_between_the_steps_of_a_turn_is_kept_however_it_was_committed(
    alice: User, commits: tuple[bool, ...]
) -> None:
    """It is of the step that ends after it."""
    run = actions.post_message(user=alice, text="Hi")
    said: list[Value] = [ReasoningDelta("First"), TextDelta("Well")]
    calls = call_values([["{}"]])
    write(run, [*said, *calls, ReasoningDelta("Then")], merges=False, commits=commits)
    actions.submit_tool_outputs(run=run, outputs={"call_0": "noon"})
    assert [step.reasoning for step in run.steps.all()] == ["First", "Then"]
    assert_fold(run)


def test_a_step_that_begins_and_ends_at_once_has_what_was_reasoned_before(
    alice: User,
) -> None:
    run = actions.post_message(user=alice, text="Hi")
    values: list[Value] = [ReasoningDelta("Hm"), TextDelta("Well")]
    write(run, values, merges=False, commits=(True, False))
    assert [step.reasoning for step in run.steps.all()] == ["Hm"]


async def test_a_follower_that_pages_through_a_run_does_not_see_it_come_to_rest(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PAGE", 7)
    monkeypatch.setattr(live, "LOOK_ANYWAY", 60)  # Nothing is left for that to find.
    run = await sync_to_async(answered)(alice, *(f"{n} " for n in range(60)))
    before = await followed(run)
    assert len(before) == run.last_seq
    for at in (1, 3, 7, 8, 30, 67):
        await sync_to_async(undo_rest)(run)
        page: list[tuple[int, str, Any]] = []
        async with (
            asyncio.timeout(10),
            contextlib.aclosing(live.follow(run.pk)) as log,
        ):
            async for event in log:
                page.append((event.seq, event.type, event.data))
                if event.seq == at:
                    await sync_to_async(timelines.compact)(run.pk)
        assert page == before


def undo_rest(run: Run) -> None:
    """Put the events back, as if the run had only just ended."""
    log = events.after(run.pk, 0)
    RunTimeline.objects.filter(run=run).delete()
    known = set(RunEvent.objects.filter(run=run).values_list("seq", flat=True))
    RunEvent.objects.bulk_create(e for e in log if e.seq not in known)
    Run.objects.filter(pk=run.pk).update(is_at_rest=False)


async def test_every_cursor_into_a_run_at_rest_goes_on_to_its_end(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PAGE", 5)
    monkeypatch.setattr(live, "KEPT", 3)
    run = await sync_to_async(answered)(alice, *"abcdefghijklmnopqrst")
    before = await followed(run)
    await sync_to_async(timelines.compact)(run.pk)
    for cursor in range(run.last_seq + 1):
        assert await followed(run, cursor) == before[cursor:]


async def test_what_the_engine_wrote_comes_to_rest_with_nothing_left_over(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(
        ReasoningDelta("Let me "),
        ReasoningDelta("see."),
        TextDelta("It is 🐋 "),
        RefusalDelta("No"),
        TextDelta("."),
        WELL,
    )
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    before = await followed(run)
    await sync_to_async(timelines.compact)(run.pk)
    assert await sync_to_async(stored)(run) == [run.last_seq]
    assert await followed(run) == before
    await sync_to_async(assert_fold)(run)


def test_calls_of_tools_come_to_rest_with_nothing_left_over(alice: User) -> None:
    run = actions.post_message(user=alice, text="Hi")
    calls = call_values([['{"at":', ' "🐋"}'], ["{}"]])
    write(run, [ReasoningDelta("Hm"), *calls], merges=False)
    run.refresh_from_db()
    outputs = {"call_0": "noon", "call_1": "night"}
    actions.submit_tool_outputs(run=run, outputs=outputs)
    write(run, [ReasoningDelta("So"), TextDelta("Noon.")], merges=False)
    before = seen(events.after(run.pk, 0))
    timelines.compact(run.pk)
    run.refresh_from_db()
    assert stored(run) == [run.last_seq]
    assert seen(events.after(run.pk, 0)) == before
    assert_fold(run)


def test_the_admin_shows_the_log_of_a_run_at_rest(root: User) -> None:
    client = Client()
    client.force_login(root)
    run = answered(root, "one ", "two ", "three")
    page = reverse("admin:runs_run_change", args=[run.pk.replace("_", "_5F")])
    before = client.get(page).context["events"]
    timelines.compact(run.pk)
    after = client.get(page).context["events"]
    assert [row["data"] for row in after] == [row["data"] for row in before]
    assert "one two three" in [row["data"] for row in after]


def test_a_frame_of_a_run_at_rest_is_json_of_the_same_event(alice: User) -> None:
    run = answered(alice, 'quo"te\n', "🐋")
    before = [json.loads(e.frame) for e in live._read(run.pk, 0)]
    timelines.compact(run.pk)
    assert [json.loads(e.frame) for e in live._read(run.pk, 0)] == before
