// Colours finished code blocks when the browser is idle. highlight.js and each of its
// languages are loaded when first needed; a page without code loads none of them.

const LIMIT = 50_000; // characters; longer code stays plain, as on the server
const HOME = "../vendor/highlightjs-cdn-assets-11.12.0";

const waiting = [];
const loading = new Map();
let scheduled = false;

// Queues every known code block in the element.
export function colour(element) {
  const selector = 'code[class^="language-"]';
  const blocks = [...element.querySelectorAll(selector)];
  waiting.push(...blocks.filter((code) => code.textContent.length < LIMIT));
  schedule();
}

function schedule() {
  if (scheduled || waiting.length === 0) return;
  scheduled = true;
  const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  later(colourOne, { timeout: 2000 });
}

async function colourOne() {
  const code = waiting.shift();
  const language = code.className.slice("language-".length);
  try {
    const hljs = await grammar(language);
    if (code.isConnected && code.childElementCount === 0) {
      const options = { language, ignoreIllegals: true };
      code.innerHTML = hljs.highlight(code.textContent, options).value;
    }
  } catch (error) {
    console.warn("code stays plain:", error);
  }
  scheduled = false;
  schedule();
}

function grammar(language) {
  if (!loading.has(language)) loading.set(language, load(language));
  return loading.get(language);
}

async function load(language) {
  const [core, definition] = await Promise.all([
    import(`${HOME}/core.js`),
    import(`${HOME}/languages/${language}.js`),
  ]);
  core.default.registerLanguage(language, definition.default);
  return core.default;
}
