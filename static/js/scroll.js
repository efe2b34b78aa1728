// Keeps the newest text in sight while the reader is at the bottom, and leaves the page
// alone as soon as the reader looks back.

const NEAR_TOP = 800; // px
const NEAR = 60; // px from the bottom that count as being there
const FAR = 200; // px from the bottom from which the way back is offered
const EASE = 80; // ms, the time constant of following

export function followBottom(scroller, content, jump) {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let pinned = true;
  let top = 0; // the last scrollTop this module has seen or written
  let frame = 0;
  let last = 0;
  let touchY = 0;

  const distance = () => scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;

  function setPinned(value) {
    pinned = value;
    scroller.classList.toggle("is-pinned", value);
    if (!value) cancel();
  }

  function cancel() {
    cancelAnimationFrame(frame);
    frame = 0;
  }

  function toBottom({ smoothly = false } = {}) {
    setPinned(true);
    if (smoothly && !still.matches && !document.hidden) {
      follow();
      return;
    }
    cancel();
    scroller.scrollTop = scroller.scrollHeight;
    top = scroller.scrollTop;
    showJump();
  }

  function follow() {
    if (frame) return;
    last = performance.now();
    frame = requestAnimationFrame(step);
  }

  function step(now) {
    frame = 0;
    const left = distance();
    if (!pinned || left < 1) return;
    const share = 1 - Math.exp(-Math.max(1, now - last) / EASE);
    last = now;
    scroller.scrollTop += Math.max(1, Math.ceil(left * share));
    top = scroller.scrollTop;
    frame = requestAnimationFrame(step);
  }

  function resized() {
    if (pinned) toBottom({ smoothly: document.querySelector("[data-active]") !== null });
    else showJump();
  }

  function scrolled() {
    const moved = scroller.scrollTop - top;
    top = scroller.scrollTop;
    if (!pinned && moved > 0 && distance() < NEAR) setPinned(true);
    // A shrinking page moves the position too, but then the bottom is still near.
    else if (pinned && moved < -3 && distance() > NEAR) setPinned(false);
    showJump();
  }

  function showJump() {
    const far = distance();
    if (jump.hidden ? far > FAR : far > NEAR) jump.hidden = pinned;
    else jump.hidden = true;
  }

  function wheeled(event) {
    if (event.ctrlKey || event.deltaY >= 0 || scrollsInside(event.target)) return;
    if (scroller.scrollTop > 0) setPinned(false);
  }

  function scrollsInside(element) {
    const box = element.closest?.("pre, .reasoning-text");
    return box !== null && box !== undefined && box.scrollTop > 0;
  }

  function dragged(event) {
    if (event.touches[0].clientY - touchY > 10) setPinned(false);
  }

  function pressed(event) {
    if (["PageUp", "Home", "ArrowUp"].includes(event.key)) setPinned(false);
  }

  scroller.addEventListener("scroll", scrolled, { passive: true });
  scroller.addEventListener("wheel", wheeled, { passive: true });
  scroller.addEventListener("touchmove", dragged, { passive: true });
  scroller.addEventListener("keydown", pressed);
  const touched = (event) => (touchY = event.touches[0].clientY);
  scroller.addEventListener("touchstart", touched, { passive: true });
  jump.addEventListener("click", () => toBottom({ smoothly: true }));
  const observer = new ResizeObserver(resized);
  observer.observe(content);
  observer.observe(scroller);
  toBottom();

  return { toBottom, hold: () => setPinned(false) };
}

// Earlier messages come in above, as soon as the reader is near them: what was in sight
// stays where it was. Where that fails, the button is there to be pressed.
export function keepPlaceAbove(scroller) {
  let fromBottom = null;
  scroller.addEventListener("scroll", neared, { passive: true });
  document.addEventListener("htmx:before:swap", (event) => {
    if (event.target.id !== "earlier") return;
    fromBottom = scroller.scrollHeight - scroller.scrollTop;
  });
  document.addEventListener("htmx:after:swap", () => {
    if (fromBottom === null) return;
    scroller.scrollTop = scroller.scrollHeight - fromBottom;
    fromBottom = null;
  });

  function neared() {
    const earlier = document.getElementById("earlier");
    if (!earlier || "asked" in earlier.dataset || scroller.scrollTop > NEAR_TOP) return;
    earlier.dataset.asked = "";
    earlier.click();
  }
}
