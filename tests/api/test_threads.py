"""Threads over the API: the same that the browser shows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from tests.api.conftest import Site
from tests.model_server import Call, Script

PASSWORD = "correct horse battery"
HELLO = {"role": "user", "content": "Hello there"}


@pytest.fixture(scope="module")
def browser(site):
    """Alice, signed in."""
    with httpx2.Client(base_url=site.base, headers={"Origin": site.base}) as browser:
        page = browser.get("/login").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token
        form = {"csrfmiddlewaretoken": token[1], "username": "alice"}
        signed_in = browser.post("/login", data=form | {"password": PASSWORD})
        assert signed_in.status_code == 302
        yield browser


def test_a_thread_needs_no_body_at_all(site):
    bodies: list[dict[str, Any]] = [{}, {"json": {}}, {"content": b""}]
    for options in bodies:
        answer = site.call("POST", "/threads", **options)
        assert answer.status_code == 200
        thread = answer.json()
        assert thread.pop("id").startswith("thread_")
        assert isinstance(thread.pop("created_at"), int)
        assert thread == {"object": "thread", "metadata": {}, "tool_resources": {}}


def test_the_beta_header_is_taken_and_not_needed(site):
    """1.3 beta header missing: nothing that a client must be told here."""
    headers = {"OpenAI-Beta": "assistants=v2"}
    assert site.call("POST", "/threads", headers=headers).status_code == 200


def test_a_thread_begins_with_its_messages_in_their_order(client):
    thread = client.beta.threads.create(
        messages=[
            {"role": "user", "content": "One", "metadata": {"n": "1"}},
            {"role": "assistant", "content": "Two"},
            {"role": "user", "content": [{"type": "text", "text": "Three"}]},
        ],
        metadata={"project": "x"},
        tool_resources={"file_search": {"vector_store_ids": ["vs_1"]}},
    )
    assert thread.metadata == {"project": "x"}
    assert thread.tool_resources.file_search.vector_store_ids == ["vs_1"]
    messages = client.beta.threads.messages.list(thread.id, order="asc").data
    assert [m.content[0].text.value for m in messages] == ["One", "Two", "Three"]
    assert [m.role for m in messages] == ["user", "assistant", "user"]
    assert messages[0].metadata == {"n": "1"}
    assert client.beta.threads.retrieve(thread.id) == thread


def test_a_change_leaves_alone_what_is_not_sent(client):
    thread = client.beta.threads.create(metadata={"a": "1"})
    resources: Any = {"code_interpreter": {"file_ids": []}}
    changed = client.beta.threads.update(thread.id, tool_resources=resources)
    assert changed.metadata == {"a": "1"}
    assert changed.to_dict()["tool_resources"] == resources
    changed = client.beta.threads.update(thread.id, metadata={"b": "2"})
    assert changed.metadata == {"b": "2"}
    assert changed.to_dict()["tool_resources"] == resources


def test_threads_are_listed_newest_first(client, site):
    made = [client.beta.threads.create().id for _ in range(3)]
    listed = site.call("GET", "/threads?limit=3").json()
    assert [row["id"] for row in listed["data"]] == made[::-1]
    assert listed["has_more"] is True


def test_the_browser_shows_a_thread_of_the_api_under_its_first_question(
    client, browser
):
    thread = client.beta.threads.create(
        messages=[
            {"role": "assistant", "content": "How can I help?"},
            {"role": "user", "content": "What is a run, exactly?"},
        ]
    )
    page = browser.get(f"/t/{thread.id}").text
    assert "<h1" in page
    assert "How can I help?" in page
    assert page.count("What is a run, exactly?") >= 2  # the message, and the title
    assert thread.id in browser.get("/").text


def test_a_deleted_thread_takes_its_messages_and_runs_along(client, site, browser):
    run = client.beta.threads.create_and_run_poll(
        assistant_id="asst_default",
        thread={"messages": [HELLO]},
        poll_interval_ms=50,
    )
    assert run.status == "completed"
    thread = run.thread_id
    deleted = client.beta.threads.delete(thread)
    assert deleted.to_dict() == {
        "id": thread,
        "object": "thread.deleted",
        "deleted": True,
    }
    for path in ("", "/messages", "/runs", f"/runs/{run.id}", f"/runs/{run.id}/steps"):
        answer = site.call("GET", f"/threads/{thread}{path}")
        assert answer.status_code == 404
        message = answer.json()["error"]["message"]
        assert message == f"No thread found with id '{thread}'."
    assert browser.get(f"/t/{thread}").status_code == 404
    with pytest.raises(openai.NotFoundError):
        client.beta.threads.delete(thread)


def test_deleting_a_thread_ends_the_run_that_is_at_work_in_it(client, site, model):
    model.enqueue(Script(tokens=10_000, pace=50))
    asked = len(model.requests)
    events = client.beta.threads.create_and_run(
        assistant_id="asst_default", thread={"messages": [HELLO]}, stream=True
    )
    thread = next(events).data.id
    seen = [next(events).event for _ in range(10)]
    assert "thread.message.delta" in seen
    client.beta.threads.delete(thread)
    seen += [event.event for event in events]  # which comes to an end
    assert seen[-4:] == [
        "thread.run.cancelling",
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
    ]
    assert site.call("GET", f"/threads/{thread}").status_code == 404
    model.requests[asked].gone.result(timeout=10)
    assert_the_worker_is_well(client, site)


def test_deleting_a_thread_ends_a_run_that_waits_for_its_first_word(
    client, site, model
):
    model.enqueue(Script(fault="hang"))
    asked = len(model.requests)
    run = client.beta.threads.create_and_run(
        assistant_id="asst_default", thread={"messages": [HELLO]}
    )
    wait_for(lambda: len(model.requests) > asked)
    client.beta.threads.delete(run.thread_id)
    model.requests[asked].gone.result(timeout=10)
    assert_the_worker_is_well(client, site)


def test_deleting_a_thread_ends_a_run_that_waits_for_tools(client, site, model):
    model.enqueue(Script(tokens=0, finish="tool_calls", tool_calls=[Call()]))
    run = client.beta.threads.create_and_run_poll(
        assistant_id="asst_default",
        thread={"messages": [HELLO]},
        tools=[{"type": "function", "function": {"name": "look_up"}}],
        poll_interval_ms=50,
    )
    assert run.status == "requires_action"
    client.beta.threads.delete(run.thread_id)
    assert site.call("GET", f"/threads/{run.thread_id}").status_code == 404
    assert_the_worker_is_well(client, site)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def assert_the_worker_is_well(client: Any, site: Site) -> None:
    run = client.beta.threads.create_and_run_poll(
        assistant_id="asst_default",
        thread={"messages": [HELLO]},
        poll_interval_ms=50,
    )
    assert run.status == "completed"
    # Other tests of this server make requests that are logged with a traceback.
    log = (site.data / "server.log").read_text()
    assert not re.search(r" ERROR (runs\.(worker|engine|writer)|config\.server)", log)
