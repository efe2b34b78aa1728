// Pictures of messages, large: a dialog of its own over the page.

export function wireLightbox() {
  const dialog = document.getElementById("lightbox");
  const picture = document.getElementById("lightbox-picture");
  const link = document.getElementById("lightbox-link");

  function clicked(event) {
    const opener = event.target.closest("[data-lightbox]");
    if (!opener || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { alt } = opener.querySelector("img");
    picture.src = link.href = opener.href;
    picture.alt = document.getElementById("lightbox-name").textContent = alt;
    dialog.showModal();
  }

  document.addEventListener("click", clicked);
  document.getElementById("lightbox-close").addEventListener("click", () => dialog.close());
  // Beside the picture is as good as the button.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => picture.removeAttribute("src"));
}
