"""Functions that the server itself may execute for a model, by name.

A module of one's own adds to them, see README.md; the setting TOOL_MODULES names it. A
function returns text, or what JSON can hold, and raises ToolError with a sentence for
the model. It gets only what the model gave, and must not trust that.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import inspect
import json
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

from runs import calculator

log = logging.getLogger(__name__)

Function = Callable[..., Any]

MOST_ARGUMENTS = 200_000  # characters
THREADS = 8  # for functions that are not asynchronous
JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="tool")


class ToolError(Exception):
    """What went wrong, in a sentence that the model is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """One function. ``parameters`` is the JSON schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]
    function: Function
    needs_approval: bool = False
    seconds: float = 10.0
    most_characters: int = 20_000

    @property
    def definition(self) -> dict[str, Any]:
        """What a run keeps of it: what the model is told, and the mark."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return {
            "type": "function",
            "function": function,
            "needs_approval": self.needs_approval,
        }


_tools: dict[str, Tool] = {}


def tool(
    *, description: str, parameters: dict[str, Any] | None = None, **rest: Any
) -> Callable[[Function], Function]:
    """A decorator that adds a function under its own name; ``rest`` as Tool has it."""

    def add(function: Function) -> Function:
        made = Tool(
            name=function.__name__,
            description=description,
            parameters=parameters or NO_PARAMETERS,
            function=function,
            **rest,
        )
        if _tools.setdefault(made.name, made) is not made:
            raise ValueError(f"There is a tool '{made.name}' already.")
        return function

    return add


def load(modules: Iterable[str]) -> None:
    """Import the modules that add tools. Raises ImproperlyConfigured."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            message = f"TOOL_MODULES: {name} cannot be imported: {error}."
            raise ImproperlyConfigured(message) from error


def offered() -> list[Tool]:
    """All tools that an assistant may be given, by name."""
    return [_tools[name] for name in sorted(_tools)]


def find(name: str) -> Tool | None:
    return _tools.get(name)


def definitions(names: Iterable[str]) -> list[dict[str, Any]]:
    """Of those of these tools that there are."""
    return [_tools[name].definition for name in names if name in _tools]


async def answer(name: str, arguments: str) -> str:
    """Execute one call, ``arguments`` being JSON text; whatever goes wrong is told in
    the output, for the run goes on."""
    found = _tools.get(name)
    if found is None:
        return f"Error: there is no tool '{name}'."
    try:
        given = checked(found, arguments)
        async with asyncio.timeout(found.seconds):
            result = await _result(found.function, given)
        return bounded(result, found.most_characters)
    except ToolError as error:
        return f"Error: {error}"
    except TimeoutError:
        return f"Error: the tool took longer than {found.seconds:g} s."
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        return "Error: the tool gave up."  # It was not the run that was stopped.
    except Exception:
        log.exception("The tool %s failed", name)
        return "Error: the tool failed."


async def _result(function: Function, given: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**given)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, lambda: function(**given))


def checked(found: Tool, arguments: str) -> dict[str, Any]:
    """The arguments, as far as the schema's first level speaks of them.

    Raises ToolError.
    """
    if len(arguments) > MOST_ARGUMENTS:
        raise ToolError("the arguments are too long.")
    try:
        given = json.loads(arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise ToolError("the arguments are not JSON.") from error
    if not isinstance(given, dict):
        raise ToolError("the arguments are not a JSON object.")
    known = found.parameters.get("properties", {})
    if unknown := given.keys() - known.keys():
        raise ToolError(f"unknown arguments: {', '.join(sorted(unknown))}.")
    if missing := set(found.parameters.get("required", ())) - given.keys():
        raise ToolError(f"missing arguments: {', '.join(sorted(missing))}.")
    for name, value in given.items():
        if not _fits(value, known[name]):
            raise ToolError(f"'{name}' must be {known[name].get('type')}.")
    return given


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    if "enum" in schema and value not in schema["enum"]:
        return False
    wanted = JSON_TYPES.get(schema.get("type", ""))
    if wanted is None:
        return True
    return isinstance(value, wanted) and (bool in wanted or type(value) is not bool)


def bounded(result: Any, most: int) -> str:
    """The result as text of at most so many characters."""
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    text = text.replace("\0", "")
    if len(text) <= most:
        return text
    return f"{text[:most]}\n[cut: {len(text):,} characters, the limit is {most:,}]"


@tool(
    description="The current date, time and weekday in a time zone.",
    parameters={
        "type": "object",
        "properties": {
            "zone": {
                "type": "string",
                "description": "An IANA time zone such as Europe/Rome; by default UTC.",
            }
        },
        "additionalProperties": False,
    },
)
async def current_time(zone: str = "UTC") -> dict[str, str]:
    try:
        now = dt.datetime.now(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ToolError(f"there is no time zone '{zone[:60]}'.") from error
    return {
        "time": now.isoformat(timespec="seconds"),
        "weekday": now.strftime("%A"),
        "zone": zone,
    }


@tool(
    description="Computes an arithmetic expression exactly. Operators: + - * / // % ^ "
    f"and parentheses. Functions: {', '.join(calculator.FUNCTIONS)}. "
    "Constants: pi, e, tau.",
    parameters={
        "type": "object",
        "properties": {
            "expression": {
                "type": "string",
                "description": "Such as 2 * (3 + 4) ^ 2 or sqrt(2) / 3.",
            }
        },
        "required": ["expression"],
        "additionalProperties": False,
    },
    seconds=2.0,
)
def calculate(expression: str) -> str:
    try:
        return calculator.compute(expression)
    except calculator.BadExpression as error:
        raise ToolError(f"{error}.") from error
