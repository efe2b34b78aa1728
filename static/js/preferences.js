// The notifications of this browser, which no server can switch on.

import { gettext } from "./words.js";

const button = document.getElementById("notify");
const state = document.getElementById("notify-state");

function show() {
  const permission = window.Notification?.permission ?? "unsupported";
  button.hidden = permission !== "default";
  state.textContent = {
    granted: gettext("Notifications are on in this browser."),
    denied: gettext("This browser blocks notifications of this site. Its settings can allow them."),
    unsupported: gettext("This browser has no notifications, or wants HTTPS for them."),
    default: "",
  }[permission];
}

button.addEventListener("click", async () => {
  await Notification.requestPermission();
  show();
});
show();
