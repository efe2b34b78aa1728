"""What people may do, through the one front door of every verb."""

from __future__ import annotations

from typing import Any

import pytest

from runs import access, actions, conversations, endings, events, housekeeping
from runs.models import (
    Assistant,
    EventType,
    Message,
    Run,
    RunEvent,
    RunSetup,
    Thread,
    User,
)

pytestmark = pytest.mark.django_db


def post(user: User, text: str = "Hello", **rest: Any) -> Run:
    return actions.post_message(user=user, text=text, **rest)


def failed(user: User, **rest: Any) -> Run:
    run = post(user, **rest)
    endings.failed(run.pk, error_code="server_error", message="Broken.")
    run.refresh_from_db()
    return run


def test_a_first_message_makes_a_thread_with_a_title_and_a_queued_run(
    alice: User,
) -> None:
    run = post(alice, "How do   whales\nsleep?")
    assert run.thread.title == "How do whales sleep?"
    assert run.thread.owner == alice
    assert (run.status, run.source, run.user_name) == ("queued", "browser", "alice")
    assert run.input_preview == "How do   whales\nsleep?"
    assert run.answers is not None
    assert run.answers.text == "How do   whales\nsleep?"
    assert run.expires_at is not None
    assert (run.expires_at - run.created_at).total_seconds() == 600
    log = RunEvent.objects.filter(run=run).values_list("type", flat=True)
    assert list(log) == [EventType.RUN_CREATED, EventType.RUN_QUEUED]


def test_a_long_title_is_cut_at_a_word() -> None:
    title = conversations.title_from("word " * 30)
    assert len(title) <= conversations.TITLE_LENGTH
    assert title.endswith("word…")


def test_the_same_submission_gives_the_same_run(alice: User, bob: User) -> None:
    run = post(alice, idempotency_key="k1")
    assert post(alice, idempotency_key="k1") == run
    assert post(bob, idempotency_key="k1") != run
    assert Message.objects.filter(thread=run.thread).count() == 1


@pytest.mark.parametrize("text", ["", "  \n ", "\0"])
def test_an_empty_message_is_refused(alice: User, text: str) -> None:
    with pytest.raises(actions.InvalidInput, match="Write a message first"):
        post(alice, text)
    assert not Thread.objects.exists()


def test_a_message_that_is_too_long_is_refused_with_the_limit(
    alice: User, settings: Any
) -> None:
    settings.MESSAGE_MAX_CHARS = 10
    with pytest.raises(actions.InvalidInput, match="11 characters; the limit is 10"):
        post(alice, "x" * 11)


def test_nul_is_stripped_on_the_way_in(alice: User) -> None:
    run = post(alice, "a\0b")
    assert run.answers is not None
    assert run.answers.text == "ab"


def test_nul_from_a_model_is_stripped_too(alice: User) -> None:
    run = post(alice)
    endings.failed(run.pk, error_code="x", message="bad\0byte")
    run.refresh_from_db()
    assert run.last_error == {"code": "server_error", "message": "badbyte"}


def test_a_busy_thread_refuses_a_second_message(alice: User) -> None:
    run = post(alice)
    with pytest.raises(actions.ThreadIsBusy) as refusal:
        post(alice, thread=run.thread)
    assert refusal.value.run == run
    assert Message.objects.filter(thread=run.thread).count() == 1


def test_messages_are_numbered_and_chained_in_their_thread(alice: User) -> None:
    first = failed(alice, text="One")
    second = post(alice, "Two", thread=first.thread)
    messages = list(Message.objects.shown(first.thread))
    assert [m.number for m in messages] == [1, 2]
    assert messages[1].parent == messages[0] == first.answers
    assert second.answers == messages[1]


def test_a_run_keeps_what_its_assistant_was_told_then(alice: User) -> None:
    assistant = Assistant.objects.create(name="A", instructions="Old.", model="m")
    run = post(alice, assistant=assistant)
    Assistant.objects.filter(pk=assistant.pk).update(instructions="New.", name="B")
    run.refresh_from_db()
    assert (run.setup.instructions, run.assistant_name, run.model) == ("Old.", "A", "m")


def test_runs_told_the_same_share_one_setup(alice: User) -> None:
    post(alice)
    post(alice)
    assert RunSetup.objects.count() == 1


def test_a_queued_run_is_cancelled_at_once(alice: User) -> None:
    run = actions.cancel(run=post(alice), user=alice)
    assert (run.status, run.cancelled_by) == ("cancelled", "alice")


def test_a_run_that_has_ended_cannot_be_cancelled(alice: User) -> None:
    with pytest.raises(actions.NotCancellable, match="with status 'failed'"):
        actions.cancel(run=failed(alice), user=alice)


def test_a_retry_answers_the_same_message_again(alice: User) -> None:
    run = failed(alice)
    again = actions.retry(run=run, user=alice, idempotency_key="r1")
    assert (again.answers, again.retry_of) == (run.answers, run)
    assert actions.retry(run=run, user=alice, idempotency_key="r1") == again


def test_an_answer_whose_question_was_deleted_cannot_be_retried(alice: User) -> None:
    run = failed(alice)
    assert run.answers is not None
    run.answers.delete()
    with pytest.raises(actions.NotRetryable):
        actions.retry(run=run, user=alice)


@pytest.mark.parametrize("status", ["queued", "completed"])
def test_tool_outputs_are_refused_unless_the_run_waits_for_them(
    alice: User, status: str
) -> None:
    run = post(alice)
    Run.objects.filter(pk=run.pk).update(status=status)
    with pytest.raises(actions.InvalidInput) as refusal:
        actions.submit_tool_outputs(run=run, outputs={})
    assert f'status "{status}" do not accept tool outputs' in str(refusal.value)


@pytest.mark.parametrize("kind", ["thread", "run", "message"])
def test_nobody_else_finds_what_is_alices(alice: User, bob: User, kind: str) -> None:
    run = post(alice)
    keys = {"thread": run.thread_id, "run": run.pk, "message": run.answers_id}
    find = getattr(access, kind)
    assert find(alice, keys[kind]).pk == keys[kind]
    for stranger in (bob,):
        with pytest.raises(access.NotFound):
            find(stranger, keys[kind])
    with pytest.raises(access.NotFound):
        find(alice, "none\0")


def test_an_assistant_is_the_teams_or_its_owners(alice: User, bob: User) -> None:
    shared = Assistant.objects.create(name="Team's")
    own = Assistant.objects.create(name="Alice's", owner=alice)
    assert access.assistant(bob, shared.pk) == shared
    assert access.assistant(alice, own.pk) == own
    with pytest.raises(access.NotFound):
        access.assistant(bob, own.pk)


def test_the_sweeper_expires_what_waits_too_long(alice: User, settings: Any) -> None:
    settings.RUN_EXPIRES_SECONDS = -1
    run = post(alice)
    housekeeping.keep_house()
    run.refresh_from_db()
    assert (run.status, run.error_code, run.expires_at) == ("expired", "expired", None)


def test_a_run_whose_worker_fell_silent_before_any_output_gets_three_attempts(
    alice: User, settings: Any
) -> None:
    settings.RUN_LEASE_SECONDS = -1
    run = post(alice)
    statuses = []
    for _ in range(3):
        events.claim(run.pk, worker="silent:1")
        housekeeping.keep_house()
        run.refresh_from_db()
        statuses.append(run.status)
    assert statuses == ["queued", "queued", "failed"]
    assert (run.attempt, run.error_code) == (3, "interrupted")


def test_a_run_whose_worker_fell_silent_in_mid_answer_ends_interrupted(
    alice: User, settings: Any
) -> None:
    settings.RUN_LEASE_SECONDS = -1
    run = post(alice)
    events.claim(run.pk, worker="silent:1")
    thought = events.Event(EventType.REASONING_DELTA, {"turn": 1, "text": "Hm"})
    events.record(run.pk, [thought], attempt=1)
    housekeeping.keep_house()
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "interrupted")


def test_a_zombie_writes_nothing(alice: User) -> None:
    run = post(alice)
    events.claim(run.pk, worker="w:1")
    endings.interrupted(run.pk)
    before = RunEvent.objects.filter(run=run).count()
    with pytest.raises(events.Fenced):
        events.record(run.pk, [events.Event(EventType.RUN_COMPLETED)], attempt=1)
    assert RunEvent.objects.filter(run=run).count() == before


def test_only_one_worker_gets_a_run(alice: User) -> None:
    run = post(alice)
    assert events.claim(run.pk, worker="w:1")
    assert events.claim(run.pk, worker="w:2") is None


def test_two_sweeps_at_once_queue_a_lost_run_once(alice: User, settings: Any) -> None:
    settings.RUN_LEASE_SECONDS = -1
    run = post(alice)
    events.claim(run.pk, worker="silent:1")
    for _ in range(2):  # Both had it on their lists.
        housekeeping.end_if_silent(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempt) == ("queued", 1)

    settings.RUN_LEASE_SECONDS = 30
    events.claim(run.pk, worker="well:2")
    housekeeping.end_if_silent(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempt, run.worker) == ("in_progress", 2, "well:2")


def test_a_worker_that_lost_its_run_cannot_end_it_while_it_waits_for_the_next(
    alice: User, settings: Any
) -> None:
    settings.RUN_LEASE_SECONDS = -1
    run = post(alice)
    events.claim(run.pk, worker="silent:1")
    housekeeping.end_lost()
    for end in (endings.lost, endings.interrupted, endings.expired, endings.cancelled):
        with pytest.raises(events.Fenced):
            end(run.pk, attempt=1)
    run.refresh_from_db()
    assert run.status == "queued"
