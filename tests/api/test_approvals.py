"""Approvals of the server's tools, as clients of the protocol see them."""

from __future__ import annotations

from typing import Any

import pytest

from runs import actions, events
from runs.events import Event
from runs.models import EventType, Run, User
from runs.providers import Finish, ToolCallDelta
from tests.api.in_process import (  # noqa: F401 - fixtures
    Call,
    call,
    key,
    path_of,
    run_of,
)
from tests.test_pages_calls import turn_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(alice: User) -> Run:
    """One that waits for an approval and for the client."""
    run = run_of(alice, server_tools=["guarded"])
    turn = turn_of(run)
    turn.take(ToolCallDelta(0, "call_a", "weather", "{}"))
    turn.take(ToolCallDelta(1, "call_b", "guarded", "{}"))
    turn.take(Finish("tool_calls", "", "m"))
    fact = {"step": turn.tool_step, "calls": ["call_a"], "approvals": ["call_b"]}
    waits = Event(EventType.RUN_REQUIRES_ACTION, fact)
    events.record(run.pk, [*turn.completed(), waits], attempt=turn.log.attempt)
    return run


def ids(part: Any) -> list[str]:
    return [one["id"] for one in part["tool_calls"]]


def test_a_client_is_asked_for_its_own_and_told_of_the_approval(
    run: Run,
    call: Call,  # noqa: F811 - the fixture
    alice: User,
) -> None:
    status, shown = call("GET", path_of(run))
    assert (status, shown["status"]) == (200, "requires_action")
    action = shown["required_action"]
    assert ids(action["submit_tool_outputs"]) == ["call_a"]
    assert ids(action["approval"]) == ["call_b"]

    path = path_of(run, "/submit_tool_outputs")
    outputs = {"tool_outputs": [{"tool_call_id": "call_a", "output": "Sun"}]}
    status, shown = call("POST", path, outputs)
    assert (status, shown["status"]) == (200, "requires_action")
    assert ids(shown["required_action"]["submit_tool_outputs"]) == []
    status, refused = call("POST", path, {"tool_outputs": []})
    assert status == 400
    assert "tool outputs" in refused["error"]["message"]

    run.refresh_from_db()
    actions.decide(run=run, call_id="call_b", is_approved=False, user=alice)
    _, shown = call("GET", path_of(run))
    assert (shown["status"], shown["required_action"]) == ("queued", None)
    _, steps = call("GET", path_of(run, "/steps"))
    (step,) = steps["data"]
    given = [one["function"]["output"] for one in step["step_details"]["tool_calls"]]
    assert (step["status"], given) == (
        "completed",
        ["Sun", "The user declined this call."],
    )
