// The command palette: arrow keys choose while the focus stays in the field.

// It is on the page already, so that what is typed at once is not lost.
export function openPalette() {
  const dialog = document.getElementById("dialog");
  if (dialog.open) return;
  dialog.replaceChildren(document.getElementById("palette-template").content.cloneNode(true));
  dialog.showModal();
  window.htmx.process(dialog);
  document.getElementById("palette-query").focus();
}

export function wirePalette() {
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "palette-query" || event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      event.preventDefault();
      chosen()?.click();
    }
  });
  document.addEventListener("htmx:after:swap", () => {
    if (document.getElementById("palette") && !chosen()) choose(1);
  });
}

function entries() {
  return [...document.querySelectorAll("#palette-entries [role=option]")];
}

function chosen() {
  return document.querySelector("#palette-entries [aria-selected=true]");
}

function choose(step) {
  const all = entries();
  const old = chosen();
  const next = all[(all.indexOf(old) + step + all.length) % all.length];
  old?.removeAttribute("aria-selected");
  next?.setAttribute("aria-selected", "true");
  next?.scrollIntoView({ block: "nearest" });
  const field = document.getElementById("palette-query");
  if (next) field.setAttribute("aria-activedescendant", next.id);
  else field.removeAttribute("aria-activedescendant");
}
