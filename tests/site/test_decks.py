"""Decks in a browser: on paper one page a slide with nothing lost, on the screen nothing under arrows and footer."""

import base64
import io
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from course_lib.course.outline import choose
from course_lib.publishing import slides

SCREEN = {"width": 1280, "height": 720}
# what a slide shows, each piece with its box: lines of text, pictures; not what is folded in a closed <details>
PIECES = """
function pieces(slide) {
  const found = [], boxes = (node) => { const range = document.createRange(); range.selectNode(node); return [...range.getClientRects()]; };
  const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (!node.textContent.trim() || node.parentElement.closest('mjx-assistive-mml, script, style, aside')) continue;
    if (node.parentElement.closest('details:not([open]) > :not(summary)')) continue;
    for (const box of boxes(node)) found.push({ of: node.parentElement, box, name: node.textContent.trim().slice(0, 30) });
  }
  for (const of of slide.querySelectorAll('img, svg, mjx-container')) {
    if (of.checkVisibility()) found.push({ of, box: of.getBoundingClientRect(), name: of.tagName });
  }
  return found.filter(({ box }) => box.width > 1);
}
function inside(box, frame) {
  return box.left >= frame.left - 2 && box.right <= frame.right + 2 && box.top >= frame.top - 2 && box.bottom <= frame.bottom + 2;
}
"""  # noqa: E501
# pieces outside their page, cut by what lies around them, or not shown
LOST = f"""() => {{ {PIECES}
  return [...document.querySelectorAll('.pdf-page')].flatMap((page, i) => {{
    const slide = page.querySelector('section'), all = pieces(slide);
    const lost = all.filter(({{ of, box }}) => {{
      if (!of.checkVisibility({{ opacityProperty: true, visibilityProperty: true }})) return true;
      for (let around = of; around !== page; around = around.parentElement) {{
        const cuts = getComputedStyle(around).overflowX !== 'visible';
        if (cuts && !inside(box, around.getBoundingClientRect())) return true;
      }}
      return !inside(box, page.getBoundingClientRect());
    }});
    if (!all.length) lost.push({{ name: 'all' }});
    return lost.map(({{ name }}) => `page ${{i + 1}}: ${{name}}`);
  }});
}}"""
# pieces of the slide on the screen that lie under an arrow or the footer
COVERED = f"""() => {{ {PIECES}
  const meets = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const slide = Reveal.getCurrentSlide();
  const over = [...document.querySelectorAll('.controls .enabled, .slide-number')]
    .map((e) => e.getBoundingClientRect());
  const covered = pieces(slide).filter(({{ box }}) => over.some((each) => meets(each, box))).map(({{ name }}) => name);
  return slide.scrollHeight > slide.clientHeight ? [...covered, 'scrolls'] : covered;
}}"""
TURN_TO = """i => {
  const slide = Reveal.getSlides()[i], { h, v } = Reveal.getIndices(slide);
  Reveal.slide(h, v);
  return slide.textContent;
}"""
BARE = """widgets => widgets.filter((widget) =>
  ![...widget.querySelectorAll('img, svg, canvas, .course-widget-writing, .course-widget-matrix, .course-widget-ranks')]
    .some((part) => part.getBoundingClientRect().height > 80)
).length"""  # a model that writes shows its text, a matrix its cells, which are no pictures
SCALE = """img => Math.min(img.clientWidth / img.naturalWidth, img.clientHeight / img.naturalHeight)"""


def pages_of(pdf):
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@pytest.fixture
def on_paper(visit):
    """on_paper(url): (open page in print, number of slides)."""

    def printed(url, trouble, query="print-pdf"):
        return visit(f"{url}?{query}", trouble, viewport=SCREEN)

    return printed


def ready_to_print(page):
    page.wait_for_function("document.documentElement.dataset.printable")
    page.emulate_media(media="print")


def figure(text, width, height):
    png = io.BytesIO()
    Image.new("RGB", (width, height), "#0961C4").save(png, format="png")
    data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": text}
    return new_output("display_data", data=data, metadata={"alt": text})


def cell(source, kind, *outputs):
    make = new_code_cell if outputs else new_markdown_cell
    metadata = {"slideshow": {"slide_type": kind}, "tags": ["hide-input"] if outputs else []}
    return make(source, metadata=metadata, **({"outputs": list(outputs)} if outputs else {}))


TOO_MUCH = "太多"
LOOK = ":::{admonition} 看什么\n:class: look\n" + "两条线在右端分开。如果想法是错的，它们会一直重合。" * 3 + "\n:::"


@pytest.fixture(scope="module")
def hard_deck(tmp_path_factory):
    """A deck with what is hard to fit: pictures of several shapes with words, too much text, a wide formula, notes."""
    cells = [
        cell("# 03 题\n\n开场", "slide"),
        cell("停 1 分钟。问：$x^2$ 是什么？", "notes"),
        cell("## 一张图", "slide"),
        cell("show()", "fragment", figure("一张图", 768, 432)),
        cell("## 宽图\n\n" + "先说一句话。" * 20, "slide"),
        cell("show()", "fragment", figure("宽图", 912, 384)),
        cell(LOOK, "fragment"),
        cell("## 高图\n\n" + "先说一句话。" * 30, "slide"),
        cell("show()", "fragment", figure("高图", 640, 560)),
        cell(f"## {TOO_MUCH}\n\n" + "\n\n".join(["这里的话太多，一页放不下，" * 9] * 14), "slide"),
        cell("## 一步一步\n\n先\n\n$$a = b$$", "slide"),
        *[cell(f"第 {i} 步：" + "$x_i$，一句话。" * 12, "fragment") for i in range(7)],
    ]
    target = tmp_path_factory.mktemp("deck") / "slides"
    chapter = choose(["03"])[0]
    slides.build({chapter: new_notebook(cells=[nbformat.from_dict(c) for c in cells])}, target)
    return (target / f"{chapter.stem}.html").as_uri()


def printed_as(page, extra=0):
    """What is wrong with the PDF of a deck: pages that are not slides, pieces that are lost."""
    ready_to_print(page)
    n_slides = page.locator(".slides section:not(.stack)").count()
    n_pages = pages_of(page.pdf(prefer_css_page_size=True, print_background=True))
    wrong = [] if n_pages == n_slides + extra else [f"{n_pages} pages of {n_slides} slides and {extra} notes"]
    bare = page.locator(".course-widget").evaluate_all(BARE)
    return wrong + page.evaluate(LOST) + [f"{bare} widgets without a picture"] * bool(bare)


def test_every_deck_prints_one_page_a_slide_with_nothing_lost(on_paper, folder, decks):
    wrong, trouble = [], []
    for name in decks:
        with on_paper((folder / name).as_uri(), trouble) as page:
            wrong += [f"{name}: {each}" for each in printed_as(page)]
    assert decks and not wrong and not trouble


def test_what_is_hard_to_fit_is_printed_whole(on_paper, hard_deck):
    with on_paper(hard_deck, []) as page:
        assert page.locator(".slides section:not(.stack)").count() == 7
        assert printed_as(page) == []


def test_notes_are_printed_when_asked_for(on_paper, hard_deck):
    with on_paper(hard_deck, [], "print-pdf&showNotes=separate-page") as page:
        assert printed_as(page, extra=1) == []
        assert page.locator(".speaker-notes-pdf").inner_text().startswith("停 1 分钟")


def test_pictures_fill_what_is_free_and_are_readable(on_paper, hard_deck):
    """12 pt at 120 dots an inch are 14 pt at 1280 × 720 from a scale of 0.935 on."""
    with on_paper(hard_deck, []) as page:
        ready_to_print(page)
        scales = [img.evaluate(SCALE) for img in page.locator(".course-figure img").all()]
        lone = page.locator(".course-figure img").first.bounding_box()
    assert len(scales) == 3 and min(scales) >= 0.93
    assert lone["height"] >= 560


def test_a_deck_offers_its_pdf(visit, hard_deck):
    with visit(hard_deck, [], viewport=SCREEN) as page:
        page.get_by_role("link", name="打印成 PDF").click()
        ready_to_print(page)
        assert page.locator("button.print-now").count() == 1 and not page.locator("button.print-now").is_visible()


def test_on_the_screen_slides_fit_and_nothing_lies_under_arrows_and_footer(visit, folder, decks, hard_deck):
    wrong = []
    for url in [hard_deck, *((folder / name).as_uri() for name in decks[::5])]:
        with visit(url, [], viewport=SCREEN) as page:
            page.wait_for_function("window.Reveal && Reveal.isReady()")
            assert page.locator(".controls .navigate-right.enabled").is_visible()
            for i in range(page.evaluate("Reveal.getTotalSlides()")):
                text = page.evaluate(TURN_TO, i)
                page.wait_for_function("Reveal.getCurrentSlide().dataset.fitted")
                if not text.strip().startswith(TOO_MUCH):
                    under = page.evaluate(COVERED)
                    wrong += [f"{url[-20:]} {i + 1}: {name}" for name in under]
            footer = page.locator(".slide-number")
            assert footer.inner_text().strip().endswith(str(page.evaluate("Reveal.getTotalSlides()")))
            title = footer.evaluate("e => getComputedStyle(e, '::before').content")
            assert page.locator(".title-slide h1").inner_text() in title
    assert not wrong


def test_a_slide_that_is_fitted_anew_keeps_its_parts_where_they_are(visit, hard_deck):
    """As when its guess is opened."""
    with visit(hard_deck, [], viewport=SCREEN) as page:
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        for i in range(page.evaluate("Reveal.getTotalSlides()")):
            page.evaluate(TURN_TO, i)
            page.wait_for_function("Reveal.getCurrentSlide().dataset.fitted")
            before = page.evaluate("Reveal.getCurrentSlide().innerHTML")
            page.evaluate("delete Reveal.getCurrentSlide().dataset.fitted")
            page.evaluate("Reveal.dispatchEvent({ type: 'slidechanged' })")
            page.wait_for_function("Reveal.getCurrentSlide().dataset.fitted")
            assert page.evaluate("Reveal.getCurrentSlide().innerHTML") == before


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_speaker_sees_notes_in_the_course_font(visit, address, folder, scheme):
    url = address + "slides/03_rope.html" if scheme == "http" else (folder / "slides" / "03_rope.html").as_uri()
    with visit(url, [], viewport=SCREEN) as page:
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        page.evaluate("Reveal.slide(Reveal.getSlides().findIndex(s => s.querySelector('aside.notes mjx-container')))")
        with page.expect_popup() as popup:
            page.keyboard.press("s")
        notes = popup.value.locator(".speaker-controls-notes .value")
        notes.locator("mjx-container").first.wait_for()
        popup.value.wait_for_selector("link", state="attached")
        assert "CourseSans SC Web" in notes.evaluate("e => getComputedStyle(e).fontFamily")
        faces = popup.value.evaluate(
            "document.fonts.load('18px \"CourseSans SC Web\"', '停').then(f => f.map(x => x.status))"
        )
        assert faces == ["loaded"]
        assert notes.locator("mjx-c").first.evaluate("e => getComputedStyle(e, '::before').content") not in (
            "none",
            "normal",
        )
