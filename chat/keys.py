"""The settings page on which people make and revoke their own API keys."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest as PlainRequest
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from chat.doors import signed_in
from chat.views import HttpRequest
from runs import access, keys
from runs.models import ApiKey, User

SHOWN = 200
NEVER = 0
EXPIRY = (
    (30, _("in 30 days")),
    (90, _("in 90 days")),
    (365, _("in a year")),
    (NEVER, _("never")),
)
SCOPES = {
    keys.READ: _("See your assistants, threads, messages, runs and files."),
    keys.WRITE: _("Make, change and delete them, and start runs."),
    keys.ADMIN: _("Change the team's assistants. Only staff can allow this."),
}
STATES = {"active": _("active"), "revoked": _("revoked"), "expired": _("expired")}
JUST_NOW = dt.timedelta(minutes=2)  # uses are noted once a minute


class KeyForm(forms.Form):
    """What a new key is to be. Only staff may choose the scope admin."""

    name = forms.CharField(
        max_length=keys.NAME_MAX_LENGTH,
        error_messages={"required": _("Give it a name, to know it again by.")},
    )
    days = forms.TypedChoiceField(choices=EXPIRY, coerce=int, initial=90)
    scopes = forms.MultipleChoiceField(
        error_messages={"required": _("Allow at least one of these.")}
    )

    def __init__(self, owner: User, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]
            (scope, sentence)
            for scope, sentence in SCOPES.items()
            if owner.is_staff or scope != keys.ADMIN
        ]
        self.fields["scopes"].initial = [keys.READ, keys.WRITE]

    @property
    def expires_at(self) -> dt.datetime | None:
        days = self.cleaned_data["days"]
        return timezone.now() + dt.timedelta(days=days) if days else None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A key as the list shows it."""

    key: ApiKey
    state: str
    state_words: str
    last_use: str


@signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The list and the form; a POST makes a key, and its answer alone shows it."""
    if request.method != "POST":
        return _answer(request, KeyForm(request.user))
    form = KeyForm(request.user, request.POST)
    if not form.is_valid():
        return _answer(request, form, status=422)
    made = {field: form.cleaned_data[field] for field in ("name", "scopes")}
    key, secret = keys.make(request.user, **made, expires_at=form.expires_at)
    return _answer(request, KeyForm(request.user), new=key, secret=secret)


@signed_in
@never_cache
@require_POST
def revoke(request: HttpRequest, key_id: str) -> HttpResponse:
    """End a key of one's own for good. Raises NotFound for any other."""
    key = access.api_key(request.user, key_id)
    keys.revoke(key)
    words = gettext("The key “%(name)s” is revoked.") % {"name": key.name}
    messages.success(request, words)
    if not request.htmx:
        return redirect("keys")
    return _answer(request, KeyForm(request.user))


def _answer(
    request: HttpRequest, form: KeyForm, *, status: int = 200, **extra: object
) -> HttpResponse:
    context = {
        "rows": _rows(request.user),
        "form": form,
        "base_url": base_url(request),
        **extra,
    }
    template = "chat/keys_body.html" if request.htmx else "chat/keys.html"
    return render(request, template, context, status=status)


def _rows(owner: User) -> list[Row]:
    """The owner's keys, newest first, those that still work before the others."""
    now = timezone.now()
    found = ApiKey.objects.filter(owner=owner).order_by("-created_at")[:SHOWN]
    rows = [_row(key, now) for key in found]
    return sorted(rows, key=lambda row: row.state != "active")


def _row(key: ApiKey, now: dt.datetime) -> Row:
    state = _state(key, now)
    return Row(
        key=key,
        state=state,
        state_words=str(STATES[state]),
        last_use=_last_use(key, now),
    )


def _state(key: ApiKey, now: dt.datetime) -> str:
    if key.revoked_at:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= now else "active"


def _last_use(key: ApiKey, now: dt.datetime) -> str:
    if key.last_used_at is None:
        return gettext("never used")
    if now - key.last_used_at < JUST_NOW:
        return gettext("used just now")
    return gettext("used %(time)s ago") % {
        "time": timesince(key.last_used_at, now, depth=1)
    }


def base_url(request: PlainRequest) -> str:
    return f"{site_url(request)}/v1"


def site_url(request: PlainRequest) -> str:
    """Where others reach this site."""
    return settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"
