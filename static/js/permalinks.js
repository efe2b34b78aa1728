// Links to a turn, /t/THREAD#TURN: the page scrolls there, loading earlier turns if need
// be, and marks what was searched for. Where the turn is on a branch that is not shown, a
// notice says so and offers it.

import { markHits } from "./hits.js";

const MOST_PAGES = 60; // of earlier turns

export function wirePermalinks(scroll) {
  addEventListener("hashchange", open);
  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-drop-notice]")) target.closest(".elsewhere").remove();
  });
  document.addEventListener("htmx:after:swap", (event) => {
    const source = event.detail.ctx.sourceElement;
    if (!source?.matches(".elsewhere")) return;
    source.remove();
    show(scroll, named());
  });
  open();

  async function open() {
    const id = named();
    if (!/^(msg|run)_\w+$/.test(id)) return;
    scroll.hold();
    if (show(scroll, id)) return;
    const response = await fetch(`${location.pathname}/at/${id}`, {
      headers: { "HX-Request": "true" },
    });
    if (response.status === 204) await searchEarlier(scroll, id);
    else if (response.ok) tell(await response.text());
  }
}

function named() {
  return location.hash.slice(1);
}

function show(scroll, id) {
  const said =
    document.getElementById(id) ?? document.querySelector(`[data-message="${CSS.escape(id)}"]`);
  const turn = said?.closest("article");
  if (!turn) return false;
  scroll.hold();
  document.querySelector(".is-linked")?.classList.remove("is-linked");
  turn.classList.add("is-linked");
  turn.tabIndex = -1;
  turn.focus({ preventScroll: true });
  turn.scrollIntoView({ block: "start" });
  markHits(said);
  return true;
}

async function searchEarlier(scroll, id) {
  for (let page = 0; page < MOST_PAGES; page++) {
    const earlier = document.getElementById("earlier");
    if (!earlier) return;
    const url = earlier.getAttribute("hx-get");
    await window.htmx.ajax("GET", url, { target: earlier, source: earlier, swap: "outerHTML" });
    if (show(scroll, id)) return;
  }
}

function tell(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const notice = template.content.querySelector("#elsewhere");
  if (!notice) return;
  document.getElementById("elsewhere")?.remove();
  document.getElementById("composer").before(notice);
  window.htmx.process(notice);
}
