"""nginx in front of the web processes, configured as operators will."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import free_port

CONFIG = """
{user}
daemon off;
worker_processes 2;
worker_shutdown_timeout 5s;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
    upstream threadmill {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 2m;
        location / {{
            proxy_pass http://threadmill;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_connect_timeout 2s;
            proxy_read_timeout 60s;
            proxy_next_upstream error timeout http_503;
            proxy_next_upstream_tries 2;
        }}
    }}
}}
"""
# An upstream that is being restarted counts as failed for no longer than that takes:
# with nginx's 10 s, a rolling restart of two leaves it with none.
SERVER = "server 127.0.0.1:{port} max_fails=0;"


def program() -> str:
    """Raises FileNotFoundError."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not found:
        raise FileNotFoundError("nginx is not installed")
    return found


class Nginx:
    """The master process and its workers."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        self.port = free_port()
        self.folder = folder
        folder.mkdir()
        config = CONFIG.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            port=self.port,
            servers="\n        ".join(SERVER.format(port=port) for port in ports),
        )
        (folder / "nginx.conf").write_text(config, "utf-8")
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it answers."""
        self._process = await asyncio.create_subprocess_exec(
            *(program(), "-p", str(self.folder), "-c", "nginx.conf"),
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            await _answers(self.port)

    async def stop(self) -> None:
        assert self._process
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()

    def reload(self) -> None:
        """As `nginx -s reload`: new workers, and the old ones have 5 s."""
        assert self._process
        self._process.send_signal(signal.SIGHUP)

    def workers(self) -> list[int]:
        """The ids of its worker processes."""
        assert self._process
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
        return [int(child) for child in children.split()]


async def _answers(port: int) -> None:
    """Waits for a listener; there is nothing to be told of it by."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
