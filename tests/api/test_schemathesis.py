"""A storm of made-up requests: each answer is one that the document describes, and what
is stored afterwards obeys the laws of runs and threads.

STORM is the number of rounds, each of some 400 requests, and STORM_SEED which ones. By
hand: `STORM=50 .venv/bin/python -m pytest tests/api/test_schemathesis.py -s`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from openai import BadRequestError
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from runs.models import ACTIVE
from tests.api.conftest import Site, serving
from tests.api.run_helpers import ENDED, ONE_CALL, STALLED, WEATHER, until
from tests.model_server import ModelServer, Script

STORM = int(os.environ.get("STORM", "1"))
SEED = int(os.environ.get("STORM_SEED", "1"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
NO_KEYS = ["", "Bearer", "Bearer tm_x", "Basic YTpi", "tm_", "Bearer " + "x" * 9_000]
FOLLOWS = "follow_run"  # lasts as long as its run
EXAMPLES = 5  # for each operation, of valid requests and of invalid ones, in a round
OFTEN = {"create_run": 20, "create_thread_and_run": 10, "submit_tool_outputs": 20}
MOST_KNOWN = 8  # of each kind, so that many requests meet at the same objects
LEAST_KNOWN = 3
SCRIPTS = [Script(), Script(), ONE_CALL, STALLED]

# The kind of an object -> what names it in addresses, and where that stands in it.
NAMES = {
    "assistant": {"assistant_id": "id"},
    "thread": {"thread_id": "id"},
    "thread.message": {"thread_id": "thread_id", "message_id": "id"},
    "thread.run": {"thread_id": "thread_id", "run_id": "id"},
    "thread.run.step": {"thread_id": "thread_id", "run_id": "run_id", "step_id": "id"},
    "file": {"file_id": "id"},
    "model": {"model": "id"},
}


class Known:
    """The objects that answers have told of, for later requests to name."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._of: dict[frozenset[str], list[dict[str, str]]] = defaultdict(list)

    def learn(self, told: Any) -> None:
        if not isinstance(told, dict):
            return
        for one in told.get("data") or [told]:
            if names := NAMES.get(one.get("object", "")):
                found = {name: one[key] for name, key in names.items()}
                known = self._of[frozenset(names)]
                known[:] = [*(k for k in known if k != found), found][-MOST_KNOWN:]

    def forget(self, names: dict[str, str]) -> None:
        """Objects with these names, and what is in them, are no more."""
        for known in self._of.values():
            known[:] = [k for k in known if not names.items() <= k.items()]

    def count(self, *names: str) -> int:
        return len(self._of[frozenset(names)])

    def all(self, *names: str) -> list[dict[str, str]]:
        return list(self._of[frozenset(names)])

    def named(self, *names: str) -> dict[str, str]:
        """What these names may be, together; empty where nothing is known."""
        known = self._of[frozenset(names)]
        return self._chance.choice(known) if known else {}


class Key(requests.auth.AuthBase):
    def __init__(self, sent: str) -> None:
        self._sent = sent

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = self._sent
        return request


class Storm:
    """Sends cases, most of them about real objects, and checks what is answered."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.chance = random.Random(SEED)  # noqa: S311
        self.known = Known(self.chance)
        self.session = requests.Session()
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        self.failures: dict[tuple[str, str], str] = {}
        self.with_gaps: set[str] = set()

    def mostly(self) -> bool:
        return self.chance.random() < 0.9

    def send(self, case: Any) -> None:
        self.provide()
        name = case.operation.definition.raw["operationId"]
        self.aim(name, case)
        named = dict(case.path_parameters)
        has_key = self.mostly()
        key = f"Bearer {self.site.keys['alice']}"
        sent = key if has_key else self.chance.choice(NO_KEYS)
        self.session.auth = Key(sent)  # last, over what the case has
        try:
            answer = case.call(base_url=self.site.url, session=self.session, timeout=30)
        except requests.RequestException as error:  # The rest is worth knowing, too.
            self.failures[name, "no answer"] = f"{case.as_curl_command()}: {error!r}"
            return
        self.statuses[name][answer.status_code] += 1
        self.check(name, case, answer)
        is_nowhere = b'"unknown_url"' in answer.content  # told without a key, too
        if has_key == (answer.status_code == 401) and not is_nowhere:
            self.failures[name, "key"] = f"{sent!r} gave {answer.status_code}"
        if answer.status_code == 200 and name.startswith("delete_"):
            self.known.forget(named)
            if name == "delete_message":
                self.with_gaps.add(named["thread_id"])
        elif answer.headers.get("Content-Type") == "application/json; charset=utf-8":
            self.known.learn(answer.json())

    def check(self, name: str, case: Any, answer: Any) -> None:
        """Whether it is one that the document describes; failures are kept for the end."""
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                first = str(failure).partition("\n")[0]
                self.failures.setdefault((name, first), str(group))

    def aim(self, name: str, case: Any) -> None:
        """Let the case name real objects, and be answered at once."""
        spared = name.startswith("delete_") and self.chance.random() < 0.7
        if name != FOLLOWS and not spared and self.mostly():
            case.path_parameters.update(self.known.named(*case.path_parameters))
        if name == "cancel_run" and self.mostly():
            case.path_parameters.update(self.run_that(*ACTIVE))
        body = case.body
        if not isinstance(body, dict):
            return
        for field in ("stream", "wait"):
            if body.get(field) is True:
                body[field] = False
        if name == "ask_assistant":
            body["wait"] = False
        if name == "submit_tool_outputs" and self.mostly():
            case.path_parameters.update(self.run_that("requires_action"))
            body["tool_outputs"] = [{"tool_call_id": WEATHER.id, "output": "sun"}]
        self.aim_within(body)

    def run_that(self, *statuses: str) -> dict[str, str]:
        """The names of a known run that has one of these statuses, if there is one."""
        for one in self.known.all("thread_id", "run_id"):
            path = f"/threads/{one['thread_id']}/runs/{one['run_id']}"
            if self.site.call("GET", path).json().get("status") in statuses:
                return one
        return {}

    def aim_within(self, body: Any) -> None:
        if isinstance(body, list):
            for item in body:
                self.aim_within(item)
        if not isinstance(body, dict):
            return
        for field, value in body.items():
            if field in ("assistant_id", "thread_id", "file_id") and self.mostly():
                body[field] = self.known.named(field).get(field, value)
            elif field == "file_ids" and isinstance(value, list) and self.mostly():
                body[field] = [self.known.named("file_id").get("file_id")] * len(value)
            else:
                self.aim_within(value)

    def provide(self) -> None:
        """Whatever is deleted comes again."""
        beta = self.client.beta
        while self.known.count("assistant_id") < LEAST_KNOWN:
            assistant = beta.assistants.create(model="scripted", instructions="Hi")
            self.known.learn(assistant.to_dict())
        while self.known.count("file_id") < LEAST_KNOWN:
            file = self.client.files.create(file=b"x", purpose="assistants")
            self.known.learn(file.to_dict())
        while self.known.count("thread_id") < LEAST_KNOWN:
            question: Any = {"role": "user", "content": "Hello?"}
            thread = beta.threads.create(messages=[question])
            self.known.learn(thread.to_dict())
            self.known.learn(beta.threads.messages.list(thread.id).to_dict())
        while self.known.count("thread_id", "run_id") < LEAST_KNOWN:
            with_it: Any = self.known.named("assistant_id")
            run = beta.threads.create_and_run(instructions="Hi", **with_it)
            self.known.learn(run.to_dict())

    def __enter__(self) -> Storm:
        self.client = self.site.client()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.session.close()


Drawn = tuple[st.SearchStrategy[Any], int]  # and how many examples of it


def strategies(document: Any) -> list[Drawn]:
    """For each operation two: requests that the document allows, and others."""
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig())
    made = []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        often = OFTEN.get(operation.definition.raw["operationId"], EXAMPLES)
        for mode, count in (
            (GenerationMode.POSITIVE, often),
            (GenerationMode.NEGATIVE, EXAMPLES),
        ):
            made.append((operation.as_strategy(generation_mode=mode), count))
    return made


def rage(storm: Storm, drawn: list[Drawn], seed: int) -> None:
    """One round, the operations in any order."""
    storm.chance.shuffle(drawn)
    for strategy, count in drawn:

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(strategy)
        def send(case: Any) -> None:
            storm.send(case)

        send()


@pytest.fixture(scope="module")
def stormy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server of its own; its model server answers, asks for calls, and stalls."""
    with ModelServer(Script()) as model:
        model.enqueue(*SCRIPTS * 10 * STORM)
        with serving(tmp_path_factory.mktemp("storm"), model) as site:
            yield site


# The laws, looked at beside the server in its own database.
LAWS = """
from django.db import transaction
from django.utils import timezone
from runs.models import Run, RunStatus, Thread
from tests.scripts import assert_rows_are_fold_of_log
WAITING = (RunStatus.QUEUED, RunStatus.REQUIRES_ACTION)
for key in Run.objects.values_list("pk", flat=True):
    with transaction.atomic():
        run = Run.objects.get(pk=key)
        # Text is in the row only at the end, and what was deleted still in the log.
        if not run.is_active and run.thread_id not in WITH_GAPS:
            assert_rows_are_fold_of_log(run)
        is_held = run.lease_until and run.lease_until > timezone.now()
        assert not run.is_active or run.status in WAITING or is_held, key
for thread in Thread.objects.all():
    rows = thread.messages.order_by("number").values_list("number", "parent__number")
    numbers = [number for number, _ in rows]
    if thread.pk not in WITH_GAPS:
        assert numbers == [*range(1, len(numbers) + 1)], (thread.pk, numbers)
    assert all(parent is None or parent < number for number, parent in rows), thread.pk
active = Run.objects.active().values_list("thread_id", "pk")
print("LEFT", json.dumps({"runs": Run.objects.count(), "active": [*active]}))
"""


def left_lawful(storm: Storm) -> dict[str, Any]:
    """How many runs there are, and which are active, if all is as it must be."""
    said = storm.site.shell(f"import json\nWITH_GAPS = {storm.with_gaps}\n{LAWS}")
    found: dict[str, Any] = json.loads(said.partition("LEFT ")[2])
    return found


def stop_all(storm: Storm, active: list[tuple[str, str]]) -> None:
    """Cancel these runs, and see them end."""
    runs = storm.client.beta.threads.runs
    for thread, key in active:
        with contextlib.suppress(BadRequestError):  # It has just ended by itself.
            runs.cancel(key, thread_id=thread)
    for thread, key in active:
        until(storm.client, runs.retrieve(key, thread_id=thread), *ENDED)


@pytest.mark.timeout(60 + 60 * STORM)
def test_no_request_breaks_the_document_or_what_is_stored(stormy: Site) -> None:
    drawn = strategies(stormy.call("GET", "/openapi.json").json())
    with Storm(stormy) as storm:
        for number in range(STORM):
            rage(storm, drawn, SEED * 1000 + number)

        print(json.dumps(storm.statuses))  # noqa: T201 - for who runs it by hand
        assert not storm.failures, "\n\n".join(map(str, storm.failures.items()))
        left = left_lawful(storm)
        assert left["runs"] > 10
        stop_all(storm, left["active"])
        assert left_lawful(storm)["active"] == []
