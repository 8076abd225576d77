"""Text to ids and back, one id a character.

The simplest tokenizer there is, and the one that the small experiments use.  Chapter 01.  Next: bpe.py.
"""

from collections.abc import Iterable

from course_lib.foundations.checks import check_text, token_ids


class CharTokenizer:
    """characters: the vocabulary, a character's place is its id.  unk: the sign that stands for any other, if given."""

    def __init__(self, characters: str, unk: str | None = None):
        if unk is not None and len(unk) != 1:
            raise ValueError(f"unk ({unk!r}) must be one character, for example '□'")
        if unk is not None and unk not in characters:
            characters += unk
        if not characters:
            raise ValueError("no characters: the text to build the vocabulary from is empty")
        if len(set(characters)) < len(characters):
            raise ValueError(f"{len(characters) - len(set(characters))} characters occur twice; use from_text")
        self.characters = characters
        self.unk = unk
        self._id = {character: i for i, character in enumerate(characters)}

    @classmethod
    def from_text(cls, text: str, unk: str | None = None) -> "CharTokenizer":
        """The characters of text, by code point. Raises ValueError if text is empty and there is no unk."""
        return cls("".join(sorted(set(text))), unk)

    @property
    def n_vocab(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """The ids of text. A character outside the vocabulary becomes unk, or raises ValueError if there is none."""
        check_text("text", text)
        unknown = sorted(set(text) - self._id.keys())
        if unknown and self.unk is None:
            raise ValueError(
                f"{len(unknown)} characters are not among the {self.n_vocab} known: {''.join(unknown[:10])!r}; "
                "build the tokenizer from text that has them, or with unk='□'"
            )
        return [self._id.get(character, self._id.get(self.unk)) for character in text]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids. Raises ValueError for an id outside the vocabulary."""
        return "".join(self.characters[i] for i in token_ids(ids, self.n_vocab))
