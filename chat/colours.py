"""Colours of code: Pygments tokens under the class names that highlight.js gives.

One set of classes serves both, so a code block keeps its colours when the page that
coloured it live is loaded again; only what the style sheet colours gets a span.
"""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from django.utils.html import escape
from pygments.token import (
    Comment,
    Generic,
    Keyword,
    Name,
    Number,
    Operator,
    String,
    Token,
    _TokenType,
)

if TYPE_CHECKING:
    from pygments.lexer import Lexer

# The first line that holds the token's kind wins, so special kinds stand first.
CLASSES: tuple[tuple[_TokenType, str], ...] = (
    (Comment.Preproc, "hljs-meta"),
    (Comment, "hljs-comment"),
    (Keyword.Constant, "hljs-literal"),
    (Keyword.Type, "hljs-type"),
    (Keyword, "hljs-keyword"),
    (Operator.Word, "hljs-keyword"),
    (Name.Builtin, "hljs-built_in"),
    (Name.Exception, "hljs-built_in"),
    (Name.Function, "hljs-title"),
    (Name.Class, "hljs-title"),
    (Name.Decorator, "hljs-meta"),
    (Name.Tag, "hljs-name"),
    (Name.Attribute, "hljs-attr"),
    (Name.Variable, "hljs-variable"),
    (String.Regex, "hljs-regexp"),
    (String, "hljs-string"),
    (Number, "hljs-number"),
    (Generic.Deleted, "hljs-deletion"),
    (Generic.Inserted, "hljs-addition"),
    (Generic.Heading, "hljs-section"),
    (Generic.Subheading, "hljs-section"),
    (Generic.Prompt, "hljs-meta"),
    (Token, ""),
)
COLOUR_CLASSES = {name for _, name in CLASSES if name}


def coloured(lexer: Lexer, text: str) -> str:
    """The text as escaped HTML, in spans where it has a colour."""
    pieces = ((class_of(kind), value) for kind, value in lexer.get_tokens(text))
    return "".join(
        span(name, "".join(value for _, value in group))
        for name, group in groupby(pieces, key=lambda piece: piece[0])
    )


@cache
def class_of(kind: _TokenType) -> str:
    return next(name for parent, name in CLASSES if kind[: len(parent)] == parent)


def span(name: str, text: str) -> str:
    if not name:
        return escape(text)
    return f'<span class="{name}">{escape(text)}</span>'
