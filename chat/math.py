r"""Formulas in Markdown: ``$x$``, ``\(x\)``, ``$$x$$`` and ``\[x\]``.

The page typesets them; without scripts they are read as TeX. The same grammar as
static/js/math-grammar.js: change both together. A block of its own begins with a line
that opens one, and ends with the line that closes it, a blank line or the end, so that
where blocks begin never depends on text still to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markdown_it.token import Token

CLOSED_BY = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
OF_BLOCKS = ("$$", "\\[")
INTERRUPTS: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}


def install(md: MarkdownIt, escape: Callable[[str], str]) -> None:
    """Teach the parser formulas; ``escape`` makes text harmless in HTML."""
    md.inline.ruler.before("escape", "math", inline)
    md.block.ruler.before("fence", "math", block, INTERRUPTS)

    def render_inline(
        _: object, tokens: Sequence[Token], index: int, *__: object
    ) -> str:
        token = tokens[index]
        name = "math math-display" if token.markup in OF_BLOCKS else "math"
        return f'<span class="{name}">{escape(token.content)}</span>'

    def render_block(
        _: object, tokens: Sequence[Token], index: int, *__: object
    ) -> str:
        return f'<div class="math">{escape(tokens[index].content)}</div>\n'

    md.add_render_rule("math_inline", render_inline)
    md.add_render_rule("math_block", render_block)


def inline(state: StateInline, silent: bool) -> bool:
    opened = next((o for o in CLOSED_BY if state.src.startswith(o, state.pos)), None)
    if opened is None:
        return False
    start = state.pos + len(opened)
    end = state.src.find(CLOSED_BY[opened], start, state.posMax)
    if end < 0 or not state.src[start:end].strip():
        return False
    if opened == "$" and not is_formula(state.src, state.pos, end):
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content = state.src[start:end].strip()
        token.markup = opened
    state.pos = end + len(CLOSED_BY[opened])
    return True


def is_formula(src: str, opened: int, closed: int) -> bool:
    """Whether two dollar signs are no prices: Pandoc's rules, and no letters outside."""
    inside = src[opened + 1 : closed]
    outside = src[opened - 1 : opened] + src[closed + 1 : closed + 2]
    return inside == inside.strip() and not any(
        is_word(character) for character in outside
    )


def is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character in "$\\")


def block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    if state.is_code_block(first):
        return False
    line = text_of(state, first)
    opened = next((o for o in OF_BLOCKS if line.startswith(o)), None)
    if opened is None or line.startswith("$$$"):
        return False
    closed = CLOSED_BY[opened]
    begun = line[len(opened) :]
    if closed in begun and not ends_formula(begun, closed):
        return False  # "$$x$$ is it": a formula within a line
    if silent:
        return True
    end, is_closed = end_of(state, first, last, begun, closed)
    source = state.getLines(first, end, state.blkIndent, False).strip()
    if is_closed:
        token = state.push("math_block", "math", 0)
        token.content = source[len(opened) : -len(closed)].strip()
    else:
        push_paragraph(state, source, [first, end])
        token = state.tokens[-3]
    token.map = [first, end]
    state.line = end
    return True


def end_of(
    state: StateBlock, first: int, last: int, begun: str, closed: str
) -> tuple[int, bool]:
    """The line after the formula, and whether its end was found."""
    if ends_formula(begun, closed):
        return first + 1, True
    for number in range(first + 1, last):
        if state.isEmpty(number) or state.sCount[number] < state.blkIndent:
            return number, False
        if ends_formula(text_of(state, number), closed):
            return number + 1, True
    return last, False


def ends_formula(line: str, closed: str) -> bool:
    return line.endswith(closed)


def text_of(state: StateBlock, number: int) -> str:
    start = state.bMarks[number] + state.tShift[number]
    return state.src[start : state.eMarks[number]].strip()


def push_paragraph(state: StateBlock, source: str, lines: list[int]) -> None:
    state.push("paragraph_open", "p", 1)
    token = state.push("inline", "", 0)
    token.content, token.map, token.children = source, lines, []
    state.push("paragraph_close", "p", -1)
