// Short notices at the bottom, such as "Deleted. Undo": parts/toast.html, swapped into
// #toasts. They leave by themselves, but not under the pointer or with the focus inside.

import { announce } from "./announce.js";

const STAYS = 8_000; // ms
const AGAIN = 2_000; // ms, while somebody is at it

export function wireToasts() {
  const toasts = document.getElementById("toasts");
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const toast of addedNodes) if (toast.matches?.(".toast")) show(toast);
    }
  }).observe(toasts, { childList: true });
  for (const toast of toasts.querySelectorAll(".toast")) show(toast); // came with the page
  toasts.addEventListener("click", (event) => {
    if (event.target.closest("[data-dismiss]")) event.target.closest(".toast").remove();
  });
}

function show(toast) {
  announce(toast.querySelector(".toast-text").textContent);
  setTimeout(() => leave(toast), STAYS);
}

function leave(toast) {
  if (toast.matches(":hover, :focus-within")) setTimeout(() => leave(toast), AGAIN);
  else toast.remove();
}
