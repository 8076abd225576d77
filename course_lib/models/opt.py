"""OPT (Zhang et al. 2022, Open Pre-trained Transformer Language Models, arXiv:2205.01068): BLIP-2's frozen reader.

V vocabulary · D width · L positions
GPT-2 but for two things: ReLU in the feed-forward layers, and a table of positions that begins with two rows which no
token uses (fairseq kept them for the numbers of its padding).
Read first: gpt2.py.  Chapter 13.  Left out: dropout, for it only reads here; OPT-350M, alone with norms after the sums.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from course_lib.foundations.positions import LearnedPositions
from course_lib.models.gpt2 import GPT2, GPT2Config

UNUSED = 2

SIZES = {
    name: GPT2Config(n_vocab=50272, context=2048, d_model=D, n_layers=n, n_heads=H, init_std=0.02)
    for name, n, D, H in (
        ("opt-125m", 12, 768, 12),
        ("opt-1.3b", 24, 2048, 32),
        ("opt-2.7b", 32, 2560, 32),
        ("opt-6.7b", 32, 4096, 32),
    )
}


class OffsetPositions(LearnedPositions):
    """Position p has row p + 2 of the table."""

    def __init__(self, n_positions: int, d_model: int):
        super().__init__(n_positions, d_model)
        self.weight = nn.Parameter(torch.cat([torch.zeros(UNUSED, d_model), self.weight.detach()]))

    def forward(self, n_tokens: int) -> Float[Tensor, "{n_tokens} D"]:
        """The vectors of positions 0 … n_tokens-1. Raises ValueError beyond the table."""
        most = len(self.weight) - UNUSED
        if not 0 <= n_tokens <= most:
            raise ValueError(f"{n_tokens} tokens, but only positions 0 to {most - 1} have a vector; shorten the text")
        return self.weight[UNUSED : UNUSED + n_tokens]


class OPT(GPT2):
    """ids [B T] -> logits [B T V] of the next token at every place."""

    def __init__(self, config: GPT2Config):
        super().__init__(config)
        self.positions = OffsetPositions(config.context, config.d_model)
        nn.init.normal_(self.positions.weight[UNUSED:].detach(), std=config.init_std or config.d_model**-0.5)
        for block in self.blocks:
            block.feedforward.activation = relu
