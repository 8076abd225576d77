"""ByteBPE against the tokenizers library, trained on the same text: the same merges, the same ids."""

import json
import random
import unicodedata

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from course_lib.foundations.bpe import BYTES, ByteBPE

SIGNS = dict(zip([chr(b[0]) if i < 188 else chr(256 + i - 188) for i, b in enumerate(BYTES)], BYTES))

ENGLISH = "The dog bit the man, and the man's dog didn't bite. It'll bite again in 2024; won't it?  Yes!\n\n\tIndeed. "
CHINESE = (
    "狗咬人不是新闻，人咬狗才是新闻。位置编码告诉模型每个词在哪里，"
    "注意力机制自己并不知道顺序；把词打乱，结果也跟着打乱。"
)
EMOJI = "👍🏽 👨‍👩‍👧‍👦 🐕🐕🐕 ❤️ 🇨🇳🇨🇳 😀😀 "
MIXED = (
    "RoPE（旋转位置编码）turns q、k；θ_i = 10000^(−2i/d)。Ünïcödé ñandú "
    "Ελληνικά русский العربية हिन्दी 한국어 日本語カナ ½ Ⅷ ² ٣ "
)
CONTROL = "a\x00b\x01\x1c\x1d\x1e\x1f c\x7f\x85d\xa0\u3000e\u2028f\u200b \u200d g\r\n\r\nh\t\ti\ufeff\ufffd "


def random_prose(seed: int, n_bytes: int, phrases: str) -> str:
    """Chinese prose of about n_bytes bytes: words drawn with unequal chance, with commas and full stops."""
    chance = random.Random(seed)
    words = [chance.choice(phrases) + chance.choice(phrases) * chance.randint(0, 2) for _ in range(800)]
    size, text = 0, []
    while size < n_bytes:
        text.append(
            words[min(int(chance.expovariate(1 / 120)), 799)] + chance.choice([""] * 6 + ["，", "。", " ", "\n"])
        )
        size += len(text[-1].encode())
    return "".join(text)


TEXTS = {
    "english": ENGLISH * 3,
    "chinese": CHINESE * 3,
    "emoji": EMOJI * 3,
    "mixed scripts": (MIXED + ENGLISH + CHINESE) * 2,
    "control characters": CONTROL * 5,
    "one character": "x",
    "empty": "",
    "spaces": "   \n  \t ",
    "one long run": "a" * 1000 + " " + "ab" * 500,
    "100 kB": random_prose(0, 100_000, CHINESE + MIXED + EMOJI),
}


def reference(text: str, n_vocab: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=n_vocab, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def bytes_of(token: str) -> bytes:
    return b"".join(SIGNS[sign] for sign in token)


@pytest.mark.parametrize("n_vocab", [300, 700])
@pytest.mark.parametrize("name", TEXTS)
def test_same_merges_same_vocabulary_same_ids(name, n_vocab):
    text = TEXTS[name]
    ours, theirs = ByteBPE.train(text, n_vocab), reference(text, n_vocab)
    merges = json.loads(theirs.to_str())["model"]["merges"]
    assert ours.merges == [(bytes_of(left), bytes_of(right)) for left, right in merges]
    assert [bytes_of(theirs.id_to_token(i)) for i in range(theirs.get_vocab_size())] == ours.vocab
    short = [probe for probe in TEXTS.values() if len(probe) < 5000]
    for probe in (text, *short):
        assert ours.encode(probe) == theirs.encode(probe).ids
        assert ours.decode(ours.encode(probe)) == probe


@pytest.mark.parametrize("seed", range(60))
def test_same_merges_where_ties_and_overlaps_abound(seed):
    chance = random.Random(seed)
    letters = chance.choice(["ab", "abc", "aab ", "ab中", "中国人"])
    text = " ".join("".join(chance.choices(letters, k=chance.randint(1, 40))) for _ in range(chance.randint(1, 30)))
    ours, theirs = ByteBPE.train(text, 2000), reference(text, 2000)
    merges = json.loads(theirs.to_str())["model"]["merges"]
    assert ours.merges == [(bytes_of(left), bytes_of(right)) for left, right in merges]
    probe = "".join(chance.choices(letters, k=400))
    assert ours.encode(probe) == theirs.encode(probe).ids


def test_every_character_is_cut_alike():
    """All characters that Unicode had by 3.2, whose classes no later version of either library should change."""
    cut = pre_tokenizers.ByteLevel(add_prefix_space=False)
    ours = ByteBPE()
    known = [c for c in map(chr, range(0x110000)) if unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs", "Co")]
    assert len(known) > 90_000
    for start in range(0, len(known), 1000):
        text = "".join(f"x{c}1{c}{c} {c}," for c in known[start : start + 1000])
        theirs = [bytes_of(word).decode() for word, _ in cut.pre_tokenize_str(text)]
        assert ours.words(text) == theirs


def test_a_thousand_merges_of_200_kilobytes_of_prose_are_the_same():
    text = random_prose(1, 200_000, "".join(chr(code) for code in range(0x4E00, 0x4E00 + 1500)))
    ours = ByteBPE.train(text, 1256)
    merges = json.loads(reference(text, 1256).to_str())["model"]["merges"]
    assert ours.merges == [(bytes_of(left), bytes_of(right)) for left, right in merges]
