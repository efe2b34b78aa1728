"""How old tokens are when a real browser has painted them."""

from __future__ import annotations

import time
from typing import Any

from playwright.async_api import async_playwright

from tests.bench_load import at, in_ms
from tests.bench_product import Product

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-quic", "--disable-background-networking"]
FLAGS += ["--disable-component-update"]
# Runs in the page: notes when each stamp is first painted, by the wall clock in ms.
WATCH_PAINT = """() => {
  window.painted = new Map();
  const channel = new MessageChannel();
  let waiting = null;
  channel.port1.onmessage = () => {
    const at = performance.timeOrigin + performance.now();
    for (const stamp of waiting) if (!painted.has(stamp)) painted.set(stamp, at);
    waiting = null;
  };
  new MutationObserver(() => {
    if (waiting) return;
    waiting = [];
    requestAnimationFrame(() => {
      const text = [...document.querySelectorAll('.answer')].pop()?.textContent ?? '';
      waiting = text.match(/\\d{6,}(?=\\s)/g) ?? [];
      channel.port2.postMessage(0);
    });
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


async def painted(product: Product) -> dict[str, Any]:
    """One answer as a browser paints it; ages in ms."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context()
        await context.add_cookies(product.visitor.cookies)  # type: ignore[arg-type]
        page = await context.new_page()
        await page.goto(f"{product.web.base}/")
        await page.evaluate(WATCH_PAINT)
        await page.fill("textarea", "Hi")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(
            "article.turn-run:not([data-active])", timeout=60_000
        )
        pairs = await page.evaluate("() => [...window.painted]")
        await browser.close()
    # The browser's clock is the wall clock; stamps are of the monotonic one.
    offset = time.time_ns() - time.monotonic_ns()
    ages = [at_ms * 1_000_000 - int(stamp) - offset for stamp, at_ms in pairs]
    return {
        "age_p50": in_ms(at(0.5, ages)),
        "age_p99": in_ms(at(0.99, ages)),
        "first_p50": in_ms(ages[0]),
    }
