"""The line: whose run is next, who may join, and what a waiting person is told."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from runs import actions, endings, events, queue
from runs.models import Run, RunStatus, User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def two_at_once(settings: Any) -> None:
    settings.RUNS_PER_USER, settings.QUEUED_PER_USER = 2, 4


def ask(user: User, times: int = 1) -> list[Run]:
    return [actions.post_message(user=user, text="Hello") for _ in range(times)]


def take() -> Run:
    run = queue.take_next("w:1")
    assert run
    return run


def test_everybodys_first_run_comes_before_anybodys_second(
    alice: User, bob: User
) -> None:
    first, second, third = ask(alice, 3)
    late = ask(bob)[0]
    assert [one.run_id for one in queue.line()] == [
        r.pk for r in (first, late, second, third)
    ]


def test_runs_being_executed_count_for_their_user(alice: User, bob: User) -> None:
    _, second = ask(alice, 2)
    take()
    late = ask(bob)[0]
    assert [one.run_id for one in queue.line()] == [late.pk, second.pk]


def test_a_user_with_enough_running_waits_though_workers_are_free(alice: User) -> None:
    ask(alice, 3)
    take(), take()
    assert queue.take_next("w:1") is None


def test_the_end_of_a_run_lets_the_users_next_one_start(alice: User) -> None:
    third = ask(alice, 3)[2]
    running = take()
    take()
    endings.failed(running.pk, error_code="internal", message="No.")
    assert take() == third


def test_a_stopped_run_leaves_the_line(alice: User) -> None:
    first, second = ask(alice, 2)
    actions.cancel(run=first, user=alice)
    assert queue.places([first.pk, second.pk]) == {second.pk: 1}


def test_places_count_from_one_over_everybodys_runs(alice: User, bob: User) -> None:
    mine = ask(alice, 2)
    theirs = ask(bob)
    asked_for = [mine[1].pk, theirs[0].pk]
    assert queue.places(asked_for) == {theirs[0].pk: 2, mine[1].pk: 3}


def test_a_full_line_refuses_its_user_and_nobody_else(alice: User, bob: User) -> None:
    ask(alice, 4)
    with pytest.raises(queue.TooManyWaiting, match="4 of your messages"):
        ask(alice)
    assert ask(bob)[0].status == RunStatus.QUEUED


def test_what_is_refused_leaves_no_message_behind(alice: User) -> None:
    ask(alice, 4)
    threads = alice.thread_set.count()
    with pytest.raises(queue.TooManyWaiting):
        ask(alice)
    assert alice.thread_set.count() == threads


def test_a_line_that_is_full_for_all_says_so(
    alice: User, bob: User, settings: Any
) -> None:
    settings.QUEUED_IN_ALL = 2
    ask(alice, 2)
    with pytest.raises(queue.TooManyWaiting, match="few minutes"):
        ask(bob)


def test_the_same_submission_again_is_never_refused(alice: User) -> None:
    submit = partial(
        actions.post_message, user=alice, text="Hello", idempotency_key="k"
    )
    run = submit()
    ask(alice, 3)
    assert submit() == run


def test_a_run_that_another_worker_took_meanwhile_is_passed_over(alice: User) -> None:
    first, second = ask(alice, 2)
    events.claim(first.pk, worker="w:2")
    assert take() == second
