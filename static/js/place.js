// Opens the page at the message that the address names, and marks what was searched for.

export function openPlace(scroll) {
  addEventListener("hashchange", () => go(scroll));
  go(scroll);
}

function go(scroll) {
  const id = location.hash.slice(1);
  const target = id && document.getElementById(id);
  const article = target && target.closest("#turns > article");
  if (!article) return;
  scroll.release();
  mark(target);
  article.classList.add("is-target");
  article.tabIndex = -1;
  article.focus({ preventScroll: true });
  bring(target);
  // What is off the screen has an estimated height, so the first try may miss.
  requestAnimationFrame(() => requestAnimationFrame(() => bring(target)));
}

function bring(target) {
  const hit = CSS.highlights?.get("hits")?.values().next().value;
  const far = hit && hit.getBoundingClientRect().top - target.getBoundingClientRect().top;
  const isBelow = far > innerHeight / 2;
  (isBelow ? hit.startContainer.parentElement : target).scrollIntoView({ block: isBelow ? "center" : "start" });
}

// With the browser's own highlights, so that the text of the answer stays as it is.
function mark(target) {
  const words = new URLSearchParams(location.search).get("q") ?? "";
  const pattern = patternOf(words);
  if (!pattern || !CSS.highlights) return;
  const ranges = [...textNodes(target)].flatMap((node) => rangesIn(node, pattern));
  CSS.highlights.set("hits", new Highlight(...ranges));
}

// Whole words, and the last one by its beginning, as in runs/search/words.py.
function patternOf(text) {
  const words = text.replace(/[^\p{L}\p{M}\p{N}]+/gu, " ").trim().split(" ").slice(0, 10);
  if (!words[0]) return null;
  const last = words.pop();
  const parts = words.map((word) => `${word}(?![\\p{L}\\p{N}])`);
  parts.push(`${last}[\\p{L}\\p{M}\\p{N}]*`);
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${parts.join("|")})`, "giu");
}

function* textNodes(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) yield walker.currentNode;
}

function rangesIn(node, pattern) {
  return [...node.data.matchAll(pattern)].map((hit) => {
    const range = new Range();
    range.setStart(node, hit.index);
    range.setEnd(node, hit.index + hit[0].length);
    return range;
  });
}
