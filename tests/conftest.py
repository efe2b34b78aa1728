"""What every test shares: three people, and logs that must fold to their rows."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.db import connections

from runs.live import Tailer
from runs.models import User
from tests.scripts import Scripted

PASSWORD = "correct horse battery"


@pytest.fixture
def alice(db: None) -> User:
    """Owns what the test is about."""
    return User.objects.create_user("alice", password=PASSWORD)


@pytest.fixture
def bob(db: None) -> User:
    """Works in the same team."""
    return User.objects.create_user("bob", password=PASSWORD)


@pytest.fixture
def mallory(db: None) -> User:
    """Must see nothing."""
    return User.objects.create_user("mallory", password=PASSWORD)


@pytest.fixture
def root(db: None) -> User:
    """May look into the admin."""
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def provider() -> Scripted:
    """The model server of engine tests; each turn of its script is set by the test."""
    return Scripted()


@pytest_asyncio.fixture
async def close_what_the_loop_opened() -> AsyncIterator[None]:
    """Async tests reach the database from other threads, which keep connections."""
    yield
    await Tailer.of_this_loop().close()
    await sync_to_async(connections.close_all)()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        function = getattr(item, "function", None)
        needs_database = item.get_closest_marker("django_db")
        if needs_database and inspect.iscoroutinefunction(function):
            item.fixturenames.insert(0, "close_what_the_loop_opened")  # type: ignore[attr-defined]
