"""What one run is told: its assistant's configuration, what replaces it in its thread,
and what replaces both this once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runs import tools
from runs.models import Assistant, RunSetup, Thread

# Lists of ids in tool resources: a run has those of its assistant and of its thread.
RESOURCES = {"code_interpreter": "file_ids", "file_search": "vector_store_ids"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """What replaces the assistant's for one run; None leaves it as it is.

    ``additional_instructions`` are added to the instructions, whosever they are.
    """

    model: str | None = None
    instructions: str | None = None
    additional_instructions: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_resources: dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    response_format: str | dict[str, Any] | None = None
    reasoning_effort: str | None = None
    max_prompt_tokens: int | None = None
    max_completion_tokens: int | None = None
    truncation_strategy: dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool = True
    metadata: dict[str, str] = field(default_factory=dict)


NONE = Overrides()

# What a thread may keep in ``parameters``. Its instructions are added to the assistant's.
OF_THREAD = ("model", "temperature", "top_p", "reasoning_effort", "instructions")


def as_told(assistant: Assistant, thread: Thread, over: Overrides) -> dict[str, Any]:
    """The columns of a run that keep what it is told; the setup is stored with this."""
    here = thread.parameters
    setup = RunSetup.of(
        instructions=instructions(assistant, thread, over),
        tools=_first(over.tools, assistant.tools),
        tool_resources=_resources(assistant, thread, over),
        response_format=_first(over.response_format, assistant.response_format),
        server_tools=server_tools(assistant, over),
    )
    return {
        "setup": setup,
        "assistant": assistant,
        "assistant_name": assistant.name,
        "model": over.model or here.get("model") or assistant.model,
        "server": assistant.server,
        "temperature": _first(
            over.temperature, here.get("temperature"), assistant.temperature
        ),
        "top_p": _first(over.top_p, here.get("top_p"), assistant.top_p),
        "reasoning_effort": over.reasoning_effort
        or here.get("reasoning_effort")
        or assistant.reasoning_effort,
        "max_prompt_tokens": over.max_prompt_tokens,
        "max_completion_tokens": over.max_completion_tokens,
        "truncation_strategy": over.truncation_strategy,
        "tool_choice": over.tool_choice,
        "parallel_tool_calls": over.parallel_tool_calls,
        "metadata": over.metadata,
    }


def instructions(assistant: Assistant, thread: Thread, over: Overrides) -> str:
    """What the run's model is told first. Its own replace those of the thread, too."""
    here = [assistant.instructions, thread.parameters.get("instructions")]
    told = here if over.instructions is None else [over.instructions]
    return "\n".join(filter(None, [*told, over.additional_instructions]))


def differing(assistant: Assistant, thread: Thread) -> list[str]:
    """Which of the thread's parameters are not what the assistant has anyway."""
    return [
        name
        for name, value in thread.parameters.items()
        if name == "instructions" or value != getattr(assistant, name)
    ]


def server_tools(assistant: Assistant, over: Overrides) -> list[dict[str, Any]]:
    """What the server executes itself; a client's function of the same name goes before.

    Tools that a run brings along replace these, too.
    """
    if over.tools is not None:
        return []
    functions = (tool.get("function") or {} for tool in assistant.tools)
    taken = {function.get("name") for function in functions}
    names = [name for name in assistant.server_tools if name not in taken]
    return tools.definitions(names)


def _resources(assistant: Assistant, thread: Thread, over: Overrides) -> dict[str, Any]:
    own = _first(over.tool_resources, assistant.tool_resources)
    merged: dict[str, Any] = {}
    for tool, name in RESOURCES.items():
        ids = [
            key
            for resources in (own, thread.tool_resources)
            for key in (resources.get(tool) or {}).get(name) or ()
        ]
        if ids or tool in own:
            merged[tool] = {name: list(dict.fromkeys(ids))}
    return merged


def _first(*given: Any) -> Any:
    """The first that is given at all."""
    return next((value for value in given if value is not None), None)
