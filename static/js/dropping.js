// Files may be dropped anywhere on the page; a sheet over it says so meanwhile.

import { filesIn, hasFiles } from "./uploads.js";

export function wireDropping({ mayTake, take }) {
  const zone = document.getElementById("drop-zone");
  let depth = 0; // of elements that the files are over

  function entered(event) {
    if (!hasFiles(event.dataTransfer) || !mayTake()) return;
    event.preventDefault();
    depth += 1;
    zone.hidden = false;
  }

  function over(event) {
    if (!hasFiles(event.dataTransfer)) return;
    // Elsewhere the browser would leave the page and open the file.
    event.preventDefault();
    event.dataTransfer.dropEffect = mayTake() ? "copy" : "none";
  }

  function left() {
    depth = Math.max(0, depth - 1);
    zone.hidden = depth === 0;
  }

  function dropped(event) {
    depth = 0;
    zone.hidden = true;
    if (!hasFiles(event.dataTransfer)) return;
    event.preventDefault();
    if (mayTake()) take(filesIn(event.dataTransfer));
  }

  document.addEventListener("dragenter", entered);
  document.addEventListener("dragover", over);
  document.addEventListener("dragleave", left);
  document.addEventListener("drop", dropped);
}
