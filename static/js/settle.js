// Brings a streamed answer to what the server made of it, touching only the blocks that
// differ, so that a finished answer neither flickers nor loses a selection.

import { decorate } from "./decorate.js";
import { sourceOf } from "./math.js";

// Makes the article of a run what the fresh one is, and gives it back. The answer's own
// element stays where it is; everything around it is replaced.
export function settleArticle(article, fresh) {
  const answer = article.querySelector(".answer");
  const wanted = fresh.querySelector(".answer");
  settleParts(answer, wanted);
  keepOpen(article, fresh);
  const around = [...fresh.children];
  const split = around.indexOf(wanted);
  for (const child of [...article.children]) if (child !== answer) child.remove();
  answer.before(...around.slice(0, split));
  answer.after(...around.slice(split + 1));
  copyAttributes(article, fresh);
  return article;
}

// Makes the turns those of the fresh ones. A turn that stays is left as it is, for it may
// be an answer that is being written. What stands before the first of the fresh turns is an
// earlier part of the thread, unless the fresh ones are the whole of it.
export function joinTurns(turns, fragment) {
  const fresh = [...fragment.querySelectorAll("article")];
  const wanted = new Set(fresh.map(({ id }) => id));
  const here = [...turns.querySelectorAll(":scope > article")];
  const isWhole = !fragment.querySelector("#earlier");
  const start = isWhole ? 0 : here.findIndex(({ id }) => wanted.has(id));
  const kept = start < 0 ? [] : here.slice(0, start);
  for (const turn of here.slice(kept.length)) if (!wanted.has(turn.id)) turn.remove();
  const added = kept.length ? [] : takeEarlier(turns, fragment);
  let last = kept.at(-1) ?? turns.querySelector(":scope > #earlier");
  for (const turn of fresh) {
    const [placed, isNew] = place(turns, last, turn);
    if (isNew) added.push(turn);
    else added.push(...takeVersions(placed, turn));
    last = placed;
  }
  return added;
}

// The way to earlier turns is that of the fresh ones, where these are the first.
function takeEarlier(turns, fragment) {
  const [old, earlier] = [turns, fragment].map((root) => root.querySelector("#earlier"));
  old?.remove();
  if (earlier) turns.prepend(earlier);
  return earlier ? [earlier] : [];
}

function place(turns, last, turn) {
  const known = document.getElementById(turn.id);
  const isKept = known && !isRewritten(known, turn);
  if (known && !isKept) known.replaceWith(turn);
  else if (!known && last) last.after(turn);
  else if (!known) turns.prepend(turn);
  return [isKept ? known : turn, !isKept];
}

// Whether something in it was deleted; an answer that is being written is never that.
function isRewritten(known, turn) {
  if (known.hasAttribute("data-active") || turn.hasAttribute("data-active")) return false;
  return messagesOf(known) !== messagesOf(turn);
}

function messagesOf(turn) {
  const parts = [...turn.querySelectorAll(".answer > [data-message]")];
  return parts.map((part) => part.dataset.message).join();
}

function takeVersions(known, turn) {
  const [old, versions] = [known, turn].map((root) => root.querySelector(".versions"));
  if (!versions || old?.textContent === versions.textContent) return [];
  if (old) old.replaceWith(versions);
  else known.querySelector(".turn-foot")?.prepend(versions);
  return versions.isConnected ? [versions] : [];
}

function settleParts(answer, wanted) {
  const live = [...answer.children];
  const parts = [...wanted.children];
  parts.forEach((part, index) => {
    if (index >= live.length) {
      answer.append(part);
      decorate(part);
      return;
    }
    if (part.matches(".calls") || live[index].matches(".calls")) {
      settleCalls(live[index], part);
      return;
    }
    settle(live[index], part);
    copyAttributes(live[index], part);
  });
  live.slice(parts.length).forEach((extra) => extra.remove());
}

// Cards stay as far open as they are.
function settleCalls(live, fresh) {
  const open = [...live.querySelectorAll(".call[open]")].map(({ dataset }) => dataset.call);
  for (const card of fresh.querySelectorAll(".call")) {
    card.open = open.includes(card.dataset.call);
  }
  if (!live.isEqualNode(fresh)) live.replaceWith(fresh);
}

function keepOpen(article, fresh) {
  const isOpen = article.querySelector(".reasoning")?.open;
  const reasoning = fresh.querySelector(".reasoning");
  if (isOpen && reasoning) reasoning.open = true;
}

function copyAttributes(element, model) {
  for (const name of element.getAttributeNames()) {
    if (name !== "class" && !model.hasAttribute(name)) element.removeAttribute(name);
  }
  for (const { name, value } of model.attributes) {
    if (name !== "class") element.setAttribute(name, value);
  }
}

// Replaces the blocks of `live` that differ from those of `fresh`; returns how many. The
// live ones stand in chunks, see tail.js.
export function settle(live, fresh) {
  const old = [...live.querySelectorAll(":scope > .chunk > *")];
  const home = live.lastElementChild ?? live;
  const wanted = [...fresh.children];
  let replaced = 0;
  wanted.forEach((block, index) => {
    if (index >= old.length) home.append(block);
    else if (!isSame(old[index], block)) old[index].replaceWith(block);
    else return;
    decorate(block);
    replaced++;
  });
  old.slice(wanted.length).forEach((extra) => extra.remove());
  return replaced + Math.max(0, old.length - wanted.length);
}

// Colours in code and typeset formulas do not count: the live page made them by itself.
function isSame(live, fresh) {
  if (live.isEqualNode(fresh)) return true;
  if (!live.querySelector("code > span, annotation")) return false;
  return plain(live).isEqualNode(plain(fresh));
}

function plain(element) {
  const copy = element.cloneNode(true);
  for (const code of copy.querySelectorAll("code")) code.textContent = code.textContent;
  for (const math of [copy, ...copy.querySelectorAll(".math")]) {
    if (math.matches(".math")) math.textContent = sourceOf(math);
  }
  return copy;
}
