"""Sending a message, and how each answer stands on the page."""

from __future__ import annotations

import pytest
from django.test import Client

from runs import actions, events
from runs.events import Event
from runs.models import EventType, Message, Run, RunStatus, Thread, User
from tests.pages_fixtures import HTMX, client_of, ended, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(alice: User) -> Client:
    """Alice's browser."""
    return client_of(alice)


@pytest.fixture
def run(alice: User) -> Run:
    """A queued answer in a thread of Alice's."""
    return actions.post_message(user=alice, text="What is a *fold*?")


# Sending


def test_sending_from_a_new_chat_opens_the_thread(page: Client, alice: User) -> None:
    response = page.post(
        "/messages", {"text": "Hello\r\nthere", "key": "k"}, headers=HTMX
    )

    run = Run.objects.get()
    html = response.content.decode()
    assert response["HX-Push-Url"] == f"/t/{run.thread_id}"
    assert f'id="{run.pk}"' in html
    assert "data-active" in html
    assert f'data-post="/t/{run.thread_id}/messages"' in html
    assert "<title>Hello there · Threadmill</title>" in html
    assert Message.objects.get().text == "Hello\nthere"


def test_sending_into_a_thread_keeps_the_address(page: Client, run: Run) -> None:
    ended(run, "completed", "An answer.")

    path = f"/t/{run.thread_id}/messages"
    response = page.post(path, {"text": "More"}, headers=HTMX)

    assert response.status_code == 200
    assert "HX-Push-Url" not in response
    assert run.thread.runs.count() == 2


def test_the_same_key_sends_once(page: Client) -> None:
    for _ in range(2):
        page.post("/messages", {"text": "Hello", "key": "k1"}, headers=HTMX)

    assert Run.objects.count() == 1


def test_without_a_script_sending_leads_to_the_thread(page: Client) -> None:
    response = page.post("/messages", {"text": "Hello"})

    assert response.status_code == 302
    assert response["Location"] == Thread.objects.get().get_absolute_url()


@pytest.mark.parametrize(
    ("text", "said"),
    [("  \n ", "Write a message"), ("x" * 100_001, "the limit is 100,000")],
)
def test_a_message_that_can_not_be_taken_is_refused_beside_the_composer(
    page: Client, text: str, said: str
) -> None:
    response = page.post("/messages", {"text": text}, headers=HTMX)

    assert response.status_code == 422
    assert response["HX-Retarget"] == "#composer-error"
    assert said in text_of(response)
    assert not Thread.objects.exists()


# Turns and how they end


def test_a_thread_shows_its_turns(page: Client, run: Run) -> None:
    ended(
        run,
        "completed",
        "It *folds* <b>x</b>.",
        model_used="m-1",
        input_tokens=8,
        output_tokens=1200,
    )

    response = page.get(f"/t/{run.thread_id}")

    html = response.content.decode()
    assert "It <em>folds</em> &lt;b&gt;x&lt;/b&gt;." in html
    assert "What is a *fold*? · Threadmill" in html
    assert "m-1 2.0 s 8 in, 1.2k out" in text_of(response)
    assert "data-active" not in html


@pytest.mark.parametrize(
    ("status", "facts", "kind", "said"),
    [
        ("cancelled", {"cancelled_by": "alice"}, "stopped", "Stopped Try again"),
        ("cancelled", {"cancelled_by": "root"}, "stopped", "Stopped by root Try again"),
        (
            "failed",
            {
                "error_code": "rate_limited",
                "last_error": {"code": "x", "message": "Slow down <i>."},
            },
            "failed",
            "This answer failed Slow down &lt;i&gt;. Retry",
        ),
        (
            "failed",
            {"error_code": "interrupted"},
            "interrupted",
            "Interrupted The server",
        ),
        (
            "failed",
            {"error_code": "upstream_truncated"},
            "interrupted",
            "Cut off The model",
        ),
        ("failed", {}, "failed", "This answer failed Internal error. Retry"),
        (
            "incomplete",
            {"incomplete_reason": "max_completion_tokens"},
            "incomplete",
            "Incomplete The answer reached its limit of tokens. Continue",
        ),
        (
            "incomplete",
            {"incomplete_reason": "content_filter"},
            "incomplete",
            "content filter stopped this answer. Retry",
        ),
        ("expired", {}, "expired", "Expired The answer was not finished"),
    ],
)
def test_each_end_is_told_apart_and_keeps_the_text(
    page: Client, run: Run, status: str, facts: dict[str, object], kind: str, said: str
) -> None:
    ended(run, status, "The first half", **facts)

    response = page.get(f"/t/{run.thread_id}")

    assert f"end-{kind}" in response.content.decode()
    assert said in text_of(response)
    assert "The first half" in text_of(response)


def test_a_failure_before_any_output_stands_by_its_question(
    page: Client, run: Run
) -> None:
    ended(run, "failed", last_error={"code": "x", "message": "No key."})

    response = page.get(f"/t/{run.thread_id}")

    assert response.content.decode().count("<article") == 2
    assert "No key." in text_of(response)


def test_only_the_last_answer_offers_retry_beside_its_end(
    page: Client, run: Run, alice: User
) -> None:
    ended(run, "failed")
    later = actions.post_message(user=alice, text="And now?", thread=run.thread)
    ended(later, "failed")

    html = page.get(f"/t/{run.thread_id}").content.decode()

    assert html.count(f'hx-post="/runs/{run.pk}/retry"') == 1
    assert html.count(f'hx-post="/runs/{later.pk}/retry"') == 2


def test_an_active_run_carries_what_it_shows_and_where_to_go_on(
    page: Client, run: Run
) -> None:
    claimed = events.claim(run.pk, worker="w")
    assert claimed is not None
    fact = {"message": "msg_1", "step": "step_1", "number": 2, "parent": run.answers_id}
    step = {"step": "step_1", "type": "message_creation", "index": 0, "turn": 1}
    facts = [
        Event(EventType.STEP_CREATED, step),
        Event(EventType.MESSAGE_CREATED, fact),
        Event(
            EventType.MESSAGE_DELTA,
            {"message": "msg_1", "index": 0, "text": "\nHalf <b>"},
        ),
    ]
    seq = events.record(run.pk, facts, attempt=claimed.attempt)

    html = page.get(f"/t/{run.thread_id}").content.decode()

    assert f'data-seq="{seq}"' in html
    assert '<pre class="as-written unrendered">\n\nHalf &lt;b&gt;</pre>' in html
    assert html.count("Half") == 1
    assert f"/runs/{run.pk}/cancel" in html


def test_a_run_is_fetched_as_its_article_alone(page: Client, run: Run) -> None:
    ended(run, "completed", "```python\nx = 1\n```")

    response = page.get(f"/runs/{run.pk}", headers=HTMX)

    html = response.content.decode()
    assert html.lstrip().startswith("<article")
    assert "hljs-" not in html
    assert html.rstrip().endswith("</article>")
    assert page.get(f"/runs/{run.pk}").status_code == 302


def test_the_text_of_an_answer_is_given_as_it_was_written(
    page: Client, run: Run
) -> None:
    ended(run, "completed", "It *folds*.")

    response = page.get(f"/runs/{run.pk}/text")

    assert response.content.decode() == "It *folds*."
    assert response["Content-Type"] == "text/plain; charset=utf-8"


def test_stopping_a_queued_run_gives_its_ended_article(page: Client, run: Run) -> None:
    response = page.post(f"/runs/{run.pk}/cancel", headers=HTMX)

    assert "Stopped" in text_of(response)
    assert "data-active" not in response.content.decode()


def test_stopping_a_running_run_waits_for_the_worker(page: Client, run: Run) -> None:
    events.claim(run.pk, worker="w")

    response = page.post(f"/runs/{run.pk}/cancel", headers=HTMX)

    assert response.status_code == 204
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLING


def test_retrying_twice_makes_one_new_run(page: Client, run: Run) -> None:
    ended(run, "failed", "Half")

    first = page.post(f"/runs/{run.pk}/retry", headers=HTMX)
    second = page.post(f"/runs/{run.pk}/retry", headers=HTMX)

    new = Run.objects.exclude(pk=run.pk).get()
    for response in (first, second):
        assert f'id="{new.pk}"' in response.content.decode()
    assert "Half" not in text_of(page.get(f"/t/{run.thread_id}"))
