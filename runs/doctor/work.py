"""Checks of what executes runs: workers, the queue, and the model server."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from types import ModuleType
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from runs.doctor.finding import Finding, failed, ok, warning, with_orm
from runs.models import Run, WorkerBeat

ALIVE = dt.timedelta(seconds=20)
PATIENCE = dt.timedelta(seconds=30)
CONNECT_SECONDS = 3
ANSWER_SECONDS = 4
OPENAI = "https://api.openai.com/v1"
START = lazy("Start the model server, or correct OPENAI_BASE_URL.")
MEND = {
    "authentication": lazy("Set OPENAI_API_KEY to a valid key."),
    "invalid_request": lazy("Correct OPENAI_BASE_URL and OPENAI_API_KEY."),
    "redirected": lazy("Let OPENAI_BASE_URL be the address that it redirects to."),
    "quota": lazy("Fill up the account at the model server."),
    "rate_limited": lazy("Wait a while, or raise the account's limits."),
}
LOCAL = ("localhost", "127.0.0.1", "::1")


@with_orm
def workers() -> Finding:
    alive = list(WorkerBeat.objects.filter(beat_at__gt=Now() - ALIVE))
    if alive:
        running = sum(worker.running for worker in alive)
        capacity = sum(worker.capacity for worker in alive)
        words = ngettext(
            "%(count)s worker alive, executing %(running)s of at most %(most)s runs.",
            "%(count)s workers alive, executing %(running)s of at most %(most)s runs.",
            len(alive),
        )
        return ok(words % {"count": len(alive), "running": running, "most": capacity})
    start = (
        _("Start manage.py serve without --no-worker; with SQLite the worker is in it.")
        if connection.vendor == "sqlite"
        else _("Start manage.py work under a supervisor that starts it again.")
    )
    words = _("No worker has given a sign of life for %(seconds)s s.")
    return failed(words % {"seconds": ALIVE.seconds}, start)


@with_orm
def queue() -> Finding:
    waited = ExpressionWrapper(Now() - F("created_at"), DurationField())
    queued = Run.objects.queued()
    waiting = queued.count()
    late = queued.filter(created_at__lt=Now() - PATIENCE)
    longest = late.annotate(waited=waited).values_list("waited", flat=True).first()
    if longest is None:
        words = _("%(waiting)s waiting, none for longer than %(seconds)s s.")
        return ok(words % {"waiting": waiting, "seconds": PATIENCE.seconds})
    words = _(
        "%(late)s of %(waiting)s waiting for longer than %(seconds)s s, "
        "the oldest for %(longest)s s."
    )
    facts = {
        "late": late.count(),
        "waiting": waiting,
        "seconds": PATIENCE.seconds,
        "longest": round(longest.total_seconds()),
    }
    mend = _("Start another manage.py work, or raise RUN_CONCURRENCY.")
    return warning(words % facts, mend)


async def model_server() -> Finding:
    """Whether the default server lists its models, and the configured one is there."""
    chosen = settings.MODEL_SERVERS[settings.DEFAULT_MODEL_SERVER]
    if chosen["kind"] == "demo":
        return ok(_("The built-in demo answers; OPENAI_* connect a model server."))
    providers = await asyncio.to_thread(load_providers)
    quick = {
        "connect_timeout": CONNECT_SECONDS,
        "first_token_timeout": ANSWER_SECONDS,
        "silence_timeout": ANSWER_SECONDS,
    }
    server = providers.Server(name=settings.DEFAULT_MODEL_SERVER, **chosen | quick)
    provider = providers.connect(server)
    started = time.perf_counter()
    try:
        models = await provider.models()
    except providers.ProviderError as error:
        return unlisted(error.code, error.message, shown(chosen["base_url"]))
    finally:
        await provider.aclose()
    took = (time.perf_counter() - started) * 1000
    return judged(models, chosen["default_model"], shown(chosen["base_url"]), took)


def judged(models: list[str], model: str, place: str, took: float) -> Finding:
    """What a list of models means for this installation; the time in milliseconds."""
    words = ngettext(
        "%(place)s lists %(count)s model in %(took)s ms",
        "%(place)s lists %(count)s models in %(took)s ms",
        len(models),
    )
    found = words % {"place": place, "count": len(models), "took": round(took)}
    if not models:
        return failed(f"{found}.", _("Load a model into the model server."))
    facts = {"found": found, "first": models[0], "model": model}
    if not model:
        return ok(_("%(found)s; %(first)s, the first, is used.") % facts)
    if model in models:
        return ok(_("%(found)s, %(model)s among them.") % facts)
    mend = _("Set OPENAI_MODEL to a listed one, such as %(first)s, or load %(model)s.")
    return warning(_("%(found)s; %(model)s is not among them.") % facts, mend % facts)


def unlisted(code: str, message: str, place: str) -> Finding:
    """What it means that a server listed nothing."""
    if code == "not_found":
        return warning(
            _("%(place)s lists no models: %(message)s")
            % {"place": place, "message": message},
            _("See that OPENAI_BASE_URL ends as the server wants, mostly in /v1."),
        )
    found = f"{place}: {message}"
    if code != "connection":
        return failed(
            found, str(MEND.get(code) or _("See the model server's own log."))
        )
    if urlsplit(place).hostname in LOCAL:
        container = _("In a container, localhost is the container.")
        return failed(found, f"{START} {container}")
    return failed(found, str(START))


def shown(base_url: str) -> str:
    """The address without whatever may be secret in it."""
    parts = urlsplit(base_url or OPENAI)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def load_providers() -> ModuleType:
    from runs import providers  # noqa: PLC0415 - loads the model clients, for a second

    return providers
