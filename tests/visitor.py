"""A person at a real server, over real HTTP and a real websocket."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

import aiohttp

PASSWORD = "correct horse battery staple"
ENDS = re.compile(r"^thread\.run\.(completed|failed|incomplete|cancelled|expired)$")


class Visitor:
    """Signs up by the set-up link, posts messages and follows runs."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._http = aiohttp.ClientSession(
            base, cookie_jar=aiohttp.CookieJar(unsafe=True)
        )

    async def __aenter__(self) -> Visitor:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.close()

    @property
    def cookies(self) -> list[dict[str, Any]]:
        """The cookies as Playwright takes them."""
        jar = self._http.cookie_jar
        return [{"name": c.key, "value": c.value, "url": self.base} for c in jar]

    async def set_up(self, link: str, name: str = "alice") -> None:
        """Make the first account with the link that the server printed."""
        path = link.removeprefix(self.base)
        form = {"username": name, "password1": PASSWORD, "password2": PASSWORD}
        page = await self._submit(path, form)
        assert "first account" not in page.lower(), page

    async def get(self, path: str) -> str:
        """The page at this path."""
        async with self._http.get(path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def _submit(self, path: str, form: dict[str, str]) -> str:
        async with self._http.get(path) as answer:
            page = await answer.text()
        form["csrfmiddlewaretoken"] = token_in(page)
        async with self._http.post(path, data=form) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def post(self, text: str) -> str:
        """Start a thread with this message; returns the id of its run."""
        page = await self._send("/messages", text)
        found = re.search(r'id="(run_\w+)"', page)
        assert found, page
        return found[1]

    async def queue(self, run: str, text: str) -> None:
        """Send a message to the thread of this run while that goes on."""
        async with self._http.get(f"/runs/{run}") as answer:
            path = answer.url.path
        page = await self._send(f"{path}/messages", text)
        assert "queued-card" in page, page

    async def runs_beside(self, run: str) -> list[str]:
        """The runs of the thread of this run, in order."""
        page = await self.get(f"/runs/{run}")
        return list(dict.fromkeys(re.findall(r'<article[^>]* id="(run_\w+)"', page)))

    async def _send(self, path: str, text: str) -> str:
        async with self._http.get("/login", allow_redirects=True) as answer:
            token = token_in(await answer.text())
        headers = {"X-CSRFToken": token, "HX-Request": "true"}
        form = {"text": text, "key": secrets.token_hex(8)}
        async with self._http.post(path, data=form, headers=headers) as answer:
            page = await answer.text()
            assert answer.status == 200, page
        return page

    async def follow(self, run: str, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """The run's event frames up to its terminal one."""
        headers = {"Origin": self.base}
        async with self._http.ws_connect("/ws", headers=headers) as socket:
            frame = {"op": "subscribe", "run": run, "after": after}
            await socket.send_json(frame)
            async for message in socket:
                event = json.loads(message.data)
                if event["op"] != "event":
                    continue
                if event["seq"] % 50 == 0:
                    await socket.send_json(
                        {"op": "ack", "run": run, "seq": event["seq"]}
                    )
                yield event
                if ENDS.match(event["type"]):
                    return


def token_in(page: str) -> str:
    """The CSRF token of the first form of a page."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found, "the page has no form"
    return found[1]
