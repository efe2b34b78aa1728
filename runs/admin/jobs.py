"""The jobs of Procrastinate are no pages of ours: a run's own row says how it is."""

from __future__ import annotations

from django.apps import apps
from django.contrib import admin

if apps.is_installed("procrastinate.contrib.django"):
    from procrastinate.contrib.django import admin as registering  # noqa: F401
    from procrastinate.contrib.django import models

    admin.site.unregister([models.ProcrastinateJob])
