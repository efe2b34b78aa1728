// The live tail's Markdown, the same grammar and shapes as chat/markdown.py: change
// both together; tests/browser/test_tail.py compares them over a corpus.

import { installMath } from "./math-grammar.js";
import { gettext } from "./words.js";
import MarkdownIt from "../vendor/markdown-it-15.0.3/markdown-it.js";

const INLINE_LIMIT = 16_384;

// The names a fence may carry -> the name shared by Pygments and highlight.js.
const LANGUAGES = {
  bash: "bash", sh: "bash", zsh: "bash", shell: "bash", console: "bash", c: "c", h: "c",
  cpp: "cpp", "c++": "cpp", hpp: "cpp", csharp: "csharp", cs: "csharp", "c#": "csharp",
  css: "css", diff: "diff", patch: "diff", dockerfile: "dockerfile",
  docker: "dockerfile", go: "go", golang: "go", html: "xml", xml: "xml", svg: "xml",
  ini: "ini", toml: "ini", java: "java", javascript: "javascript", js: "javascript",
  jsx: "javascript", mjs: "javascript", json: "json", jsonc: "json", kotlin: "kotlin",
  kt: "kotlin", lua: "lua", makefile: "makefile", make: "makefile",
  markdown: "markdown", md: "markdown", php: "php", powershell: "powershell",
  ps1: "powershell", python: "python", py: "python", ruby: "ruby", rb: "ruby",
  rust: "rust", rs: "rust", scss: "scss", sql: "sql", swift: "swift",
  typescript: "typescript", ts: "typescript", tsx: "typescript", yaml: "yaml",
  yml: "yaml",
};

export const md = build();
const escape = md.utils.escapeHtml;

function build() {
  const md = new MarkdownIt({ html: false, linkify: true });
  md.validateLink = (url) => /^(?:https?:\/\/|mailto:)[^\s]/i.test(url);
  md.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
  md.core.ruler.at("inline", inline);
  md.core.ruler.push("shape", shape);
  installMath(md);
  Object.assign(md.renderer.rules, {
    fence,
    code_block: fence,
    image,
    table_open: () => '<div class="table"><table>\n',
    table_close: () => "</table></div>\n",
  });
  return md;
}

function inline(state) {
  for (const token of state.tokens) {
    if (token.type !== "inline") continue;
    if (token.content.length > INLINE_LIMIT) {
      const text = new state.Token("text", "", 0);
      text.content = token.content;
      token.children = [text];
    } else {
      state.md.inline.parse(token.content, state.md, state.env, token.children);
    }
  }
}

// Headings below the page's own, classes for alignment, and where links lead.
function shape(state) {
  for (const token of state.tokens) {
    if (token.type === "heading_open" || token.type === "heading_close") {
      token.tag = `h${Math.min(6, Number(token.tag[1]) + 2)}`;
    } else if (token.type === "th_open" || token.type === "td_open") {
      align(token);
    }
    for (const child of token.children ?? []) {
      if (child.type === "link_open") child.attrs = linkAttributes(child.attrGet("href"));
    }
  }
}

function align(token) {
  const style = token.attrGet("style");
  if (style) token.attrs = [["class", style.replace("text-align:", "align-")]];
}

function linkAttributes(href) {
  if (!href) return [["rel", "noopener noreferrer nofollow ugc"]]; // "[text]()"
  return [
    ["href", href],
    ["title", href],
    ["target", "_blank"],
    ["rel", "noopener noreferrer nofollow ugc"],
  ];
}

function fence(tokens, index) {
  const { info, content } = tokens[index];
  const language = info.trim().split(/\s+/)[0];
  const name = LANGUAGES[language.toLowerCase()];
  const marked = name ? ` class="language-${name}"` : "";
  const diagram = `<button type="button" class="diagram-show">${gettext("Diagram")}</button>`;
  return (
    '<div class="code"><div class="code-head">' +
    `<span class="code-language">${escape(language.slice(0, 24))}</span>` +
    (language.toLowerCase() === "mermaid" ? diagram : "") +
    `<button type="button" class="code-copy">${gettext("Copy")}</button></div>` +
    `<pre tabindex="0"><code${marked}>${escape(content)}</code></pre></div>\n`
  );
}

function image(tokens, index) {
  const source = escape(tokens[index].attrGet("src"));
  const name = escape(tokens[index].content) || source;
  return (
    `<a href="${source}" title="${source}" target="_blank" class="image-link"` +
    ` rel="noopener noreferrer nofollow ugc">${name}</a>`
  );
}
