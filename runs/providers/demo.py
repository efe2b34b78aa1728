"""The built-in demo model: a readable answer without any model server.

The same prompt always gives the same answer. Usage is an estimate: one token for every
four characters, rounded up.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator

from runs.providers.base import (
    Finish,
    Prompt,
    ReasoningDelta,
    Sent,
    TextDelta,
    Usage,
    Value,
)

MODEL = "demo"
PIECES_PER_SECOND = 50.0
CHARACTERS_PER_TOKEN = 4
MAX_QUOTE = 120

PIECE = re.compile(r"\s*\S+\s?|\s+")

REASONING = """\
The message mentions thinking, so the reasoning is shown first.
It has {words} words. A heading, a list, some code and a table will do for an answer.
"""

ANSWER = """\
## About your message

You wrote: *{quote}*

Here is what the demo model can say about it:

- It has **{words}** words and **{characters}** characters.
- Its longest word is `{longest}`.
- It {question}.

The same count in Python:

```python
def describe(message: str) -> dict[str, int]:
    \"\"\"Count the words and characters of a message.\"\"\"
    return {{"words": len(message.split()), "characters": len(message)}}


print(describe({literal}))
```

| measure    | value |
|------------|------:|
| words      | {words} |
| characters | {characters} |
| turn       | {turn} |

This answer comes from the built-in demo model, not from an AI: set `OPENAI_API_KEY`, \
or `OPENAI_BASE_URL` for a server of your own, and restart to connect a real model.
"""


class Demo:
    """A provider that makes its answers up, at a pace (0 means at full speed)."""

    def __init__(self, pieces_per_second: float = PIECES_PER_SECOND) -> None:
        self._interval = 1 / pieces_per_second if pieces_per_second else 0.0

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Value, None]:
        """See Provider.stream."""
        message = _last_message(prompt)
        thinks = "think" in message.lower()
        reasoning = _reasoning(message) if thinks else ""
        answer = _answer(prompt, message)
        response_id = f"demo_{hashlib.sha256(answer.encode()).hexdigest()[:24]}"
        yield Sent(response_id)
        deltas: list[Value] = [ReasoningDelta(text) for text in _pieces(reasoning)]
        deltas += [TextDelta(text) for text in _pieces(answer)]
        clock = asyncio.get_running_loop().time
        started = clock()
        for number, delta in enumerate(deltas, start=1):
            # By the schedule, not by the piece: a late piece is caught up with.
            await asyncio.sleep(max(started + number * self._interval - clock(), 0))
            yield delta
        yield _usage(prompt, reasoning, answer)
        yield Finish("stop", response_id, MODEL)

    async def models(self) -> list[str]:
        """See Provider.models."""
        return [MODEL]

    async def aclose(self) -> None:
        """See Provider.aclose."""


def _pieces(text: str) -> list[str]:
    """Words with the space around them; joined they are the text."""
    return PIECE.findall(text)


def _last_message(prompt: Prompt) -> str:
    texts = [message.text for message in prompt.messages if message.role == "user"]
    return texts[-1] if texts else ""


def _reasoning(message: str) -> str:
    return REASONING.format(words=len(message.split()))


def _answer(prompt: Prompt, message: str) -> str:
    words = re.findall(r"\w+", message)
    question = "asks a question" if "?" in message else "does not ask a question"
    return ANSWER.format(
        quote=_quote(message),
        words=len(message.split()),
        characters=len(message),
        longest=max(words, key=len, default="-")[:40],
        question=question,
        literal=repr(" ".join(message.split())[:40]),
        turn=sum(one.role == "user" for one in prompt.messages),
    )


def _quote(message: str) -> str:
    """The message on one line, shortened, with nothing left that is markdown."""
    line = " ".join(message.split())
    if len(line) > MAX_QUOTE:
        line = line[: MAX_QUOTE - 1].rstrip() + "…"
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$-])", r"\\\1", line) or "(nothing)"


def _usage(prompt: Prompt, reasoning: str, answer: str) -> Usage:
    asked = prompt.instructions + "".join(one.text for one in prompt.messages)
    return Usage(
        input_tokens=_tokens(asked),
        output_tokens=_tokens(reasoning + answer),
        cached_input_tokens=0,
        reasoning_tokens=_tokens(reasoning),
    )


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)
