"""Functions that the client executes: the round trips of tools (api.md 1.1, 2.2)."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.api.conftest import Site
from tests.api.run_helpers import (
    ONE_CALL,
    TWO_CALLS,
    Listener,
    begin,
    last_request,
    messages_of,
    new_assistant,
    new_thread,
    steps_of,
    until,
)
from tests.model_server import Call, Script

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
)


def answered(run: Any) -> list[Any]:
    """An output for each call that the run waits for."""
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [
        {"tool_call_id": call.id, "output": f"{call.function.name}: ok"}
        for call in calls
    ]


def test_parallel_calls_are_answered_together(client: OpenAI, site: Site) -> None:
    """1.1 in_progress to requires_action to queued to in_progress; 1.7 one step for
    the calls of a turn."""
    site.model.enqueue(TWO_CALLS)
    run = until(client, begin(client), "requires_action")

    calls = run.required_action.submit_tool_outputs.tool_calls
    assert run.required_action.type == "submit_tool_outputs"
    assert [call.function.name for call in calls] == ["weather", "now"]
    assert json.loads(calls[0].function.arguments) == {"city": "Rome"}
    (step,) = steps_of(client, run)
    assert (step.type, step.status, step.usage) == ("tool_calls", "in_progress", None)
    assert [call.function.output for call in step.step_details.tool_calls] == [None] * 2

    going = client.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=run.thread_id, tool_outputs=answered(run)
    )
    assert (going.status, going.required_action) == ("queued", None)
    assert going.started_at == run.started_at
    done = until(client, run, "completed")
    assert done.started_at >= run.started_at
    assert done.expires_at is None
    tool_step, message_step = steps_of(client, done)
    assert tool_step.status == "completed"
    assert tool_step.usage.total_tokens == 18
    outputs = [call.function.output for call in tool_step.step_details.tool_calls]
    assert outputs == ["weather: ok", "now: ok"]
    assert message_step.type == "message_creation"
    assert done.usage.total_tokens == 36


def test_the_model_hears_its_calls_and_their_outputs(
    client: OpenAI, site: Site
) -> None:
    """2.2 (b) the second turn."""
    site.model.enqueue(TWO_CALLS)
    run = until(client, begin(client), "requires_action")
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=answered(run)
    )

    _, _, called, weather, now = last_request(site)["messages"]
    assert [call["id"] for call in called["tool_calls"]] == ["call_w", "call_n"]
    assert weather == {
        "role": "tool",
        "tool_call_id": "call_w",
        "content": "weather: ok",
    }
    assert now["tool_call_id"] == "call_n"


def test_a_call_without_arguments_has_an_empty_object(
    client: OpenAI, site: Site
) -> None:
    """Issue: no-argument calls, polled."""
    site.model.enqueue(Script(tokens=0, tool_calls=[Call(id="call_n", name="now")]))
    run = until(client, begin(client), "requires_action")
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert call.function.arguments == "{}"
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)


def test_calls_come_in_several_rounds(client: OpenAI, site: Site) -> None:
    """1.7 sequential rounds: several steps; polled."""
    second = Script(tokens=0, tool_calls=[Call(id="call_2", name="now")])
    site.model.enqueue(ONE_CALL, second)
    runs = client.beta.threads.runs
    run: Any = runs.create_and_poll(
        thread_id=new_thread(client), assistant_id=new_assistant(client)
    )
    rounds = 0
    while run.status == "requires_action":
        rounds += 1
        run = runs.submit_tool_outputs_and_poll(
            run_id=run.id, thread_id=run.thread_id, tool_outputs=answered(run)
        )

    assert (run.status, rounds) == ("completed", 2)
    steps = steps_of(client, run)
    assert [step.type for step in steps] == [
        "tool_calls", "tool_calls", "message_creation"
    ]  # fmt: skip
    assert sum(step.usage.total_tokens for step in steps) == run.usage.total_tokens
    asked = last_request(site)["messages"]
    assert [message["role"] for message in asked[1:]] == [
        "user", "assistant", "tool", "assistant", "tool"
    ]  # fmt: skip


def test_calls_come_in_several_rounds_streamed(client: OpenAI, site: Site) -> None:
    """2.2 (b) if the model calls again: step.created … requires_action, done."""
    second = Script(tokens=0, tool_calls=[Call(id="call_2", name="now")])
    site.model.enqueue(ONE_CALL, second)
    runs = client.beta.threads.runs
    listener = Listener()
    with runs.stream(
        thread_id=new_thread(client),
        assistant_id=new_assistant(client),
        event_handler=listener,
    ) as stream:
        stream.until_done()
    called: list[str] = []
    run: Any = stream.current_run
    while run.status == "requires_action":
        called += [call.id for call in listener.called("call_done")][:1]
        listener = Listener()
        with runs.submit_tool_outputs_stream(
            run_id=run.id,
            thread_id=run.thread_id,
            tool_outputs=answered(run),
            event_handler=listener,
        ) as stream:
            stream.until_done()
        run = stream.current_run
    assert called == ["call_w", "call_2"]
    assert run.status == "completed"
    assert listener.called("text_done") == ["Hello, world!"]


async def test_a_round_trip_with_the_asynchronous_client(
    aclient: AsyncOpenAI, client: OpenAI, site: Site
) -> None:
    """Issue: tool round trips, polled, async."""
    site.model.enqueue(ONE_CALL)
    runs = aclient.beta.threads.runs
    run: Any = await runs.create_and_poll(
        thread_id=new_thread(client), assistant_id=new_assistant(client)
    )
    run = await runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=answered(run)
    )
    assert run.status == "completed"


def test_an_output_left_out_is_empty(client: OpenAI, site: Site) -> None:
    """4 the specification marks ``output`` as not required."""
    site.model.enqueue(ONE_CALL)
    run = until(client, begin(client), "requires_action")
    client.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=run.thread_id, tool_outputs=[{"tool_call_id": "call_w"}]
    )
    run = until(client, run, "completed")
    (call,) = steps_of(client, run)[0].step_details.tool_calls
    assert call.function.output == ""


def test_an_output_is_given_once(client: OpenAI, site: Site) -> None:
    """1.3 validation: the same call twice."""
    site.model.enqueue(ONE_CALL)
    run = until(client, begin(client), "requires_action")
    twice: Any = answered(run) * 2
    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.runs.submit_tool_outputs(
            run.id, thread_id=run.thread_id, tool_outputs=twice
        )
    assert refused.value.param == "tool_outputs[1].tool_call_id"
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)


def test_a_submit_that_is_repeated_goes_on_once(client: OpenAI, site: Site) -> None:
    """Beyond the original: Idempotency-Key; the stream of a repeat is the same one."""
    site.model.enqueue(ONE_CALL)
    run = until(client, begin(client), "requires_action")
    path = f"/threads/{run.thread_id}/runs/{run.id}/submit_tool_outputs"
    body = {"tool_outputs": answered(run), "stream": True}
    headers = {"Idempotency-Key": f"submit-{run.id}"}
    first = site.call("POST", path, json=body, headers=headers)
    second = site.call("POST", path, json=body, headers=headers)
    assert first.status_code == second.status_code == 200
    assert first.text == second.text
    assert first.text.startswith("event: thread.run.step.completed\n")


def test_code_interpreter_and_file_search_are_kept_and_echoed(
    client: OpenAI, site: Site
) -> None:
    """5: the most widely copied samples declare code_interpreter."""
    tools: Any = [
        {"type": "code_interpreter"},
        {"type": "file_search", "file_search": {"max_num_results": 5}},
    ]
    assistant = new_assistant(client, tools=tools)
    run = until(client, begin(client, assistant_id=assistant), "completed")

    assert [tool.to_dict() for tool in run.tools] == tools
    assert "tools" not in last_request(site)
    path = f"/threads/{run.thread_id}/runs/{run.id}/events"
    log = site.call("GET", path).text
    assert log.count("event: thread.run.warning\n") == 2
    assert messages_of(client, run)[0].content[0].text.value == "Hello, world!"
