"""What nobody foresaw: the client gets a plain 500, the log gets the rest."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from django.test import AsyncClient

from config import api
from runs import access, keys
from tests.server_process import ROOT, environment

THREAD = "/v1/threads/thread_1"


@pytest.fixture
def headers(transactional_db, alice):
    _, secret = keys.make(alice, "tests", ("read", "write"))
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_failure_says_little_and_names_its_request_in_the_log(
    headers, monkeypatch, caplog, method
):
    def fail(user, thread_id):
        raise RuntimeError("secret detail")

    for door in ("thread", "own_thread"):
        monkeypatch.setattr(access, door, fail)
    answer = await AsyncClient().generic(method, THREAD, b"{}", headers=headers)
    assert answer.status_code == 500
    error = json.loads(answer.content)["error"]
    assert error["type"] == "server_error"
    assert "secret" not in error["message"]
    assert answer["x-request-id"] in caplog.text
    assert "secret detail" in caplog.text
    # Sent again, a creation might happen twice.
    assert answer.get("x-should-retry") == ("false" if method == "POST" else None)


@pytest.mark.django_db(transaction=True)
async def test_an_api_that_cannot_be_loaded_still_answers_in_json(
    headers, monkeypatch, caplog
):
    def fail():
        raise ImportError("no such module")

    monkeypatch.setattr(api, "_loaded", fail)
    answer = await AsyncClient().get(THREAD, headers=headers)
    assert answer.status_code == 500
    assert json.loads(answer.content)["error"]["type"] == "server_error"
    assert answer["x-request-id"] in caplog.text


def test_the_api_is_not_loaded_before_it_is_used(tmp_path):
    code = (
        "import sys; import config.asgi, config.urls, chat.urls, runs.worker; "
        "loaded = {'ninja', 'openai.types.beta', 'runs.api.urls'} & set(sys.modules); "
        "sys.exit(', '.join(loaded) or 0)"
    )
    command = [sys.executable, "-c", code]
    variables = environment(tmp_path)
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
