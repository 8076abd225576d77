"""SigLIP (Zhai et al. 2023, Sigmoid Loss for Language Image Pre-Training, arXiv:2303.15343).

B images · M texts · L tokens of a text · D width · E common width = D of the image tower
Differs from clip.py: no class token, a learned query attends to the patches instead; the text sees itself in both
directions, is always padded to the full length, and its last token is read; tanh GELU; a scale and a bias, and every
pair of the batch is a yes/no question (foundations/contrastive.py: sigmoid_loss).
Read first: clip.py.  Chapter 11.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.foundations.attention import MultiHeadAttention
from course_lib.foundations.checks import check_tensor
from course_lib.foundations.contrastive import similarities
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.encoder import Encoder, init_encoder
from course_lib.foundations.gelu import GELUFeedForward, gelu_tanh
from course_lib.foundations.norm import LayerNorm
from course_lib.foundations.patches import PatchEmbedding, check_size
from course_lib.models.clip import ImageConfig, TextConfig


@dataclass(frozen=True, kw_only=True)
class SigLIPConfig:
    """image, text: as in clip.py; text.end is not asked for, the last of `context` tokens is read."""

    image: ImageConfig
    text: TextConfig
    eps: float = 1e-6
    init_std: float | None = None


class AttentionPool(nn.Module):
    """One learned query over all tokens, then x + feedforward(norm(x)): [B N D] -> [B D]."""

    def __init__(self, d_model: int, n_heads: int, d_hidden: int, eps: float):
        super().__init__()
        self.query = nn.Parameter(torch.empty(d_model))
        self.attention = MultiHeadAttention(d_model, n_heads)
        self.norm = LayerNorm(d_model, eps)
        self.feedforward = GELUFeedForward(d_model, d_hidden, gelu_tanh)
        nn.init.normal_(self.query, std=d_model**-0.5)

    def forward(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B D"]:
        read = self.attention(self.query.expand(len(x), 1, -1), x)
        return (read + self.feedforward(self.norm(read)))[:, 0]


class SigLIPImageTower(nn.Module):
    """images [B C H W] -> [B D]."""

    def __init__(self, config: ImageConfig, eps: float = 1e-6, init_std: float | None = None):
        super().__init__()
        D = config.d_model
        self.config = config
        self.patches = PatchEmbedding(config.patch, D, channels=config.channels)
        self.positions = nn.Parameter(torch.empty(config.n_patches, D))
        self.encoder = Encoder(config.n_layers, D, config.n_heads, config.d_hidden, activation=gelu_tanh, eps=eps)
        self.norm_out = LayerNorm(D, eps)
        self.pool = AttentionPool(D, config.n_heads, config.d_hidden, eps)
        init_encoder(self.encoder, init_std)
        nn.init.normal_(self.positions, std=init_std or 0.2)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.pool(self.features(images))

    def features(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N D"]:
        """The patches after the last norm: what language models read. Raises ValueError for images of another size."""
        check_size(images, self.config.channels, self.config.height, self.config.width)
        return self.norm_out(self.encoder(self.patches(images) + self.positions))


class SigLIPTextTower(nn.Module):
    """ids [M L] with L = context -> [M E], read at the last token."""

    def __init__(self, config: TextConfig, d_shared: int, eps: float = 1e-6, init_std: float | None = None):
        super().__init__()
        D = config.d_model
        self.config = config
        self.embedding = Embedding(config.n_vocab, D)
        self.positions = nn.Parameter(torch.empty(config.context, D))
        self.encoder = Encoder(config.n_layers, D, config.n_heads, config.d_hidden, activation=gelu_tanh, eps=eps)
        self.norm_out = LayerNorm(D, eps)
        self.head = nn.Linear(D, d_shared)
        init_encoder(self.encoder, init_std)
        nn.init.normal_(self.embedding.weight, std=init_std or D**-0.5)
        nn.init.normal_(self.positions, std=(init_std or D**-0.5) / 2)

    def forward(self, ids: Int[Tensor, "M L"]) -> Float[Tensor, "M E"]:
        """Raises ValueError unless every text is padded to the context: it was trained so, and padding is read."""
        check_tensor("ids", ids)
        if ids.ndim != 2 or ids.shape[1] != self.config.context:
            raise ValueError(
                f"ids {tuple(ids.shape)} must be [M {self.config.context}]: pad every text to the full length"
            )
        return self.head(self.norm_out(self.encoder(self.embedding(ids) + self.positions))[:, -1])


class SigLIP(nn.Module):
    """(images [B C H W], ids [M L]) -> logits [B M]: cosines times exp(logit_scale), plus logit_bias."""

    def __init__(self, config: SigLIPConfig):
        super().__init__()
        self.config = config
        self.image = SigLIPImageTower(config.image, config.eps, config.init_std)
        self.text = SigLIPTextTower(config.text, config.image.d_model, config.eps, config.init_std)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.logit_bias = nn.Parameter(torch.tensor(-10.0))

    def forward(self, images: Float[Tensor, "B C H W"], ids: Int[Tensor, "M L"]) -> Float[Tensor, "B M"]:
        return similarities(self.image(images), self.text(ids)) * self.logit_scale.exp() + self.logit_bias
