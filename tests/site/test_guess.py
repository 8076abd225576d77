"""Guesses on page and deck: covered until a choice is made, remembered, by keyboard, readable without scripts."""

import pytest

FIRST, SECOND = ["甲的结果", "答案是 B", "乙的结果", "接着的一页"], ["丙的结果", "丙的解释"]
OPEN = ["问题之前", "print('甲')", "小节的话", "丁的结果", "戊的结果"]


def seen(page):
    """All that a reader sees, hears and reaches by tab."""
    return page.locator("article").inner_text()


def guess(page, number=0):
    return page.locator(".guess[data-guess]").nth(number)


def press(page, letter, number=0):
    guess(page, number).locator(f"button[data-letter={letter}]").click()


def shows(page, texts):
    now = seen(page)
    return [text in now for text in texts]


def test_everything_after_a_guess_is_covered_up_to_a_heading_or_the_next_guess(page):
    assert shows(page, FIRST) == [False] * 4 and shows(page, SECOND) == [False] * 2
    assert all(shows(page, OPEN))
    assert page.locator(".guess-cover:visible").count() == 2
    assert page.locator(".guess[data-guess]").count() == 2  # the box of the first edition stays as it is


def test_a_choice_uncovers_its_own_part_and_says_in_words_what_was_right(page):
    above = guess(page).bounding_box()["y"]
    press(page, "A")
    assert all(shows(page, FIRST)) and shows(page, SECOND) == [False] * 2
    assert guess(page).bounding_box()["y"] == above
    assert guess(page).get_by_role("status").inner_text().startswith("你选了 A，答案是 B。")
    marks = [button.inner_text() for button in guess(page).locator(".guess-options button").all()]
    assert "✗ 你选的" in marks[0] and "✓ 正确答案" in marks[1] and "✓" not in marks[2]
    assert page.evaluate("document.activeElement.dataset.letter") == "A"
    guess(page).locator("button[data-letter=B]").dispatch_event("click")
    assert guess(page).locator("[aria-pressed=true]").get_attribute("data-letter") == "A"  # the first choice counts


def test_the_right_choice_is_told(page):
    press(page, "A", 1)
    assert guess(page, 1).get_by_role("status").inner_text().startswith("对，是 A。")
    assert "✓ 你选对了" in guess(page, 1).inner_text() and all(shows(page, SECOND))


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_the_keyboard_guesses_and_looks(page, key):
    guess(page).locator("button[data-letter=B]").focus()
    page.keyboard.press(key)
    assert all(shows(page, FIRST))
    page.locator(".guess-cover button").focus()
    page.keyboard.press(key)
    assert all(shows(page, SECOND))
    assert page.evaluate("document.activeElement.innerText").startswith("丙的结果")
    assert guess(page, 1).get_by_role("status").inner_text().startswith("答案是 A。")


def test_what_is_covered_cannot_be_reached_by_tab(page):
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.innerText || ''"))
    assert "有名字的地方" not in reached and any("不猜" in text for text in reached)


def test_a_choice_is_remembered_until_the_reader_guesses_again(page):
    press(page, "C")
    press(page, "A", 1)
    page.reload()
    assert all(shows(page, FIRST + SECOND)) and "你选了 C" in seen(page)
    guess(page).get_by_role("button", name="重新猜", exact=True).click()
    assert shows(page, FIRST) == [False] * 4 and all(shows(page, SECOND))
    assert page.evaluate("document.activeElement.dataset.letter") == "A"
    guess(page, 1).get_by_role("button", name="本页全部重新猜").click()
    page.reload()
    assert not any(shows(page, FIRST + SECOND))


def test_an_address_into_a_covered_part_uncovers_it(page, sample):
    page.evaluate("location.hash = '#part'")
    page.wait_for_function("!document.querySelector('#part').closest('.guess-covered')")
    assert all(shows(page, FIRST)) and not any(shows(page, SECOND))
    page.goto("about:blank")
    page.goto(sample + "page.html#part")
    assert all(shows(page, FIRST)) and page.locator("#part").is_visible()


def test_paper_shows_everything_and_no_buttons(page):
    page.emulate_media(media="print")
    assert all(shows(page, FIRST + SECOND + ["A. 不变"]))
    assert not page.locator(".guess-cover, .guess-form").filter(visible=True).count()


def test_without_scripts_everything_is_readable(sample, visit):
    with visit("about:blank", [], java_script_enabled=False) as page:
        page.goto(sample + "page.html")
        assert all(shows(page, [*FIRST, *SECOND, "A. 不变", "B. 2 倍"]))


def test_a_page_that_may_not_remember_still_answers(sample, visit):
    trouble = []
    with visit("about:blank", trouble) as page:
        page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})")
        page.goto(sample + "page.html")
        press(page, "B")
        assert all(shows(page, FIRST))


# ---- the deck ----
@pytest.fixture
def deck(sample, visit):
    trouble = []
    with visit(sample + "slides/sample.html", trouble) as page:
        yield page
    assert trouble == []


def turn(deck, slide):
    deck.wait_for_function("window.Reveal && Reveal.isReady()")
    deck.evaluate(f"Reveal.slide({slide}); while (Reveal.nextFragment());")
    deck.wait_for_function("Reveal.getCurrentSlide().dataset.fitted")
    deck.wait_for_function("""[...Reveal.getCurrentSlide().querySelectorAll('.fragment.visible')]
      .every((part) => part.checkVisibility({ visibilityProperty: true }))""")


def slide_text(deck):
    return deck.evaluate("Reveal.getCurrentSlide().innerText")


def test_a_deck_covers_the_same_slide_and_those_without_a_heading(deck):
    turn(deck, 2)
    assert "问题之前" in slide_text(deck) and "print('甲')" in slide_text(deck)
    assert not any(text in slide_text(deck) for text in FIRST) and "先选一个" in slide_text(deck)
    turn(deck, 3)
    assert "接着的一页" not in slide_text(deck) and slide_text(deck).count("先选一个") == 2
    deck.locator("section.present section.present .guess-cover button").first.click()
    assert "接着的一页" in slide_text(deck) and "丙的结果" not in slide_text(deck)
    turn(deck, 4)
    assert "小节的话" in slide_text(deck) and "丁的结果" in slide_text(deck)


def test_in_a_deck_a_key_that_chooses_turns_no_slide_and_the_slide_is_fitted_again(deck):
    turn(deck, 2)
    deck.locator(".guess[data-guess]").first.locator("button[data-letter=B]").focus()
    deck.evaluate("Reveal.getCurrentSlide().dataset.fitted = 'before'")
    deck.keyboard.press("Space")
    assert deck.evaluate("Reveal.getIndices().h") == 2
    assert all(text in slide_text(deck) for text in FIRST[:3])
    deck.wait_for_function("Reveal.getCurrentSlide().dataset.fitted === 'true'")
    assert "停三分钟" in deck.locator("aside.notes").first.text_content()


def test_a_deck_does_not_take_over_what_was_chosen_on_the_page(sample, visit):
    with visit(sample + "page.html", []) as page:
        press(page, "B")
        page.goto(sample + "slides/sample.html")
        turn(page, 2)
        assert "甲的结果" not in slide_text(page)
        page.locator("section.present section.present .guess-options button").first.click()
        page.reload()
        turn(page, 2)
        assert "甲的结果" in slide_text(page)


def test_a_deck_that_is_printed_covers_nothing(sample, visit):
    with visit(sample + "slides/sample.html?print-pdf", []) as page:
        page.wait_for_selector(".pdf-page")
        assert page.locator(".guess-cover").count() == 0 and "甲的结果" in page.locator("body").text_content()


# ---- the built site: whatever chapters have guesses that answer ----
def test_every_guess_of_the_course_covers_its_output_and_reveals_it(visit, address, pages):
    trouble, idle = [], []
    for name in (name for name in pages if name.startswith("notebooks/")):
        with visit(address + name, trouble) as page:
            for box in page.locator(".guess[class*='answer-']").all():
                key = box.get_attribute("data-guess")
                hidden = page.locator(f".guess-covered[data-guess='{key}']")
                if not key or not hidden.count() or hidden.filter(visible=True).count():
                    idle.append(f"{name}: {box.inner_text()[:40]!r} covers nothing")
                    continue
                box.locator(".guess-options button").last.click()
                if hidden.count() or ("答案是" not in box.inner_text() and "对，是" not in box.inner_text()):
                    idle.append(f"{name}: {box.inner_text()[:40]!r} reveals nothing")
    assert trouble == [] and idle == []
