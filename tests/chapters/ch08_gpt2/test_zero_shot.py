"""C12 and C12b measure what they say."""

import pytest
import torch

from course_lib.chapters.ch08_gpt2.experiments import c12_zero_shot as c12
from course_lib.chapters.ch08_gpt2.experiments import c12b_nucleus as c12b
from course_lib.data.text.demonstrations import HELD_OUT, PAIRS, english, tokenizer
from course_lib.data.world.captions import Phrase, write


def test_accuracy_counts_translations_that_are_right_to_the_letter(monkeypatch):
    answers = [english(pair) for pair in HELD_OUT]
    answers[0] += " and"
    answers[1] = english(("white", "ring"))
    monkeypatch.setattr(c12, "translations", lambda model, pairs: answers)
    assert c12.accuracy(None, HELD_OUT) == pytest.approx(10 / 12)


def test_words_count_in_their_place_and_articles_do_not(monkeypatch):
    pairs = (("red", "ring"), ("blue", "cross"), ("white", "circle"))
    said = ["a red cross and", "cross blue a", "a"]
    monkeypatch.setattr(c12, "translations", lambda model, pairs: said)
    assert c12.words_right(None, pairs) == pytest.approx(2 / 6)  # red; blue, where it belongs


def test_translations_end_at_the_end_of_text(monkeypatch):
    end = tokenizer().end_of_text
    said = torch.tensor([[*tokenizer().encode(" a red ring"), end, end]] * len(PAIRS))
    monkeypatch.setattr(c12, "greedy", lambda *_, **__: said)
    monkeypatch.setattr(c12, "LlamaReader", lambda *_: None)
    assert c12.translations(None, PAIRS)[0] == "a red ring"


def test_variety_is_the_number_of_equally_likely_beginnings():
    first, second = (write([Phrase("red", "ring", position=place)]) for place in ("left", "right"))
    assert c12b.legal_and_varied([first, second] * 10) == pytest.approx((1, 2))
    assert c12b.legal_and_varied([first] * 9 + ["有有一个红色"]) == pytest.approx((0.9, 1))
    assert c12b.legal_and_varied(["一", "有"]) == (0, 0)


def test_the_corpus_of_c12b_is_within_the_grammar():
    assert c12b.legal_and_varied(c12b.texts_of(c12b.captions(0, 200)))[0] == 1


def test_a_perfect_writer_of_few_captions_seems_to_have_fewer_beginnings():
    few, more = (c12b.legal_and_varied(c12b.texts_of(c12b.captions(1, n)))[1] for n in (200, 2000))
    assert few < 200 < more < 432
