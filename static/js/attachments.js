// The files of the message that is being written: brought by button, paste and drop,
// each a card in the message box. A card of a file that is on the server holds its id in
// a hidden field, so that the form sends it; the server knows whose it is.

import { announce } from "./announce.js";
import { wireDropping } from "./dropping.js";
import { filesPasted, upload } from "./uploads.js";
import { fill, gettext } from "./words.js";

// `onChange` is called when cards come or go, `onReady` when no upload runs any more.
export function openAttachments({ form, box, onChange, onReady }) {
  const list = document.getElementById("attachments");
  const note = document.getElementById("attachments-note");
  const blind = document.getElementById("attachments-blind");
  const picker = document.getElementById("attach-files");
  const button = document.getElementById("attach");
  const pending = document.getElementById("attachment-pending");
  const { most, mostBytes, mostMegabytes, mostTokens } = list.dataset;
  const running = new Map(); // of cards, to how their upload is given up
  let line = Promise.resolve(); // one upload after the other
  let busy = 0;
  let restoring = []; // ids of files of the draft that are asked for

  function cards() {
    return [...list.querySelectorAll("[data-file]")];
  }

  function ids() {
    return cards().map((card) => card.dataset.file);
  }

  // What the draft keeps: also what is not shown yet, or could not be.
  function kept() {
    return [...restoring, ...ids()];
  }

  function changed() {
    const tokens = cards().reduce((sum, card) => sum + Number(card.dataset.tokens), 0);
    const room = Number(mostTokens);
    const figures = { tokens: tokens.toLocaleString(), room: room.toLocaleString() };
    const words = gettext(
      "The files have about %(tokens)s tokens of text. The model gets %(room)s at most; the rest is left out.",
    );
    note.textContent = tokens > room ? fill(words, figures) : "";
    look();
    onChange();
  }

  // The model may be another one after each swap.
  function look() {
    const sees = document.getElementById("assistant-button")?.dataset.sees !== "no";
    const isHidden = sees || !list.querySelector("[data-image]");
    if (blind.hidden && !isHidden) announce(blind.textContent);
    blind.hidden = isHidden;
  }

  function take(files) {
    let room = Number(most) - list.querySelectorAll(".attachment:not(.is-refused)").length;
    for (const file of files) {
      const reason = unfit(file, room);
      if (reason) refuse(newCard(file?.name ?? ""), reason);
      else {
        room -= 1;
        enqueue(newCard(file.name), file);
      }
    }
  }

  // Why a file is not even brought; the server looks for itself.
  function unfit(file, room) {
    if (!file) return gettext("This can't be read. Folders can't be attached.");
    if (room <= 0) return fill(gettext("A message may have at most %(most)s files."), { most });
    if (file.size <= Number(mostBytes)) return "";
    return fill(gettext("A file may have at most %(most)s MB."), { most: mostMegabytes });
  }

  function newCard(name) {
    const card = pending.content.cloneNode(true).firstElementChild;
    for (const place of card.querySelectorAll(".attachment-name")) place.textContent = name;
    card.dataset.name = name;
    list.append(card);
    card.scrollIntoView({ block: "nearest" });
    return card;
  }

  function enqueue(card, file) {
    busy += 1;
    onChange();
    line = line.then(() => bring(card, file)).finally(() => {
      busy -= 1;
      changed();
      if (!busy) onReady();
    });
  }

  async function bring(card, file) {
    if (!card.isConnected) return;
    const progress = card.querySelector("progress");
    const facts = card.querySelector(".attachment-facts");
    const name = file.name;
    announce(fill(gettext("Uploading %(name)s"), { name }));
    facts.textContent = "0 %";
    const sending = upload({
      url: list.dataset.upload,
      token: form.elements.csrfmiddlewaretoken.value,
      file,
      onProgress(part) {
        progress.value = part;
        facts.textContent = part < 1 ? `${Math.floor(part * 100)} %` : gettext("Being read");
        if (part >= 1) progress.removeAttribute("value");
      },
    });
    running.set(card, sending.abort);
    const { html, reason, isAborted } = await sending.answer;
    running.delete(card);
    if (isAborted) return;
    if (!html) return refuse(card, reason);
    card.outerHTML = html;
    announce(fill(gettext("%(name)s is attached"), { name }));
  }

  // It stays until it is dismissed, so that nobody sends without having seen it.
  function refuse(card, reason) {
    card.classList.replace("is-pending", "is-refused");
    card.querySelector("progress").remove();
    card.querySelector(".attachment-facts").textContent = reason;
    card.scrollIntoView({ block: "nearest" });
    const values = { name: card.dataset.name, reason };
    announce(fill(gettext("%(name)s is not attached: %(reason)s"), values));
  }

  function clicked(event) {
    const remove = event.target.closest(".attachment-remove");
    if (!remove) return;
    const card = remove.closest(".attachment");
    const name = card.querySelector(".attachment-name").textContent;
    if (remove.dataset.url) discard(remove.dataset.url);
    const next = card.nextElementSibling ?? card.previousElementSibling;
    card.remove();
    running.get(card)?.();
    (next?.querySelector(".attachment-remove") ?? box).focus();
    announce(fill(gettext("%(name)s is removed"), { name }));
    changed();
  }

  // What could not be removed goes by itself within a day.
  function discard(url) {
    const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value };
    fetch(url, { method: "POST", headers }).catch(() => {});
  }

  function pasted(event) {
    const files = filesPasted(event.clipboardData);
    if (!files.length) return;
    event.preventDefault();
    take(files);
  }

  function chosen() {
    take([...picker.files]);
    picker.value = "";
    box.focus();
  }

  // The files of a draft, after the page was loaded again.
  async function restore(wanted) {
    if (!wanted?.length) return;
    busy += 1;
    restoring = wanted;
    let isMissing = false;
    const query = new URLSearchParams(wanted.map((id) => ["id", id]));
    try {
      const answer = await fetch(`${list.dataset.waiting}?${query}`);
      if (answer.ok && !answer.redirected) {
        list.insertAdjacentHTML("beforeend", await answer.text());
        restoring = [];
        isMissing = ids().length < wanted.length;
      }
    } catch (error) {
      console.warn("the files of the draft are not shown:", error);
    }
    busy -= 1;
    changed();
    if (isMissing) note.textContent = gettext("A file of this draft is no longer there.");
    if (!busy) onReady();
  }

  // The server has these now.
  function sent(taken) {
    for (const card of cards()) if (taken.includes(card.dataset.file)) card.remove();
    changed();
  }

  function isBusy() {
    return busy > 0;
  }

  button.hidden = false;
  button.addEventListener("click", () => picker.click());
  picker.addEventListener("change", chosen);
  list.addEventListener("click", clicked);
  box.addEventListener("paste", pasted);
  wireDropping({ mayTake: () => form.checkVisibility(), take });
  return { ids, isBusy, kept, look, restore, sent };
}
