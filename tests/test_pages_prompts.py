"""The prompt library, as a browser without scripts sees it."""

from __future__ import annotations

import re

import pytest
from pytest_django import DjangoAssertNumQueries

from runs import prompt_library
from runs.models import Prompt, User
from tests.pages_fixtures import HTMX, client_of, text_of

pytestmark = pytest.mark.django_db

GOOD = {"name": "/Release-Note", "text": "Write about {{product}}.\r\nBriefly."}


def test_a_prompt_is_kept_changed_and_deleted(alice: User) -> None:
    browser = client_of(alice)

    assert "/release-note is kept." in text_of(
        browser.post("/prompts/new", GOOD, follow=True)
    )
    one = Prompt.objects.get()
    assert (one.name, one.text) == (
        "release-note",
        "Write about {{product}}.\nBriefly.",
    )
    form = {"name": "note", "text": "Other", "is_shared": "on"}
    browser.post(f"/prompts/{one.pk}", form)
    one.refresh_from_db()
    assert (one.name, one.text, one.is_shared) == ("note", "Other", True)
    assert "Delete /note?" in text_of(browser.get(f"/prompts/{one.pk}/delete"))
    browser.post(f"/prompts/{one.pk}/delete")
    assert not Prompt.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": ""}, "Give it a name."),
        ({"name": "two words"}, "Only letters, digits"),
        ({"name": "x" * 65}, "at most 64"),
        ({"name": "taken"}, "another prompt of this name"),
        ({"text": " "}, "Write the text."),
        ({"text": "x" * 20_001}, "at most 20000"),
    ],
)
def test_a_mistake_is_said(alice: User, wrong: dict[str, str], words: str) -> None:
    prompt_library.create(owner=alice, name="taken", text="x")

    refused = client_of(alice).post("/prompts/new", GOOD | wrong)

    assert refused.status_code == 422
    assert words in text_of(refused)
    assert Prompt.objects.count() == 1


def test_there_is_an_end_to_what_one_person_keeps(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_library, "MOST_PROMPTS", 0)
    refused = client_of(alice).post("/prompts/new", GOOD)
    assert "as many prompts as one can" in text_of(refused)


def test_others_use_what_is_shared_and_change_nothing(
    alice: User, bob: User, root: User
) -> None:
    shared = prompt_library.create(owner=bob, name="ours", text="Team", is_shared=True)
    private = prompt_library.create(owner=bob, name="mine", text="Secret")
    for user in (alice, root):
        browser = client_of(user)
        for path in ("/prompts", "/prompts/list"):
            assert "/ours" in text_of(browser.get(path))
            assert "/mine" not in text_of(browser.get(path))
        assert browser.get(f"/prompts/{shared.pk}/text").content == b"Team"
        assert browser.get(f"/prompts/{private.pk}/text").status_code == 404
        for one in (shared, private):
            assert browser.post(f"/prompts/{one.pk}", GOOD).status_code == 404
            assert browser.post(f"/prompts/{one.pk}/delete").status_code == 404
    assert Prompt.objects.count() == 2


@pytest.mark.parametrize("count", [1, 3])
def test_the_lists_are_one_query_each(
    alice: User,
    bob: User,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(count):
        prompt_library.create(owner=bob, name=f"p{number}", text="x", is_shared=True)
    browser = client_of(alice)
    for path in ("/prompts", "/prompts/list"):
        with django_assert_num_queries(3):
            assert browser.get(path).content.count(b"/p") >= count


def test_ones_own_come_first_and_markup_is_text(alice: User, bob: User) -> None:
    prompt_library.create(owner=bob, name="a", text="<img src=x>", is_shared=True)
    prompt_library.create(owner=alice, name="z", text="x")

    html = client_of(alice).get("/prompts/list", headers=HTMX).content.decode()

    assert re.findall(r'data-name="(\w+)"', html) == ["z", "a"]
    assert "<img" not in html
