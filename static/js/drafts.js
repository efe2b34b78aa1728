// Drafts in this browser, one for each person and thread. A draft keeps the key of its
// first attempt to be sent, so that sending it again can't make a second message.

const EMPTY = { text: "", files: [], key: "", sent: "" };
const PREFIX = "threadmill.draft.";
let isForgotten = false;

export function openDraft(user, thread) {
  const name = `${PREFIX}${user}.${thread || "new"}`;

  function load() {
    try {
      return JSON.parse(localStorage.getItem(name)) ?? EMPTY;
    } catch {
      return EMPTY;
    }
  }

  // `files` are the ids of the attachments.
  function save(text, files = []) {
    const draft = load();
    if (text || files.length) store({ ...draft, text, files });
    else clear();
  }

  // The key for this message: the earlier one when this very message was tried before.
  function keyFor(text, files = []) {
    const draft = load();
    const sent = [text, ...files].join("\n");
    const key = draft.key && draft.sent === sent ? draft.key : randomKey();
    store({ text, files, key, sent });
    return key;
  }

  function store(draft) {
    if (isForgotten) return;
    try {
      localStorage.setItem(name, JSON.stringify(draft));
    } catch (error) {
      console.warn("the draft is not kept:", error);
    }
  }

  function clear() {
    localStorage.removeItem(name);
  }

  return { load, save, keyFor, clear };
}

// On sign-out nothing of what was typed stays behind.
export function forgetDrafts() {
  isForgotten = true;
  const names = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  for (const name of names) localStorage.removeItem(name);
}

function randomKey() {
  // randomUUID exists only over HTTPS and on localhost.
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
