"""Who uses the product, and how each likes it."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class Theme(models.TextChoices):
    SYSTEM = "", _("As the system")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class SendKey(models.TextChoices):
    """What sends a message; the other of the two makes a new line."""

    ENTER = "enter", _("Enter")
    WITH_MODIFIER = "mod-enter", _("Ctrl or Cmd with Enter")


class User(AbstractUser):
    """An account. Ours from the start, since swapping it in later is painful.

    ``language`` is one of settings.LANGUAGES, or empty for the browser's.
    """

    theme = models.CharField(
        max_length=10, choices=Theme, default=Theme.SYSTEM, db_default="", blank=True
    )
    send_key = models.CharField(
        max_length=10,
        choices=SendKey,
        default=SendKey.ENTER,
        db_default=SendKey.ENTER.value,
    )
    language = models.CharField(max_length=10, default="", db_default="", blank=True)
