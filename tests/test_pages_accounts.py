"""Signing in, changing a password, and the set-up link of the first account."""

from __future__ import annotations

import pytest
from django.test import Client

from chat import setup
from runs.models import User

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


def account(name: str = "alice", password: str = PASSWORD) -> dict[str, str]:
    return {"username": name, "password1": password, "password2": password}


def test_the_set_up_link_makes_a_superuser_and_signs_it_in() -> None:
    client = Client()

    response = client.post(f"/setup/{setup.token()}", account())

    assert response["Location"] == "/"
    user = User.objects.get()
    assert (user.username, user.is_staff, user.is_superuser) == ("alice", True, True)
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("password", ["short", "1234567890", "password"])
def test_the_first_password_must_be_a_good_one(password: str) -> None:
    response = Client().post(f"/setup/{setup.token()}", account(password=password))

    assert response.status_code == 200
    assert b"field-error" in response.content
    assert not User.objects.exists()


def test_the_set_up_link_ends_with_the_first_account(alice: User) -> None:
    client = Client()

    response = client.post(f"/setup/{setup.token()}", account("mallory"))

    assert response["Location"] == "/login"
    assert User.objects.count() == 1


@pytest.mark.parametrize("token", ["x", "é"])
def test_a_made_up_link_is_not_found(token: str) -> None:
    assert Client().post(f"/setup/{token}", account()).status_code == 404


def test_of_two_who_use_the_set_up_link_at_once_only_one_becomes_administrator(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([True, False])  # open when the form was read, and then no more
    monkeypatch.setattr(setup, "is_open", lambda: next(answers))

    response = Client().post(f"/setup/{setup.token()}", account("mallory"))

    assert response["Location"] == "/login"
    assert [user.username for user in User.objects.all()] == ["alice"]


def test_the_sign_in_page_points_to_the_set_up_link_until_it_is_used(db: None) -> None:
    assert b"set-up link" in Client().get("/login").content

    User.objects.create_user("alice", password=PASSWORD)

    assert b"set-up link" not in Client().get("/login").content


def test_signing_in_leads_back_to_where_one_was_going(alice: User) -> None:
    fields = {"username": "alice", "password": PASSWORD, "next": "/t/thread_x"}

    response = Client().post("/login", fields)

    assert response["Location"] == "/t/thread_x"


def test_signing_in_leads_to_no_other_site(alice: User) -> None:
    fields = {"username": "alice", "password": PASSWORD, "next": "https://evil.example"}

    response = Client().post("/login", fields)

    assert response["Location"] == "/"


def test_a_wrong_password_does_not_tell_whether_the_account_exists(alice: User) -> None:
    pages = [
        Client().post("/login", {"username": name, "password": "wrong", "next": ""})
        for name in ("alice", "nobody")
    ]

    errors = [page.context["form"].non_field_errors() for page in pages]
    assert errors[0]
    assert errors[0] == errors[1]


def test_a_password_can_be_changed(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    new = "another horse battery"
    fields = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}

    response = client.post("/password", fields, follow=True)

    assert b"Your password has been changed." in response.content
    alice.refresh_from_db()
    assert alice.check_password(new)


def test_signing_out_ends_the_session(alice: User) -> None:
    client = Client()
    client.force_login(alice)

    client.post("/logout")

    assert client.get("/").status_code == 302
