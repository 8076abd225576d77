"""BLIP (Li et al. 2022, Bootstrapping Language-Image Pre-training, arXiv:2201.12086).

B images · M texts · L tokens of a text · N patches · Dv width of the image tower · D of the texts · E shared
An image tower, and one set of text parameters that work in three modes (the paper: a mixture of encoder and decoder):
    text encoder                    the words see each other; no image.  Read at the first token: contrast, ITC
    image-grounded text encoder     the words see each other, each layer reads the image.  First token: match, ITM
    image-grounded text decoder     a word sees those before it, each layer reads the image.  Next word, LM
All parameters are shared but those of self-attention, of which each layer has two, for encoding and for decoding.
Every layer's cross-attention reads one and the same thing: what the image tower says at its end, after its last norm.
What is released is the half that a task needs: `Retriever` or `Captioner`; `BLIP` is both, with one text model.
Read first: vit.py, foundations/bert.py.  Chapter 12.  Losses: blip_pretrain.py.  Dropout (0.1 there) is left out.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.foundations.attention import attend, causal_mask, check_heads
from course_lib.foundations.bert import BertEmbeddings, CrossAttention, PostNorm, WordHead, init_bert, text_mask
from course_lib.foundations.checks import check_counts
from course_lib.foundations.encoder import SelfAttention
from course_lib.foundations.gelu import GELUFeedForward, gelu
from course_lib.foundations.kv_cache import KVCache
from course_lib.models.vit import ViT, ViTConfig


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """context: the most tokens of a text, its first one and its end included.
    enc, dec: tokens that the first one of a text becomes before it is matched with an image, and before it is written
    ([ENC] and [DEC] of the paper's code); None: it stays as it is."""

    n_vocab: int
    context: int = 32
    enc: int | None = None
    dec: int | None = None
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_hidden: int | None = None
    eps: float = 1e-12

    def __post_init__(self):
        check_counts(1, n_vocab=self.n_vocab, context=self.context, n_layers=self.n_layers)
        for name in ("enc", "dec"):
            token = getattr(self, name)
            if token is not None and not 0 <= token < self.n_vocab:
                raise ValueError(f"{name} ({token}) is not in the vocabulary (0 to {self.n_vocab - 1})")
        check_heads(self.d_model, self.n_heads)
        if self.d_hidden is None:
            object.__setattr__(self, "d_hidden", 4 * self.d_model)
        check_counts(1, d_hidden=self.d_hidden)


@dataclass(frozen=True, kw_only=True)
class BLIPConfig:
    """d_shared: width that images and texts are projected to for contrast.
    init_std: of the texts' matrices at the start; None: 1/sqrt(fan-in)."""

    image: ViTConfig
    text: TextConfig
    d_shared: int = 64
    init_std: float | None = None

    def __post_init__(self):
        check_counts(1, d_shared=self.d_shared)
        if self.image.n_classes:
            raise ValueError(f"image.n_classes ({self.image.n_classes}) must be 0: texts read features, not classes")


SIZES = {
    f"ViT-{name}/16": BLIPConfig(
        image=ViTConfig(height=224, width=224, patch=16, d_model=D, n_layers=n, n_heads=D // 64, init_std=0.02),
        text=TextConfig(n_vocab=30524, context=512, dec=30522, enc=30523, d_model=768, n_layers=12, n_heads=12),
        d_shared=256,
        init_std=0.02,
    )
    for name, n, D in (("B", 12, 768), ("L", 24, 1024))
}


class TextLayer(nn.Module):
    """Self-attention, one for each of the modes; cross-attention and feed-forward, one for all."""

    def __init__(self, config: TextConfig, d_image: int, modes: tuple[str, ...]):
        super().__init__()
        D, H, eps = config.d_model, config.n_heads, config.eps
        self.attention = nn.ModuleDict({mode: PostNorm(SelfAttention(D, H), D, eps) for mode in modes})
        self.cross = PostNorm(CrossAttention(D, H, d_image), D, eps)
        self.feedforward = PostNorm(GELUFeedForward(D, config.d_hidden, gelu), D, eps)

    def forward(
        self,
        x: Float[Tensor, "M L D"],
        mode: str,
        may_attend: Bool[Tensor, "..."] | None,
        seen: Float[Tensor, "M T Dv"] | None,
    ) -> Float[Tensor, "M L D"]:
        """seen: what the image tower says; None: no cross-attention."""
        x = self.attention[mode](x, may_attend)
        if seen is not None:
            x = self.cross(x, seen)
        return self.feedforward(x)

    def step(self, x: Float[Tensor, "M L D"], cache: KVCache, image: KVCache) -> Float[Tensor, "M L D"]:
        """Decoding, for L new tokens: earlier ones are in the cache, the image's keys and values in `image`."""
        own = self.attention["decode"]
        q, k, v = own.sublayer.heads(x)
        k, v = cache.append(k, v)
        read = attend(q, k, v, causal_mask(x.shape[1], cache.length).to(x.device))
        x = own.norm(x + own.sublayer.to_out(rearrange(read, "M H L Dh -> M L (H Dh)")))
        x = self.cross.norm(x + self.cross.sublayer.attend(x, *image.held()))
        return self.feedforward(x)


class TextModel(nn.Module):
    """ids [M L] -> [M L D], in three modes; BERT with cross-attention. modes: "encode", "decode", or both."""

    def __init__(self, config: TextConfig, d_image: int, modes: tuple[str, ...]):
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config.n_vocab, config.context, config.d_model, config.eps)
        self.layers = nn.ModuleList(TextLayer(config, d_image, modes) for _ in range(config.n_layers))

    def encode(
        self,
        ids: Int[Tensor, "M L"],
        is_token: Bool[Tensor, "M L"] | None = None,
        seen: Float[Tensor, "M T Dv"] | None = None,
    ) -> Float[Tensor, "M L D"]:
        """Alone, or grounded in images. is_token: False on padding, which stands behind the text."""
        return self.run("encode", ids, text_mask(ids, is_token), seen)

    def decode(
        self, ids: Int[Tensor, "M L"], seen: Float[Tensor, "M T Dv"], is_token: Bool[Tensor, "M L"] | None = None
    ) -> Float[Tensor, "M L D"]:
        """Each word reads the image, itself and what stands before it."""
        return self.run("decode", ids, text_mask(ids, is_token, causal=True), seen)

    def image_maps(
        self,
        ids: Int[Tensor, "M L"],
        seen: Float[Tensor, "M T Dv"],
        is_token: Bool[Tensor, "M L"] | None = None,
        mode: str = "decode",
    ) -> Float[Tensor, "n M H L T"]:
        """Which parts of the image each word reads, in every layer and head: the shares of its cross-attention."""
        may_attend = text_mask(ids, is_token, causal=mode == "decode")
        x, maps = self.embeddings(ids), []
        for layer in self.layers:
            maps.append(layer.cross.sublayer.weights(layer.attention[mode](x, may_attend), seen))
            x = layer(x, mode, may_attend, seen)
        return torch.stack(maps)

    def run(self, mode, ids, may_attend, seen) -> Float[Tensor, "M L D"]:
        x = self.embeddings(ids)
        for layer in self.layers:
            x = layer(x, mode, may_attend, seen)
        return x


class Pair(nn.Module):
    """What every BLIP has: an image tower and a text model, in the modes that its class names."""

    modes: tuple[str, ...] = ()

    def __init__(self, config: BLIPConfig):
        super().__init__()
        self.config = config
        self.image = ViT(config.image)
        self.text = TextModel(config.text, config.image.d_model, self.modes)
        init_bert(self.text, config.init_std)

    def look(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B T Dv"]:
        """What the texts read of images, T = N + 1: the class token and the patches after the last norm."""
        return self.image.features(images)


class Retriever(Pair):
    """Which text belongs to which image? By contrast, fast, or by matching, pair after pair."""

    modes = ("encode",)

    def __init__(self, config: BLIPConfig):
        super().__init__(config)
        self.project_image = nn.Linear(config.image.d_model, config.d_shared)
        self.project_text = nn.Linear(config.text.d_model, config.d_shared)
        self.match = nn.Linear(config.text.d_model, 2)
        for linear in (self.project_image, self.project_text, self.match):
            init_bert(linear, config.init_std)

    def image_features(self, seen: Float[Tensor, "B T Dv"]) -> Float[Tensor, "B E"]:
        """In the common space, of any length: `similarities` divides by it."""
        return self.project_image(seen[:, 0])

    def text_features(
        self, ids: Int[Tensor, "M L"], is_token: Bool[Tensor, "M L"] | None = None
    ) -> Float[Tensor, "M E"]:
        return self.project_text(self.text.encode(ids, is_token)[:, 0])

    def matches(
        self, seen: Float[Tensor, "M T Dv"], ids: Int[Tensor, "M L"], is_token: Bool[Tensor, "M L"] | None = None
    ) -> Float[Tensor, "M 2"]:
        """Logits for row i of both: [:, 1] they match, [:, 0] they do not."""
        ids = begin_with(self.config.text.enc, ids)
        return self.match(self.text.encode(ids, is_token, seen)[:, 0])


class Captioner(Pair):
    """What is to be seen? Word after word."""

    modes = ("decode",)

    def __init__(self, config: BLIPConfig):
        super().__init__(config)
        self.head = WordHead(config.text.n_vocab, config.text.d_model, config.text.eps)
        init_bert(self.head, config.init_std)

    def next_words(
        self, seen: Float[Tensor, "M T Dv"], ids: Int[Tensor, "M L"], is_token: Bool[Tensor, "M L"] | None = None
    ) -> Float[Tensor, "M L V"]:
        """Logits of what follows each token."""
        ids = begin_with(self.config.text.dec, ids)
        return self.words(self.text.decode(ids, seen, is_token))

    def words(self, x: Float[Tensor, "M L D"]) -> Float[Tensor, "M L V"]:
        return self.head(x, self.text.embeddings.words.weight)


class BLIP(Retriever, Captioner):
    """Both, with one image tower and one text model."""

    modes = ("encode", "decode")


class CaptionReader:
    """A captioner in the middle of its captions, for decoding/: `reader(ids)` gives the logits of the next words.

    The images are looked at once, and each layer makes their keys and values once. Captions begin alike: with one token
    or a prompt; the first becomes [DEC].
    """

    @torch.inference_mode()
    def __init__(self, captioner: Captioner, images: Float[Tensor, "B C H W"]):
        self.captioner = captioner
        seen, layers = captioner.look(images), captioner.text.layers
        self.caches = [KVCache(captioner.config.text.context) for _ in layers]
        self.images = [KVCache(seen.shape[1]) for _ in layers]
        for layer, image in zip(layers, self.images):
            image.append(*layer.cross.sublayer.keys_and_values(seen))

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B L"]) -> Float[Tensor, "B V"]:
        """Raises ValueError past the context."""
        captioner, start = self.captioner, self.caches[0].length
        x = captioner.text.embeddings(ids if start else begin_with(captioner.config.text.dec, ids), start)
        for layer, cache, image in zip(captioner.text.layers, self.caches, self.images):
            x = layer.step(x, cache, image)
        return captioner.words(x[:, -1:])[:, 0]

    @torch.inference_mode()
    def reorder(self, rows: Int[Tensor, " rows"]) -> None:
        """Go on with copies of these rows, for beam search."""
        for cache in self.caches + self.images:
            cache.reorder(rows)


def begin_with(token: int | None, ids: Int[Tensor, "M L"]) -> Int[Tensor, "M L"]:
    """The ids with another first token; None: as they are."""
    return ids if token is None else torch.cat([torch.full_like(ids[:, :1], token), ids[:, 1:]], dim=1)
