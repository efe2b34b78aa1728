"""How lists are paged: order, cursors, ends."""

from __future__ import annotations

from typing import Any

import pytest

from runs.api import lists, objects
from runs.models import Assistant
from tests.api.conftest import Site


@pytest.fixture(scope="module")
def ids(site):
    """Assistants of Bob's, made in this order, many within a second."""
    with site.client("bob") as bob:
        return [bob.beta.assistants.create(model=str(n)).id for n in range(7)]


def page(site: Site, **query: Any) -> tuple[list[str], bool]:
    answer = site.call("GET", "/assistants", key="bob", params=query)
    assert answer.status_code == 200
    listed = answer.json()
    assert listed["object"] == "list"
    shown = [row["id"] for row in listed["data"]]
    if shown:
        assert (listed["first_id"], listed["last_id"]) == (shown[0], shown[-1])
    else:
        assert (listed["first_id"], listed["last_id"]) == (None, None)
    return shown, listed["has_more"]


def test_the_newest_come_first_unless_told_otherwise(site, ids):
    assert page(site, limit=3) == (ids[:-4:-1], True)
    shown, _ = page(site, order="asc", limit=100)
    assert [key for key in shown if key in ids] == ids


def test_after_gives_what_follows_and_the_last_page_says_so(site, ids):
    assert page(site, after=ids[4], limit=2) == ([ids[3], ids[2]], True)
    assert page(site, order="asc", after=ids[4], limit=2) == (ids[5:], False)
    assert page(site, order="asc", after=ids[6]) == ([], False)


def test_before_gives_what_comes_just_ahead(site, ids):
    assert page(site, before=ids[2], limit=2) == ([ids[4], ids[3]], True)
    assert page(site, before=ids[5], limit=2) == ([ids[6]], False)
    assert page(site, order="asc", before=ids[4], limit=2) == (ids[2:4], True)


def test_both_cursors_bound_the_page(site, ids):
    shown = page(site, order="asc", after=ids[1], before=ids[5], limit=10)
    assert shown == (ids[2:5], False)


def test_the_client_walks_all_pages_by_itself(site, ids):
    with site.client("bob") as bob:
        walked = [row.id for row in bob.beta.assistants.list(limit=2)]
    assert [key for key in walked if key in ids] == ids[::-1]
    assert len(walked) == len(set(walked))


@pytest.mark.parametrize(
    ("query", "message", "param", "code"),
    [
        (
            {"limit": "0"},
            "Invalid 'limit': integer below minimum value. Expected a value >= 1, but "
            "got 0 instead.",
            "limit",
            "integer_below_min_value",
        ),
        (
            {"limit": "101"},
            "Invalid 'limit': integer above maximum value. Expected a value <= 100, but "
            "got 101 instead.",
            "limit",
            "integer_above_max_value",
        ),
        (
            {"limit": "many"},
            "Invalid type for 'limit': expected an integer, but got a string instead.",
            "limit",
            "invalid_type",
        ),
        (
            {"order": "up"},
            "Invalid value: 'up'. Supported values are: 'asc' and 'desc'.",
            "order",
            "invalid_value",
        ),
    ],
)
def test_what_a_list_cannot_take_is_named(site, query, message, param, code):
    answer = site.call("GET", "/assistants", params=query)
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }


@pytest.mark.parametrize("cursor", ["asst_unknown", "\0", "x" * 100])
def test_an_unknown_cursor_is_not_found(site, cursor):
    for name in ("after", "before"):
        answer = site.call("GET", "/assistants", params={name: cursor})
        assert answer.status_code == 404


def test_a_page_costs_one_query_and_one_more_for_each_cursor(
    alice, django_assert_num_queries
):
    rows = [Assistant.objects.create(owner=alice) for _ in range(4)]
    mine = Assistant.objects.visible_to(alice)
    for count, query in (
        (1, lists.ListQuery(limit=2)),
        (2, lists.ListQuery(after=rows[2].pk)),
        (3, lists.ListQuery(after=rows[3].pk, before=rows[0].pk)),
    ):
        with django_assert_num_queries(count):
            assert lists.page(mine, query, show=objects.assistant)["data"]
