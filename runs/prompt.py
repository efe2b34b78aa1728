"""What a run sends to the model: the shown path of its thread, cut to the budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from django.conf import settings

from runs.models import Message, MessageRole, Run, RunStep, StepType
from runs.providers import Prompt, PromptMessage, ToolCall

# Where no tokenizer is at hand: English text has about four characters a token
# (OpenAI's own rule of thumb); three leaves room for other languages and code.
CHARACTERS_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 4

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Context:
    """A prompt, and which messages it was made from."""

    prompt: Prompt
    first_message: str
    truncated: int


def build(run: Run, model: str) -> Context:
    """The prompt of the run's next model turn. Reads the database; writes nothing."""
    shown = list(Message.objects.shown(run.thread).filter(number__lte=_newest(run)))
    budget = run.max_prompt_tokens or settings.PROMPT_MAX_TOKENS
    budget -= estimate(run.setup.instructions)
    kept = newest_that_fit(shown, budget, _most_messages(run))
    prompt = Prompt(
        model=model,
        instructions=run.setup.instructions,
        messages=tuple(_conversation(run, kept)),
        tools=tuple(t for t in run.setup.tools if t.get("type") == "function"),
        tool_choice=run.tool_choice,
        temperature=run.temperature,
        top_p=run.top_p,
        max_output_tokens=_output_budget(run),
        response_format=run.setup.response_format,
        reasoning_effort=run.reasoning_effort or None,
        parallel_tool_calls=run.parallel_tool_calls if run.setup.tools else None,
    )
    first = kept[0].pk if kept else ""
    return Context(prompt, first, truncated=len(shown) - len(kept))


def estimate(text: str) -> int:
    """About how many tokens a text has; rather too many than too few."""
    return len(text) // CHARACTERS_PER_TOKEN + TOKENS_PER_MESSAGE


def newest_that_fit(
    messages: Sequence[Message], budget: int, most: int | None
) -> Sequence[Message]:
    """The newest messages within the budget; the newest of all always stays."""
    kept = 0
    for message in reversed(messages[-most:] if most else messages):
        budget -= estimate(message.text)
        if budget < 0 and kept:
            break
        kept += 1
    return messages[len(messages) - kept :]


def _newest(run: Run) -> int:
    """The number up to which the run sees the thread: its question, its own messages."""
    numbers = [m.number for m in run.messages.all()]
    return max([*numbers, run.answers.number if run.answers else 0])


def _most_messages(run: Run) -> int | None:
    strategy = run.truncation_strategy or {}
    return strategy.get("last_messages")


def _output_budget(run: Run) -> int | None:
    """The completion budget is for all turns of the run together (api.md 1.5)."""
    if run.max_completion_tokens is None:
        return None
    return max(1, run.max_completion_tokens - (run.output_tokens or 0))


def _conversation(run: Run, kept: Sequence[Message]) -> Iterable[PromptMessage]:
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
        role: Role = "user" if message.role == MessageRole.USER else "assistant"
        calls = pending.get(message.run_id or "", [])
        while calls and calls[0].index < order.get(message.pk, 0):
            yield from _tool_round(calls.pop(0))
        if message.text:
            yield PromptMessage(role=role, text=message.text)
    for step in pending.get(run.pk, []):
        yield from _tool_round(step)


def _tool_round(step: RunStep) -> Iterable[PromptMessage]:
    calls = [
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in step.tool_calls
    ]
    yield PromptMessage(role="assistant", text="", tool_calls=tuple(calls))
    for call in step.tool_calls:
        yield PromptMessage(
            role="tool",
            text=call["function"]["output"] or "",
            tool_call_id=call["id"],
        )
