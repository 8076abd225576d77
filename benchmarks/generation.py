"""How fast GPT-2 writes: `OMP_NUM_THREADS=1 python benchmarks/generation.py`, about a minute.

Ours (FastGPTReader, and LlamaReader, the readable path) against transformers' generate with the same weights: 16 + 128
tokens, batch 1 and 64, greedy and drawn at temperature 1 from the whole vocabulary, float32.
"""

import torch
from common import arguments, beside_transformers, keep, machine
from peers import gpt2_twin

from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.generation import greedy
from course_lib.decoding.sampling import sample
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import LlamaReader

V, PROMPT = 256, 16
SIZES = {"L4 d128": dict(n_layers=4, d_model=128), "L2 d64": dict(n_layers=2, d_model=64)}


def against_transformers(size: str, drawn: bool, batch: int, n_new: int, rounds: int) -> dict:
    torch.manual_seed(0)
    model = GPT2(GPT2Config(n_vocab=V, context=PROMPT + n_new, **SIZES[size])).eval().requires_grad_(False)
    twin = gpt2_twin(model).eval().requires_grad_(False)
    prompt, chance = torch.randint(1, V, (batch, PROMPT)), torch.Generator().manual_seed(0)
    knobs = dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0) if drawn else dict(do_sample=False)

    def ours(kind: type) -> torch.Tensor:
        reader = kind(model, PROMPT + n_new)
        return sample(reader, prompt, n_new, generator=chance) if drawn else greedy(reader, prompt, n_new)

    @torch.inference_mode()
    def generate() -> torch.Tensor:
        mask = torch.ones_like(prompt)
        return twin.generate(prompt, attention_mask=mask, max_new_tokens=n_new, **knobs)[:, PROMPT:]

    ways = {"ours": lambda: ours(FastGPTReader), "readable": lambda: ours(LlamaReader), "transformers": generate}
    row, _ = beside_transformers(ways, batch * n_new, rounds)
    way, same = ("sampling", None) if drawn else ("greedy", row["same_tokens"])
    return {"model": size, "way": way, "batch": batch, **row, "same_tokens": same}


def main() -> None:
    options = arguments(__doc__)
    n_new, rounds = (8, 1) if options.quick else (128, options.rounds)
    rows = [
        against_transformers(size, drawn, batch, n_new, rounds)
        for size in (["L2 d64"] if options.quick else SIZES)
        for drawn in (False, True)
        for batch in ((1,) if options.quick else (1, 64))
    ]
    settings = {"dtype": "float32", "prompt": PROMPT, "new_tokens": n_new, "n_vocab": V, "rounds": rounds}
    keep({"machine": machine(), "settings": settings, "against_transformers": rows}, "generation", options)
    print("tokens/s              batch       ours   readable   transformers   times as fast (readable)")
    for row in rows:
        each = {name: f"{found['median']:,.0f}" for name, found in row["tokens_per_second"].items()}
        print(
            f"{row['model'] + ' ' + row['way']:<20}{row['batch']:>7}{each['ours']:>11}{each['readable']:>11}"
            f"{each['transformers']:>15}{row['times_as_fast']['ours']:>16} ({row['times_as_fast']['readable']})"
        )


if __name__ == "__main__":
    main()
