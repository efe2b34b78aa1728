"""`manage.py serve` as a real process: how it starts, what it says, how it stops."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.server_process import (
    ROOT,
    Running,
    environment,
    manage,
    running,
    without_root_powers,
)

PASSWORD = "correct horse battery"
SERVE = ("manage.py", "serve", "--port", "0")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a migrated database, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment(folder), check=True)  # noqa: S603
    return folder


@pytest.fixture
def data(migrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(migrated, tmp_path / "data"))


async def make_account(data: Path, name: str = "alice") -> None:
    env = environment(data, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    options = ("--noinput", "--username", name, "--email", "")
    ended = await manage("createsuperuser", *options, env=env)
    assert ended.code == 0, ended.err


async def sign_in(client: aiohttp.ClientSession, server: Running) -> None:
    async with client.get(f"{server.base}/login") as page:
        html = await page.text()
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html)
    assert found
    form = {
        "csrfmiddlewaretoken": found[1],
        "username": "alice",
        "password": PASSWORD,
    }
    async with client.post(
        f"{server.base}/login", data=form, allow_redirects=False
    ) as answer:
        assert answer.status == 302


def client_of(server: Running) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True),  # cookies of a bare IP address too
        headers={"Origin": server.base},
        timeout=aiohttp.ClientTimeout(20),
    )


async def test_the_first_start_prints_the_address_and_the_set_up_link(data):
    async with running(*SERVE, env=environment(data)) as server:
        link = (await server.read_line()).split()[-1]
        promise = await server.read_line()
        async with client_of(server) as client, client.get(link) as page:
            assert page.status == 200

    assert link.startswith(f"{server.base}/setup/")
    assert "interrupted" in promise
    assert server.err == []


async def test_with_an_account_no_set_up_link_is_printed(data):
    await make_account(data)
    async with running(*SERVE, env=environment(data)) as server:
        assert "interrupted" in await server.read_line()
        assert await server.stop() == 0

    assert not any("setup" in line for line in server.lines)


async def test_without_a_worker_nothing_is_said_of_answers(data):
    await make_account(data)
    async with running(*SERVE, "--no-worker", env=environment(data)) as server:
        server.process.send_signal(signal.SIGTERM)
        assert await server.read_line() == (
            "Stopping: requests have 10 s to finish. A second signal ends that time."
        )
        assert await server.process.wait() == 0


async def test_the_start_page_sends_a_stranger_to_sign_in(data):
    async with (
        running(*SERVE, env=environment(data)) as server,
        client_of(server) as client,
        client.get(f"{server.base}/", allow_redirects=False) as answer,
    ):
        assert answer.status == 302
        assert answer.headers["Location"].startswith("/login")


async def test_static_files_are_served_without_a_warning(data):
    async with running(*SERVE, env=environment(data)) as server:
        async with client_of(server) as client:
            async with client.get(f"{server.base}/login") as page:
                paths = re.findall(r'"(/static/[^"#]+)', await page.text())
            for path in paths:
                async with client.get(server.base + path) as answer:
                    assert answer.status == 200, path
                    assert "immutable" in answer.headers["Cache-Control"]
        assert await server.stop() == 0

    assert paths
    assert server.err == []


async def test_the_public_address_is_the_one_printed_and_answered_for(data):
    env = environment(data, PUBLIC_URL="https://chat.example.com")
    async with running(*SERVE, env=env) as server:
        link = (await server.read_line()).split()[-1]
        assert await server.stop() == 0

    assert server.base == "https://chat.example.com"
    assert link.startswith("https://chat.example.com/setup/")


async def test_an_unknown_websocket_path_is_closed_without_a_traceback(data):
    async with running(*SERVE, env=environment(data)) as server:
        address = f"{server.websocket_base}/nowhere"
        async with client_of(server) as client, client.ws_connect(address) as ws:
            await ws.receive()
            assert ws.close_code == 4404
        assert await server.stop() == 0

    assert server.err == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_closes_websockets_to_come_back_and_exits_with_0(data, number):
    await make_account(data)
    async with (
        running(*SERVE, env=environment(data)) as server,
        client_of(server) as client,
    ):
        await sign_in(client, server)
        async with client.ws_connect(f"{server.websocket_base}/ws") as ws:
            assert (await ws.receive_json())["op"] == "hello"
            server.process.send_signal(number)
            await ws.receive()
            assert ws.close_code == 1012
        code = await server.process.wait()

        while "Stopping" not in (line := await server.read_line()):
            pass

    assert code == 0
    assert server.err == []
    assert line == (
        "Stopping: requests have 10 s to finish; answers being written end as "
        "interrupted. A second signal ends that time."
    )


async def test_a_busy_port_is_one_line(data):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = await manage("serve", "--port", port, env=environment(data))

    assert ended.code == 1
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert port in ended.err


async def test_an_address_of_another_machine_is_one_line(data):
    ended = await manage("serve", "--host", "192.0.2.1", env=environment(data))

    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "192.0.2.1" in ended.err


@pytest.mark.parametrize("port", ["70000", "-1", "http"])
async def test_a_port_that_is_none_is_refused(data, port):
    ended = await manage("serve", f"--port={port}", env=environment(data))

    assert ended.code == 2
    assert "0 to 65535" in ended.err
    assert "Traceback" not in ended.err


async def test_an_unmigrated_database_is_one_line_that_says_what_to_do(tmp_path):
    ended = await manage("serve", env=environment(tmp_path))

    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "manage.py migrate" in ended.err


async def test_a_file_that_is_no_database_is_one_line(tmp_path):
    (tmp_path / "threadmill.sqlite3").write_text("not a database " * 100)
    ended = await manage("serve", env=environment(tmp_path))

    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "database" in ended.err


async def test_a_read_only_data_folder_is_one_line(data):
    data.chmod(0o500)
    ended = await manage("serve", env=environment(data), before=without_root_powers())
    data.chmod(0o700)

    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert str(data) in ended.err


async def test_a_second_server_on_the_same_port_leaves_the_first_alone(data):
    async with (
        running(*SERVE, env=environment(data)) as server,
        client_of(server) as client,
    ):
        port = server.base.rsplit(":", 1)[1]
        ended = await manage("serve", "--port", port, env=environment(data))
        async with client.get(f"{server.base}/login") as answer:
            assert answer.status == 200

    assert ended.code == 1


async def test_without_django_one_line_says_so():
    # -S and -I: a Python without any installed package.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-I", str(ROOT / "manage.py"), "check"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()

    assert process.returncode == 1
    assert err.decode().count("\n") == 1
    assert "Django is not installed" in err.decode()


async def test_a_worker_of_its_own_needs_postgresql(tmp_path: Path) -> None:
    env = environment(tmp_path)
    await manage("migrate", "-v0", env=env)
    refused = await manage("work", env=env)
    assert refused.code == 1
    assert "DATABASE_URL=postgres://" in refused.err
    assert "Traceback" not in refused.err
