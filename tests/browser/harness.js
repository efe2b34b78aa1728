// What the tests call in the page: one-shot rendering, streaming, and comparing.

import { md } from "/static/js/markdown.js";
import { openTail } from "/static/js/tail.js";
import { openSocket } from "/static/js/socket.js";
import { followBottom } from "/static/js/scroll.js";
import { settle } from "/static/js/settle.js";

const root = document.getElementById("root");
const scroller = document.getElementById("scroll");
const column = document.getElementById("column");
followBottom(scroller, column, document.getElementById("jump"));

const frame = () => new Promise(requestAnimationFrame);

function fresh() {
  root.replaceChildren();
  return openTail(root);
}

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

// One line per node; colours in code and white space between blocks do not count.
function normal(node, depth = 0) {
  const pad = " ".repeat(depth);
  if (node.nodeType === Node.TEXT_NODE) {
    return node.data.trim() ? `${pad}${JSON.stringify(node.data)}\n` : "";
  }
  let line = "";
  if (node.nodeType === Node.ELEMENT_NODE) {
    const attributes = [...node.attributes].map((a) => ` ${a.name}=${a.value}`).sort();
    line = `${pad}<${node.localName}${attributes.join("")}>\n`;
    if (node.localName === "code") return `${line}${pad} ${JSON.stringify(node.textContent)}\n`;
  }
  return line + [...node.childNodes].map((child) => normal(child, depth + 1)).join("");
}

window.harness = {
  heard: [],
  states: [],

  // Follows a run through a socket whose other end the test plays.
  follow(run, after) {
    this.socket ??= openSocket({
      url: `ws://${location.host}/ws`,
      protocol: 1,
      onState: (state) => this.states.push(state),
    });
    const event = ({ seq }) => this.heard.push(seq);
    const lost = ({ code }) => this.heard.push(code);
    this.socket.follow(run, after, { event, lost });
  },

  once: (text) => normal(parsed(md.render(text))),
  normal: (html) => normal(parsed(html)),

  // Renders after every piece; pieces are [text, ...].
  async stream(pieces) {
    const tail = fresh();
    for (const piece of pieces) {
      tail.append(piece);
      tail.flush();
    }
    tail.finish();
    return [...root.children].map((chunk) => normal(parsed(chunk.innerHTML))).join("");
  },

  // Feeds the text in `count` deltas at `rate` per second and measures the page.
  async measure(text, count, rate) {
    const long = [];
    const observer = new PerformanceObserver((list) =>
      long.push(...list.getEntries().map((entry) => Math.round(entry.duration))),
    );
    observer.observe({ entryTypes: ["longtask"] });
    const tail = fresh();
    const size = Math.ceil(text.length / count);
    const costs = [];
    tail.onPaint = (cost) => costs.push(cost);
    const start = performance.now();
    let sent = 0;
    while (sent < count) {
      const due = Math.min(count, Math.floor(((performance.now() - start) * rate) / 1000));
      for (; sent < due; sent++) tail.append(text.slice(sent * size, (sent + 1) * size));
      await frame();
    }
    tail.finish();
    const seconds = (performance.now() - start) / 1000;
    await new Promise((done) => setTimeout(done, 1500));
    observer.disconnect();
    costs.sort((a, b) => a - b);
    const at = (share) => costs[Math.floor((costs.length - 1) * share)];
    return {
      seconds,
      long,
      paints: costs.length,
      script: costs.reduce((sum, cost) => sum + cost, 0),
      p50: at(0.5),
      p95: at(0.95),
      max: at(1),
      fromBottom: scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop,
      blocks: root.querySelectorAll(".chunk > *").length,
    };
  },

  // Swaps the server's HTML into the streamed root; returns ms and blocks replaced.
  async settle(html) {
    const long = [];
    const observer = new PerformanceObserver((list) =>
      long.push(...list.getEntries().map((entry) => Math.round(entry.duration))),
    );
    observer.observe({ entryTypes: ["longtask"] });
    await frame();
    const start = performance.now();
    const content = parsed(`<div class="prose">${html}</div>`);
    const parsing = performance.now() - start;
    const replaced = settle(root, content.firstElementChild);
    const script = performance.now() - start;
    await frame();
    await frame();
    await new Promise((done) => setTimeout(done, 300));
    observer.disconnect();
    return { parsing, script, replaced, long };
  },
};
