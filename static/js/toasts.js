// Short notices at the bottom, such as "Deleted. Undo": parts/toast.html, swapped into
// #toasts. They leave by themselves, but not under the pointer or with the focus inside.
// #toasts is a popover, so that it lies above the drawer of a narrow screen.

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
  toasts.addEventListener("click", ({ target }) => {
    if (target.closest("button:not([type=submit])[data-dismiss]")) dismiss(target.closest(".toast"));
  });
  // A form that is gone can't be sent, so this one is hidden until its time is over.
  toasts.addEventListener("submit", ({ target }) => dismiss(target.closest(".toast")));
}

function show(toast) {
  const toasts = toast.parentElement;
  if (toasts.matches(":popover-open")) toasts.hidePopover(); // else it stays below
  toasts.showPopover();
  announce(toast.querySelector(".toast-text").textContent);
  setTimeout(() => leave(toast), STAYS);
}

function dismiss(toast) {
  const hadFocus = toast.contains(document.activeElement);
  toast.hidden = true;
  if (hadFocus) document.getElementById("scroll")?.focus({ preventScroll: true });
}

function leave(toast) {
  if (toast.matches(":hover, :focus-within")) setTimeout(() => leave(toast), AGAIN);
  else toast.remove();
}
