"""Rows to what the templates show, each page in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from django.db.models import Q
from django.utils import timezone
from django.utils.safestring import SafeString

from chat import markdown
from chat.endings import Ending, ending
from chat.parts import Place, part_of
from runs import snapshots
from runs.models import (
    ACTIVE,
    Message,
    MessageRole,
    Run,
    RunStep,
    Thread,
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A finished message of an answer."""

    id: str
    html: SafeString


@dataclass(kw_only=True)
class Turn:
    """What one side said: a user message, or a run with the messages it wrote."""

    message: Message | None = None
    run: Run | None = None
    parts: list[Part] = field(default_factory=list)
    reasoning: str = ""
    ending: Ending | None = None
    live: snapshots.Snapshot | None = None
    waited: float = (
        0.0  # seconds since an active run began; a browser's clock may be off
    )
    is_last: bool = False


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One part of a thread; `earlier` and `later` are message numbers to page from.

    ``is_end`` says that nothing comes after it.
    """

    turns: list[Turn]
    earlier: int | None = None
    later: int | None = None
    is_end: bool = True

    @property
    def is_active(self) -> bool:
        return any(turn.live for turn in self.turns)


def conversation(
    thread: Thread,
    *,
    before: int | None = None,
    after: int | None = None,
    at: int | None = None,
) -> Conversation:
    """The latest turns of a thread, or those before, after or around a message number.

    Six queries at most, and one more around a message. A run may end between two of them, so that a page would show the end without the
    words, or wait for an end that it has; then all is read once more.
    """
    active = thread.runs.active().first()
    place = Place(before=before, after=after, at=at)
    shown = _conversation(thread, place)
    if not shown.is_end or active is None:
        return shown
    if not any(_is_live(turn, active) for turn in shown.turns):
        return _conversation(thread, place)
    return shown


def _conversation(thread: Thread, place: Place) -> Conversation:
    part = part_of(thread, place)
    turns = list(_turns(part.messages, _runs(thread, part.messages)))
    _add_reasoning(turns)
    is_end = part.later is None and place.before is None
    if turns and is_end:
        turns[-1].is_last = True
    return Conversation(
        turns=turns, earlier=part.earlier, later=part.later, is_end=is_end
    )


def _is_live(turn: Turn, run: Run) -> bool:
    return turn.run == run and turn.live is not None and not turn.live.is_over


def answer(run: Run, *, colours: bool = True) -> Turn:
    """One run by itself, as it stands now: at most four queries."""
    wrote = Message.objects.shown(run.thread)
    turn = _answer(run, wrote.filter(run=run), colours=colours)
    if turn.live and turn.live.is_over:
        run.refresh_from_db()
        turn = _answer(run, wrote.filter(run=run), colours=colours)
    _add_reasoning([turn])
    question = run.answers
    if question is not None:
        later = wrote.filter(number__gt=question.number, role=MessageRole.USER)
        turn.is_last = not later.exists()
    return turn


def _is_question(message: Message) -> bool:
    return message.role == MessageRole.USER


def _runs(thread: Thread, messages: Sequence[Message]) -> dict[str, Run]:
    """The runs that wrote these messages, answer them, or are active; oldest first."""
    wanted = (
        Q(pk__in=[row.run_id for row in messages if row.run_id])
        | Q(answers__in=[row.pk for row in messages])
        | Q(status__in=ACTIVE)
    )
    rows = thread.runs.filter(wanted).order_by("created_at", "pk")
    return {run.pk: run for run in rows}


def _turns(messages: Sequence[Message], runs: dict[str, Run]) -> Iterable[Turn]:
    """Questions and answers in order; a run without a message stands by its question."""
    latest = {run.answers_id: run for run in runs.values()}
    shown = {runs[row.run_id].answers_id for row in messages if row.run_id in runs}
    for (run_id, _), group in groupby(messages, key=_speaker):
        if run_id in runs:
            yield _answer(runs[run_id], group)
            continue
        for message in group:
            yield _said(message)
            if message.pk in latest and message.pk not in shown:
                yield _answer(latest[message.pk], ())


def _speaker(message: Message) -> tuple[str | None, bool]:
    return message.run_id, _is_question(message)


def _said(message: Message) -> Turn:
    """A message that no run wrote: a question, or an answer that was put in."""
    if _is_question(message):
        return Turn(message=message)
    part = Part(id=message.pk, html=markdown.render(message.text))
    return Turn(message=message, parts=[part])


def _answer(run: Run, wrote: Iterable[Message], *, colours: bool = True) -> Turn:
    """A run that is active is shown by its log alone, which is all of one moment."""
    turn = Turn(run=run, ending=ending(run))
    texts = {row.pk: row.text for row in wrote}
    if run.is_active:
        turn.live = snapshots.snapshot(run)
        turn.reasoning = turn.live.reasoning
        turn.waited = (timezone.now() - run.created_at).total_seconds()
        texts = turn.live.finished
    rendered = markdown.render if colours else markdown.render_plain
    turn.parts = [Part(id=k, html=rendered(text)) for k, text in texts.items() if text]
    return turn


def _add_reasoning(turns: Sequence[Turn]) -> None:
    """What finished runs thought, from their steps."""
    ended = {turn.run.pk: turn for turn in turns if turn.run and not turn.live}
    steps = RunStep.objects.filter(run__in=list(ended)).exclude(reasoning="")
    for run_id, text in steps.order_by("index").values_list("run_id", "reasoning"):
        turn = ended[run_id]
        turn.reasoning = "\n\n".join(filter(None, [turn.reasoning, text]))
