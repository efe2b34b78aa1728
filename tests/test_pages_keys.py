"""The settings page of API keys, as a browser without scripts and as htmx sees it."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.test import Client
from django.utils import timezone

from runs import keys
from runs.models import ApiKey, Assistant, User
from tests.pages_fixtures import HTMX, client_of, text_of

pytestmark = pytest.mark.django_db

PAGE = "/settings/keys"
SECRET = re.compile(r'value="(tm_[A-Za-z0-9_-]{43})"')
GOOD = {"name": "Nightly report", "days": "90", "scopes": ["read", "write"]}


def test_a_made_key_is_shown_once_and_works(alice: User) -> None:
    browser = client_of(alice)

    made = browser.post(PAGE, GOOD)

    secret = SECRET.search(made.content.decode())
    assert secret
    found = keys.find(secret[1])
    assert found is not None
    assert (found.owner, found.name, found.scopes) == (
        alice,
        "Nightly report",
        ["read", "write"],
    )
    assert found.expires_at is not None
    lasts = found.expires_at - found.created_at
    assert dt.timedelta(days=89) < lasts < dt.timedelta(days=91)
    assert "no-store" in made.headers["Cache-Control"]

    later = browser.get(PAGE).content.decode()
    assert secret[1] not in later
    assert secret[1][:10] in later


def test_to_htmx_only_the_fragment_is_sent(alice: User) -> None:
    browser = client_of(alice)

    made = browser.post(PAGE, GOOD, headers=HTMX)

    assert SECRET.search(made.content.decode())
    assert b"<html" not in made.content
    assert b"<html" in browser.get(PAGE).content


def test_a_key_may_last_for_ever(alice: User) -> None:
    client_of(alice).post(PAGE, {**GOOD, "days": "0"})

    assert ApiKey.objects.get().expires_at is None
    assert "never expires" in text_of(client_of(alice).get(PAGE))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": " "}, "Give it a name"),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"days": "7"}, "Select a valid choice"),
        ({"days": "x"}, "Select a valid choice"),
        ({"scopes": []}, "Allow at least one"),
        ({"scopes": ["admin"]}, "Select a valid choice"),
        ({"scopes": ["read", "root"]}, "Select a valid choice"),
    ],
)
def test_what_makes_no_sense_is_said_beside_its_field(
    alice: User, wrong: dict[str, object], words: str
) -> None:
    refused = client_of(alice).post(PAGE, GOOD | wrong)

    assert refused.status_code == 422
    assert words in text_of(refused)
    assert not ApiKey.objects.exists()


def test_only_staff_are_offered_the_scope_admin(alice: User, root: User) -> None:
    assert b'value="admin"' not in client_of(alice).get(PAGE).content
    assert b'value="admin"' in client_of(root).get(PAGE).content

    client_of(root).post(PAGE, {**GOOD, "scopes": ["read", "admin"]})

    assert ApiKey.objects.get().scopes == ["read", "admin"]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_revoked_key_works_no_more_and_stays_in_the_list(
    alice: User, headers: dict[str, str]
) -> None:
    key, secret = keys.make(alice, "Old script", ["read"])

    answer = client_of(alice).post(
        f"{PAGE}/{key.pk}/revoke", headers=headers, follow=True
    )

    assert "The key “Old script” is revoked." in text_of(answer)
    assert "revoked" in text_of(answer)
    assert keys.find(secret) is None


def test_nobody_sees_or_revokes_the_keys_of_another(
    alice: User, mallory: User, root: User
) -> None:
    key, secret = keys.make(alice, "Alice's own", ["read"])

    for other in (mallory, root):
        assert "Alice's own" not in text_of(client_of(other).get(PAGE))
        refused = client_of(other).post(f"{PAGE}/{key.pk}/revoke")
        assert refused.status_code == 404
    assert client_of(alice).post(f"{PAGE}/key_none/revoke").status_code == 404
    assert keys.find(secret) == key


def test_the_list_says_how_each_key_stands(alice: User) -> None:
    now = timezone.now()
    keys.make(alice, "Expired", ["read"], now - dt.timedelta(seconds=1))
    used, _ = keys.make(alice, "Used", ["read", "write"])
    ApiKey.objects.filter(pk=used.pk).update(last_used_at=now - dt.timedelta(hours=3))
    keys.make(alice, "Unused", ["read"], now + dt.timedelta(days=30))

    words = text_of(client_of(alice).get(PAGE))

    assert words.index("Unused") < words.index("Used active") < words.index("Expired")
    assert "Expired expired" in words
    assert re.search(r"Used active .*read, write .*used 3\s+hours ago", words)
    assert re.search(r"Unused active .*never used .*expires", words)


def test_a_key_opens_no_page_and_nobody_comes_in_unseen(alice: User) -> None:
    key, secret = keys.make(alice, "tests", ["read", "write"])
    stranger = Client(headers={"Authorization": f"Bearer {secret}"})

    for path in ("/", PAGE, "/api", "/threads", "/admin/"):
        assert stranger.get(path).status_code == 302, path
    assert stranger.post(PAGE, GOOD).status_code == 302
    assert stranger.post(f"{PAGE}/{key.pk}/revoke").status_code == 302
    assert ApiKey.objects.get().revoked_at is None


def test_a_form_of_another_site_makes_no_key(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)

    assert browser.post(PAGE, GOOD).status_code == 403
    assert not ApiKey.objects.exists()


def test_names_are_shown_as_text(alice: User) -> None:
    keys.make(alice, "<script>alert(1)</script>", ["read"])

    assert b"<script>alert" not in client_of(alice).get(PAGE).content


def test_the_menu_leads_to_the_page(alice: User) -> None:
    assert f'href="{PAGE}"'.encode() in client_of(alice).get("/").content


def test_a_key_on_a_new_installation_has_an_assistant_to_ask(alice: User) -> None:
    keys.make(alice, "first", ["read", "write"])
    assert Assistant.objects.visible_to(alice).filter(pk="asst_default").exists()
