"""BLIP-2 (Li et al. 2023, Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large Language
Models, arXiv:2301.12597): between two frozen models a small one that asks.

B images · N places of an image · Dv width of the image tower · Q queries · M texts · L words · D width of the Q-Former
E shared width · V vocabulary
Q-Former, section 3.1: learned queries and the words of a text pass through the same self-attention. Every other layer
lets the queries, and them alone, read the image. Queries and words each have their own feed-forward layers.
    stage 1, `Stage1`      the queries learn to see what a text says: contrast, matching, writing, each with its mask
    stage 2, `Describer`   the text half is dropped; what the queries say is projected and stands before a language
                           model's words. The Q-Former goes on learning
Image tower and language model are handed in and frozen: no gradients, no dropout, whatever train() says.
Read first: vit.py, foundations/bert.py, foundations/qformer_masks.py.  Chapter 13.  Losses: blip2_pretrain.py.
Dropout (0.1 there) is left out.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from course_lib.foundations.attention import check_heads
from course_lib.foundations.bert import CrossAttention, PostNorm, WordHead, init_bert, text_mask
from course_lib.foundations.checks import check_counts, check_tensor
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.encoder import SelfAttention
from course_lib.foundations.gelu import GELUFeedForward, gelu
from course_lib.foundations.norm import LayerNorm
from course_lib.foundations.positions import LearnedPositions
from course_lib.foundations.qformer_masks import both_ways_mask, causal_text_mask, with_padding
from course_lib.models.blip import begin_with
from course_lib.models.llama import LlamaReader, check_left_padding
from course_lib.models.vit import ViTConfig


@dataclass(frozen=True, kw_only=True)
class QFormerConfig:
    """n_vocab: words; 0: no text half.  context: the most words of a text, the first one and the end included.
    n_queries: 32 in the paper.  d_image: Dv.  cross_every: layers 0, cross_every, 2 cross_every … read the image.
    dec: token that the first one of a text becomes before it is written ([DEC] of the paper's code); None: it stays.
    init_std: of matrices and queries at the start; None: 1/sqrt(fan-in), and the paper's code's 0.02 for queries."""

    n_vocab: int = 0
    context: int = 32
    dec: int | None = None
    n_queries: int = 8
    d_image: int = 64
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_hidden: int | None = None
    cross_every: int = 2
    eps: float = 1e-12
    init_std: float | None = None

    def __post_init__(self):
        check_counts(0, n_vocab=self.n_vocab)
        check_counts(
            1,
            context=self.context,
            n_queries=self.n_queries,
            d_image=self.d_image,
            n_layers=self.n_layers,
            cross_every=self.cross_every,
        )
        if self.dec is not None and not 0 <= self.dec < self.n_vocab:
            raise ValueError(f"dec ({self.dec}) is not in the vocabulary (0 to {self.n_vocab - 1})")
        check_heads(self.d_model, self.n_heads)
        if self.d_hidden is None:
            object.__setattr__(self, "d_hidden", 4 * self.d_model)
        check_counts(1, d_hidden=self.d_hidden)


def n_parameters(config: QFormerConfig) -> int:
    """Of the Q-Former, by formula, nothing is built."""
    D, F, Dv, n = config.d_model, config.d_hidden, config.d_image, config.n_layers
    attention = 4 * D * D + 4 * D + 2 * D
    cross = 2 * D * D + 2 * Dv * D + 4 * D + 2 * D
    feedforward = 2 * D * F + F + D + 2 * D
    n_cross = len(range(0, n, config.cross_every))
    queries = config.n_queries * D + 2 * D + n * (attention + feedforward) + n_cross * cross
    text = (config.n_vocab + config.context) * D + n * feedforward
    return queries + text * bool(config.n_vocab)


VIT_G = ViTConfig(height=224, width=224, patch=14, d_model=1408, n_layers=39, n_heads=16, d_hidden=6144, init_std=0.02)
QFORMER = QFormerConfig(
    n_vocab=30523,
    context=512,
    dec=30522,
    n_queries=32,
    d_image=1408,
    d_model=768,
    n_layers=12,
    n_heads=12,
    init_std=0.02,
)


class Layer(nn.Module):
    """Self-attention over queries and words; then the queries read the image, if the layer lets them; then each half
    goes through its own feed-forward layer."""

    def __init__(self, config: QFormerConfig, *, reads_image: bool):
        super().__init__()
        D, H, F, eps = config.d_model, config.n_heads, config.d_hidden, config.eps
        self.attention = PostNorm(SelfAttention(D, H), D, eps)
        self.cross = PostNorm(CrossAttention(D, H, config.d_image), D, eps) if reads_image else None
        self.feedforward = PostNorm(GELUFeedForward(D, F, gelu), D, eps)
        self.feedforward_text = PostNorm(GELUFeedForward(D, F, gelu), D, eps) if config.n_vocab else None

    def forward(
        self,
        x: Float[Tensor, "B S D"],
        n_queries: int,
        seen: Float[Tensor, "B N Dv"] | None,
        may_attend: Bool[Tensor, "..."] | None,
    ) -> Float[Tensor, "B S D"]:
        x = self.attention(x, may_attend)
        queries, words = x[:, :n_queries], x[:, n_queries:]
        if n_queries:
            queries = self.feedforward(queries if self.cross is None else self.cross(queries, seen))
        if words.shape[1]:
            words = self.feedforward_text(words)
        return torch.cat([queries, words], dim=1)


class QFormer(nn.Module):
    """Queries and words: together, or each alone."""

    def __init__(self, config: QFormerConfig):
        super().__init__()
        D = config.d_model
        self.config = config
        self.queries = nn.Parameter(torch.empty(config.n_queries, D))
        self.words = Embedding(config.n_vocab, D) if config.n_vocab else None
        self.positions = LearnedPositions(config.context, D) if config.n_vocab else None
        self.norm_in = LayerNorm(D, config.eps)
        self.layers = nn.ModuleList(
            Layer(config, reads_image=i % config.cross_every == 0) for i in range(config.n_layers)
        )
        init_bert(self, config.init_std)
        nn.init.normal_(self.queries, std=config.init_std or 0.02)

    def ask(self, seen: Float[Tensor, "B N Dv"]) -> Float[Tensor, "B Q D"]:
        """The queries alone with the image: what contrast and stage 2 read."""
        return self.run(self.embed(len(seen)), seen)

    def read(self, ids: Int[Tensor, "M L"], is_token: Bool[Tensor, "M L"] | None = None) -> Float[Tensor, "M L D"]:
        """The words alone. is_token: False on padding, which stands behind the text."""
        return self.run(self.embed_words(ids), None, text_mask(ids, is_token))

    def both(
        self,
        seen: Float[Tensor, "B N Dv"],
        ids: Int[Tensor, "B L"],
        may_attend: Bool[Tensor, "S S"],
        is_token: Bool[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "B S D"]:
        """Queries, then words, under a mask for both, S = Q + L. Raises ValueError unless each image has its text."""
        if len(seen) != len(ids):
            raise ValueError(f"{len(seen)} images but {len(ids)} texts; row i of both belong together")
        text_mask(ids, is_token)
        return self.run(self.embed(len(seen), ids), seen, with_padding(may_attend.to(ids.device), is_token))

    def embed(self, n: int, ids: Int[Tensor, "B L"] | None = None) -> Float[Tensor, "B S D"]:
        """What the first layer reads for n images: the queries, and behind them the words of texts."""
        queries = self.norm_in(self.queries).expand(n, -1, -1)
        return queries if ids is None else torch.cat([queries, self.embed_words(ids)], dim=1)

    def embed_words(self, ids: Int[Tensor, "M L"]) -> Float[Tensor, "M L D"]:
        """Raises ValueError for empty texts, texts past the context, and where there is no text half."""
        if self.words is None:
            raise ValueError("this Q-Former reads no text: it was built with n_vocab=0, or its text half was dropped")
        check_tensor("ids", ids)
        if ids.ndim != 2 or 0 in ids.shape:
            raise ValueError(f"ids {tuple(ids.shape)} must be [B L], L at least 1: an empty text has a first token too")
        return self.norm_in(self.words(ids) + self.positions(ids.shape[1]))

    def run(
        self,
        x: Float[Tensor, "B S D"],
        seen: Float[Tensor, "B N Dv"] | None,
        may_attend: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "B S D"]:
        """All layers over what embed gives. seen: None where there are words only."""
        n_queries = 0 if seen is None else self.config.n_queries
        for layer in self.layers:
            x = layer(x, n_queries, seen, may_attend)
        return x

    def without_text(self) -> "QFormer":
        """A copy for stage 2: the queries' half, and the self-attention that both had shared."""
        kept = QFormer(replace(self.config, n_vocab=0, dec=None)).to(self.queries)
        kept.load_state_dict({name: weight for name, weight in self.state_dict().items() if name in kept.state_dict()})
        return kept


class AroundFrozen(nn.Module):
    """Some parts do not learn: their parameters ask for no gradients, and train() leaves them in eval mode."""

    frozen: tuple[str, ...] = ("image",)

    def freeze(self) -> nn.Module:
        for name in self.frozen:
            getattr(self, name).requires_grad_(False).eval()
        return self

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        for name in self.frozen:
            getattr(self, name).eval()
        return self

    def look(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N Dv"]:
        """What the queries read: all that the image tower says, after its last norm."""
        return self.image.features(images)


class Retriever(AroundFrozen):
    """Which text belongs to which image? By contrast, fast, or by matching, pair after pair.

    image: a tower with features(images) [B N Dv], such as ViT; it is frozen.
    """

    def __init__(self, image: nn.Module, config: QFormerConfig, d_shared: int = 64):
        super().__init__()
        if not config.n_vocab:
            raise ValueError("n_vocab (0) must be at least 1: in stage 1 the Q-Former reads texts")
        self.config = config
        self.image = image
        self.qformer = QFormer(config)
        self.project_image = nn.Linear(config.d_model, d_shared)
        self.project_text = nn.Linear(config.d_model, d_shared)
        self.match = nn.Linear(config.d_model, 2)
        for linear in (self.project_image, self.project_text, self.match):
            init_bert(linear, config.init_std)
        self.freeze()

    def image_features(self, seen: Float[Tensor, "B N Dv"]) -> Float[Tensor, "B Q E"]:
        """One vector a query, in the common space, of any length: `similarities` divides by it."""
        return self.project_image(self.qformer.ask(seen))

    def text_features(
        self, ids: Int[Tensor, "M L"], is_token: Bool[Tensor, "M L"] | None = None
    ) -> Float[Tensor, "M E"]:
        """What the first token has read of the text."""
        return self.project_text(self.qformer.read(ids, is_token)[:, 0])

    def matches(
        self, seen: Float[Tensor, "B N Dv"], ids: Int[Tensor, "B L"], is_token: Bool[Tensor, "B L"] | None = None
    ) -> Float[Tensor, "B 2"]:
        """Logits for row i of both: [:, 1] they match, [:, 0] they do not. Every query votes; the mean counts."""
        Q = self.config.n_queries
        x = self.qformer.both(seen, ids, both_ways_mask(Q, ids.shape[-1]), is_token)
        return self.match(x[:, :Q]).mean(dim=1)


class Stage1(Retriever):
    """And it writes: the queries see the image, the words see the queries.

    temperature: 0.07 at the start; the cosines are divided by it.
    """

    def __init__(self, image: nn.Module, config: QFormerConfig, d_shared: int = 64, temperature: float = 0.07):
        if not temperature > 0:
            raise ValueError(f"temperature ({temperature}) must be positive; the paper's code begins with 0.07")
        super().__init__(image, config, d_shared)
        self.head = WordHead(config.n_vocab, config.d_model, config.eps)
        self.temperature = nn.Parameter(torch.tensor(temperature))
        init_bert(self.head, config.init_std)

    def next_words(
        self,
        seen: Float[Tensor, "B N Dv"],
        ids: Int[Tensor, "B L"],
        is_token: Bool[Tensor, "B L"] | None = None,
        *,
        may_attend: Bool[Tensor, "S S"] | None = None,
    ) -> Float[Tensor, "B L V"]:
        """Logits of what follows each word. may_attend: another mask than causal_text_mask, to see what leaks."""
        Q = self.config.n_queries
        if may_attend is None:
            may_attend = causal_text_mask(Q, ids.shape[-1])
        x = self.qformer.both(seen, begin_with(self.config.dec, ids), may_attend, is_token)
        return self.head(x[:, Q:], self.qformer.words.weight)


def similarities(image: Float[Tensor, "B Q E"], text: Float[Tensor, "M E"]) -> Float[Tensor, "B M"]:
    """For each image and text the largest of its queries' cosines: the query that fits best speaks for the image."""
    cosines = normalize(image, dim=-1) @ normalize(text, dim=-1).mT  # [B Q M]
    return cosines.amax(dim=1)


class Describer(AroundFrozen):
    """Stage 2: what is to be seen, in the words of a language model that has the queries' answers before its text.

    lm: with embed, run, to_vocab and new_caches, such as GPT2, GPT3 or OPT; it is frozen, as the image tower is.
    qformer: without text half; one that has it gives `qformer.without_text()`.
    """

    frozen = ("image", "lm")

    def __init__(self, image: nn.Module, qformer: QFormer, lm: nn.Module):
        super().__init__()
        if qformer.config.n_vocab:
            raise ValueError("in stage 2 nothing reads texts but the language model; give qformer.without_text()")
        self.image, self.qformer, self.lm = image, qformer, lm
        self.project = nn.Linear(qformer.config.d_model, lm.config.d_model)
        init_bert(self.project, qformer.config.init_std)
        self.freeze()

    def prefix(self, seen: Float[Tensor, "B N Dv"]) -> Float[Tensor, "B Q W"]:
        """What stands before the words: the queries' answers, W wide as the language model."""
        return self.project(self.qformer.ask(seen))

    def next_words(
        self, seen: Float[Tensor, "B N Dv"], ids: Int[Tensor, "B L"], is_token: Bool[Tensor, "B L"] | None = None
    ) -> Float[Tensor, "B L V"]:
        """Logits of what follows each word. is_token: False on padding, which stands behind the text."""
        text_mask(ids, is_token)
        prefix = self.prefix(seen)
        if is_token is not None:
            is_token = torch.cat([is_token.new_ones(prefix.shape[:2]), is_token], dim=1)
        x = self.lm.run(self.before(prefix, ids), is_token=is_token)
        return self.lm.to_vocab(x[:, prefix.shape[1] :])

    def before(self, prefix: Float[Tensor, "B Q W"], ids: Int[Tensor, "B L"]) -> Float[Tensor, "B S W"]:
        """[prefix; words]. Raises ValueError for empty texts, and unless each image has its text."""
        if ids.ndim != 2 or 0 in ids.shape:
            raise ValueError(f"ids {tuple(ids.shape)} must be [B L], L at least 1: begin each text with a start token")
        if len(prefix) != len(ids):
            raise ValueError(f"{len(prefix)} images but {len(ids)} texts; row i of both belong together")
        return torch.cat([prefix, self.lm.embed(ids)], dim=1)


class DescribingReader(LlamaReader):
    """A describer in the middle of its texts, for decoding/: `reader(ids)` gives the logits of the next words.

    Images are looked at once. capacity: the most words, prompt and answer together.
    is_token: of the prompt, False on its padding, which must be on the left.
    """

    @torch.inference_mode()
    def __init__(
        self,
        describer: Describer,
        images: Float[Tensor, "B C H W"],
        capacity: int,
        is_token: Bool[Tensor, "B L"] | None = None,
    ):
        self.describer, self.prefix = describer, describer.prefix(describer.look(images))
        Q = self.prefix.shape[1]
        super().__init__(describer.lm, Q + capacity)
        if is_token is not None:
            check_left_padding(is_token)
            room = max(0, capacity - is_token.shape[1])
            before, after = (is_token.new_ones(len(is_token), n) for n in (Q, room))
            self.is_token = torch.cat([before, is_token, after], dim=1)

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B L"]) -> Float[Tensor, "B V"]:
        """Raises ValueError where the caches are full, and unless there is a prompt beside each image."""
        held = self.caches[0].length
        x = self.model.embed(ids) if held else self.describer.before(self.prefix, ids)
        is_token = None if self.is_token is None else self.is_token[:, : held + x.shape[1]]
        x = self.model.run(x, is_token=is_token, caches=self.caches)
        return self.model.to_vocab(x[:, -1])
