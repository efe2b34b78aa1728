"""A real PostgreSQL of its own for the tests, made from the installed programs."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

DEBIAN = "/usr/lib/postgresql"


def program(name: str) -> str:
    """The newest installed one; Debian keeps them off the path."""
    installed = sorted(Path(DEBIAN).glob(f"*/bin/{name}"))
    found = str(installed[-1]) if installed else shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} of PostgreSQL is not installed")
    return found


def as_its_owner() -> list[str]:
    """PostgreSQL refuses to run as root; Debian's package makes it an account."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A server with its data in a folder of its own, made empty; start it, break it."""

    def __init__(self, folder: str | Path, *, fsync: bool = False) -> None:
        self.folder, self.port, self._fsync = Path(folder), free_port(), fsync
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        self._control = (program("pg_ctl"), "-D", f"{folder}/data", "-w")
        setup = ("-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8")
        run(program("initdb"), *setup, "--locale=C.UTF-8", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        where = f"-p {self.port} -k {self.folder}"
        fsync = "on" if self._fsync else "off"
        options = f"{where} -c fsync={fsync} -c max_connections=200"
        run(*self._control, "-o", options, "-l", f"{self.folder}/log", "start")

    def stop(self, mode: str = "immediate") -> None:
        """``fast`` ends all sessions and stops; ``immediate`` is a crash."""
        run(*self._control, "-m", mode, "stop")


@contextlib.contextmanager
def cluster(*, fsync: bool = False) -> Iterator[str]:
    """An empty server in a folder of its own; gives its address.

    Tests need no ``fsync``; measurements of what storing costs do.
    """
    with tempfile.TemporaryDirectory(prefix="threadmill-pg-") as folder:
        server = Cluster(folder, fsync=fsync)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


def run(*command: str) -> None:
    subprocess.run(  # noqa: S603 - commands of this file
        [*as_its_owner(), *command],
        check=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
