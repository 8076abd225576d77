"""The built site in a browser: nothing from elsewhere, every widget answers, search, accessibility, phone, decks."""

import json
import re
import threading
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from course_lib.course import outline
from course_lib.publishing.serve import server

PICTURE = """async box => {
  const shown = [...box.querySelectorAll('img')].map(i => i.src).join() +
    [...box.querySelectorAll('svg')].map(s => s.outerHTML).join() +
    [...box.querySelectorAll('canvas')].map(c => c.toDataURL()).join() +
    [...box.querySelectorAll('.course-widget-card')].map(card => card.innerText).join();
  if (!crypto.subtle) return shown;
  return [...new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(shown)))].join();
}"""
WITHOUT_WEIGHTS = {"live_triangle", "live_preferences"}
WITH_WEIGHTS = '.course-widget[data-module^="live_"]' + "".join(
    f':not([data-module="{name}"])' for name in WITHOUT_WEIGHTS
)

DONE = re.compile("写[到完]|读成|分完")  # what a model that lives in the page says when it has written, read or ranked
PARTS = 4  # a page is opened once for all that is asked of it, some pages in each part: opening takes the time
TYPESET = "window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => true) : true"


def picture(widget):
    """What the widget shows, as a digest; as it is where a page, from a file, has no digests."""
    return widget.evaluate(PICTURE)


def start(widget):
    """Let a model that lives in the page load its weights and answer; one that writes, to the end."""
    button, status = widget.get_by_role("button", name="运行"), widget.locator("p[role=status]")
    if button.count():
        button.click()
        if status.count():  # what trains in the page tells by its curves
            expect(status).to_contain_text(DONE, timeout=30_000)


def changes(widget, act, what, dead):
    """Do something to a widget and note it in `dead` if the picture stays the same for two seconds."""
    before = picture(widget)
    act()
    for _ in range(20):
        if picture(widget) != before:
            return
        widget.page.wait_for_timeout(100)
    dead.append(f"{widget.page.url} {widget.get_attribute('data-name')}: {what} changes nothing")


def arrow(control):
    """The arrow key that still has somewhere to go."""
    return control.evaluate("""c => c.matches('select')
      ? (c.selectedIndex + 1 < c.options.length ? 'ArrowDown' : 'ArrowUp')
      : (Number(c.value) < Number(c.max) ? 'ArrowRight' : 'ArrowLeft')""")


def drag(control):
    """Press the slider near the end that it is farther from."""
    far = control.evaluate("c => (c.value - c.min) / (c.max - c.min) < 0.5 ? 0.97 : 0.03")
    box = control.bounding_box()
    control.click(position={"x": box["width"] * far, "y": box["height"] / 2})


def move_everything(widget, dead):
    """Every slider by key and by pointer, every choice, every play button."""
    for i, control in enumerate(widget.locator("input[type=range]").all()):
        control.scroll_into_view_if_needed()
        changes(widget, lambda c=control: c.press(arrow(c)), f"slider {i} by key", dead)
        changes(widget, lambda c=control: drag(c), f"slider {i} by pointer", dead)
    radios = widget.locator("input[type=radio]:not(:checked)")
    for i in range(radios.count()):
        changes(widget, lambda: radios.nth(0).check(), f"radio {i}", dead)
        changes(
            widget, lambda: widget.locator("input[type=radio]:checked").first.press("ArrowRight"), "radio key", dead
        )
    for i, select in enumerate(widget.locator("select").all()):
        other = select.evaluate("s => (s.selectedIndex + 1) % s.options.length")
        changes(widget, lambda s=select, o=other: s.select_option(index=o), f"select {i}", dead)
    for i, play in enumerate(widget.get_by_role("button", name=re.compile("播放")).all()):
        changes(widget, lambda b=play: b.click(), f"play {i}", dead)


def look_without_guessing(page):
    """Uncover all that waits for a guess."""
    page.evaluate("document.querySelectorAll('.guess-cover button').forEach((button) => button.click())")


def test_every_chapter_of_the_contents_has_page_and_deck(pages, decks):
    chapters = outline.opened()
    assert not [file for file in [c.page for c in chapters] + outline.reference()[1] if f"{file}.html" not in pages]
    assert not [c.stem for c in chapters if f"slides/{c.stem}.html" not in decks]


@pytest.mark.parametrize("part", range(PARTS))
def test_every_widget_answers(visit, address, pages, part):
    dead, n_widgets = [], 0
    for name in pages[part::PARTS]:
        with visit(address + name, dead, reduced_motion="no-preference") as page:
            look_without_guessing(page)
            widgets = page.locator(".course-widget")
            for i in range(widgets.count()):
                n_widgets += 1
                start(widgets.nth(i))
                move_everything(widgets.nth(i), dead)
    assert n_widgets and not dead


def test_without_scripts_the_first_frames_stay(chromium, address, folder, pages):
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        for name in pages:
            if 'class="course-widget"' not in (folder / name).read_text("utf-8"):
                continue
            page.goto(address + name)
            stills = page.locator(".course-widget > img")
            assert stills.count() == page.locator(".course-widget").count() > 0
            for i in range(stills.count()):
                assert stills.nth(i).bounding_box()["height"] > 100 and stills.nth(i).get_attribute("alt")


@pytest.mark.parametrize("query", ["旋转位置编码", "位置编码", "RoPE"])
def test_search_finds_the_chapter(visit, address, query):
    trouble = []
    with visit(f"{address}search.html?q={query}", trouble) as page:
        page.wait_for_selector("#search-results li a")
        found = page.locator("#search-results li a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    assert any("03_rope" in link for link in found) and not trouble


def test_search_box_opens_with_a_key(visit, address):
    trouble = []
    with visit(address + "index.html", trouble) as page:
        page.keyboard.press("Control+k")
        page.keyboard.type("旋转位置编码")
        page.keyboard.press("Enter")
        page.wait_for_selector("#search-results li a")
        assert "03_rope" in page.locator("#search-results").inner_html()
    assert not trouble


def test_a_live_model_loads_its_weights_when_it_is_asked_to(visit, address, folder, pages, decks):
    """On whatever page has one; those of chapters alone are tested in test_live_models.py."""
    for name in pages + decks:
        if not set(re.findall('data-module="(live_[a-z]+)', (folder / name).read_text("utf-8"))) - WITHOUT_WEIGHTS:
            continue
        for url in (address + name, (folder / name).as_uri()):
            trouble, asked = [], []
            with visit(url, trouble) as page:
                look_without_guessing(page)
                page.on("request", lambda request, asked=asked: asked.append(request.url))
                live = page.locator(WITH_WEIGHTS).first
                if name in decks:
                    page.wait_for_function("window.Reveal && Reveal.isReady()")
                    live.evaluate("w => { const i = Reveal.getIndices(w.closest('section')); Reveal.slide(i.h, i.v); }")
                before = len(asked)
                start(live)
                assert sum("/models/" in each for each in asked[before:]) == 1 and "/models/" not in str(asked[:before])
            assert not trouble


# axe would fetch style sheets once more, from a wrong place; in the dark only colours differ
AXE = {"preload": False, "resultTypes": ["violations"]}
AXE_IN_THE_DARK = {**AXE, "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
SETTLED = "Promise.all(document.getAnimations().filter(a => a instanceof CSSTransition).map(a => a.finished))"
THEMES = {"light": AXE, "dark": AXE_IN_THE_DARK}


def barriers(page, theme):
    """What keeps some readers out, seriously, in the light or in the dark."""
    page.emulate_media(color_scheme=theme)
    if "/slides/" not in page.url:
        page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
        page.evaluate(SETTLED)
    return [
        f"{page.url} {found['id']} ({len(found['nodes'])}): "
        f"{[each['html'][:150] + ' ' + each.get('failureSummary', '')[:200] for each in found['nodes'][:3]]}"
        for found in Axe().run(page, options=THEMES[theme]).response["violations"]
        if found["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("part", range(PARTS))
def test_no_request_leaves_nothing_fails_and_no_serious_barrier(visit, address, pages, decks, part):
    wrong = []
    for name in (pages + decks[:1])[part::PARTS]:
        with visit(address + name, wrong) as page:
            page.evaluate(TYPESET)
            if name in pages:
                page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
                page.wait_for_timeout(300)
                wrong += [f"{name}: {each}" for each in page.locator("mjx-merror").all_inner_texts()]
                assert page.evaluate("typeof window.require") == "undefined"
            for theme in THEMES:
                wrong += barriers(page, theme)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_wider_than_a_phone_and_every_chapter_offers_its_notebook(visit, address, pages, part):
    chapters, wrong = {f"{c.page}.html": c for c in outline.opened()}, []
    for name in pages[part::PARTS]:
        with visit(address + name, [], viewport={"width": 390, "height": 844}, color_scheme="dark") as page:
            assert page.locator("html").get_attribute("data-theme") == "dark"  # from its first sight on
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > 390:
                wrong.append(f"{name}: {width} px")
            if name in chapters:
                with page.expect_download() as download:
                    page.locator(".page-links a[download]").click()
                got = json.loads(download.value.path().read_text("utf-8"))
                assert got == json.loads(chapters[name].notebook.read_text("utf-8")), name
    assert not wrong


def test_headings_are_named_by_their_words_in_page_contents_and_search(folder, pages):
    """Not by their count (#id5), which changes when another heading comes before."""
    index = (folder / "searchindex.js").read_text("utf-8")
    for name in pages:
        page = (folder / name).read_text("utf-8")
        places = re.findall(r'<section[^>]* id="([^"]+)"', page)
        assert len(places) == len(set(places)) and not [p for p in places if re.fullmatch(r"(id)?\d*", p)], name
        for place in places[1:]:
            assert page.count(f'href="#{place}"') >= 2, f"{name}#{place}: the contents beside the page lead elsewhere"
            assert place in index or json.dumps(place).strip('"') in index, f"search knows no {name}#{place}"


def test_every_chapter_says_how_to_run_it(folder, pages):
    for chapter in (c for c in outline.opened() if f"{c.page}.html" in pages):
        page = (folder / f"{chapter.page}.html").read_text("utf-8")
        assert (
            page.count('id="run-this-chapter"') == 1 and "make lab" in page.partition('id="run-this-chapter"')[2][:3000]
        )


def test_a_named_card_opens_and_printing_opens_the_others(visit, address):
    trouble = []
    with visit(f"{address}{outline.choose(['03'])[0].page}.html#C05b", trouble) as page:
        cards = page.locator(".course-card")
        opened = "cards => cards.filter(card => card.open).map(card => card.id)"
        assert cards.evaluate_all(opened) == ["C05b"] and cards.count() > 5
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert len(cards.evaluate_all(opened)) == cards.count()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert cards.evaluate_all(opened) == ["C05b"]
        page.evaluate("location.hash = 'run-this-chapter'")
        page.wait_for_function("document.getElementById('run-this-chapter').open")
    assert not trouble


def test_the_verdict_of_a_claim_is_seen_on_a_phone(visit, address):
    """Within the width of the screen and before the numbers, which are folded."""
    with visit(address + "claims.html", [], viewport={"width": 360, "height": 740}) as page:
        for row in page.locator(".evidence-row").all():
            box = row.locator(".verdict").bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 360
            assert box["y"] < row.locator("summary").bounding_box()["y"]


class Links(HTMLParser):
    """Addresses and ids of a page."""

    def __init__(self, text):
        super().__init__()
        self.to, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.to += [attrs[key] for key in ("href", "src") if attrs.get(key)]
        self.ids |= {attrs[key] for key in ("id", "name") if attrs.get(key)}


def test_links_inside_the_site_lead_somewhere(folder, pages, decks):
    read = {name: Links((folder / name).read_text("utf-8")) for name in pages + decks}
    broken = []
    for name, links in read.items():
        for link in links.to:
            if urlparse(link).scheme or link.startswith("//"):
                continue
            target, anchor = urldefrag(urljoin(name, link))
            target = unquote(urlparse(target).path)
            if not (folder / target).is_file():
                broken.append(f"{name}: {link}")
            elif anchor and target in read and unquote(anchor) not in read[target].ids:
                broken.append(f"{name}: {link} has no such place")
    assert not broken


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_deck_opens_and_its_widgets_answer(visit, address, folder, decks, scheme):
    trouble, n_widgets = [], 0
    for name in decks:
        url = address + name if scheme == "http" else (folder / name).as_uri()
        with visit(url, trouble, viewport={"width": 1280, "height": 720}) as page:
            look_without_guessing(page)
            page.wait_for_function("window.Reveal && Reveal.isReady()")
            page.evaluate(TYPESET)
            assert page.locator("mjx-container").count(), f"{name}: no formula was set"
            assert page.evaluate("Reveal.getTotalSlides()") >= 5, f"{name} is no lecture"
            assert not page.locator("mjx-merror").count()
            assert not page.locator("p, li", has_text=":::").count()
            widgets = page.locator(".slides .course-widget")
            for i in range(widgets.count()):
                n_widgets += 1
                section = "w => { const i = Reveal.getIndices(w.closest('section')); Reveal.slide(i.h, i.v, 99); }"
                widgets.nth(i).evaluate(section)
                page.wait_for_timeout(300)
                start(widgets.nth(i))
                at = page.evaluate("JSON.stringify(Reveal.getIndices())")
                # of a group of radio buttons the tab key reaches the chosen one
                control = widgets.nth(i).locator("input[type=range], input[type=radio]:checked, select").first
                control.focus()
                changes(widgets.nth(i), lambda c=control: c.press(arrow(c)), "first control by key", trouble)
                widgets.nth(i).locator("button, input, select").last.press("ArrowRight")
                assert page.evaluate("JSON.stringify(Reveal.getIndices())") == at, f"{name}: a key left the widget"
            page.locator("body").press("ArrowLeft")
    assert n_widgets and not trouble


def test_deck_text_is_large_enough(visit, folder, decks):
    """14 pt at 1280 × 720 is 18.7 px."""
    small = """() => [...document.querySelectorAll('.slides *')].filter(e =>
      [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) &&
      !e.closest('mjx-container, script, style, aside, svg, sub, sup, mjx-assistive-mml') &&
      parseFloat(getComputedStyle(e).fontSize) < 18.6
    ).map(e => e.tagName + ' ' + getComputedStyle(e).fontSize + ' ' + e.textContent.trim().slice(0, 30))"""
    for name in decks:
        with visit((folder / name).as_uri(), [], viewport={"width": 1280, "height": 720}) as page:
            look_without_guessing(page)
            page.wait_for_function("window.Reveal && Reveal.isReady()")
            assert page.evaluate(small) == [], name


def test_a_deck_obeys_no_other_site(visit, address, folder, decks, tmp_path):
    """A page of another origin frames a deck and asks it to turn; a page of the same one may."""
    turn = "deck => deck.contentWindow.postMessage(JSON.stringify({ method: 'slide', args: [2] }), '*')"
    at = "() => Reveal.getIndices().h"
    frame = f'<iframe width="900" height="600" src="{address}{decks[0]}"></iframe>'
    (tmp_path / "frame.html").write_text(frame, "utf-8")
    with server(tmp_path) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with visit(f"http://127.0.0.1:{other.server_port}/frame.html", []) as page:
            deck = page.frames[1]
            deck.wait_for_function("window.Reveal && Reveal.isReady()")
            page.locator("iframe").evaluate(turn)
            page.wait_for_timeout(500)
            assert deck.evaluate(at) == 0
        other.shutdown()
    with visit(address + decks[0], []) as page:
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        page.evaluate("window.postMessage(JSON.stringify({ method: 'slide', args: [2] }), '*')")
        page.wait_for_function("Reveal.getIndices().h === 2")
