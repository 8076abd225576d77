"""Captions and names as ids: a Chinese character or an English word is a token, and 0 ends a text and fills it up.

Chapters 11 and 12.
"""

import re
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

END, UNKNOWN = 0, 1
WORD = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+)*|[^\sa-z0-9]")


def words_of(text: str) -> list[str]:
    """Lower case; punctuation marks are words of their own."""
    return WORD.findall(text.lower())


class Words:
    """The vocabulary of some texts. n_vocab counts END and UNKNOWN."""

    def __init__(self, texts: Iterable[str]):
        known = sorted({word for text in texts for word in words_of(text)})
        self.ids = {word: i for i, word in enumerate(known, 2)}
        self.n_vocab = len(known) + 2

    def unknown(self, text: str) -> list[str]:
        """Words that no training text had: of these the model knows nothing."""
        return [word for word in words_of(text) if word not in self.ids]

    def encode(self, texts: Sequence[str], context: int) -> Int[Tensor, "M context"]:
        """Rows that end in END. Raises ValueError for a text of `context` words or more."""
        rows = torch.full((len(texts), context), END)
        for row, text in zip(rows, texts):
            words = words_of(text)
            if len(words) >= context:
                raise ValueError(f"{text!r} has {len(words)} words, at most {context - 1} fit; shorten it")
            row[: len(words)] = torch.tensor([self.ids.get(word, UNKNOWN) for word in words], dtype=torch.long)
        return rows
