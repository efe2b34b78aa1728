"""What is refused, and how that is said (api.md 1.3)."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.api.conftest import Site
from tests.api.run_helpers import (
    STALLED,
    TWO_CALLS,
    again,
    begin,
    function,
    new_assistant,
    new_thread,
    steps_of,
    until,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
)


def test_metadata_changes_once_the_run_is_over(client: OpenAI, site: Site) -> None:
    """1.3 modify run metadata while active."""
    site.model.enqueue(STALLED)
    run = until(client, begin(client), "in_progress")
    runs = client.beta.threads.runs
    with pytest.raises(openai.BadRequestError) as refused:
        runs.update(run.id, thread_id=run.thread_id, metadata={"a": "b"})
    assert "Cannot update run with status 'in_progress'." in str(refused.value)

    runs.cancel(run.id, thread_id=run.thread_id)
    until(client, run, "cancelled")
    changed = runs.update(run.id, thread_id=run.thread_id, metadata={"a": "b"})
    assert changed.metadata == again(client, run).metadata == {"a": "b"}


def test_a_thread_has_one_active_run(client: OpenAI, site: Site) -> None:
    """1.3 create run, add message, while one is non-terminal: 400, never 409."""
    site.model.enqueue(STALLED)
    run = begin(client)
    with pytest.raises(openai.BadRequestError) as refused:
        begin(client, thread_id=run.thread_id)
    assert refused.value.body == {
        "message": f"Thread {run.thread_id} already has an active run {run.id}.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.messages.create(run.thread_id, role="user", content="x")
    assert (
        f"Can't add messages to {run.thread_id} while a run {run.id} is active."
        in str(refused.value)
    )
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)


def test_tool_outputs_are_refused_where_nothing_waits_for_them(
    client: OpenAI, site: Site
) -> None:
    """1.3 submit in wrong state; submit only some outputs; unknown ids."""
    site.model.enqueue(TWO_CALLS)
    run = until(client, begin(client), "requires_action")
    submit = client.beta.threads.runs.submit_tool_outputs
    for got in (["call_w"], ["call_w", "call_x"]):
        outputs: Any = [{"tool_call_id": key, "output": ""} for key in got]
        with pytest.raises(openai.BadRequestError) as refused:
            submit(run.id, thread_id=run.thread_id, tool_outputs=outputs)
        expected = f"Expected tool outputs for call_ids ['call_w', 'call_n'], got {got}"
        assert expected in str(refused.value.body)
    outputs = [{"tool_call_id": key, "output": ""} for key in ("call_w", "call_n")]
    submit(run.id, thread_id=run.thread_id, tool_outputs=outputs)
    run = until(client, run, "completed")
    with pytest.raises(openai.BadRequestError) as refused:
        submit(run.id, thread_id=run.thread_id, tool_outputs=outputs)
    assert 'Runs in status "completed" do not accept' in str(refused.value)


def test_an_empty_thread_needs_an_assistant_with_instructions(client: OpenAI) -> None:
    """1.3 invalid_thread."""
    bare = client.beta.assistants.create(model="scripted").id
    empty = client.beta.threads.create().id
    with pytest.raises(openai.BadRequestError) as refused:
        begin(client, thread_id=empty, assistant_id=bare)
    assert refused.value.code == "invalid_thread"
    assert (
        "Run creation requires a Thread with a user message or an assistant with "
        "instructions." in str(refused.value)
    )

    run = begin(client, thread_id=empty)
    assert until(client, run, "completed").instructions == "Be brief."


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"top_p": -1}, "top_p", "decimal_below_min_value"),
        (
            {"max_completion_tokens": 1},
            "max_completion_tokens",
            "integer_below_min_value",
        ),
        ({"tool_choice": "maybe"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "x"}}, "tool_choice.type", "invalid_value"),
        ({"metadata": {"k": True}}, "metadata.k", "invalid_type"),
        ({"unknown": 1}, "unknown", "unknown_parameter"),
        ({"tool_resources": {}}, "tool_resources", "unknown_parameter"),
        ({"tools": [{"type": "x"}]}, "tools[0].type", "invalid_value"),
        ({"tools": [function("f")] * 21}, "tools", "array_above_max_length"),
        (
            {"truncation_strategy": {"type": "last_messages"}},
            "truncation_strategy.last_messages",
            "missing_required_parameter",
        ),
        ({"assistant_id": None}, "assistant_id", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(
    client: OpenAI, site: Site, fields: dict[str, Any], param: str, code: str
) -> None:
    """1.3 validation codes; 1.6 additionalProperties: false."""
    thread = new_thread(client)
    body = {"assistant_id": new_assistant(client)} | fields
    answer = site.call("POST", f"/threads/{thread}/runs", json=body)

    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert client.beta.threads.runs.list(thread).data == []


def test_what_is_not_there_or_not_ones_own_is_not_found(
    client: OpenAI, bob: OpenAI
) -> None:
    """1.3 unknown object, nested ids too."""
    run = until(client, begin(client), "completed")
    (step,) = steps_of(client, run)
    other = until(bob, begin(bob), "completed")

    def is_missing(call: Any, *args: Any, says: str, **kwargs: Any) -> None:
        with pytest.raises(openai.NotFoundError) as missing:
            call(*args, **kwargs)
        assert missing.value.body["message"] == says  # type: ignore[index]
        assert missing.value.type == "invalid_request_error"

    thread, runs = run.thread_id, client.beta.threads.runs
    no_run = f"No run found with id '{other.id}'."
    is_missing(runs.retrieve, other.id, thread_id=thread, says=no_run)
    is_missing(runs.cancel, other.id, thread_id=thread, says=no_run)
    is_missing(runs.update, other.id, thread_id=thread, metadata={}, says=no_run)
    no_thread = f"No thread found with id '{other.thread_id}'."
    is_missing(runs.retrieve, other.id, thread_id=other.thread_id, says=no_thread)
    is_missing(runs.list, other.thread_id, says=no_thread)
    is_missing(
        runs.create,
        thread,
        assistant_id=other.assistant_id,
        says=f"No assistant found with id '{other.assistant_id}'.",
    )
    is_missing(
        runs.steps.retrieve,
        "step_x",
        run_id=run.id,
        thread_id=thread,
        says="No run step found with id 'step_x'.",
    )
    second = until(client, begin(client, thread_id=thread), "completed")
    is_missing(
        runs.steps.retrieve,
        step.id,
        run_id=second.id,
        thread_id=thread,
        says=f"No run step found with id '{step.id}'.",
    )
