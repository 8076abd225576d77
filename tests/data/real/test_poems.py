"""The shipped poems are the file that the card describes, and keep the promises of their splits."""

import gzip
import hashlib
import re
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

import course_lib.data.real.poems as module
from course_lib.data.real.poem_rules import form_reward, sounds
from course_lib.data.real.poems import EDGE, FILE, SIGNS, SOUNDS, SPLITS, poems, tokenizer, vocabulary

FOLDER = Path(module.__file__).parent
CARD = (FOLDER.parents[2] / "book" / "dataset-poems.md").read_text("utf-8")
EVERY = list(chain(*map(poems, SPLITS)))


def test_the_files_are_those_of_the_card():
    data = (FOLDER / FILE).read_bytes()
    for each in (data, gzip.decompress(data), (FOLDER / SOUNDS).read_bytes()):
        assert hashlib.sha256(each).hexdigest() in CARD
    for split in SPLITS:
        row = rf"\| `{split}` \| {len(poems(split)):,} \|"
        assert re.search(row, CARD), row
    assert f"{len(vocabulary()):,} 个词元" in CARD


def test_the_licence_lies_beside_them():
    assert "MIT License" in (FOLDER / "poems_LICENSE.txt").read_text("utf-8")


def test_a_poem_that_everybody_knows_is_there():
    (found,) = (poem for poem in EVERY if poem.title == "春晓" and poem.author == "孟浩然")
    assert str(found) == "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。" and found.form == "五言"


def test_every_poem_has_the_form():
    assert all(form_reward(str(poem)) == 1 for poem in EVERY)
    assert {poem.form for poem in EVERY} == {"五言", "七言"}


def test_a_new_poet_stands_in_no_other_split():
    authors = {split: {poem.author for poem in poems(split)} for split in SPLITS}
    assert not authors["new-poets"] & (authors["train"] | authors["held-out"])


def test_no_poem_is_there_twice():
    assert len({poem.lines for poem in EVERY}) == len(EVERY)


def test_every_character_is_common_in_training_and_has_a_sound():
    seen = Counter(character for poem in poems("train") for line in poem.lines for character in line)
    assert min(seen.values()) >= 3
    assert {character for poem in EVERY for line in poem.lines for character in line} == seen.keys() == sounds().keys()
    assert vocabulary()[: len(SIGNS)] == SIGNS and set(vocabulary()) == {*SIGNS, *seen}


def test_a_poem_survives_the_tokenizer():
    text = f"{EDGE}{poems('held-out')[0]}{EDGE}"
    assert tokenizer().decode(tokenizer().encode(text)) == text


def test_another_split_is_refused():
    with pytest.raises(ValueError, match="unknown split 'test'; known: train"):
        poems("test")
