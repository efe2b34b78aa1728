// Marks the words of a search, which the address has as ?q=, in a message, and brings the
// first of them into view. The marks are the browser's own highlights, so that the text of
// the message stays as it is.

const MOST_WORDS = 10;

export function markHits(message) {
  const pattern = patternOf(new URLSearchParams(location.search).get("q") ?? "");
  if (!pattern || !CSS.highlights) return;
  const hits = [...textNodes(message)].flatMap((node) => rangesIn(node, pattern));
  CSS.highlights.set("hits", new Highlight(...hits));
  if (!hits.length) return;
  bring(hits[0]);
  // What is off the screen has an estimated height, so the first try may miss.
  requestAnimationFrame(() => requestAnimationFrame(() => bring(hits[0])));
}

// Only where it is out of sight: else the message stays at the top.
function bring(hit) {
  const { top, bottom } = hit.getBoundingClientRect();
  if (top >= 0 && bottom < innerHeight * 0.7) return;
  hit.startContainer.parentElement.scrollIntoView({ block: "center" });
}

// Whole words, and the last one by its beginning, as in runs/search/words.py.
function patternOf(text) {
  const words = text.replace(/[^\p{L}\p{M}\p{N}]+/gu, " ").trim().split(" ").slice(0, MOST_WORDS);
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
