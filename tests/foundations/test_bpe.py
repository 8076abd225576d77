import pytest

from course_lib.foundations.bpe import BYTES, ByteBPE


def test_the_most_frequent_pair_is_glued_first():
    merges = ByteBPE.train("hug,hug,hug,pug,pun,pun,bun", 259).merges
    assert merges == [(b"u", b"g"), (b"h", b"ug"), (b"u", b"n")]


def test_ties_go_to_the_smaller_ids():
    assert ByteBPE.train("zy,ba", 257).merges == [(b"b", b"a")]


def test_overlapping_pairs_are_glued_from_the_left():
    tokenizer = ByteBPE([(b"a", b"a")])
    assert [tokenizer.vocab[i] for i in tokenizer.encode("aaaaa")] == [b"aa", b"aa", b"a"]


def test_an_early_merge_goes_before_a_late_one_wherever_it_stands():
    tokenizer = ByteBPE([(b"b", b"c"), (b"a", b"b")])
    assert [tokenizer.vocab[i] for i in tokenizer.encode("abcab")] == [b"a", b"bc", b"ab"]


def test_without_merges_a_chinese_character_is_three_tokens():
    tokenizer = ByteBPE()
    assert [tokenizer.vocab[i] for i in tokenizer.encode("狗")] == [b"\xe7", b"\x8b", b"\x97"]
    assert tokenizer.decode(tokenizer.encode("狗")[:2]) == "\ufffd"
    assert tokenizer.decode_bytes(tokenizer.encode("狗")[:2]) == b"\xe7\x8b"


def test_the_256_bytes_are_all_there_in_gpt2_order():
    assert sorted(BYTES) == [bytes([b]) for b in range(256)]
    assert (BYTES[0], BYTES[93], BYTES[94], BYTES[188], BYTES[-1]) == (b"!", b"~", b"\xa1", b"\x00", b"\xad")


def test_no_token_reaches_over_a_word_border():
    tokenizer = ByteBPE.train("the cat, the cat, the cat", 300)
    assert tokenizer.words("the cat's 12 猫。\n\n ok") == ["the", " cat", "'s", " 12", " 猫", "。", "\n\n", " ok"]
    assert b" cat" in tokenizer.vocab and b"the cat" not in tokenizer.vocab


def test_training_stops_when_nothing_is_left_to_glue():
    tokenizer = ByteBPE.train("abab", 1000)
    assert tokenizer.merges == [(b"a", b"b"), (b"ab", b"ab")]
    assert tokenizer.n_vocab == 258


def test_empty_text_gives_no_ids_and_no_merges():
    assert ByteBPE().encode("") == []
    assert ByteBPE().decode([]) == ""
    assert ByteBPE.train("", 300).merges == []


def test_a_vocabulary_below_256_is_refused():
    with pytest.raises(ValueError, match=r"n_vocab \(255\) must be at least 256"):
        ByteBPE.train("abc", 255)


@pytest.mark.parametrize("bad", [-1, 256])
def test_an_unknown_id_is_refused(bad):
    with pytest.raises(ValueError, match=rf"id {bad} is not in the vocabulary \(0 to 255\)"):
        ByteBPE().decode([0, bad])


def test_half_a_surrogate_pair_is_refused_and_named():
    with pytest.raises(ValueError, match=r"'\\ud83d' at place 0 of .* has no UTF-8 bytes"):
        ByteBPE().encode("ab\ud83d")


def test_a_word_of_100_kilobytes_is_encoded_whole():
    tokenizer = ByteBPE.train("狗咬人，人咬狗，" * 50, 280)
    ids = tokenizer.encode("狗咬人人" * 8500)
    assert len(ids) < 102_000 / 4 and tokenizer.decode(ids) == "狗咬人人" * 8500


@pytest.mark.parametrize("pattern", [r"[a-z]+", r"[^\n]+", r"x*", r"(?i)[A-Z]+", r"你|好"])
def test_what_the_pattern_passes_over_is_kept(pattern):
    text = "你好, world\n\nXx 二百"
    tokenizer = ByteBPE.train(text * 3, 300, pattern)
    assert "".join(tokenizer.words(text)) == text
    assert tokenizer.decode(tokenizer.encode(text)) == text
