"""The run in one call, and the program of the README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from openai import OpenAI

from tests.api.conftest import Site
from tests.api.run_helpers import (
    ONE_CALL,
    PLAIN,
    last_request,
    names,
    new_assistant,
    raw_stream,
    until,
)
from tests.model_server import Script

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
)

HELLO = {"input": {"messages": [{"role": "user", "content": "Hello"}]}}
README = Path(__file__).resolve().parents[2] / "README.md"


def test_one_call_makes_a_thread_and_answers_when_the_run_is_over(
    client: OpenAI, site: Site
) -> None:
    """Issue: one-call run."""
    assistant = new_assistant(client)
    answer = site.call("POST", f"/assistants/{assistant}/runs", json=HELLO)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    run = answer.json()
    said = [{"role": "assistant", "content": "Hello, world!"}]
    assert run.pop("output") == {"messages": said}
    assert run["status"] == "completed"
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    assert site.call("GET", path).json() == run


def test_one_call_goes_on_in_a_thread(client: OpenAI, site: Site) -> None:
    """Issue: with thread_id in the body it goes on in that thread."""
    path = f"/assistants/{new_assistant(client)}/runs"
    first = site.call("POST", path, json=HELLO).json()
    body = HELLO | {"thread_id": first["thread_id"], "temperature": 0.3}
    second = site.call("POST", path, json=body).json()

    assert second["thread_id"] == first["thread_id"]
    assert second["temperature"] == 0.3
    assert len(second["output"]["messages"]) == 1
    asked = [message["content"] for message in last_request(site)["messages"][1:]]
    assert asked == ["Hello", "Hello, world!", "Hello"]


def test_one_call_can_stream_or_not_wait(client: OpenAI, site: Site) -> None:
    """Issue: ``stream``; and ``wait`` false."""
    path = f"/assistants/{new_assistant(client)}/runs"
    events = raw_stream(site, "POST", path, json=HELLO | {"stream": True})
    assert names(events) == ["created", *PLAIN, "done"]

    site.model.enqueue(Script(delay_headers=0.5))
    run = site.call("POST", path, json=HELLO | {"wait": False}).json()
    assert (run["status"], run["output"]) == ("queued", {"messages": []})
    later = client.beta.threads.runs.retrieve(run["id"], thread_id=run["thread_id"])
    until(client, later, "completed")


def test_one_call_answers_also_when_the_run_fails_or_waits(
    client: OpenAI, site: Site
) -> None:
    """Issue: answers when the run is over, however it ended."""
    path = f"/assistants/{new_assistant(client)}/runs"
    content = [{"role": "user", "content": "scenario: failed"}]
    run = site.call("POST", path, json={"input": {"messages": content}}).json()
    assert (run["status"], run["last_error"]["code"]) == ("failed", "server_error")

    site.model.enqueue(ONE_CALL)
    run = site.call("POST", path, json=HELLO).json()
    assert run["status"] == "requires_action"
    assert run["required_action"]["type"] == "submit_tool_outputs"
    client.beta.threads.runs.cancel(run["id"], thread_id=run["thread_id"])


def test_the_same_call_twice_is_one_run(client: OpenAI, site: Site) -> None:
    """Issue: Idempotency-Key makes creation safe to repeat."""
    path = f"/assistants/{new_assistant(client)}/runs"
    headers = {"Idempotency-Key": path}
    first = site.call("POST", path, json=HELLO, headers=headers)
    second = site.call("POST", path, json=HELLO, headers=headers)
    assert first.json() == second.json()


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "input", "missing_required_parameter"),
        ({"input": {"messages": []}}, "input.messages", "empty_array"),
        (HELLO | {"assistant_id": "x"}, "assistant_id", "unknown_parameter"),
    ],
)
def test_a_call_that_says_nothing_is_refused(
    client: OpenAI, site: Site, body: object, param: str, code: str
) -> None:
    """1.3 validation."""
    path = f"/assistants/{new_assistant(client)}/runs"
    answer = site.call("POST", path, json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == (param, code)


def test_threads_and_assistants_of_others_are_not_found(
    client: OpenAI, bob: OpenAI, site: Site
) -> None:
    """1.3 unknown object."""
    theirs, own = new_assistant(bob), new_assistant(client)
    thread = bob.beta.threads.create().id
    assert (
        site.call("POST", f"/assistants/{theirs}/runs", json=HELLO).status_code == 404
    )
    body = HELLO | {"thread_id": thread}
    answer = site.call("POST", f"/assistants/{own}/runs", json=body)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == f"No thread found with id '{thread}'."


def test_the_program_of_the_readme_prints_id_and_reply(
    client: OpenAI, site: Site
) -> None:
    """Issue: a ten-line program."""
    program = next(
        block
        for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
        if "Run ID:" in block
    )
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "THREADMILL_URL": f"{site.base}/v1",
            "THREADMILL_KEY": site.keys["alice"],
        },
    )
    first, second = ended.stdout.splitlines()
    assert first.startswith("Run ID: run_")
    assert second == "Assistant reply: Hello, world!"
