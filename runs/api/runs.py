"""Runs: create, list, retrieve, modify, cancel, submit tool outputs, follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from django.http import HttpResponse
from ninja import Query
from openai.types.beta.threads import Run
from pydantic import BaseModel, Field

from runs import access, actions, events, queue, starts
from runs.api import lists, objects, sse
from runs.api.app import new_router
from runs.api.auth import ApiRequest
from runs.api.errors import ApiError
from runs.api.idempotency import once
from runs.api.inputs import MessageInput, ThreadInput, files_of, plain_resources
from runs.api.lists import ListOf, ListQuery
from runs.api.run_inputs import (
    RunChange,
    RunFields,
    RunInput,
    ThreadAndRunInput,
    ToolOutputsInput,
)
from runs.api.stream_objects import Replay, Told
from runs.conversations import Draft
from runs.models import Run as Row
from runs.models import RunStatus

router = new_router("Runs")

POLL_AFTER = "300"  # milliseconds; the official clients look again after this
INVALID_THREAD = "invalid_thread"
MOST_EVENTS = 2**31 - 1

Include = Annotated[
    tuple[Literal["step_details.tool_calls[*].file_search.results[*].content"], ...],
    Query(alias="include[]"),
]


@router.post("threads/runs", response=Run)
def create_thread_and_run(request: ApiRequest, body: ThreadAndRunInput) -> Any:
    """Make a thread and run an assistant on it. With ``stream``, answers with events;
    with ``wait``, when the run is over."""
    assistant = access.assistant(request.user, body.assistant_id)
    thread = body.thread or ThreadInput()
    access.files(request.user, [*thread.file_ids(), *files_of(body.tool_resources)])

    def create() -> Row:
        return starts.start_in_new_thread(
            assistant=assistant,
            user=request.user,
            messages=thread.drafts(),
            tool_resources=plain_resources(thread.tool_resources),
            metadata=thread.metadata,
            over=body.overrides(),
        )

    made = started(request, create)
    first = [Told("thread.created", objects.thread(made.thread))]
    return answered(request, made, body, first=first)


@router.post("threads/{thread_id}/runs", response=Run)
def create_run(
    request: ApiRequest, thread_id: str, body: RunInput, include: Include = ()
) -> Any:
    """Run an assistant on the thread. With ``stream``, answers with events; with
    ``wait``, when the run is over."""
    thread = access.thread_to_write(request.user, thread_id)
    assistant = access.assistant(request.user, body.assistant_id)
    drafts = drafts_of(request, body.additional_messages)

    def create() -> Row:
        return starts.start_run(
            thread=thread,
            assistant=assistant,
            user=request.user,
            messages=drafts,
            over=body.overrides(),
        )

    made = started(request, create)
    return answered(request, made, body, with_results=bool(include))


def drafts_of(
    request: ApiRequest, messages: Sequence[MessageInput] | None
) -> list[Draft]:
    """The messages, whose files are the client's own. Raises NotFound."""
    sent = messages or ()
    access.files(request.user, [key for message in sent for key in message.file_ids()])
    return [message.draft() for message in sent]


def started(request: ApiRequest, create: Callable[[], Row]) -> Row:
    """The run, made once for each Idempotency-Key."""
    try:
        return once(request, create, lambda key: access.run(request.user, key))
    except starts.NothingToAnswer as error:
        raise ApiError(400, str(error), code=INVALID_THREAD) from error


def answered(
    request: ApiRequest, run: Row, body: RunFields | ToolOutputsInput, **options: Any
) -> Any:
    """The run as it was asked for: at once, as a stream, or when it is over."""
    if body.stream:
        return sse.stream(run, request.auth.pk, **options)
    if body.wait:
        return sse.when_over(run, request.auth.pk, _run_of)
    return objects.run(run)


def _run_of(replay: Replay) -> dict[str, Any]:
    return objects.run(replay.run)


@router.get("threads/{thread_id}/runs", response=ListOf[Run])
def list_runs(request: ApiRequest, thread_id: str, query: Query[ListQuery]) -> Any:
    """The runs of a thread."""
    rows = access.thread(request.user, thread_id).runs.select_related("setup")
    return lists.page(rows, query, show=objects.run)


@router.get("threads/{thread_id}/runs/{run_id}", response=Run)
def retrieve_run(
    request: ApiRequest, response: HttpResponse, thread_id: str, run_id: str
) -> Any:
    """One run; while it waits in line, with ``queue_position``, from 1."""
    found = access.run_of(request.user, thread_id, run_id)
    shown = objects.run(found)
    if found.is_active:
        response["openai-poll-after-ms"] = POLL_AFTER
    if found.status == RunStatus.QUEUED:
        shown["queue_position"] = queue.places([found.pk]).get(found.pk)
    return shown


@router.post("threads/{thread_id}/runs/{run_id}", response=Run)
def modify_run(
    request: ApiRequest, thread_id: str, run_id: str, body: RunChange
) -> Any:
    """Change the metadata of a run that is over."""
    found = access.run_of_to_act(request.user, thread_id, run_id)
    if found.is_active:
        raise ApiError(400, f"Cannot update run with status '{found.status}'.")
    if "metadata" in body.given():
        found.metadata = body.metadata
        found.save(update_fields=["metadata"])
    return objects.run(found)


@router.post("threads/{thread_id}/runs/{run_id}/cancel", response=Run)
def cancel_run(request: ApiRequest, thread_id: str, run_id: str) -> Any:
    """Stop a run; what it has written so far stays."""
    found = access.run_of_to_act(request.user, thread_id, run_id)
    return objects.run(actions.cancel(run=found, user=request.user))


@router.post("threads/{thread_id}/runs/{run_id}/submit_tool_outputs", response=Run)
def submit_tool_outputs(
    request: ApiRequest, thread_id: str, run_id: str, body: ToolOutputsInput
) -> Any:
    """Answer all calls of functions that the run waits for; it goes on with them."""
    found = access.run_of_to_act(request.user, thread_id, run_id)
    outputs = _outputs(body)
    made = once(
        request,
        lambda: actions.submit_tool_outputs(run=found, outputs=outputs),
        lambda key: access.run(request.user, key),
    )
    after = _before_submit(made) if body.stream else 0
    return answered(request, made, body, after=after)


def _outputs(body: ToolOutputsInput) -> dict[str, str]:
    """The output of each call; nothing said is an empty output."""
    outputs: dict[str, str] = {}
    for place, one in enumerate(body.tool_outputs):
        call = one.tool_call_id or ""
        if call in outputs:
            name = f"tool_outputs[{place}].tool_call_id"
            message = f"Duplicate value for '{name}': '{call}'."
            raise ApiError(400, message, param=name, code="invalid_value")
        outputs[call] = one.output or ""
    return outputs


def _before_submit(run: Row) -> int:
    """The seq after which the events of the last submit stand.

    An approval has outputs, too, and says whose it was.
    """
    log = events.after(run.pk, 0)  # also of a run at rest: a repeated request
    submits = (e.seq for e in log if "outputs" in e.data and "by" not in e.data)
    return max(submits, default=1) - 1


class EventsQuery(BaseModel):
    after: Annotated[int, Field(ge=0, le=MOST_EVENTS)] | None = None


@router.get("threads/{thread_id}/runs/{run_id}/events")
def follow_run(
    request: ApiRequest, thread_id: str, run_id: str, query: Query[EventsQuery]
) -> Any:
    """The run's whole log as a stream of events, also long after its end.

    Begins after the event number ``after``, or that of the header ``Last-Event-ID``.
    """
    found = access.run_of(request.user, thread_id, run_id)
    after = _last_event_id(request) if query.after is None else query.after
    return sse.log_stream(found, request.auth.pk, after=after)


def _last_event_id(request: ApiRequest) -> int:
    given = request.headers.get("Last-Event-ID", "")
    is_number = given.isascii() and given.isdecimal() and len(given) < 10
    return int(given) if is_number else 0
