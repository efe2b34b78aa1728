// The live tail: renders an answer while it grows. Only the last open block is
// rendered again, at most once per animation frame; earlier blocks are never touched.

import { md } from "./markdown.js";
import { decorate } from "./decorate.js";

const SLOW = 12; // ms; after a slower render the next one waits, so that the page breathes
const CHUNK = 64; // nodes; finished chunks out of sight cost the page nothing (see .chunk)

// Opens a tail in an empty element. `append` takes text as it arrives, `finish` renders
// what is left at once, `flush` what has arrived, `drop` forgets it; `onPaint(ms)` may be set.
export function openTail(root) {
  let text = ""; // from the start of the open block on
  let references = {}; // link definitions in the blocks already committed
  let chunk = addChunk();
  let firstOpen = 0; // index in the chunk of the first node that may still change
  let frame = 0;
  let held = ""; // a CR whose LF may be in the next piece
  let notBefore = 0;

  function append(piece) {
    piece = held + piece;
    held = piece.endsWith("\r") ? "\r" : "";
    text += piece.slice(0, piece.length - held.length).replace(/\r\n?/g, "\n");
    frame ||= requestAnimationFrame(paint);
  }

  function paint() {
    const start = performance.now();
    if (start < notBefore) {
      frame = requestAnimationFrame(paint);
      return;
    }
    frame = 0;
    render(false);
    const cost = performance.now() - start;
    tail.onPaint?.(cost);
    notBefore = cost > SLOW ? start + 5 * cost : 0;
  }

  function render(isLast) {
    const env = { references: { ...references } };
    const tokens = md.parse(text, env);
    const cut = isLast ? everything(tokens) : lastSafeCut(tokens);
    const done = fragment(md.renderer.render(tokens.slice(0, cut.token), md.options, env));
    const count = done.childNodes.length;
    done.append(fragment(md.renderer.render(tokens.slice(cut.token), md.options, env)));
    patch(chunk, chunk.childNodes[firstOpen] ?? null, done);
    if (cut.token > 0) commit(cut.line, count);
  }

  // The last block that begins on a completed line closes all blocks before it: what
  // follows can no longer change them.
  function lastSafeCut(tokens) {
    const completeLines = countLines(text);
    for (let index = tokens.length - 1; index > 0; index--) {
      const token = tokens[index];
      if (token.level !== 0 || token.nesting < 0) continue;
      if (token.map[0] < completeLines) return { token: index, line: token.map[0] };
    }
    return { token: 0, line: 0 };
  }

  function everything(tokens) {
    return { token: tokens.length, line: Infinity };
  }

  function commit(line, count) {
    const offset = offsetOfLine(text, line);
    const committed = text.slice(0, offset);
    if (committed.includes("]:")) {
      const env = { references };
      md.parse(committed, env);
      references = env.references;
    }
    text = text.slice(offset);
    for (let index = firstOpen; index < firstOpen + count; index++) {
      const node = chunk.childNodes[index];
      if (node.nodeType === Node.ELEMENT_NODE) decorate(node);
    }
    firstOpen += count;
    while (firstOpen >= CHUNK) beginChunk();
  }

  // What does not fit into the chunk goes on in the next: the open block, as a rule.
  function beginChunk() {
    const rest = [...chunk.childNodes].slice(CHUNK);
    chunk = addChunk();
    chunk.append(...rest);
    firstOpen -= CHUNK;
  }

  function addChunk() {
    const element = document.createElement("div");
    element.className = "chunk";
    root.append(element);
    return element;
  }

  function finish() {
    drop();
    text += held ? "\n" : "";
    held = "";
    render(true);
  }

  function flush() {
    drop();
    render(false);
  }

  function drop() {
    cancelAnimationFrame(frame);
    frame = 0;
  }

  const tail = { append, flush, finish, drop, onPaint: null };
  return tail;
}

function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

// Makes parent's children from `old` on equal to the children of `fresh`, keeping every
// node that did not change and letting text grow in place, so that a selection stays.
function patch(parent, old, fresh) {
  let next = fresh.firstChild;
  while (old && next && old.isEqualNode(next)) {
    old = old.nextSibling;
    next = next.nextSibling;
  }
  if (old && next && grow(old, next)) {
    old = old.nextSibling;
    next = next.nextSibling;
  }
  while (old) {
    const gone = old;
    old = old.nextSibling;
    gone.remove();
  }
  while (next) {
    const added = next;
    next = next.nextSibling;
    parent.append(added);
  }
}

function grow(old, fresh) {
  if (old.nodeName !== fresh.nodeName) return false;
  if (old.nodeType === Node.TEXT_NODE) {
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.length));
    else old.data = fresh.data;
    return true;
  }
  if (!old.cloneNode(false).isEqualNode(fresh.cloneNode(false))) return false;
  patch(old, old.firstChild, fresh);
  return true;
}

function countLines(text) {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

function offsetOfLine(text, line) {
  if (line === Infinity) return text.length;
  let offset = 0;
  for (; line > 0; line--) offset = text.indexOf("\n", offset) + 1;
  return offset;
}
