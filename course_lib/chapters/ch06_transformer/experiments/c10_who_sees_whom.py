"""C10: a later target token changes no earlier answer of the decoder, a source token every output of the encoder.

Vaswani et al. 2017 (arXiv:1706.03762), section 3.1 and 3.2.3; slides, Encoder和Decoder.  Chapter 06.

Random models, post-norm and pre-norm, one token changed at each place in turn. Exact: not "small", but the same bits.
The foil has no causal mask: there a later token must change the earlier answers, or the probe would see nothing.
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.models.transformer import DecoderLayer, Transformer, TransformerConfig

N_VOCAB = 20
NORMS = ("post", "pre")


class SeesAll(DecoderLayer):
    """The decoder layer without its causal mask."""

    def forward(self, x, encoded, may_read, maps=None):
        x = self.around_attention(x, self.attention)
        x = self.around_cross_attention(x, lambda x: self.cross_attention(x, encoded, may_read))
        return self.around_feedforward(x, self.feedforward)


def random_model(seed: int, norm: str, layer: type[DecoderLayer] = DecoderLayer) -> Transformer:
    torch.manual_seed(seed)
    config = TransformerConfig(n_source_vocab=N_VOCAB, n_target_vocab=N_VOCAB, d_model=32, norm=norm, d_hidden=64)
    model = Transformer(config).requires_grad_(False)
    weights = model.decoder.state_dict()
    model.decoder = nn.ModuleList(layer(config) for _ in range(config.n_layers))
    model.decoder.load_state_dict(weights)
    return model.requires_grad_(False)


def changed(ids: Int[Tensor, "B L"], place: int) -> Int[Tensor, "B L"]:
    other = ids.clone()
    other[:, place] = (ids[:, place] + 1) % N_VOCAB
    return other


def future_moves(model: Transformer, source: Tensor, target: Tensor) -> tuple[float, float]:
    """Largest change before the changed place, and smallest largest-over-V change from it on."""
    before, later, now = model(source, target), 0.0, float("inf")
    for place in range(1, target.shape[1]):
        move = (model(source, changed(target, place)) - before).abs().amax(-1)
        later, now = max(later, move[:, :place].max().item()), min(now, move[:, place:].min().item())
    return later, now


def source_moves(model: Transformer, source: Tensor) -> tuple[float, float]:
    """Share of the encoder's outputs that a changed source token moves, and the smallest move."""
    before = model.encode(source)
    moves = torch.stack([(model.encode(changed(source, s)) - before).abs().amax(-1) for s in range(source.shape[1])])
    return (moves > 0).float().mean().item(), moves.min().item()


def measure(seed: int, *, progress, n_texts: int, length: int) -> dict[str, list[float]]:
    """By norm: what a later target token and a source token move."""
    chance = torch.Generator().manual_seed(seed)
    source, target = torch.randint(N_VOCAB, (2, n_texts, length), generator=chance)
    rows = []
    for norm in progress(NORMS):
        model = random_model(seed, norm)
        later, now = future_moves(model, source, target)
        foil, _ = future_moves(random_model(seed, norm, SeesAll), source, target)
        share, least = source_moves(model, source)
        rows.append((later, now, foil, share, least))
    names = ("past_moves", "present_moves", "past_moves_without_mask", "encoder_share", "encoder_least")
    return dict(zip(names, map(list, zip(*rows))))


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: nothing moves before the changed place, everything does from it on, in the encoder everywhere, and the
    foil without a mask is caught. Fails: anything before the changed place moves at all."""
    past, now, foil, share, least = (
        figures[name].values
        for name in (
            "past_moves",
            "present_moves",
            "past_moves_without_mask",
            "encoder_share",
            "encoder_least",
        )
    )
    measured = (
        f"改后面的目标 token，前面的 logits 最多变 {past.max():.1g}；从那里起至少变 {now.min():.1g}；"
        f"去掉因果掩码，前面变了 {foil.min():.1g} 以上。改一个源 token，编码器的输出有 {share.min():.0%} 变了，"
        f"最小变化 {least.min():.1g}。"
    )
    if past.max() > 0:
        return Verdict("fails", f"未来改变了过去。{measured}")
    if now.min() > 0 and share.min() == 1 and foil.min() > 1e-3:
        return Verdict("holds", f"{measured}前者逐位相等，不是“很小”。")
    return Verdict("partly", f"未来没有改变过去，但别的部分没有处处成立。{measured}")


CLAIM = Claim(
    id="C10",
    chapter="06",
    title="解码器看不见未来，编码器处处看得见",
    statement="改一个后面的目标 token，解码器在它之前的输出一位都不变；改一个源 token，编码器的每个输出都变。",
    question="逐个位置改一个 token，前面的输出变了多少？编码器的输出有多少变了？去掉因果掩码，同一个探测看得出来吗？",
    refuted_if="改后面的目标 token，前面有任何一个 logit 变了。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"n_texts": 4, "length": 8},
    full={"n_texts": 16, "length": 12},
    quick_seeds=(0, 1),
    labels={
        "past_moves": "改后面的目标 token：前面的 logits 最多变多少（post-norm、pre-norm）",
        "present_moves": "从改动处起，每个位置至少变多少（post-norm、pre-norm）",
        "past_moves_without_mask": "去掉因果掩码：前面的 logits 最多变多少（post-norm、pre-norm）",
        "encoder_share": "改一个源 token：编码器的输出变了的比例（post-norm、pre-norm）",
        "encoder_least": "改一个源 token：编码器的输出最小的变化（post-norm、pre-norm）",
    },
    limits="随机初始化的两层模型。这是结构决定的，训练改不了前一半；后一半（每个都变）训练以后可以变得任意小。",
)
