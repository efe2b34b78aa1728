"""Who uses the product."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """An account. Ours from the start, since swapping it in later is painful."""
