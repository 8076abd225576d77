"""The reader's own choices in a browser: each one moves the scores, and the guess comes before it."""

import re

import pytest
from playwright.sync_api import expect

from course_lib.widgets.live_preferences import demonstrated, fit, live_preferences
from course_lib.widgets.page_random import random_numbers

TEXTS = ["甲甲，\n一。", "乙乙，\n二。", "丙丙，\n三。", "丁丁，\n四。"]
WORTH = [2.0, 0.5, -0.5, -2.0]


def four():
    return live_preferences(TEXTS, WORTH, rule="越靠前越好")


def shown(page):
    """The scores and their errors, as they stand."""
    told = page.locator(".course-widget-rank > span:last-child").all_inner_texts()
    return [tuple(float(x.replace("−", "-")) for x in each.split(" ± ")) for each in told]


def close(page, made, ridge=0.1):
    scores, covariance = fit(len(TEXTS), made, ridge)
    wanted = list(zip(scores.tolist(), covariance.diagonal().clamp(min=0).sqrt().tolist()))
    for got, each in zip(shown(page), wanted, strict=True):
        assert got == pytest.approx(each, abs=0.0051)


def asked(page):
    return [TEXTS.index(text) for text in page.locator(".course-widget-side").all_text_contents()]


def guess(page):
    """Probability of the left side that the page expects."""
    told = page.locator(".course-widget-ranks p").first.inner_text()
    share = int(re.search(r"(\d+)%", told)[1])
    return 100 - share if "右边" in told else share


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_each_choice_refits_and_the_guess_comes_first(published, scheme):
    page = published(four, scheme)
    made, right, guessed = [], 0, 0
    for _ in range(8):
        left, other = asked(page)
        scores = fit(len(TEXTS), made, 0.1).scores
        p = float((scores[left] - scores[other]).sigmoid())
        assert guess(page) == pytest.approx(100 * p, abs=0.51)
        winner = min(left, other)  # this reader likes what stands earlier
        page.get_by_role("button", name=f"选{'左边' if winner == left else '右边'}").click()
        guessed += abs(p - 0.5) > 1e-9
        right += (p > 0.5) == (winner == left) and abs(p - 0.5) > 1e-9
        made.append((winner, max(left, other)))
        close(page, made)
    expect(page.locator(".course-widget-ranks")).to_contain_text(f"事先猜了 {guessed} 次，猜中 {right} 次")
    assert [score for score, _ in shown(page)] == sorted((score for score, _ in shown(page)), reverse=True)
    assert set(page.asked) <= {"page.html", "course-widgets.js", "favicon.ico"}


def test_the_rule_fills_in_choices_and_says_that_it_was_the_rule(published):
    page = published(four)
    assert not page.locator(".course-widget-lane s").first.is_visible()
    for _ in range(2):
        page.get_by_role("button", name="示范").click()
    close(page, demonstrated(WORTH, 20, random_numbers(0)))
    text = page.locator(".course-widget-ranks")
    expect(text).to_contain_text("选了 20 次，其中示范 20 次")
    expect(text).to_contain_text("越靠前越好")
    assert page.locator(".course-widget-lane s").first.is_visible()


def test_a_step_back_and_a_new_start(published):
    page = published(four)
    assert page.get_by_role("button", name="退一步").is_disabled()
    page.get_by_role("button", name="选左边").click()
    one, second = shown(page), asked(page)
    page.get_by_role("button", name="选右边").click()
    page.get_by_role("button", name="说不上").click()
    assert shown(page) != one
    page.get_by_role("button", name="退一步").click()
    assert (shown(page), asked(page)) == (one, second)
    page.get_by_role("button", name="重来").click()
    assert all(score == 0 for score, _ in shown(page))


def test_what_is_left_open_counts_for_nothing_and_another_pair_comes(published):
    page = published(four)
    seen = set()
    for _ in range(6):
        seen.add(frozenset(asked(page)))
        page.get_by_role("button", name="说不上").click()
    assert len(seen) == 6 and all(score == 0 for score, _ in shown(page))
    expect(page.locator(".course-widget-ranks")).to_contain_text("选了 0 次")


def test_keys_choose_and_the_guess_can_be_hidden(published):
    page = published(four)
    page.get_by_role("button", name="选左边").focus()
    page.keyboard.press("ArrowRight")
    other = asked(page)[1]
    page.keyboard.press("Enter")
    assert max(range(4), key=lambda i: shown(page)[i]) == other
    expect(page.get_by_role("button", name="选右边")).to_be_focused()
    page.get_by_role("checkbox", name="先看它的猜测").press("Space")
    expect(page.locator(".course-widget-ranks p").first).to_have_text("它的猜测先藏着。")


def test_a_stronger_ridge_draws_the_scores_in(published):
    page = published(four)
    page.get_by_role("button", name="示范").click()
    made = demonstrated(WORTH, 10, random_numbers(0))
    for key, ridge in (("End", 3.0), ("Home", 0.01)):
        page.get_by_role("slider", name="岭").press(key)
        close(page, made, ridge)


def test_the_best_of_more_is_better_by_the_scores_themselves(published):
    page = published(four)
    page.get_by_role("button", name="示范").click()
    told = page.get_by_text("学到的分数平均")
    found = []
    for _ in range(4):
        found.append(float(re.search(r"学到的分数平均 ([+−]?[\d.]+)", told.inner_text())[1].replace("−", "-")))
        page.get_by_role("slider", name="几个里挑最高分").press("ArrowRight")
    assert found == sorted(found) and found[0] == 0 and found[-1] == max(score for score, _ in shown(page))


def test_paper_shows_what_the_rule_would_choose(published):
    page = published(four)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    close(page, demonstrated(WORTH, 20, random_numbers(0)))
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator(".course-widget-ranks")).to_contain_text("选了 20 次，其中示范 20 次")


@pytest.mark.parametrize("width", [320, 390, 900])
def test_it_fits(published, width):
    page = published(four, viewport={"width": width, "height": 1200})
    page.get_by_role("button", name="示范").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
