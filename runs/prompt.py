"""What a run sends to the model: the shown path of its thread, cut to the budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings

from runs import budget
from runs.contents import Extra, extras
from runs.hosting import Hosting, hosting
from runs.models import Message, MessageRole, Run, RunStep, StepType
from runs.providers import Prompt, PromptMessage, Server, ToolCall

# Where no tokenizer is at hand: English text has about four characters a token
# (OpenAI's own rule of thumb); three leaves room for other languages and code.
CHARACTERS_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 4
# Said by nobody and shown to nobody. It stands behind the broken-off answer as a user's
# message, since many servers refuse a prompt that ends with the assistant's.
CONTINUE = (
    "Your last message was cut off. Go on exactly where it ended, in the middle of the "
    "sentence if need be. Repeat nothing of it and say nothing about the cut."
)

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Context:
    """A prompt, and which messages it was made from.

    ``warnings`` say, as code and sentence, what of the run's wishes can't be met.
    """

    prompt: Prompt
    first_message: str
    truncated: int
    warnings: Sequence[tuple[str, str]] = ()


def build(run: Run, model: str, server: Server) -> Context:
    """The prompt of the run's next model turn. Reads the database; writes nothing."""
    shown = list(_shown(run))
    rounds = list(_own_rounds(run))
    kept = newest_that_fit(shown, _room(run, rounds), _most_messages(run))
    more = extras(run, kept, documents=server.hosts_tools)
    hosted = hosting(run.setup, server)
    tools = (*_functions(run), *_server_tools(run), *hosted.tools)
    prompt = Prompt(
        model=model,
        instructions=run.setup.instructions,
        messages=tuple(_conversation(run, kept, more.of_message)),
        tools=tools,
        tool_choice=_tool_choice(run, tools, is_first=not rounds),
        temperature=run.temperature,
        top_p=run.top_p,
        max_output_tokens=budget.completion_left(run),
        response_format=run.setup.response_format,
        reasoning_effort=run.reasoning_effort or None,
        parallel_tool_calls=run.parallel_tool_calls if tools else None,
    )
    first = kept[0].pk if kept else ""
    warnings = _warnings(hosted, more.warnings)
    return Context(prompt, first, len(shown) - len(kept), warnings)


def estimate(text: str) -> int:
    """About how many tokens a text has; rather too many than too few."""
    return len(text) // CHARACTERS_PER_TOKEN + TOKENS_PER_MESSAGE


def newest_that_fit(
    messages: Sequence[Message], room: int, most: int | None
) -> Sequence[Message]:
    """The newest messages within the room; the newest of all always stays."""
    kept = 0
    for message in reversed(messages[-most:] if most else messages):
        room -= estimate(message.text)
        if room < 0 and kept:
            break
        kept += 1
    return messages[len(messages) - kept :]


def _shown(run: Run) -> Iterable[Message]:
    """What the run sees of its thread: up to its question, and its own messages."""
    shown = Message.objects.shown(run.thread)
    if run.answers is None:  # Deleted, or the thread was empty.
        return shown.filter(created_at__lte=run.created_at) | shown.filter(run=run)
    numbers = run.messages.values_list("number", flat=True)
    return shown.filter(number__lte=max([*numbers, run.answers.number]))


def _own_rounds(run: Run) -> Iterable[RunStep]:
    """The tool calls of this run that the model has to be told again."""
    steps = run.steps.filter(type=StepType.TOOL_CALLS).order_by("index")
    return (step for step in steps if _function_calls(step))


def _room(run: Run, rounds: Iterable[RunStep]) -> int:
    """How many tokens the messages may have."""
    left = budget.prompt_left(run)
    room: int = settings.PROMPT_MAX_TOKENS if left is None else left
    room -= estimate(run.setup.instructions)
    if run.is_continuation:
        room -= estimate(CONTINUE)
    for step in rounds:
        for call in _function_calls(step):
            function = call["function"]
            room -= estimate(function["arguments"] + (function["output"] or ""))
    return room


def _most_messages(run: Run) -> int | None:
    strategy = run.truncation_strategy or {}
    return strategy.get("last_messages")


def _functions(run: Run) -> Iterable[dict[str, Any]]:
    return (tool for tool in run.setup.tools if tool.get("type") == "function")


def _server_tools(run: Run) -> Iterable[dict[str, Any]]:
    """As the model is told: which of them a person must allow is not its matter."""
    for tool in run.setup.server_tools:
        yield {"type": "function", "function": tool["function"]}


def _tool_choice(
    run: Run, tools: Sequence[dict[str, Any]], *, is_first: bool
) -> str | dict[str, Any] | None:
    """What is forced is forced once; else the model would call tools for ever."""
    choice: str | dict[str, Any] | None = run.tool_choice
    if not tools or choice is None:
        return None
    is_forced = choice not in ("none", "auto")
    if is_forced and not is_first:
        return "auto"
    if isinstance(choice, dict):
        kinds = {tool["type"] for tool in tools}
        return choice if choice.get("type") in kinds else None
    return choice


def _warnings(hosted: Hosting, files: Iterable[str]) -> Sequence[tuple[str, str]]:
    return [
        *(("unsupported_tool", text) for text in hosted.warnings),
        *(("file_not_sent", text) for text in files),
    ]


def _conversation(
    run: Run, kept: Sequence[Message], more: dict[str, Extra]
) -> Iterable[PromptMessage]:
    """The messages with the tool calls of their runs in between, in order."""
    runs = {m.run_id for m in kept if m.run_id} | {run.pk}
    steps = RunStep.objects.filter(run__in=runs, type=StepType.TOOL_CALLS)
    pending: dict[str, list[RunStep]] = {}
    for step in steps.order_by("index"):
        pending.setdefault(step.run_id, []).append(step)
    order = dict(
        RunStep.objects.filter(run__in=runs, message__in=kept).values_list(
            "message", "index"
        )
    )
    for message in kept:
        calls = pending.get(message.run_id or "", [])
        while calls and calls[0].index < order.get(message.pk, 0):
            yield from _tool_round(calls.pop(0))
        yield from _said(message, more.get(message.pk))
        if run.is_continuation and message.pk == run.answers_id:
            yield PromptMessage(role="user", text=CONTINUE)
    for step in pending.get(run.pk, []):
        yield from _tool_round(step)


def _said(message: Message, extra: Extra | None) -> Iterable[PromptMessage]:
    role: Role = "user" if message.role == MessageRole.USER else "assistant"
    text, parts = message.text, ()
    if extra:
        text = "\n\n".join(filter(None, [text, *extra.texts]))
        parts = tuple(extra.parts)  # type: ignore[assignment]
    if text or parts:
        yield PromptMessage(role=role, text=text, parts=parts)


def _function_calls(step: RunStep) -> list[dict[str, Any]]:
    """Calls that were answered from outside; hosted ones are the server's matter."""
    return [call for call in step.tool_calls if call["type"] == "function"]


def _tool_round(step: RunStep) -> Iterable[PromptMessage]:
    made = _function_calls(step)
    if not made:
        return
    calls = [
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in made
    ]
    yield PromptMessage(role="assistant", text="", tool_calls=tuple(calls))
    for call in made:
        yield PromptMessage(
            role="tool",
            text=call["function"]["output"] or "",
            tool_call_id=call["id"],
        )
