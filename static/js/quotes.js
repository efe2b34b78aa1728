// Quoting: what is selected in a turn, or the whole of it as it was written, goes into the
// message box as "> " lines.

export function wireQuotes(box) {
  let picked = null; // a click on the menu takes the selection away

  document.addEventListener("pointerdown", ({ target }) => {
    const turn = target.closest?.(".turn-menu")?.closest("article");
    const now = turn ? selectionIn(turn) : "";
    if (now) picked = { turn, text: now };
    else if (picked?.turn !== turn) picked = null;
  }, { capture: true });

  document.addEventListener("click", async ({ target }) => {
    const entry = target.closest("[data-quote]");
    if (!entry) return;
    const turn = entry.closest("article");
    const selected = selectionIn(turn) || (picked?.turn === turn ? picked.text : "");
    picked = null;
    quote(box, selected || (await written(entry.dataset.quote)));
  });
}

function selectionIn(turn) {
  const selection = getSelection();
  const said = turn.querySelector(".answer, .bubble");
  const isInside = [selection.anchorNode, selection.focusNode].every((node) => said?.contains(node));
  return isInside ? selection.toString().trim() : "";
}

async function written(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  return response.ok ? response.text() : "";
}

function quote(box, text) {
  if (!text) return;
  const lines = text.trim().split("\n").map((line) => (line ? `> ${line}` : ">"));
  const before = box.value.trimEnd();
  box.value = `${before ? `${before}\n\n` : ""}${lines.join("\n")}\n\n`;
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.focus({ preventScroll: true });
  box.setSelectionRange(box.value.length, box.value.length);
  box.scrollTop = box.scrollHeight;
}
