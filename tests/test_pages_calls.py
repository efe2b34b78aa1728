"""Calls of tools on the page, and the forms of a run that waits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from chat import calls
from runs import actions, decisions, endings, events
from runs.events import Event
from runs.models import Assistant, EventType, Run, User
from runs.providers import Finish, HostedCall, TextDelta, ToolCallDelta
from runs.turn import Turn
from tests import tool_examples
from tests.pages_fixtures import HTMX, client_of, text_of
from tests.test_state_machine import Unbuffered

pytestmark = pytest.mark.django_db

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {}}}
assert tool_examples


@pytest.fixture
def page(alice: User) -> Client:
    return client_of(alice)


def turn_of(run: Run) -> Turn:
    """A model turn of the run, claimed by a worker."""
    claimed = events.claim(run.pk, worker="w")
    assert claimed
    log: Any = Unbuffered(run.pk, claimed.attempt)
    number = run.steps.count()
    return Turn(log, number=number + 1, next_index=number)


def ask(run: Run, *waits: str, approvals: tuple[str, ...] = ()) -> Run:
    """A turn that says something and calls two functions; then the run waits."""
    turn = turn_of(run)
    turn.take(TextDelta("Let me look."))
    turn.take(ToolCallDelta(0, "call_a", "weather", '{"city": "Rome <b>"}'))
    turn.take(ToolCallDelta(1, "call_b", "guarded", "{}"))
    turn.take(Finish("tool_calls", "", "m"))
    fact = {"step": turn.tool_step, "calls": list(waits), "approvals": list(approvals)}
    waiting = Event(EventType.RUN_REQUIRES_ACTION, fact)
    events.record(run.pk, [*turn.completed(), waiting], attempt=turn.log.attempt)
    run.refresh_from_db()
    return run


@pytest.fixture
def run(alice: User) -> Run:
    assistant = Assistant.objects.create(name="A", tools=[WEATHER])
    return actions.post_message(user=alice, text="Weather?", assistant=assistant)


def test_calls_stand_between_the_texts_while_they_run_and_afterwards(
    page: Client, run: Run
) -> None:
    ask(run, "call_a", "call_b")
    live = page.get(f"/t/{run.thread_id}").content.decode()
    actions.submit_tool_outputs(
        run=run, outputs={"call_a": '{"sky":"blue"}', "call_b": "-"}
    )
    turn = turn_of(run)
    turn.take(TextDelta("It is fine."))
    turn.take(Finish("stop", "", "m"))
    done = Event(EventType.RUN_COMPLETED)
    events.record(run.pk, [*turn.completed(), done], attempt=turn.log.attempt)
    after = page.get(f"/t/{run.thread_id}").content.decode()

    for html in (live, after):
        assert html.index("Let me look.") < html.index('data-call="call_a"')
        assert html.index('data-call="call_a"') < html.index('data-call="call_b"')
        assert "&quot;city&quot;: &quot;Rome &lt;b&gt;&quot;" in html
    assert after.index('data-call="call_b"') < after.index("It is fine.")
    assert 'data-call="call_a" data-state="waiting"' in live
    assert 'data-call="call_a" data-state="done"' in after
    assert "&quot;sky&quot;: &quot;blue&quot;" in after


def test_the_form_answers_each_call_or_declines(page: Client, run: Run) -> None:
    ask(run, "call_a", "call_b")
    html = page.get(f"/runs/{run.pk}/waits", headers=HTMX).content.decode()
    assert html.count('name="output"') == 2
    sent = page.post(
        f"/runs/{run.pk}/outputs",
        {
            "call": ["call_a", "call_b"],
            "output": ["Sun\r\nny", ""],
            "decline": "call_b",
        },
        headers=HTMX,
    )
    assert sent.status_code == 204
    run.refresh_from_db()
    assert run.status == "queued"
    given = [
        call["function"]["output"]
        for call in run.steps.get(type="tool_calls").tool_calls
    ]
    assert given == ["Sun\nny", decisions.DECLINED]
    again = page.post(
        f"/runs/{run.pk}/outputs", {"call": [], "output": []}, headers=HTMX
    )
    assert again.status_code == 409
    assert text_of(page.get(f"/runs/{run.pk}/waits", headers=HTMX)) == ""


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"call": ["call_a"], "output": []}, 422),
        ({"call": ["call_a"], "output": ["x"]}, 409),
        ({"call": ["call_a", "call_b"], "output": ["x" * 100_001, ""]}, 422),
        ({"call": ["call_a", "nothing"], "output": ["", ""]}, 409),
    ],
)
def test_a_form_that_does_not_fit_is_refused(
    page: Client, run: Run, form: Any, status: int
) -> None:
    ask(run, "call_a", "call_b")
    response = page.post(f"/runs/{run.pk}/outputs", form, headers=HTMX)
    assert response.status_code == status
    run.refresh_from_db()
    assert run.status == "requires_action"


@pytest.mark.parametrize("decision", ["approve", "decline"])
def test_a_tool_is_approved_or_declined(page: Client, run: Run, decision: str) -> None:
    ask(run, "call_a", approvals=("call_b",))
    html = page.get(f"/t/{run.thread_id}").content.decode()
    assert html.count('name="decision"') == 2
    assert html.count('name="output"') == 1
    path = f"/runs/{run.pk}/decide"
    first = page.post(path, {"call": "call_b", "decision": decision}, headers=HTMX)
    second = page.post(path, {"call": "call_b", "decision": "approve"}, headers=HTMX)
    assert (first.status_code, second.status_code) == (204, 409)
    run.refresh_from_db()
    assert (run.status, decisions.to_approve(run)) == ("requires_action", [])
    output = run.steps.get(type="tool_calls").tool_calls[1]["function"]["output"]
    assert output == (None if decision == "approve" else decisions.DECLINED)
    assert run.events.last().data["approvals"] == []  # type: ignore[union-attr]


def test_an_expired_wait_is_told_by_the_card(page: Client, run: Run) -> None:
    ask(run, "call_a", "call_b")
    endings.expired(run.pk)
    told = text_of(page.get(f"/t/{run.thread_id}"))
    assert "Expired, no result came in time" in told


@pytest.mark.parametrize("path", ["outputs", "decide", "waits"])
def test_the_forms_of_others_are_not_to_be_had(
    run: Run, mallory: User, path: str
) -> None:
    ask(run, "call_a", approvals=("call_b",))
    stranger = client_of(mallory)
    form = {"call": "call_b", "decision": "approve", "output": "x"}
    method = stranger.get if path == "waits" else stranger.post
    assert method(f"/runs/{run.pk}/{path}", form, headers=HTMX).status_code == 404
    run.refresh_from_db()
    assert decisions.to_approve(run) == ["call_b"]


def test_calls_of_the_model_servers_tools_are_shown(page: Client, run: Run) -> None:
    turn = turn_of(run)
    found = [{"file_name": "a.txt", "score": 0.5, "file_id": "file_1"}]
    turn.take(HostedCall("ci", "code_interpreter", text="print(1)"))
    logs = [{"type": "logs", "logs": "1\n"}, {"type": "image", "image": {}}]
    turn.take(HostedCall("ci", "code_interpreter", result={"outputs": logs}))
    turn.take(HostedCall("fs", "file_search", result={"results": found}))
    told = text_of(page.get(f"/t/{run.thread_id}"))
    assert "Code interpreter Done" in told
    assert "print(1)" in told
    assert "a.txt (0.50)" in told


def test_what_is_long_is_cut() -> None:
    text = json.dumps({"x": "y" * 30_000})
    shown = calls.pretty(text)
    assert len(shown) < calls.MOST_CHARACTERS + 10
    assert shown.endswith("…")


@pytest.mark.parametrize("text", ["12", '"x"', "{broken", "[" * 5_000])
def test_what_is_no_object_stays_as_it_is(text: str) -> None:
    assert calls.pretty(text) == text
