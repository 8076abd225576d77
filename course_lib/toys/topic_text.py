"""A tiny language for experiments about position: words must be spelled in order, and topics come and go.

8 letters; a vocabulary of 24 words of 3 to 5 letters, written without spaces. A topic is 4 of the words: 12 words are
drawn from it, then the next topic begins. So the next letter asks for the order of the last few letters and, a little,
for what was said up to 60 letters ago; nothing depends on how far the text has come. A text of any length is as easy
as a short one, which is what a test of length extrapolation needs.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.data.world.dice import Dice

N_LETTERS = 8
N_WORDS = 24
WORDS_IN_A_TOPIC = 4
WORDS_ON_A_TOPIC = 12


def vocabulary(language: int) -> list[list[int]]:
    """The words of one language, letters 0 … 7."""
    dice = Dice(language, "topic text", "vocabulary")
    return [[dice.below(N_LETTERS) for _ in range(dice.between(3, 5))] for _ in range(N_WORDS)]


def topic_texts(language: int, part: str, n_texts: int, length: int) -> Int[Tensor, "{n_texts} {length}"]:
    """n_texts texts of `length` letters, cut from one endless text; `part` names it, such as "train" or "test"."""
    words, dice = vocabulary(language), Dice(language, "topic text", part)
    letters: list[int] = []
    while len(letters) < n_texts * length:
        topic = dice.sample(words, WORDS_IN_A_TOPIC)
        for _ in range(WORDS_ON_A_TOPIC):
            letters += dice.choice(topic)
    return torch.tensor(letters[: n_texts * length]).view(n_texts, length)
