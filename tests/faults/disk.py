"""A full disk: SQLite in one process, its folder a small file system of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.client import Client
from tests.faults.crowd import ANSWER
from tests.faults.report import Report
from tests.faults.stage import Stage, prepare
from tests.faults.supervisor import Supervised
from tests.faults.tale import Tale
from tests.server_process import environment

SIZE = "8m"
PIECE = b"x" * 65_536
STATUS = "SELECT status FROM runs_run WHERE id = ?"
SEQS = "SELECT seq FROM runs_runevent WHERE run_id = ? ORDER BY seq"


async def full_disk(stage: Stage, report: Report) -> None:
    """Reading goes on, what can't be stored is refused, and all is well afterwards."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(small_disk(Path(stage.nginx.folder).parent))
        except PermissionError as error:
            report.not_run = str(error)
            return
        env = environment(folder, OPENAI_BASE_URL=stage.upstream.url, OPENAI_MODEL="m")
        sessions = await prepare(env)
        command = ("manage.py", "serve", "--port", "0")
        server = Supervised("embedded", command, "http", env)
        stage.stack.push_async_callback(server.close)
        await server.start()
        base = (await server.up()).base
        async with Client(base, sessions[0], random.Random(0)) as client:  # noqa: S311
            await _fill_and_free(stage, client, folder, report)
        await server.close()


async def _fill_and_free(
    stage: Stage, client: Client, folder: Path, report: Report
) -> None:
    before = stage.tale(ANSWER)
    await client.ask(before)
    following = asyncio.create_task(client.follow(before))
    while before.seq < 10:
        await asyncio.wait([following], timeout=0.05)
    fill(folder)
    report.injected += 1
    refused = stage.tale(ANSWER)
    status, _ = await client.post(
        "/messages", {"text": refused.question * 2000, "key": refused.key}
    )
    shown = await client.text_of(before.run)
    report.notes.append(f"on a full disk a message gets {status}, reading gets a page")
    if status == 200 or shown == "500":
        report.violations.append(f"full disk: post {status}, text {shown[:40]!r}")
    (folder / "ballast").unlink()
    async with asyncio.timeout(60):
        await following
    after = await client.live(stage.tale(ANSWER))
    for tale in (before, after):
        report.runs += 1
        report.ends[tale.kind] += 1
        report.violations += faults_of(folder, tale)
    if after.kind != "completed":
        report.violations.append(f"after the disk was full: {after}")


def faults_of(folder: Path, tale: Tale) -> list[str]:
    """The log in the file is what the client saw, 1..n, and the file is sound."""
    with contextlib.closing(sqlite3.connect(folder / "threadmill.sqlite3")) as opened:
        seqs = [row[0] for row in opened.execute(SEQS, (tale.run,))]
        status = opened.execute(STATUS, (tale.run,)).fetchone()[0]
        sound = opened.execute("PRAGMA integrity_check").fetchone()[0]
    wrong = []
    if seqs != list(range(1, len(seqs) + 1)) or seqs != tale.seqs:
        wrong.append(f"{tale}: the log has {seqs}")
    if (status, sound) != (tale.kind, "ok"):
        wrong.append(f"{tale}: the row says {status}, the file is {sound}")
    return wrong


@contextlib.contextmanager
def small_disk(where: Path) -> Iterator[Path]:
    """A folder on a file system of 8 MB. Raises PermissionError."""
    if os.geteuid() != 0:
        raise PermissionError("mounting a small disk needs root")
    folder = where / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:  # noqa: S603
        raise PermissionError("mount is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S603, S607


def fill(folder: Path) -> None:
    """To the last byte."""
    with (folder / "ballast").open("wb", buffering=0) as ballast:
        with contextlib.suppress(OSError):
            while ballast.write(PIECE):
                pass
        with contextlib.suppress(OSError):
            while ballast.write(b"x"):
                pass
