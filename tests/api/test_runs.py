"""Runs over the API with the official client: parameters, states, errors (api.md 1)."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.api.conftest import Site
from tests.api.run_helpers import (
    ONE_CALL,
    STALLED,
    again,
    begin,
    messages_of,
    new_assistant,
    new_thread,
    steps_of,
    until,
    until_event,
)
from tests.model_server import Script

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
)


def test_a_new_run_is_queued_and_has_ten_minutes(client: OpenAI) -> None:
    """1.1 nothing to queued; 1.2 expiry."""
    run = begin(client)

    assert run.status == "queued"
    assert run.expires_at == run.created_at + 600
    assert (run.started_at, run.usage, run.required_action) == (None, None, None)
    until(client, run, "completed")


def test_a_completed_run_has_its_times_its_usage_and_no_expiry(client: OpenAI) -> None:
    """1.1 in_progress to completed; 1.5 usage."""
    run = until(client, begin(client), "completed")

    assert run.completed_at >= run.started_at >= run.created_at
    assert run.expires_at is None
    assert run.usage.total_tokens == 18
    assert (run.usage.prompt_tokens, run.usage.completion_tokens) == (11, 7)
    (step,) = steps_of(client, run)
    assert step.usage.to_dict() == run.usage.to_dict()


def test_message_step_and_run_name_each_other(client: OpenAI) -> None:
    """1.7 linkage."""
    run = until(client, begin(client), "completed")

    (message,), (step,) = messages_of(client, run), steps_of(client, run)
    assert step.step_details.message_creation.message_id == message.id
    assert (message.run_id, message.assistant_id) == (run.id, run.assistant_id)
    assert (step.run_id, step.thread_id) == (run.id, run.thread_id)
    assert message.content[0].text.value == "Hello, world!"
    assert message.status == "completed"
    alone = client.beta.threads.runs.steps.retrieve(
        step.id, run_id=run.id, thread_id=run.thread_id
    )
    assert alone == step


def test_create_and_poll_is_told_when_to_look_again(client: OpenAI) -> None:
    """2.4 polling helpers; the header hastens them."""
    thread, assistant = new_thread(client), new_assistant(client)
    runs = client.beta.threads.runs
    run = runs.create_and_poll(thread_id=thread, assistant_id=assistant)
    assert run.status == "completed"
    raw = runs.with_raw_response.retrieve(run.id, thread_id=thread)
    assert "openai-poll-after-ms" not in raw.headers


def test_an_active_run_says_when_to_look_again(client: OpenAI, site: Site) -> None:
    """2.4 polling helpers: openai-poll-after-ms."""
    site.model.enqueue(STALLED)
    run = until(client, begin(client), "in_progress")

    runs = client.beta.threads.runs
    raw = runs.with_raw_response.retrieve(run.id, thread_id=run.thread_id)
    assert raw.headers["openai-poll-after-ms"] == "300"
    runs.cancel(run.id, thread_id=run.thread_id)


async def test_many_clients_at_once_each_get_their_own_answer(
    aclient: AsyncOpenAI,
) -> None:
    """Concurrent clients."""
    assistant = await aclient.beta.assistants.create(model="scripted")

    async def ask(number: int) -> tuple[str, str]:
        run = await aclient.beta.threads.create_and_run_poll(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": f"Number {number}"}]},
        )
        assert run.status == "completed"
        return run.thread_id, run.id

    made = await asyncio.gather(*map(ask, range(8)))
    assert len(set(made)) == 8


def test_a_cancelled_run_keeps_what_it_wrote(client: OpenAI, site: Site) -> None:
    """1.1 in_progress to cancelling to cancelled, and nothing out of a terminal state;
    1.3 cancel a terminal run."""
    site.model.enqueue(STALLED)
    run = begin(client)
    until_event(site, run, "thread.message.delta")

    runs = client.beta.threads.runs
    stopping = runs.cancel(run.id, thread_id=run.thread_id)
    assert stopping.status == "cancelling"
    run = until(client, run, "cancelled", within=5)
    assert run.cancelled_at is not None
    assert run.expires_at is None
    (message,), (step,) = messages_of(client, run), steps_of(client, run)
    assert message.content[0].text.value == "Half"
    assert message.status == "incomplete"
    assert message.incomplete_details.reason == "run_cancelled"
    assert (step.status, step.cancelled_at is not None) == ("cancelled", True)
    with pytest.raises(openai.BadRequestError) as refused:
        runs.cancel(run.id, thread_id=run.thread_id)
    assert refused.value.body["message"] == (  # type: ignore[index]
        "Cannot cancel run with status 'cancelled'."
    )


def test_a_run_that_waits_for_outputs_can_be_cancelled(
    client: OpenAI, site: Site
) -> None:
    """1.1 requires_action to cancelled."""
    site.model.enqueue(ONE_CALL)
    run = until(client, begin(client), "requires_action")

    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
    run = until(client, run, "cancelled", within=5)
    assert run.required_action is None
    (step,) = steps_of(client, run)
    assert step.status == "cancelled"


def test_a_run_that_waits_too_long_for_outputs_expires(
    client: OpenAI, site: Site
) -> None:
    """1.1 requires_action to expired; 1.2 expiry."""
    site.model.enqueue(ONE_CALL)
    run = until(client, begin(client), "requires_action")
    site.shell(
        "from django.utils import timezone\nfrom runs.models import Run\n"
        f"Run.objects.filter(pk='{run.id}').update(expires_at=timezone.now())"
    )

    run = until(client, run, "expired")
    assert (run.expires_at, run.required_action) == (None, None)
    (step,) = steps_of(client, run)
    assert step.status == "expired"
    submit = client.beta.threads.runs.submit_tool_outputs
    with pytest.raises(openai.BadRequestError) as refused:
        submit(run.id, thread_id=run.thread_id, tool_outputs=[])
    assert 'Runs in status "expired" do not accept tool outputs.' in str(refused.value)


@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        ("quota", "rate_limit_exceeded"),
        ("too_long", "invalid_prompt"),
        ("unauthorized", "server_error"),
        ("failed", "server_error"),
    ],
)
def test_a_failed_run_says_why(client: OpenAI, scenario: str, code: str) -> None:
    """1.1 in_progress to failed; 1.4 the codes of run.last_error."""
    thread = new_thread(client, f"scenario: {scenario}")
    run = until(client, begin(client, thread_id=thread), "failed")

    assert run.last_error.code == code
    assert run.last_error.message
    assert run.failed_at is not None
    assert run.expires_at is None
    for message in messages_of(client, run):
        assert message.incomplete_details.reason == "run_failed"
    for step in steps_of(client, run):
        assert (step.status, step.last_error.code) == ("failed", "server_error")


def test_a_content_filter_is_told_on_the_message(client: OpenAI, site: Site) -> None:
    """1.4 message.incomplete_details."""
    site.model.enqueue(Script(tokens=["No"], finish="content_filter"))
    run = until(client, begin(client), "incomplete")

    (message,) = messages_of(client, run)
    assert message.incomplete_details.reason == "content_filter"


def test_runs_and_steps_are_listed_in_pages(client: OpenAI) -> None:
    """3 lists of runs and steps."""
    thread, assistant = new_thread(client), new_assistant(client)
    made = [
        client.beta.threads.runs.create_and_poll(
            thread_id=thread, assistant_id=assistant
        ).id
        for _ in range(3)
    ]

    runs = client.beta.threads.runs
    assert [run.id for run in runs.list(thread, limit=2)] == made[::-1]
    page = runs.list(thread, limit=2, order="asc")
    assert [run.id for run in page.data] == made[:2]
    assert page.has_more is True
    steps = runs.steps.list(made[0], thread_id=thread)
    assert (len(steps.data), steps.has_more) == (1, False)


def test_the_same_idempotency_key_gives_the_same_run(client: OpenAI) -> None:
    """Beyond the original: creation is safe to repeat."""
    thread, assistant = new_thread(client), new_assistant(client)
    headers = {"Idempotency-Key": "once-and-again"}
    runs = client.beta.threads.runs
    first = runs.create(thread, assistant_id=assistant, extra_headers=headers)
    second = runs.create(thread, assistant_id=assistant, extra_headers=headers)

    assert first.id == second.id
    until(client, first, "completed")
    assert len(runs.list(thread).data) == 1


def test_a_run_can_be_waited_for_in_one_request(client: OpenAI, site: Site) -> None:
    """Beyond the original: ``wait``."""
    run = begin(client, extra_body={"wait": True})
    assert run.status == "completed"
    assert run.usage.total_tokens == 18
    assert run == again(client, run)

    site.model.enqueue(ONE_CALL)
    run = begin(client, extra_body={"wait": True})
    assert run.status == "requires_action"
    outputs: Any = [{"tool_call_id": "call_w", "output": "Sunny"}]
    run = client.beta.threads.runs.submit_tool_outputs(
        run.id,
        thread_id=run.thread_id,
        tool_outputs=outputs,
        extra_body={"wait": True},
    )
    assert run.status == "completed"
