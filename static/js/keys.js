// The page of API keys: shows the copy button, and brings a new key into view.

import { announce } from "./announce.js";
import { write } from "./copy.js";
import { gettext } from "./words.js";

show();
document.addEventListener("htmx:after:swap", show);
document.addEventListener("click", (event) => {
  const button = event.target.closest("#copy-secret");
  if (button) copy(button);
});

function show() {
  const secret = document.getElementById("secret");
  if (!secret) return;
  document.getElementById("copy-secret").hidden = false;
  secret.focus();
  secret.select();
}

async function copy(button) {
  let words = gettext("Copied");
  try {
    await write(document.getElementById("secret").value);
  } catch (error) {
    console.warn("not copied:", error);
    words = gettext("Not copied");
  }
  announce(words);
  button.querySelector("span").textContent = words;
}
