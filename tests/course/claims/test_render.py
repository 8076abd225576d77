"""A record as text and as HTML."""

import pytest

from course_lib.course import claims
from course_lib.course.claims.render import format_number


@pytest.fixture
def record():
    return {
        "id": "C99",
        "kind": "full",
        "title": "a < b",
        "question": "问",
        "statement": "主张 <b>",
        "refuted_if": "若 & 则",
        "limits": "看不到的",
        "labels": {"loss": "损失 / nat"},
        "seeds": [0, 1, 2],
        "figures": {
            "loss": {"mean": 1.23456, "std": 0.0123, "values": [1.2, 1.23, 1.26]},
            "exact": {"mean": 3.0, "std": 0.0, "values": [3.0, 3.0, 3.0]},
            "curve": {"mean": list(range(20)), "std": [0.0] * 20, "values": [list(range(20))] * 3},
            "table": {
                "mean": [[0.0, 1.0], [2.0, 3.0]],
                "std": [[0.0] * 2] * 2,
                "values": [[[0.0, 1.0], [2.0, 3.0]]] * 3,
            },
        },
        "verdict": "partly",
        "sentence": "一半 <i>",
        "seconds": 12.3,
        "versions": {"torch": "2.13.0"},
    }


@pytest.mark.parametrize("render", [claims.render_html, claims.render_text])
def test_shows_figures_with_spread_verdict_refutation_seconds_and_versions(record, render):
    shown = render(record)
    for part in (
        "C99",
        "损失 / nat",
        "1.235 ± 0.012",
        "部分成立",
        "若",
        "看不到的",
        "12.3",
        "torch 2.13.0",
        "3 个种子",
    ):
        assert part in shown
    assert "3 ±" not in shown
    assert "共 20 个" in shown and "2×2" in shown


@pytest.mark.parametrize("render", [claims.render_html, claims.render_text])
def test_a_judge_that_changed_after_measuring_is_marked(record, render):
    assert "判据后改" not in render(record | {"judge": "1", "judged": "1"})
    for then in ("2", None):
        assert "部分成立（判据后改）" in render(record | {"judge": then, "judged": "1"})


def test_the_card_shows_verdict_and_one_sentence_and_folds_the_rest(record):
    record["sentence"] = "三个种子都到 1.2。下一句。"
    shown, _, folded = claims.render_html(record).partition("</summary>")
    assert shown.startswith("<details ") and "open" not in shown.split(">")[0] and folded.endswith("</details>")
    assert (
        "部分成立" in shown
        and "三个种子都到 1.2。" in shown
        and "下一句" not in shown
        and "主张" not in shown.partition("</b>")[2]
    )
    for part in ("下一句。", "主张", "1.235 ± 0.012", "若出现则推翻", "看不到的", "torch 2.13.0"):
        assert part in folded


def test_of_a_quick_and_a_full_card_the_full_one_owns_the_id(record):
    cards = [claims.render_html(record | {"kind": kind}) for kind in ("full", "quick")]
    assert ['id="C99"' in card for card in cards] == [True, False]


def test_html_escapes_what_authors_write(record):
    html = claims.render_html(record)
    assert "a &lt; b" in html and "主张 &lt;b&gt;" in html and "若 &amp; 则" in html and "<i>" not in html


@pytest.mark.parametrize(("verdict", "word"), [("holds", "✓ 成立"), ("fails", "✗ 不成立"), ("partly", "◐ 部分成立")])
def test_each_verdict_has_its_own_badge(record, verdict, word):
    record["verdict"] = verdict
    assert word in claims.render_html(record) and word in claims.render_text(record)
    assert f"course-claim-{verdict}" in claims.render_html(record)


def test_a_quick_form_says_so_and_one_seed_claims_no_spread(record):
    record |= {"kind": "quick", "seeds": [0], "figures": {"loss": {"mean": 1.5, "std": 0.0, "values": [1.5]}}}
    text = claims.render_text(record)
    assert "快速版" in text and "1 个种子" in text and "±" not in text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (44.0, "44"), (1e-16, "1.0e-16"), (0.123456, "0.1235"), (12345678.0, "1.2e+07"), (-2.5, "-2.5")],
)
def test_numbers_are_short(number, text):
    assert format_number(number) == text
