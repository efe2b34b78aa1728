// Says that an answer has ended while nobody looked: in the title, in the icon, and as the
// browser's notification where that is allowed.

let unseen = 0;

export function wireNotices() {
  document.addEventListener("run:ended", ({ detail }) => {
    if (!document.hidden) return;
    unseen += 1;
    show();
    notify(detail);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    unseen = 0;
    show();
  });
}

function show() {
  const plain = document.title.replace(/^\(\d+\) /, "");
  document.title = unseen ? `(${unseen}) ${plain}` : plain;
  const icon = document.getElementById("favicon");
  icon.href = unseen ? icon.dataset.unseen : icon.dataset.plain;
}

function notify({ run, words }) {
  if (window.Notification?.permission !== "granted") return;
  try {
    const title = document.getElementById("thread-head").querySelector("h1").textContent;
    const notice = new Notification(title, { body: words, tag: run });
    notice.onclick = () => {
      window.focus();
      notice.close();
    };
  } catch (error) {
    // Chrome on Android knows the permission, but shows them only for service workers.
    console.info("no notification:", error.message);
  }
}
