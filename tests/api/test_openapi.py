"""The OpenAPI document and the page made from it: complete, true, and usable."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import openai
import pytest
from django.test import Client
from openai import OpenAI

from runs.api import examples, page
from runs.api.openapi import FAILED
from runs.models import User
from tests.api.conftest import Site

REFERENCE = re.compile(r'"\$ref": "#/components/schemas/(\w+)"')
METHODS = {"get", "post", "delete"}


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Method, path and description by the operation's id."""
    return {
        described["operationId"]: (method, path, described)
        for path, methods in page.document()["paths"].items()
        for method, described in methods.items()
    }


def test_a_key_reads_the_document_and_nobody_else_does(site: Site) -> None:
    answer = site.call("GET", "/openapi.json")

    assert answer.status_code == 200
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/v1"}]
    assert len(document["paths"]) >= 20
    assert site.call("GET", "/openapi.json", key=None).status_code == 401


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = json.dumps(page.document())

    missing = set(REFERENCE.findall(text)) - set(
        page.document()["components"]["schemas"]
    )

    assert len(REFERENCE.findall(text)) > 100
    assert missing == set()


def test_what_is_sent_and_what_is_answered_do_not_share_a_shape_by_name_only() -> None:
    schemas = page.document()["components"]["schemas"]

    for name in ("ToolResources", "FunctionTool", "CodeInterpreterTool"):
        assert schemas[f"{name}Input"]["additionalProperties"] is False
        assert schemas[name].get("additionalProperties") is not False
    reasons = [
        schemas[name]["properties"]["reason"]
        for name in ("IncompleteDetails", "MessageIncompleteDetails")
    ]
    assert "run_expired" not in json.dumps(reasons[0])
    assert "run_expired" in json.dumps(reasons[1])


def test_every_operation_says_what_it_does_and_how_it_can_fail() -> None:
    for name, (method, _, described) in operations().items():
        assert method in METHODS
        assert described["description"], name
        assert described["tags"][0] in page.ORDER, name
        assert described["responses"]["default"] == FAILED
        assert described["security"], name
        assert described["responses"][200]["content"], name


def test_every_operation_has_an_example_in_python_and_one_for_curl() -> None:
    assert set(examples.PYTHON) == set(operations())
    with_body = {
        name
        for name, (_, _, described) in operations().items()
        if "application/json" in described.get("requestBody", {}).get("content", {})
    }
    assert set(examples.BODIES) == with_body


def made_ids(client: OpenAI) -> dict[str, str]:
    """Real objects for the ids of the examples; the run is over."""
    assistant = client.beta.assistants.create(model="scripted")
    thread = client.beta.threads.create()
    message = client.beta.threads.messages.create(thread.id, role="user", content="Hi")
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id
    )
    steps = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id)
    return {
        "assistant_id": assistant.id,
        "thread_id": thread.id,
        "message_id": message.id,
        "run_id": run.id,
        "step_id": steps.data[0].id,
        "file_id": client.files.create(file=b"x", purpose="assistants").id,
        "model": "scripted",
    }


# What the run, which is over, cannot do any more.
TOO_LATE = {"cancel_run", "submit_tool_outputs"}


def in_order() -> list[str]:
    """The operations, what deletes things last and from the inside outwards."""
    described = operations()
    return sorted(
        described,
        key=lambda name: (name.startswith("delete_"), -described[name][1].count("/")),
    )


def with_ids(example: str, ids: dict[str, str]) -> str:
    for field, made_up in examples.IDS.items():
        example = example.replace(made_up, ids[field])
    return example


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the file that the examples upload."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("words")


@pytest.mark.usefixtures("notes")
def test_every_example_in_python_works(client: OpenAI) -> None:
    ids = made_ids(client)

    for name in in_order():
        example = with_ids(examples.PYTHON[name], ids)
        if name in TOO_LATE:
            with pytest.raises(openai.BadRequestError):
                exec(example, {"client": client})  # noqa: S102
        else:
            exec(example, {"client": client})  # noqa: S102


@pytest.mark.usefixtures("notes")
def test_every_example_for_curl_works(client: OpenAI, site: Site) -> None:
    ids = made_ids(client)

    statuses = {name: status_of_curl(site, name, ids) for name in in_order()}

    wrong = {
        name: status
        for name, status in statuses.items()
        if status != ("400" if name in TOO_LATE else "200")
    }
    assert wrong == {}


def status_of_curl(site: Site, name: str, ids: dict[str, str]) -> str:
    method, path, _ = operations()[name]
    command = with_ids(page.curl(site.url, path, method, name), ids)
    command = command.replace("$THREADMILL_KEY", site.keys["alice"])
    arguments = shlex.split(command.replace("\\\n", " "))
    options = ["-s", "-o", os.devnull, "-w", "%{http_code}", "--max-time", "20"]
    ended = subprocess.run(  # noqa: S603
        [*arguments, *options], capture_output=True, text=True, check=True
    )
    return ended.stdout


@pytest.mark.django_db
def test_the_page_shows_every_operation_to_who_is_signed_in(alice: User) -> None:
    browser = Client(SERVER_NAME="localhost")
    assert browser.get("/api").headers["Location"].startswith("/login")
    assert browser.get("/api/openapi.json").headers["Location"].startswith("/login")

    browser.force_login(alice)
    shown = browser.get("/api").content.decode()

    for name, (_, path, _) in operations().items():
        assert f'id="{name}"' in shown
        assert path in shown
    assert "http://localhost/v1" in shown
    assert "``" not in shown
    assert browser.get("/api/openapi.json").json() == json.loads(
        json.dumps(page.document())
    )


@pytest.mark.django_db
def test_the_page_runs_no_script_and_a_key_does_not_open_it(alice: User) -> None:
    browser = Client(SERVER_NAME="localhost")
    answer = browser.get("/api", headers={"Authorization": "Bearer tm_x"})
    assert answer.status_code == 302

    browser.force_login(alice)
    page_ = browser.get("/api")

    assert b"<script" not in page_.content
    assert "script-src 'self'" in page_.headers["Content-Security-Policy"]
