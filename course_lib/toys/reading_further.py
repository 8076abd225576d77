"""What C04a, C04b and C06 share: one model trained on short texts under a position scheme, one test on long texts.

L trained length · m how many times as far · scheme none, learned, sinusoidal, rope, alibi
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.foundations.rope import frequencies
from course_lib.toys.position_schemes import AlibiScheme, LearnedScheme, NoPositions, RotaryScheme, SinusoidalScheme
from course_lib.toys.tiny_lm import TinyLM, TinyLMConfig
from course_lib.toys.topic_text import N_LETTERS, topic_texts
from course_lib.training.loop import next_token_losses, train

SCHEMES = ("none", "learned", "sinusoidal", "rope", "alibi")
TRAINED_LENGTH = 32
TIMES = (1, 2, 4, 8)
LONGEST = TRAINED_LENGTH * TIMES[-1]
CONFIG = TinyLMConfig(n_vocab=N_LETTERS, d_model=64, n_layers=2, n_heads=4)
PEAK_LR = 6e-3


def position_scheme(name: str) -> NoPositions:
    """A fresh scheme. The learned table has a row for every position of the test; those beyond L are never trained."""
    if name == "learned":
        return LearnedScheme(LONGEST, CONFIG.d_model)
    if name == "rope":
        return RotaryScheme(frequencies(CONFIG.d_head).float())
    return {"none": NoPositions, "sinusoidal": SinusoidalScheme, "alibi": AlibiScheme}[name]()


def untrained_model(scheme: str, seed: int) -> TinyLM:
    torch.manual_seed(seed)
    return TinyLM(CONFIG, position_scheme(scheme))


def trained_model(scheme: str, seed: int, *, steps: int, batch: int, progress) -> TinyLM:
    """The model of `seed`, trained on texts of length L that it sees once each, in the language of that seed."""
    model = untrained_model(scheme, seed)
    batches = topic_texts(seed, "train", steps * batch, TRAINED_LENGTH).split(batch)
    train(model, batches, steps=steps, lr=PEAK_LR, progress=lambda each: progress(each, scheme), history=[])
    return model.eval()


@torch.no_grad()
def loss_by_position(model: TinyLM, seed: int, n_texts: int, length: int = LONGEST) -> Float[Tensor, " {length}-1"]:
    """Mean loss in nats at positions 0 … length - 2 of the test texts, the same texts for every model of a seed."""
    ids = topic_texts(seed, "test", n_texts, LONGEST)[:, :length]
    return torch.cat([next_token_losses(model(part), part) for part in ids.split(32)]).mean(0)


def loss_at(losses: Float[Tensor, " T"], times: int) -> float:
    """Loss where a text of length times · L ends: the last L / 2 positions that still have a next letter."""
    end = times * TRAINED_LENGTH - 1
    return losses[end - TRAINED_LENGTH // 2 : end].mean().item()


def in_bins(losses: Float[Tensor, " T"], width: int = 8) -> list[float]:
    """The curve over positions, mean of every `width`; the last bin lacks the position without a next letter."""
    return [part.mean().item() for part in losses.split(width)]
