// Pages that list threads or messages: search and the archive, with the live sidebar.

import { wireDialog } from "./dialogs.js";
import { forgetDrafts } from "./drafts.js";
import { wireKeyboard } from "./keyboard.js";
import { wireMenus } from "./menus.js";
import { wirePalette } from "./palette.js";
import { wireRowMenus } from "./rows.js";
import { openSocket } from "./socket.js";
import { keepThreadsFresh } from "./threads.js";
import { wireToasts } from "./toasts.js";

const { socket: path, protocol, login } = document.body.dataset;
const socket = openSocket({
  url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`,
  protocol: Number(protocol),
  onState,
  onRun: () => {},
  onQueued: () => {},
  onAccess: () => {},
  onPath: () => {},
});

wireDialog();
wireKeyboard();
wireMenus();
wirePalette();
wireRowMenus();
wireToasts();
keepThreadsFresh(socket);
document.getElementById("sign-out").addEventListener("submit", forgetDrafts);

const archive = document.getElementById("archived");
if (archive) document.addEventListener("threads:fresh", refreshArchive);

function refreshArchive() {
  const options = { target: archive, source: archive, swap: "innerMorph" };
  window.htmx.ajax("GET", archive.dataset.url, options);
}

function onState(state) {
  const here = encodeURIComponent(location.pathname + location.search);
  if (state === "signed-out") location.assign(`${login}?next=${here}`);
}
