"""How fast tokens are decoded: `OMP_NUM_THREADS=1 python benchmarks/decoding.py`, about three minutes.

Ours (FastReader, and LlamaReader, the readable path) against transformers' generate with the same weights, and against
the length of the context for MHA, GQA, MQA and MLA of one width. Greedy, float32; the aim is twice generate's tokens.
`share_of_reading`: seconds that a bare sum over the kept numbers takes, over ours, measured in turns with it.
"""

import statistics

import torch
from common import arguments, beside_transformers, keep, machine, rate, seconds
from peers import transformers_twin

from course_lib.decoding.fast_reader import FastReader
from course_lib.decoding.generation import greedy
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.llama import Llama, LlamaConfig, LlamaReader

V, PROMPT = 256, 16
SIZES = {"L4 d128": dict(n_layers=4, d_model=128), "L2 d64": dict(n_layers=2, d_model=64)}


def designs(n_layers: int, d_model: int, n_heads: int) -> dict[str, LlamaConfig | DeepSeekConfig]:
    """Equal but for the attention. MLA in DeepSeek-V2's proportions: latent 4 Dh, turned Dh/2."""
    common = dict(n_vocab=V, n_layers=n_layers, d_model=d_model, n_heads=n_heads, d_hidden=d_model * 11 // 4)
    d_head = d_model // n_heads
    grouped = {"MHA": n_heads, "GQA": max(2, n_heads // 4), "MQA": 1}
    latent = DeepSeekConfig(**common, d_latent=4 * d_head, d_head=d_head, d_rope=d_head // 2, d_value=d_head)
    return {name: LlamaConfig(**common, n_kv_heads=G) for name, G in grouped.items()} | {"MLA": latent}


def build(config: LlamaConfig | DeepSeekConfig) -> Llama:
    torch.manual_seed(0)
    return Llama(config).eval().requires_grad_(False)


def reading_alone(model: Llama, batch: int, n_new: int):
    """Sums every number that decoding reads from the cache, once, in one piece a layer, as fast as memory gives it."""
    parts, G, d = FastReader(model, 1).layers[0].attention.kept_shape
    size = batch * parts * G * d
    memory = torch.randn(model.config.n_layers, size * (PROMPT + n_new))

    def read() -> None:
        for length in range(PROMPT + 1, PROMPT + n_new):
            for kept in memory[:, : size * length]:
                kept.sum()

    return read


def against_transformers(size: str, design: str, batch: int, n_new: int, rounds: int) -> dict:
    model = build(designs(**SIZES[size], n_heads=4)[design])
    twin = transformers_twin(model, context=PROMPT + n_new)
    prompt = torch.randint(1, V, (batch, PROMPT))

    @torch.inference_mode()
    def generate() -> torch.Tensor:
        mask = torch.ones_like(prompt)
        return twin.generate(prompt, attention_mask=mask, max_new_tokens=n_new, do_sample=False)[:, PROMPT:]

    ways = {
        "ours": lambda: greedy(FastReader(model, PROMPT + n_new), prompt, n_new),
        "readable": lambda: greedy(LlamaReader(model, PROMPT + n_new), prompt, n_new),
        "transformers": generate,
        "reading": reading_alone(model, batch, n_new),
    }
    row, times = beside_transformers(ways, batch * n_new, rounds)
    reading = statistics.median(a / b for a, b in zip(times["reading"], times["ours"], strict=True))
    return {
        "model": size,
        "design": design,
        "batch": batch,
        "share_of_reading": round(reading, 2),
        **row,
    }


def over_context(contexts: list[int], batch: int, n_new: int, rounds: int) -> dict:
    """Tokens a second when `context` tokens lie in the cache already. L4 d256, 8 heads."""
    configs = designs(4, 256, 8)
    models = {name: build(config) for name, config in configs.items()}
    token = torch.ones(batch, 1, dtype=torch.long)
    rates: dict[str, list] = {name: [] for name in models}
    for context in contexts:
        readers = {name: FastReader(model, context + n_new) for name, model in models.items()}
        for reader in readers.values():
            for part in torch.ones(batch, context, dtype=torch.long).split(256, dim=1):
                reader(part)

        def decode(reader: FastReader, context: int = context) -> None:
            reader.length = context
            for _ in range(n_new):
                reader(token)

        times = seconds({name: lambda reader=reader: decode(reader) for name, reader in readers.items()}, rounds)
        for name, each in times.items():
            rates[name].append(rate(each, batch * n_new))
    kept = {name: config.cached_numbers for name, config in configs.items()}
    return {
        "model": "L4 d256 H8",
        "batch": batch,
        "contexts": contexts,
        "cached_numbers": kept,
        "tokens_per_second": rates,
    }


def main() -> None:
    options = arguments(__doc__)
    n_new, rounds = (8, 1) if options.quick else (128, options.rounds)
    rows = [
        against_transformers(size, design, batch, n_new, rounds)
        for size in (["L2 d64"] if options.quick else SIZES)
        for design in ("MHA", "GQA", "MQA", "MLA")
        for batch in ((1,) if options.quick else (1, 64))
    ]
    contexts = [16, 64] if options.quick else [64, 256, 1024, 2048, 4096]
    lengths = [over_context(contexts, batch, 4 if options.quick else 16, rounds) for batch in (1, 8)]
    keep(
        {
            "machine": machine(),
            "settings": {"dtype": "float32", "prompt": PROMPT, "new_tokens": n_new, "n_vocab": V, "rounds": rounds},
            "against_transformers": rows,
            "over_context": lengths,
        },
        "decoding",
        options,
    )
    print("tokens/s              batch       ours   readable   transformers   times as fast   same tokens")
    for row in rows:
        each = {name: f"{found['median']:,.0f}" for name, found in row["tokens_per_second"].items()}
        print(
            f"{row['model'] + ' ' + row['design']:<20}{row['batch']:>7}{each['ours']:>11}{each['readable']:>11}"
            f"{each['transformers']:>15}{row['times_as_fast']['ours']:>16}{row['same_tokens']:>14.1%}"
        )
    for found in lengths:
        print(f"context, batch {found['batch']:<8}" + "".join(f"{context:>10,}" for context in contexts))
        for name, each in found["tokens_per_second"].items():
            print(f"{name:<23}" + "".join(f"{one['median']:>10,.0f}" for one in each))


if __name__ == "__main__":
    main()
