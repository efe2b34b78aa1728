// The menu of a thread's row: one popover for all rows, filled when it is asked for.

import { walk } from "./menus.js";

const GAP = 4; // px between the button and its menu

export function wireRowMenus() {
  const list = document.getElementById("threads");
  const menu = document.getElementById("row-menu");
  let button = null;

  list.addEventListener("click", (event) => {
    const pressed = event.target.closest(".row-more");
    if (pressed) open(pressed);
  });

  async function open(pressed) {
    button = pressed;
    const options = { target: menu, source: menu, swap: "innerHTML" };
    await window.htmx.ajax("GET", pressed.dataset.menu, options);
    if (button !== pressed || !pressed.isConnected) return;
    menu.showPopover({ source: pressed });
    place(pressed.getBoundingClientRect());
    menu.querySelector("a, button").focus({ preventScroll: true });
  }

  function place(box) {
    const { offsetWidth: width, offsetHeight: height } = menu;
    const isBelow = box.bottom + GAP + height < innerHeight;
    menu.style.left = `${Math.max(GAP, Math.min(box.right - width, innerWidth - width - GAP))}px`;
    menu.style.top = `${isBelow ? box.bottom + GAP : Math.max(GAP, box.top - GAP - height)}px`;
  }

  menu.addEventListener("toggle", ({ newState }) => {
    document.querySelector(".row-more.is-open")?.classList.remove("is-open");
    if (newState === "open") button?.classList.add("is-open");
  });
  // A chosen entry closes it, but only after htmx has heard of it.
  menu.addEventListener("click", (event) => {
    if (event.target.closest("a, button")) setTimeout(() => menu.hidePopover());
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    walk(menu, event.key === "ArrowDown" ? 1 : -1);
  });
  list.addEventListener("scroll", () => menu.matches(":popover-open") && menu.hidePopover(), {
    passive: true,
  });
}
