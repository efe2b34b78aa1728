"""An example for each route: in Python, and what its JSON body may be."""

from __future__ import annotations

from typing import Any

ASSISTANT, THREAD, RUN = "asst_01", "thread_01", "run_01"
QUESTION = {"role": "user", "content": "What is 2 + 2?"}
FUNCTION = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}

# What stands for the ids in the addresses of the examples.
IDS = {
    "assistant_id": ASSISTANT,
    "thread_id": THREAD,
    "message_id": "msg_01",
    "run_id": RUN,
    "step_id": "step_01",
    "file_id": "file-01",
    "model": "gpt-5-mini",
}

BODIES: dict[str, dict[str, Any]] = {
    "create_assistant": {
        "model": "gpt-5-mini",
        "name": "Tutor",
        "instructions": "You explain mathematics.",
        "tools": [FUNCTION],
    },
    "modify_assistant": {"name": "Patient tutor"},
    "ask_assistant": {"input": {"messages": [QUESTION]}},
    "create_thread": {"messages": [QUESTION]},
    "modify_thread": {"metadata": {"ticket": "4711"}},
    "create_message": QUESTION,
    "modify_message": {"metadata": {"seen": "yes"}},
    "create_thread_and_run": {
        "assistant_id": ASSISTANT,
        "thread": {"messages": [QUESTION]},
    },
    "create_run": {"assistant_id": ASSISTANT, "stream": True},
    "modify_run": {"metadata": {"checked": "yes"}},
    "submit_tool_outputs": {
        "tool_outputs": [{"tool_call_id": "call_01", "output": "22 degrees"}]
    },
}

PYTHON = {
    "create_assistant": """\
assistant = client.beta.assistants.create(
    model="gpt-5-mini", name="Tutor", instructions="You explain mathematics."
)""",
    "list_assistants": """\
for assistant in client.beta.assistants.list():
    print(assistant.id, assistant.name)""",
    "retrieve_assistant": 'client.beta.assistants.retrieve("asst_01")',
    "modify_assistant": """\
client.beta.assistants.update("asst_01", name="Patient tutor")""",
    "delete_assistant": 'client.beta.assistants.delete("asst_01")',
    "ask_assistant": """\
question = {"role": "user", "content": "What is 2 + 2?"}
run = client.post(
    "/assistants/asst_01/runs",
    body={"input": {"messages": [question]}},
    cast_to=dict,
)
print(run["output"]["messages"][-1]["content"])""",
    "create_thread": """\
thread = client.beta.threads.create(
    messages=[{"role": "user", "content": "What is 2 + 2?"}]
)""",
    "list_threads": """\
threads = client.get("/threads", cast_to=dict)["data"]""",
    "retrieve_thread": 'client.beta.threads.retrieve("thread_01")',
    "modify_thread": """\
client.beta.threads.update("thread_01", metadata={"ticket": "4711"})""",
    "delete_thread": 'client.beta.threads.delete("thread_01")',
    "create_message": """\
client.beta.threads.messages.create(
    "thread_01", role="user", content="What is 2 + 2?"
)""",
    "list_messages": """\
for message in client.beta.threads.messages.list("thread_01", order="asc"):
    print(message.role, message.content)""",
    "retrieve_message": """\
client.beta.threads.messages.retrieve("msg_01", thread_id="thread_01")""",
    "modify_message": """\
client.beta.threads.messages.update(
    "msg_01", thread_id="thread_01", metadata={"seen": "yes"}
)""",
    "delete_message": """\
client.beta.threads.messages.delete("msg_01", thread_id="thread_01")""",
    "create_thread_and_run": """\
run = client.beta.threads.create_and_run_poll(
    assistant_id="asst_01",
    thread={"messages": [{"role": "user", "content": "What is 2 + 2?"}]},
)""",
    "create_run": """\
with client.beta.threads.runs.stream(
    thread_id="thread_01", assistant_id="asst_01"
) as stream:
    for text in stream.text_deltas:
        print(text, end="", flush=True)""",
    "list_runs": 'client.beta.threads.runs.list("thread_01")',
    "retrieve_run": """\
client.beta.threads.runs.retrieve("run_01", thread_id="thread_01")""",
    "modify_run": """\
client.beta.threads.runs.update(
    "run_01", thread_id="thread_01", metadata={"checked": "yes"}
)""",
    "cancel_run": 'client.beta.threads.runs.cancel("run_01", thread_id="thread_01")',
    "submit_tool_outputs": """\
client.beta.threads.runs.submit_tool_outputs_and_poll(
    run_id="run_01",
    thread_id="thread_01",
    tool_outputs=[{"tool_call_id": "call_01", "output": "22 degrees"}],
)""",
    "follow_run": """\
from openai import Stream
from openai.types.beta import AssistantStreamEvent

events = client.get(
    "/threads/thread_01/runs/run_01/events?after=0",
    cast_to=AssistantStreamEvent,
    stream=True,
    stream_cls=Stream[AssistantStreamEvent],
)
for event in events:
    print(event.event)""",
    "list_steps": """\
client.beta.threads.runs.steps.list("run_01", thread_id="thread_01")""",
    "retrieve_step": """\
client.beta.threads.runs.steps.retrieve(
    "step_01", thread_id="thread_01", run_id="run_01"
)""",
    "create_file": """\
from pathlib import Path

file = client.files.create(file=Path("notes.txt"), purpose="assistants")""",
    "list_files": 'client.files.list(purpose="assistants")',
    "retrieve_file": 'client.files.retrieve("file-01")',
    "retrieve_file_content": """\
client.files.content("file-01").write_to_file("notes.txt")""",
    "delete_file": 'client.files.delete("file-01")',
    "list_models": """\
for model in client.models.list():
    print(model.id)""",
    "retrieve_model": 'client.models.retrieve("gpt-5-mini")',
}
