"""The tree of a thread: versions of questions and answers, and which branch is shown."""

from __future__ import annotations

from random import Random

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from runs import actions, branches
from runs.models import Message, Run, Thread, User
from tests.pages_fixtures import HTMX, client_of, ended, exchange, text_of

pytestmark = pytest.mark.django_db


def shown(thread: Thread) -> list[str]:
    return [message.text for message in Message.objects.shown(thread)]


def assert_one_path_is_shown(thread: Thread) -> None:
    """From the root on, each the parent of the next; parents have lower numbers."""
    path = list(Message.objects.shown(thread))
    assert [row.parent_id for row in path] == [None, *(row.pk for row in path[:-1])][
        : len(path)
    ]
    for row in thread.messages.exclude(parent=None).select_related("parent"):
        assert row.parent is not None
        assert row.parent.number < row.number


def asked(alice: User, *texts: str) -> tuple[Thread, list[Run]]:
    """A thread in which each of these was asked and answered."""
    thread: Thread | None = None
    runs = []
    for text in texts:
        run = actions.post_message(user=alice, text=text, thread=thread)
        runs.append(ended(run, "completed", f"Answer to {text}"))
        thread = run.thread
    assert thread is not None
    return thread, runs


def question_of(run: Run) -> Message:
    assert run.answers is not None
    return run.answers


def test_an_edited_question_begins_a_branch_and_the_old_one_stays(alice: User) -> None:
    thread, (first, _) = asked(alice, "One", "Two")

    new = branches.edit_message(message=question_of(first), text="Uno", user=alice)
    ended(new, "completed", "Respuesta")

    assert shown(thread) == ["Uno", "Respuesta"]
    branches.show_message(message=question_of(first))
    assert shown(thread) == ["One", "Answer to One", "Two", "Answer to Two"]
    assert_one_path_is_shown(thread)


def test_an_answer_in_the_middle_is_given_again(alice: User) -> None:
    thread, (first, _) = asked(alice, "One", "Two")

    again = ended(actions.retry(run=first, user=alice), "completed", "Otherwise")

    assert shown(thread) == ["One", "Otherwise"]
    branches.show_answer(run=first)
    assert shown(thread) == ["One", "Answer to One", "Two", "Answer to Two"]
    branches.show_answer(run=again)
    assert shown(thread) == ["One", "Otherwise"]


def test_an_answer_that_failed_is_a_version_too(alice: User) -> None:
    thread, (first,) = asked(alice, "One")
    failed = ended(actions.retry(run=first, user=alice), "failed")
    browser = client_of(alice)

    page = text_of(browser.get(f"/t/{thread.pk}"))
    assert "Version 2 of 2" in page
    assert "Answer to One" not in page

    browser.post(f"/runs/{first.pk}/show")
    page = text_of(browser.get(f"/t/{thread.pk}"))
    assert "Version 1 of 2" in page
    assert "Answer to One" in page
    browser.post(f"/runs/{failed.pk}/show")
    assert shown(thread) == ["One"]


def test_with_a_question_go_all_its_answers_and_the_rest_stays(alice: User) -> None:
    thread, (first, _) = asked(alice, "One", "Two")
    ended(actions.retry(run=first, user=alice), "completed", "Otherwise")
    branches.show_answer(run=first)

    branches.delete_turn(message=question_of(first))

    assert shown(thread) == ["Two", "Answer to Two"]
    assert not thread.messages.filter(number__lte=2).exists()
    assert_one_path_is_shown(thread)


def test_an_answer_at_its_limit_goes_on_in_a_message_of_its_own(alice: User) -> None:
    run = actions.post_message(user=alice, text="Tell me all")
    facts = {"incomplete_reason": "max_completion_tokens"}
    part = ended(run, "incomplete", "The beginning", **facts)

    more = branches.continue_answer(run=part, user=alice)

    assert more.is_continuation
    assert more.answers is not None
    assert more.answers.text == "The beginning"
    with pytest.raises(branches.NothingToContinue):
        branches.continue_answer(run=ended(more, "completed", "The end"), user=alice)


def test_nothing_changes_while_an_answer_is_being_written(alice: User) -> None:
    thread, (first,) = asked(alice, "One")
    actions.post_message(user=alice, text="Two", thread=thread)

    with pytest.raises(actions.ThreadIsBusy):
        branches.edit_message(message=question_of(first), text="Uno", user=alice)
    with pytest.raises(actions.ThreadIsBusy):
        branches.show_answer(run=first)
    with pytest.raises(actions.ThreadIsBusy):
        branches.delete_turn(message=question_of(first))
    assert shown(thread) == ["One", "Answer to One", "Two"]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_done_one_path_is_shown(alice: User, seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    thread, runs = asked(alice, "One", "Two", "Three")
    for number in range(25):
        do_something(chance, alice, thread, runs, number)
        assert_one_path_is_shown(thread)


def do_something(
    chance: Random, alice: User, thread: Thread, runs: list[Run], number: int
) -> None:
    """One thing that a person may do, at random, and an answer where one is asked for."""
    rows = list(thread.messages.all())
    questions = [row for row in rows if row.role == "user"]
    runs[:] = [
        run for run in runs if Message.objects.filter(pk=run.answers_id).exists()
    ]
    what = chance.choice(["ask", "ask", "edit", "retry", "show", "answer", "delete"])
    new: Run | None = None
    if what == "ask" or not questions or not runs:
        new = actions.post_message(user=alice, text=f"Ask {number}", thread=thread)
    elif what == "edit":
        message = chance.choice(questions)
        new = branches.edit_message(message=message, text=f"E {number}", user=alice)
    elif what == "retry":
        new = actions.retry(run=chance.choice(runs), user=alice)
    elif what == "show":
        branches.show_message(message=chance.choice(rows))
    elif what == "answer":
        branches.show_answer(run=chance.choice(runs))
    else:
        branches.delete_turn(message=chance.choice(rows))
    if new:
        last = thread.messages.order_by("-number").values_list("number", flat=True)[0]
        status = chance.choice(["completed", "failed"])
        runs.append(answered(new, last + 1, status))


def answered(run: Run, number: int, status: str) -> Run:
    """As ``ended``, with the answer at the end of all branches."""
    ended(run, status)
    if status == "completed":
        Message.objects.create(
            thread=run.thread,
            number=number,
            parent=run.answers,
            role="assistant",
            run=run,
        )
    return run


# Pages


def test_versions_cost_no_query_more(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    thread, (first, second) = asked(alice, "One", "Two")
    browser = client_of(alice)
    for number in range(4):
        ended(actions.retry(run=second, user=alice), "completed", f"Again {number}")

    with django_assert_num_queries(13):
        page = browser.get(f"/t/{thread.pk}")

    assert "Version 5 of 5" in text_of(page)
    assert first.pk in page.content.decode()


def test_a_thumb_is_given_changed_noted_and_taken_back(alice: User) -> None:
    _, (run,) = asked(alice, "One")
    browser = client_of(alice)
    path = f"/runs/{run.pk}/feedback"

    browser.post(path, {"thumb": "up"})
    browser.post(path, {"thumb": "down"})
    browser.post(f"{path}/note", {"thumb": "down", "note": "It is wrong."})

    (row,) = run.feedback.all()
    assert (row.is_good, row.note) == (False, "It is wrong.")
    browser.post(path, {"thumb": ""})
    assert not run.feedback.exists()


def test_the_details_say_unknown_and_never_nothing(alice: User, root: User) -> None:
    _, (run,) = asked(alice, "One")

    page = client_of(alice).get(f"/runs/{run.pk}/details", headers=HTMX)

    assert "Cost unknown" in text_of(page)
    assert "/admin/" not in page.content.decode()
    own = exchange(root, None, 1).runs.get()
    history = client_of(root).get(f"/runs/{own.pk}/details", headers=HTMX)
    assert f"/admin/runs/run/{own.pk}/" in history.content.decode()


def test_a_permalink_to_another_branch_says_so_and_switches_nothing(
    alice: User,
) -> None:
    thread, (first,) = asked(alice, "One")
    other = ended(actions.retry(run=first, user=alice), "completed", "Otherwise")
    browser: Client = client_of(alice)

    there = browser.get(f"/t/{thread.pk}/at/{first.pk}")

    assert there.status_code == 200
    assert shown(thread) == ["One", "Otherwise"]
    assert browser.get(f"/t/{thread.pk}/at/{other.pk}").status_code == 204
