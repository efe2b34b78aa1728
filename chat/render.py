"""Rows to what the templates show, each page in a fixed number of queries."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from django.db.models import Q
from django.utils import timezone
from django.utils.safestring import SafeString

from chat import calls, markdown, waits
from chat.endings import Ending, deleted, ending
from runs import feedback, snapshots, uses
from runs.models import (
    ACTIVE,
    Feedback,
    File,
    Message,
    MessageRole,
    Run,
    RunStep,
    StepType,
    Thread,
    User,
)
from runs.versions import Place, Versions

PAGE = 40  # messages of a thread on one page
NOTHING = SafeString("")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A finished message of an answer, or a step that calls tools."""

    id: str
    html: SafeString = NOTHING
    calls: Sequence[calls.Call] = ()


@dataclass(kw_only=True)
class Turn:
    """What one side said: a user message, or a run with the messages it wrote."""

    message: Message | None = None
    files: list[File] = field(default_factory=list)
    run: Run | None = None
    wrote: list[Message] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    reasoning: str = ""
    ending: Ending | None = None
    live: snapshots.Snapshot | None = None
    wait: waits.Wait | None = None
    waited: float = (
        0.0  # seconds since an active run began; a browser's clock may be off
    )
    is_last: bool = False
    # Each rendering has its own, so that what it offers is done once, and again later.
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    reasoned: float = 0.0  # seconds
    place: Place | None = None
    feedback: Feedback | None = None


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One page of a thread; `earlier` is the message number to page back from."""

    turns: list[Turn]
    earlier: int | None = None

    @property
    def is_active(self) -> bool:
        return any(turn.live for turn in self.turns)


def conversation(
    thread: Thread, *, user: User, before: int | None = None
) -> Conversation:
    """The latest turns of a thread, or those before a message number: nine queries, and
    one more where there are files.

    A run may end between two of them, so that a page would show the end without the
    words, or wait for an end that it has; then all is read once more.
    """
    active = thread.runs.active().first()
    shown = _conversation(thread, user, before)
    if active and not any(_is_live(turn, active) for turn in shown.turns):
        return _conversation(thread, user, before)
    return shown


def _conversation(thread: Thread, user: User, before: int | None) -> Conversation:
    messages, earlier = _page(thread, before)
    runs = _runs(thread, messages)
    turns = list(_turns(messages, runs))
    _add_steps(turns)
    _add_files(turns)
    _add_places(thread, turns, messages)
    _add_feedback(user, turns)
    if turns and before is None:
        turns[-1].is_last = True
    return Conversation(turns=turns, earlier=earlier)


def _is_live(turn: Turn, run: Run) -> bool:
    return turn.run == run and turn.live is not None and not turn.live.is_over


def asked(run: Run) -> Turn:
    """The question that a run answers."""
    question = run.answers
    return Turn(message=question, files=uses.of_message(question) if question else [])


def answer(run: Run, *, user: User, colours: bool = True) -> Turn:
    """One run by itself, as it stands now: at most seven queries."""
    wrote = Message.objects.shown(run.thread)
    turn = _answer(run, wrote.filter(run=run), colours=colours)
    if turn.live and turn.live.is_over:
        run.refresh_from_db()
        turn = _answer(run, wrote.filter(run=run), colours=colours)
    _add_steps([turn])
    question = run.answers
    _add_places(run.thread, [turn], [*([question] if question else []), *turn.wrote])
    _add_feedback(user, [turn])
    if question is not None:
        later = wrote.filter(number__gt=question.number, role=MessageRole.USER)
        turn.is_last = not later.exists()
    return turn


def _page(thread: Thread, before: int | None) -> tuple[list[Message], int | None]:
    """Messages oldest first, and where to page back; a page begins with a question."""
    rows = Message.objects.shown(thread).order_by("-number").select_related("author")
    if before is not None:
        rows = rows.filter(number__lt=before)
    messages = list(rows[: PAGE + 1])[::-1]
    if len(messages) <= PAGE:
        return messages, None
    first = next(
        (index for index, row in enumerate(messages) if index and _is_question(row)), 1
    )
    return messages[first:], messages[first].number


def _is_question(message: Message) -> bool:
    return message.role == MessageRole.USER


def _runs(thread: Thread, messages: Sequence[Message]) -> dict[str, Run]:
    """The runs that wrote these messages, answer them, or are active; oldest first."""
    wanted = (
        Q(pk__in=[row.run_id for row in messages if row.run_id])
        | Q(answers__in=[row.pk for row in messages], on_path=True)
        | Q(status__in=ACTIVE)
    )
    rows = thread.runs.filter(wanted).order_by("created_at", "pk")
    return {run.pk: run for run in rows}


def _turns(messages: Sequence[Message], runs: dict[str, Run]) -> Iterable[Turn]:
    """Questions and answers in order; a run without a message stands by its question."""
    standing = {run.answers_id: run for run in runs.values() if run.on_path}
    answered = {row.parent_id for row in messages if not _is_question(row)}
    for (run_id, _), group in groupby(messages, key=_speaker):
        said = list(group)
        if run_id in runs:
            yield _answer(runs[run_id], said)
        for message in said:
            if run_id not in runs:
                yield _said(message)
            if message.pk in standing and message.pk not in answered:
                yield _answer(standing[message.pk], ())


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
    turn = Turn(run=run, ending=ending(run), wrote=list(wrote))
    texts = {row.pk: row.text for row in turn.wrote}
    if run.is_active:
        turn.live = live = snapshots.snapshot(run)
        turn.reasoning, turn.wait = live.reasoning, waits.wait_of(run)
        turn.waited = (timezone.now() - run.created_at).total_seconds()
        texts = {key: live.finished.get(key, "") for key in live.order}
    rendered = markdown.render if colours else markdown.render_plain
    parts = {k: Part(id=k, html=rendered(text)) for k, text in texts.items() if text}
    if turn.live:
        state = calls.live_state(run, turn.live.phase)
        for step, made in turn.live.calls.items():
            parts[step] = Part(id=step, calls=calls.cards(made, state=state))
        parts = {key: parts[key] for key in turn.live.order if key in parts}
    turn.parts = list(parts.values())
    return turn


def _add_files(turns: Sequence[Turn]) -> None:
    """What was sent with the questions; one query, and none where nothing was."""
    files = uses.of_messages(turn.message for turn in turns if turn.message)
    for turn in turns:
        if turn.message:
            turn.files = files.get(turn.message.pk, [])


def _add_steps(turns: Sequence[Turn]) -> None:
    """What finished runs thought and for how long, which tools they called, and whether
    their words are gone."""
    ended = {turn.run.pk: turn for turn in turns if turn.run and not turn.live}
    rows = RunStep.objects.filter(run__in=list(ended)).order_by("index")
    of_run: dict[str, list[RunStep]] = defaultdict(list)
    for step in rows.only(
        "run",
        "index",
        "turn",
        "type",
        "status",
        "message",
        "tool_calls",
        "reasoning",
        "created_at",
    ):
        of_run[step.run_id].append(step)
    for run_id, steps in of_run.items():
        turn = ended[run_id]
        thought = [step for step in steps if step.reasoning]
        turn.reasoning = "\n\n".join(step.reasoning for step in thought)
        turn.reasoned = _seconds_thought(turn, thought[0]) if thought else 0.0
        turn.parts = _in_order(turn.parts, steps)
        if not turn.wrote and any(map(_has_lost_its_message, steps)):
            turn.ending = deleted()


def _has_lost_its_message(step: RunStep) -> bool:
    return step.type == StepType.MESSAGE_CREATION and step.message_id is None


def _in_order(parts: list[Part], steps: Sequence[RunStep]) -> list[Part]:
    """The messages with the calls between them."""
    texts = {part.id: part for part in parts}
    ordered = []
    for step in steps:
        if step.type == StepType.TOOL_CALLS:
            made = calls.cards(step.tool_calls, state=step.status)
            ordered.append(Part(id=step.pk, calls=made))
        elif step.message_id in texts:
            ordered.append(texts.pop(step.message_id))
    return [*ordered, *texts.values()]


def _seconds_thought(turn: Turn, step: RunStep) -> float:
    """From the first word thought to the first one said, where one turn did both."""
    begun = turn.run.first_token_at if turn.run else None
    is_first = begun is not None and step.turn == 1 and step.index == 0
    return (step.created_at - begun).total_seconds() if begun and is_first else 0.0


def _add_places(
    thread: Thread, turns: Sequence[Turn], messages: Sequence[Message]
) -> None:
    """Where each turn stands among its versions."""
    versions = Versions(thread, messages)
    for turn in turns:
        if turn.run:
            turn.place = versions.of_run(turn.run, turn.wrote)
        elif turn.message:
            turn.place = versions.of_message(turn.message)


def _add_feedback(user: User, turns: Sequence[Turn]) -> None:
    """What the person who looks thinks of each answer."""
    own = feedback.of(user, [turn.run.pk for turn in turns if turn.run])
    for turn in turns:
        if turn.run:
            turn.feedback = own.get(turn.run.pk)
