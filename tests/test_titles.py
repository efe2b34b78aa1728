"""Titles that the model gives: when it is asked, for how much, and what is made of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from runs import filing, titles
from runs.models import Run, Thread, TitledBy, User
from runs.providers import ProviderError, TextDelta
from tests.scripts import Gate, Scripted, ended, post, working

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _auto_titles(settings: Any) -> None:
    settings.AUTO_TITLES = True
    settings.DEFAULT_MODEL_SERVER = "openai"


async def thread_of(run: Run) -> Thread:
    return await sync_to_async(Thread.objects.get)(pk=run.thread_id)


async def title_of(run: Run) -> tuple[str, str]:
    row = await thread_of(run)
    return row.title, row.titled_by


async def all_asked(worker: Any) -> None:
    """Wait until the worker has let go of its runs, and asks for no title any more."""
    while tasks := worker._tasks | worker._titles._tasks:
        await asyncio.wait(tasks)


async def test_the_first_answer_gives_a_title_and_later_ones_do_not(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will_say("Whales sleep with half a brain.")
    provider.will_say('**"How whales sleep."**')
    provider.will_say("More of it.")
    async with working(monkeypatch, provider) as worker:
        run = await ended(await post(alice, "How do whales sleep, and where?"))
        await all_asked(worker)
        assert await title_of(run) == ("How whales sleep", TitledBy.MODEL)
        await ended(await post(alice, "More", thread=await thread_of(run)))
        await all_asked(worker)

    asked = provider.prompts[1]
    assert asked.max_output_tokens == titles.MOST_TOKENS
    assert "half a brain" in asked.messages[0].text
    assert len(provider.prompts) == 3


@pytest.mark.parametrize(
    "answer",
    [
        [ProviderError("unavailable", "Away.")],
        [TextDelta("  \n"), TextDelta("**")],
        [TextDelta("word " * 100)],
        [RuntimeError("a bug")],
    ],
    ids=["error", "nothing", "too long", "broken"],
)
async def test_without_a_title_the_first_words_stay(
    alice: User,
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    answer: list[Any],
) -> None:
    provider.will_say("An answer.")
    provider.will(*answer)
    async with working(monkeypatch, provider) as worker:
        run = await ended(await post(alice, "How do whales sleep?"))
        await all_asked(worker)

    assert await title_of(run) == ("How do whales sleep?", TitledBy.WORDS)
    assert provider.closed == len(provider.prompts) == 2


async def test_a_slow_title_holds_nobody_up_and_is_given_up(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(titles, "SECONDS", 0.3)
    provider.will_say("An answer.")
    gate = Gate()
    provider.will(gate)
    provider.will_say("Another answer.")
    async with working(monkeypatch, provider) as worker:
        run = await ended(await post(alice, "First"))
        await gate.reached.wait()
        await ended(await post(alice, "Second", thread=await thread_of(run)))
        await all_asked(worker)

    assert await title_of(run) == ("First", TitledBy.WORDS)
    assert provider.closed == 3


async def test_a_person_who_renames_meanwhile_is_not_overruled(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will_say("An answer.")
    gate = Gate()
    provider.will(gate, TextDelta("By the model"))
    async with working(monkeypatch, provider) as worker:
        run = await ended(await post(alice, "First"))
        await gate.reached.wait()
        await sync_to_async(filing.rename)(await thread_of(run), "Mine")
        gate.opened.set()
        await all_asked(worker)

    assert await title_of(run) == ("Mine", TitledBy.PERSON)


async def test_a_temporary_thread_gets_no_title(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will_say("An answer.")
    async with working(monkeypatch, provider) as worker:
        await ended(await post(alice, "First", is_temporary=True))
        await all_asked(worker)

    assert len(provider.prompts) == 1


async def test_titles_can_be_switched_off(
    alice: User,
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    settings.AUTO_TITLES = False
    provider.will_say("An answer.")
    async with working(monkeypatch, provider) as worker:
        await ended(await post(alice, "First"))
        await all_asked(worker)

    assert len(provider.prompts) == 1


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("How whales sleep", "How whales sleep"),
        ("# How whales sleep.\n\nMore", "How whales sleep"),
        ("“How   whales sleep”", "How whales sleep"),
        ("x" * 61, ""),
        ("", ""),
    ],
)
def test_a_title_is_one_short_line(said: str, title: str) -> None:
    assert titles.cleaned(said) == title
