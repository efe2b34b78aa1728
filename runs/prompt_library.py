"""What people do with the prompts that they keep. Whether they may is ``access``'s
question."""

from __future__ import annotations

import re

from django.db import IntegrityError, transaction

from runs.models import Prompt, User
from runs.models.fields import without_nul

LONGEST_NAME, LONGEST_TEXT = 64, 20_000
MOST_PROMPTS = 500  # of one person
NAME = re.compile(r"[\w-]+")


class NameTaken(Exception):
    """You have another prompt of this name."""


class LibraryIsFull(Exception):
    """One person can keep 500 prompts."""


def create(*, owner: User, name: str, text: str, is_shared: bool = False) -> Prompt:
    """A prompt of this person. Raises NameTaken and LibraryIsFull."""
    if Prompt.objects.filter(owner=owner).count() >= MOST_PROMPTS:
        raise LibraryIsFull(LibraryIsFull.__doc__)
    try:
        with transaction.atomic():
            return Prompt.objects.create(
                owner=owner, name=name, text=without_nul(text), is_shared=is_shared
            )
    except IntegrityError as error:
        raise NameTaken(NameTaken.__doc__) from error


def change(prompt: Prompt, *, name: str, text: str, is_shared: bool) -> Prompt:
    """Write these. Raises NameTaken."""
    prompt.name, prompt.text, prompt.is_shared = name, without_nul(text), is_shared
    try:
        with transaction.atomic():
            prompt.save(update_fields=["name", "text", "is_shared"])
    except IntegrityError as error:
        raise NameTaken(NameTaken.__doc__) from error
    return prompt


def delete(prompt: Prompt) -> None:
    """For good."""
    prompt.delete()
