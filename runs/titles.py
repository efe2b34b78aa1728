"""Titles for threads, asked of the model once the first answer is complete.

A title is no answer: the call is short, is not recorded as a run, takes no worker's place,
and where it fails the first words of the thread stay its title.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from django.conf import settings

from runs import filing
from runs.models import Run, RunStatus, TitledBy, sharing
from runs.providers import Prompt, PromptMessage, Provider, ProviderError, TextDelta
from runs.threads import DatabaseThread

log = logging.getLogger(__name__)

AT_ONCE = 4  # more are left out: their threads keep their first words
SECONDS = 20
MOST_TOKENS = 400  # a model that reasons needs some before the first word
MOST_CHARACTERS = 200  # of the answer; whatever follows is not waited for
LONGEST = 60  # characters of a title
EXCERPT = 1500  # characters of question and answer that the model gets to see
ASK = (
    "Give this conversation a title of two to six words, in the language of the "
    "conversation. Answer with the title alone: no quotation marks, no full stop, no "
    "markup."
)


@dataclass(frozen=True, slots=True)
class Matter:
    """What a title is made from."""

    thread_id: str
    model: str
    question: str
    answer: str


class Titles:
    """The titles that this worker is asking for."""

    def __init__(self) -> None:
        self._thread = DatabaseThread("titles")
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, run: Run, provider: Provider) -> None:
        """Ask for a title if the run was the first answer; returns at once."""
        if settings.AUTO_TITLES and len(self._tasks) < AT_ONCE:
            task = asyncio.create_task(self._give(run.pk, provider))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _give(self, run_id: str, provider: Provider) -> None:
        try:
            matter = await self._thread.call(matter_of, run_id)
            if matter is None:
                return
            async with asyncio.timeout(SECONDS):
                title = cleaned(await said(provider, matter))
            if title:
                await self._thread.call(filing.name_by_model, matter.thread_id, title)
        except (ProviderError, TimeoutError) as error:
            log.info("No title after run %s: %s", run_id, error)
        except Exception:
            log.exception("No title after run %s", run_id)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._thread.close()


def matter_of(run_id: str) -> Matter | None:
    """What to make a title from; None where the thread needs none any more."""
    run = (
        Run.objects.filter(pk=run_id, status=RunStatus.COMPLETED)
        .filter(sharing.kept("thread__"), thread__is_temporary=False)
        .filter(thread__titled_by=TitledBy.WORDS)
        .select_related("answers")
        .first()
    )
    if run is None or run.answers is None or _is_later(run):
        return None
    answer = "\n\n".join(message.text for message in run.messages.order_by("number"))
    return Matter(
        thread_id=run.thread_id,
        model=run.model,
        question=run.answers.text[:EXCERPT],
        answer=answer[:EXCERPT],
    )


def _is_later(run: Run) -> bool:
    completed = Run.objects.filter(thread=run.thread_id, status=RunStatus.COMPLETED)
    return completed.exclude(pk=run.pk).exists()


async def said(provider: Provider, matter: Matter) -> str:
    """What the model makes of it, as far as that may be a title. Raises ProviderError."""
    conversation = f"Question:\n{matter.question}\n\nAnswer:\n{matter.answer}"
    prompt = Prompt(
        model=matter.model,
        instructions=ASK,
        messages=(PromptMessage(role="user", text=conversation),),
        max_output_tokens=MOST_TOKENS,
    )
    text = ""
    async with contextlib.aclosing(provider.stream(prompt)) as values:
        async for value in values:
            if isinstance(value, TextDelta):
                text += value.text
            if len(text) > MOST_CHARACTERS:
                break
    return text


def cleaned(text: str) -> str:
    """One line without quotation marks and markup; empty where that is no title."""
    lines = [line.strip(" \t#*_`\"'“”„«».") for line in text.splitlines()]
    line = " ".join(next(filter(None, lines), "").split())
    return line if len(line) <= LONGEST else ""
