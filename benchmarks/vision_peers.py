"""Vision models of the same size as ours, as others write them: what benchmarks/vision.py compares with."""

import torch
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from course_lib.models.clip import CLIP, CLIPConfig, ImageConfig, TextConfig
from course_lib.models.vit import ViT, ViTConfig

WIDER = 4  # the hidden layer of a block
V, CONTEXT = 256, 16  # of the captions


class PlainBlock(nn.Module):
    """In the manner of vit-pytorch: merged q, k, v and the attention written out."""

    def __init__(self, d_model: int, n_heads: int, causal: bool = False):
        super().__init__()
        self.n_heads, self.causal = n_heads, causal
        self.first, self.second = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv, self.mix = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)
        self.inner = nn.Sequential(nn.Linear(d_model, WIDER * d_model), nn.GELU(), nn.Linear(WIDER * d_model, d_model))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            rearrange(part, "b n (h d) -> b h n d", h=self.n_heads) for part in self.qkv(self.first(x)).chunk(3, -1)
        )
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
    """Patches, a class token, positions, blocks, a norm, a head.

    blocks: which kind.  as_clip: one norm more before the blocks, no bias of the patches and of the head.
    """

    def __init__(self, blocks, side, patch, d_model, n_layers, n_heads, n_out, as_clip: bool = False):
        super().__init__()
        self.patches = nn.Sequential(
            Rearrange("b c (h p) (w q) -> b (h w) (p q c)", p=patch, q=patch),
            nn.Linear(3 * patch * patch, d_model, bias=not as_clip),
        )
        self.first = nn.Parameter(torch.randn(d_model) * 0.02)
        self.places = nn.Parameter(torch.randn((side // patch) ** 2 + 1, d_model) * 0.02)
        self.before = nn.LayerNorm(d_model) if as_clip else nn.Identity()
        self.blocks, self.last = blocks(d_model, n_layers, n_heads), nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, n_out, bias=not as_clip)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images)
        x = self.before(torch.cat([self.first.expand(len(x), 1, -1), x], dim=1) + self.places)
        return self.head(self.last(self.blocks(x))[:, 0])


class PlainText(nn.Module):
    """Tokens, positions, causal blocks, a norm; the last token speaks for the text."""

    def __init__(self, blocks, n_vocab, context, d_model, n_layers, n_heads, n_out):
        super().__init__()
        self.tokens, self.places = nn.Embedding(n_vocab, d_model), nn.Parameter(torch.randn(context, d_model) * 0.02)
        self.blocks, self.last = blocks(d_model, n_layers, n_heads, causal=True), nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, n_out, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.last(self.blocks(self.tokens(ids) + self.places))
        return self.head(x[torch.arange(len(x)), ids.argmax(dim=-1)])


class PlainCLIP(nn.Module):
    def __init__(self, image: nn.Module, text: nn.Module):
        super().__init__()
        self.image, self.text, self.scale = image, text, nn.Parameter(torch.tensor(2.6592))

    def forward(self, images: Tensor, ids: Tensor) -> Tensor:
        return self.scale.exp() * normalize(self.image(images), dim=-1) @ normalize(self.text(ids), dim=-1).T


class Called(nn.Module):
    """A model of transformers, giving one of its outputs."""

    def __init__(self, model: nn.Module, inputs: tuple[str, ...], output: str):
        super().__init__()
        self.model, self.inputs, self.output = model, inputs, output

    def forward(self, *values: Tensor) -> Tensor:
        return self.model(**dict(zip(self.inputs, values)))[self.output]


def plain_clip_loss(similarities: Tensor) -> Tensor:
    pairs = torch.arange(len(similarities))
    return (cross_entropy(similarities, pairs) + cross_entropy(similarities.T, pairs)) / 2


def vits(sizes: dict) -> dict[str, nn.Module]:
    """Ours and the others, with ten classes. sizes: side, patch, d_model, n_layers, n_heads."""
    from transformers import ViTConfig as TheirConfig
    from transformers import ViTForImageClassification

    side = sizes["side"]
    config = TheirConfig(image_size=side, patch_size=sizes["patch"], num_labels=10, **theirs(sizes))
    rest = {name: sizes[name] for name in ("patch", "d_model", "n_layers", "n_heads")}
    return {
        "ours": ViT(ViTConfig(height=side, width=side, n_classes=10, **rest)),
        "vit_pytorch_style": PlainViT(plain_blocks, side, n_out=10, **rest),
        "torch_encoder": PlainViT(TorchBlocks, side, n_out=10, **rest),
        "transformers": Called(ViTForImageClassification(config), ("pixel_values",), "logits"),
    }


def clips(sizes: dict) -> dict[str, nn.Module]:
    """Ours and the others; the text tower is as wide and as deep as the image tower."""
    from transformers import CLIPConfig as TheirConfig
    from transformers import CLIPModel

    side, D = sizes["side"], sizes["d_model"]
    blocks = {name: sizes[name] for name in ("d_model", "n_layers", "n_heads")}

    def plain(kind) -> PlainCLIP:
        image = PlainViT(kind, side, sizes["patch"], n_out=D, **blocks, as_clip=True)
        return PlainCLIP(image, PlainText(kind, V, CONTEXT, n_out=D, **blocks))

    config = TheirConfig(
        text_config=theirs(sizes) | dict(vocab_size=V, max_position_embeddings=CONTEXT, eos_token_id=V - 1),
        vision_config=theirs(sizes) | dict(image_size=side, patch_size=sizes["patch"]),
        projection_dim=D,
    )
    image = ImageConfig(height=side, width=side, patch=sizes["patch"], **blocks)
    text = TextConfig(n_vocab=V, context=CONTEXT, **blocks)
    return {
        "ours": CLIP(CLIPConfig(image=image, text=text, d_shared=D)),
        "open_clip_style": plain(TorchBlocks),
        "vit_pytorch_style": plain(plain_blocks),
        "transformers": Called(CLIPModel(config), ("pixel_values", "input_ids"), "logits_per_image"),
    }


def theirs(sizes: dict) -> dict:
    """transformers' names."""
    return dict(
        hidden_size=sizes["d_model"],
        intermediate_size=WIDER * sizes["d_model"],
        num_hidden_layers=sizes["n_layers"],
        num_attention_heads=sizes["n_heads"],
    )
