"""BLIP-2 between a frozen image tower and a frozen language model, on one thing in a picture: what it is built of, what
it learns from, and how it is examined.

B pictures · N tokens of the tower · Dv their width · L tokens of a caption · Q queries
Stage 1 and stage 2 read the same pictures with the same Chinese captions.  Chapters 13 and 14.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib.data.world.captions import LANGUAGES
from course_lib.data.world.scenes import combinations
from course_lib.decoding.generation import greedy
from course_lib.models.blip2 import Describer, DescribingReader, QFormer, QFormerConfig, Retriever, Stage1, similarities
from course_lib.models.blip2_pretrain import stage1_losses
from course_lib.models.blip_pretrain import Losses, caption_loss
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.toys import told_shape
from course_lib.toys.borrowed import Borrowed
from course_lib.toys.one_shape import held_out
from course_lib.toys.told_shape import CONTEXT, Batch, Images, batches, exam, first, ids_of, is_token, prompt, read
from course_lib.toys.words import END
from course_lib.training.loop import train

BATCH, LR = 48, 2e-3
SEEDS_APART = 5_000  # steps of which no two seeds show the same pictures
N_QUERIES = 8
LM_CONTEXT = 48  # tokens: three captions or four


def language_model() -> GPT2:
    return GPT2(GPT2Config(n_vocab=first() + 1, context=LM_CONTEXT, d_model=96))


def told_again_and_again(step: int, size: int) -> Int[Tensor, "size T"]:
    """What the language model learns from: rows of captions, one after the other and cut off at the
    end. All captions of a row tell of the same thing, in languages by lot; the things are all 240."""
    chance = torch.Generator().manual_seed(step)
    numbers = torch.randint(len(combinations()), (size,), generator=chance)
    languages = torch.randint(len(LANGUAGES), (size, LM_CONTEXT // 10 + 1), generator=chance)
    rows = told_shape.all_ids()[languages, numbers[:, None]].flatten(1)  # captions filled up with END
    tokens = is_token(told_shape.all_ids())[languages, numbers[:, None]].flatten(1)
    return torch.stack([row[keep][:LM_CONTEXT] for row, keep in zip(rows, tokens)])


@torch.no_grad()
def told_over(lm: GPT2, language: str) -> float:
    """Share of the held-out things of which it tells rightly, word for word, behind a caption in the other language."""
    (other,) = set(LANGUAGES) - {language}
    n_prompt, right = prompt(language).shape[1], []
    for number in held_out().tolist():
        before, after = (each[is_token(each)] for each in (ids_of(other)[number], ids_of(language)[number]))
        said = lm(torch.cat([before, after])[None])[0].argmax(-1)
        right.append(torch.equal(said[len(before) + n_prompt - 1 : -1], after[n_prompt:]))
    return sum(right) / len(right)


def stage1(tower: nn.Module) -> Stage1:
    """Untrained, around a tower with features(images) [B N Dv]."""
    config = QFormerConfig(
        n_vocab=first() + 2,
        context=CONTEXT,
        dec=first() + 1,
        n_queries=N_QUERIES,
        d_image=tower.config.d_model,
        n_layers=4,
    )
    return Stage1(Borrowed(tower), config)


def describer(tower: nn.Module, lm: nn.Module, qformer: QFormer) -> Describer:
    """Stage 2 goes on with a copy of what stage 1 has taught the queries; the projection is new."""
    return Describer(Borrowed(tower), qformer.without_text(), Borrowed(lm))


def losses(model: Stage1, batch: Batch) -> Losses:
    """Stage 1. A caption that says what the picture shows is no negative, whoever's it is."""
    images, ids, numbers = batch
    return stage1_losses(model, images, ids, is_token(ids), same=numbers[:, None] == numbers)


def stage1_loss(model: Stage1, batch: Batch) -> Float[Tensor, ""]:
    return sum(losses(model, batch))


def stage2_loss(model: Describer, batch: Batch) -> Float[Tensor, ""]:
    """Of the words behind the prompt."""
    images, ids, _ = batch
    n_prompt = prompt().shape[1]
    return caption_loss(model, model.look(images), ids, is_token(ids), n_prompt=n_prompt, smoothing=0)


def taught(
    model: nn.Module,
    loss: Callable[[nn.Module, Batch], Tensor],
    steps: int,
    seed: int,
    *,
    size: int = BATCH,
    lr: float = LR,
    progress: Callable[[Iterable], Iterable] = iter,
) -> nn.Module:
    """The model itself, after so many steps of `size` pictures each; which ones, the seed says."""
    stream = (batches(SEEDS_APART * seed + step, size) for step in range(steps))
    train(model, stream, steps=steps, lr=lr, weight_decay=0.05, loss=loss, progress=progress, history=[])
    return model.eval()


def step_flops(model: nn.Module, loss: Callable[[nn.Module, Batch], Tensor], size: int = BATCH) -> int:
    """Floating-point operations of a step, forward and backward: matrix products alone, exact, no clock is read."""
    batch = batches(0, size)
    with FlopCounterMode(display=False) as counter:
        loss(model, batch).backward()
    model.zero_grad()
    return counter.get_total_flops()


def caption(model: Describer, images: Images, language: str = "zh") -> list[str]:
    """The likeliest words, one after the other, prompt included."""
    begun = prompt(language).expand(len(images), -1)
    said = greedy(DescribingReader(model, images, CONTEXT), begun, CONTEXT - begun.shape[1], end=END)
    return [read(row) for row in torch.cat([begun, said], dim=1)]


def exact(model: Describer, language: str = "zh") -> float:
    """Share of pictures of held-out combinations whose caption is right to the last word."""
    return told_shape.exact(lambda images: caption(model, images, language), language)


@torch.no_grad()
def retrieval(model: Retriever, language: str = "zh") -> float:
    """R@1 by contrast: share of the exam's pictures whose caption wins against the 239 others."""
    images, numbers, _ = exam()
    ids = ids_of(language)
    cosines = similarities(model.image_features(model.look(images)), model.text_features(ids, is_token(ids)))
    return (cosines.argmax(1) == numbers).float().mean().item()


@torch.no_grad()
def judgement(model: Retriever, language: str = "zh") -> float:
    """Mean share of true captions said to match, and of captions with one thing wrong said not to. Chance: 0.5."""
    images, numbers, others = exam()
    ids, seen = ids_of(language), model.look(images)

    def yes(rows: Tensor, which: Tensor) -> float:
        logits = model.matches(seen[rows], ids[which], is_token(ids[which]))
        return (logits.argmax(-1) == 1).float().mean().item()

    rows = torch.arange(len(images))
    return (yes(rows, numbers) + 1 - yes(rows.repeat_interleave(3), others.flatten())) / 2
