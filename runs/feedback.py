"""Thumbs up and down on answers: one for each person and run, to be changed or taken back."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone

from runs.models import Feedback, Run, User
from runs.models.feedback import NOTE_LENGTH
from runs.models.fields import without_nul


def give(*, run: Run, user: User, is_good: bool, note: str | None = None) -> Feedback:
    """What the person thinks now; without a note, the earlier note stays."""
    thought = {"is_good": is_good, "changed_at": timezone.now()}
    if note is not None:
        thought["note"] = str(without_nul(note)).strip()[:NOTE_LENGTH]
    given, _ = Feedback.objects.update_or_create(run=run, user=user, defaults=thought)
    return given


def take_back(*, run: Run, user: User) -> None:
    Feedback.objects.filter(run=run, user=user).delete()


def of(user: User, runs: Iterable[str]) -> dict[str, Feedback]:
    """The person's own, by run."""
    own = Feedback.objects.filter(user=user, run__in=list(runs))
    return {given.run_id: given for given in own}
