"""Random Markdown documents, the same for the same seed."""

from __future__ import annotations

from random import Random

# fmt: off
WORDS = [
    "the", "run", "keeps", "its", "log", "and", "every", "answer", "is", "recorded",
    "while", "a", "reader", "waits", "for", "next", "token", "to", "arrive", "in",
    "order", "with", "care",
]
# fmt: on
ODD = [
    "*",
    "_",
    "`",
    "[",
    "](",
    "<",
    "&amp;",
    "~~",
    "1. ",
    "- ",
    "> ",
    "|",
    "\\",
    "#",
    "$",
    "$$",
    "\\(",
    "\\)",
    "\\[",
    "\n",
]


def document(size: int, seed: int) -> str:
    """About `size` characters of what models write: prose, lists, code, tables."""
    random = Random(seed)  # noqa: S311
    blocks: list[str] = []
    while sum(map(len, blocks)) < size:
        blocks.append(block(random))
    return "\n\n".join(blocks)[:size]


def tangle(seed: int) -> str:
    """A short document whose blocks run into each other in unlikely ways."""
    random = Random(seed)  # noqa: S311
    pieces: list[str] = []
    for _ in range(random.randint(3, 14)):
        pieces.append(block(random) if random.random() < 0.5 else odd(random))
        pieces.append(
            random.choice(["\n", "\n\n", "", " ", "\n\n\n", "\n    ", "\r\n"])
        )
    return "".join(pieces)


def odd(random: Random) -> str:
    return "".join(random.choice([*ODD, *WORDS]) for _ in range(random.randint(1, 12)))


def block(random: Random) -> str:
    kind = random.choice([heading, prose, prose, prose, listing, code, table, quote])
    return kind(random)


def sentence(random: Random, length: int) -> str:
    return " ".join(styled(random) for _ in range(length)).capitalize() + "."


def styled(random: Random) -> str:
    word, luck = random.choice(WORDS), random.random()
    if luck < 0.03:
        return f"**{word}**"
    if luck < 0.05:
        return f"`{word}`"
    if luck < 0.06:
        return f"[{word}](https://example.org/{word}_(x))"
    return f"*{word}*" if luck < 0.07 else word


def heading(random: Random) -> str:
    return f"{'#' * random.randint(1, 3)} {sentence(random, 5)}"


def prose(random: Random) -> str:
    return " ".join(
        sentence(random, random.randint(6, 20)) for _ in range(random.randint(1, 5))
    )


def listing(random: Random) -> str:
    mark = random.choice(["-", "1."])
    return "\n".join(
        f"{mark} {sentence(random, 8)}" for _ in range(random.randint(2, 9))
    )


def code(random: Random) -> str:
    language = random.choice(["python", "js", "bash", "sql", "json", ""])
    lines = "\n".join(
        f'def f{n}(x, y={n}):  # {random.choice(WORDS)}\n    return ["run", x + {n}]'
        for n in range(random.randint(2, 14))
    )
    return f"```{language}\n{lines}\n```"


def table(random: Random) -> str:
    rows = (f"| {sentence(random, 3)} | {n} |" for n in range(random.randint(2, 9)))
    return "\n".join(["| what | count |", "|---|--:|", *rows])


def quote(random: Random) -> str:
    return f"> {sentence(random, 12)}"
