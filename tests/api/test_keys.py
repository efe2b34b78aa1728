"""API keys: who may have which, what is kept of them, and when they stop working."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import openai
import pytest
from django.utils import timezone

from runs import keys
from runs.models import ApiKey, User
from tests.api.conftest import Site, run_manage
from tests.server_process import environment, manage

SECRET = re.compile(r"^tm_[A-Za-z0-9_-]{43}$")

in_database = pytest.mark.django_db


@in_database
def test_a_secret_has_256_random_bits_and_only_its_hash_is_kept(alice: User) -> None:
    key, secret = keys.make(alice, "tests", ["read"])

    assert SECRET.match(secret)
    stored = ApiKey.objects.filter(pk=key.pk).values().get()
    assert secret not in repr(stored)
    assert stored["prefix"] == secret[:10]
    assert len(stored["digest"]) == 64


@in_database
def test_a_key_is_found_by_its_secret_alone(alice: User) -> None:
    key, secret = keys.make(alice, "tests", ["read"])

    assert keys.find(secret) == key
    for wrong in (
        secret[:-1],
        secret + "x",
        key.digest,
        key.prefix,
        "",
        "\0",
        "\ud800",
    ):
        assert keys.find(wrong) is None


@in_database
def test_a_key_that_is_over_is_found_no_more(alice: User) -> None:
    moment = timezone.now()
    _, ended = keys.make(alice, "over", ["read"], moment)
    _, lasting = keys.make(alice, "lasts", ["read"], moment + dt.timedelta(days=1))
    revoked, withdrawn = keys.make(alice, "revoked", ["read"])
    keys.revoke(revoked)

    assert keys.find(ended) is None
    assert keys.find(withdrawn) is None
    assert keys.find(lasting) is not None

    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert keys.find(lasting) is None


@in_database
def test_revoking_twice_keeps_the_first_time(alice: User) -> None:
    key, _ = keys.make(alice, "tests", ["read"])

    keys.revoke(key)
    first = ApiKey.objects.get(pk=key.pk).revoked_at
    keys.revoke(key)

    assert first is not None
    assert ApiKey.objects.get(pk=key.pk).revoked_at == first


@in_database
def test_the_last_use_is_noted_at_most_once_a_minute(alice: User) -> None:
    key, secret = keys.make(alice, "tests", ["read"])

    keys.find(secret)
    first = ApiKey.objects.get(pk=key.pk).last_used_at
    keys.find(secret)

    assert first is not None
    assert ApiKey.objects.get(pk=key.pk).last_used_at == first

    earlier = first - dt.timedelta(seconds=61)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=earlier)
    keys.find(secret)
    noted = ApiKey.objects.get(pk=key.pk).last_used_at
    assert noted is not None
    assert noted >= first


@in_database
@pytest.mark.parametrize("scopes", [[], ["everything"], ["read", "root"]])
def test_a_key_has_one_or_more_of_three_scopes(alice: User, scopes: list[str]) -> None:
    with pytest.raises(ValueError, match="Scopes are"):
        keys.make(alice, "tests", scopes)

    assert not ApiKey.objects.exists()


@in_database
def test_only_staff_can_have_the_scope_admin(alice: User, root: User) -> None:
    with pytest.raises(keys.NotAllowed):
        keys.make(alice, "tests", ["read", "admin"])

    key, _ = keys.make(root, "tests", ["admin", "read"])
    assert key.scopes == ["read", "admin"]


def made_by_command(site: Site, *options: str) -> str:
    """What the command prints."""
    return run_manage("create_api_key", *options, data=site.data)


def test_the_command_prints_a_key_alone_that_works_at_once(site: Site) -> None:
    printed = made_by_command(site, "alice", "--name", "cron", "--expires-days", "30")

    assert SECRET.match(printed.removesuffix("\n"))
    site.keys["cron"] = printed.strip()
    with site.client("cron") as client:
        assert client.models.list().data
        assert client.beta.threads.create().id.startswith("thread_")


def test_the_command_gives_just_the_scopes_it_is_asked_for(site: Site) -> None:
    site.keys["reader"] = made_by_command(site, "alice", "--scope", "read").strip()

    with site.client("reader") as client:
        assert client.models.list().data
        with pytest.raises(openai.PermissionDeniedError):
            client.beta.threads.create()


@pytest.mark.parametrize(
    "options",
    [
        ("nobody",),
        ("alice", "--scope", "admin"),
        ("alice", "--scope", "root"),
        ("alice", "--expires-days", "0"),
        ("alice", "--expires-days", "x"),
        ("alice", "--name", ""),
        ("alice", "--name", "x" * 101),
    ],
)
async def test_the_command_refuses_what_makes_no_sense_in_one_line(
    site: Site, options: tuple[str, ...]
) -> None:
    ended = await manage("create_api_key", *options, env=environment(Path(site.data)))

    assert ended.code != 0
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_a_revoked_key_stops_working_at_once(site: Site) -> None:
    secret = made_by_command(site, "alice", "--name", "to be revoked").strip()
    site.keys["passing"] = secret
    with site.client("passing") as client:
        assert client.models.list().data
        site.shell(
            "from runs import keys; from runs.models import ApiKey;"
            "keys.revoke(ApiKey.objects.get(name='to be revoked'))"
        )
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
