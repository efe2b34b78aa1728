// Binds the article of an active run to the websocket: text to the live tail, phases to
// the line below it; at the end the server's own article takes over.

import { announce } from "./announce.js";
import { openCalls } from "./calls.js";
import { joinTurns, settleArticle } from "./settle.js";
import { openTail } from "./tail.js";
import { fill, gettext } from "./words.js";

const ENDS = /^thread\.run\.(completed|incomplete|failed|cancelled|expired)$/;
const SAID = {
  completed: gettext("Response complete"),
  cancelled: gettext("Response stopped"),
  incomplete: gettext("Response incomplete"),
  expired: gettext("Response expired"),
};
const PHASES = {
  queued: gettext("Queued"),
  started: gettext("Starting"),
  sent: gettext("Waiting for the first word"),
  answering: gettext("Answering"),
};
const FETCH_AGAIN = [0, 1_000, 3_000, 8_000, 20_000]; // ms

const bound = new WeakSet();

// htmx learns two swaps: one that touches only what differs in an answer, and one that
// brings a thread's turns up to date.
export function registerSwaps() {
  window.htmx.registerExtension("turns", {
    handle_swap(style, target, fragment) {
      if (style === "join") return joinTurns(target, fragment);
      if (style !== "settle") return false;
      return [settleArticle(target, fragment.querySelector("article"))];
    },
  });
}

// Follows every active run in the page that is not followed yet.
export function bindRuns(socket, onChange) {
  for (const article of document.querySelectorAll("article[data-active]")) {
    if (bound.has(article)) continue;
    bound.add(article);
    bind(article, socket, onChange);
  }
}

function bind(article, socket, onChange) {
  const run = article.id;
  const parts = answerParts(article);
  const calls = openCalls(article.querySelector(".answer"), parts.interrupt);
  const waits = waitForms(article);
  const progress = progressLine(article);
  const reasoning = reasoningPane(article);
  let isQueued = article.dataset.phase === "queued";
  let isTyping = article.dataset.phase === "answering";

  const handlers = {
    "thread.run.queued": () => {
      isQueued = true;
      waits.close();
      progress.say(PHASES.queued);
    },
    "thread.run.in_progress": ({ attempt }) => {
      isQueued = false;
      const again = fill(gettext("Starting again, attempt %(attempt)s"), { attempt });
      progress.say(attempt > 1 ? again : PHASES.started);
    },
    "thread.run.sent": () => {
      isTyping = false;
      progress.say(PHASES.sent);
    },
    "thread.run.retrying": (data) => progress.retry(data),
    "thread.run.requires_action": ({ step, approvals }) => {
      const { approval, results } = calls.words;
      progress.say(approvals?.length ? approval : results);
      announce(approvals?.length ? approval : results);
      calls.waiting(step);
      waits.open();
    },
    "thread.run.tools.started": ({ step, calls: ids }) => {
      const names = calls.running(step, ids);
      const { one, many } = calls.words;
      progress.say(names.length === 1 ? one.replace("%s", names[0]) : many.replace("%s", ids.length));
    },
    "thread.run.tools.answered": ({ step, outputs }) => calls.answered(step, outputs),
    "thread.run.cancelling": () => {
      progress.say(gettext("Stopping"));
      waits.close();
    },
    "thread.run.reasoning.delta": ({ text }) => {
      progress.say(gettext("Thinking"));
      reasoning.append(text);
    },
    "thread.run.step.created": ({ step, type }) => {
      isTyping = false;
      if (type === "tool_calls") calls.begin(step);
    },
    "thread.run.step.completed": ({ step, outputs }) => outputs && calls.answered(step, outputs),
    "thread.run.step.delta": (data) => {
      calls.grow(data);
      const name = data.name || calls.words[data.type];
      if (name) progress.say(fill(gettext("Calling %(name)s"), { name }));
    },
    "thread.message.created": ({ message }) => parts.begin(message),
    "thread.message.delta": (data) => {
      if (!isTyping) progress.say(PHASES.answering);
      isTyping = true;
      parts.append(data.text ?? data.refusal ?? "");
    },
    "thread.message.completed": () => parts.finish(),
    "thread.message.incomplete": () => parts.finish(),
  };

  function event({ type, data }) {
    handlers[type]?.(data);
    if (type === "thread.message.completed") isTyping = false;
    const end = ENDS.exec(type);
    if (end) finish(SAID[end[1]] ?? `${gettext("Response failed.")} ${data.message ?? ""}`);
  }

  function finish(words) {
    socket.unfollow(run);
    parts.finish();
    progress.stop();
    announce(words);
    document.dispatchEvent(new CustomEvent("run:ended", { detail: { run, words } }));
    replace(article, onChange);
  }

  function place(number) {
    if (!isQueued) return;
    const behind = fill(gettext("Waiting, number %(number)s in line"), { number });
    progress.say(number === 1 ? gettext("Next in line") : behind);
  }

  function lost() {
    finish(gettext("The connection to this response was refused"));
  }

  announce(gettext("Generating"));
  socket.follow(run, Number(article.dataset.seq), { event, lost, place });
}

// The messages of the answer; the last one grows.
function answerParts(article) {
  const answer = article.querySelector(".answer");
  let part = answer.querySelector("[data-open]");
  let tail = null;
  start(part, part.textContent.trim() ? part.querySelector("pre").textContent : "");

  function start(element, text) {
    part = element;
    element.replaceChildren();
    tail = openTail(element);
    if (text) {
      tail.append(text);
      tail.flush();
    }
  }

  function begin(message) {
    if (!tail) {
      const element = document.createElement("div");
      element.className = "prose";
      answer.append(element);
      start(element, "");
    }
    part.dataset.message = message;
  }

  function finish() {
    tail?.finish();
    tail = null;
  }

  // Puts something between what was written and what will be.
  function interrupt(element) {
    if (tail && !part.textContent.trim()) {
      part.before(element);
    } else {
      finish();
      answer.append(element);
    }
  }

  function append(text) {
    if (!tail) begin("");
    tail.append(text);
  }

  return { begin, append, finish, interrupt };
}

// The forms of an answer that waits for somebody. What is typed in them stays while other
// questions beside it are answered.
function waitForms(article) {
  async function open() {
    const target = article.querySelector(".waits");
    const hadFocus = target.contains(document.activeElement);
    const options = { target, source: target, swap: "innerMorph" };
    await window.htmx.ajax("GET", target.dataset.url, options);
    if (hadFocus && !target.contains(document.activeElement)) {
      target.querySelector("button, textarea")?.focus({ preventScroll: true });
    }
  }

  function close() {
    const forms = article.querySelector(".waits");
    const hadFocus = forms.contains(document.activeElement);
    forms.replaceChildren();
    if (hadFocus) document.getElementById("text").focus({ preventScroll: true });
  }

  return { open, close };
}

function reasoningPane(article) {
  const pane = article.querySelector(".reasoning");
  const text = pane.querySelector(".reasoning-text");

  function append(piece) {
    pane.hidden = false;
    if (!text.firstChild) text.append("");
    text.lastChild.appendData(piece);
  }

  return { append };
}

// "Answering · 12 s", with the seconds since the run was made by the server's clock.
function progressLine(article) {
  const line = article.querySelector(".progress");
  const words = line.querySelector(".progress-text");
  const clock = line.querySelector(".progress-clock");
  const start = performance.now() - Number(article.dataset.waited) * 1000;
  let notice = null;
  const timer = setInterval(tick, 500);
  tick();

  function say(text) {
    notice = null;
    words.textContent = text;
  }

  function retry({ try: attempt, of, wait, code }) {
    const away = gettext("The model server is unavailable");
    const why = code === "rate_limited" ? gettext("Rate limited") : away;
    const place = fill(gettext("(try %(attempt)s of %(of)s)"), { attempt, of });
    const count = attempt && of ? ` ${place}` : "";
    notice = { why, count, until: performance.now() + wait * 1000 };
    tick();
  }

  function tick() {
    if (!line.isConnected) {
      clearInterval(timer);
      return;
    }
    const seconds = Math.floor((performance.now() - start) / 1000);
    clock.textContent = seconds > 0 ? duration(seconds) : "";
    if (!notice) return;
    const left = Math.max(0, Math.ceil((notice.until - performance.now()) / 1000));
    const soon = fill(gettext("next try in %(left)s s"), { left });
    const next = left > 0 ? soon : gettext("trying again");
    words.textContent = `${notice.why}, ${next}${notice.count}`;
  }

  function stop() {
    clearInterval(timer);
    line.classList.add("is-over");
  }

  return { say, retry, stop };
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

// Fetches the server's article until it has come; the text on the page is complete by now.
async function replace(article, onChange) {
  const options = { target: article, source: article, swap: "settle" };
  for (const wait of FETCH_AGAIN) {
    await new Promise((done) => setTimeout(done, wait));
    if (!article.isConnected) return;
    await window.htmx.ajax("GET", article.dataset.url, options);
    if (!article.hasAttribute("data-active")) break;
  }
  onChange();
}
