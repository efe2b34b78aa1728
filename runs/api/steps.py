"""Steps of a run: list and retrieve."""

from __future__ import annotations

from typing import Any

from ninja import Query
from openai.types.beta.threads.runs import RunStep

from runs import access
from runs.api import lists, objects
from runs.api.app import new_router
from runs.api.auth import ApiRequest
from runs.api.lists import ListOf, ListQuery
from runs.api.runs import Include
from runs.api.stream_objects import without_results
from runs.models import RunStep as Row

router = new_router("Run steps")


@router.get("threads/{thread_id}/runs/{run_id}/steps", response=ListOf[RunStep])
def list_steps(
    request: ApiRequest,
    thread_id: str,
    run_id: str,
    query: Query[ListQuery],
    include: Include = (),
) -> Any:
    """What the run did: the messages it wrote, the tools it called."""
    rows = access.run_of(request.user, thread_id, run_id).steps.select_related("run")
    return lists.page(
        rows,
        query,
        show=lambda row: shown(row, with_results=bool(include)),
        key=lists.BY_INDEX,
    )


@router.get("threads/{thread_id}/runs/{run_id}/steps/{step_id}", response=RunStep)
def retrieve_step(
    request: ApiRequest,
    thread_id: str,
    run_id: str,
    step_id: str,
    include: Include = (),
) -> Any:
    """One step."""
    found = access.step_of(request.user, thread_id, run_id, step_id)
    return shown(found, with_results=bool(include))


def shown(row: Row, *, with_results: bool) -> dict[str, Any]:
    step = objects.step(row)
    return step if with_results else without_results(step)
