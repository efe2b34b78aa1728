"""Assistants, as the official client makes, reads, changes and deletes them."""

from __future__ import annotations

import time
from typing import Any

import openai
import pytest

FUNCTION: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Today's weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "default": None}},
        },
    },
}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
}


def test_an_assistant_is_what_it_was_made_of(client):
    made = client.beta.assistants.create(
        model="gpt-4o",
        name="Math tutor",
        description="Explains.",
        instructions="Explain each step.",
        tools=[{"type": "code_interpreter"}, {"type": "file_search"}, FUNCTION],
        tool_resources={"file_search": {"vector_store_ids": ["vs_1"]}},
        metadata={"team": "maths"},
        temperature=0.2,
        top_p=0.5,
        response_format=SCHEMA,
        reasoning_effort="low",
    )
    assert made.id.startswith("asst_")
    assert made.object == "assistant"
    assert abs(made.created_at - time.time()) < 60
    assert (made.model, made.name) == ("gpt-4o", "Math tutor")
    assert made.description == "Explains."
    assert made.instructions == "Explain each step."
    assert (made.temperature, made.top_p) == (0.2, 0.5)
    assert made.metadata == {"team": "maths"}
    assert made.tool_resources.file_search.vector_store_ids == ["vs_1"]
    assert made.response_format.to_dict() == SCHEMA
    assert made.to_dict()["reasoning_effort"] == "low"
    assert [tool.type for tool in made.tools] == [
        "code_interpreter",
        "file_search",
        "function",
    ]
    function = made.tools[2].to_dict()["function"]
    assert function == FUNCTION["function"] | {"strict": False}
    assert client.beta.assistants.retrieve(made.id) == made


def test_what_is_left_out_is_shown_as_the_original_showed_it(client):
    made = client.beta.assistants.create(
        model="gpt-4o", tools=[{"type": "function", "function": {"name": "now"}}]
    ).to_dict()
    assert made["tools"][0]["function"] == {
        "name": "now",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
    nothing = ("name", "description", "instructions", "reasoning_effort")
    assert {made[key] for key in nothing} == {None}
    assert made["tool_resources"] == made["metadata"] == {}
    assert made["response_format"] == "auto"
    assert made["temperature"] == made["top_p"] == 1.0


def test_a_change_leaves_alone_what_is_not_sent(client):
    made = client.beta.assistants.create(
        model="gpt-4o", name="Old", instructions="Be brief.", metadata={"a": "1"}
    )
    changed = client.beta.assistants.update(made.id, name="New", metadata={"b": "2"})
    assert changed.name == "New"
    assert changed.metadata == {"b": "2"}
    assert changed.instructions == "Be brief."
    emptied = client.beta.assistants.update(made.id, instructions=None, model="gpt-5")
    assert emptied.instructions is None
    assert (emptied.name, emptied.model) == ("New", "gpt-5")
    assert client.beta.assistants.update(made.id) == emptied


def test_a_deleted_assistant_is_gone_and_its_runs_stay(client):
    made = client.beta.assistants.create(model="scripted")
    run = client.beta.threads.create_and_run_poll(
        assistant_id=made.id,
        thread={"messages": [{"role": "user", "content": "Hi"}]},
        poll_interval_ms=50,
    )
    deleted = client.beta.assistants.delete(made.id)
    assert deleted.to_dict() == {
        "id": made.id,
        "object": "assistant.deleted",
        "deleted": True,
    }
    with pytest.raises(openai.NotFoundError) as missing:
        client.beta.assistants.retrieve(made.id)
    body: Any = missing.value.body
    assert body["message"] == f"No assistant found with id '{made.id}'."
    left = client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
    assert left.status == "completed"
    assert left.assistant_id == "asst_deleted"


def test_the_model_must_be_named(site):
    answer = site.call("POST", "/assistants", json={"name": "x"})
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": "Missing required parameter: 'model'.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "missing_required_parameter",
    }
