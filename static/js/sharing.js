// What this person may do in the open thread, as the server tells it while it changes.

import { announce } from "./announce.js";
import { openDraft } from "./drafts.js";

// `level` is "own", "write", "read", or "" when the thread is there for this person no more.
export function accessChanged({ thread, level }) {
  if (thread !== document.getElementById("thread-head").dataset.thread) return;
  document.body.dataset.may = level;
  const note = document.getElementById("reading");
  const { gone, reading, writing } = note.dataset;
  const words = level === "" ? gone : level === "read" ? reading : writing;
  if (level === "") document.getElementById("turns").replaceChildren();
  note.querySelector("span").textContent = words;
  announce(words);
}

export function wireSharing() {
  // After a link is made or revoked, its button is gone: the focus goes to the list's own.
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx?.target?.id !== "links") return;
    const list = document.getElementById("links");
    (list.querySelector("[data-copy-link]") ?? list.querySelector("#link-make"))?.focus();
  });
  // What was typed in a temporary chat goes with it.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-forget-draft]")) return;
    const { thread } = document.getElementById("thread-head").dataset;
    document.getElementById("text").value = "";
    openDraft(document.body.dataset.user, thread).clear();
  });
}
