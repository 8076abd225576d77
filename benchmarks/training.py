"""How fast GPT-2 learns: `OMP_NUM_THREADS=1 python benchmarks/training.py`, about three minutes.

One training step (forward, loss, backward, clipping, AdamW) of our GPT-2 against others of the same size on the same
batch: a minimal GPT with merged q, k, v and torch's attention, in the manner of nanoGPT, with the exact GELU that
nanoGPT takes and with ours, by the tanh formula; GPT2LMHeadModel of transformers; torch.nn.TransformerEncoder with a
causal mask. All in float32; and in bf16 autocast where precision.py measures that it pays here. `share_of_peak` is 6 ·
parameters · tokens a second (the tied head counted, tables not; the attention products not) over what one 1024³ product
reaches in that type in the same run.
"""

import torch
from common import arguments, keep, machine, rate, seconds, stepper, three_digits, times_as_fast
from peers import gpt2_twin
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, linear, scaled_dot_product_attention

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.training.loop import next_token_loss
from course_lib.training.precision import best_dtype, cpu_gain, product_seconds

CONFIGS = {
    "L4 d128 T128 B32": (GPT2Config(n_vocab=256, context=128, d_model=128, n_layers=4, n_heads=4), 32),
    "L6 d384 T256 B8": (GPT2Config(n_vocab=256, context=256, d_model=384, n_layers=6, n_heads=6), 8),
}
QUICK = {"L1 d16 T8 B2": (GPT2Config(n_vocab=32, context=8, d_model=16, n_layers=1, n_heads=2), 2)}


class PlainBlock(nn.Module):
    def __init__(self, config: GPT2Config, approximate: str):
        super().__init__()
        D = config.d_model
        self.n_heads, self.approximate = config.n_heads, approximate
        self.first, self.second = nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv, self.mix = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.widen, self.narrow = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def forward(self, x: Tensor) -> Tensor:
        B, T, D = x.shape
        parts = self.qkv(self.first(x)).chunk(3, dim=-1)
        q, k, v = (part.view(B, T, self.n_heads, -1).transpose(1, 2) for part in parts)
        heads = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(heads.transpose(1, 2).reshape(B, T, D))
        return x + self.narrow(gelu(self.widen(self.second(x)), approximate=self.approximate))


class PlainGPT(nn.Module):
    """What a short training script would write. approximate: torch's name of a formula of GELU; nanoGPT's is "none"."""

    def __init__(self, config: GPT2Config, approximate: str = "none"):
        super().__init__()
        self.tokens = nn.Embedding(config.n_vocab, config.d_model)
        self.places = nn.Embedding(config.context, config.d_model)
        self.blocks = nn.Sequential(*(PlainBlock(config, approximate) for _ in range(config.n_layers)))
        self.last = nn.LayerNorm(config.d_model)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
        return linear(self.last(self.blocks(x)), self.tokens.weight)


class EncoderGPT(nn.Module):
    """torch.nn.TransformerEncoder as a decoder: pre-norm layers under a causal mask."""

    def __init__(self, config: GPT2Config):
        super().__init__()
        self.tokens = nn.Embedding(config.n_vocab, config.d_model)
        self.places = nn.Embedding(config.context, config.d_model)
        layer = nn.TransformerEncoderLayer(
            config.d_model,
            config.n_heads,
            4 * config.d_model,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        last = nn.LayerNorm(config.d_model)
        self.encoder = nn.TransformerEncoder(layer, config.n_layers, norm=last, enable_nested_tensor=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(config.context))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
        return linear(self.encoder(x, mask=self.mask, is_causal=True), self.tokens.weight)


class Logits(nn.Module):
    """transformers' model, giving its logits."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        return self.model(ids, use_cache=False).logits


def plain_loss(model: nn.Module, ids: Tensor) -> Tensor:
    return cross_entropy(model(ids)[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten())


def step_on(model: nn.Module, ids: Tensor, loss, dtype: torch.dtype):
    """One step on one batch, as a function."""

    def value() -> Tensor:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return loss(model, ids)

    return stepper(model, value)


def measure(name: str, config: GPT2Config, batch: int, dtype: torch.dtype, rounds: int) -> dict:
    torch.manual_seed(0)
    ours = GPT2(config)
    ids = torch.randint(config.n_vocab, (batch, config.context))
    plain, tanh, encoder = PlainGPT(config), PlainGPT(config, "tanh"), EncoderGPT(config)
    for module in (*plain.modules(), *tanh.modules(), *encoder.modules()):
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)  # theirs; torch's 1 saturates the tied head
    models = {
        "ours": ours,
        "nanogpt_style": plain,
        "nanogpt_tanh": tanh,
        "transformers": Logits(gpt2_twin(ours)),
        "torch_encoder": encoder,
    }
    counts = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"the models differ in size: {counts}")
    losses = {"ours": next_token_loss}
    kinds = {"fp32": torch.float32} | ({"bf16": dtype} if dtype != torch.float32 else {})
    times = seconds(
        {
            f"{kind} {who}": step_on(model, ids, losses.get(who, plain_loss), each)
            for kind, each in kinds.items()
            for who, model in models.items()
        },
        rounds,
    )
    peak = {
        kind: 2 * 1024**3 / product_seconds(*(torch.randn(1024, 1024).to(each) for _ in range(2)))
        for kind, each in kinds.items()
    }
    n_tokens, weights = ids.numel(), counts["ours"] - config.context * config.d_model
    best = f"{list(kinds)[-1]} ours"
    return {
        "model": name,
        "parameters": counts["ours"],
        "tokens_per_step": n_tokens,
        "tokens_per_second": {kind: {who: rate(times[f"{kind} {who}"], n_tokens) for who in models} for kind in kinds},
        "times_as_fast": {
            kind: {who: times_as_fast(times[f"{kind} ours"], times[f"{kind} {who}"]) for who in models if who != "ours"}
            for kind in kinds
        },
        "best_over_their_fp32": {
            who: times_as_fast(times[best], times[f"fp32 {who}"]) for who in models if who != "ours"
        },
        "peak_gflops": {kind: round(each / 1e9, 1) for kind, each in peak.items()},
        "share_of_peak": {
            kind: three_digits(6 * weights * rate(times[f"{kind} ours"], n_tokens)["median"] / peak[kind])
            for kind in kinds
        },
    }


def main() -> None:
    options = arguments(__doc__)
    dtype = best_dtype()
    configs = QUICK if options.quick else CONFIGS
    rows = [measure(name, config, batch, dtype, options.rounds) for name, (config, batch) in configs.items()]
    settings = {"best_dtype": str(dtype).removeprefix("torch."), "bf16_gain": round(cpu_gain(), 2)}
    keep({"machine": machine(), "settings": settings | {"rounds": options.rounds}, "steps": rows}, "training", options)
    for row in rows:
        print(f"{row['model']}, {row['parameters']:,} parameters, share of peak {row['share_of_peak']}")
        for kind, found in row["tokens_per_second"].items():
            each = "  ".join(f"{who} {one['median']:,.0f}" for who, one in found.items())
            print(f"  {kind} tokens/s  {each}   times as fast {row['times_as_fast'][kind]}")
        print(f"  our best against their fp32: {row['best_over_their_fp32']}")


if __name__ == "__main__":
    main()
