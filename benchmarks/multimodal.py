"""How fast LLaVA and Qwen2-VL answer and learn: `OMP_NUM_THREADS=1 python benchmarks/multimodal.py`, one minute.

Ours against transformers' models with the same weights, read from the checkpoints that transformers saved. Answering:
a prompt of one picture and 16 words, 128 greedy tokens; `ours` are the readers of decoding/fast_seeing.py, `readable`
those of the models' own files; looking at the picture and building the reader are counted. Learning: forward, loss on
the last 64 tokens, backward, clipping, AdamW, all parts learning. All in float32.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from common import arguments, beside_transformers, keep, machine, rate, seconds, stepper, times_as_fast
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.decoding.fast_seeing import FastLlavaReader, FastQwen2VLReader
from course_lib.decoding.generation import greedy
from course_lib.foundations.mrope import after_sides
from course_lib.foundations.native import Grid, Seen
from course_lib.hub import load_llava, load_qwen2_5_vl, load_qwen2_vl
from course_lib.models.llava import LlavaReader
from course_lib.models.qwen2_vl import Qwen2VLReader

V, IMAGE, VIDEO, START, WORDS, ANSWER = 256, 253, 254, 255, 16, 64
SIZES = {"L4 d128": dict(layers=4, width=128, side=8), "L2 d64": dict(layers=2, width=64, side=4)}
QUICK = {"L1 d64": dict(layers=1, width=64, side=2)}


@dataclass
class Two:
    """One model twice. fast, readable: our readers. images: what ours takes; named: what theirs takes beside ids.
    never: ids that neither side writes."""

    ours: nn.Module
    theirs: nn.Module
    fast: Callable
    readable: Callable
    images: object
    named: dict[str, Tensor]
    n_tokens: int
    never: tuple[int, ...]

    def ids(self, batch: int, n_words: int) -> Tensor:
        """[batch n_tokens + n_words]: the picture's tokens in front."""
        words = torch.randint(1, V - 3, (batch, n_words))
        return torch.cat([torch.full((batch, self.n_tokens), IMAGE), words], dim=1)

    def repeated(self, batch: int) -> tuple[object, dict[str, Tensor]]:
        """A picture for every text."""
        several = {name: each.repeat(batch, *[1] * (each.dim() - 1)) for name, each in self.named.items()}
        images = self.images.repeat(batch, 1, 1, 1) if isinstance(self.images, Tensor) else self.images * batch
        return images, several


def text(layers: int, width: int) -> dict:
    return dict(
        vocab_size=V,
        hidden_size=width,
        intermediate_size=width * 11 // 4,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=1,
        eos_token_id=None,
        pad_token_id=0,
        max_position_embeddings=1024,
    )


def llava(layers: int, width: int, side: int) -> Two:
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    vision = dict(
        model_type="clip_vision_model",
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        image_size=8 * side,
        patch_size=8,
    )
    language = dict(model_type="llama", **text(layers, width))
    theirs = LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=language, image_token_index=IMAGE)
    )
    image = torch.randn(1, 3, 8 * side, 8 * side)
    ours = twin(theirs, load_llava)
    return Two(ours, theirs, FastLlavaReader, LlavaReader, image, {"pixel_values": image}, side**2, (IMAGE,))


def qwen(layers: int, width: int, side: int, windows: bool) -> Two:
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
    )

    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [width // 32, width * 3 // 64, width * 3 // 64]}
    if windows:
        vision = dict(depth=layers, hidden_size=width, out_hidden_size=width, num_heads=4, patch_size=4, window_size=32)
        vision |= dict(intermediate_size=width * 11 // 4, fullatt_block_indexes=[layers - 1])
    else:
        vision = dict(depth=layers, embed_dim=width, hidden_size=width, num_heads=4, patch_size=4)
    made, config = (
        (Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig)
        if windows
        else (Qwen2VLForConditionalGeneration, Qwen2VLConfig)
    )
    ids = dict(image_token_id=IMAGE, video_token_id=VIDEO, vision_start_token_id=START, vision_end_token_id=START)
    theirs = made(config(text_config=text(layers, width) | dict(rope_parameters=rope), vision_config=vision, **ids))
    ours = twin(theirs, load_qwen2_5_vl if windows else load_qwen2_vl)
    ours.config = replace(ours.config, resume=after_sides)
    grid = Grid(1, 2 * side, 2 * side)
    patches = torch.randn(grid.n_patches, ours.config.tower.d_patch)
    named = {"pixel_values": patches, "image_grid_thw": torch.tensor([grid])}
    return Two(ours, theirs, FastQwen2VLReader, Qwen2VLReader, [Seen(patches, grid)], named, side**2, (IMAGE, VIDEO))


def twin(theirs: nn.Module, load: Callable) -> nn.Module:
    """Ours, with their weights."""
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        return load(folder)


def kinds(sizes: dict) -> dict[str, Two]:
    torch.manual_seed(0)
    return {
        "LLaVA": llava(**sizes),
        "Qwen2-VL": qwen(**sizes, windows=False),
        "Qwen2.5-VL": qwen(**sizes, windows=True),
    }


def their_inputs(two: Two, ids: Tensor, named: dict[str, Tensor]) -> dict[str, Tensor]:
    """Qwen's models, which have images and videos, want to be told which tokens are which."""
    more = {"mm_token_type_ids": (ids == IMAGE).int()} if VIDEO in two.never else {}
    return dict(input_ids=ids, attention_mask=torch.ones_like(ids), **named, **more)


def answering(name: str, size: str, two: Two, batch: int, n_new: int, rounds: int) -> dict:
    ids, (images, named) = two.ids(batch, WORDS), two.repeated(batch)
    two.ours.eval().requires_grad_(False), two.theirs.eval().requires_grad_(False)
    settings = dict(max_new_tokens=n_new, do_sample=False, suppress_tokens=list(two.never))

    @torch.inference_mode()
    def generate() -> Tensor:
        return two.theirs.generate(**their_inputs(two, ids, named), **settings)[:, ids.shape[1] :]

    room = ids.shape[1] + n_new
    ways = {
        "ours": lambda: greedy(two.fast(two.ours, room, images), ids, n_new),
        "readable": lambda: greedy(two.readable(two.ours, room, images), ids, n_new),
        "transformers": generate,
    }
    row, _ = beside_transformers(ways, batch * n_new, rounds)
    return {"model": f"{name} {size}", "way": "greedy", "batch": batch, **row}


def learning(name: str, size: str, two: Two, batch: int, n_words: int, rounds: int) -> dict:
    ids, (images, named) = two.ids(batch, n_words), two.repeated(batch)
    inputs = their_inputs(two, ids, named)
    losses = {
        "ours": lambda: loss_of(two.ours(ids, images), ids, n_words),
        "transformers": lambda: loss_of(two.theirs(**inputs).logits, ids, n_words),
    }
    models = {"ours": two.ours, "transformers": two.theirs}
    first = {who: float(each().detach()) for who, each in losses.items()}
    if abs(first["ours"] - first["transformers"]) > 1e-3:
        raise ValueError(f"the first losses differ: {first}")
    times = seconds({who: stepper(models[who].requires_grad_(True), losses[who]) for who in losses}, rounds)
    return {
        "model": f"{name} {size}",
        "parameters": sum(p.numel() for p in two.ours.parameters()),
        "batch": batch,
        "tokens": ids.shape[1],
        "texts_per_second": {who: rate(each, batch) for who, each in times.items()},
        "times_as_fast": times_as_fast(times["ours"], times["transformers"]),
    }


def loss_of(logits: Tensor, ids: Tensor, n_words: int) -> Tensor:
    return cross_entropy(logits[:, -n_words - 1 : -1].flatten(0, 1), ids[:, -n_words:].flatten())


def main() -> None:
    options = arguments(__doc__)
    n_new, n_words, batch = (8, 8, 2) if options.quick else (128, ANSWER, 8)
    sizes = QUICK if options.quick else SIZES
    answers, learns = [], []
    for size, each in sizes.items():
        for name, two in kinds(each).items():
            learns.append(learning(name, size, two, batch, n_words, options.rounds * 4))
            answers.append(answering(name, size, two, 1, n_new, options.rounds))
    settings = {"dtype": "float32", "new_tokens": n_new, "words": WORDS, "rounds": options.rounds}
    keep(
        {"machine": machine(), "settings": settings, "against_transformers": answers, "steps": learns},
        "multimodal",
        options,
    )
    for row in answers:
        each = "  ".join(f"{who} {one['median']:,.0f}" for who, one in row["tokens_per_second"].items())
        print(f"{row['model']} batch {row['batch']} tokens/s  {each}   times as fast {row['times_as_fast']}")
    for row in learns:
        each = "  ".join(f"{who} {one['median']:,.1f}" for who, one in row["texts_per_second"].items())
        print(f"{row['model']} learning texts/s  {each}   times as fast {row['times_as_fast']}")


if __name__ == "__main__":
    main()
