"""The set-up link: whoever started the server makes the first account with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model, login
from django.core.signing import Signer
from django.db import connection, transaction
from django.utils.crypto import constant_time_compare

if TYPE_CHECKING:
    from django.http import HttpRequest

    from chat.forms import FirstAccountForm


class AlreadySetUp(Exception):
    """There is an account already."""


def token() -> str:
    """The secret part of the link; it follows from SECRET_KEY, nothing is stored."""
    return Signer(salt="chat.setup").signature("first account")


def is_token(candidate: str) -> bool:
    return constant_time_compare(candidate, token())


def is_open() -> bool:
    """Whether the link still works: only until the first account exists."""
    return not get_user_model().objects.exists()


def create_first_account(*, request: HttpRequest, form: FirstAccountForm) -> None:
    """Make a superuser of a valid form and sign it in. Raises AlreadySetUp."""
    with transaction.atomic():
        _let_nobody_in_between()
        if not is_open():
            raise AlreadySetUp
        user = form.save(commit=False)
        user.is_staff = user.is_superuser = True
        user.save(force_insert=True)
        login(request, user)


def _let_nobody_in_between() -> None:
    """Hold the table of accounts until the end of the transaction.

    With SQLite a transaction that writes is alone from its begin.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE runs_user IN SHARE ROW EXCLUSIVE MODE")
