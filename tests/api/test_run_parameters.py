"""What a run is told: its parameters and budgets (api.md 1.5, 1.6)."""

from __future__ import annotations

from typing import Any

import pytest
from openai import OpenAI

from tests.api.conftest import Site
from tests.api.run_helpers import (
    ONE_CALL,
    again,
    begin,
    function,
    last_request,
    messages_of,
    new_assistant,
    new_thread,
    steps_of,
    until,
)
from tests.model_server import Counts, Script

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
)


def test_a_full_budget_ends_the_run_incomplete(client: OpenAI, site: Site) -> None:
    """1.1 in_progress to incomplete; 1.4, 1.5 incomplete_details."""
    site.model.enqueue(Script(tokens=["As far"], finish="length"))
    run = until(client, begin(client, max_completion_tokens=300), "incomplete")

    assert last_request(site)["max_tokens"] == 300
    assert run.incomplete_details.reason == "max_completion_tokens"
    assert run.last_error is None
    assert run.usage.total_tokens == 18
    (message,), (step,) = messages_of(client, run), steps_of(client, run)
    assert message.incomplete_details.reason == "max_tokens"
    assert message.content[0].text.value == "As far"
    assert step.status == "completed"


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"max_completion_tokens": 500}, "max_completion_tokens"),
        ({"max_prompt_tokens": 300}, "max_prompt_tokens"),
    ],
)
def test_the_budget_is_for_all_turns_together(
    client: OpenAI, site: Site, limit: dict[str, Any], reason: str
) -> None:
    """1.5 cumulative budget; no second turn when nothing is left."""
    usage = Counts(input=300, output=500)
    site.model.enqueue(Script(tokens=0, tool_calls=ONE_CALL.tool_calls, usage=usage))
    run = until(client, begin(client, **limit), "requires_action")
    asked = len(site.model.requests)

    outputs: Any = [{"tool_call_id": "call_w", "output": "Sunny"}]
    client.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=run.thread_id, tool_outputs=outputs
    )
    run = until(client, run, "incomplete")
    assert run.incomplete_details.reason == reason
    assert len(site.model.requests) == asked


def test_what_the_first_turn_used_is_missing_from_the_second(
    client: OpenAI, site: Site
) -> None:
    """1.5: 500/1000 budget, first call used 200/300, 300/700 left."""
    usage = Counts(input=200, output=300)
    site.model.enqueue(Script(tokens=0, tool_calls=ONE_CALL.tool_calls, usage=usage))
    run = begin(client, max_prompt_tokens=500, max_completion_tokens=1000)
    run = until(client, run, "requires_action")
    assert last_request(site)["max_tokens"] == 1000

    outputs: Any = [{"tool_call_id": "call_w", "output": "Sunny"}]
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs
    )
    assert last_request(site)["max_tokens"] == 700


def test_overrides_replace_the_assistants_values_for_this_run_only(
    client: OpenAI, site: Site
) -> None:
    """1.6 model, instructions, tools, temperature, top_p, response_format,
    reasoning_effort, metadata, parallel_tool_calls, additional_instructions."""
    schema = {"name": "a", "schema": {"type": "object"}, "strict": True}
    form: Any = {"type": "json_schema", "json_schema": schema}
    assistant = new_assistant(client, temperature=0.1, metadata={"mine": "no"})
    run = begin(
        client,
        assistant_id=assistant,
        model="scripted",
        instructions="Rhyme.",
        additional_instructions="In French.",
        tools=[function("other")],
        temperature=0.7,
        top_p=0.5,
        response_format=form,
        reasoning_effort="low",
        parallel_tool_calls=False,
        metadata={"a": "b"},
    )
    until(client, run, "completed")

    assert run.instructions == "Rhyme.\nIn French."
    assert [tool.function.name for tool in run.tools] == ["other"]
    assert (run.temperature, run.top_p) == (0.7, 0.5)
    assert run.response_format.json_schema.name == "a"
    assert (run.parallel_tool_calls, run.metadata) == (False, {"a": "b"})
    assert run.reasoning_effort == "low"
    body = last_request(site)
    assert body["messages"][0] == {
        "role": "system",
        "content": "Rhyme.\nIn French.",
    }
    assert body["response_format"]["json_schema"]["strict"] is True
    assert (body["temperature"], body["top_p"]) == (0.7, 0.5)
    assert body["reasoning_effort"] == "low"
    assert body["parallel_tool_calls"] is False
    assert [tool["function"]["name"] for tool in body["tools"]] == ["other"]
    kept = client.beta.assistants.retrieve(assistant)
    assert (kept.temperature, kept.instructions) == (0.1, "Be brief.")


def test_what_is_not_overridden_is_the_assistants(client: OpenAI) -> None:
    """1.6 defaults; 1.7 the run's fields."""
    run = begin(client)
    until(client, run, "completed")

    assert run.object == "thread.run"
    assert (run.model, run.instructions) == ("scripted", "Be brief.")
    assert (run.temperature, run.top_p) == (1.0, 1.0)
    assert (run.tool_choice, run.response_format) == ("auto", "auto")
    assert run.truncation_strategy.to_dict() == {"type": "auto", "last_messages": None}
    assert (run.max_prompt_tokens, run.max_completion_tokens) == (None, None)
    assert run.parallel_tool_calls is True
    assert run.tools[0].to_dict() == {
        "type": "function",
        "function": {"name": "weather", "parameters": {}, "strict": False},
    }


def test_additional_messages_stay_in_the_thread(client: OpenAI, site: Site) -> None:
    """1.6 additional_messages."""
    thread = new_thread(client, "One")
    more: Any = [
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": [{"type": "text", "text": "Three"}]},
    ]
    run = begin(client, thread_id=thread, additional_messages=more)
    until(client, run, "completed")

    said = client.beta.threads.messages.list(thread, order="asc").data
    texts = [message.content[0].text.value for message in said]  # type: ignore[union-attr]
    assert texts == ["One", "Two", "Three", "Hello, world!"]
    asked = last_request(site)["messages"]
    assert [message["content"] for message in asked[1:]] == ["One", "Two", "Three"]


def test_last_messages_bounds_what_the_model_sees(client: OpenAI, site: Site) -> None:
    """1.5, 1.6 truncation_strategy."""
    thread = new_thread(client, "One")
    for text in ("Two", "Three"):
        client.beta.threads.messages.create(thread, role="user", content=text)
    strategy: Any = {"type": "last_messages", "last_messages": 2}
    run = begin(client, thread_id=thread, truncation_strategy=strategy)
    until(client, run, "completed")

    assert run.truncation_strategy.last_messages == 2
    asked = last_request(site)["messages"]
    assert [message["content"] for message in asked[1:]] == ["Two", "Three"]


@pytest.mark.parametrize(
    "choice",
    ["none", "required", {"type": "function", "function": {"name": "now"}}],
)
def test_a_tool_choice_is_told_to_the_model_and_echoed(
    client: OpenAI, site: Site, choice: Any
) -> None:
    """1.6 tool_choice."""
    run = begin(client, tool_choice=choice)
    until(client, run, "completed")

    assert last_request(site)["tool_choice"] == choice
    echoed = again(client, run).tool_choice
    assert (echoed if isinstance(choice, str) else echoed.to_dict()) == choice


def test_a_forced_tool_is_forced_once(client: OpenAI, site: Site) -> None:
    """1.6 tool_choice: required tools come before the answer, not for ever."""
    site.model.enqueue(ONE_CALL)
    run = until(client, begin(client, tool_choice="required"), "requires_action")
    assert last_request(site)["tool_choice"] == "required"

    outputs: Any = [{"tool_call_id": "call_w", "output": "Sunny"}]
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs
    )
    assert last_request(site)["tool_choice"] == "auto"


def test_a_thread_and_its_run_are_made_in_one_call(client: OpenAI) -> None:
    """1.6 tool_resources on POST /threads/runs."""
    search: Any = {"file_search": {"vector_store_ids": ["vs_1"]}}
    run = client.beta.threads.create_and_run_poll(
        assistant_id=new_assistant(client),
        thread={
            "messages": [{"role": "user", "content": "Hi"}],
            "metadata": {"k": "v"},
        },
        tool_resources=search,
    )

    assert run.status == "completed"
    assert run.tool_resources == {"file_search": {"vector_store_ids": ["vs_1"]}}  # type: ignore[attr-defined]
    thread = client.beta.threads.retrieve(run.thread_id)
    assert thread.metadata == {"k": "v"}
