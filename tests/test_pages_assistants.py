"""Assistants in the browser: the gallery, the form, choosing, and a thread's parameters."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from runs import actions, assistants, offers
from runs.models import Assistant, Run, Thread, User
from runs.overrides import Overrides
from runs.providers import Offered
from tests.pages_fixtures import HTMX, client_of, text_of

pytestmark = pytest.mark.django_db

GOOD = {
    "name": "Weather",
    "description": "Knows the sky.",
    "colour": "blue",
    "instructions": "Be brief.\r\nAlways.",
    "starters": ["Will it rain?", " ", "How  warm is it?"],
    "model": "any-name",
    "temperature": "0.2",
    "format": "text",
    "functions": '[{"name": "get_weather", "parameters": {"type": "object"}}]',
    "schema": "",
}


def made(owner: User, name: str = "Own", **columns: Any) -> Assistant:
    return assistants.create(owner=owner, name=name, **columns)


def team(name: str = "Team") -> Assistant:
    return Assistant.objects.create(name=name)


def test_an_assistant_is_what_was_filled_in(alice: User) -> None:
    answer = client_of(alice).post("/assistants/new", GOOD)

    assert answer.status_code == 302
    one = Assistant.objects.get(name="Weather")
    assert (one.owner, one.is_shared, one.colour) == (alice, False, "blue")
    assert one.instructions == "Be brief.\nAlways."
    assert one.starters == ["Will it rain?", "How warm is it?"]
    assert (one.model, one.temperature, one.top_p) == ("any-name", 0.2, None)
    assert one.response_format is None
    function = {"name": "get_weather", "parameters": {"type": "object"}}
    assert one.tools == [{"type": "function", "function": function}]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": " "}, "Give it a name."),
        ({"name": "x" * 257}, "at most 256 characters"),
        ({"temperature": "2.1"}, "less than or equal to 2"),
        ({"top_p": "-1"}, "greater than or equal to 0"),
        ({"reasoning_effort": "huge"}, "Select a valid choice"),
        ({"colour": "url(x)"}, "Select a valid choice"),
        ({"tools": ["shell"]}, "Select a valid choice"),
        ({"starters": ["x"] * 7}, "At most 6."),
        ({"starters": ["x" * 301]}, "longer than 300 characters"),
        ({"functions": '[\n {"name" "x"}\n]'}, "Line 2, column 10: Expecting"),
        ({"functions": "[NaN]"}, "NaN is not JSON."),
        ({"functions": "[" * 100_000}, "nested too deep"),
        ({"functions": '"x"'}, "must be a list of functions"),
        ({"functions": "\n\n[3]"}, "Line 3, [0]: this must be an object"),
        (
            {"functions": '[{"name": "a"},\n {"name": "b c"}]'},
            "Line 2, [1].name: only letters",
        ),
        ({"functions": '{"name": "a", "size": 1}'}, "Line 1, size: there is no such"),
        (
            {"functions": '{"type": "function",\n"function": {}}'},
            "Line 2, function.name: this is missing.",
        ),
        (
            {"functions": '{"name": "a", "parameters":\n {"properties":\n {"x": 3}}}'},
            "Line 3, parameters.properties.x: 3 is not of types",
        ),
        (
            {"functions": '{"name": "a",\n "parameters": {"type": "strin"}}'},
            "Line 2, parameters.type: a type is one of",
        ),
        ({"format": "json_schema"}, "Say which schema"),
        (
            {"format": "json_schema", "schema": '{"schema": {},\n"strict": 1}'},
            "Line 2, strict: this must be true or false.",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_nothing_is_lost(
    alice: User, wrong: dict[str, Any], words: str
) -> None:
    refused = client_of(alice).post("/assistants/new", GOOD | wrong)

    assert refused.status_code == 422
    assert words in text_of(refused).replace("&quot;", '"').replace("&#x27;", "'")
    assert b"Knows the sky." in refused.content
    assert not Assistant.objects.filter(description="Knows the sky.").exists()


def test_a_change_keeps_the_tools_that_the_form_does_not_show(alice: User) -> None:
    search = {"type": "file_search", "file_search": {"max_num_results": 3}}
    other = {"type": "something_new"}
    one = made(alice, tools=[search, other], model="m")
    form = GOOD | {"tools": ["file_search"], "functions": "", "format": "json_object"}

    assert client_of(alice).post(f"/assistants/{one.pk}", form).status_code == 302

    one.refresh_from_db()
    assert one.tools == [search, other]
    assert one.response_format == {"type": "json_object"}
    client_of(alice).post(f"/assistants/{one.pk}", form | {"tools": []})
    one.refresh_from_db()
    assert one.tools == [other]


def test_the_form_shows_what_is_stored(alice: User) -> None:
    answer = {"name": "answer", "schema": {"type": "object"}, "strict": True}
    one = made(
        alice,
        response_format={"type": "json_schema", "json_schema": answer},
        top_p=0.5,
        starters=["Begin"],
    )
    html = client_of(alice).get(f"/assistants/{one.pk}").content.decode()

    assert 'value="0.5"' in html
    assert 'value="Begin"' in html
    assert "&quot;strict&quot;: true" in html
    assert re.search(r'value="json_schema"\s+selected', html)


def test_who_may_see_use_change_and_copy(alice: User, bob: User, root: User) -> None:
    private, shared, teams = made(bob), made(bob, is_shared=True), team()
    own = made(alice)
    member, staff = client_of(alice), client_of(root)

    def codes(browser: Client, one: Assistant) -> list[int]:
        use = browser.get(f"/?assistant={one.pk}")
        change = browser.post(f"/assistants/{one.pk}", {})
        ask = browser.get(f"/assistants/{one.pk}/delete")
        copy = browser.post(f"/assistants/{one.pk}/duplicate")
        return [answer.status_code for answer in (use, change, ask, copy)]

    assert codes(member, private) == [404, 404, 404, 404]
    assert codes(member, shared) == [200, 404, 404, 302]
    assert codes(member, teams) == [200, 404, 404, 302]
    assert codes(member, own) == [200, 422, 200, 302]
    assert codes(staff, private) == [404, 404, 404, 404]
    assert codes(staff, shared) == [200, 404, 404, 302]
    assert codes(staff, teams) == [200, 422, 200, 302]
    for one in (private, shared, teams):
        assert member.post(f"/assistants/{one.pk}/delete").status_code == 404
        assert Assistant.objects.filter(pk=one.pk).exists()


def test_a_copy_is_ones_own_and_takes_no_files_of_others(
    alice: User, bob: User
) -> None:
    files = {"code_interpreter": {"file_ids": ["file_1"]}}
    one = made(bob, "Bob's", is_shared=True, starters=["Hi"], tool_resources=files)

    client_of(alice).post(f"/assistants/{one.pk}/duplicate")
    client_of(bob).post(f"/assistants/{one.pk}/duplicate")

    copy, own = (
        Assistant.objects.get(owner=p, name="Copy of Bob's") for p in (alice, bob)
    )
    assert (copy.starters, copy.is_shared, copy.tool_resources) == (["Hi"], False, {})
    assert own.tool_resources == files


def test_deleting_asks_first_and_threads_stay(alice: User) -> None:
    one, browser = made(alice), client_of(alice)
    run = actions.post_message(user=alice, text="Hello", assistant=one)

    assert "Delete “Own”?" in text_of(browser.get(f"/assistants/{one.pk}/delete"))
    asked = browser.get(f"/assistants/{one.pk}/delete", headers=HTMX)
    assert b"<html" not in asked.content
    gone = browser.post(f"/assistants/{one.pk}/delete", follow=True)

    assert "“Own” is deleted." in text_of(gone)
    assert Run.objects.get(pk=run.pk).assistant_name == "Own"
    assert browser.get(f"/t/{run.thread_id}").status_code == 200


def test_the_gallery_finds_and_says_when_there_is_nothing(
    alice: User, bob: User
) -> None:
    browser = client_of(alice)
    assert "Make the first" in text_of(browser.get("/assistants"))
    made(alice, "Zebra", description="Stripes")
    made(bob, "apple", is_shared=True)
    made(bob, "Hidden")
    team("Crane")

    words = text_of(browser.get("/assistants"))
    assert words.index("apple") < words.index("Crane") < words.index("Zebra")
    assert "Hidden" not in words
    found = browser.get("/assistants", {"q": "STRIPES"}, headers=HTMX)
    assert "Zebra" in text_of(found)
    assert "apple" not in text_of(found)
    assert b"<html" not in found.content
    assert "Nothing matches “\0x”" in text_of(browser.get("/assistants", {"q": "\0x"}))
    for whose, name in (("mine", "Zebra"), ("team", "Crane"), ("shared", "apple")):
        html = browser.get("/assistants", {"whose": whose}).content.decode()
        assert re.findall(r'class="assistant-link"[^>]*>([^<]+)', html) == [name]


@pytest.mark.parametrize("count", [1, 3])
def test_the_pages_take_the_same_queries_however_many_there_are(
    alice: User,
    bob: User,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(count):
        one = made(bob, f"Shared {number}", is_shared=True)
        actions.post_message(user=alice, text="Hello", assistant=one)
    browser = client_of(alice)

    with django_assert_num_queries(3):  # session, user, assistants
        browser.get("/assistants")
    with django_assert_num_queries(5):  # and recent threads, used ones, others
        browser.get("/assistants/pick", headers=HTMX)
    with django_assert_num_queries(5):  # threads pinned and others, the assistant
        browser.get(f"/?assistant={one.pk}")


def test_the_gallery_pages_on(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.pieces.PIECE", 2)
    for name in ("b", "A", "c", "C", "d"):
        made(alice, name)
    browser, path, seen = client_of(alice), "/assistants", list[str]()
    while path:
        html = browser.get(path, headers=HTMX).content.decode()
        seen += re.findall(r'class="assistant-link"[^>]*>([^<]+)', html)
        found = re.search(r'hx-get="(/assistants\?[^"]*after[^"]*)"', html)
        path = found[1].replace("&amp;", "&") if found else ""

    assert sorted(seen) == ["A", "C", "b", "c", "d"]
    assert [name.lower() for name in seen] == ["a", "b", "c", "c", "d"]


# A new chat, and threads


def test_a_new_chat_shows_the_starters_and_goes_to_the_assistant(alice: User) -> None:
    one = made(alice, description="Knows the sky.", starters=["Will it <rain>?"])
    browser = client_of(alice)
    page = browser.get(f"/?assistant={one.pk}")

    assert "Knows the sky." in text_of(page)
    assert 'data-suggestion="Will it &lt;rain&gt;?"' in page.content.decode()
    assert "HTTP caching" not in text_of(page)
    browser.post("/messages", {"text": "Hello", "key": "k", "assistant": one.pk})
    assert Run.objects.get().assistant == one
    assert Thread.objects.get().assistant == one


def test_nobody_asks_an_assistant_of_another(alice: User, bob: User) -> None:
    one = made(bob)
    thread = actions.post_message(user=alice, text="Hello").thread
    browser = client_of(alice)
    wanted = {"assistant": one.pk}

    asked = browser.post("/messages", {"text": "Hi", "key": "k", **wanted})
    chosen = browser.post(f"/t/{thread.pk}/assistant", wanted)
    set_for = browser.post(f"/t/{thread.pk}/parameters", wanted)

    assert {asked.status_code, chosen.status_code, set_for.status_code} == {404}
    assert Run.objects.count() == 1


def test_one_that_is_shared_no_more_answers_no_more(alice: User, bob: User) -> None:
    one = made(bob, is_shared=True, instructions="Secret")
    run = actions.post_message(user=alice, text="Hello", assistant=one)
    actions.cancel(run=run, user=alice)
    assistants.change(one, is_shared=False)

    again = actions.post_message(user=alice, text="Again", thread=run.thread)

    assert again.assistant_name == "Assistant"
    assert again.setup.instructions == ""


def test_who_answers_next_can_be_chosen_in_a_thread(alice: User) -> None:
    run = actions.post_message(user=alice, text="Hello")
    actions.cancel(run=run, user=alice)
    one = made(alice, "Next")

    answer = client_of(alice).post(
        f"/t/{run.thread_id}/assistant", {"assistant": one.pk}, headers=HTMX
    )

    assert "Next" in text_of(answer)
    assert answer["HX-Trigger"] == "dialog:close"
    thread = Thread.objects.get()
    assert actions.post_message(user=alice, text="And?", thread=thread).assistant == one


def test_parameters_of_a_thread_go_before_the_assistants(alice: User) -> None:
    one = made(alice, model="a", temperature=1.0, instructions="Be kind.")
    run = actions.post_message(user=alice, text="Hello", assistant=one)
    actions.cancel(run=run, user=alice)
    browser, path = client_of(alice), f"/t/{run.thread_id}/parameters"
    form = {"model": "b", "temperature": "0", "instructions": "Be brief."}

    wrong = browser.post(path, form | {"top_p": "2"}, headers=HTMX)
    assert (wrong.status_code, wrong["HX-Retarget"]) == (422, "#dialog")
    head = browser.post(path, form, headers=HTMX)
    assert b"data-special" in head.content
    next_one = actions.post_message(
        user=alice, text="And?", thread=Thread.objects.get()
    )

    assert (next_one.model, next_one.temperature, next_one.top_p) == ("b", 0.0, None)
    assert next_one.setup.instructions == "Be kind.\nBe brief."
    actions.cancel(run=next_one, user=alice)
    told = Overrides(model="c", temperature=0.7, instructions="Be loud.")
    explicit = actions.create_run(
        thread=Thread.objects.get(), assistant=one, user=alice, answers=None, over=told
    )
    assert (explicit.model, explicit.temperature) == ("c", 0.7)
    assert explicit.setup.instructions == "Be loud."


def test_parameters_as_the_assistant_has_them_are_no_mark(alice: User) -> None:
    one = made(alice, model="a", temperature=0.5)
    run = actions.post_message(user=alice, text="Hello", assistant=one)
    browser, path = client_of(alice), f"/t/{run.thread_id}/parameters"

    same = browser.post(path, {"model": "a", "temperature": "0.5"}, headers=HTMX)

    assert b"data-special" not in same.content
    assert Thread.objects.get().parameters == {"model": "a", "temperature": 0.5}
    browser.post(path, {}, headers=HTMX)
    assert Thread.objects.get().parameters == {}


def test_the_parameters_of_a_foreign_thread_are_not_found(
    alice: User, mallory: User
) -> None:
    thread = actions.post_message(user=alice, text="Hello").thread
    browser = client_of(mallory)
    for path in (f"/t/{thread.pk}/parameters", f"/assistants/pick?thread={thread.pk}"):
        assert browser.get(path).status_code == 404
    assert browser.post(f"/t/{thread.pk}/assistant", {}).status_code == 404


def test_models_are_suggested_and_a_server_that_is_away_is_said(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = Offered(models={"org/small": "a"}, away=["b"])
    monkeypatch.setattr(offers.offer, "now", lambda: offered)

    answer = client_of(alice).get("/assistants/models")

    assert b'<option value="org/small">' in answer.content
    assert "cannot be reached just now" in text_of(answer)
