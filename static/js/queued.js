// The cards of messages that wait for their turn: kept as they are on the server, but
// for a card that is being edited here, which stays as it is until that is done.

import { announce } from "./announce.js";

// `rescue` gets the text of a card that has gone while it was being edited, and why.
// `sends` tells whether Enter sends here.
export function openQueued({ rescue, sends }) {
  let isFetching = false;
  let wanted = "";

  window.htmx.registerExtension("queued", {
    handle_swap(style, target, fragment) {
      if (style !== "queued") return false;
      return [join(section(), fragment.querySelector("#queued"), rescue)];
    },
  });
  document.addEventListener("click", clicked);
  document.addEventListener("keydown", (event) => pressed(event, sends));
  // What could not be saved stays open.
  document.addEventListener("htmx:response:error", ({ detail }) => {
    delete detail.ctx.sourceElement.closest?.(".queued-card")?.dataset.saved;
  });

  // The server says what the line of the thread is now.
  async function changed(version) {
    wanted = version;
    if (isFetching) return;
    isFetching = true;
    const url = document.getElementById("thread-head").dataset.queued;
    while (url && section().dataset.version !== wanted) {
      const asked = wanted;
      const target = section();
      await window.htmx.ajax("GET", url, { target, source: target, swap: "queued" });
      if (asked === wanted) break;
    }
    isFetching = false;
  }

  return { changed };
}

function section() {
  return document.getElementById("queued");
}

function join(old, fresh, rescue) {
  const held = old.contains(document.activeElement) ? document.activeElement : null;
  const before = old.querySelectorAll(".queued-card").length;
  const list = fresh.querySelector(".queued-list");
  for (const card of old.querySelectorAll(".queued-card.is-edited")) {
    const same = list?.querySelector(`[id="${card.id}"]`);
    const box = card.querySelector("textarea");
    if (same && !card.dataset.saved) same.replaceWith(card);
    else if (!same && box.value !== box.defaultValue) rescue(box.value, fresh.dataset.sent);
  }
  old.replaceWith(fresh);
  const after = fresh.querySelectorAll(".queued-card").length;
  if (after > before) announce(fresh.dataset.added);
  else if (after < before) announce(fresh.dataset.gone);
  keepFocus(held);
  return fresh;
}

// Focus stays in the line, or goes to the message box when nothing is left of it.
function keepFocus(held) {
  if (!held || held === document.activeElement) return;
  if (held.isConnected) held.focus({ preventScroll: true });
  else if (held.closest(".queued-card")) {
    const next = document.querySelector("#queued .queued-edit") ?? document.getElementById("text");
    next.focus({ preventScroll: true });
  }
}

function clicked(event) {
  const card = event.target.closest?.(".queued-card");
  if (!card) return;
  if (event.target.closest(".queued-edit")) edit(card, true);
  else if (event.target.closest(".queued-cancel")) edit(card, false);
  else if (event.target.closest(".queued-form [type=submit]")) card.dataset.saved = "yes";
}

function pressed(event, sends) {
  const box = event.target.closest?.(".queued-form textarea");
  if (!box || event.isComposing || event.keyCode === 229) return;
  if (event.key === "Escape") {
    event.preventDefault();
    edit(box.closest(".queued-card"), false);
  } else if (event.key === "Enter" && sends(event)) {
    event.preventDefault();
    box.form.querySelector("[type=submit]").click();
  }
}

function edit(card, isEdited) {
  const form = card.querySelector(".queued-form");
  const box = form.querySelector("textarea");
  card.classList.toggle("is-edited", isEdited);
  delete card.dataset.saved;
  form.hidden = !isEdited;
  card.querySelector(".queued-said").hidden = isEdited;
  const button = card.querySelector(".queued-edit");
  button.setAttribute("aria-expanded", String(isEdited));
  if (isEdited) {
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  } else {
    box.value = box.defaultValue;
    button.focus();
  }
}
