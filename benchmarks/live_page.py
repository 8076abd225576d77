"""How long a token takes in the published page: `python benchmarks/live_page.py`, after `make site ARGS=--no-serve`.

Chromium opens chapter 08 from the disk, as it is and slowed down (DevTools' CPU throttling), and the poet of 908,160
parameters fills its context of 40 tokens. Two clocks: `step` is GPT2.step of net.js alone; `page` is what the reader
waits for, from pressing 运行 to the last word of a poem on the screen, over its tokens, with the weights in place and
no pause between tokens (as with prefers-reduced-motion; otherwise 140 ms). Printed only.
"""

import argparse
import os
import statistics

from playwright.sync_api import Page, expect, sync_playwright

from course_lib.course import outline
from course_lib.publishing import browser, site
from course_lib.widgets.figure import script

STEPS = """n => { net.crop(0); const times = [];
  for (let i = 0; i < n; i++) {
    const start = performance.now(); net.step(1 + i % 9); times.push(performance.now() - start); }
  return times; }"""
POEM = """seed => {
  const box = document.querySelector(".course-widget-live-text");
  box.querySelector("input[type=number]").value = seed;
  const tiles = box.querySelector(".course-widget-tiles");
  const before = performance.now();
  box.querySelector(".course-widget-main").click();
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(() =>
    resolve([performance.now() - before, tiles.querySelectorAll("label").length])))); }"""


def opened(page: Page) -> int:
    """Press 运行 once, so that weights and code are there; put the same net into the page. Returns its context."""
    chapter = next(each for each in outline.opened() if each.number == "08")
    page.goto((site.HTML / f"{chapter.page}.html").as_uri())
    page.get_by_role("button", name="运行", exact=False).click()
    expect(page.locator(".course-widget-status")).to_contain_text("写", timeout=60_000)
    page.add_script_tag(content=script("net"))
    return page.evaluate("""fetchWeights(Object.keys(courseModels)[0]).then((weights) => {
        window.net = new GPT2(weights); return net.config.context; })""")


def measure(page: Page, slower: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds a token: the median of each round's steps, and each round's poem."""
    context = opened(page)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.evaluate(STEPS, context)
    found: dict[str, list[float]] = {"step": [], "page": []}
    for seed in range(rounds):
        found["step"].append(statistics.median(page.evaluate(STEPS, context)))
        waited, n_tokens = page.evaluate(POEM, seed)
        found["page"].append(waited / n_tokens)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=9)
    rounds = options.parse_args().rounds
    if not site.is_built():
        raise SystemExit("the site is not built from today's files; run make site ARGS=--no-serve first")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.require(), args=list(browser.FLAGS[1:]))
        print(f"Chromium {chromium.version}, load {os.getloadavg()[0]:.1f}, {rounds} rounds; ms a token")
        for slower in (1, 4, 6):
            page = chromium.new_context(reduced_motion="reduce").new_page()
            for name, times in measure(page, slower, rounds).items():
                spread = f"{min(times):.2f} to {max(times):.2f}"
                print(f"{slower}× slower  {name}  {statistics.median(times):6.2f}  ({spread})", flush=True)
        chromium.close()


if __name__ == "__main__":
    main()
