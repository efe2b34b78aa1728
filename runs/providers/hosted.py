"""Tools that a server of the Responses API runs itself, as they are asked for and told.

What comes in is given the shape that the Assistants protocol has for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from runs.providers.base import Citation, HostedCall
from runs.providers.wire import text_in

KINDS = {
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
}
INCLUDE = {
    "file_search": "file_search_call.results",
    "code_interpreter": "code_interpreter_call.outputs",
}
DEFAULT_RANKING = {"ranker": "default_2024_08_21", "score_threshold": 0.0}


def hosted_tools(
    tools: Iterable[dict[str, Any]],
) -> tuple[list[dict[str, Any]], list[str]]:
    """The hosted tools as the Responses API has them, and what must be asked for to
    get their results."""
    hosted = [_wire(tool) for tool in tools if tool.get("type") in INCLUDE]
    return hosted, [INCLUDE[tool["type"]] for tool in hosted]


def _wire(tool: dict[str, Any]) -> dict[str, Any]:
    if tool["type"] == "file_search":
        return tool
    container = {"type": "auto", "file_ids": tool.get("file_ids") or []}
    return {"type": "code_interpreter", "container": container}


class HostedCalls:
    """The calls of one response, by their place in its output."""

    def __init__(self) -> None:
        self._calls: dict[object, HostedCall] = {}
        self._with_code: set[object] = set()

    def item(
        self, place: object, item: dict[str, Any], is_done: bool
    ) -> Iterator[HostedCall]:
        """What an output item, added or done, says of a call; of others, nothing."""
        kind = KINDS.get(item.get("type", ""))
        if kind is None:
            return
        if place not in self._calls:
            call = HostedCall(text_in(item.get("id")), kind)
            self._calls[place] = call
            yield call
        call = self._calls[place]
        if is_done:
            code = text_in(item.get("code"))
            if code and place not in self._with_code:
                yield HostedCall(call.id, kind, code)
            yield HostedCall(call.id, kind, result=_result(kind, item))

    def code(self, event: dict[str, Any]) -> Sequence[HostedCall]:
        """The next piece of the code of a code_interpreter call."""
        place, code = event.get("output_index"), text_in(event.get("delta"))
        call = self._calls.get(place)
        if call is None or not code:
            return ()
        self._with_code.add(place)
        return (HostedCall(call.id, call.kind, code),)


def citation_in(event: dict[str, Any]) -> Sequence[Citation]:
    """A citation of a file, or a file that code made; others have no equivalent."""
    said = event.get("annotation") or {}
    file_id = text_in(said.get("file_id"))
    kind = said.get("type")
    if not file_id or kind not in ("file_citation", "container_file_citation"):
        return ()
    start = said.get("start_index", said.get("index", 0))
    place = {"start_index": start, "end_index": said.get("end_index", start)}
    name = "file_citation" if kind == "file_citation" else "file_path"
    text = text_in(said.get("filename"))
    return (
        Citation({"type": name, "text": text, **place, name: {"file_id": file_id}}),
    )


def _result(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    if kind == "file_search":
        results = [_found(found) for found in item.get("results") or ()]
        return {"ranking_options": DEFAULT_RANKING, "results": results}
    outputs = item.get("outputs") or ()
    return {"outputs": [out for out in map(_output, outputs) if out]}


def _found(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "file_id": text_in(found.get("file_id")),
        "file_name": text_in(found.get("filename")),
        "score": found.get("score") or 0.0,
        "content": [{"type": "text", "text": text_in(found.get("text"))}],
    }


def _output(output: dict[str, Any]) -> dict[str, Any] | None:
    """Logs as they are. An image has an address there and would be a stored file here:
    what is kept of it is the address, unless that is the image itself."""
    if output.get("type") == "logs":
        return {"type": "logs", "logs": text_in(output.get("logs"))}
    if output.get("type") == "image":
        url = text_in(output.get("url"))
        return {"type": "logs", "logs": url if url.startswith("http") else "(image)"}
    return None
