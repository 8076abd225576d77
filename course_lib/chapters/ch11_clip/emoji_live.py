"""The same on animals, plants, food and drinks alone, in less than a minute: trained before the reader.

    model = train_live(progress=tqdm)         # 288 things by two hands
    live_table(model)["zh", "t2i"]            # (R@1, R@5) of the third hand among the 288
Chapter 11.
"""

from collections.abc import Callable, Iterable

import torch

from course_lib.chapters.ch11_clip import emoji_clip
from course_lib.chapters.ch11_clip.retrieval import retrieval_table
from course_lib.training.loop import train

STEPS = 700
BATCH = 96
LR = 4e-3


def train_live(
    steps: int = STEPS, *, seed: int = 0, progress: Callable[[Iterable], Iterable] = iter
) -> emoji_clip.EmojiCLIP:
    """An EmojiCLIP that has seen two hands. progress wraps the steps, for example tqdm."""
    batches = emoji_clip.batches_of(emoji_clip.live_rows, BATCH)
    torch.manual_seed(seed)
    model = emoji_clip.build()
    stream = (batches(100_000 * seed + step) for step in range(steps))
    train(model, stream, steps=steps, lr=LR, loss=emoji_clip.loss, weight_decay=0.1, progress=progress, history=[])
    return model.eval()


def live_table(model: emoji_clip.EmojiCLIP) -> dict[tuple[str, str], tuple[float, float]]:
    """(R@1, R@5) by (language, "i2t" or "t2i"): the hand that was never seen, among the things of the live groups."""
    pictures, texts = emoji_clip.features(model)
    return retrieval_table(pictures, texts, emoji_clip.live_rows(), emoji_clip.live_rows())


def live_baseline() -> float:
    """R@1 of the nearest drawing, pixel by pixel, among the same things."""
    return emoji_clip.pixel_baseline(emoji_clip.live_rows(), emoji_clip.live_rows())
