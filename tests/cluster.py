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


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """An empty server in a folder of its own; gives its address."""
    with tempfile.TemporaryDirectory(prefix="threadmill-pg-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        data, port = f"{folder}/data", free_port()
        setup = ("-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8")
        control = (program("pg_ctl"), "-D", data, "-w")
        options = f"-p {port} -k {folder} -c fsync=off -c max_connections=200"
        run(program("initdb"), *setup, "--locale=C.UTF-8", "--no-sync")
        run(*control, "-o", options, "-l", f"{folder}/log", "start")
        try:
            yield f"postgres://postgres@127.0.0.1:{port}/postgres"
        finally:
            run(*control, "-m", "immediate", "stop")


def run(*command: str) -> None:
    subprocess.run(  # noqa: S603 - commands of this file
        [*as_its_owner(), *command],
        check=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
