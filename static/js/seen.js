// Tells the server once that a visible tab has shown the end of an answer, so that its
// thread is no longer marked as unread anywhere.

export function reportSeen(scroller) {
  const known = new Set(); // runs that were told of, or had been seen before the page came
  const live = new Set(); // runs that were being written on this page
  let watched = null;
  const observer = new IntersectionObserver(look, { root: scroller });

  // Looks at what is now the last answer.
  function check() {
    const last = document.querySelector("#turns > article:last-of-type");
    if (!last?.matches(".turn-run")) return;
    if (last.hasAttribute("data-active")) {
      live.add(last.id);
      return;
    }
    if (known.has(last.id) || (!live.has(last.id) && !isUnread())) return;
    const end = last.lastElementChild;
    if (end === watched) return;
    observer.disconnect();
    watched = end;
    observer.observe(end);
  }

  function look(entries) {
    const run = watched?.closest("article")?.id;
    if (!run || document.hidden || !entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    watched = null;
    known.add(run);
    const { seen } = document.getElementById("thread-head").dataset;
    const isGone = document.body.dataset.may === ""; // no longer shared
    const options = { source: scroller, target: scroller, swap: "none", values: { run } };
    if (seen && !isGone) window.htmx.ajax("POST", seen, options);
  }

  // Unknown, where the row is not in the list, counts as unread.
  function isUnread() {
    const row = document.querySelector("#threads .thread-link[aria-current]");
    return !row || row.classList.contains("is-unread");
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    watched = null;
    check();
  });
  check();
  return check;
}
