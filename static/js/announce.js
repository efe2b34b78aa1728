// The one region that screen readers follow: a few words, never the growing text.

export function announce(words) {
  document.getElementById("announcer").textContent = words;
}
