// Bringing one file to the server, with its progress; what comes of it is always told.

// The promise gives { html } of the file's place, or { reason } why it is refused: a
// text of the server's, or the name of one of the page's own words.
export function upload({ url, token, file, onProgress }) {
  const request = new XMLHttpRequest();
  const answer = new Promise((resolve) => {
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      onProgress(total ? loaded / total : 0);
    });
    request.addEventListener("load", () => resolve(meaning(request, url)));
    request.addEventListener("error", () => resolve({ word: "unreachable" }));
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
  if (new URL(request.responseURL).pathname !== url) return { word: "signedOut" };
  if (request.status === 201) return { html: request.responseText };
  if (request.status === 413) return { word: "tooLarge" };
  const isPlain = request.getResponseHeader("Content-Type")?.startsWith("text/plain");
  return isPlain ? { reason: request.responseText } : { word: "failed" };
}

// The files that were dropped or pasted; folders come as null.
export function filesIn(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  return items.map((item) => {
    return item.webkitGetAsEntry?.()?.isDirectory ? null : item.getAsFile();
  });
}

export function hasFiles(transfer) {
  return transfer?.types.includes("Files") ?? false;
}
