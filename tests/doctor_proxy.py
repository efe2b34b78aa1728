"""A real nginx in front of a server: configured well, and in the ways that go wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.cluster import free_port
from tests.faults.nginx import program

LOOK = 0.02  # seconds between looks whether nginx listens

UPGRADE = """
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_set_header Host $http_host;
"""
# What stands in the location of each proxy.
KINDS = {
    "good": UPGRADE,
    "plain": "proxy_set_header Host $http_host;",
    "foreign host": "proxy_set_header Host chat.example.org;",
    # By HTTP/1.1 nginx would pass small pieces on all the same.
    "buffering": "proxy_set_header Host $http_host;"
    "proxy_ignore_headers X-Accel-Buffering;",
    "compressing": UPGRADE
    + "gzip on; gzip_types text/event-stream; gzip_min_length 1; gzip_proxied any;",
    "impatient": UPGRADE + "proxy_read_timeout 2s;",
    "other origin": UPGRADE + "proxy_set_header Origin https://chat.example.org;",
    "no cookies": UPGRADE + 'proxy_set_header Cookie "";',
    "redirecting": "return 301 https://chat.example.org$request_uri;",
}

PLACE = """
server {{
  listen 127.0.0.1:{port};
  location / {{
    {directives}
    proxy_pass http://127.0.0.1:{upstream};
  }}
}}
"""
WHOLE = """
daemon off;
master_process off;
error_log stderr;
pid {folder}/pid;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {places}
}}
"""


@contextlib.asynccontextmanager
async def proxies(folder: Path, upstream: int) -> AsyncIterator[dict[str, str]]:
    """One nginx with a proxy of each kind before this port; gives their addresses."""
    ports = {kind: free_port() for kind in KINDS}
    places = [
        PLACE.format(port=ports[kind], directives=directives, upstream=upstream)
        for kind, directives in KINDS.items()
    ]
    config = folder / "nginx.conf"
    config.write_text(WHOLE.format(folder=folder, places="".join(places)))
    process = await asyncio.create_subprocess_exec(
        *(program(), "-p", str(folder), "-c", str(config), "-e", "stderr"),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(10):
            await listening(ports["good"])
        yield {kind: f"http://127.0.0.1:{port}" for kind, port in ports.items()}
    finally:
        process.terminate()
        await process.wait()


async def listening(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(LOOK)
        else:
            writer.close()
            await writer.wait_closed()
            return
