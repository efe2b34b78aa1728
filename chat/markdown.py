"""Finished messages to HTML: markdown-it-py, Pygments for code, and nh3 last of all.

The same grammar and the same shapes as static/js/markdown.js, which renders the live
tail: change both together; tests/browser/test_tail.py compares them over a corpus.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

import nh3
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments.lexers import get_lexer_by_name

from chat import math
from chat.colours import COLOUR_CLASSES, coloured

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from markdown_it.renderer import RendererProtocol
    from markdown_it.rules_core import StateCore
    from markdown_it.utils import OptionsDict

TEXT_LIMIT = 300_000  # characters; a longer message is shown as it was written
INLINE_LIMIT = 16_384  # characters of one paragraph or cell that are parsed as inline
CODE_LIMIT = 50_000  # characters of one code block that are coloured
CPU_LIMIT = 2.0  # seconds of this thread's time for one message
CACHE_LIMIT = 4_000_000  # characters of source whose HTML a process keeps
DIAGRAM = '<button type="button" class="diagram-show">{}</button>'

# The names a fence may carry -> the name shared by Pygments and highlight.js.
LANGUAGES = {
    "bash": "bash", "sh": "bash", "zsh": "bash", "shell": "bash", "console": "bash",
    "c": "c", "h": "c", "cpp": "cpp", "c++": "cpp", "hpp": "cpp",
    "csharp": "csharp", "cs": "csharp", "c#": "csharp", "css": "css", "diff": "diff",
    "patch": "diff", "dockerfile": "dockerfile", "docker": "dockerfile", "go": "go",
    "golang": "go", "html": "xml", "xml": "xml", "svg": "xml", "ini": "ini",
    "toml": "ini", "java": "java", "javascript": "javascript", "js": "javascript",
    "jsx": "javascript", "mjs": "javascript", "json": "json", "jsonc": "json",
    "kotlin": "kotlin", "kt": "kotlin", "lua": "lua", "makefile": "makefile",
    "make": "makefile", "markdown": "markdown", "md": "markdown", "php": "php",
    "powershell": "powershell", "ps1": "powershell", "python": "python",
    "py": "python", "ruby": "ruby", "rb": "ruby", "rust": "rust", "rs": "rust",
    "scss": "scss", "sql": "sql", "swift": "swift", "typescript": "typescript",
    "ts": "typescript", "tsx": "typescript", "yaml": "yaml", "yml": "yaml",
}  # fmt: skip

# fmt: off
ALLOWED_TAGS = {
    "a", "blockquote", "br", "button", "code", "div", "em", "h3", "h4", "h5", "h6",
    "hr", "li", "ol", "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th",
    "thead", "tr", "ul",
}
# fmt: on
ALLOWED_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
ALLOWED_VALUES = {
    "a": {"target": {"_blank"}},
    "button": {"type": {"button"}},
    "pre": {"tabindex": {"0"}},
}
ALIGNMENTS = {"align-left", "align-center", "align-right"}
ALLOWED_CLASSES = {
    "a": {"image-link"},
    "button": {"code-copy", "diagram-show"},
    "code": {f"language-{name}" for name in LANGUAGES.values()},
    "div": {"code", "code-head", "math", "table"},
    "span": {"code-language", "math", "math-display", *COLOUR_CLASSES},
    "td": ALIGNMENTS,
    "th": ALIGNMENTS,
}
WEB_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)


Source = tuple[str, str]  # language of the page, text


class TooCostly(Exception):
    """The text would take longer to render than a reader should wait."""


def render(text: str) -> SafeString:
    """The HTML of one finished message; kept in memory, as finished messages stay.

    Never raises: a text that is too long or too costly comes back as escaped <pre>.
    """
    source = (get_language() or "", text)  # its buttons have words, too
    html = _kept.get(source)
    if html is None:
        html = _kept.put(source, render_afresh(text))
    return html


def render_plain(text: str) -> SafeString:
    """As `render`, without colours, for a page that has coloured its code by itself."""
    return render_afresh(text, colours=False)


def render_afresh(text: str, *, colours: bool = True) -> SafeString:
    if len(text) > TEXT_LIMIT:
        return as_written(text)
    env = {"deadline": time.thread_time() + CPU_LIMIT, "colours": colours}
    try:
        return sanitized(_parser.render(text, env))
    except (TooCostly, RecursionError):
        return as_written(text)


def as_written(text: str) -> SafeString:
    return format_html('<pre class="as-written">{}</pre>', text)


def sanitized(html: str) -> SafeString:
    """The last step, whatever came before: only listed tags, attributes and schemes."""
    clean = nh3.clean(
        html,
        tags=ALLOWED_TAGS,
        clean_content_tags={"script", "style"},
        attributes=ALLOWED_ATTRIBUTES,
        tag_attribute_values=ALLOWED_VALUES,
        allowed_classes=ALLOWED_CLASSES,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow ugc",
    )
    return mark_safe(clean)  # noqa: S308  nh3 has just cleaned it


def is_web_address(url: str) -> bool:
    """Whether a link may point there; relative ones would point into this application."""
    return WEB_ADDRESS.match(url) is not None


def inline(state: StateCore) -> None:
    """markdown-it's inline rule, but bounded: its worst inputs take 60 us a character."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        check_deadline(state.env)
        if len(token.content) > INLINE_LIMIT:
            token.children = [Token("text", "", 0, content=token.content)]
        else:
            token.children = []
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def check_deadline(env: MutableMapping[str, Any]) -> None:
    if time.thread_time() > env["deadline"]:
        raise TooCostly


def code(language: str, text: str, env: MutableMapping[str, Any]) -> str:
    """A code block: a head with the language and a copy button, then the code."""
    name = LANGUAGES.get(language.lower())
    marked = f' class="language-{name}"' if name else ""
    copy = _("Copy")
    diagram = DIAGRAM.format(_("Diagram")) if language.lower() == "mermaid" else ""
    return (
        '<div class="code"><div class="code-head">'
        f'<span class="code-language">{escape(language[:24])}</span>{diagram}'
        f'<button type="button" class="code-copy">{copy}</button></div>'
        f'<pre tabindex="0"><code{marked}>{code_text(name, text, env)}</code></pre></div>\n'
    )


def code_text(name: str | None, text: str, env: MutableMapping[str, Any]) -> str:
    if name is None or len(text) > CODE_LIMIT or not env["colours"]:
        return escape(text)
    check_deadline(env)
    return coloured(get_lexer_by_name(name, stripnl=False, ensurenl=False), text)


def fence(
    _: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    words = tokens[index].info.split()
    return code(words[0] if words else "", tokens[index].content, env)


def image(
    _: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    """A link to the image: a page that loads foreign images tells others who reads it."""
    source = escape(str(tokens[index].attrs["src"]))
    name = escape(tokens[index].content) or source
    return (
        f'<a href="{source}" title="{source}" target="_blank" class="image-link">'
        f"{name}</a>"
    )


def shape(state: StateCore) -> None:
    """Headings below the page's own, classes for alignment, and where links lead."""
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        elif token.type in {"th_open", "td_open"} and "style" in token.attrs:
            alignment = str(token.attrs.pop("style")).removeprefix("text-align:")
            token.attrs["class"] = f"align-{alignment}"
        for child in token.children or ():
            if child.type == "link_open":
                child.attrs = link_attributes(str(child.attrs["href"]))


def link_attributes(href: str) -> dict[str, str | int | float]:
    if not href:  # "[text]()"
        return {}
    return {"href": href, "title": href, "target": "_blank"}


def parser() -> MarkdownIt:
    md = MarkdownIt("js-default", {"html": False, "linkify": True})
    md.validateLink = is_web_address  # type: ignore[method-assign]
    if md.linkify is not None:
        # Without this "main.py" becomes a link, .py being a country.
        md.linkify.set({"fuzzy_link": False, "fuzzy_email": False})
    md.core.ruler.at("inline", inline)
    md.core.ruler.push("shape", shape)
    math.install(md, lambda text: str(escape(text)))
    md.add_render_rule("fence", fence)
    md.add_render_rule("code_block", fence)
    md.add_render_rule("image", image)
    md.add_render_rule("table_open", lambda *_: '<div class="table"><table>\n')
    md.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return md


class Kept:
    """The HTML of the latest texts, bounded by the characters of their sources."""

    def __init__(self, limit: int) -> None:
        self._html: OrderedDict[Source, SafeString] = OrderedDict()
        self._size = 0
        self._limit = limit
        self._lock = Lock()

    def get(self, source: Source) -> SafeString | None:
        with self._lock:
            if source in self._html:
                self._html.move_to_end(source)
            return self._html.get(source)

    def put(self, source: Source, html: SafeString) -> SafeString:
        """Keep it, drop the oldest beyond the limit, and give it back."""
        with self._lock:
            if source not in self._html:
                self._html[source] = html
                self._size += len(source[1])
            while self._size > self._limit:
                self._size -= len(self._html.popitem(last=False)[0][1])
        return html


_parser = parser()
_kept = Kept(CACHE_LIMIT)
