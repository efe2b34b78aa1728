"""file_search and code_interpreter: passed on to servers that run them themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runs.models import File, RunSetup
from runs.providers import Server

HOSTED = ("file_search", "code_interpreter")


@dataclass(slots=True)
class Hosting:
    """The tools that the server is told of, and sentences on those it is not."""

    tools: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def hosting(setup: RunSetup, server: Server) -> Hosting:
    """What the run's hosted tools come to on this model server."""
    found = Hosting()
    for tool in setup.tools:
        kind = tool.get("type", "")
        if kind not in HOSTED:
            continue
        if not server.hosts_tools:
            found.warnings.append(
                f"The model server '{server.name}' does not run {kind}; "
                "the run goes on without it."
            )
        elif kind == "file_search":
            _search(found, tool, setup)
        else:
            _code(found, setup)
    return found


def _search(found: Hosting, tool: dict[str, Any], setup: RunSetup) -> None:
    stores = _ids(setup, "file_search", "vector_store_ids")
    if not stores:
        found.warnings.append(
            "file_search has no vector store to search; the run goes on without it."
        )
        return
    said = tool.get("file_search") or {}
    wishes = {"max_num_results": said.get("max_num_results")}
    if ranking := said.get("ranking_options"):
        # Rankers are named anew in the Responses API; the threshold means the same.
        wishes["ranking_options"] = {"score_threshold": ranking["score_threshold"]}
    wishes = {name: value for name, value in wishes.items() if value is not None}
    found.tools.append({"type": "file_search", "vector_store_ids": stores, **wishes})


def _code(found: Hosting, setup: RunSetup) -> None:
    """Files that are kept here are not where the code runs; others are the server's."""
    ids = _ids(setup, "code_interpreter", "file_ids")
    here = set(File.objects.filter(pk__in=ids).values_list("pk", flat=True))
    if here:
        found.warnings.append(
            "The files of code_interpreter are kept here, where its code does not run; "
            "the run goes on without them."
        )
    theirs = [key for key in ids if key not in here]
    found.tools.append({"type": "code_interpreter", "file_ids": theirs})


def _ids(setup: RunSetup, kind: str, name: str) -> list[str]:
    resources = setup.tool_resources.get(kind) or {}
    return list(resources.get(name) or ())
