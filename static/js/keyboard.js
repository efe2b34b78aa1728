// Shortcuts of the chat page; chat/shortcuts.html lists them.

import { openPalette } from "./palette.js";

const IS_MAC = /mac|iphone|ipad/i.test(navigator.platform);

export function wireKeyboard() {
  const { shortcuts, index } = document.body.dataset;
  const withMod = {
    k: openPalette,
    "shift+o": () => location.assign(index),
    "shift+y": () => [...document.querySelectorAll(".copy-answer")].at(-1)?.click(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented) return;
    const action = actionOf(event);
    if (!action) return;
    event.preventDefault();
    action();
  });
  document.addEventListener("click", (event) => {
    const wanted = event.target.closest("[data-open]")?.dataset.open;
    if (!wanted || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (wanted === "palette") openPalette();
    if (wanted === "shortcuts") openDialog(shortcuts);
  });
  document.addEventListener("htmx:after:swap", nameModifiers);
  nameModifiers();

  function actionOf(event) {
    const key = (event.shiftKey ? "shift+" : "") + event.key.toLowerCase();
    if (IS_MAC ? event.metaKey : event.ctrlKey) return event.altKey ? null : withMod[key];
    if (event.key === "Escape" && event.shiftKey) return () => focusBox();
    if (event.altKey && event.key.startsWith("Arrow")) return stepper(event.key);
    if (event.key === "?" && !isTyping(event.target)) return () => openDialog(shortcuts);
    return null;
  }
}

function openDialog(url) {
  const target = document.getElementById("dialog");
  window.htmx.ajax("GET", url, { target, source: target, swap: "innerHTML" });
}

function focusBox() {
  document.getElementById("text")?.focus();
}

function isTyping(element) {
  return element.matches?.("input, textarea, select, [contenteditable]") ?? false;
}

function stepper(key) {
  if (key !== "ArrowUp" && key !== "ArrowDown") return null;
  return () => toQuestion(key === "ArrowUp" ? -1 : 1);
}

// The question before or after the one at the top of the view.
function toQuestion(step) {
  const scroller = document.getElementById("scroll");
  const top = scroller.getBoundingClientRect().top;
  const questions = [...document.querySelectorAll("#turns .turn-user")];
  const offsets = questions.map((one) => one.getBoundingClientRect().top - top);
  const near = 24; // px; what stands this close to the top is the current one
  const next =
    step < 0
      ? offsets.findLastIndex((offset) => offset < -near)
      : offsets.findIndex((offset) => offset > near);
  if (next < 0) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  scroller.scrollBy({ top: offsets[next] - 8, behavior: calm ? "instant" : "smooth" });
}

function nameModifiers() {
  if (!IS_MAC) return;
  for (const key of document.querySelectorAll("kbd[data-mod]")) key.textContent = "Cmd";
}
