// The page's one dialog. Whatever htmx swaps into it opens it; a [data-close] button, a
// click beside it, Escape and the event "dialog:close" from the server close it.

export function wireDialog() {
  const dialog = document.getElementById("dialog");

  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx?.target !== dialog || !dialog.childElementCount) return;
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("[autofocus]")?.focus();
  });
  document.addEventListener("dialog:close", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
  // Its content is gone with it, so that nothing in it can be found by label or id.
  dialog.addEventListener("close", () => dialog.replaceChildren());
}
