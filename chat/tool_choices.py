"""The tools that a person can tick for an assistant, beside functions of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

Tool = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ToolChoice:
    """One box; ``tool`` is what an assistant that has it keeps in its tools."""

    tool: Tool
    name: str
    about: str

    @property
    def key(self) -> str:
        return key_of(self.tool)


def offered() -> list[ToolChoice]:
    """The boxes of the form, in order. The only place that knows what there is."""
    runs = _("Runs code to find an answer.")
    searches = _("Searches the stores of the model server.")
    hosted = _("Works only with a model server that has it.")
    return [
        ToolChoice(
            tool={"type": "code_interpreter"},
            name=_("Code interpreter"),
            about=f"{runs} {hosted}",
        ),
        ToolChoice(
            tool={"type": "file_search"},
            name=_("File search"),
            about=f"{searches} {hosted}",
        ),
    ]


def key_of(tool: Tool) -> str:
    """What names a tool within an assistant."""
    if tool.get("type") == "function":
        return f"function:{tool['function']['name']}"
    return str(tool.get("type"))


def ticked(tools: Iterable[Tool]) -> list[str]:
    """The boxes that are ticked for an assistant with these tools."""
    known = {one.key for one in offered()}
    return [key for tool in tools if (key := key_of(tool)) in known]


def functions(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """What the field for functions shows of these tools."""
    known = {one.key for one in offered()}
    return [
        tool["function"]
        for tool in tools
        if tool.get("type") == "function" and key_of(tool) not in known
    ]


def joined(
    old: Iterable[Tool], keys: Iterable[str], functions: Iterable[dict[str, Any]]
) -> list[Tool]:
    """All tools as they are stored: a box that stays ticked keeps its tool as it was,
    and what the form does not show stays."""
    had = {key_of(tool): tool for tool in old}
    boxes = {one.key: had.get(one.key, one.tool) for one in offered()}
    others = [t for k, t in had.items() if k not in boxes and t["type"] != "function"]
    wanted = [tool for key, tool in boxes.items() if key in set(keys)]
    own = [{"type": "function", "function": one} for one in functions]
    return [*wanted, *others, *own]
