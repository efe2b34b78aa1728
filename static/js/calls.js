// Calls of tools as cards, while they come: the same shape as chat/calls.py makes.

const MOST = 20_000; // characters shown of arguments or output

// The cards of one answer. `place(container)` puts a new group where the text stands.
export function openCalls(answer, place) {
  const template = document.getElementById("call-card");
  const words = template.dataset;
  const steps = new Map();

  for (const group of answer.querySelectorAll(".calls")) {
    steps.set(group.dataset.step, [...group.children].map(adopt));
  }

  function begin(step) {
    if (steps.has(step)) return;
    const group = document.createElement("div");
    group.className = "calls";
    group.dataset.step = step;
    steps.set(step, []);
    place(group);
  }

  // A part of a call: its begin, more of its arguments, or what it gave.
  function grow({ step, index, id, type, name, arguments: piece, output, result }) {
    const cards = steps.get(step);
    if (!cards) return;
    cards[index] ??= add(step, id, name || words[type] || type || "");
    const card = cards[index];
    if (piece) write(card, "arguments", (card.arguments += piece));
    if (output !== undefined) end(card, output, stateOf(output));
    if (result) end(card, given(result), "done");
  }

  // Which of the calls run now; gives their names.
  function running(step, ids) {
    return (steps.get(step) ?? [])
      .filter(({ element }) => ids.includes(element.dataset.call))
      .map((card) => {
        mark(card, "running");
        return card.name;
      });
  }

  function waiting(step) {
    for (const card of steps.get(step) ?? []) if (!card.isDone) mark(card, "waiting");
  }

  function answered(step, outputs) {
    for (const card of steps.get(step) ?? []) {
      const output = outputs[card.element.dataset.call];
      if (output !== undefined) end(card, output, stateOf(output));
    }
  }

  function add(step, id, name) {
    const element = template.content.firstElementChild.cloneNode(true);
    element.dataset.call = id ?? "";
    element.querySelector(".call-name").textContent = name;
    answer.querySelector(`[data-step="${step}"]`).append(element);
    const card = { element, name, arguments: "", isDone: false };
    mark(card, "asked");
    return card;
  }

  function adopt(element) {
    return {
      element,
      name: element.querySelector(".call-name").textContent,
      arguments: element.querySelector(".call-arguments").textContent,
      isDone: !element.querySelector(".call-got").hidden,
    };
  }

  function end(card, output, state) {
    card.isDone = true;
    write(card, "arguments", pretty(card.arguments));
    write(card, "output", pretty(output));
    mark(card, state);
  }

  function mark(card, state) {
    card.element.dataset.state = state;
    card.element.querySelector(".call-state").textContent = words[state];
  }

  function stateOf(output) {
    if (output.startsWith("Error: ")) return "error";
    return output === "The user declined this call." ? "declined" : "done";
  }

  return { begin, grow, running, waiting, answered, words };
}

function write(card, what, text) {
  const box = card.element.querySelector(`.call-${what}`);
  box.textContent = text.length > MOST ? `${text.slice(0, MOST)}\n…` : text;
  box.closest(".call-given, .call-got").hidden = text === "" && what === "arguments";
}

function pretty(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
}

// What a tool of the model server gave.
function given({ outputs = [], results = [] }) {
  const found = results.map(({ file_name, score }) => `${file_name} (${score.toFixed(2)})`);
  return [...outputs.map(({ logs, type }) => logs || type), ...found].join("\n");
}
