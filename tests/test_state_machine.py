"""Any order of submit, claim, append, cancel, fail, expire, crash and resume is safe."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from runs import actions, decisions, endings, events, upcoming
from runs.events import Event, Fenced, IllegalTransition
from runs.ids import new_id
from runs.models import (
    TERMINAL,
    TERMINAL_EVENTS,
    EventType,
    Message,
    QueuedMessage,
    Run,
    RunEvent,
    Thread,
    User,
)
from runs.providers import TextDelta, ToolCallDelta, Usage
from runs.turn import Turn
from tests.scripts import WELL
from tests.scripts import assert_rows_are_fold_of_log as assert_fold

# api.md 1.1, written down once more on purpose: what the log may say in which order.
NEXT = {
    "": {"queued"},
    "queued": {"in_progress", "cancelling", "expired", "failed"},
    "in_progress": {
        "requires_action", "completed", "incomplete", "failed", "cancelling", "expired",
    },
    "requires_action": {"requires_action", "queued", "cancelling", "expired"},
    "cancelling": {"cancelled"},
}  # fmt: skip


class Unbuffered:
    """A run's log for a Turn, recording each event at once."""

    def __init__(self, run_id: str, attempt: int) -> None:
        self.run_id, self.attempt = run_id, attempt

    def add(self, event: Event) -> None:
        events.record(self.run_id, [event], attempt=self.attempt)


class Worker:
    """A worker that holds one attempt at one run; it may outlive its right to it."""

    def __init__(self, run: Run) -> None:
        self.run_id, self.attempt = run.pk, run.attempt
        number = run.steps.count()
        log: Any = Unbuffered(run.pk, run.attempt)
        self.turn = Turn(log, number=number + 1, next_index=number)

    def record(self, *new: Event) -> None:
        events.record(self.run_id, new, attempt=self.attempt)


class Life(RuleBasedStateMachine):
    """One thread, any number of runs one after the other, any number of workers."""

    user: User

    def __init__(self) -> None:
        super().__init__()
        self.thread = Thread.objects.create(owner=self.user)
        self.workers: list[Worker] = []
        self.terminal: dict[str, int] = {}
        self.queued: list[str] = []

    def teardown(self) -> None:
        """The sweep goes through all threads, and those of all examples stay."""
        self.thread.queued_messages.all().delete()

    def newest(self) -> Run | None:
        return self.thread.runs.order_by("created_at", "id").last()

    def worker(self, data: st.DataObject) -> Worker:
        return data.draw(st.sampled_from(self.workers))

    @rule(key=st.sampled_from(["", "a", "b"]))
    def submit(self, key: str) -> None:
        is_busy = self.thread.runs.active().exists()
        key = key and f"{key}-{self.thread.pk}"
        known = Run.objects.filter(user=self.user, idempotency_key=key).first()
        refused = pytest.raises(actions.ThreadIsBusy)
        with refused if is_busy and not (key and known) else contextlib.nullcontext():
            run = actions.post_message(
                user=self.user, text="Hi", thread=self.thread, idempotency_key=key
            )
            assert not (key and known) or run == known

    @rule()
    def claim(self) -> None:
        for run in self.thread.runs.all():
            queued = run.status == "queued"
            claimed = events.claim(run.pk, worker="w")
            assert bool(claimed) == queued
            if claimed:
                self.workers.append(Worker(claimed))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), text=st.text(min_size=1, max_size=5))
    def append(self, data: st.DataObject, text: str) -> None:
        worker = self.worker(data)
        run = Run.objects.get(pk=worker.run_id)
        mine = run.attempt == worker.attempt and run.status == "in_progress"
        before = run.last_seq
        try:
            worker.turn.take(TextDelta(text))
        except (Fenced, IllegalTransition):
            assert not mine
            worker.turn.message = worker.turn.message if mine else ""
        else:
            assert mine
            run.refresh_from_db()
            assert run.last_seq > before

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def call_a_tool(self, data: st.DataObject) -> None:
        worker = self.worker(data)
        with contextlib.suppress(Fenced, IllegalTransition):
            if not worker.turn.tool_step:
                for index in range(3):
                    worker.turn.take(ToolCallDelta(index, new_id("call"), "now", "{}"))

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def execute_a_tool(self, data: st.DataObject) -> None:
        """The server gives the output of a call itself, before or after an approval."""
        worker = self.worker(data)
        run = Run.objects.get(pk=worker.run_id)
        step = run.steps.filter(type="tool_calls", status="in_progress").first()
        if step:
            fact = {"step": step.pk, "index": 0, "arguments": "", "output": "noon"}
            with contextlib.suppress(Fenced, IllegalTransition, IndexError):
                worker.record(Event(EventType.STEP_DELTA, fact))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), usage=st.integers(0, 9), guarded=st.integers(0, 3))
    def finish(self, data: st.DataObject, usage: int, guarded: int) -> None:
        worker = self.worker(data)
        turn = worker.turn
        with contextlib.suppress(Fenced, IllegalTransition):
            turn.take(Usage(usage, usage, usage + 1, usage + 1))
            turn.take(WELL)
            ends = turn.completed()
            last = Event(EventType.RUN_COMPLETED)
            if turn.tool_step:
                ids = [call.id for call in turn.calls]
                fact = {"calls": ids[guarded:], "approvals": ids[:guarded]}
                fact["step"] = turn.tool_step  # type: ignore[assignment]
                last = Event(EventType.RUN_REQUIRES_ACTION, fact)
            worker.record(*ends, last)

    @rule()
    def submit_outputs(self) -> None:
        run = self.newest()
        if run and (calls := decisions.asked(run)):
            outputs = dict.fromkeys(calls, "noon")
            actions.submit_tool_outputs(run=run, outputs=outputs)
            run.refresh_from_db()
            waits = bool(decisions.to_approve(run))
            assert run.status == ("requires_action" if waits else "queued")

    @rule(is_approved=st.booleans())
    def decide(self, is_approved: bool) -> None:
        run = self.newest()
        if run and (calls := decisions.to_approve(run)):
            actions.decide(
                run=run, call_id=calls[0], is_approved=is_approved, user=self.user
            )
            run.refresh_from_db()
            waits = bool(calls[1:] or decisions.asked(run))
            assert run.status == ("requires_action" if waits else "queued")

    @rule()
    def queue_a_message(self) -> None:
        is_busy = self.thread.runs.active().exists()
        text = f"queued {len(self.queued)} in {self.thread.pk}"
        with contextlib.suppress(upcoming.LineIsFull):
            made = upcoming.post_or_queue(user=self.user, thread=self.thread, text=text)
            assert isinstance(made, QueuedMessage) == is_busy
            self.queued.append(text)

    @rule()
    def sweep(self) -> None:
        """What a completed run leaves waiting is sent, and after another end nothing."""
        newest, is_busy = self.newest(), self.thread.runs.active().exists()
        before = self.thread.queued_messages.count()
        upcoming.send_due()
        is_sent = bool(newest and newest.status == "completed" and before)
        assert self.thread.queued_messages.count() == before - is_sent
        assert self.thread.runs.active().exists() == (is_busy or is_sent)

    @rule()
    def cancel(self) -> None:
        if run := self.newest():
            may = run.status in ("queued", "in_progress", "requires_action")
            try:
                actions.cancel(run=run, user=self.user)
                assert may
            except actions.NotCancellable:
                assert not may

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), ending=st.sampled_from(["cancelled", "failed", "expired"]))
    def end_early(self, data: st.DataObject, ending: str) -> None:
        worker = self.worker(data)
        facts = {"error_code": "x", "message": "y"} if ending == "failed" else {}
        with contextlib.suppress(Fenced, IllegalTransition):
            getattr(endings, ending)(worker.run_id, attempt=worker.attempt, **facts)

    @rule()
    def crash(self) -> None:
        """The workers die, and the sweeper finds what they held."""
        held = self.thread.runs.filter(status__in=["in_progress", "cancelling"])
        for run in held:
            endings.interrupted(run.pk)

    @rule()
    def retry(self) -> None:
        if run := self.newest():
            with contextlib.suppress(actions.ThreadIsBusy, actions.NotRetryable):
                actions.retry(run=run, user=self.user)

    @rule(cursor=st.integers(0, 30))
    def resume(self, cursor: int) -> None:
        if run := self.newest():
            seen = [event.seq for event in events.after(run.pk, cursor)]
            assert seen == list(range(cursor + 1, run.last_seq + 1))

    @invariant()
    def each_queued_message_waits_or_was_sent_once_and_in_order(self) -> None:
        sent = [
            message.text
            for message in Message.objects.filter(thread=self.thread).order_by("number")
            if message.text.startswith("queued")
        ]
        waiting = [row.text for row in self.thread.queued_messages.all()]
        assert sorted(sent + waiting) == sorted(self.queued)
        assert waiting == sorted(waiting, key=self.queued.index)

    @invariant()
    def one_active_run(self) -> None:
        assert self.thread.runs.active().count() <= 1

    @invariant()
    def logs_are_lawful(self) -> None:
        for run in self.thread.runs.all():
            log = list(RunEvent.objects.filter(run=run).order_by("seq"))
            assert [e.seq for e in log] == list(range(1, len(log) + 1))
            ends = [e.seq for e in log if e.type in TERMINAL_EVENTS]
            assert len(ends) == (run.status in TERMINAL)
            assert not ends or ends == [len(log)]
            assert self.terminal.setdefault(run.pk, ends[0] if ends else 0) in (
                0,
                ends[0] if ends else 0,
            )
            assert_transitions_are_legal([e.type for e in log[1:]])

    @invariant()
    def rows_are_the_fold(self) -> None:
        for run in self.thread.runs.all():
            if run.status in (*TERMINAL, "queued", "requires_action"):
                assert_fold(run)


def assert_transitions_are_legal(log: list[str]) -> None:
    status = ""
    for kind in log:
        name = kind.removeprefix("thread.run.")
        if name in {status for following in NEXT.values() for status in following}:
            assert name in NEXT[status], (status, name)
            status = name


@pytest.mark.django_db
@override_settings(QUEUED_PER_USER=10_000)  # The runs of all examples stay.
def test_any_order_of_events_keeps_the_law_of_the_log(alice: User) -> None:
    Life.user = alice
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
