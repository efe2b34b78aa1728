"""The history of runs in the admin: all there, nothing to edit."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from runs import actions, endings, events
from runs.events import Event
from runs.models import Assistant, EventType, Run, User

pytestmark = pytest.mark.django_db

LIST = reverse("admin:runs_run_changelist")


@pytest.fixture
def admin(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def answered(user: User, question: str, answer: str) -> Run:
    run = actions.post_message(user=user, text=question)
    events.claim(run.pk, worker="w:1")
    step = {"step": f"step_{run.pk}", "type": "message_creation", "index": 0, "turn": 1}
    message = f"msg_{run.pk}"
    usage = {
        "input_tokens": 1200,
        "cached_input_tokens": 1000,
        "output_tokens": 34,
        "reasoning_tokens": 5,
    }
    turn = {
        "turn": 1, "step": step["step"], "usage": usage, "finish_reason": "stop",
        "response_id": "resp_9", "request_id": "req_9", "model": "model-x",
    }  # fmt: skip
    new = [
        Event(EventType.RUN_SENT, {"server": "openai", "model": "model-x"}),
        Event(EventType.STEP_CREATED, step),
        Event(EventType.MESSAGE_CREATED, {"message": message, "step": step["step"]}),
        *(
            Event(EventType.MESSAGE_DELTA, {"message": message, "index": 0, "text": w})
            for w in answer.split(" ")
        ),
        Event(EventType.TURN_COMPLETED, turn),
        Event(EventType.MESSAGE_COMPLETED, {"message": message}),
        Event(EventType.STEP_COMPLETED, {"step": step["step"]}),
        Event(EventType.RUN_COMPLETED),
    ]
    events.record(run.pk, new, attempt=1)
    run.refresh_from_db()
    return run


def page_of(run: Run) -> str:
    return reverse("admin:runs_run_change", args=[quote(run.pk)])


def test_the_list_shows_status_user_model_tokens_and_input(
    admin: Client, alice: User
) -> None:
    answered(alice, "How do whales sleep?", "Half at a time.")
    page = admin.get(LIST).content.decode()
    for shown in (
        "Completed",
        "alice",
        "model-x",
        "1,200 / 34",
        "How do whales sleep?",
    ):
        assert shown in page


def test_a_run_opens_on_input_output_steps_and_log(admin: Client, alice: User) -> None:
    run = answered(alice, "How do whales sleep?", "Half at a time.")
    page = admin.get(page_of(run)).content.decode()
    for shown in (
        "How do whales sleep?", "Halfatatime.", "resp_9", "1,200 (1,000 cached)",
        "34 (5 reasoning)", "Message Creation", "thread.run.completed",
    ):  # fmt: skip
        assert shown in page


def test_a_failed_run_opens_on_its_error(admin: Client, alice: User) -> None:
    run = actions.post_message(user=alice, text="Hi")
    endings.failed(run.pk, error_code="rate_limited", message="Wait a minute.")
    page = admin.get(page_of(run)).content.decode()
    assert "rate_limited" in page
    assert "Wait a minute." in page


def test_adjacent_deltas_are_one_row_of_the_log(admin: Client, alice: User) -> None:
    run = answered(alice, "Hi", "a b c d")
    rows = admin.get(page_of(run)).context["events"]
    assert {"first": 7, "last": 10, "data": "abcd"}.items() <= rows[6].items()


def test_what_a_user_wrote_is_text_and_not_markup(admin: Client, alice: User) -> None:
    run = answered(alice, "<script>alert(1)</script>", "<img src=x>")
    for page in (admin.get(LIST), admin.get(page_of(run))):
        assert b"<script>alert" not in page.content
        assert b"<img src=x" not in page.content


@pytest.mark.parametrize("action", ["add", "change", "delete"])
def test_nothing_can_be_edited(admin: Client, alice: User, action: str) -> None:
    run = answered(alice, "Hi", "Hello")
    args = [] if action == "add" else [quote(run.pk)]
    address = reverse(f"admin:runs_run_{action}", args=args)
    assert admin.post(address, {"post": "yes", "status": "failed"}).status_code == 403
    run.refresh_from_db()
    assert run.status == "completed"


def test_bulk_deletion_is_not_offered(admin: Client, alice: User) -> None:
    run = answered(alice, "Hi", "Hello")
    chosen = {"action": "delete_selected", "_selected_action": run.pk, "post": "yes"}
    admin.post(LIST, chosen)
    assert Run.objects.filter(pk=run.pk).exists()


@pytest.mark.parametrize("rows", [1, 3])
def test_the_pages_cost_a_fixed_number_of_queries(
    admin: Client, alice: User, rows: int, django_assert_num_queries: Any
) -> None:
    for number in range(rows):
        run = answered(alice, f"Question {number}", "word " * rows)
    admin.get(page_of(run))  # Content types are looked up once per process.
    with django_assert_num_queries(4):
        admin.get(LIST)
    with django_assert_num_queries(9):
        admin.get(page_of(run))


def test_status_narrows_the_list(admin: Client, alice: User) -> None:
    answered(alice, "A good one", "Yes")
    run = actions.post_message(user=alice, text="A bad one")
    endings.failed(run.pk, error_code="x", message="y")
    page = admin.get(LIST, {"status": "failed"}).content.decode()
    assert "A bad one" in page
    assert "A good one" not in page


@pytest.mark.parametrize("who", ["nobody", "alice"])
def test_only_staff_may_look(who: str, alice: User) -> None:
    run = answered(alice, "Secret", "Hello")
    client = Client()
    if who == "alice":
        client.force_login(alice)
    for address in (LIST, page_of(run)):
        assert client.get(address).status_code == 302
        assert b"Secret" not in client.get(address, follow=True).content


def test_an_assistant_can_be_edited(admin: Client) -> None:
    assistant = Assistant.objects.default()
    address = reverse("admin:runs_assistant_change", args=[assistant.pk])
    form = admin.get(address).context["adminform"].form
    values = {k: "" if v is None else v for k, v in form.initial.items()}
    for name in ("tools", "metadata", "response_format"):
        values[name] = (
            "[]" if name == "tools" else "null" if name != "metadata" else "{}"
        )
    admin.post(address, {**values, "instructions": "Be brief."})
    assistant.refresh_from_db()
    assert assistant.instructions == "Be brief."


def test_the_servers_tools_are_switched_on_in_the_admin(admin: Client) -> None:
    assistant = Assistant.objects.default()
    address = reverse("admin:runs_assistant_change", args=[assistant.pk])
    page = admin.get(address)
    assert "calculate: Computes an arithmetic expression" in page.content.decode()
    initial = page.context["adminform"].form.initial
    values = {k: "" if v is None else v for k, v in initial.items()}
    values |= {"tools": "[]", "metadata": "{}", "response_format": "null"}
    admin.post(address, {**values, "server_tools": ["calculate", "current_time"]})
    assistant.refresh_from_db()
    assert assistant.server_tools == ["calculate", "current_time"]
    admin.post(address, {**values, "server_tools": ["format_disk"]})
    assistant.refresh_from_db()
    assert assistant.server_tools == ["calculate", "current_time"]


def test_the_index_shows_what_is_ours_and_accounts(admin: Client) -> None:
    page = admin.get(reverse("admin:index")).content.decode()
    assert "/admin/runs/run/" in page
    assert "procrastinate" not in page.lower()
