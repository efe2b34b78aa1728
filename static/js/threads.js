// The list of threads, live in every visible tab: the websocket says that it has changed,
// and it is fetched again as far as it is shown, morphing so that focus and place stay.

export function keepThreadsFresh(socket) {
  const list = document.getElementById("threads");
  let isBusy = false;
  let isStale = false;
  let shown = openThread();

  async function refresh() {
    if (document.hidden || isBusy) {
      isStale = true;
      return;
    }
    isBusy = true;
    isStale = false;
    const rows = [...list.querySelectorAll(".thread-row")];
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const query = new URLSearchParams({ open: openThread(), rows: rows.length });
    const url = `${list.dataset.url}?${query}`;
    try {
      await window.htmx.ajax("GET", url, { target: list, source: list, swap: "innerMorph" });
    } finally {
      isBusy = false;
    }
    if (at >= 0 && !list.contains(document.activeElement)) focusRow(at);
    showTitle();
    document.dispatchEvent(new CustomEvent("threads:fresh"));
    if (isStale) refresh();
  }

  // The row with the focus has gone: the next one gets it.
  function focusRow(index) {
    const links = list.querySelectorAll(".thread-link");
    (links[index] ?? links[links.length - 1])?.focus({ preventScroll: true });
  }

  // The title may have changed in another tab, or by the model.
  function showTitle() {
    const title = list.querySelector("[aria-current] .thread-title")?.textContent;
    const heading = document.querySelector("#thread-head .head-title");
    if (!title || !heading) return;
    if (heading.textContent !== title) heading.textContent = title;
    const named = (all, unseen = "") => unseen + title;
    document.title = document.title.replace(/^(\(\d+\) )?.*(?= · )/, named);
  }

  socket.watchThreads(refresh);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  document.addEventListener("threads:changed", refresh);
  document.addEventListener("htmx:after:swap", () => {
    if (openThread() === shown) return;
    shown = openThread();
    refresh();
  });
}

function openThread() {
  return document.getElementById("thread-head")?.dataset.thread ?? "";
}
