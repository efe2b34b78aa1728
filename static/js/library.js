// The pages of assistants and prompts: menus, the dialog, and what helps with the form.

import { announce } from "./announce.js";
import { wireDialog } from "./dialogs.js";
import { wireMenus } from "./menus.js";

wireDialog();
wireMenus();
showMistakes();
showExamples();
foldStarters();
showLetter();
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx?.target?.id === "found") announceFound();
});

function announceFound() {
  const found = document.getElementById("found");
  const names = [...found.querySelectorAll(".assistant-link")].map((link) => link.textContent);
  announce(names.length ? names.join(", ") : found.textContent.trim());
}

function showMistakes() {
  document.querySelector("[aria-invalid=true]")?.focus();
}

function showExamples() {
  for (const button of document.querySelectorAll("[data-example]")) {
    const field = document.getElementById(button.dataset.into);
    const show = () => (button.hidden = field.value.trim() !== "");
    field.addEventListener("input", show);
    button.addEventListener("click", () => {
      field.value = document.getElementById(button.dataset.example).innerHTML;
      field.focus();
      show();
    });
    show();
  }
}

// One empty field for a starter at a time.
function foldStarters() {
  const more = document.getElementById("more-starters");
  if (!more) return;
  const fields = [...document.querySelectorAll(".starter")];
  const fold = () => {
    const used = fields.findLastIndex(({ value }) => value.trim() !== "") + 1;
    fields.forEach((field, index) => (field.hidden = index > Math.max(0, used - 1)));
    more.hidden = used === fields.length;
  };
  more.addEventListener("click", () => {
    const next = fields.find(({ hidden }) => hidden);
    if (!next) return;
    next.hidden = false;
    next.focus();
    more.hidden = fields.every(({ hidden }) => !hidden);
  });
  fold();
}

function showLetter() {
  const name = document.getElementById("id_name");
  const badges = document.querySelectorAll(".swatch .badge");
  const show = () => {
    const letter = [...name.value.trim()][0]?.toUpperCase() ?? "A";
    for (const badge of badges) badge.textContent = letter;
  };
  if (!name || !badges.length) return;
  name.addEventListener("input", show);
  show();
}
