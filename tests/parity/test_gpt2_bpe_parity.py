"""GPT2Tokenizer against the tokenizers library and transformers, on a vocabulary in the released format.

The library trains on the course's prose and saves vocab.json and merges.txt; both sides read those files.
"""

import json
import random
import time
from pathlib import Path

import pytest
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from transformers import GPT2TokenizerFast

from course_lib.data.text.corpora import prose
from course_lib.foundations.gpt2_bpe import END_OF_TEXT, GPT2Tokenizer

EMOJI = "👍🏽👨‍👩‍👧‍👦 🐕🐕 ❤️ 🇨🇳🇨🇳😀"
SCRIPTS = "RoPE（旋转）Ünïcödé Ελληνικά русский العربية עִבְרִית हिन्दी ไทย 한국어 日本語カナ ½ Ⅷ ² ٣ ǅ ª 𝒳𝟛 𓂀"
CONTROL = "".join(map(chr, range(32))) + "\xad\u200b\u200d\u2028\u2029\u202e\ufeff\ufffd\uffff\U0010ffff"
TEXTS = {
    "empty": "",
    "one space": " ",
    "chinese": prose()[:3000],
    "english": "It's we'll they'VE don't ’s 's'S I'd'm 'sa ''s  's THE don't_you'll3'll",
    "emoji": EMOJI * 3,
    "mixed scripts": SCRIPTS * 2,
    "control characters": CONTROL + "a".join(CONTROL) + " ".join(CONTROL) + " \n".join(CONTROL),
    "runs of spaces": "a  b   c\t\td \t e\n\n\nf \n g\r\n\r\n  \u3000\u3000h\xa0\xa0i     ",
    "numbers": "3.14159 1,000,000 007 １２３ 一二三 3x4 x3 4_000",
    "one long word": "狗" * 5000 + "a" * 5000 + "ab" * 2000,
    "a long run of spaces": "x" + " " * 20000 + "y" + "\n" * 9999,
    "specials": f"{END_OF_TEXT}a {END_OF_TEXT} \n{END_OF_TEXT}{END_OF_TEXT}  b<|endoftext|<|endoftext|>|>",
    "every assigned plane": "".join(chr(c) + " " for c in range(0, 0x3000) if not 0xD800 <= c < 0xE000),
}


@pytest.fixture(scope="module", params=["special first", "special last"])
def pair(request, tmp_path_factory):
    """Theirs and ours from the same two files."""
    folder = str(tmp_path_factory.mktemp("bpe"))
    theirs = ByteLevelBPETokenizer()
    first = [END_OF_TEXT] if request.param == "special first" else []
    theirs.train_from_iterator([prose(), SCRIPTS, EMOJI], vocab_size=1500, special_tokens=first, show_progress=False)
    theirs.save_model(folder)
    theirs.add_special_tokens([END_OF_TEXT])
    Path(folder, "vocab.json").write_text(json.dumps(theirs.get_vocab()), encoding="utf-8")
    theirs = ByteLevelBPETokenizer.from_file(folder + "/vocab.json", folder + "/merges.txt")
    theirs.add_special_tokens([END_OF_TEXT])
    return theirs, GPT2Tokenizer.load(folder), folder


@pytest.mark.parametrize("name", TEXTS)
def test_same_ids_and_back(pair, name):
    theirs, ours, _ = pair
    ids = theirs.encode(TEXTS[name]).ids
    assert ours.encode(TEXTS[name]) == ids
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False) == TEXTS[name]


def test_same_vocabulary(pair):
    theirs, ours, _ = pair
    assert ours.n_vocab == theirs.get_vocab_size()
    assert ours.end_of_text == theirs.token_to_id(END_OF_TEXT)


@pytest.mark.parametrize("seed", range(40))
def test_same_ids_on_random_text(pair, seed):
    theirs, ours, _ = pair
    chance = random.Random(seed)
    text = "".join(
        chance.choice([*TEXTS["mixed scripts"], *EMOJI, *" \n\t'", *CONTROL, "ing", "的"]) for _ in range(800)
    )
    assert ours.encode(text) == theirs.encode(text).ids


@pytest.mark.parametrize("seed", range(20))
def test_the_same_replacement_characters_for_any_ids(pair, seed):
    """Ids at random are mostly no UTF-8: both sides put the same � in the same places."""
    theirs, ours, _ = pair
    ids = random.Random(seed).choices(range(ours.n_vocab), k=300)
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)


def test_a_hundred_kilobytes(pair):
    theirs, ours, _ = pair
    chance = random.Random(0)
    lines = [*prose().split("\n"), EMOJI, SCRIPTS]
    text = ""
    while len(text.encode()) < 100_000:
        text += chance.choice(lines) + chance.choice([" ", "\n", END_OF_TEXT])
    began = time.process_time()
    ids = ours.encode(text)
    assert time.process_time() - began < 5
    assert ids == theirs.encode(text).ids
    assert ours.decode(ids) == text


def test_what_transformers_makes_of_the_same_files(pair):
    _, ours, folder = pair
    theirs = GPT2TokenizerFast(vocab=folder + "/vocab.json", merges=folder + "/merges.txt")
    for text in TEXTS.values():
        assert ours.encode(text) == theirs(text)["input_ids"]


def test_what_we_save_they_load(pair, tmp_path):
    _, ours, _ = pair
    ours.save(tmp_path)
    again = ByteLevelBPETokenizer.from_file(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    again.add_special_tokens([END_OF_TEXT])
    for text in TEXTS.values():
        assert again.encode(text).ids == ours.encode(text)


@pytest.mark.parametrize("writer", ["tokenizers", "transformers", "transformers with more tokens"])
def test_the_one_file_that_newer_libraries_write(pair, writer, tmp_path):
    """transformers 5 saves tokenizer.json alone; the ids are those that the tokenizers library gives."""
    theirs, _, folder = pair
    if writer == "tokenizers":
        theirs.save(str(tmp_path / "tokenizer.json"))
    else:
        saved = GPT2TokenizerFast(vocab=folder + "/vocab.json", merges=folder + "/merges.txt")
        if writer == "transformers with more tokens":
            saved.add_special_tokens({"pad_token": "<pad>", "additional_special_tokens": ["<image>"]})
            saved.add_tokens(["猫猫"])
        saved.save_pretrained(tmp_path)
    assert not (tmp_path / "vocab.json").exists()
    ours, again = GPT2Tokenizer.load(tmp_path), Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert ours.n_vocab == again.get_vocab_size() and ours.end_of_text == again.token_to_id(END_OF_TEXT)
    for text in [*TEXTS.values(), f"a <image>猫猫猫<pad> <pad>{END_OF_TEXT}<image"]:
        ids = again.encode(text).ids
        assert ours.encode(text) == ids
        assert ours.decode(ids) == text
