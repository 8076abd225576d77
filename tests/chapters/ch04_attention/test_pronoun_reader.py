"""The reader: only attention moves anything, so a mask that hides the last word makes both readings one."""

import torch
from torch.testing import assert_close

from course_lib.chapters.ch04_attention.pronoun_reader import PronounReader
from course_lib.foundations.attention import causal_mask
from course_lib.toys.pronouns import LENGTH, PRONOUN, WORDS, encode_words

HUNGRY, FAT = (encode_words(f"猫 追 老鼠 因为 它 很 {adjective}") for adjective in ("饿", "肥"))


def reader(n_layers: int = 2) -> PronounReader:
    torch.manual_seed(0)
    return PronounReader(len(WORDS), LENGTH, PRONOUN, n_layers=n_layers)


def test_weights_of_every_layer_and_head_sum_to_one():
    x, weights = reader().read(torch.stack([HUNGRY, FAT]))
    assert x.shape == (2, LENGTH, 32) and weights.shape == (2, 2, 2, LENGTH, LENGTH)
    assert_close(weights.sum(-1), torch.ones(2, 2, 2, LENGTH))


def test_with_a_causal_mask_the_pronoun_cannot_tell_the_two_sentences_apart():
    model = reader()
    hungry, fat = model(torch.stack([HUNGRY, FAT]), causal_mask(LENGTH))
    assert_close(hungry, fat)
    hungry, fat = model(torch.stack([HUNGRY, FAT]))
    assert (hungry - fat).abs().max() > 1e-3


def test_in_the_first_layer_the_pronoun_gives_both_animals_the_same_ratio():
    _, weights = reader(n_layers=1).read(torch.stack([HUNGRY, FAT]))
    ratio = weights[0, :, :, PRONOUN, 0] / weights[0, :, :, PRONOUN, 2]
    assert_close(ratio[0], ratio[1])
