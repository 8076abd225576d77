"""CLIP (Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision, arXiv:2103.00020).

B images · M texts · L tokens of a text · V vocabulary · D width of a tower · E width that both towers are projected to
Two towers: a ViT with one more norm in front of its blocks, and a causal Transformer whose features stand where the
text ends. One matrix each, no bias, into a common space; there, cosines times exp(logit_scale).
Read first: vit.py, foundations/contrastive.py.  Chapter 11.  Differs from vit.py: quick GELU, no bias in the patches.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.foundations.attention import causal_mask, check_heads
from course_lib.foundations.checks import check_counts, check_tensor
from course_lib.foundations.contrastive import similarities
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.encoder import Encoder, init_encoder
from course_lib.foundations.gelu import quick_gelu
from course_lib.foundations.norm import LayerNorm
from course_lib.foundations.patches import PatchEmbedding, check_size, grid_of

LARGEST_SCALE = math.log(100)  # the paper clips the temperature "to prevent scaling the logits by more than 100"


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """height, width: of the images, pixels."""

    height: int = 32
    width: int = 32
    patch: int = 8
    channels: int = 3
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_hidden: int | None = None

    def __post_init__(self):
        check_counts(1, channels=self.channels, n_layers=self.n_layers)
        check_heads(self.d_model, self.n_heads)
        grid_of(self.height, self.width, self.patch)
        if self.d_hidden is None:
            object.__setattr__(self, "d_hidden", 4 * self.d_model)
        check_counts(1, d_hidden=self.d_hidden)

    @property
    def n_patches(self) -> int:
        rows, columns = grid_of(self.height, self.width, self.patch)
        return rows * columns


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """context: the most tokens of a text, its end included. end: the token that ends a text; None: the largest id, as
    the released code takes it."""

    n_vocab: int
    context: int = 16
    end: int | None = None
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_hidden: int | None = None

    def __post_init__(self):
        check_counts(1, n_vocab=self.n_vocab, context=self.context, n_layers=self.n_layers)
        if self.end is not None and not 0 <= self.end < self.n_vocab:
            raise ValueError(f"end ({self.end}) is not in the vocabulary (0 to {self.n_vocab - 1})")
        check_heads(self.d_model, self.n_heads)
        if self.d_hidden is None:
            object.__setattr__(self, "d_hidden", 4 * self.d_model)
        check_counts(1, d_hidden=self.d_hidden)


@dataclass(frozen=True, kw_only=True)
class CLIPConfig:
    """d_shared: width that both towers are projected to. temperature: 1 / scale of the cosines at the start.
    init_std: of every matrix at the start; None: 1/sqrt(fan-in)."""

    image: ImageConfig
    text: TextConfig
    d_shared: int = 64
    temperature: float = 0.07
    eps: float = 1e-5
    init_std: float | None = None

    def __post_init__(self):
        check_counts(1, d_shared=self.d_shared)
        if not self.temperature > 0:
            raise ValueError(f"temperature ({self.temperature}) must be positive; the paper begins with 0.07")


SIZES = {
    f"ViT-{name}/{patch}": CLIPConfig(
        image=ImageConfig(height=side, width=side, patch=patch, d_model=D, n_layers=n, n_heads=D // 64),
        text=TextConfig(n_vocab=49408, context=77, d_model=d_text, n_layers=12, n_heads=d_text // 64),
        d_shared=d_text,
        init_std=0.02,
    )
    for name, patch, side, n, D, d_text in (
        ("B", 32, 224, 12, 768, 512),
        ("B", 16, 224, 12, 768, 512),
        ("L", 14, 224, 24, 1024, 768),
    )
}


class ImageTower(nn.Module):
    """images [B C H W] -> what the class token has read [B D]."""

    def __init__(self, config: ImageConfig, eps: float = 1e-5, init_std: float | None = None):
        super().__init__()
        D = config.d_model
        self.config = config
        self.patches = PatchEmbedding(config.patch, D, channels=config.channels, bias=False)
        self.cls = nn.Parameter(torch.empty(D))
        self.positions = nn.Parameter(torch.empty(config.n_patches + 1, D))
        self.norm_in = LayerNorm(D, eps)
        self.encoder = Encoder(config.n_layers, D, config.n_heads, config.d_hidden, activation=quick_gelu, eps=eps)
        self.norm_out = LayerNorm(D, eps)
        init_encoder(self.encoder, init_std)
        nn.init.normal_(self.patches.project.weight, std=init_std or self.patches.project.in_features**-0.5)
        for parameter in (self.cls, self.positions):
            nn.init.normal_(parameter, std=init_std or 0.2)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        return self.norm_out(self.features(images)[:, 0])

    def features(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B T D"]:
        """The class token and the patches after the last block, no norm: language models read the patches."""
        return self.encoder(self.embed(images))

    def embed(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B T D"]:
        """What the first block reads. Raises ValueError for images of another size."""
        check_size(images, self.config.channels, self.config.height, self.config.width)
        patches = self.patches(images)
        x = torch.cat([self.cls.expand(len(patches), 1, -1), patches], dim=1) + self.positions
        return self.norm_in(x)


class TextTower(nn.Module):
    """ids [M L] -> what the token that ends each text has read [M D]."""

    def __init__(self, config: TextConfig, eps: float = 1e-5, init_std: float | None = None):
        super().__init__()
        D = config.d_model
        self.config = config
        self.embedding = Embedding(config.n_vocab, D)
        self.positions = nn.Parameter(torch.empty(config.context, D))
        self.encoder = Encoder(config.n_layers, D, config.n_heads, config.d_hidden, activation=quick_gelu, eps=eps)
        self.norm_out = LayerNorm(D, eps)
        init_encoder(self.encoder, init_std)
        nn.init.normal_(self.embedding.weight, std=init_std or D**-0.5)
        nn.init.normal_(self.positions, std=(init_std or D**-0.5) / 2)

    def forward(self, ids: Int[Tensor, "M L"]) -> Float[Tensor, "M D"]:
        """What stands after the end is never read, for attention is causal: pad with anything, such as the end again.

        Raises ValueError for texts past the context, and for a text that does not end.
        """
        last = ends(ids, self.config.end)
        L, context = ids.shape[1], self.config.context
        if context < L:
            raise ValueError(f"{L} tokens, the context holds {context}; cut the text, but keep its end")
        x = self.embedding(ids) + self.positions[:L]
        x = self.norm_out(self.encoder(x, causal_mask(L).to(ids.device)))
        return x[torch.arange(len(ids), device=ids.device), last]


class CLIP(nn.Module):
    """(images [B C H W], ids [M L]) -> logits [B M]: cosines times exp(logit_scale)."""

    def __init__(self, config: CLIPConfig):
        super().__init__()
        self.config = config
        self.image = ImageTower(config.image, config.eps, config.init_std)
        self.text = TextTower(config.text, config.eps, config.init_std)
        self.project_image = nn.Linear(config.image.d_model, config.d_shared, bias=False)
        self.project_text = nn.Linear(config.text.d_model, config.d_shared, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))
        for linear in (self.project_image, self.project_text):
            nn.init.normal_(linear.weight, std=linear.in_features**-0.5)

    def forward(self, images: Float[Tensor, "B C H W"], ids: Int[Tensor, "M L"]) -> Float[Tensor, "B M"]:
        return similarities(self.image_features(images), self.text_features(ids)) * self.scale()

    def image_features(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B E"]:
        """In the common space, of any length: `similarities` divides by it."""
        return self.project_image(self.image(images))

    def text_features(self, ids: Int[Tensor, "M L"]) -> Float[Tensor, "M E"]:
        return self.project_text(self.text(ids))

    def scale(self) -> Float[Tensor, ""]:
        """1 / temperature, at most 100."""
        return self.logit_scale.clamp(max=LARGEST_SCALE).exp()


def ends(ids: Int[Tensor, "M L"], end: int | None) -> Int[Tensor, " M"]:
    """Where each text ends: at the first `end`, or, with None, at the first of its largest id.

    Raises ValueError for an empty batch of tokens, and for a text without `end`: was it cut off?
    """
    check_tensor("ids", ids)
    if ids.ndim != 2 or ids.shape[1] == 0:
        raise ValueError(f"ids {tuple(ids.shape)} must be [M L] with L at least 1: even an empty text has its end")
    if end is None:
        return ids.argmax(dim=-1)
    is_end = ids == end
    if not is_end.any(dim=-1).all():
        row = int((~is_end.any(dim=-1)).nonzero()[0])
        raise ValueError(
            f"text {row} has no end token ({end}) among its {ids.shape[1]} tokens; cut it shorter, keep its end"
        )
    return is_end.int().argmax(dim=-1)
