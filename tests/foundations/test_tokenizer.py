import pytest

from course_lib.foundations.tokenizer import CharTokenizer


def test_a_characters_place_is_its_id():
    tokenizer = CharTokenizer.from_text("人咬狗狗咬人")
    assert tokenizer.characters == "人咬狗"
    assert tokenizer.encode("狗咬人") == [2, 1, 0]
    assert tokenizer.decode([0, 1, 2]) == "人咬狗"
    assert tokenizer.n_vocab == 3


def test_empty_text_has_no_ids():
    assert CharTokenizer("abc").encode("") == []
    assert CharTokenizer("abc").decode([]) == ""


def test_an_unknown_character_is_named():
    with pytest.raises(ValueError, match="1 characters are not among the 2 known: '猫'"):
        CharTokenizer.from_text("狗咬").encode("狗咬猫")


def test_unk_stands_for_any_other_character():
    tokenizer = CharTokenizer.from_text("狗咬", unk="□")
    assert tokenizer.decode(tokenizer.encode("狗咬猫")) == "狗咬□"


@pytest.mark.parametrize("bad", [-1, 3])
def test_an_unknown_id_is_refused(bad):
    with pytest.raises(ValueError, match=rf"id {bad} is not in the vocabulary \(0 to 2\)"):
        CharTokenizer("abc").decode([bad])


def test_no_vocabulary_can_be_built_from_empty_text():
    with pytest.raises(ValueError, match="empty"):
        CharTokenizer.from_text("")


def test_a_vocabulary_without_repeats_and_a_short_unk_are_asked_for():
    with pytest.raises(ValueError, match="1 characters occur twice"):
        CharTokenizer("aab")
    with pytest.raises(ValueError, match="must be one character"):
        CharTokenizer("ab", unk="<unk>")
