"""The run in one call: ask an assistant, get its answer. Threadmill's own."""

from __future__ import annotations

from typing import Any, Literal

from openai.types.beta.threads import Run
from pydantic import BaseModel

from runs import access, starts
from runs.api import objects, sse
from runs.api.app import new_router
from runs.api.auth import ApiRequest
from runs.api.run_inputs import OneCallInput
from runs.api.runs import drafts_of, started
from runs.api.stream_objects import Replay, Told
from runs.models import Run as Row

router = new_router("Runs")


class OutputMessage(BaseModel):
    role: Literal["assistant"]
    content: str


class Output(BaseModel):
    messages: list[OutputMessage]


class AnsweredRun(Run):
    output: Output


@router.post("assistants/{assistant_id}/runs", response=AnsweredRun)
def ask_assistant(request: ApiRequest, assistant_id: str, body: OneCallInput) -> Any:
    """Make a thread, or go on in ``thread_id``, run the assistant, and answer when the
    run is over: the run, and what it wrote in ``output``.

    With ``stream`` it answers with events, with ``wait: false`` at once.
    """
    assistant = access.assistant(request.user, assistant_id)
    into = body.thread_id
    thread = access.thread_to_write(request.user, into) if into else None
    common: dict[str, Any] = {
        "assistant": assistant,
        "user": request.user,
        "messages": drafts_of(request, body.input.messages),
        "over": body.overrides(),
    }

    def create() -> Row:
        if thread:
            return starts.start_run(thread=thread, **common)
        return starts.start_in_new_thread(**common)

    made = started(request, create)
    if body.stream:
        created = Told("thread.created", objects.thread(made.thread))
        return sse.stream(made, request.auth.pk, first=[] if thread else [created])
    if body.wait is False:
        return with_output(Replay(made))
    return sse.when_over(made, request.auth.pk, with_output)


def with_output(replay: Replay) -> dict[str, Any]:
    """The run and the text of its messages, whole or as far as they came."""
    said = [{"role": "assistant", "content": text} for text in replay.texts()]
    return {**objects.run(replay.run), "output": {"messages": said}}
