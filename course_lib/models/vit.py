"""ViT, the Vision Transformer (Dosovitskiy et al. 2020, An Image is Worth 16x16 Words, arXiv:2010.11929).

B batch · C channels · H height · W width · P side of a patch · N patches · D width · n layers · K classes
Section 3.1, eq. 1-4: patches through a linear layer, a class token in front, learned positions added to all N + 1,
pre-norm blocks, a norm, and a linear head on the class token.
Read first: foundations/patches.py, foundations/encoder.py.  Chapter 10.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.foundations.attention import check_heads
from course_lib.foundations.checks import check_counts
from course_lib.foundations.encoder import Encoder, init_encoder
from course_lib.foundations.norm import LayerNorm
from course_lib.foundations.patches import PatchEmbedding, check_size, grid_of


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """height, width: of the images, pixels. n_classes 0: no head, the features alone.
    eps: of the norms; 1e-6 in the paper's code, 1e-12 in checkpoints of transformers.
    init_std: of every matrix at the start; None: 1/sqrt(fan-in), with which narrow models learn sooner than with 0.02.
    """

    height: int = 32
    width: int = 32
    patch: int = 4
    channels: int = 3
    n_classes: int = 0
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_hidden: int | None = None
    eps: float = 1e-6
    init_std: float | None = None

    def __post_init__(self):
        check_counts(0, n_classes=self.n_classes)
        check_counts(1, channels=self.channels, n_layers=self.n_layers)
        check_heads(self.d_model, self.n_heads)
        grid_of(self.height, self.width, self.patch)
        if self.d_hidden is None:
            object.__setattr__(self, "d_hidden", 4 * self.d_model)
        check_counts(1, d_hidden=self.d_hidden)

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of patches."""
        return grid_of(self.height, self.width, self.patch)

    @property
    def n_patches(self) -> int:
        return self.grid[0] * self.grid[1]


def n_parameters(config: ViTConfig) -> int:
    """By formula, nothing is built."""
    D, F = config.d_model, config.d_hidden
    patches = config.channels * config.patch**2 * D + D
    tokens = D + (config.n_patches + 1) * D
    block = 4 * D * D + 4 * D + 2 * D * F + F + D + 4 * D
    head = config.n_classes * (D + 1)
    return patches + tokens + config.n_layers * block + 2 * D + head


SIZES = {
    f"ViT-{name}/{patch}": ViTConfig(
        height=224,
        width=224,
        patch=patch,
        n_classes=1000,
        d_model=D,
        n_layers=n,
        n_heads=H,
        init_std=0.02,
    )
    for name, patch, n, D, H in (
        ("B", 32, 12, 768, 12),
        ("B", 16, 12, 768, 12),
        ("L", 32, 24, 1024, 16),
        ("L", 16, 24, 1024, 16),
        ("H", 14, 32, 1280, 16),
    )
}


class ViT(nn.Module):
    """images [B C H W] -> logits [B K]; without classes, the class token's features [B D]."""

    def __init__(self, config: ViTConfig):
        super().__init__()
        D = config.d_model
        self.config = config
        self.patches = PatchEmbedding(config.patch, D, channels=config.channels)
        self.cls = nn.Parameter(torch.zeros(D))
        self.positions = nn.Parameter(torch.empty(config.n_patches + 1, D))
        self.encoder = Encoder(config.n_layers, D, config.n_heads, config.d_hidden, eps=config.eps)
        self.norm_out = LayerNorm(D, config.eps)
        self.head = nn.Linear(D, config.n_classes) if config.n_classes else nn.Identity()
        init_encoder(self.encoder, config.init_std)
        for linear in (self.patches.project, self.head):
            if isinstance(linear, nn.Linear):
                nn.init.normal_(linear.weight, std=config.init_std or linear.in_features**-0.5)
                nn.init.zeros_(linear.bias)
        nn.init.normal_(self.positions, std=config.init_std or 0.2)
        nn.init.normal_(self.cls, std=config.init_std or 0.2)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        return self.head(self.features(images)[:, 0])

    def features(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B T D"]:
        """The class token, then the patches, after the last norm: what a head or a language model reads."""
        return self.norm_out(self.encoder(self.embed(images)))

    def embed(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B T D"]:
        """Eq. 1: [cls; patches] + positions. Raises ValueError for images of another size."""
        check_size(images, self.config.channels, self.config.height, self.config.width)
        patches = self.patches(images)
        return torch.cat([self.cls.expand(len(patches), 1, -1), patches], dim=1) + self.positions

    def attention_maps(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "n B heads T T"]:
        """What every head of every layer looks at."""
        return self.encoder.attention_maps(self.embed(images))
