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

from runs.doctor.finding import Finding, failed, ok, warning, with_orm
from runs.models import Run, WorkerBeat

ALIVE = dt.timedelta(seconds=20)
PATIENCE = dt.timedelta(seconds=30)
CONNECT_SECONDS = 3
ANSWER_SECONDS = 4
OPENAI = "https://api.openai.com/v1"
START = "Start the model server, or correct OPENAI_BASE_URL."
MEND = {
    "authentication": "Set OPENAI_API_KEY to a valid key.",
    "invalid_request": "Correct OPENAI_BASE_URL and OPENAI_API_KEY.",
    "redirected": "Let OPENAI_BASE_URL be the address that it redirects to.",
    "quota": "Fill up the account at the model server.",
    "rate_limited": "Wait a while, or raise the account's limits.",
}
LOCAL = ("localhost", "127.0.0.1", "::1")


@with_orm
def workers() -> Finding:
    alive = list(WorkerBeat.objects.filter(beat_at__gt=Now() - ALIVE))
    if alive:
        running = sum(worker.running for worker in alive)
        capacity = sum(worker.capacity for worker in alive)
        count = f"{len(alive)} worker{'s' if len(alive) > 1 else ''}"
        return ok(f"{count} alive, executing {running} of at most {capacity} runs.")
    start = (
        "Start manage.py serve without --no-worker; with SQLite the worker is in it."
        if connection.vendor == "sqlite"
        else "Start manage.py work under a supervisor that starts it again."
    )
    return failed(f"No worker has given a sign of life for {ALIVE.seconds} s.", start)


@with_orm
def queue() -> Finding:
    waited = ExpressionWrapper(Now() - F("created_at"), DurationField())
    queued = Run.objects.queued()
    waiting = queued.count()
    late = queued.filter(created_at__lt=Now() - PATIENCE)
    longest = late.annotate(waited=waited).values_list("waited", flat=True).first()
    if longest is None:
        return ok(f"{waiting} waiting, none for longer than {PATIENCE.seconds} s.")
    return warning(
        f"{late.count()} of {waiting} waiting for longer than {PATIENCE.seconds} s, "
        f"the oldest for {longest.total_seconds():.0f} s.",
        "Start another manage.py work, or raise RUN_CONCURRENCY.",
    )


async def model_server() -> Finding:
    """Whether the default server lists its models, and the configured one is there."""
    chosen = settings.MODEL_SERVERS[settings.DEFAULT_MODEL_SERVER]
    if chosen["kind"] == "demo":
        return ok("The built-in demo answers; OPENAI_* connect a model server.")
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
    listed = f"{place} lists {len(models)} model{'' if len(models) == 1 else 's'}"
    found = f"{listed} in {took:.0f} ms"
    if not models:
        return failed(f"{found}.", "Load a model into the model server.")
    if not model:
        return ok(f"{found}; {models[0]}, the first, is used.")
    if model in models:
        return ok(f"{found}, {model} among them.")
    return warning(
        f"{found}; {model} is not among them.",
        f"Set OPENAI_MODEL to a listed one, such as {models[0]}, or load {model}.",
    )


def unlisted(code: str, message: str, place: str) -> Finding:
    """What it means that a server listed nothing."""
    if code == "not_found":
        return warning(
            f"{place} lists no models: {message}",
            "See that OPENAI_BASE_URL ends as the server wants, mostly in /v1.",
        )
    found = f"{place}: {message}"
    if code != "connection":
        return failed(found, MEND.get(code, "See the model server's own log."))
    if urlsplit(place).hostname in LOCAL:
        return failed(found, f"{START} In a container, localhost is the container.")
    return failed(found, START)


def shown(base_url: str) -> str:
    """The address without whatever may be secret in it."""
    parts = urlsplit(base_url or OPENAI)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def load_providers() -> ModuleType:
    from runs import providers  # noqa: PLC0415 - loads the model clients, for a second

    return providers
