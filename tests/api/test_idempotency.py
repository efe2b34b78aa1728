"""Idempotency-Key: whoever sends a creation again, or twice at once, makes one object."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.conftest import Site

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


def post(site: Site, path: str, json: Any, *, key: str, by: str = "alice") -> Any:
    headers = {"Idempotency-Key": key}
    return site.call("POST", path, key=by, json=json, headers=headers)


def test_the_same_request_again_gives_the_same_object(site):
    first, again = (post(site, "/threads", HELLO, key="again") for _ in range(2))
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    other = post(site, "/threads", HELLO, key="another")
    assert other.json()["id"] != first.json()["id"]


def test_what_is_given_again_is_as_it_is_now(site):
    made = post(site, "/assistants", {"model": "m"}, key="fresh").json()
    site.call("POST", f"/assistants/{made['id']}", json={"name": "Renamed"})
    again = post(site, "/assistants", {"model": "m"}, key="fresh").json()
    assert (again["id"], again["name"]) == (made["id"], "Renamed")
    site.call("DELETE", f"/assistants/{made['id']}")
    gone = post(site, "/assistants", {"model": "m"}, key="fresh")
    assert gone.status_code == 404


def test_a_key_is_good_for_one_request_only(site):
    assert post(site, "/threads", {}, key="once").status_code == 200
    for path, body in (("/threads", HELLO), ("/assistants", {"model": "m"})):
        answer = post(site, path, body, key="once")
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "idempotency_key_reused"


def test_two_people_may_use_the_same_key(site):
    one = post(site, "/threads", HELLO, key="shared").json()["id"]
    two = post(site, "/threads", HELLO, key="shared", by="bob").json()["id"]
    assert one != two


def test_a_request_that_failed_may_be_sent_again_mended(site):
    body = {"messages": [{"role": "user", "content": ""}]}
    assert post(site, "/threads", body, key="mended").status_code == 400
    assert post(site, "/threads", HELLO, key="mended").status_code == 200


def test_an_endless_key_is_refused(site):
    answer = post(site, "/threads", {}, key="k" * 256)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "Idempotency-Key"


@pytest.mark.parametrize("path", ["/threads", "/threads/{thread}/messages"])
def test_many_at_the_same_moment_make_one_object(client, site, path):
    thread = client.beta.threads.create().id
    body = HELLO if path == "/threads" else HELLO["messages"][0]
    path = path.format(thread=thread)
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(post, site, path, body, key=path) for _ in range(8)]
        answers = [one.result() for one in sent]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    if path != "/threads":
        assert len(client.beta.threads.messages.list(thread).data) == 1
