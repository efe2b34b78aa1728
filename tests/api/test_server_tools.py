"""Tools that the server executes, as clients of the protocol see them."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.api.conftest import Site
from tests.api.run_helpers import (
    NOW,
    Listener,
    begin,
    last_request,
    messages_of,
    names,
    new_assistant,
    new_thread,
    raw_stream,
    steps_of,
    until,
)
from tests.model_server import Call, Script

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
)

SUM = Call(id="call_s", name="calculate", arguments=['{"expression":', '"6 * 7"}'])
TIME = Call(id="call_t", name="current_time")
OWN = Script(tokens=0, finish="tool_calls", tool_calls=[SUM, TIME])
MIXED = Script(tokens=0, finish="tool_calls", tool_calls=[SUM, NOW])


def allow(site: Site, assistant: str, *tools: str) -> str:
    """As the admin's form does it."""
    site.shell(
        "from runs.models import Assistant;"
        f"Assistant.objects.filter(pk={assistant!r}).update(server_tools={list(tools)!r})"
    )
    return assistant


@pytest.fixture
def assistant(client: OpenAI, site: Site) -> str:
    """One with a function of the client's and two tools of the server's."""
    return allow(site, new_assistant(client), "calculate", "current_time")


def test_a_client_that_knows_nothing_of_them_gets_the_answer(
    client: OpenAI, site: Site, assistant: str
) -> None:
    site.model.enqueue(OWN)
    runs = client.beta.threads.runs
    thread = new_thread(client)
    run: Any = runs.create_and_poll(thread_id=thread, assistant_id=assistant)

    assert (run.status, run.required_action) == ("completed", None)
    calls, message = steps_of(client, run)
    assert (calls.type, calls.status) == ("tool_calls", "completed")
    functions = [call.function for call in calls.step_details.tool_calls]
    assert functions[0].output == "42"
    assert json.loads(functions[1].output)["zone"] == "UTC"
    assert message.type == "message_creation"
    assert messages_of(client, run)[0].content[0].text.value == "Hello, world!"
    assert [tool.function.name for tool in run.tools] == ["weather", "now"]
    told = [tool["function"]["name"] for tool in last_request(site)["tools"]]
    assert told == ["weather", "now", "calculate", "current_time"]
    roles = [message["role"] for message in last_request(site)["messages"]]
    assert roles[-3:] == ["assistant", "tool", "tool"]


def test_a_stream_tells_calls_and_outputs_in_the_protocols_words(
    client: OpenAI, site: Site, assistant: str
) -> None:
    site.model.enqueue(OWN)
    listener = Listener()
    with client.beta.threads.runs.stream(
        thread_id=new_thread(client), assistant_id=assistant, event_handler=listener
    ) as stream:
        stream.until_done()

    assert not listener.called("exception")
    made = [call.id for call in listener.called("call_created")]
    assert made == ["call_s", "call_t"]
    done = [step for step in listener.called("step_done") if step.type == "tool_calls"]
    assert done[0].step_details.tool_calls[0].function.output == "42"
    assert listener.called("text_done") == ["Hello, world!"]
    run: Any = stream.current_run
    path = f"/threads/{run.thread_id}/runs/{run.id}/events"
    log = names(raw_stream(site, "GET", path))
    assert log[log.index("run.tools.started") :][:3] == [
        "run.tools.started",
        "run.step.delta",
        "run.step.completed",
    ]


def test_a_mixed_round_asks_the_client_for_its_own_part_alone(
    client: OpenAI, site: Site, assistant: str
) -> None:
    site.model.enqueue(MIXED)
    run = until(client, begin(client, assistant_id=assistant), "requires_action")
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert call.id == "call_n"
    (step,) = steps_of(client, run)
    outputs = [call.function.output for call in step.step_details.tool_calls]
    assert (step.status, outputs) == ("in_progress", ["42", None])
    runs = client.beta.threads.runs
    with pytest.raises(openai.BadRequestError):
        runs.submit_tool_outputs(
            run.id,
            thread_id=run.thread_id,
            tool_outputs=[{"tool_call_id": "call_s", "output": "43"}],
        )

    given: Any = [{"tool_call_id": "call_n", "output": "noon"}]
    listener = Listener()
    with runs.submit_tool_outputs_stream(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=given,
        event_handler=listener,
    ) as stream:
        stream.until_done()
    assert listener.called("text_done") == ["Hello, world!"]
    told = last_request(site)["messages"][-2:]
    assert [message["content"] for message in told] == ["42", "noon"]


def test_a_clients_function_of_the_same_name_goes_before(
    client: OpenAI, site: Site
) -> None:
    made = allow(site, new_assistant(client), "now", "weather", "calculate")
    site.model.enqueue(MIXED)
    run = until(client, begin(client, assistant_id=made), "requires_action")
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert call.function.name == "now"
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)


def test_tools_of_one_run_replace_the_servers(
    client: OpenAI, site: Site, assistant: str
) -> None:
    run = begin(client, assistant_id=assistant, tools=[])
    until(client, run, "completed")
    assert "tools" not in last_request(site)
