"""What the scripted model server is told to do for one request, and named examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Fault: TypeAlias = Literal[
    "",
    "cut",  # the connection closes without the end that HTTP asks for
    "done_without_finish",  # Chat Completions: [DONE] but no finish_reason
    "empty_deltas",  # deltas without text, for ever
    "eof",  # a clean end without a finish
    "error",  # an error object in the stream
    "failed",  # Responses: response.failed; otherwise as "error"
    "garbage",  # data that is not JSON
    "hang",  # not even headers
    "html",  # a web page with status 200
    "html_in_stream",  # the same, called text/event-stream
    "huge_line",  # a line of `size` bytes without an end
    "json",  # `body` as JSON with status 200 where a stream was asked for
    "keepalive",  # comments, for ever
    "no_end",  # the finish, and then neither [DONE] nor an end
    "redirect",  # 307 to headers["Location"]
    "reset",  # the connection is reset
    "reset_at_end",  # the finish, and then a reset
    "stall",  # nothing more, but the connection stays
    "status",  # `status` with `body` and `headers`
]
BEFORE_STREAM = ("hang", "html", "html_in_stream", "json", "redirect", "status")
AT_END = ("done_without_finish", "no_end", "reset_at_end")


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A tool call; its arguments are sent in these pieces."""

    id: str = "call_1"
    name: str = "look_up"
    arguments: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """The usage that is reported."""

    input: int = 11
    output: int = 7
    cached: int = 3
    reasoning: int = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """One answer. Times in seconds; `pace` in tokens per second, 0 for full speed.

    `tokens` are the texts to send or how many to make up. With `stamp`, each token is
    the monotonic clock in ns at its sending, and a space. A `fault` comes after the
    first `after` tokens, or in place of the stream. `batch` tokens go in one write.
    """

    tokens: Sequence[str] | int = ("Hello", ",", " world", "!")
    pace: float = 0
    batch: int = 1
    stamp: bool = False
    delay_headers: float = 0
    delay_first_token: float = 0
    reasoning: Sequence[str] = ()
    reasoning_field: str = "reasoning_content"
    refusal: Sequence[str] = ()
    tool_calls: Sequence[Call] = ()
    usage: Counts | None = field(default_factory=Counts)
    finish: str = "stop"
    fault: Fault = ""
    after: int = 0
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    size: int = 5_000_000

    @property
    def count(self) -> int:
        """How many tokens there are."""
        return self.tokens if isinstance(self.tokens, int) else len(self.tokens)

    def token(self, number: int) -> str:
        """The text of the token, from 0."""
        if isinstance(self.tokens, int):
            return f"word{number} "
        return self.tokens[number]


def script_from(values: Mapping[str, Any]) -> Script:
    """A script from JSON, with calls and usage as objects. Raises TypeError."""
    given = dict(values)
    if given.get("usage"):
        given["usage"] = Counts(**given["usage"])
    given["tool_calls"] = [Call(**call) for call in given.get("tool_calls", ())]
    return Script(**given)


def error_body(code: str, message: str, kind: str = "invalid_request_error") -> Any:
    """An error as OpenAI sends it."""
    return {
        "error": {"message": message, "type": kind, "param": None, "code": code},
    }


WORDS = 200
PAGE = "<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"
KEY_REFUSED = error_body("invalid_api_key", "Incorrect API key provided: sk-x***y.")
RATE_LIMITED = error_body("rate_limit_exceeded", "Please slow down.", "requests")
NO_QUOTA = error_body("insufficient_quota", "You exceeded your quota.")
TOO_LONG = error_body(
    "context_length_exceeded", "This model's maximum context length is 8192 tokens."
)
BROKEN = error_body("server_error", "The engine is on fire.", "server_error")

SCENARIOS: dict[str, tuple[str, Script]] = {
    "normal": ("a whole answer, 30 tokens/s", Script(tokens=WORDS, pace=30)),
    "fast": ("10,000 tokens at full speed", Script(tokens=10_000)),
    "slow_start": (
        "20 s before the first token",
        Script(tokens=WORDS, pace=30, delay_first_token=20),
    ),
    "reasoning": (
        "reasoning before the answer",
        Script(tokens=WORDS, pace=30, reasoning=[f"Thought {n}. " for n in range(40)]),
    ),
    "refusal": ("a refusal", Script(tokens=0, refusal=["I can't ", "do that."])),
    "tools": (
        "two parallel tool calls",
        Script(
            tokens=0,
            finish="tool_calls",
            tool_calls=[
                Call(id="call_1", name="weather", arguments=['{"city":', '"Rome"}']),
                Call(id="call_2", name="now"),
            ],
        ),
    ),
    "length": ("cut at the token limit", Script(tokens=50, pace=30, finish="length")),
    "filter": (
        "stopped by the content filter",
        Script(tokens=20, pace=30, finish="content_filter"),
    ),
    "stall": (
        "silence after 20 tokens",
        Script(tokens=WORDS, pace=30, fault="stall", after=20),
    ),
    "keepalive": ("only comments", Script(fault="keepalive")),
    "empty_deltas": ("only empty deltas", Script(fault="empty_deltas")),
    "hang": ("not even headers", Script(fault="hang")),
    "eof": (
        "a clean end after 20 tokens",
        Script(tokens=WORDS, pace=30, fault="eof", after=20),
    ),
    "cut": (
        "a broken end after 20 tokens",
        Script(tokens=WORDS, pace=30, fault="cut", after=20),
    ),
    "reset": (
        "a reset after 20 tokens",
        Script(tokens=WORDS, pace=30, fault="reset", after=20),
    ),
    "html": ("a web page with status 200", Script(fault="html")),
    "html_in_stream": (
        "a web page called a stream",
        Script(fault="html_in_stream"),
    ),
    "garbage": (
        "broken JSON after 20 tokens",
        Script(tokens=WORDS, pace=30, fault="garbage", after=20),
    ),
    "error": (
        "an error after 20 tokens",
        Script(tokens=WORDS, pace=30, fault="error", after=20, body=BROKEN),
    ),
    "failed": (
        "response.failed",
        Script(tokens=WORDS, pace=30, fault="failed", after=20, body=BROKEN),
    ),
    "json": ("an error with status 200", Script(fault="json", body=BROKEN)),
    "huge_line": ("a line of 200 MB", Script(fault="huge_line", size=200_000_000)),
    "unauthorized": (
        "the key is refused",
        Script(fault="status", status=401, body=KEY_REFUSED),
    ),
    "rate_limited": (
        "429, try again in 2 s",
        Script(
            fault="status", status=429, body=RATE_LIMITED, headers={"Retry-After": "2"}
        ),
    ),
    "quota": ("429 for good", Script(fault="status", status=429, body=NO_QUOTA)),
    "too_long": (
        "400, the context is too long",
        Script(fault="status", status=400, body=TOO_LONG),
    ),
    "server_error": ("500", Script(fault="status", status=500, body=BROKEN)),
    "redirect": (
        "307 to another host",
        Script(fault="redirect", headers={"Location": "http://127.0.0.2:9/v1"}),
    ),
    "no_end": ("finished but never ended", Script(fault="no_end")),
}
