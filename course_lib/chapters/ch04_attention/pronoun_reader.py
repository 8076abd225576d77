"""An encoder small enough to look into: whom does a word of the sentence mean?

B batch · T tokens · D width · H heads · V vocabulary · N layers
Word and position vectors, N times norm(x + attention(x)), one linear read-out of the vector at one place. There is no
feedforward layer: only attention moves anything between words.
Read first: foundations/attention.py.  Chapter 04.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.foundations.attention import MultiHeadAttention
from course_lib.foundations.checks import check_count
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.positions import LearnedPositions


class PronounReader(nn.Module):
    """ids [B T] -> logits [B V] over the words that the word at `place` may mean."""

    def __init__(
        self, n_vocab: int, n_positions: int, place: int, *, n_layers: int, n_heads: int = 2, d_model: int = 32
    ):
        super().__init__()
        check_count("n_layers", n_layers, 1)
        self.place = place
        self.words = Embedding(n_vocab, d_model)
        self.positions = LearnedPositions(n_positions, d_model)
        self.layers = nn.ModuleList(MultiHeadAttention(d_model, n_heads) for _ in range(n_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(n_layers))
        self.read_out = nn.Linear(d_model, n_vocab)
        for layer in self.layers:
            for projection in layer.children():
                nn.init.normal_(projection.weight, std=d_model**-0.5)

    def read(
        self, ids: Int[Tensor, "B T"], may_attend: Bool[Tensor, "T T"] | None = None
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "N B H T T"]]:
        """The words' vectors after the last layer, and the attention weights of every layer."""
        x = self.words(ids) + self.positions(ids.shape[-1])
        weights = []
        for layer, norm in zip(self.layers, self.norms):
            update, shares = layer(x, may_attend=may_attend, return_weights=True)
            x = norm(x + update)
            weights.append(shares)
        return x, torch.stack(weights)

    def forward(self, ids: Int[Tensor, "B T"], may_attend: Bool[Tensor, "T T"] | None = None) -> Float[Tensor, "B V"]:
        x, _ = self.read(ids, may_attend)
        return self.read_out(x[:, self.place])
