// Diagrams (mermaid): drawn when somebody asks, in a sandboxed frame that can reach nothing.

import { gettext } from "./words.js";

const MOST = 4_000; // px of height
const frames = new Map(); // frame -> the block of code that it draws

export function wireDiagrams() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".diagram-show");
    if (button) toggle(button);
  });
  addEventListener("message", ({ source, data }) => {
    for (const [frame, block] of frames) {
      if (!frame.isConnected) frames.delete(frame);
      else if (frame.contentWindow === source) told(frame, block, data);
    }
  });
}

function toggle(button) {
  const block = button.closest(".code");
  const old = block.querySelector("iframe");
  block.querySelector("pre").hidden = !old;
  button.textContent = old ? gettext("Diagram") : gettext("Code");
  if (old) old.remove();
  else draw(block);
}

function draw(block) {
  const frame = document.createElement("iframe");
  frame.className = "diagram";
  frame.title = gettext("Diagram");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.src = document.body.dataset.diagram;
  frames.set(frame, block);
  block.append(frame);
}

function told(frame, block, { isReady, height, error }) {
  if (isReady) {
    const isDark = getComputedStyle(block).colorScheme.startsWith("dark") || prefersDark(block);
    frame.contentWindow.postMessage({ text: codeOf(block), isDark }, "*");
  } else if (error) {
    toggle(block.querySelector(".diagram-show"));
    block.querySelector(".diagram-show").textContent = gettext("Not a diagram");
  } else {
    frame.style.height = `${Math.min(Number(height) || 0, MOST)}px`;
  }
}

function codeOf(block) {
  return block.querySelector("code").textContent;
}

function prefersDark(block) {
  const isOpen = getComputedStyle(block).colorScheme.includes("light dark");
  return isOpen && matchMedia("(prefers-color-scheme: dark)").matches;
}
