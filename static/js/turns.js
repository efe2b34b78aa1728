// What can be done with a turn on the page: its menu, editing in place, versions. Each
// ends in a swap of the thread's turns; focus and the reader's place survive it.

import { wirePermalinks } from "./permalinks.js";
import { wireQuotes } from "./quotes.js";

const coarse = matchMedia("(pointer: coarse) and (not (any-pointer: fine))");
const MENU_ROOM = 340; // px that an open menu may need

export function wireTurns({ scroll, scroller }) {
  const box = document.getElementById("text");

  wireMenus(scroller);
  wireEditing(box);
  wireVersions(scroll, scroller);
  wireQuotes(box);
  wirePermalinks(scroll);
  document.addEventListener("htmx:after:swap", (event) => {
    const { target, sourceElement } = event.detail.ctx;
    removeGone(sourceElement);
    if (target?.id === "turns") keepFocus(box, scroller);
  });
}

// The last message that the page shows, as the server knows it.
export function lastMessage() {
  const messages = document.querySelectorAll("#turns > .turn-user, #turns [data-message]");
  const last = messages[messages.length - 1];
  return last ? (last.dataset.message ?? last.id) : "";
}

// What had the focus may be gone with the swap; a dialog gives it back by itself.
function keepFocus(box, scroller) {
  if (document.activeElement !== document.body || document.querySelector("dialog[open]")) return;
  (coarse.matches ? scroller : box).focus({ preventScroll: true });
}

// A turn that was deleted in an earlier part of the thread, which the swap did not reach.
function removeGone(source) {
  const turn = document.getElementById(source?.dataset?.gone ?? "");
  if (!turn || turn.querySelector(".end-deleted")) return;
  if (turn.matches(".turn-user")) {
    while (turn.nextElementSibling?.matches(".turn-run")) turn.nextElementSibling.remove();
  }
  turn.remove();
}

// The menu of a turn is fetched when it opens; some of its entries press a button of the
// row beside it, which a phone does not show.
function wireMenus(scroller) {
  document.addEventListener("toggle", opened, { capture: true });
  document.addEventListener("click", ({ target }) => {
    const entry = target.closest("[data-press]");
    entry?.closest("article").querySelector(`.turn-foot ${entry.dataset.press}`)?.click();
  });

  function opened({ target }) {
    if (!target.matches?.(".turn-menu") || !target.open) return;
    const list = target.querySelector(".menu");
    const room = scroller.getBoundingClientRect().bottom - target.getBoundingClientRect().bottom;
    target.classList.toggle("dropdown-up", room < MENU_ROOM);
    window.htmx.ajax("GET", target.dataset.url, { target: list, source: list, swap: "innerHTML" });
  }
}

function wireEditing(box) {
  document.addEventListener("htmx:after:swap", (event) => {
    const turn = event.detail.ctx.target;
    const text = turn?.querySelector?.(":scope > .edit .edit-text");
    if (!text || turn.classList.contains("is-editing")) return;
    turn.classList.add("is-editing");
    text.focus();
    text.setSelectionRange(text.value.length, text.value.length);
  });

  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-cancel-edit]")) close(target.closest("article"));
  });

  document.addEventListener("keydown", (event) => {
    const form = event.target.closest?.(".edit");
    if (!form || event.isComposing || event.keyCode === 229) return;
    const isSend = event.key === "Enter" && (event.ctrlKey || event.metaKey);
    if (!isSend && event.key !== "Escape") return;
    event.preventDefault();
    if (isSend) form.requestSubmit();
    else close(form.closest("article"));
  });

  box.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowUp" || box.value !== "" || event.isComposing) return;
    const edits = document.querySelectorAll("#turns .turn-user:not(.is-editing) .edit-message");
    if (!edits.length) return;
    event.preventDefault();
    edits[edits.length - 1].click();
  });

  function close(turn) {
    turn.querySelector(".edit").remove();
    turn.classList.remove("is-editing");
    turn.querySelector(".edit-message").focus({ preventScroll: true });
  }
}

// The arrow that was pressed stays where it is on the screen, and keeps the focus.
function wireVersions(scroll, scroller) {
  let pressed = null;

  document.addEventListener("submit", (event) => {
    if (!event.target.closest(".versions")) return;
    const { top } = event.submitter.getBoundingClientRect();
    pressed = { id: event.submitter.dataset.shows, arrow: event.submitter.classList[1], top };
    scroll.hold();
  });

  document.addEventListener("htmx:after:swap", (event) => {
    if (!pressed || event.detail.ctx.target?.id !== "turns") return;
    const { id, arrow, top } = pressed;
    pressed = null;
    const row = document.getElementById(id)?.querySelector(".versions");
    if (!row) return;
    const same = row.querySelector(`.${arrow}:enabled`) ?? row.querySelector("button:enabled");
    same.focus({ preventScroll: true });
    scroller.scrollTop += same.getBoundingClientRect().top - top;
  });
}
