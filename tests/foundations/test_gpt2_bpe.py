"""The released format: what is read, what is written, and what is refused."""

import json

import pytest

from course_lib.foundations.bpe import BYTES, ByteBPE
from course_lib.foundations.gpt2_bpe import END_OF_TEXT, SIGNS, GPT2Tokenizer, from_signs, to_signs

MERGES = [(b"d", b"o"), (b"do", b"g"), (b" ", b"dog")]


@pytest.fixture
def folder(tmp_path):
    GPT2Tokenizer(MERGES).save(tmp_path)
    return tmp_path


def rewrite(path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_signs_are_those_of_the_released_files():
    assert (to_signs(b" dog"), to_signs(b"\n"), to_signs("狗".encode())) == ("Ġdog", "Ċ", "çĭĹ")
    assert len(set(SIGNS)) == 256 and all(from_signs(to_signs(byte)) == byte for byte in BYTES)
    with pytest.raises(ValueError, match="none of the 256 signs"):
        from_signs("a b")


def test_the_default_numbering_is_bytes_then_merges_then_end_of_text():
    tokenizer = GPT2Tokenizer(MERGES)
    assert tokenizer.n_vocab == 256 + 3 + 1
    assert tokenizer.encode(f"!dog dog{END_OF_TEXT}") == [0, 257, 258, 259]
    assert tokenizer.tokens([258, 259]) == [b" dog", b"<|endoftext|>"]
    assert tokenizer.end_of_text == 259


def test_it_encodes_as_the_bpe_it_was_made_from():
    bpe = ByteBPE.train("the dog bit the man 狗咬人，人咬狗。" * 3, 300)
    text = "the 狗 bit 😀 the  dog\n"
    assert GPT2Tokenizer(bpe.merges).encode(text) == bpe.encode(text)


def test_saved_and_loaded_it_is_the_same(folder):
    assert (folder / "merges.txt").read_text(encoding="utf-8") == "#version: 0.2\nd o\ndo g\nĠ dog\n"
    assert json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["Ġdog"] == 258
    loaded = GPT2Tokenizer.load(folder)
    assert loaded.encode("a dog, 狗") == GPT2Tokenizer(MERGES).encode("a dog, 狗")
    assert loaded.merges == MERGES


def test_windows_line_ends_and_a_missing_version_line_are_read(folder):
    lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")[1:]
    (folder / "merges.txt").write_bytes("\r\n".join(lines).encode())
    assert GPT2Tokenizer.load(folder).merges == MERGES


def test_specials_are_cut_out_unless_the_text_is_a_strangers():
    tokenizer = GPT2Tokenizer(MERGES)
    assert tokenizer.encode(f"dog{END_OF_TEXT}dog") == [257, 259, 257]
    as_text = tokenizer.encode(f"dog{END_OF_TEXT}dog", specials=False)
    assert tokenizer.end_of_text not in as_text and len(as_text) == 14  # 'do' is glued in both dogs and in endoftext
    assert tokenizer.decode(as_text) == tokenizer.decode([257, 259, 257]) == "dog<|endoftext|>dog"


def test_of_two_specials_the_longer_is_found_first():
    ids = {token: i for i, token in enumerate(ByteBPE(MERGES).vocab)}
    tokenizer = GPT2Tokenizer(MERGES, ids, {"<a>": 259, "<a><b>": 260})
    assert tokenizer.encode("<a><b><a>") == [260, 259]


def test_no_specials_at_all(folder):
    rewrite(folder / "vocab.json", f', "{END_OF_TEXT}": 259', "")
    with pytest.raises(ValueError, match=r"vocab.json has no '<\|endoftext\|>'"):
        GPT2Tokenizer.load(folder)
    tokenizer = GPT2Tokenizer.load(folder, specials=())
    assert tokenizer.encode("dog") == [257]
    with pytest.raises(KeyError):
        _ = tokenizer.end_of_text


def test_half_a_surrogate_pair_is_refused_and_named():
    with pytest.raises(ValueError, match=r"'\\ud83d' at place 1 of .* has no UTF-8 bytes"):
        GPT2Tokenizer(MERGES).encode("a dog \ud83d.")


@pytest.mark.parametrize("bad", [-1, 260])
def test_an_unknown_id_is_refused(bad):
    with pytest.raises(ValueError, match=rf"id {bad} is not in the vocabulary \(0 to 259\)"):
        GPT2Tokenizer(MERGES).decode([0, bad])


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
        GPT2Tokenizer.load(folder)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_file_that_is_no_text_is_named(folder, name):
    (folder / name).write_bytes(b"\x80\x02pickle")
    with pytest.raises(ValueError, match=rf"{name} is not UTF-8 \(byte 0\)"):
        GPT2Tokenizer.load(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("vocab.json", "}", "", "is no JSON .*whole"),
        ("vocab.json", '"Ġdog": 258', '"Ġdog": 258.5', "'Ġdog' the id 258.5; ids are whole numbers"),
        ("vocab.json", '"Ġdog": 258', '"Ġdog": true', "'Ġdog' the id True"),
        ("vocab.json", '"Ġdog": 258', '"Ġdog": 300', "must be 0 to 259, each once; id 258 is missing"),
        ("vocab.json", '"Ġdog": 258', '"Ġdog": 257', "must be 0 to 259, each once; id 258 is not free"),
        ("vocab.json", '"Ġdog": 258', '"Ġdog": 258, "dog": 260', "the token 'dog' twice"),
        ("vocab.json", ', "Ġdog": 258', "", r"1 of 259 tokens that bytes and merges make have no id: \['Ġdog'\]"),
        ("vocab.json", '"!": 0, ', "", r"1 of 259 tokens .* no id: \['!'\]"),
        ("vocab.json", '"Ġdog"', '"Ġcat"', r"1 tokens that are neither a byte nor made .*\['Ġcat'\].*specials"),
        ("merges.txt", "do g", "do", "line 3: 'do' is not two tokens"),
        ("merges.txt", "do g", "do g s", "line 3: 'do g s' is not two tokens"),
        ("merges.txt", "do g", "do  g", "line 3: 'do  g' is not two tokens"),
        ("merges.txt", "do g", "do g\n", "line 4: '' is not two tokens"),
        ("merges.txt", "do g", "do 狗", "line 3: '狗' holds '狗', none of the 256 signs"),
        ("merges.txt", "do g", "do g\ndo g", "merge 3, 'do' \\+ 'g', comes a second time"),
        ("merges.txt", "d o\n", "", "merge 1, 'do' \\+ 'g', glues 'do', which no earlier merge makes"),
        ("merges.txt", "Ġ dog\n", "", r"1 tokens that are neither a byte nor made .*\['Ġdog'\]"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place(folder, file, old, new, message):
    rewrite(folder / file, old, new)
    with pytest.raises(ValueError, match=message):
        GPT2Tokenizer.load(folder)


def test_a_vocabulary_that_is_a_list_is_refused(folder):
    (folder / "vocab.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(ValueError, match="holds a list"):
        GPT2Tokenizer.load(folder)


def test_ids_that_no_merge_makes_are_refused():
    ids = {token: i for i, token in enumerate([*ByteBPE(MERGES).vocab, b"cat"])}
    with pytest.raises(ValueError, match=r"1 tokens are neither a byte nor made by a merge: \['cat'\]"):
        GPT2Tokenizer(MERGES, ids)


def test_words_of_50_thousand_characters_are_encoded_whole():
    """One word without an end, letters, then spaces: the pair queue keeps the work near linear, where a rescan of the
    word at every merge would not finish."""
    tokenizer = GPT2Tokenizer(ByteBPE.train("ababab" * 50, 262).merges)
    text = "ab" * 25_000 + "x" * 50_000 + " " * 50_000
    assert tokenizer.decode(tokenizer.encode(text)) == text


def as_one_file(**changes) -> dict:
    """tokenizer.json of MERGES; `changes` are set, "model__dropout" for what is inside."""
    vocab = {to_signs(token): i for i, token in enumerate(ByteBPE(MERGES).vocab)}
    model = {"type": "BPE", "vocab": vocab, "merges": [[to_signs(a), to_signs(b)] for a, b in MERGES]}
    added = [{"id": 259, "content": END_OF_TEXT, "lstrip": False}, {"id": 260, "content": "<pad>", "special": True}]
    cut = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    content = {"version": "1.0", "added_tokens": added, "normalizer": None, "pre_tokenizer": cut, "model": model}
    for key, value in changes.items():
        outer, _, inner = key.partition("__")
        content[outer] = content[outer] | {inner: value} if inner else value
    return content


def write_one_file(folder, content: dict):
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize("merges", [[["d", "o"], ["do", "g"], ["Ġ", "dog"]], ["d o", "do g", "Ġ dog"]])
def test_one_file_holds_both_and_names_its_specials(tmp_path, merges):
    tokenizer = GPT2Tokenizer.load(write_one_file(tmp_path, as_one_file(model__merges=merges)))
    assert tokenizer.merges == MERGES and tokenizer.specials == {END_OF_TEXT: 259, "<pad>": 260}
    assert tokenizer.encode(f"!dog dog{END_OF_TEXT}<pad>") == [0, 257, 258, 259, 260]


def test_the_released_pair_is_read_first(folder):
    write_one_file(folder, {"not": "read"})
    assert GPT2Tokenizer.load(folder).merges == MERGES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__type": "WordPiece"}, r"model.type is 'WordPiece', and GPT-2's tokenizer has 'BPE'; its ids would be"),
        ({"model__dropout": 0.1}, r"model.dropout is 0.1"),
        ({"model__byte_fallback": True}, r"model.byte_fallback is True"),
        ({"model__ignore_merges": True}, r"model.ignore_merges is True"),
        ({"model__continuing_subword_prefix": "##"}, r"model.continuing_subword_prefix is '##'"),
        ({"model__end_of_word_suffix": "</w>"}, r"model.end_of_word_suffix is '</w>'"),
        ({"model__merges": [["d", "o", "g"]]}, r"merge 1, \('d', 'o', 'g'\), is not two tokens"),
        ({"model__merges": ["d o", "do"]}, r"merge 2, \('do',\), is not two tokens"),
        ({"model__merges": [["d", 5]]}, r"merge 1, \('d', 5\), is not two tokens"),
        ({"model__merges": [["d", "狗"]]}, r"'狗' holds '狗', none of the 256 signs"),
        ({"model__merges": 5}, r"no whole tokenizer.json \(TypeError"),
        ({"model__vocab": {}}, r"259 of 259 tokens that bytes and merges make have no id"),
        ({"model__vocab": [["a", -1.5]]}, r"gives the token 'a' the id -1.5; ids are whole numbers"),
        ({"model": None}, r"no whole tokenizer.json"),
        ({"normalizer": {"type": "NFC"}}, r"normalizer is {'type': 'NFC'}, and GPT-2's tokenizer has None"),
        ({"pre_tokenizer": None}, r"pre_tokenizer is None, and GPT-2's tokenizer has {'type': 'ByteLevel'"),
        ({"pre_tokenizer__add_prefix_space": True}, r"pre_tokenizer is .*'add_prefix_space': True"),
        ({"pre_tokenizer__use_regex": False}, r"pre_tokenizer is .*'use_regex': False"),
        ({"pre_tokenizer": {"type": "Sequence"}}, r"pre_tokenizer is {'type': 'Sequence'"),
        ({"post_processor": {"special_tokens": {"</s>": {}}}}, r"post_processor.special_tokens is {'</s>': {}}"),
        (
            {"added_tokens": [{"id": 259, "content": END_OF_TEXT, "lstrip": True}]},
            r"lstrip of '<\|endoftext\|>' is True",
        ),
        ({"added_tokens": [{"id": 3, "content": "do"}]}, r"the token 'do' is 256 in the vocabulary, and 3 among those"),
        ({"added_tokens": [{"id": 300, "content": "<pad>"}]}, r"must be 0 to 259, each once; id 259 is missing"),
        ({"added_tokens": [{"content": "<pad>"}]}, r"no whole tokenizer.json \(KeyError: 'id'\)"),
        ({"added_tokens": None}, r"no whole tokenizer.json"),
    ],
)
def test_another_kind_of_tokenizer_is_refused_with_what_it_asks_for(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        GPT2Tokenizer.load(write_one_file(tmp_path, as_one_file(**changes)))


@pytest.mark.parametrize("name", ["vocab.json", "tokenizer.json"])
def test_a_file_nested_without_end_is_refused(folder, name):
    (folder / "vocab.json").unlink()
    (folder / name).write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(ValueError, match=f"{name} is nested too deep"):
        GPT2Tokenizer.load(folder)
