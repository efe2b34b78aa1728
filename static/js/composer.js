// The message box: grows, sends, keeps drafts; while an answer runs, what it sends waits.

import { openAttachments } from "./attachments.js";
import { openDraft } from "./drafts.js";
import { gettext } from "./words.js";

const coarse = matchMedia("(pointer: coarse) and (not (any-pointer: fine))");
const LINES = 8;
const AGAIN = [500, 1_500]; // ms until a message is sent again by itself
const PASSING = [502, 503, 504]; // what a proxy says while a server is being restarted

export function openComposer({ user, onSend }) {
  const form = document.getElementById("composer");
  const box = document.getElementById("text");
  const send = document.getElementById("send");
  const stop = document.getElementById("stop");
  const { sendKey } = document.body.dataset;
  let draft = openDraft(user, openThread());
  let saving = 0;
  let tries = 0;
  let sending = []; // the files of the message that is on its way
  let isWanted = false; // to be sent as soon as its files are there
  const attachments = openAttachments({ form, box, onChange: typed, onReady: ready });

  function openThread() {
    return document.getElementById("thread-head").dataset.thread;
  }

  function typed() {
    tries = 0;
    grow();
    send.disabled = isEmpty();
    document.getElementById("welcome")?.classList.toggle("is-typing", box.value !== "");
    clearTimeout(saving);
    saving = setTimeout(save, 300);
  }

  function save() {
    draft.save(box.value, attachments.kept());
  }

  function isEmpty() {
    return !box.value.trim() && !attachments.ids().length && !attachments.isBusy();
  }

  function grow() {
    if (CSS.supports("field-sizing", "content")) return;
    box.style.height = "auto";
    const line = parseFloat(getComputedStyle(box).lineHeight);
    box.style.height = `${Math.min(box.scrollHeight, LINES * line + 24)}px`;
  }

  function setText(text) {
    box.value = text;
    typed();
  }

  function pressed(event) {
    // Safari ends a composition before its keydown; 229 tells that it was one.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && sends(event)) {
      event.preventDefault();
      submit();
    }
  }

  // Ctrl or Cmd always sends. Alone, Enter does where that was not chosen otherwise and
  // there is a real keyboard, which has a Shift for new lines.
  function sends(event) {
    if (event.ctrlKey || event.metaKey) return true;
    return !event.shiftKey && !coarse.matches && sendKey === "enter";
  }

  function submit() {
    if (!isEmpty()) form.requestSubmit(send);
  }

  function submitted(event) {
    if (event.target !== form || !attachments.isBusy()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    isWanted = true;
    note(gettext("The message is sent as soon as the files are there."));
  }

  // A file that was refused is to be seen before anything is sent.
  function ready() {
    if (!isWanted) return;
    isWanted = false;
    note("");
    if (!form.querySelector(".is-refused")) submit();
  }

  function note(text) {
    document.getElementById("composer-error").textContent = text;
  }

  function activeStop() {
    if (document.body.dataset.may === "read") return null;
    const forms = document.querySelectorAll("article[data-active] .stop-form");
    return forms[forms.length - 1] ?? null;
  }

  function stopRun() {
    const stopForm = activeStop();
    if (!stopForm || stop.disabled) return;
    stop.disabled = true;
    stopForm.requestSubmit();
  }

  // Takes up what a swap has changed: the thread, and whether an answer is running.
  function sync() {
    const head = document.getElementById("thread-head");
    form.setAttribute("hx-post", head.dataset.post);
    form.action = head.dataset.post;
    draft = openDraft(user, head.dataset.thread);
    const isActive = activeStop() !== null;
    // With files it was refused while the answer was written; now it can be sent.
    if (!isActive && !stop.hidden && attachments.ids().length) note("");
    if (!isActive || stop.hidden) stop.disabled = false;
    stop.hidden = !isActive;
    attachments.look();
    const words = isActive ? send.dataset.queue : send.dataset.send;
    send.title = words;
    send.setAttribute("aria-label", words);
  }

  // Text that has nowhere else to stay.
  function rescue(text, why) {
    setText([box.value, text].filter((one) => one.trim()).join("\n\n"));
    note(why);
  }

  function configured(event) {
    if (event.detail.ctx.sourceElement !== form) return;
    clearTimeout(saving);
    event.detail.ctx.request.body.set("key", draft.keyFor(box.value, attachments.ids()));
    sending = attachments.ids();
    note("");
    form.classList.add("is-sending");
  }

  function answered(event) {
    if (event.detail.ctx.sourceElement !== form) return;
    form.classList.remove("is-sending");
    if (!event.detail.ctx.response?.raw.ok) return;
    clearTimeout(saving);
    draft.clear();
    setText("");
    attachments.sent(sending);
    clearTimeout(saving);
    // The button that was clicked is gone now; on a phone focus would open the keyboard.
    if (!coarse.matches) box.focus({ preventScroll: true });
    onSend();
  }

  function failed(event) {
    const ctx = event.detail.ctx;
    stop.disabled = false;
    if (!ctx || ctx.sourceElement.matches("article")) return;
    if (ctx.sourceElement === form && sendAgain()) return;
    form.classList.remove("is-sending");
    note(gettext("The server could not be reached. Your text is kept; try again."));
  }

  // An answer nobody planned for (a proxy's page, a crash) must not land in the thread.
  function unexpected(event) {
    const { ctx } = event.detail;
    stop.disabled = false;
    const isPassing = ctx.sourceElement === form && PASSING.includes(ctx.response.status);
    if (isPassing && sendAgain()) {
      ctx.hx.retarget = "";
      ctx.hx.reswap = "none";
      return;
    }
    if (ctx.hx.retarget) return;
    ctx.hx.reswap = "none";
    if (!ctx.sourceElement.matches("article")) note(explain(ctx.response.status));
  }

  // The server knows a message that it has by its key, so that this makes no second one.
  function sendAgain() {
    if (tries >= AGAIN.length) {
      tries = 0;
      return false;
    }
    const text = box.value;
    setTimeout(() => box.value === text && form.requestSubmit(send), AGAIN[tries]);
    tries += 1;
    note(gettext("Sending again"));
    return true;
  }

  function explain(status) {
    if (status === 403) {
      return gettext("This page is out of date. Load it again; your text is kept.");
    }
    if (status === 404) return gettext("This no longer exists. Your text is kept.");
    if (status === 413) return gettext("This is too long for the server. Shorten it.");
    return gettext("The server had an error. Your text is kept; try again.");
  }

  function escaped(event) {
    if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
    if (document.querySelector(":popover-open, dialog[open]")) return;
    stopRun();
  }

  function suggested(event) {
    const button = event.target.closest("[data-suggestion]");
    if (!button) return;
    setText(button.dataset.suggestion);
    box.focus();
  }

  box.addEventListener("input", typed);
  box.addEventListener("keydown", pressed);
  stop.addEventListener("click", stopRun);
  document.addEventListener("keydown", escaped);
  document.addEventListener("click", suggested);
  document.addEventListener("htmx:config:request", configured);
  document.addEventListener("htmx:after:request", answered);
  document.addEventListener("htmx:error", failed);
  document.addEventListener("htmx:response:error", unexpected);
  document.addEventListener("submit", submitted, { capture: true });
  addEventListener("pagehide", save);

  sync();
  const kept = draft.load();
  setText(box.value || kept.text);
  clearTimeout(saving); // not before the files of the draft are here
  attachments.restore(kept.files);
  if (!coarse.matches) box.focus({ preventScroll: true });
  return { sync, rescue, sends };
}
