// The chat page: puts the parts together.

import { banner } from "./banner.js";
import { openComposer } from "./composer.js";
import { wireCopying } from "./copy.js";
import { wireDiagrams } from "./diagrams.js";
import { wireDialog } from "./dialogs.js";
import { forgetDrafts } from "./drafts.js";
import { wireLightbox } from "./lightbox.js";
import { wireKeyboard } from "./keyboard.js";
import { typeset } from "./math.js";
import { wireMenus } from "./menus.js";
import { wireNotices } from "./notify.js";
import { wirePalette } from "./palette.js";
import { openQueued } from "./queued.js";
import { wirePicker } from "./picker.js";
import { wirePrompts } from "./prompts.js";
import { wireRowMenus } from "./rows.js";
import { bindRuns, registerSwaps } from "./run.js";
import { followBottom, keepPlaceAbove } from "./scroll.js";
import { reportSeen } from "./seen.js";
import { openSocket } from "./socket.js";
import { accessChanged, wireSharing } from "./sharing.js";
import { keepThreadsFresh } from "./threads.js";
import { wireToasts } from "./toasts.js";
import { lastMessage, wireTurns } from "./turns.js";
import { gettext } from "./words.js";

const { socket: path, protocol, user, login } = document.body.dataset;
const OWN_ANSWER = 500; // ms
let offline = 0;

const socket = openSocket({
  url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`,
  protocol: Number(protocol),
  onState,
  onRun,
  onQueued: ({ thread, version }) => thread === head().thread && queued.changed(version),
  onAccess: accessChanged,
  onPath,
});
const scroller = document.getElementById("scroll");
const jump = document.getElementById("jump");
const column = document.getElementById("column");

registerSwaps();
const scroll = followBottom(scroller, column, jump);
keepPlaceAbove(scroller);
const composer = openComposer({ user, onSend: () => scroll.toBottom() });
const queued = openQueued(composer);
wireCopying();
wireDiagrams();
wireDialog();
wireLightbox();
wireKeyboard();
wireMenus();
wireNotices();
wirePalette();
wirePicker();
wirePrompts();
wireRowMenus();
wireSharing();
wireToasts();
wireTurns({ scroll, scroller });
keepThreadsFresh(socket);
typeset(column);
const noteSeen = reportSeen(scroller);
bindRuns(socket, changed);
socket.watchThread(head().thread);

document.addEventListener("htmx:after:swap", () => {
  dropDoubles();
  anchorNew();
  typeset(column);
  bindRuns(socket, changed);
  socket.watchThread(head().thread);
  changed();
});
document.getElementById("sign-out").addEventListener("submit", forgetDrafts);

function head() {
  return document.getElementById("thread-head").dataset;
}

// Another tab has sent something; what this tab sent itself is here in a moment.
function onRun({ thread, run }) {
  if (run) catchUp(thread, () => document.getElementById(run) !== null);
}

// Another tab shows another branch, or has deleted something.
function onPath({ thread, tip }) {
  catchUp(thread, () => tip !== "" && tip === lastMessage());
}

function catchUp(thread, isHere) {
  setTimeout(() => {
    const isGone = document.body.dataset.may === "";
    if (isGone || thread !== head().thread || isHere()) return;
    const turns = document.getElementById("turns");
    window.htmx.ajax("GET", head().url, { target: turns, source: turns, swap: "join" });
  }, OWN_ANSWER);
}

function changed() {
  composer.sync();
  noteSeen();
}

// A message sent again after a lost reply may stand on the page already: the newer stays.
function dropDoubles() {
  const seen = new Set();
  for (const turn of [...document.querySelectorAll("#turns > article")].reverse()) {
    if (seen.has(turn.id)) turn.remove();
    seen.add(turn.id);
  }
}

// A new answer gets the rest of the screen, so that its question stays near the top.
function anchorNew() {
  const last = document.querySelector("#turns > article:last-child");
  if (!last?.hasAttribute("data-active") || last.classList.contains("is-anchored")) return;
  document.querySelector(".is-anchored")?.classList.remove("is-anchored");
  last.classList.add("is-anchored");
  scroll.toBottom();
}

function onState(state) {
  clearTimeout(offline);
  const reload = { text: gettext("Reload"), href: location.href };
  const signIn = `${login}?next=${encodeURIComponent(location.pathname)}`;
  if (state === "online") banner();
  if (state === "offline") offline = setTimeout(() => banner(gettext("Reconnecting")), 2000);
  if (state === "signed-out") {
    const link = { text: gettext("Sign in"), href: signIn };
    banner(gettext("You are signed out. Your draft is kept."), link);
  }
  if (state === "new-version") banner(gettext("A new version is running."), reload);
  if (state === "refused") {
    banner(gettext("This server does not accept this page's address."));
  }
  if (state === "error") banner(gettext("The live connection was refused."), reload);
}

