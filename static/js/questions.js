// The way back through a long thread: a button and Alt+Up go to the question before.

const SLACK = 8; // px that a question may stand above the edge and still be "here"

export function jumpToQuestions(scroller, button, scroll) {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let waits = false;

  function before() {
    const edge = scroller.getBoundingClientRect().top - SLACK;
    const questions = [...document.querySelectorAll("#turns > .turn-user")];
    return questions.filter((one) => one.getBoundingClientRect().top < edge).pop();
  }

  function jump() {
    const question = before();
    if (!question) {
      const earlier = document.getElementById("earlier");
      waits = earlier !== null && !waits;
      if (waits) earlier.click();
      return;
    }
    waits = false;
    scroll.release();
    question.tabIndex = -1;
    question.focus({ preventScroll: true });
    const behavior = still.matches ? "instant" : "smooth";
    question.scrollIntoView({ block: "start", behavior });
  }

  function show() {
    const isAtEnd = scroller.classList.contains("is-pinned");
    button.hidden = isAtEnd || !(before() || document.getElementById("earlier"));
  }

  button.addEventListener("click", jump);
  scroller.addEventListener("scroll", show, { passive: true });
  document.addEventListener("htmx:after:swap", () => {
    if (waits) jump();
    show();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowUp" || !event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.matches?.("textarea, input") && event.target.value) return;
    event.preventDefault();
    jump();
  });
}
