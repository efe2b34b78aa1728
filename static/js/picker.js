// Choosing an assistant and the parameters of a thread, in the page's dialog.

const coarse = matchMedia("(pointer: coarse) and (not (any-pointer: fine))");

export function wirePicker() {
  const dialog = document.getElementById("dialog");

  // The head that held the focus is replaced when something was chosen.
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx?.target?.id === "thread-head") queueMicrotask(focusAgain);
    for (const button of dialog.querySelectorAll(".parameters-clear")) button.hidden = false;
  });
  dialog.addEventListener("close", () => queueMicrotask(focusAgain));
  dialog.addEventListener("keydown", pressed);
  dialog.addEventListener("click", (event) => {
    if (event.target.closest(".parameters-clear")) empty(dialog.querySelector("form"));
  });
  // Links that open the dialog are buttons, which the space bar presses.
  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("a[role=button]");
    if (!link || event.key !== " ") return;
    event.preventDefault();
    link.click();
  });
}

function focusAgain() {
  const lost = [null, document.body].includes(document.activeElement);
  if (!lost || document.getElementById("dialog").open) return;
  const target = document.getElementById(coarse.matches ? "assistant-button" : "text");
  target?.focus({ preventScroll: true });
}

function pressed(event) {
  if (event.isComposing || !event.target.closest(".picker")) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const field = event.currentTarget.querySelector("input[type=search]");
  const rows = [...event.currentTarget.querySelectorAll(".pick")];
  if (step) {
    event.preventDefault();
    const stops = [field, ...rows];
    const next = stops.indexOf(document.activeElement) + step;
    stops[(next + stops.length) % stops.length].focus();
  } else if (event.key === "Enter" && event.target === field) {
    event.preventDefault();
    rows[0]?.click();
  }
}

function empty(form) {
  for (const field of form.querySelectorAll("input:not([type=hidden]), textarea")) field.value = "";
  form.querySelector("[name=reasoning_effort]").value = "";
  form.querySelector("[name=model]").focus();
}
