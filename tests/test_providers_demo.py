"""The built-in demo model."""

from __future__ import annotations

import asyncio

from runs import providers
from runs.providers import (
    Demo,
    Finish,
    Prompt,
    PromptMessage,
    ReasoningDelta,
    Sent,
    Server,
    TextDelta,
    Usage,
    Value,
)


def prompt(text: str) -> Prompt:
    """A conversation of one message."""
    return Prompt("", "", (PromptMessage("user", text),))


async def answer(text: str, pace: float = 0) -> list[Value]:
    """All values of the demo's answer."""
    return [value async for value in Demo(pace).stream(prompt(text))]


def text_of(values: list[Value], kind: type[TextDelta | ReasoningDelta]) -> str:
    """The joined pieces of one kind."""
    return "".join(value.text for value in values if isinstance(value, kind))


async def test_the_demo_answers_about_the_message_in_rich_markdown():
    values = await answer("How many words are these?")
    text = text_of(values, TextDelta)
    assert text.startswith("## ")
    for part in ("How many words are these?", "\n- ", "```python\n", "\n|---", "demo"):
        assert part in text
    assert "OPENAI_API_KEY" in text
    assert text.count("```") == 2


async def test_the_demo_ends_as_any_provider_does():
    values = await answer("Hello")
    assert isinstance(values[0], Sent)
    usage, finish = values[-2:]
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.model) == ("stop", "demo")
    text = text_of(values, TextDelta)
    assert usage == Usage(2, -(-len(text) // 4), 0, 0)


async def test_the_same_prompt_gives_the_same_answer():
    assert await answer("Hello") == await answer("Hello")
    assert await answer("Hello") != await answer("Goodbye")


async def test_think_shows_reasoning_before_the_text():
    values = await answer("Think about it")
    kinds = [type(value) for value in values]
    assert kinds.index(ReasoningDelta) < kinds.index(TextDelta)
    assert ReasoningDelta not in kinds[kinds.index(TextDelta) :]
    usage = next(value for value in values if isinstance(value, Usage))
    assert usage.reasoning_tokens
    assert not text_of(await answer("Hello"), ReasoningDelta)


async def test_a_hostile_message_is_quoted_as_plain_text():
    hostile = "```\n# <script>alert(1)</script> | {x} **b** " + "long " * 100
    text = text_of(await answer(hostile), TextDelta)
    assert "\\<script\\>" in text
    assert text.count("\n```") == 2
    assert "…" in text


async def test_no_message_at_all_is_answered_too():
    values = [value async for value in Demo(0).stream(Prompt("", "", ()))]
    assert isinstance(values[-1], Finish)


async def test_the_pace_is_kept_however_long_the_pieces_take():
    clock = asyncio.get_running_loop().time
    began = clock()
    values = await answer("Hello", pace=500)
    pieces = sum(isinstance(value, TextDelta) for value in values)
    assert pieces > 80
    assert pieces / 500 <= clock() - began < pieces / 500 + 0.5


async def test_the_demo_is_a_server_like_any_other():
    provider = providers.connect(Server(name="demo", kind="demo"))
    assert await provider.models() == ["demo"]
    await provider.aclose()
