"""CapFilt on pictures of which it is known whose caption is wrong (BLIP, section 3.3: bootstrapping).

N pairs · L tokens
    a model learns from the web's pairs and a few that people wrote; two copies of it are tuned on those few:
    the captioner, by LM, writes a new caption to every picture of the web; the filter, by ITC and ITM, throws out those
    of either kind that it says do not match; a new model learns from what is left.
English captions: they are the shorter ones.  Chapter 12.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from course_lib.chapters.ch12_blip import learning
from course_lib.data.world.scenes import combinations
from course_lib.decoding.sampling import sample
from course_lib.models.blip import Captioner, CaptionReader, Retriever
from course_lib.models.blip_pretrain import Losses, Pretraining
from course_lib.toys.one_shape import seen
from course_lib.toys.words import END
from course_lib.training.loop import train

LANGUAGE = "en"
HUMAN = 10**5  # the number of the first picture with a caption that somebody wrote
TOP_P = 0.9  # as the released code writes its captions


class Pairs(NamedTuple):
    """Pictures, a caption each, and the combination that is in the picture, which training is not told."""

    images: Float[Tensor, "N 3 32 32"]
    ids: Int[Tensor, "N L"]
    shown: Int[Tensor, " N"]

    def right(self) -> Bool[Tensor, " N"]:
        """Whose caption says what is in the picture, to the last word."""
        return (self.ids == captions()[self.shown]).all(dim=1)

    def of(self, rows: Tensor) -> "Pairs":
        return Pairs(*(part[rows] for part in self))


def captions() -> Int[Tensor, "240 L"]:
    """Of combinations(), no longer than the longest."""
    ids = learning.all_ids()[learning.LANGUAGES.index(LANGUAGE)]
    return ids[:, : int(learning.is_token(ids).sum(1).max())]


def true_pairs(numbers: Int[Tensor, " N"], first: int) -> Pairs:
    """A picture of each combination, numbers first, first + 1, … of the world, with its caption."""
    return Pairs(learning.look_at([combinations()[i] for i in numbers.tolist()], first), captions()[numbers], numbers)


def web(n_each: int, share: float, chance: torch.Generator) -> Pairs:
    """n_each pictures of each seen combination; a share of them has the caption of another combination."""
    pairs = true_pairs(seen().repeat(n_each), 0)
    n = len(pairs.shown)
    wrong = torch.randperm(n, generator=chance)[: round(share * n)]
    places = torch.searchsorted(seen(), pairs.shown[wrong])
    places += torch.randint(1, len(seen()), (len(wrong),), generator=chance)
    pairs.ids[wrong] = captions()[seen()[places % len(seen())]]
    return pairs


def together(*several: Pairs) -> Pairs:
    return Pairs(*(torch.cat(part) for part in zip(*several)))


def taught(
    model: Pretraining,
    pairs: Pairs,
    steps: int,
    seed: int,
    *,
    lr: float = learning.LR,
    objective: Callable[[Losses], Tensor] = sum,
    progress: Callable[[Iterable], Iterable] = iter,
) -> Pretraining:
    """Trained in place on rows drawn by lot, in eval mode. Equal captions of a batch are no negatives of each other."""
    chance = torch.Generator().manual_seed(seed)

    def batches():
        while True:
            yield pairs.of(torch.randint(len(pairs.ids), (learning.BATCH,), generator=chance))

    def loss(model: Pretraining, batch: Pairs) -> Tensor:
        same = (batch.ids[:, None] == batch.ids).all(dim=-1)
        return objective(model(batch.images, batch.ids, learning.is_token(batch.ids), same=same))

    train(model, batches(), steps=steps, lr=lr, weight_decay=0.05, loss=loss, progress=progress, history=[])
    return model.eval()


def captioner_and_filter(
    model: Pretraining, human: Pairs, steps: int, seed: int, lr: float
) -> tuple[Pretraining, Pretraining]:
    """Two copies, each tuned for its own task on the pairs that people wrote."""
    captioner = taught(deepcopy(model), human, steps, seed, lr=lr, objective=lambda losses: losses.lm)
    matcher = taught(deepcopy(model), human, steps, seed, lr=lr, objective=lambda losses: losses.itc + losses.itm)
    return captioner, matcher


def written(captioner: Captioner, pairs: Pairs, chance: torch.Generator) -> Pairs:
    """The same pictures with captions drawn from the captioner, nucleus of 0.9."""
    prompt = learning.prompt(LANGUAGE).expand(len(pairs.ids), -1)
    room = captions().shape[1] - prompt.shape[1]
    said = sample(CaptionReader(captioner, pairs.images), prompt, room, top_p=TOP_P, end=END, generator=chance)
    return pairs._replace(ids=torch.cat([prompt, pad(said, (0, room - said.shape[1]), value=END)], dim=1))


def belief(matcher: Retriever, pairs: Pairs) -> Float[Tensor, " N"]:
    """The filter's probability that picture and caption match."""
    parts = zip(pairs.images.split(256), pairs.ids.split(256))
    return torch.cat([learning.matching(matcher, images, ids) for images, ids in parts])
