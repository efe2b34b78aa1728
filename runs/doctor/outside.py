"""The public address, tried from the shell as a browser would: through the proxy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import aiohttp
from django.conf import settings

from runs.doctor import drip
from runs.doctor.finding import Finding, failed, in_a_line, ok, run, warning

LIMIT = 15.0  # seconds for one check
NOT_SIGNED_IN = 4401
WRONG_ORIGIN = 4403
# A foreign page; the name can never be registered.
FOREIGN = "https://doctor.invalid"

UPGRADE = (
    "Let the proxy pass websockets on; in nginx: proxy_http_version 1.1, proxy_set_header"
    ' Upgrade $http_upgrade and proxy_set_header Connection "upgrade". Caddy does by itself.'
)
HOST = (
    "Let PUBLIC_URL be this address, and the proxy keep the Host header; in nginx:"
    " proxy_set_header Host $http_host."
)
UPSTREAM = (
    "Start manage.py serve, or correct where the proxy looks for it: proxy_pass in nginx,"
    " reverse_proxy in Caddy."
)
BUFFERING = (
    "Turn buffering off; in nginx: proxy_buffering off, and no proxy_ignore_headers"
    " X-Accel-Buffering; in Caddy: flush_interval -1."
)
COMPRESSION = (
    "Leave text/event-stream out of compression: gzip_types in nginx, encode in Caddy."
)

MEND_STATUS = {
    400: HOST,
    401: "Let the proxy ask for no password of its own at this address.",
    403: "Let the proxy allow this address.",
    404: "See that the proxy passes every path on, unchanged, to this version.",
    503: "Wait until the server is ready, or do what it says.",
}

Look: TypeAlias = Callable[[aiohttp.ClientSession, str], Awaitable[Finding]]


async def examine(url: str) -> list[Finding]:
    """All that can be seen at this origin, such as https://chat.example.com."""
    timeout = aiohttp.ClientTimeout(total=LIMIT, connect=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def guarded(look: Look) -> Finding:
            try:
                return await look(session, url)
            except aiohttp.ClientConnectionError as error:
                return unreachable(url, error)

        looks = (
            run(name, partial(guarded, look), LIMIT) for name, look in LOOKS.items()
        )
        return list(await asyncio.gather(*looks))


async def healthz(session: aiohttp.ClientSession, url: str) -> Finding:
    return await answering(session, f"{url}/healthz")


async def readyz(session: aiohttp.ClientSession, url: str) -> Finding:
    return await answering(session, f"{url}/readyz")


async def answering(session: aiohttp.ClientSession, address: str) -> Finding:
    """Whether the address answers 200, and if not, what its status usually means."""
    started = time.perf_counter()
    async with session.get(address, allow_redirects=False) as answer:
        body = await answer.text(errors="replace")
    took = (time.perf_counter() - started) * 1000
    if answer.status == 200:
        return ok(f"{address} answers {answer.status} in {took:.0f} ms.")
    said = body.strip().splitlines()[0][:100] if body.strip() else ""
    is_page = said.lower().startswith(("<!doctype", "<html"))
    found = f"{address} answers {answer.status}" + (
        f": {said}" if said and not is_page else "."
    )
    if 300 <= answer.status < 400:
        to = answer.headers.get("Location", "nowhere")
        mend = "Let PUBLIC_URL be the address that people end up at."
        return failed(f"{address} redirects to {to}.", mend)
    return failed(found, MEND_STATUS.get(answer.status, UPSTREAM))


async def websocket(session: aiohttp.ClientSession, url: str) -> Finding:
    """A handshake as our page makes it. Who isn't signed in is sent away by 4401, which
    shows that upgrade, origin and close codes get through."""
    started = time.perf_counter()
    try:
        code = await close_code(session, url, origin=url)
    except aiohttp.WSServerHandshakeError as error:
        return failed(f"The upgrade of {url}/ws was answered {error.status}.", UPGRADE)
    took = (time.perf_counter() - started) * 1000
    if code == NOT_SIGNED_IN:
        return ok(
            f"Upgrade, origin and close code {code} get through in {took:.0f} ms."
        )
    if code == WRONG_ORIGIN:
        public = settings.PUBLIC_URL or "not set"
        return failed(
            f"The server refuses the origin {url}; PUBLIC_URL is {public} here.",
            "Set PUBLIC_URL to the address people use on every server, and let the proxy"
            " keep the headers Host and Origin.",
        )
    return failed(
        f"The websocket was closed with {code} in place of {NOT_SIGNED_IN}.",
        "Let nothing but the proxy stand between, and the proxy pass websockets on whole.",
    )


async def foreign_origin(session: aiohttp.ClientSession, url: str) -> Finding:
    """Pages of other sites must not open the socket with a visitor's cookies."""
    try:
        code = await close_code(session, url, origin=FOREIGN)
    except aiohttp.WSServerHandshakeError as error:
        if error.status == 403:
            return ok("The proxy refuses a foreign origin with 403.")
        return failed(f"The upgrade was answered {error.status}.", UPGRADE)
    if code == WRONG_ORIGIN:
        return ok(f"A foreign page is refused with {code}.")
    return failed(
        f"A foreign page was answered {code} in place of {WRONG_ORIGIN}.",
        "Let the proxy pass the header Origin on as it is; in nginx, remove"
        " proxy_set_header Origin.",
    )


async def close_code(
    session: aiohttp.ClientSession, url: str, *, origin: str
) -> int | None:
    """The code with which the server ends a socket opened by a page of this origin."""
    headers = {"Origin": origin}
    async with session.ws_connect(f"{url}/ws", headers=headers) as socket:
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        return socket.close_code


async def streaming(session: aiohttp.ClientSession, url: str) -> Finding:
    """Whether the pieces of a stream arrive when they are sent, and uncompressed."""
    headers = {drip.TICKET_HEADER: drip.ticket(), "Accept-Encoding": "gzip"}
    arrivals: list[float] = []
    async with session.get(
        f"{url}/doctor/drip", headers=headers, allow_redirects=False
    ) as answer:
        if answer.status == 404:
            return failed(
                "The server does not know the doctor's ticket.",
                "Give every process and this shell the same SECRET_KEY and version.",
            )
        if answer.status != 200:
            mend = MEND_STATUS.get(answer.status, UPSTREAM)
            return failed(f"The stream is answered {answer.status}.", mend)
        async for line in answer.content:
            if line.startswith(b"data:"):
                arrivals.append(time.perf_counter())
    return judged_stream(arrivals, answer.headers.get("Content-Encoding", ""))


def judged_stream(arrivals: list[float], encoding: str) -> Finding:
    """What it means when the pieces came at these seconds."""
    if len(arrivals) < drip.PIECES:
        return failed(
            f"Only {len(arrivals)} of {drip.PIECES} pieces arrived.",
            "Let the proxy wait longer than a second for an answer: proxy_read_timeout.",
        )
    spread, sent = arrivals[-1] - arrivals[0], (drip.PIECES - 1) * drip.PAUSE
    found = f"{drip.PIECES} pieces sent in {sent:.1f} s arrived within {spread:.1f} s"
    if spread < sent / 2:
        return failed(f"{found}: something holds them back.", BUFFERING)
    if encoding:
        return warning(f"{found}, but compressed with {encoding}.", COMPRESSION)
    return ok(f"{found}.")


def unreachable(url: str, error: aiohttp.ClientConnectionError) -> Finding:
    """What it means that no answer came at all."""
    found = f"{url} cannot be reached: {in_a_line(error)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return failed(found, "Make a DNS record for the name, or correct PUBLIC_URL.")
    if isinstance(error, aiohttp.ClientSSLError):
        return failed(found, "Give the proxy a valid certificate for this name.")
    return failed(
        found,
        "Start the proxy and open its port in the firewall; if only this machine cannot"
        " reach the public address, name another with --url.",
    )


LOOKS: dict[str, Look] = {
    "Public /healthz": healthz,
    "Public /readyz": readyz,
    "Websocket": websocket,
    "Foreign origin": foreign_origin,
    "Streaming": streaming,
}
