"""One browser and one server for all chat tests of a process, in the session's loop."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.site import Site, installed, serving
from tests.browser.tabs import Chat, browsing, open_chat, visiting
from tests.model_server import ModelServer


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def peopled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with alice and bob, to be copied."""
    return await installed(tmp_path_factory.mktemp("peopled"))


@pytest.fixture
def data(peopled: Path, tmp_path: Path) -> Path:
    """A data folder for a server that one test has for itself."""
    return Path(shutil.copytree(peopled, tmp_path / "data"))


@pytest_asyncio.fixture(loop_scope="session")
async def own_model() -> AsyncIterator[ModelServer]:
    """A model server for a server that one test has for itself."""
    async with ModelServer() as model:
        yield model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_site(
    peopled: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    data = shutil.copytree(peopled, tmp_path_factory.mktemp("shared") / "data")
    async with ModelServer() as model, serving(Path(data), model) as running:
        yield running


@pytest.fixture
def site(shared_site: Site) -> Site:
    """The server that most tests share. Fails the test if the server logs an error."""
    return shared_site


@pytest_asyncio.fixture(loop_scope="session")
async def alice(browser: Browser, site: Site) -> AsyncIterator[Chat]:
    """Alice's tab on a new chat."""
    async with visiting(browser, site.base, name="alice") as context:
        yield await open_chat(context)
    assert site.errors() == []
