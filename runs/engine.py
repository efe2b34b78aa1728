"""The course of one attempt at a run: prompt, provider stream, final state."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Any

from django.db import DatabaseError

from runs import budget, endings, prompt, rounds
from runs.events import Event, Fenced, IllegalTransition
from runs.models import EventType, Run, RunStep
from runs.providers import Provider, ProviderError, Server, Value
from runs.turn import Turn
from runs.writer import RunLog, Writer

log = logging.getLogger(__name__)

Connect = Callable[[Run], tuple[Server, Provider]]
Ask = Callable[[], AsyncGenerator[Value, None]]

TRIES = 3  # of a request, and only before the first token
MOST_ROUNDS = 20  # of the server's tools, in one attempt
FIRST_WAIT = 1.0  # seconds before the second try; doubles
LONGEST_WAIT = 30.0  # a server that asks for more gets no further try

INTERNAL = "Internal error. The server's log has the details."
TOO_MANY_ROUNDS = (
    f"The model asked for tools {MOST_ROUNDS} times in a row without answering."
)
LIMITS = {
    "length": ("max_tokens", "max_completion_tokens"),
    "content_filter": ("content_filter", "content_filter"),
}


class Stop(enum.Enum):
    """Why a worker stops a running attempt."""

    CANCELLED = "cancelled"
    SHUTDOWN = "shutdown"


class Execution:
    """One attempt. ``stop`` ends it from outside; otherwise it ends by itself."""

    def __init__(self, run: Run, *, writer: Writer, connect: Connect) -> None:
        self.run = run
        self.log: RunLog = writer.open(run)
        self._writer, self._connect = writer, connect
        self._task: asyncio.Task[None] | None = None
        self._stop: Stop | None = None
        self._can_be_cut = False

    def start(self) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._execute(), name=self.run.pk)
        return self._task

    def stop(self, why: Stop) -> None:
        """Close the provider's stream and end the run; the first reason counts."""
        self._stop = self._stop or why
        if self._task and self._can_be_cut:
            self._can_be_cut = False
            self._task.cancel()

    async def _execute(self) -> None:
        try:
            await self._attempt()
        except (Fenced, IllegalTransition):
            log.warning("Run %s has gone on without this attempt", self.run.pk)
        except DatabaseError:
            # Nothing can be recorded; the lease will run out and be swept.
            log.exception("Run %s can't be recorded", self.run.pk)

    async def _attempt(self) -> None:
        try:
            await self._answer_in_time()
        except asyncio.CancelledError:
            await self._end_stopped()
        except IllegalTransition:
            # A person's Stop was recorded while the last words were on their way.
            await self._end(endings.cancelled)
        except TimeoutError:
            await self._end(endings.expired)
        except ProviderError as error:
            await self._end(
                endings.failed, error_code=error.code, message=error.message
            )
        except (Fenced, DatabaseError):
            raise
        except Exception:
            log.exception("Run %s failed", self.run.pk)
            await self._end(endings.failed, error_code="internal", message=INTERNAL)

    async def _answer_in_time(self) -> None:
        self._can_be_cut = True
        if self._stop:
            raise asyncio.CancelledError
        async with asyncio.timeout(self.run.seconds_left):
            ends = await self._answer()
        await self.log.commit(*ends)

    async def _answer(self) -> list[Event]:
        """Model turns, with rounds of the server's own tools between them.

        Returns the events that end the run, or have it wait.
        """
        if found := await self._writer.read(rounds.approved, self.run):
            await self._execute_own(found)
        for _ in range(MOST_ROUNDS):
            if reason := budget.used_up(self.run):
                return [Event(EventType.RUN_INCOMPLETE, {"reason": reason})]
            turn = await self._ask()
            found = rounds.sorted_out(self.run.setup, turn.tool_step, turn.calls)
            if not (found.own and is_asking(turn)):
                return conclusion(turn, found)
            await self.log.commit(*turn.completed())
            await self._execute_own(found)
            if found.waits:
                return [found.requires_action()]
        raise ProviderError("tool_rounds", TOO_MANY_ROUNDS)

    async def _execute_own(self, found: rounds.Round) -> None:
        await rounds.execute(found, self.run.setup, self.log)
        ended = Event(EventType.STEP_COMPLETED, {"step": found.step})
        await self.log.commit(*([] if found.waits else [ended]))
        # The limits of tokens go by what the turns so far have used.
        await self._writer.read(_read_usage, self.run)

    async def _ask(self) -> Turn:
        """One model turn, recorded but for its end."""
        server, provider = self._connect(self.run)
        model = self.run.model or server.default_model
        model = model or await first_model(provider)
        context = await self._writer.read(prompt.build, self.run, model, server)
        number, index = await self._writer.read(_next_turn, self.run)
        if number == 1:
            self._warn(context)
        turn = Turn(self.log, number=number, next_index=index)
        sent = {
            "server": server.name,
            "model": model,
            "context_from": context.first_message,
            "context_truncated": context.truncated,
        }
        asking = partial(provider.stream, context.prompt)
        await self._stream_with_retries(asking, sent, turn)
        return turn

    def _warn(self, context: prompt.Context) -> None:
        for code, message in context.warnings:
            fact = {"code": code, "message": message}
            self.log.add(Event(EventType.RUN_WARNING, fact))

    async def _stream_with_retries(
        self, ask: Ask, sent: dict[str, Any], turn: Turn
    ) -> None:
        for attempt in range(1, TRIES + 1):
            self.log.add(Event(EventType.RUN_SENT, dict(sent)))
            try:
                await self._stream(ask, turn)
                return
            except ProviderError as error:
                wait = error.retry_after or FIRST_WAIT * 2 ** (attempt - 1)
                may_help = error.retryable and wait <= LONGEST_WAIT
                if turn.has_output or not may_help or attempt == TRIES:
                    raise
                await self.log.commit(retrying(error, attempt + 1, wait))
                await asyncio.sleep(wait)

    async def _stream(self, ask: Ask, turn: Turn) -> None:
        async with contextlib.aclosing(ask()) as values:
            async for value in values:
                turn.take(value)
                await self.log.room()

    async def _end(self, ending: Callable[..., None], **facts: str) -> None:
        """Close what is open, after everything written before is stored."""
        self._can_be_cut = False
        with contextlib.suppress(IllegalTransition):
            await self.log.commit()
        await self._writer.write(
            partial(ending, self.run.pk, attempt=self.run.attempt, **facts)
        )

    async def _end_stopped(self) -> None:
        if self._stop is Stop.CANCELLED:
            # What was not stored was not seen: after Stop no more text appears.
            self.log.drop_pending()
            await self._end(endings.cancelled)
        else:
            await self._end(endings.lost)


async def first_model(provider: Provider) -> str:
    """What a server without a configured model is asked for: the first it offers."""
    models = await provider.models()
    if not models:
        raise ProviderError("not_found", "The model server offers no model.")
    return models[0]


def is_asking(turn: Turn) -> bool:
    """Whether the model waits for the results of functions, all of whose calls came."""
    return bool(turn.tool_step) and reason_of(turn) in ("stop", "tool_calls")


def reason_of(turn: Turn) -> str:
    return turn.finish.reason if turn.finish else "stop"


def conclusion(turn: Turn, found: rounds.Round) -> list[Event]:
    """The events that follow a finished stream, by its finish reason."""
    reason = reason_of(turn)
    if is_asking(turn):
        return [*turn.completed(), found.requires_action()]
    if reason in LIMITS:
        message_reason, run_reason = LIMITS[reason]
        ended = Event(EventType.RUN_INCOMPLETE, {"reason": run_reason})
        return [*turn.limited(message_reason), ended]
    return [*turn.completed(), Event(EventType.RUN_COMPLETED)]


def retrying(error: ProviderError, next_try: int, wait: float) -> Event:
    """What tells everybody why nothing comes yet, and when the next try is."""
    fact = {
        "try": next_try,
        "of": TRIES,
        "wait": round(wait, 1),
        "code": error.code,
        "message": error.message,
    }
    return Event(EventType.RUN_RETRYING, fact)


def _read_usage(run: Run) -> None:
    run.refresh_from_db(fields=["input_tokens", "output_tokens"])


def _next_turn(run: Run) -> tuple[int, int]:
    """The number of the run's next model turn and the index of its next step."""
    steps: Sequence[RunStep] = list(run.steps.all())
    return max((step.turn for step in steps), default=0) + 1, len(steps)
