"""Every way in which a model server fails, in both wire formats."""

from __future__ import annotations

import asyncio
import datetime
import time
from email.utils import format_datetime

import pytest

from runs import providers
from runs.providers import Server, TextDelta
from tests.model_server import ModelServer, Script
from tests.model_server_script import (
    BROKEN,
    KEY_REFUSED,
    NO_QUOTA,
    RATE_LIMITED,
    TOO_LONG,
    Fault,
    error_body,
)
from tests.providers_fixtures import FORMATS, KEY, connected, failure, heard

pytestmark = FORMATS

STATUSES = [
    (401, KEY_REFUSED, "authentication", False),
    (403, error_body("denied", "Not from here."), "authentication", False),
    (404, error_body("model_not_found", "No such model."), "not_found", False),
    (404, "404 page not found", "not_found", False),
    (400, error_body("", "Bad temperature."), "invalid_request", False),
    (422, {"detail": [{"msg": "field required"}]}, "invalid_request", False),
    (400, TOO_LONG, "context_length_exceeded", False),
    (
        400,
        {"error": {"code": 400, "type": "exceed_context_size_error", "message": "no"}},
        "context_length_exceeded",
        False,
    ),
    (400, error_body("content_filter", "Filtered."), "content_filter", False),
    (429, RATE_LIMITED, "rate_limited", True),
    (429, NO_QUOTA, "rate_limited", False),
    (500, BROKEN, "server_error", True),
    (502, "<html>Bad Gateway</html>", "server_error", True),
    (503, {"error": "loading model"}, "server_error", True),
    (529, None, "server_error", True),
]


@pytest.mark.parametrize(("status", "body", "code", "retryable"), STATUSES)
async def test_a_status_becomes_a_code_and_a_sentence(
    kind, status, body, code, retryable
):
    script = Script(fault="status", status=status, body=body)
    async with connected(kind, script) as (server, provider):
        values, error = await heard(provider)
    assert error
    assert values == []
    assert (error.code, error.retryable) == (code, retryable)
    assert error.message.startswith("The ")
    assert "<" not in error.message
    assert len(server.requests) == 1  # never a hidden retry


async def test_the_servers_own_words_are_appended(kind):
    script = Script(fault="status", status=500, body=BROKEN)
    error = await failure(kind, script)
    assert error.message.endswith("It said: The engine is on fire.")
    assert str(error) == error.message


async def test_long_words_of_a_server_are_cut(kind):
    body = error_body("server_error", "x" * 100_000)
    error = await failure(kind, Script(fault="status", body=body))
    assert len(error.message) < 600


@pytest.mark.parametrize("fault", ["status", "error", "json"])
async def test_a_key_that_is_quoted_back_is_hidden(kind, fault):
    said = f"{'x' * 480} key {KEY} and sk-other-987654321 and Bearer {KEY}, sk-t***ef"
    body = error_body("server_error", said)
    error = await failure(kind, Script(fault=fault, body=body))
    assert "[key]" in error.message
    for secret in (KEY, KEY[:12], "sk-other", "sk-t"):
        assert secret not in error.message
        assert secret not in repr(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({}, None),
    ],
)
async def test_the_server_may_say_when_to_come_back(kind, headers, seconds):
    script = Script(fault="status", status=429, body=RATE_LIMITED, headers=headers)
    assert (await failure(kind, script)).retry_after == seconds


async def test_the_time_to_come_back_may_be_a_date(kind):
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
    headers = {"Retry-After": format_datetime(at, usegmt=True)}
    script = Script(fault="status", status=503, body=BROKEN, headers=headers)
    retry_after = (await failure(kind, script)).retry_after
    assert retry_after
    assert 25 < retry_after <= 30


async def test_a_redirect_is_refused_and_its_target_never_asked(kind):
    async with ModelServer() as other:
        headers = {"Location": f"{other.url}/chat/completions"}
        error = await failure(kind, Script(fault="redirect", headers=headers))
    assert (error.code, error.retryable) == ("redirected", False)
    assert other.requests == []


async def test_a_server_that_is_not_there_is_worth_another_try(kind):
    async with ModelServer() as gone:
        url = gone.url
    provider = providers.connect(
        Server(name="gone", kind=kind, base_url=url, default_model="m")
    )
    _, error = await heard(provider)
    await provider.aclose()
    assert error
    assert (error.code, error.retryable) == ("connection", True)
    assert "cannot be reached" in error.message


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/v1", "127.0.0.1:80/v1", "http://"])
async def test_a_malformed_address_is_not_worth_another_try(kind, url):
    error = await failure(kind, Script(), base_url=url)
    assert (error.code, error.retryable) == ("invalid_request", False)


async def test_a_server_without_tls_is_not_spoken_to_in_clear(kind):
    async with ModelServer() as plain:
        url = plain.url.replace("http:", "https:")
        error = await failure(kind, Script(), base_url=url)
    assert (error.code, error.retryable) == ("connection", False)
    assert plain.requests == []


async def test_a_malformed_key_is_refused_without_showing_it(kind):
    key = "secret-key-\n-0123456789"
    error = await failure(kind, Script(), api_key=key)
    assert error.code == "invalid_request"
    assert "0123456789" not in error.message


@pytest.mark.parametrize(
    ("script", "code", "retryable"),
    [
        (Script(fault="hang"), "first_token_timeout", True),
        (Script(fault="stall"), "first_token_timeout", False),
        (Script(fault="keepalive"), "first_token_timeout", False),
        (Script(fault="empty_deltas"), "first_token_timeout", False),
        (Script(fault="stall", after=2), "silence_timeout", False),
        (Script(fault="keepalive", after=2), "silence_timeout", False),
        (Script(fault="empty_deltas", after=2), "silence_timeout", False),
    ],
    ids=lambda value: f"{value.fault}_{value.after}" if type(value) is Script else "",
)
async def test_only_content_holds_the_watchdog_off(kind, script, code, retryable):
    async with connected(kind, script, first_token_timeout=1, silence_timeout=0.5) as (
        server,
        provider,
    ):
        began = time.monotonic()
        values, error = await heard(provider)
        took = time.monotonic() - began
        await server.requests[0].client_gone()
    assert error
    assert (error.code, error.retryable) == (code, retryable)
    assert took < 4
    texts = [value for value in values if isinstance(value, TextDelta)]
    assert len(texts) == script.after


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [
        ("eof", "upstream_truncated", False),
        ("cut", "connection", True),
        ("reset", "connection", True),
        ("garbage", "garbage", False),
        ("error", "server_error", True),
        ("failed", "server_error", True),
        ("huge_line", "answer_too_large", False),
    ],
)
async def test_a_broken_stream_keeps_the_text_and_says_what_broke(
    kind, fault, code, retryable
):
    script = Script(fault=fault, after=2, body=BROKEN, size=2_000_000)
    async with connected(kind, script, max_line_bytes=100_000) as (_, provider):
        values, error = await heard(provider)
    assert error
    assert (error.code, error.retryable) == (code, retryable)
    assert values[1:] == [TextDelta("Hello"), TextDelta(",")]


@pytest.mark.parametrize("fault", ["html", "html_in_stream"])
async def test_a_web_page_is_no_answer(kind, fault):
    error = await failure(kind, Script(fault=fault))
    assert error.code == "garbage"
    assert "web page" in error.message


async def test_an_error_with_status_200_is_an_error(kind):
    error = await failure(kind, Script(fault="json", body=RATE_LIMITED))
    assert (error.code, error.retryable) == ("rate_limited", True)


async def test_an_answer_in_one_piece_is_refused(kind):
    error = await failure(kind, Script(fault="json", body={"choices": []}))
    assert error.code == "garbage"


async def test_an_answer_without_end_is_stopped_at_the_limit(kind):
    script = Script(tokens=["é" * 1000] * 100, batch=10)
    async with connected(kind, script, max_answer_bytes=50_000) as (server, provider):
        values, error = await heard(provider)
        assert error
        assert error.code == "answer_too_large"
        assert server.requests
    assert sum(isinstance(value, TextDelta) for value in values) == 25


async def test_a_rate_limit_in_the_stream_is_worth_another_try(kind):
    error = await failure(kind, Script(fault="failed", body=RATE_LIMITED))
    assert (error.code, error.retryable) == ("rate_limited", True)


async def test_a_wrong_base_url_is_not_found(kind):
    async with ModelServer() as server:
        url = server.url.replace("/v1", "")
        provider = providers.connect(Server(name="x", kind=kind, base_url=url))
        with pytest.raises(providers.ProviderError) as raised:
            await provider.models()
        await provider.aclose()
    assert raised.value.code == "not_found"


async def test_a_failed_answer_leaves_the_provider_usable(kind):
    faults: list[Fault] = ["reset", "garbage", "huge_line", "status"]
    scripts = [Script(fault=fault, after=1) for fault in faults]
    async with connected(kind, *scripts) as (_, provider):
        results = await asyncio.gather(*(heard(provider) for _ in faults))
        assert all(error for _, error in results)
        _, error = await heard(provider)
    assert error is None
