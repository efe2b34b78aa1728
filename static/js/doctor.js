// The doctor's page: shows what the checks find, and copies it as a report.

import { announce } from "./announce.js";
import { write } from "./copy.js";
import { examine } from "./doctor-checks.js";
import { fill, gettext, ngettext } from "./words.js";

const { socket, publicUrl, drip, idle } = document.body.dataset;
const settings = {
  publicUrl,
  drip,
  socket: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${socket}`,
  idleSeconds: Number(idle),
};
const VERDICTS = {
  ok: gettext("ok"),
  warning: gettext("warning"),
  failed: gettext("failed"),
  skipped: gettext("skipped"),
  testing: gettext("testing"),
};
const server = document.getElementById("server");
const browser = document.getElementById("browser");
const copyButton = document.getElementById("copy");
const loading = [...server.children].map((one) => one.cloneNode(true));
let running = new AbortController();

start();
document.getElementById("again").addEventListener("click", () => {
  server.replaceChildren(...loading.map((one) => one.cloneNode(true)));
  server.dispatchEvent(new Event("again"));
  start();
});
copyButton.addEventListener("click", copy);
for (const name of ["htmx:response:error", "htmx:error"]) {
  server.addEventListener(name, ({ detail }) => serverFailed(detail.ctx?.response?.status));
}
document.addEventListener("htmx:after:swap", sum);

function start() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  browser.replaceChildren();
  examine(settings, (name, finding) => signal.aborted || tell(name, finding), signal);
}

function tell(name, finding) {
  const fresh = row(name, finding);
  const known = [...browser.children].find((one) => one.dataset.name === name);
  if (known) known.replaceWith(fresh);
  else browser.append(fresh);
  sum();
}

function serverFailed(status) {
  const found = status
    ? fill(gettext("The server answered %(status)s."), { status })
    : gettext("The server did not answer.");
  const mend =
    status === 404 ? gettext("Sign in again.") : gettext("See the server's log, and that it runs.");
  server.replaceChildren(row(gettext("Checks of the server"), { verdict: "failed", found, mend }));
  sum();
}

function row(name, { verdict, found, mend = "" }) {
  const item = document.createElement("li");
  item.className = "finding";
  item.dataset.verdict = verdict;
  item.dataset.name = name;
  const icon = document.querySelector(`template[data-icon="${verdict}"]`);
  item.append(icon.content.cloneNode(true));
  item.append(part("h3", "name", name), part("span", "verdict", VERDICTS[verdict]));
  item.append(part("p", "found", found));
  if (mend) {
    const label = document.createElement("b");
    label.textContent = gettext("Mend:");
    const sentence = part("p", "mend", ` ${mend}`);
    sentence.prepend(label);
    item.append(sentence);
  }
  return item;
}

function part(tag, name, text) {
  const element = document.createElement(tag);
  element.className = `finding-${name}`;
  element.textContent = text;
  return element;
}

function counted() {
  const rows = [...document.querySelectorAll(".finding")];
  const counts = Object.keys(VERDICTS).map((verdict) => [
    rows.filter((one) => one.dataset.verdict === verdict).length,
    verdict,
  ]);
  return counts
    .filter(([count]) => count)
    .map(([count, verdict]) => `${count} ${numbered(verdict, count)}`)
    .join(", ");
}

function numbered(verdict, count) {
  return verdict === "warning" ? ngettext("warning", "warnings", count) : VERDICTS[verdict];
}

function sum() {
  const words = counted();
  const element = document.getElementById("sum");
  const isOver = !document.querySelector(".finding[data-verdict=testing]");
  if (isOver && element.textContent !== words) announce(words);
  element.textContent = words;
}

function report() {
  const time = new Date().toISOString();
  const lines = [fill(gettext("Threadmill doctor, %(time)s"), { time }), location.origin];
  lines.push(navigator.userAgent);
  for (const section of document.querySelectorAll("#doctor section")) {
    lines.push("", section.querySelector("h2").textContent);
    const rows = [...section.querySelectorAll(".finding")];
    const width = Math.max(...rows.map((one) => text(one, "name").length));
    for (const one of rows) {
      const name = text(one, "name").padEnd(width);
      lines.push(`${one.dataset.verdict.padEnd(7)}  ${name}  ${text(one, "found")}`);
      const mend = text(one, "mend");
      if (mend) lines.push(`${"".padEnd(7)}  ${"".padEnd(width)}  ${mend}`);
    }
  }
  return `${lines.join("\n")}\n\n${counted()}\n`;
}

function text(row, name) {
  return row.querySelector(`.finding-${name}`)?.textContent ?? "";
}

async function copy() {
  let words = gettext("Copied");
  try {
    await write(report());
  } catch (error) {
    console.warn("not copied:", error);
    words = gettext("Not copied");
  }
  announce(words);
  const label = copyButton.querySelector("span");
  label.textContent = words;
  setTimeout(() => (label.textContent = gettext("Copy report")), 1500);
}
