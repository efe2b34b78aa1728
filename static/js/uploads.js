// Bringing one file to the server, with its progress; what comes of it is always told.

import { gettext } from "./words.js";

// The promise gives { html } of the file's place, or { reason } why it is refused.
export function upload({ url, token, file, onProgress }) {
  const request = new XMLHttpRequest();
  const answer = new Promise((resolve) => {
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      onProgress(total ? loaded / total : 0);
    });
    request.addEventListener("load", () => resolve(meaning(request, url)));
    request.addEventListener("error", () => {
      resolve({ reason: gettext("The server could not be reached.") });
    });
    request.addEventListener("abort", () => resolve({ isAborted: true }));
  });
  const form = new FormData();
  form.append("file", file, file.name);
  request.open("POST", url);
  request.setRequestHeader("X-CSRFToken", token);
  request.send(form);
  return { answer, abort: () => request.abort() };
}

function meaning(request, url) {
  const isRedirected = new URL(request.responseURL).pathname !== url;
  if (isRedirected) return { reason: gettext("You are signed out. Sign in again.") };
  if (request.status === 201) return { html: request.responseText };
  if (request.status === 413) return { reason: gettext("This is too large for the server.") };
  const isPlain = request.getResponseHeader("Content-Type")?.startsWith("text/plain");
  if (isPlain && request.status < 500) return { reason: request.responseText };
  return { reason: gettext("The server could not take the file.") };
}

// The files that were dropped or pasted; folders come as null.
export function filesIn(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  return items.map((item) => {
    return item.webkitGetAsEntry?.()?.isDirectory ? null : item.getAsFile();
  });
}

// Office programs put a picture of the text beside the text; then the text is meant. File
// managers put the names beside the files.
export function filesPasted(clipboard) {
  const files = filesIn(clipboard);
  const names = files.map((file) => file?.name);
  const text = clipboard.getData("text/plain").trim();
  const isText = text && !text.split(/\r?\n/).every((line) => names.includes(line));
  return isText ? [] : files;
}

export function hasFiles(transfer) {
  return transfer?.types.includes("Files") ?? false;
}
