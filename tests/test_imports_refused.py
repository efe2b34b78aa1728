"""`manage.py import_assistants`: what is refused, and how it says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runs.models import Assistant, Thread, User
from tests.imports_fixtures import (
    ASSISTANT,
    THREAD,
    File,
    Import,
    message,
)
from tests.imports_fixtures import file as file
from tests.server_process import environment, manage

pytestmark = pytest.mark.django_db

WRONG = {
    "no id": ({**ASSISTANT, "id": ""}, "id: "),
    "id with a slash": ({**THREAD, "id": "../x"}, "id: "),
    "long id": ({**THREAD, "id": "x" * 65}, "id: "),
    "time as text": ({**THREAD, "created_at": "yesterday"}, "created_at: should be"),
    "time beyond the calendar": ({**THREAD, "created_at": 10**20}, "created_at: "),
    "time is true": ({**THREAD, "created_at": True}, "created_at: "),
    "hot": ({**ASSISTANT, "temperature": 3}, "temperature: "),
    "unknown tool": ({**ASSISTANT, "tools": [{"type": "retrieval"}]}, "tools.0: type"),
    "nameless function": (
        {**ASSISTANT, "tools": [{"type": "function", "function": {}}]},
        "tools.0: a function",
    ),
    "long name": ({**ASSISTANT, "name": "x" * 257}, "name: "),
    "metadata with numbers": ({**THREAD, "metadata": {"n": 1}}, "metadata.n: "),
    "17 pairs": ({**THREAD, "metadata": {str(n): "" for n in range(17)}}, "metadata: "),
    "unknown role": (message(1, role="system"), "role: "),
    "unfinished": (message(1, status="in_progress"), "status: "),
    "unknown part": (message(1, content=[{"type": "video"}]), "content.0: "),
    "part without text": (message(1, content=[{"type": "text"}]), "content.0.text"),
    "no content": (message(1, content=None), "content: "),
    "no thread": (message(1, thread_id="thread_none"), "neither here nor in the"),
    "a run": ({**THREAD, "object": "thread.run"}, "its object is 'thread.run'"),
    "nothing": ({}, "its object is None"),
    "a list as its kind": ({"object": []}, "its object is []"),
    "a number": (5, "no JSON object"),
    "half a character": ({**ASSISTANT, "name": "\ud800"}, "half a character"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_taken_is_refused_with_its_place_and_the_rest_goes_on(
    alice: User, file: File, name: str
) -> None:
    wrong, reason = WRONG[name]
    good = {**ASSISTANT, "id": "asst_good"}
    path = file([good, wrong, {**THREAD, "id": "thread_good"}])

    done = Import(path, "--owner", "alice")

    assert done.code == 1
    (refusal,) = done.refusals
    assert refusal.startswith(f"{path}:2: ")
    assert reason in refusal
    assert Assistant.objects.filter(pk="asst_good").exists()
    assert Thread.objects.filter(pk="thread_good").exists()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"object": "thread"', ["1"]),
        ("not JSON at all\n" + json.dumps(THREAD), ["1"]),
        (json.dumps(THREAD) + '\n{"id": \n' + json.dumps(ASSISTANT), ["2"]),
        ('{\n  "a": [\n}\n' + json.dumps(THREAD), ["1"]),
        (json.dumps(THREAD) + "\n" + "[" * 100_000, ["2"]),
        ('{"n": ' + "9" * 5_000 + "}", ["1"]),
        ('{"object": "list"}', ["1"]),
    ],
)
def test_broken_json_is_refused_by_its_line(
    alice: User, file: File, text: str, lines: list[str]
) -> None:
    path = file(text)

    done = Import(path, "--owner", "alice")

    assert done.code == 1
    assert [
        line.removeprefix(f"{path}:").split(":")[0] for line in done.refusals
    ] == lines


def test_a_number_beyond_all_bounds_is_refused(alice: User, file: File) -> None:
    text = json.dumps(THREAD).replace('"4711"', "1e999")

    done = Import(file(text), "--owner", "alice")

    assert "beyond all bounds" in done.refusals[0]


def test_files_that_cannot_be_read_are_refused(alice: User, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")

    done = Import(
        str(tmp_path / "none.json"), str(tmp_path / "picture.png"), str(tmp_path)
    )

    assert done.code == 1
    assert len(done.refusals) == 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(message(1))), inner, max_size=9)
    ),
    max_leaves=12,
)


@given(
    base=st.sampled_from([ASSISTANT, THREAD, message(1)]),
    change=st.dictionaries(st.sampled_from(sorted({*ASSISTANT, *message(1)})), JSON),
)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_object_however_odd_ends_in_a_traceback(
    alice: User, file: File, base: dict[str, Any], change: dict[str, Any]
) -> None:
    odd = {**base, **change, "object": base["object"]}

    done = Import(file([THREAD, odd]), "--owner", "alice")

    assert done.code in (0, 1)
    assert (done.code == 1) == bool(done.refusals)


async def test_as_a_process_it_ends_with_status_1_when_something_was_refused(
    tmp_path: Path,
) -> None:
    env = environment(tmp_path / "data")
    (tmp_path / "data").mkdir()
    path = tmp_path / "export.json"
    path.write_text(json.dumps([ASSISTANT, {"object": "thread.run"}]))
    assert (await manage("migrate", "--verbosity", "0", env=env)).code == 0

    ended = await manage("import_assistants", str(path), env=env)

    assert ended.code == 1
    assert ended.err == ""
    assert f"refused  {path}:1 [1]: its object is 'thread.run'" in ended.out
    assert "assistants  1 imported, 0 skipped" in ended.out
