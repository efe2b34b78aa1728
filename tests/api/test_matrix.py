"""Who may do what: every route of the API, asked with every kind of key.

A route that is not listed here fails the first test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from tests.api.conftest import Site

TEXT = {"role": "user", "content": "Hello"}
UPLOAD = {
    "files": {"file": ("notes.txt", b"Notes.", "text/plain")},
    "data": {"purpose": "assistants"},
}
TEAM = "asst_default"
NAMES = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Route:
    """One operation: what a well-formed request for it is.

    ``body`` may name ids as "{thread_id}". ``foreign`` are bodies of which each speaks of
    one object of somebody else, as "{other_file_id}".
    """

    method: str
    path: str
    body: Any = None
    upload: bool = False
    foreign: tuple[Any, ...] = field(default=())

    @property
    def names(self) -> list[str]:
        return NAMES.findall(self.path)


THREAD = "/threads/{thread_id}"
MESSAGE = THREAD + "/messages/{message_id}"
RUN = THREAD + "/runs/{run_id}"
FOREIGN_RESOURCES = {
    "tool_resources": {"code_interpreter": {"file_ids": ["{other_file_id}"]}}
}
FOREIGN_ATTACHMENT = TEXT | {
    "attachments": [
        {"file_id": "{other_file_id}", "tools": [{"type": "code_interpreter"}]}
    ]
}
FOREIGN_IMAGE = {
    "role": "user",
    "content": [{"type": "image_file", "image_file": {"file_id": "{other_file_id}"}}],
}
OWN_RUN = {"assistant_id": "{assistant_id}"}
ASKED = {"input": {"messages": [TEXT]}}

ROUTES: dict[str, Route] = {
    "create_assistant": Route(
        "POST",
        "/assistants",
        {"model": "scripted"},
        foreign=({"model": "scripted"} | FOREIGN_RESOURCES,),
    ),
    "list_assistants": Route("GET", "/assistants"),
    "retrieve_assistant": Route("GET", "/assistants/{assistant_id}"),
    "modify_assistant": Route(
        "POST", "/assistants/{assistant_id}", {}, foreign=(FOREIGN_RESOURCES,)
    ),
    "delete_assistant": Route("DELETE", "/assistants/{assistant_id}"),
    "ask_assistant": Route(
        "POST",
        "/assistants/{assistant_id}/runs",
        ASKED,
        foreign=(ASKED | {"thread_id": "{other_thread_id}"},),
    ),
    "create_thread": Route(
        "POST",
        "/threads",
        {},
        foreign=(
            FOREIGN_RESOURCES,
            {"messages": [FOREIGN_ATTACHMENT]},
            {"messages": [FOREIGN_IMAGE]},
        ),
    ),
    "list_threads": Route("GET", "/threads"),
    "retrieve_thread": Route("GET", THREAD),
    "modify_thread": Route("POST", THREAD, {}, foreign=(FOREIGN_RESOURCES,)),
    "delete_thread": Route("DELETE", THREAD),
    "create_message": Route(
        "POST",
        THREAD + "/messages",
        TEXT,
        foreign=(FOREIGN_ATTACHMENT, FOREIGN_IMAGE),
    ),
    "list_messages": Route("GET", THREAD + "/messages"),
    "retrieve_message": Route("GET", MESSAGE),
    "modify_message": Route("POST", MESSAGE, {}),
    "delete_message": Route("DELETE", MESSAGE),
    "create_thread_and_run": Route(
        "POST",
        "/threads/runs",
        OWN_RUN | {"thread": {"messages": [TEXT]}},
        foreign=(
            {"assistant_id": "{other_assistant_id}", "thread": {"messages": [TEXT]}},
            OWN_RUN | {"thread": {"messages": [FOREIGN_ATTACHMENT]}},
            OWN_RUN | {"thread": {"messages": [TEXT]}} | FOREIGN_RESOURCES,
        ),
    ),
    "create_run": Route(
        "POST",
        THREAD + "/runs",
        OWN_RUN,
        foreign=(
            {"assistant_id": "{other_assistant_id}"},
            OWN_RUN | {"additional_messages": [FOREIGN_ATTACHMENT]},
        ),
    ),
    "list_runs": Route("GET", THREAD + "/runs"),
    "retrieve_run": Route("GET", RUN),
    "modify_run": Route("POST", RUN, {}),
    "cancel_run": Route("POST", RUN + "/cancel", {}),
    "submit_tool_outputs": Route(
        "POST",
        RUN + "/submit_tool_outputs",
        {"tool_outputs": [{"tool_call_id": "call_1", "output": "x"}]},
    ),
    "follow_run": Route("GET", RUN + "/events"),
    "list_steps": Route("GET", RUN + "/steps"),
    "retrieve_step": Route("GET", RUN + "/steps/{step_id}"),
    "create_file": Route("POST", "/files", upload=True),
    "list_files": Route("GET", "/files"),
    "retrieve_file": Route("GET", "/files/{file_id}"),
    "delete_file": Route("DELETE", "/files/{file_id}"),
    "retrieve_file_content": Route("GET", "/files/{file_id}/content"),
    "list_models": Route("GET", "/models"),
    "retrieve_model": Route("GET", "/models/scripted"),
    "openapi_document": Route("GET", "/openapi.json"),
}
EVERY = pytest.mark.parametrize("name", ROUTES)
WITH_IDS = pytest.mark.parametrize("name", [n for n in ROUTES if ROUTES[n].names])
LISTS = {
    "list_assistants": "assistant_id",
    "list_threads": "thread_id",
    "list_messages": "message_id",
    "list_runs": "run_id",
    "list_steps": "step_id",
    "list_files": "file_id",
}


class World:
    """Alice has two of everything, Bob one; and somebody to ask for them."""

    def __init__(self, site: Site, http: httpx2.Client) -> None:
        self.site, self.http = site, http
        self.mine, self.my_others = self._make("alice"), self._make("alice")
        self.bobs = self._make("bob")
        cookies = self._sign_in()
        self.cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())

    def _make(self, key: str) -> dict[str, str]:
        with self.site.client(key) as client:
            assistant = client.beta.assistants.create(model="scripted")
            thread = client.beta.threads.create(messages=[TEXT])  # type: ignore[list-item]
            runs = client.beta.threads.runs
            run = runs.create_and_poll(
                thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=50
            )
            assert run.status == "completed"
            step = runs.steps.list(run.id, thread_id=thread.id).data[0]
            messages = client.beta.threads.messages.list(thread.id, order="asc")
            file = client.files.create(file=("a.txt", b"Text."), purpose="assistants")
        return {
            "assistant_id": assistant.id,
            "thread_id": thread.id,
            "message_id": messages.data[0].id,
            "run_id": run.id,
            "step_id": step.id,
            "file_id": file.id,
        }

    def _sign_in(self) -> dict[str, str]:
        with httpx2.Client(base_url=self.site.base) as browser:
            page = browser.get("/login").text
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
            assert token
            form = {"csrfmiddlewaretoken": token[1], "username": "alice"}
            form["password"] = "correct horse battery"
            answer = browser.post(
                "/login", data=form, headers={"Origin": self.site.base}
            )
            assert answer.status_code == 302
            return dict(browser.cookies)

    def ask(
        self,
        route: Route,
        ids: dict[str, str],
        *,
        key: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """Send the route's request with these ids in it."""
        headers = dict(headers or {})
        if key:
            headers["Authorization"] = f"Bearer {self.site.keys[key]}"
        more: dict[str, Any] = {"params": query} if query else {}
        if route.upload:
            more |= UPLOAD
        elif route.method == "POST":
            more["json"] = filled(route.body if body is None else body, ids)
        path = self.site.url + route.path.format(**ids)
        return self.http.request(route.method, path, headers=headers, **more)

    def snapshot(self) -> list[Any]:
        """All that Alice's first objects are, and what lists of hers hold."""
        routes = [r for n, r in ROUTES.items() if n.startswith(("retrieve", "list"))]
        answers = [self.ask(route, self.mine, key="alice") for route in routes]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.content for answer in answers]


def filled(body: Any, ids: dict[str, str]) -> Any:
    """The body with every "{name}" replaced by the id of that name."""
    if isinstance(body, dict):
        return {key: filled(value, ids) for key, value in body.items()}
    if isinstance(body, list):
        return [filled(item, ids) for item in body]
    if isinstance(body, str) and NAMES.fullmatch(body):
        return ids[body[1:-1]]
    return body


@pytest.fixture(scope="module")
def world(site: Site) -> Iterator[World]:
    with httpx2.Client(timeout=30) as http:
        yield World(site, http)


def error_of(answer: httpx2.Response) -> Any:
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-request-id"].startswith("req_")
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_every_route_is_in_the_matrix():
    import runs.api.urls  # noqa: F401, PLC0415 - loads all routes
    from runs.api.app import api  # noqa: PLC0415

    served = {}
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                assert len(operation.methods) == 1
                key = operation.methods[0], "/" + path
                served[key] = operation.view_func.__name__
    listed = {(route.method, route.path): name for name, route in ROUTES.items()}
    listed["GET", "/models/{path:model}"] = listed.pop(("GET", "/models/scripted"))
    assert served == listed


@EVERY
def test_nobody_comes_in_without_a_usable_key(world, name):
    route = ROUTES[name]
    for key in (None, "expired", "revoked"):
        answer = world.ask(route, world.mine, key=key)
        assert answer.status_code == 401, key
        assert error_of(answer)["code"] == ("invalid_api_key" if key else None)


@EVERY
def test_a_session_cookie_opens_nothing(world, name):
    headers = {"Cookie": world.cookie, "Origin": world.site.base}
    answer = world.ask(ROUTES[name], world.mine, headers=headers)
    assert answer.status_code == 401
    error_of(answer)


def test_the_session_of_that_cookie_is_good_elsewhere_and_a_key_is_not(world):
    headers = {"Cookie": world.cookie}
    page = f"{world.site.base}/t/{world.mine['thread_id']}"
    assert world.http.get(page, headers=headers).status_code == 200
    headers = {"Authorization": f"Bearer {world.site.keys['alice']}"}
    assert world.http.get(page, headers=headers).status_code == 302


@EVERY
def test_a_key_that_may_only_read_changes_nothing(world, name):
    route = ROUTES[name]
    answer = world.ask(route, world.mine, key="readonly")
    if route.method == "GET":
        assert answer.status_code == 200
    else:
        assert answer.status_code == 403
        assert error_of(answer)["code"] == "insufficient_scope"


@WITH_IDS
def test_foreign_ids_are_not_found_wherever_they_stand(world, name):
    route = ROUTES[name]
    before = world.snapshot()
    strangers = [{**world.bobs, key: world.mine[key]} for key in route.names]
    for ids in (world.mine, *strangers):
        answer = world.ask(route, ids, key="bob")
        assert answer.status_code == 404, ids
        assert error_of(answer)["message"].startswith("No ")
    assert world.snapshot() == before


@pytest.mark.parametrize("name", [n for n in ROUTES if len(ROUTES[n].names) > 1])
def test_ids_of_ones_own_are_not_found_in_another_place(world, name):
    route = ROUTES[name]
    before = world.snapshot()
    for key in route.names:
        ids = {**world.mine, key: world.my_others[key]}
        assert world.ask(route, ids, key="alice").status_code == 404, key
    assert world.snapshot() == before


@pytest.mark.parametrize("name", [n for n in ROUTES if ROUTES[n].foreign])
def test_foreign_objects_are_not_found_in_bodies_either(world, name):
    route = ROUTES[name]
    others = {f"other_{key}": value for key, value in world.mine.items()}
    before = world.snapshot()
    for body in route.foreign:
        answer = world.ask(route, world.bobs | others, key="bob", body=body)
        assert answer.status_code == 404, body
        assert error_of(answer)["message"].startswith("No ")
    assert world.snapshot() == before


@pytest.mark.parametrize("name", LISTS)
def test_lists_hold_only_ones_own_and_take_no_foreign_cursor(world, name):
    route, kind = ROUTES[name], LISTS[name]
    page = world.ask(route, world.bobs, key="bob").json()
    shown = {row["id"] for row in page["data"]}
    assert world.bobs[kind] in shown
    assert not shown & {*world.mine.values(), *world.my_others.values()}
    for cursor in ("after", "before"):
        query = {cursor: world.mine[kind]}
        answer = world.ask(route, world.bobs, key="bob", query=query)
        if answer.status_code == 200:  # files know no "before"
            assert (name, cursor) == ("list_files", "before")
        else:
            assert answer.status_code in (400, 404)


def test_a_foreign_run_has_no_messages_in_ones_own_thread(world):
    query = {"run_id": world.mine["run_id"]}
    page = world.ask(ROUTES["list_messages"], world.bobs, key="bob", query=query)
    assert page.json()["data"] == []


@pytest.mark.parametrize("name", ["modify_assistant", "delete_assistant"])
@pytest.mark.parametrize("key", ["alice", "staff"])
def test_the_teams_assistants_change_only_by_staff_with_an_admin_key(world, name, key):
    route, ids = ROUTES[name], {"assistant_id": TEAM}
    answer = world.ask(route, ids, key=key, body={"name": "Mine now"})
    assert answer.status_code == 403
    assert error_of(answer)["code"] == "insufficient_scope"
    shown = world.ask(ROUTES["retrieve_assistant"], ids, key=key)
    assert shown.json()["name"] == "Assistant"


def test_an_admin_key_of_staff_changes_the_teams_assistants(world):
    route, ids = ROUTES["modify_assistant"], {"assistant_id": TEAM}
    answer = world.ask(route, ids, key="root", body={"description": "For all."})
    assert answer.status_code == 200
    seen = world.ask(ROUTES["retrieve_assistant"], ids, key="bob")
    assert seen.json()["description"] == "For all."


def test_staff_see_no_threads_of_others_here(world):
    answer = world.ask(ROUTES["retrieve_thread"], world.mine, key="root")
    assert answer.status_code == 404
