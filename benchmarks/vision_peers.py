"""Vision models of the same size as ours, as others write them: what benchmarks/vision.py compares with."""

import torch
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

WIDER = 4  # the hidden layer of a block


class PlainBlock(nn.Module):
    """In the manner of vit-pytorch: merged q, k, v and the attention written out."""

    def __init__(self, d_model: int, n_heads: int, causal: bool = False):
        super().__init__()
        self.n_heads, self.causal = n_heads, causal
        self.first, self.second = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv, self.mix = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)
        self.inner = nn.Sequential(
            nn.Linear(d_model, WIDER * d_model), nn.GELU(), nn.Linear(WIDER * d_model, d_model)
        )

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (rearrange(part, "b n (h d) -> b h n d", h=self.n_heads) for part in self.qkv(self.first(x)).chunk(3, -1))
        dots = torch.matmul(q, k.transpose(-1, -2)) * q.shape[-1] ** -0.5
        if self.causal:
            dots = dots.masked_fill(torch.ones(dots.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
        out = torch.matmul(dots.softmax(dim=-1), v)
        x = x + self.mix(rearrange(out, "b h n d -> b n (h d)"))
        return x + self.inner(self.second(x))


def plain_blocks(d_model: int, n_layers: int, n_heads: int, causal: bool = False) -> nn.Module:
    return nn.Sequential(*(PlainBlock(d_model, n_heads, causal) for _ in range(n_layers)))


class TorchBlocks(nn.Module):
    """torch.nn.TransformerEncoder, pre-norm."""

    def __init__(self, d_model: int, n_layers: int, n_heads: int, causal: bool = False):
        super().__init__()
        options = dict(dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        layer = nn.TransformerEncoderLayer(d_model, n_heads, WIDER * d_model, **options)
        self.encoder, self.causal = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False), causal

    def forward(self, x: Tensor) -> Tensor:
        if not self.causal:
            return self.encoder(x)
        return self.encoder(x, mask=nn.Transformer.generate_square_subsequent_mask(x.shape[1]), is_causal=True)


class PlainViT(nn.Module):
    """Patches, a class token, positions, blocks, a norm, a head. blocks: which kind; bias: of the patches."""

    def __init__(self, blocks, side: int, patch: int, d_model: int, n_layers: int, n_heads: int, n_out: int):
        super().__init__()
        self.patches = nn.Sequential(
            Rearrange("b c (h p) (w q) -> b (h w) (p q c)", p=patch, q=patch), nn.Linear(3 * patch * patch, d_model)
        )
        self.first = nn.Parameter(torch.randn(d_model) * 0.02)
        self.places = nn.Parameter(torch.randn((side // patch) ** 2 + 1, d_model) * 0.02)
        self.blocks, self.last = blocks(d_model, n_layers, n_heads), nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, n_out)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images)
        x = torch.cat([self.first.expand(len(x), 1, -1), x], dim=1) + self.places
        return self.head(self.last(self.blocks(x))[:, 0])


class PlainText(nn.Module):
    """Tokens, positions, causal blocks, a norm; the last token speaks for the text."""

    def __init__(self, blocks, n_vocab: int, context: int, d_model: int, n_layers: int, n_heads: int, n_out: int):
        super().__init__()
        self.tokens, self.places = nn.Embedding(n_vocab, d_model), nn.Parameter(torch.randn(context, d_model) * 0.02)
        self.blocks, self.last = blocks(d_model, n_layers, n_heads, causal=True), nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, n_out)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.last(self.blocks(self.tokens(ids) + self.places))
        return self.head(x[torch.arange(len(x)), ids.argmax(dim=-1)])


class PlainCLIP(nn.Module):
    def __init__(self, image: nn.Module, text: nn.Module):
        super().__init__()
        self.image, self.text, self.scale = image, text, nn.Parameter(torch.tensor(2.6592))

    def forward(self, images: Tensor, ids: Tensor) -> Tensor:
        return self.scale.exp() * normalize(self.image(images), dim=-1) @ normalize(self.text(ids), dim=-1).T


def clip_loss(similarities: Tensor) -> Tensor:
    pairs = torch.arange(len(similarities))
    return (cross_entropy(similarities, pairs) + cross_entropy(similarities.T, pairs)) / 2
