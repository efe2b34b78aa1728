"""Processes for tests: `manage.py` with a data folder of its own, and a small server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")


def environment(data_dir: Path, **variables: str) -> dict[str, str]:
    """A clean environment: no .env, no model server, nothing of the tests' settings."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    own = {"DATA_DIR": str(data_dir), "ENV_FILE": os.devnull}
    # A title is one more request to the model server, which most tests count.
    own["AUTO_TITLES"] = "false"
    return kept | own | variables


def without_root_powers() -> list[str]:
    """What to put before a command so that file modes bind it even when run by root."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    assert setpriv, "setpriv (util-linux) is needed to run these tests as root"
    return [setpriv, "--bounding-set", "-dac_override"]


@dataclass
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


async def manage(
    *arguments: str,
    env: dict[str, str],
    before: list[str] | None = None,
    patience: float = 60,
) -> Ended:
    """Runs `manage.py` to its end."""
    process = await asyncio.create_subprocess_exec(
        *(before or []),
        *(sys.executable, "manage.py", *arguments),
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), patience)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@dataclass
class Running:
    """A server process that has said where it listens."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        words = self.lines[0].split()
        return next(word for word in words if word.startswith("http")).rstrip("/")

    @property
    def websocket_base(self) -> str:
        return self.base.replace("http", "ws", 1)

    async def read_line(self) -> str:
        assert self.process.stdout
        line = (await asyncio.wait_for(self.process.stdout.readline(), 60)).decode()
        self.lines.append(line.strip())
        return line.strip()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends the signal and returns the exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 30)

    async def keep_err(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            self.err.append(line.decode())


@contextlib.asynccontextmanager
async def running(
    *command: str, env: dict[str, str], says: str = "http"
) -> AsyncIterator[Running]:
    """The command, once its first line says so; killed at the end if need be."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    server = Running(process)
    keeping = asyncio.create_task(server.keep_err())
    try:
        if says not in await server.read_line():
            raise AssertionError(await _fate(server, keeping))
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await keeping
        # asyncio closes the pipes of a process only in a later turn of the loop.
        await asyncio.sleep(0)


async def _fate(server: Running, keeping: asyncio.Task[None]) -> str:
    await keeping
    return "".join(server.err)
