// Typesets the formulas of finished blocks when the browser is idle. KaTeX and its fonts
// are loaded with the first formula; what it cannot read stays as it was written.

const HOME = new URL("../vendor/katex-0.19.1/", import.meta.url);

const waiting = [];
const seen = new WeakSet();
let loading = null;
let scheduled = false;

// Queues every formula in the element, and the element itself if it is one.
export function typeset(element) {
  const found = [...element.querySelectorAll(".math")];
  if (element.matches?.(".math")) found.push(element);
  waiting.push(...found.filter((formula) => !seen.has(formula)));
  for (const formula of found) seen.add(formula);
  schedule();
}

// The TeX that a formula was typeset from.
export function sourceOf(formula) {
  return formula.querySelector("annotation")?.textContent ?? formula.textContent;
}

function schedule() {
  if (scheduled || waiting.length === 0) return;
  scheduled = true;
  const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  later(setOne, { timeout: 2000 });
}

async function setOne() {
  const formula = waiting.shift();
  try {
    const katex = await (loading ??= load());
    const displayMode = formula.localName === "div" || formula.matches(".math-display");
    const box = document.createElement(formula.localName);
    // Elements and their style objects, no HTML text: the content policy allows no other.
    katex.render(formula.textContent, box, { displayMode, maxSize: 20, maxExpand: 200 });
    formula.replaceChildren(...box.childNodes);
  } catch (error) {
    formula.title = error.message;
  }
  scheduled = false;
  schedule();
}

async function load() {
  const sheet = document.createElement("link");
  sheet.rel = "stylesheet";
  sheet.href = new URL("katex.css", HOME);
  document.head.append(sheet);
  await import(new URL("katex.js", HOME));
  return window.katex;
}
