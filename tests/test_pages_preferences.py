"""Preferences, the palette and the manifest: small pages that everybody has."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from runs.models import User
from tests.pages_fixtures import client_of, exchange, text_of

pytestmark = pytest.mark.django_db

PAGE = "/settings"
CHOSEN = {"theme": "dark", "language": "de", "send_key": "mod-enter"}


def test_what_was_chosen_holds_on_every_page(alice: User) -> None:
    browser = client_of(alice)

    saved = browser.post(PAGE, CHOSEN)

    assert saved.status_code == 302
    chat = browser.get("/").content.decode()
    assert '<html lang="de" data-theme="dark">' in chat
    assert 'data-send-key="mod-enter"' in chat
    assert '<meta name="color-scheme" content="dark">' in chat


@pytest.mark.parametrize(
    "wrong", [{"theme": "pink"}, {"language": "xx"}, {"send_key": ""}]
)
def test_what_does_not_exist_can_not_be_chosen(
    alice: User, wrong: dict[str, str]
) -> None:
    answer = client_of(alice).post(PAGE, CHOSEN | wrong)

    assert answer.status_code == 422
    alice.refresh_from_db()
    assert alice.theme == ""


def test_a_language_of_ones_own_wins_over_the_browsers(alice: User) -> None:
    alice.language = "en"
    alice.save(update_fields=["language"])

    page = client_of(alice).get("/", headers={"Accept-Language": "de"})

    assert '<html lang="en"' in page.content.decode()


def test_a_stranger_reads_the_sign_in_page_in_the_browsers_language() -> None:
    page = Client().get("/login", headers={"Accept-Language": "de"})

    assert '<html lang="de"' in page.content.decode()


def test_the_palette_finds_threads_by_the_words_of_their_titles(
    alice: User, mallory: User
) -> None:
    mine = exchange(alice, None, 1)
    theirs = exchange(mallory, None, 1)

    found = client_of(alice).get("/palette?q=1+quest").content.decode()

    assert mine.get_absolute_url() in found
    assert theirs.get_absolute_url() not in found


def test_the_palette_costs_one_query_beside_the_sign_in(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = client_of(alice)
    for number in range(3):
        exchange(alice, None, number)

    with django_assert_num_queries(3):
        page = browser.get("/palette")

    assert "Preferences" in text_of(page)


def test_only_staff_finds_the_runs_in_the_palette(alice: User, root: User) -> None:
    assert "/admin/" not in client_of(alice).get("/palette").content.decode()
    assert "/admin/runs/run/" in client_of(root).get("/palette").content.decode()


def test_the_manifest_names_icons_that_exist(client: Client) -> None:
    manifest = json.loads(client.get("/manifest.webmanifest").content)

    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        assert client.get(icon["src"]).status_code == 200, icon["src"]


def test_static_text_travels_packed(client: Client) -> None:
    page = client.get("/login").content.decode()
    style = page.split('rel="stylesheet" href="')[1].split('"')[0]

    plain = client.get(style, headers={"Accept-Encoding": "identity"})
    packed = client.get(style, headers={"Accept-Encoding": "gzip, br"})

    assert packed["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed["Vary"]
    assert len(packed.content) < len(plain.content) / 2
    assert int(packed["Content-Length"]) == len(packed.content)
