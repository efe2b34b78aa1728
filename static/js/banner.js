// The quiet line at the top about the connection: at most one, the latest.

// `link` is {text, href}; without words the banner goes away.
export function banner(words = "", link = null) {
  const element = document.getElementById("banner");
  const anchor = document.getElementById("banner-link");
  document.getElementById("banner-text").textContent = words;
  anchor.hidden = !link;
  if (link) {
    anchor.textContent = link.text;
    anchor.href = link.href;
  }
  element.hidden = !words;
}
