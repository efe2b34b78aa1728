"""Messages over the API: what they may hold, how they are listed, changed, deleted."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.model_server import Script

PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00"
    b"\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00"
    b"\x01\xff\x89\x99=\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)


@pytest.fixture
def thread(client):
    return client.beta.threads.create().id


def say(client: Any, thread: str, text: str, role: str = "user") -> Any:
    return client.beta.threads.messages.create(thread, role=role, content=text)


def texts(client: Any, thread: str, **query: Any) -> list[str]:
    listed = client.beta.threads.messages.list(thread, **query)
    return [message.content[0].text.value for message in listed.data]


def answered(client: Any, thread: str) -> Any:
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread, assistant_id="asst_default", poll_interval_ms=50
    )
    assert run.status == "completed"
    return run


def test_a_message_of_a_string_becomes_one_text_part(client, thread):
    message = client.beta.threads.messages.create(
        thread, role="user", content="Hello \U0001f30d", metadata={"k": "v"}
    )
    assert message.id.startswith("msg_")
    shown = message.to_dict()
    assert isinstance(shown.pop("created_at"), int)
    assert shown == {
        "id": message.id,
        "object": "thread.message",
        "thread_id": thread,
        "status": "completed",
        "incomplete_details": None,
        "completed_at": None,
        "incomplete_at": None,
        "role": "user",
        "content": [
            {"type": "text", "text": {"value": "Hello \U0001f30d", "annotations": []}}
        ],
        "assistant_id": None,
        "run_id": None,
        "attachments": [],
        "metadata": {"k": "v"},
    }
    fetched = client.beta.threads.messages.retrieve(message.id, thread_id=thread)
    assert fetched == message


def test_a_message_holds_texts_images_and_attachments(client, thread):
    image = client.files.create(file=("dot.png", PIXEL), purpose="vision")
    notes = client.files.create(file=("notes.txt", b"Notes."), purpose="assistants")
    tools = [{"type": "code_interpreter"}, {"type": "file_search"}]
    parts = [
        {"type": "image_file", "image_file": {"file_id": image.id, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    message = client.beta.threads.messages.create(
        thread,
        role="user",
        content=[{"type": "text", "text": "What is this?"}, *parts],
        attachments=[{"file_id": notes.id, "tools": tools}],
    )
    shown = message.to_dict()
    text = {"type": "text", "text": {"value": "What is this?", "annotations": []}}
    assert shown["content"] == [text, *parts]
    assert shown["attachments"] == [{"file_id": notes.id, "tools": tools}]
    resources = client.beta.threads.retrieve(thread).tool_resources
    assert resources.code_interpreter.file_ids == [notes.id]


def test_messages_of_the_assistant_may_be_put_in(client, thread):
    message = say(client, thread, "How can I help?", role="assistant")
    assert (message.role, message.run_id) == ("assistant", None)


def test_an_answer_names_its_run_its_assistant_and_its_end(client, thread):
    say(client, thread, "Hello")
    run = answered(client, thread)
    answer = client.beta.threads.messages.list(thread).data[0]
    assert answer.role == "assistant"
    assert answer.run_id == run.id
    assert answer.assistant_id == "asst_default"
    assert answer.status == "completed"
    assert answer.completed_at >= answer.created_at
    assert answer.content[0].text.value == "Hello, world!"


def test_a_refusal_and_what_is_incomplete_are_shown(client, thread, model):
    model.enqueue(Script(tokens=0, refusal=["I can't ", "do that."]))
    say(client, thread, "Do it")
    answered(client, thread)
    answer = client.beta.threads.messages.list(thread).data[0]
    assert answer.to_dict()["content"] == [
        {"type": "refusal", "refusal": "I can't do that."}
    ]
    model.enqueue(Script(tokens=("Cut", " short"), finish="length"))
    say(client, thread, "Go on")
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread, assistant_id="asst_default", poll_interval_ms=50
    )
    assert run.status == "incomplete"
    answer = client.beta.threads.messages.list(thread).data[0]
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_tokens"
    assert answer.incomplete_at is not None
    assert answer.content[0].text.value == "Cut short"


def test_messages_are_listed_in_either_order_page_by_page_and_by_run(client, thread):
    for number in range(5):
        say(client, thread, str(number))
    assert texts(client, thread) == ["4", "3", "2", "1", "0"]
    assert texts(client, thread, order="asc", limit=2) == ["0", "1"]
    walked = client.beta.threads.messages.list(thread, order="asc", limit=2)
    assert [m.content[0].text.value for m in walked] == ["0", "1", "2", "3", "4"]
    run = answered(client, thread)
    assert texts(client, thread, run_id=run.id) == ["Hello, world!"]
    assert texts(client, thread, run_id="run_x") == []


def test_only_the_metadata_of_a_message_changes(client, site, thread):
    message = say(client, thread, "Hello")
    changed = client.beta.threads.messages.update(
        message.id, thread_id=thread, metadata={"seen": "yes"}
    )
    assert changed.metadata == {"seen": "yes"}
    assert changed.content == message.content
    path = f"/threads/{thread}/messages/{message.id}"
    answer = site.call("POST", path, json={"content": "Other"})
    assert answer.json()["error"]["code"] == "unknown_parameter"


def test_a_deleted_message_is_in_no_list_no_page_and_no_prompt(client, model, thread):
    first = say(client, thread, "Remember the word swordfish.")
    answered(client, thread)
    say(client, thread, "Thanks.")
    deleted = client.beta.threads.messages.delete(first.id, thread_id=thread)
    assert deleted.to_dict() == {
        "id": first.id,
        "object": "thread.message.deleted",
        "deleted": True,
    }
    left = ["Hello, world!", "Thanks."]
    assert texts(client, thread, order="asc") == left
    with pytest.raises(openai.NotFoundError) as missing:
        client.beta.threads.messages.retrieve(first.id, thread_id=thread)
    body: Any = missing.value.body
    assert body["message"] == f"No message found with id '{first.id}'."
    run = answered(client, thread)
    sent = model.requests[-1].body["messages"]
    assert [m["content"] for m in sent if m["role"] != "system"] == left
    # What came after it is still there, in its place, and so is its run.
    assert texts(client, thread, order="asc") == [*left, "Hello, world!"]
    assert client.beta.threads.runs.list(thread).data[0].id == run.id


def test_the_page_of_the_browser_shows_no_deleted_message(client, site, thread):
    first = say(client, thread, "Forget the word barracuda.")
    answered(client, thread)
    second = say(client, thread, "And what is next?")
    client.beta.threads.messages.delete(first.id, thread_id=thread)
    code = (
        "from runs.models import Thread; from chat.render import conversation; "
        f"thread = Thread.objects.get(pk='{thread}'); "
        "turns = conversation(thread, user=thread.owner).turns; "
        "print([t.message.text if t.message else [p.html for p in t.parts] "
        "for t in turns])"
    )
    shown = site.shell(code)
    assert "barracuda" not in shown
    assert shown.index("Hello, world!") < shown.index("And what is next?")
    assert second.id


def test_an_answer_can_be_deleted_and_its_run_stays(client, thread):
    say(client, thread, "Hello")
    run = answered(client, thread)
    answer = client.beta.threads.messages.list(thread, run_id=run.id).data[0]
    client.beta.threads.messages.delete(answer.id, thread_id=thread)
    assert texts(client, thread) == ["Hello"]
    step = client.beta.threads.runs.steps.list(run.id, thread_id=thread).data[0]
    assert step.type == "message_creation"
    assert say(client, thread, "Again").id
    answered(client, thread)


def test_while_a_run_is_active_the_thread_takes_no_message_and_keeps_its_own(
    client, model, thread
):
    old = say(client, thread, "Old")
    question = say(client, thread, "Question")
    model.enqueue(Script(fault="hang"))
    run = client.beta.threads.runs.create(thread, assistant_id="asst_default")
    with pytest.raises(openai.BadRequestError) as busy:
        say(client, thread, "More")
    assert busy.value.body == {
        "message": f"Can't add messages to {thread} while a run {run.id} is active.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    with pytest.raises(openai.BadRequestError):
        client.beta.threads.messages.delete(question.id, thread_id=thread)
    client.beta.threads.messages.delete(old.id, thread_id=thread)
    assert texts(client, thread) == ["Question"]
    client.beta.threads.runs.cancel(run.id, thread_id=thread)
    client.beta.threads.runs.poll(run.id, thread_id=thread, poll_interval_ms=50)
    client.beta.threads.messages.delete(question.id, thread_id=thread)
    assert texts(client, thread) == []
