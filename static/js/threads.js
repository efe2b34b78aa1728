// The list of threads is brought up to date when the reader comes back to the tab, and
// now and then while an answer runs in another thread.

const EVERY = 15_000; // ms

export function keepThreadsFresh() {
  const list = document.getElementById("threads");

  function refresh() {
    const open = document.getElementById("thread-head").dataset.thread;
    const url = `${list.dataset.url}?open=${encodeURIComponent(open)}`;
    window.htmx.ajax("GET", url, { target: list, source: list, swap: "innerHTML" });
  }

  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  setInterval(() => {
    if (!document.hidden && list.querySelector(".running")) refresh();
  }, EVERY);
}
