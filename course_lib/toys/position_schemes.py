"""Five ways to tell a transformer where its tokens are, each touching one place of the model.

B batch · T tokens · D width · H heads · Dh head width
    embed    adds to the token vectors            LearnedScheme, SinusoidalScheme
    turn     turns queries and keys               RotaryScheme
    bias     adds to the attention scores         AlibiScheme
What a scheme does not touch stays as it is in NoPositions.
Read first: foundations/positions.py, foundations/rope.py.  Chapters 02, 03.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.foundations.positions import LearnedPositions, alibi_bias, sinusoidal
from course_lib.foundations.rope import angles, rotate_half_split


class NoPositions(nn.Module):
    """A bag of tokens, but for what the causal mask gives away."""

    def embed(self, tokens: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return tokens

    def turn(self, q_or_k: Float[Tensor, "B H T Dh"]) -> Float[Tensor, "B H T Dh"]:
        return q_or_k

    def bias(self, n_heads: int, n_tokens: int) -> Float[Tensor, "H T T"] | None:
        return None


class LearnedScheme(NoPositions):
    """A trained vector a position is added; none beyond n_positions."""

    def __init__(self, n_positions: int, d_model: int):
        super().__init__()
        self.table = LearnedPositions(n_positions, d_model)

    def embed(self, tokens):
        return tokens + self.table(tokens.shape[1])


class SinusoidalScheme(NoPositions):
    """Sine and cosine are added, `size` times as large as a fresh token vector; any length.

    Unscaled (5.7 times, at width 64) the positions drown the words and 400 steps of addition stay at 12 %.
    """

    def __init__(self, size: float = 2.0, base: float = 10000.0):
        super().__init__()
        self.size = size
        self.base = base

    def embed(self, tokens):
        _, n_tokens, d_model = tokens.shape
        return tokens + self.size * (2 / d_model) ** 0.5 * sinusoidal(n_tokens, d_model, self.base).to(tokens)


class RotaryScheme(NoPositions):
    """q and k are turned by their positions, and multiplied by attention_factor (1 but for YaRN).

    To read further than trained, give a trained model another scheme: model.positions = RotaryScheme(*yarn(…)).
    """

    def __init__(self, freqs: Float[Tensor, " P"], attention_factor: float = 1.0):
        super().__init__()
        self.freqs = freqs
        self.attention_factor = attention_factor

    def turn(self, q_or_k):
        position = torch.arange(q_or_k.shape[2])
        return rotate_half_split(q_or_k, angles(position, self.freqs)) * self.attention_factor


class AlibiScheme(NoPositions):
    """Each head takes off a little for each step of distance."""

    def bias(self, n_heads, n_tokens):
        return alibi_bias(n_heads, n_tokens, n_tokens)
