// Copy buttons of code blocks and of whole answers.

import { announce } from "./announce.js";
import { gettext } from "./words.js";

export function wireCopying() {
  document.addEventListener("click", (event) => {
    const code = event.target.closest(".code-copy");
    if (code) copy(code, () => code.closest(".code").querySelector("code").textContent);
    const answer = event.target.closest(".copy-answer");
    if (answer) copy(answer, () => source(answer.dataset.url));
    const link = event.target.closest("[data-copy-link]");
    if (link) copy(link, () => new URL(link.dataset.copyLink || location.pathname, location).href);
  });
}

async function source(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.text();
}

async function copy(button, read) {
  try {
    await write(await read());
    show(button, gettext("Copied"));
  } catch (error) {
    console.warn("not copied:", error);
    show(button, gettext("Not copied"));
  }
}

export async function write(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Over plain HTTP there is no clipboard but the old one.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("refused");
}

function show(button, words) {
  announce(words);
  const isText = button.classList.contains("code-copy");
  if (isText) button.textContent = words;
  button.classList.add("is-done");
  setTimeout(() => {
    if (isText) button.textContent = gettext("Copy");
    button.classList.remove("is-done");
  }, 1500);
}
