// "/" at the start of the message box opens the prompts that one keeps. Places to fill in,
// {{like this}}, are selected one after the other with Tab, or by a tap.

import { announce } from "./announce.js";

const SLASH = /^\/([^\s/]*)$/;
const PLACE = /\{\{[^{}\n]{1,80}\}\}/g;

export function wirePrompts() {
  const form = document.getElementById("composer");
  const field = document.getElementById("text");
  const box = document.getElementById("prompt-box");
  const list = document.getElementById("prompt-options");
  let asked = null; // the list on its way, or here
  let chosen = null;
  let dismissed = "";
  let isFilling = false;

  form.prepend(box);
  field.setAttribute("aria-controls", list.id);
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-haspopup", "listbox");

  async function typed() {
    const slash = SLASH.exec(field.value);
    if (!slash || field.value === dismissed) return close();
    dismissed = "";
    asked ??= load();
    const words = slash[1].toLowerCase();
    if (!(await asked)) return close();
    if (SLASH.exec(field.value)?.[1].toLowerCase() === words) filter(words);
  }

  async function load() {
    try {
      const response = await fetch(box.dataset.url, { headers: { "HX-Request": "true" } });
      if (!response.ok) throw new Error(`status ${response.status}`);
      list.innerHTML = await response.text();
      return true;
    } catch (error) {
      console.warn("no prompts:", error);
      asked = null;
      return false;
    }
  }

  function filter(words) {
    const options = [...list.children];
    for (const option of options) {
      option.hidden = !`${option.dataset.name} ${option.textContent}`.toLowerCase().includes(words);
    }
    // Those whose name begins with what was typed come first.
    options.sort((a, b) => begins(b, words) - begins(a, words));
    list.append(...options);
    const shown = visible();
    box.querySelector(".prompt-none").hidden = options.length > 0;
    if (options.length > 0 && shown.length === 0) return close();
    box.hidden = false;
    choose(shown[0] ?? null);
    if (shown.length) announce(`${box.dataset.count} ${shown.length}`);
  }

  function begins(option, words) {
    return Number(option.dataset.name.startsWith(words));
  }

  function visible() {
    return [...list.children].filter((option) => !option.hidden);
  }

  function choose(option) {
    chosen?.setAttribute("aria-selected", "false");
    chosen = option;
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) field.setAttribute("aria-activedescendant", option.id);
    else field.removeAttribute("aria-activedescendant");
  }

  function close() {
    if (!SLASH.test(field.value)) asked = null; // the next "/" asks anew
    box.hidden = true;
    choose(null);
  }

  async function insert(option) {
    const before = field.value;
    const response = await fetch(option.dataset.url, { headers: { "HX-Request": "true" } });
    if (!response.ok || field.value !== before) return;
    put(await response.text());
  }

  function put(text) {
    field.focus();
    field.setRangeText(text, 0, field.value.length, "end");
    isFilling = true;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    if (next(0)) announce(box.dataset.filled);
    close();
  }

  // Selects the first place to fill in at or after this point, or the first of all.
  function next(from) {
    const places = [...field.value.matchAll(PLACE)];
    const place = places.find(({ index }) => index >= from) ?? places[0];
    isFilling = place !== undefined;
    if (place) field.setSelectionRange(place.index, place.index + place[0].length);
    return isFilling;
  }

  function before(from) {
    const places = [...field.value.matchAll(PLACE)];
    const place = places.findLast(({ index }) => index < from) ?? places.at(-1);
    if (place) field.setSelectionRange(place.index, place.index + place[0].length);
    return place !== undefined;
  }

  // Comes before the composer, which would send the message.
  function pressed(event) {
    if (event.target !== field || event.isComposing || event.keyCode === 229) return;
    if (box.hidden ? fill(event) : walk(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  function walk({ key, shiftKey }) {
    const shown = visible();
    const step = { ArrowDown: 1, ArrowUp: -1 }[key];
    if (step && shown.length) {
      choose(shown[(shown.indexOf(chosen) + step + shown.length) % shown.length]);
    } else if (key === "Escape") {
      dismissed = field.value;
      close();
    } else if (chosen && !shiftKey && (key === "Enter" || key === "Tab")) {
      insert(chosen);
    } else {
      return false;
    }
    return true;
  }

  function fill({ key, shiftKey }) {
    if (!isFilling) return false;
    if (key === "Tab") return shiftKey ? before(field.selectionStart) : next(field.selectionEnd);
    if (key === "Escape") isFilling = false;
    return key === "Escape";
  }

  function tapped() {
    const { selectionStart: at, selectionEnd: end, value } = field;
    if (!isFilling || at !== end) return;
    for (const { 0: text, index } of value.matchAll(PLACE)) {
      if (index < at && at < index + text.length) {
        field.setSelectionRange(index, index + text.length);
      }
    }
  }

  field.addEventListener("input", typed);
  field.addEventListener("click", tapped);
  form.addEventListener("keydown", pressed, { capture: true });
  box.addEventListener("pointerdown", (event) => {
    if (event.target.closest("[role=option]")) event.preventDefault(); // the focus stays
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) insert(option);
  });
  document.addEventListener("click", (event) => {
    if (!box.hidden && !form.contains(event.target)) close();
  });
}
