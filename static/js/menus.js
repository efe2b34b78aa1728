// Drop-down menus: <details class="dropdown"> with a summary and a list. One is open at a
// time; Escape, a click elsewhere and a chosen entry close it, arrow keys walk through it.

const OPEN = "details.dropdown[open]";

export function wireMenus() {
  document.addEventListener("click", (event) => {
    const inside = event.target.closest("details.dropdown");
    const isEntry = event.target.closest(".menu a, .menu button") !== null;
    for (const menu of document.querySelectorAll(OPEN)) {
      if (menu !== inside || isEntry) menu.open = false;
    }
  });
  document.addEventListener("keydown", pressed);
}

function pressed(event) {
  const menu = event.target.closest?.(OPEN);
  if (!menu || event.isComposing) return;
  if (event.key === "Escape") {
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    walk(menu, event.key === "ArrowDown" ? 1 : -1);
  }
}

export function walk(menu, step) {
  const entries = [...menu.querySelectorAll("li a, li button")];
  const at = entries.indexOf(document.activeElement);
  const next = at < 0 && step < 0 ? entries.length - 1 : at + step;
  entries[(next + entries.length) % entries.length]?.focus();
}
