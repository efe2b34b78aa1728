"""Finished messages to HTML: nothing a model or a user writes becomes live markup."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from chat import markdown

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.md"))
EVIL = "https://evil.example/x"
PAYLOADS = {
    "image": f"![x]({EVIL}.png)",
    "reference image": f"![x][i]\n\n[i]: {EVIL}.png",
    "protocol-relative image": "![x](//evil.example/x.png)",
    "data image": "![x](data:image/svg+xml;base64,PHN2Zy8+)",
    "image in a link": f"[![x]({EVIL}.png)](https://ok.example)",
    "raw image": f'<img src="{EVIL}.png" onerror="alert(1)">',
    "script": "<script>alert(1)</script>",
    "unclosed script": "<script src=//evil.example/x.js",
    "svg": "<svg onload=alert(1)><use href='//evil.example/x.svg#a'/></svg>",
    "iframe": "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "style": "<style>@import '//evil.example/x.css'</style><b style='x:y'>z</b>",
    "javascript link": "[x](javascript:alert(1)) [y](JaVaScRiPt&colon;alert(1))",
    "data link": "[x](data:text/html;base64,PHNjcmlwdD4=) <data:text/html,x>",
    "entity in scheme": "[x](&#106;avascript:alert(1)) [y](java\tscript:alert(1))",
    "htmx attributes": "<div hx-get='/x' hx-trigger='load' id='composer' name='n'>z</div>",
    "attribute from a fence": '```"><img src=x onerror=alert(1)>\ncode\n```',
    "attribute from a title": '[x](https://ok.example "\\"><img src=x onerror=alert(1)>")',
    "form": "<form action='//evil.example'><input name=password></form>",
    "base and meta": "<base href='//evil.example'><meta http-equiv=refresh content=0>",
}
ATTRIBUTES = {
    "a": {"href", "title", "target", "rel", "class"},
    "ol": {"start"},
    "pre": {"tabindex", "class"},
    "button": {"type", "class"},
}


class Elements(HTMLParser):
    """The elements of a piece of HTML, as (tag, attributes)."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    return Elements(str(markdown.render_afresh(text))).found


@pytest.mark.parametrize("text", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_hostile_text_becomes_only_listed_elements(text: str) -> None:
    for tag, attributes in elements(text):
        assert tag in markdown.ALLOWED_TAGS
        assert attributes.keys() <= ATTRIBUTES.get(tag, {"class"})


@pytest.mark.parametrize("text", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_hostile_text_makes_the_browser_fetch_nothing(text: str) -> None:
    for tag, attributes in elements(text):
        assert tag not in {"img", "link", "script", "iframe", "svg", "style", "form"}
        assert not attributes.keys() & {"src", "srcset", "poster", "background"}
        href = attributes.get("href")
        assert href is None or re.match(r"(https?://|mailto:)", href)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_corpus_holds_only_listed_elements(path: Path) -> None:
    for tag, attributes in elements(path.read_text(encoding="utf-8")):
        assert tag in markdown.ALLOWED_TAGS
        assert attributes.keys() <= ATTRIBUTES.get(tag, {"class"})


def test_html_that_slipped_through_is_still_cleaned() -> None:
    html = '<p id="composer" onclick="x()" hx-get="/x" class="code">a</p><img src=x>'

    assert markdown.sanitized(html) == "<p>a</p>"


def test_a_link_says_where_it_leads_and_tells_nothing_of_the_reader() -> None:
    assert markdown.render_afresh("[a](https://ok.example/b 'mine')") == (
        '<p><a href="https://ok.example/b" title="https://ok.example/b" target="_blank" '
        'rel="noopener noreferrer nofollow ugc">a</a></p>\n'
    )


def test_an_image_is_a_link_with_its_description() -> None:
    html = markdown.render_afresh(f"![a cat]({EVIL}.png)")

    assert f'href="{EVIL}.png"' in html
    assert ">a cat</a>" in html


def test_a_file_name_is_no_link() -> None:
    assert markdown.render_afresh("see main.py") == "<p>see main.py</p>\n"


def test_code_of_a_known_language_is_coloured_and_keeps_its_text() -> None:
    html = markdown.render_afresh("```py\n\nif x < 1:\n    pass\n```")

    assert 'class="language-python"' in html
    assert '<span class="hljs-keyword">if</span>' in html
    code = re.sub(r"<[^>]+>", "", html.partition("<code")[2].partition(">")[2])
    assert code.replace("&lt;", "<").strip("\n") == "if x < 1:\n    pass"


def test_long_code_stays_plain() -> None:
    code = "x = 1\n" * 10_000

    html = markdown.render_afresh(f"```python\n{code}```")

    assert "hljs-" not in html


def test_a_text_beyond_the_limit_is_shown_as_written() -> None:
    html = markdown.render_afresh("<b>" + "x" * markdown.TEXT_LIMIT)

    assert html.startswith('<pre class="as-written">&lt;b&gt;xxx')


def test_a_text_that_takes_too_long_is_shown_as_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(markdown, "CPU_LIMIT", 0.0)

    assert markdown.render_afresh("*a*") == '<pre class="as-written">*a*</pre>'


@pytest.mark.parametrize(
    "unit",
    [
        "![",
        "[",
        "[](",
        "*a_ ",
        "`a``b",
        "<",
        "> ",
        "- a\n",
        "|a|\n|-|\n",
        "&",
        "http://",
    ],
)
def test_no_text_is_slow(unit: str) -> None:
    start = time.thread_time()

    markdown.render_afresh(unit * (100_000 // len(unit)))

    assert time.thread_time() - start < 2 * markdown.CPU_LIMIT


def test_a_message_is_rendered_once() -> None:
    text = "rendered *once*"

    assert markdown.render(text) is markdown.render(text)


def test_the_memory_of_rendered_messages_is_bounded() -> None:
    kept = markdown.Kept(limit=10)
    for text in ("aaaaaa", "bbbbbb"):
        kept.put(("en", text), markdown.as_written(text))

    assert kept.get(("en", "aaaaaa")) is None
    assert kept.get(("en", "bbbbbb")) is not None
