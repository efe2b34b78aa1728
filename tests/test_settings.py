"""Settings: what the environment may say, and what is made on first use."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from config.installation import static_version
from tests.server_process import ROOT, environment, manage, without_root_powers

SHOW = """
import json, sys
from config import settings
names = sys.argv[1:]
print(json.dumps({name: getattr(settings, name) for name in names}, default=str))
"""


async def some(names: str, *, data: Path, **variables: str) -> dict[str, Any]:
    """The named settings, as a process with these variables has them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SHOW, *names.split()),
        cwd=ROOT,
        env=environment(data, **variables),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return dict(json.loads(out))


async def one(name: str, *, data: Path, **variables: str) -> Any:
    return (await some(name, data=data, **variables))[name]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUN_EXPIRES_SECONDS", "soon"),
        ("RUN_CONCURRENCY", "0"),
        ("MESSAGE_MAX_CHARS", "-1"),
        ("FIRST_TOKEN_TIMEOUT", "1.5"),
        ("SILENCE_TIMEOUT", "٤٥"),
        ("ANSWER_MAX_BYTES", "99999999999999999999"),
        ("DEBUG", "maybe"),
        ("DATABASE_URL", "mysql://localhost/chat"),
        ("DATABASE_URL", "postgres://localhost:port/chat"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "django-insecure-" + "x7" * 30),
        ("SECRET_KEY_FILE", "/nowhere/key"),
        ("PUBLIC_URL", "chat.example.com"),
        ("PUBLIC_URL", "https://chat.example.com/chat"),
        ("PUBLIC_URL", "https://chat.example.com:port"),
        ("PUBLIC_URL", "https://me@chat.example.com"),
        ("OPENAI_BASE_URL", "localhost:11434/v1"),
        ("OPENAI_API", "assistants"),
    ],
)
async def test_a_bad_value_stops_the_start_with_one_line_that_names_it(
    tmp_path, name, value
):
    ended = await manage("check", env=environment(tmp_path, **{name: value}))

    assert ended.code == 1
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert name in ended.err


async def test_the_data_folder_and_the_key_are_made_for_nobody_else(tmp_path):
    folder = tmp_path / "deep" / "data"
    key = await one("SECRET_KEY", data=folder)

    assert mode(folder) == 0o700
    assert mode(folder / "secret_key") == 0o600
    assert mode(folder / "threadmill.sqlite3") == 0o600
    assert (folder / "secret_key").read_text() == key
    assert len(key) > 80


async def test_the_key_is_kept(tmp_path):
    first = await one("SECRET_KEY", data=tmp_path)
    assert await one("SECRET_KEY", data=tmp_path) == first


async def test_processes_that_start_at_once_agree_on_the_key(tmp_path):
    keys = await asyncio.gather(
        *(one("SECRET_KEY", data=tmp_path / "data") for _ in range(6))
    )
    assert len(set(keys)) == 1


async def test_an_empty_key_file_is_named(tmp_path):
    (tmp_path / "secret_key").touch()
    ended = await manage("check", env=environment(tmp_path))

    assert ended.code == 1
    assert str(tmp_path / "secret_key") in ended.err
    assert ended.err.count("\n") == 1


async def test_a_data_folder_that_cannot_be_written_to_is_named(tmp_path):
    tmp_path.chmod(0o500)
    ended = await manage(
        "check", env=environment(tmp_path), before=without_root_powers()
    )

    assert ended.code == 1
    assert f"DATA_DIR {tmp_path}" in ended.err
    assert ended.err.count("\n") == 1


async def test_a_data_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    ended = await manage("check", env=environment(tmp_path / "file" / "data"))

    assert ended.code == 1
    assert "DATA_DIR" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("public_url", "hosts", "origins"),
    [
        ("", ["localhost", "127.0.0.1", "[::1]"], []),
        (
            "https://chat.example.com/",
            ["chat.example.com"],
            ["https://chat.example.com"],
        ),
        (
            "https://Chat.Example.com:443",
            ["chat.example.com"],
            ["https://chat.example.com"],
        ),
        ("http://10.0.0.5:8000", ["10.0.0.5"], ["http://10.0.0.5:8000"]),
        ("http://[fd00::5]:8000", ["[fd00::5]"], ["http://[fd00::5]:8000"]),
    ],
)
async def test_hosts_and_origins_follow_from_the_public_address(
    tmp_path, public_url, hosts, origins
):
    found = await some(
        "ALLOWED_HOSTS CSRF_TRUSTED_ORIGINS", data=tmp_path, PUBLIC_URL=public_url
    )
    assert found == {"ALLOWED_HOSTS": hosts, "CSRF_TRUSTED_ORIGINS": origins}


@pytest.mark.parametrize(
    ("public_url", "is_https"),
    [("https://chat.example.com", True), ("http://chat.example.com", False)],
)
async def test_what_rests_on_https_is_on_with_an_https_address(
    tmp_path, public_url, is_https
):
    found = await some(
        "SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE SECURE_HSTS_SECONDS",
        data=tmp_path,
        PUBLIC_URL=public_url,
    )
    assert [bool(value) for value in found.values()] == [is_https] * 3


async def test_the_deployment_check_finds_nothing(tmp_path):
    env = environment(tmp_path, PUBLIC_URL="https://chat.example.com")
    ended = await manage("check", "--deploy", "--fail-level", "WARNING", env=env)

    assert ended.code == 0
    assert "no issues" in ended.out


async def test_without_a_model_server_the_demo_answers(tmp_path):
    assert await one("DEFAULT_MODEL_SERVER", data=tmp_path) == "demo"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"OPENAI_API_KEY": "sk-1"},
            {"kind": "responses", "base_url": "", "default_model": "gpt-5-mini"},
        ),
        (
            {"OPENAI_BASE_URL": "http://localhost:11434/v1/"},
            {
                "kind": "chat_completions",
                "base_url": "http://localhost:11434/v1",
                "default_model": "",
            },
        ),
        (
            {
                "OPENAI_BASE_URL": "http://localhost:4000",
                "OPENAI_API": "responses",
                "OPENAI_MODEL": "small",
            },
            {
                "kind": "responses",
                "base_url": "http://localhost:4000",
                "default_model": "small",
            },
        ),
    ],
    ids=["openai", "ollama", "all given"],
)
async def test_the_model_server_is_what_the_environment_says(
    tmp_path, variables, expected
):
    found = await some("MODEL_SERVERS DEFAULT_MODEL_SERVER", data=tmp_path, **variables)
    server = found["MODEL_SERVERS"]["openai"]

    assert found["DEFAULT_MODEL_SERVER"] == "openai"
    assert {name: server[name] for name in expected} == expected
    assert server["api_key"] == variables.get("OPENAI_API_KEY", "")


async def test_limits_reach_the_model_server(tmp_path):
    found = await one("MODEL_SERVERS", data=tmp_path, SILENCE_TIMEOUT="7")
    assert found["openai"]["silence_timeout"] == 7


async def test_the_env_file_is_read_and_the_environment_goes_before_it(tmp_path):
    file = tmp_path / "env"
    file.write_text("OPENAI_API_KEY=$from-file\nOPENAI_MODEL=from-file\n")
    found = await one(
        "MODEL_SERVERS", data=tmp_path, ENV_FILE=str(file), OPENAI_MODEL="from-outside"
    )
    assert found["openai"]["api_key"] == "$from-file"
    assert found["openai"]["default_model"] == "from-outside"


async def test_a_value_may_be_kept_in_a_file_of_its_own(tmp_path):
    file = tmp_path / "key"
    file.write_text("sk-from-file\n")
    found = await one("MODEL_SERVERS", data=tmp_path, OPENAI_API_KEY_FILE=str(file))
    assert found["openai"]["api_key"] == "sk-from-file"


def test_the_static_version_changes_with_any_file(tmp_path):

    (tmp_path / "a.js").write_text("1")
    pins = tmp_path / "pins"
    first = static_version(tmp_path, pins=pins)
    os.utime(tmp_path / "a.js", (0, 0))
    assert static_version(tmp_path, pins=pins) == first

    (tmp_path / "a.js").write_text("2")
    assert static_version(tmp_path, pins=pins) != first


def test_the_static_version_changes_with_the_words_of_scripts(tmp_path):
    words = tmp_path / "djangojs.mo"
    words.write_text("Kopieren")
    static = tmp_path / "static"
    static.mkdir()
    pins = tmp_path / "pins"
    first = static_version(static, pins, [words])

    words.write_text("Abschreiben")

    assert static_version(static, pins, [words]) != first


def test_static_files_may_be_kept_for_ever(client, settings):
    path = f"{settings.STATIC_URL}admin/css/base.css"
    response = client.get(path)

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/css")
    assert "immutable" in response["Cache-Control"]
    assert client.get(path.replace(settings.STATIC_URL, "/static/")).status_code == 404


def test_a_static_file_that_the_browser_has_is_not_sent_again(client, settings):
    path = f"{settings.STATIC_URL}admin/css/base.css"
    etag = client.get(path)["ETag"]
    response = client.get(path, headers={"if-none-match": etag})

    assert response.status_code == 304
    assert response.content == b""


def test_pages_carry_the_content_security_policy(client):
    policy = client.get("/admin/login/")["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy.split("; ")
    assert "unsafe" not in policy
