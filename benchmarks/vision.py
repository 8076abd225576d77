"""How fast ViT and CLIP learn and pictures are prepared: `OMP_NUM_THREADS=1 python benchmarks/vision.py` (two minutes).

One training step (forward, loss, backward, clipping, AdamW) of our ViT and of our CLIP against others of the same size
on the same batch, see vision_peers.py: models in the manner of vit-pytorch, with torch.nn.TransformerEncoder, and those
of transformers. All in float32; and in bf16 autocast where precision.py measures that it pays here. Then pictures of
three sizes through our preprocessing and through the processors of transformers, on Pillow both.
"""

import numpy as np
import torch
from common import arguments, keep, machine, rate, seconds, stepper, times_as_fast
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from vision_peers import CONTEXT, V, clips, plain_clip_loss, vits

from course_lib.data import images
from course_lib.foundations.contrastive import clip_loss
from course_lib.training.precision import best_dtype, cpu_gain

FULL = dict(side=32, patch=4, d_model=128, n_layers=4, n_heads=4)
QUICK = dict(side=8, patch=4, d_model=16, n_layers=1, n_heads=2)
PICTURES = ((500, 375), (1280, 853), (64, 64))


def step_on(model: nn.Module, batch: tuple[Tensor, ...], loss, dtype: torch.dtype):
    """One step on one batch, as a function."""

    def value() -> Tensor:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            outputs = model(*batch)
        return loss(outputs.float())

    return stepper(model, value)


def against(name: str, models: dict[str, nn.Module], batch: tuple, losses: dict, dtype, rounds: int) -> dict:
    """losses: ours by name, and "theirs" for all others."""
    counts = {who: sum(p.numel() for p in model.parameters()) for who, model in models.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"the models differ in size: {counts}")
    kinds = {"fp32": torch.float32} | ({"bf16": dtype} if dtype != torch.float32 else {})
    times = seconds(
        {
            f"{kind} {who}": step_on(model, batch, losses["ours" if who == "ours" else "theirs"], each)
            for kind, each in kinds.items()
            for who, model in models.items()
        },
        rounds,
    )
    n, others, best = len(batch[0]), [who for who in models if who != "ours"], f"{list(kinds)[-1]} ours"
    return {
        "model": name,
        "parameters": counts["ours"],
        "batch": n,
        "images_per_second": {kind: {who: rate(times[f"{kind} {who}"], n) for who in models} for kind in kinds},
        "times_as_fast": {
            kind: {who: times_as_fast(times[f"{kind} ours"], times[f"{kind} {who}"]) for who in others}
            for kind in kinds
        },
        "best_over_their_fp32": {who: times_as_fast(times[best], times[f"fp32 {who}"]) for who in others},
    }


def steps(sizes: dict, n: int, dtype: torch.dtype, rounds: int) -> list[dict]:
    torch.manual_seed(0)
    pictures = torch.randn(n, 3, sizes["side"], sizes["side"])
    labels = torch.randint(10, (n,))
    ids = torch.randint(V - 1, (n, CONTEXT))
    ids[:, -1] = V - 1

    def classify(logits: Tensor) -> Tensor:
        return cross_entropy(logits, labels)

    name = "{side}×{side} patch {patch} L{n_layers} d{d_model} B{n}".format(**sizes, n=n)
    return [
        against(f"ViT {name}", vits(sizes), (pictures,), {"ours": classify, "theirs": classify}, dtype, rounds),
        against(
            f"CLIP {name}", clips(sizes), (pictures, ids), {"ours": clip_loss, "theirs": plain_clip_loss}, dtype, rounds
        ),
    ]


def preparing(rounds: int, n: int) -> list[dict]:
    """Pictures a second, one at a time."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    pairs = {
        "ViT": (images.VIT, ViTImageProcessorPil()),
        "CLIP": (images.CLIP, CLIPImageProcessorPil()),
        "SigLIP": (images.SIGLIP, SiglipImageProcessorPil()),
    }
    rows = []
    for W, H in PICTURES:
        picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8))
        for name, (ours, theirs) in pairs.items():
            times = seconds(
                {
                    "ours": lambda ours=ours, each=picture: [ours(each) for _ in range(n)],
                    "transformers": lambda theirs=theirs, each=picture: [
                        theirs(each, return_tensors="pt") for _ in range(n)
                    ],
                },
                rounds,
            )
            rows.append(
                {
                    "processor": name,
                    "picture": f"{W}×{H}",
                    "images_per_second": {who: rate(each, n) for who, each in times.items()},
                    "times_as_fast": times_as_fast(times["ours"], times["transformers"]),
                }
            )
    return rows


def main() -> None:
    options = arguments(__doc__)
    dtype = best_dtype()
    rows = steps(QUICK if options.quick else FULL, 4 if options.quick else 128, dtype, options.rounds)
    prepared = preparing(options.rounds, 2 if options.quick else 20)
    settings = {
        "best_dtype": str(dtype).removeprefix("torch."),
        "bf16_gain": round(cpu_gain(), 2),
        "rounds": options.rounds,
    }
    keep({"machine": machine(), "settings": settings, "steps": rows, "preparing": prepared}, "vision", options)
    for row in rows:
        print(f"{row['model']}, {row['parameters']:,} parameters")
        for kind, found in row["images_per_second"].items():
            each = "  ".join(f"{who} {one['median']:,.0f}" for who, one in found.items())
            print(f"  {kind} images/s  {each}   times as fast {row['times_as_fast'][kind]}")
        print(f"  our best against their fp32: {row['best_over_their_fp32']}")
    for row in prepared:
        each = "  ".join(f"{who} {one['median']:,.0f}" for who, one in row["images_per_second"].items())
        print(f"{row['processor']} {row['picture']}: images/s  {each}   times as fast {row['times_as_fast']}")


if __name__ == "__main__":
    main()
