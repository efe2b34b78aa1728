// Inside the sandboxed frame of a diagram: draws the text it is sent, tells its height.

/* global mermaid */

addEventListener("message", async ({ source, data }) => {
  if (source !== parent) return;
  try {
    const theme = data.isDark ? "dark" : "neutral";
    const flowchart = { htmlLabels: false };
    const settings = { startOnLoad: false, securityLevel: "strict", htmlLabels: false };
    mermaid.initialize({ ...settings, flowchart, theme });
    const { svg } = await mermaid.render("diagram", data.text);
    document.body.innerHTML = svg;
    parent.postMessage({ height: document.documentElement.scrollHeight }, "*");
  } catch (error) {
    parent.postMessage({ error: String(error.message) }, "*");
  }
});
parent.postMessage({ isReady: true }, "*");
