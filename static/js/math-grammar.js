// Formulas in Markdown, the same grammar as chat/math.py, which explains it: change both
// together; tests/browser/test_tail.py compares them over a corpus.

const CLOSED_BY = { $$: "$$", "\\[": "\\]", "\\(": "\\)", $: "$" };
const OF_BLOCKS = ["$$", "\\["];

export function installMath(md) {
  const { escapeHtml } = md.utils;
  md.inline.ruler.before("escape", "math", inline);
  md.block.ruler.before("fence", "math", block, {
    alt: ["paragraph", "reference", "blockquote", "list"],
  });
  md.renderer.rules.math_inline = (tokens, index) => {
    const { content, markup } = tokens[index];
    const name = OF_BLOCKS.includes(markup) ? "math math-display" : "math";
    return `<span class="${name}">${escapeHtml(content)}</span>`;
  };
  md.renderer.rules.math_block = (tokens, index) =>
    `<div class="math">${escapeHtml(tokens[index].content)}</div>\n`;
}

function inline(state, silent) {
  const { src, pos } = state;
  const opened = Object.keys(CLOSED_BY).find((mark) => src.startsWith(mark, pos));
  if (!opened) return false;
  const start = pos + opened.length;
  const end = src.indexOf(CLOSED_BY[opened], start);
  if (end < 0 || end + CLOSED_BY[opened].length > state.posMax) return false;
  if (!src.slice(start, end).trim()) return false;
  if (opened === "$" && !isFormula(src, pos, end)) return false;
  if (!silent) {
    const token = state.push("math_inline", "math", 0);
    token.content = src.slice(start, end).trim();
    token.markup = opened;
  }
  state.pos = end + CLOSED_BY[opened].length;
  return true;
}

function isFormula(src, opened, closed) {
  const inside = src.slice(opened + 1, closed);
  const outside = (src[opened - 1] ?? "") + (src[closed + 1] ?? "");
  return inside === inside.trim() && !/[A-Za-z0-9$\\]/.test(outside);
}

function block(state, first, last, silent) {
  if (state.sCount[first] - state.blkIndent >= 4) return false;
  const line = textOf(state, first);
  const opened = OF_BLOCKS.find((mark) => line.startsWith(mark));
  if (!opened || line.startsWith("$$$")) return false;
  const closed = CLOSED_BY[opened];
  const begun = line.slice(opened.length);
  if (begun.includes(closed) && !begun.endsWith(closed)) return false;
  if (silent) return true;
  const [end, isClosed] = endOf(state, first, last, begun, closed);
  const source = state.getLines(first, end, state.blkIndent, false).trim();
  let token;
  if (isClosed) {
    token = state.push("math_block", "math", 0);
    token.content = source.slice(opened.length, -closed.length).trim();
  } else {
    token = pushParagraph(state, source, [first, end]);
  }
  token.map = [first, end];
  state.line = end;
  return true;
}

function endOf(state, first, last, begun, closed) {
  if (begun.endsWith(closed)) return [first + 1, true];
  for (let number = first + 1; number < last; number++) {
    if (state.isEmpty(number) || state.sCount[number] < state.blkIndent) return [number, false];
    if (textOf(state, number).endsWith(closed)) return [number + 1, true];
  }
  return [last, false];
}

function textOf(state, number) {
  const start = state.bMarks[number] + state.tShift[number];
  return state.src.slice(start, state.eMarks[number]).trim();
}

function pushParagraph(state, source, lines) {
  const opening = state.push("paragraph_open", "p", 1);
  const token = state.push("inline", "", 0);
  Object.assign(token, { content: source, map: lines, children: [] });
  state.push("paragraph_close", "p", -1);
  return opening;
}
