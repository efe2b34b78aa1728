"""A small reader of gettext's catalogues, and of what a page or a script says."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "config" / "locale" / "de" / "LC_MESSAGES"
DOMAINS = ("django", "djangojs")
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]")
# Elements whose words are nobody's language.
SILENT = ("script", "style", "code", "pre", "template")
SPOKEN = ("aria-label", "title", "placeholder", "alt", "data-suggestion")


@dataclass
class Entry:
    """One message of a .po file; two translations where there is a plural."""

    words: str = ""
    plural: str = ""
    translations: list[str] = field(default_factory=list)
    is_fuzzy: bool = False


def entries(domain: str, folder: Path = LOCALE) -> list[Entry]:
    """All but the header and what is obsolete."""
    text = (folder / f"{domain}.po").read_text("utf-8")
    found = [_entry(block) for block in text.split("\n\n")]
    return [entry for entry in found if entry.words]


def _entry(block: str) -> Entry:
    entry, key = Entry(), ""
    for line in block.splitlines():
        if line.startswith("#"):
            entry.is_fuzzy |= line.startswith("#,") and "fuzzy" in line
            continue
        if not line.startswith('"'):
            key, line = line.split(" ", 1)
            if key.startswith("msgstr"):
                entry.translations.append("")
        piece = ast.literal_eval(line)
        if key == "msgid":
            entry.words += piece
        elif key == "msgid_plural":
            entry.plural += piece
        else:
            entry.translations[-1] += piece
    return entry


def compiled_count(domain: str) -> int:
    """How many messages the .mo file has, with the header."""
    data = (LOCALE / f"{domain}.mo").read_bytes()
    return int(struct.unpack("<I", data[8:12])[0])


class Words(HTMLParser):
    """What a page says: its text and the attributes that are read out.

    What is said to be English, lang="en" within the page, does not count.
    """

    VOID = ("input", "br", "hr", "img", "meta", "link", "source", "use")

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._silent:
            if tag not in self.VOID:
                self._silent.append(tag)
            return
        self.said += [str(given[name]) for name in SPOKEN if given.get(name)]
        is_foreign = tag != "html" and given.get("lang") == "en"
        if tag in SILENT or is_foreign:
            self._silent.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._silent and tag not in self.VOID:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.said.append(" ".join(data.split()))


def words_of(html: str) -> list[str]:
    parser = Words()
    parser.feed(html)
    return parser.said


BLOCKS = re.compile(r"{% (blocktranslate|comment)\b.*?{% end\1 %}|{#.*?#}", re.DOTALL)
TAGS = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
LITERAL_IN_TAG = re.compile(r'(?:default:|title=|label=|with \w+=)"([A-Z][^"]*)"')


def unmarked_in_template(source: str) -> list[str]:
    """The words of a template that do not go through a translation."""
    source = BLOCKS.sub("", source)
    in_tags = [
        word for tag in TAGS.findall(source) for word in LITERAL_IN_TAG.findall(tag)
    ]
    said = words_of(TAGS.sub("", source))
    texts = [text.removesuffix("· Threadmill").strip() for text in said + in_tags]
    return [text for text in texts if re.search("[A-Za-z]{2}", text)]


MARKED_CALL = re.compile(
    r"\bn?gettext\(\s*(?:(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')[\s,+]*)+"
)
COMMENT = re.compile(r"^\s*//.*$|\s//.*$", re.MULTILINE)
LITERAL = re.compile(
    r'"((?:[^"\\\n]|\\.)*)"|\'((?:[^\'\\\n]|\\.)*)\'|`((?:[^`\\]|\\.)*)`'
)
SENTENCE = re.compile(r"[A-Z][a-z']+ (?:[a-z$]|[A-Z][a-z])|^[A-Z][a-z]+[.!?:]$")
# Whatever these are given is shown or read out.
SHOWN = re.compile(
    r"(?:announce|say|note|banner|textContent =|\.title =|\.placeholder =)\s*\(?\s*[\"'`]([A-Za-z][^\"'`]*)"
)


def unmarked_in_script(source: str) -> list[str]:
    """Sentences in a script that do not go through gettext."""
    source = MARKED_CALL.sub("", COMMENT.sub("", source))
    literals = ["".join(found) for found in LITERAL.findall(source)]
    sentences = [text for text in literals if SENTENCE.search(text)]
    return [*sentences, *SHOWN.findall(source)]


MARKS = ("_", "gettext", "lazy", "later", "gettext_lazy", "ngettext", "named")


def unmarked_in_python(source: str) -> Iterator[tuple[int, str]]:
    """Sentences in Python that are no docstrings, no keys, and not given to gettext."""
    tree = ast.parse(source)
    fine = {id(node) for node in _marked_or_docstring(tree)}
    for node in ast.walk(tree):
        if id(node) in fine or not isinstance(node, ast.Constant):
            continue
        if isinstance(node.value, str) and SENTENCE.search(node.value):
            yield node.lineno, node.value


def marked_in_python(source: str) -> Iterator[str]:
    """What is given to gettext, also within f-strings, where its tools do not look."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in MARKS and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _marked_or_docstring(tree: ast.AST) -> Iterator[ast.AST]:
    """And keys of dictionaries, which are looked up and not shown."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield from (key for key in node.keys if key)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[0] in (
            *MARKS,
            "log",
        ):
            yield from (child for one in node.args for child in ast.walk(one))
