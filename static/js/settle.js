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

// Adds the turns that are missing and takes out those that are gone. A turn that is here
// stays as it is, for it may be an answer that is being written. What stands before the
// first of the fresh turns is an earlier part of the thread.
export function joinTurns(turns, fragment) {
  const fresh = [...fragment.querySelectorAll("article")];
  const wanted = new Set(fresh.map(({ id }) => id));
  const here = [...turns.querySelectorAll(":scope > article")];
  const start = here.findIndex(({ id }) => wanted.has(id));
  for (const turn of start < 0 ? [] : here.slice(start)) {
    if (!wanted.has(turn.id)) turn.remove();
  }
  const added = [];
  let last = null;
  for (const turn of fresh) {
    const known = document.getElementById(turn.id);
    if (!known) {
      if (last) last.after(turn);
      else turns.append(turn);
      added.push(turn);
    }
    last = known ?? turn;
  }
  return added;
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
