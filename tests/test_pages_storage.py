"""While the database cannot be reached, people are told so and lose nothing."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.test import Client

from runs import actions
from runs.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(actions, "post_message", fail)


def test_a_message_is_refused_beside_the_composer_that_keeps_it(
    client: Client, alice: User, away: None
) -> None:
    client.login(username="alice", password=PASSWORD)
    answer = client.post(
        "/messages", {"text": "Hello", "key": "k"}, HTTP_HX_REQUEST="true"
    )
    assert answer.status_code == 503
    assert answer["HX-Retarget"] == "#composer-error"
    assert "Your text is kept" in answer.content.decode()


def test_a_whole_page_says_that_nothing_is_lost(
    client: Client, alice: User, away: None
) -> None:
    client.login(username="alice", password=PASSWORD)
    answer = client.post("/messages", {"text": "Hello", "key": "k"})
    assert answer.status_code == 503
    assert "Nothing is lost" in answer.content.decode()
    assert answer["Retry-After"]
