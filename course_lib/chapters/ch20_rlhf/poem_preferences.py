"""Which of two poems is better: pairs that the zoo's poet wrote and the rules labelled, and a reward model of them.

B poems · T tokens
    written by the poet → labelled by the rules (toys/rhymes.py), some turned → reward model: the poet's trunk, a head
The rules are the true preference here, and they cost nothing: what the model has learned is measured against them, and
never against a turned label. Chapter 20.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from math import ceil

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib import zoo
from course_lib.data.real.poems import EDGE, tokenizer
from course_lib.foundations.checks import check_count
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.reward_model import RewardModel, reward_loss
from course_lib.posttraining.rollout import roll_out
from course_lib.toys.rhymes import Pair, labelled_pairs
from course_lib.training.step import Settings, Update

LONGEST = 34  # tokens that a poem takes with its edges; what is longer is cut there
PART = 256  # poems written at a time
MEETINGS = 4  # pairs in which each poem stands, as InstructGPT's labellers ranked 4 to 9 answers to a prompt
LEFT = 0.8  # share of the pairs, at least, of which the rules prefer one: one in nine earns the same
EXAM = 1_000_000  # no training takes parts from here on
BATCH, LR, EPOCHS, PRECISION = 16, 1e-3, 1, "bf16"

Batch = Int[Tensor, "B 2 T"]  # chosen, rejected


@cache
def poet() -> GPT2:
    return zoo.load("poet").requires_grad_(False).eval()


def edge() -> int:
    return tokenizer().encode(EDGE)[0]


def write(n: int, seed: int, beginning: str = "", *, writer: GPT2 | None = None) -> list[str]:
    """n poems that begin so, each up to its edge, by the writer (default: the poet) at temperature 1."""
    start = torch.tensor([tokenizer().encode(EDGE + beginning)])
    chance = torch.Generator().manual_seed(seed)
    texts: list[str] = []
    while len(texts) < n:
        said = roll_out(
            writer or poet(),
            start,
            n=min(PART, n - len(texts)),
            limit=LONGEST - start.shape[1],
            end=edge(),
            generator=chance,
        )
        texts += [beginning + tokenizer().decode(answer) for answer in said.answers()]
    return texts


@cache
def written(part: int) -> tuple[str, ...]:
    """PART poems; part is their number and their seed. Kept, for writing takes longer than learning."""
    return tuple(write(PART, part))


def pool(n: int, first: int = 0) -> list[str]:
    """The first n poems or a few more, from part `first` on."""
    return [text for part in range(first, first + ceil(n / PART)) for text in written(part)]


def pairs(n: int, seed: int, flip: float = 0.0, *, first: int = 0) -> list[Pair]:
    """n pairs to learn from; a poem meets MEETINGS others. seed: which, and whose labels are turned.

    flip: share of the labels that are turned. first: the part from which on poems are taken.
    """
    check_count("n", n, 1)
    texts, chance = pool(ceil(2 * n / LEFT / MEETINGS), first), random.Random(seed)
    met = [text for _ in range(MEETINGS) for text in chance.sample(texts, len(texts))]
    return labelled_pairs(met, n, seed, flip=flip)


@cache
def exam(n: int = 1000) -> list[Pair]:
    """n pairs of poems that no training has, none turned."""
    return pairs(n, 0, first=EXAM)


def ids_of(texts: Sequence[str]) -> Int[Tensor, "B T"]:
    """⏎ poem ⏎, filled up with edges."""
    ids = torch.full((len(texts), LONGEST), edge())
    for row, text in zip(ids, texts):
        said = tokenizer().encode(text)[: LONGEST - 2]
        row[1 : len(said) + 1] = torch.tensor(said)
    return ids


def batch_of(some: Sequence[Pair]) -> Batch:
    return torch.stack([ids_of([pair[side] for pair in some]) for side in (0, 1)], dim=1)


def masked(ids: Int[Tensor, "B T"]) -> dict[str, Tensor]:
    """What a RewardModel is called with: poem and edge are the answer, and at that edge the score is read."""
    place = torch.arange(ids.shape[1], device=ids.device)
    length = (ids[:, 1:] == edge()).byte().argmax(1)[:, None]
    is_token = place < length + 2
    return {"ids": ids, "is_answer": is_token & (place > 0), "is_token": is_token}


def loss(model: RewardModel, batch: Batch) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """reward_loss, for Update."""
    return reward_loss(model, {"chosen": masked(batch[:, 0]), "rejected": masked(batch[:, 1])})


def build() -> RewardModel:
    """The poet with a head that nobody has trained yet; dropout off: it learns slower with it, and no better."""
    body = zoo.load("poet")
    for module in body.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return RewardModel(body)


def reward_model(
    some: Sequence[Pair],
    seed: int,
    *,
    epochs: int = EPOCHS,
    progress: Callable[[Iterable], Iterable] = iter,
) -> RewardModel:
    """Trained on the pairs, each as often as there are epochs, in eval mode. Raises ValueError for fewer than BATCH."""
    if len(some) < BATCH:
        raise ValueError(f"{len(some)} pairs do not fill a batch of {BATCH}; draw more")
    torch.manual_seed(seed)
    model, chance = build(), random.Random(seed)
    rows = [row for _ in range(epochs) for row in chance.sample(range(len(some)), len(some))]
    steps = len(rows) // BATCH
    settings = Settings(steps=steps, lr=LR, weight_decay=0.01, precision=PRECISION)
    update = Update(model, settings, loss=loss)
    for step in progress(range(steps)):
        update(batch_of([some[row] for row in rows[step * BATCH : (step + 1) * BATCH]]))
    return model.eval()


@torch.no_grad()
def scores_of(model: RewardModel, texts: Sequence[str]) -> Float[Tensor, " B"]:
    """What the model says of each poem."""
    parts = [ids_of(texts[i : i + PART]) for i in range(0, len(texts), PART)]
    return torch.cat([model(**masked(part)) for part in parts])


def right(model: RewardModel, some: Sequence[Pair]) -> float:
    """Share of the pairs in which the poem that the rules prefer scores higher; a turned label is turned back."""
    chosen, rejected, turned = zip(*some)
    higher = scores_of(model, chosen) > scores_of(model, rejected)
    return float((higher != torch.tensor(turned)).double().mean())


def agrees(model: RewardModel, some: Sequence[Pair]) -> float:
    """Share of the pairs in which the poem that the label names scores higher, be it right or not."""
    chosen, rejected, _ = zip(*some)
    return float((scores_of(model, chosen) > scores_of(model, rejected)).double().mean())


def best_of(model: RewardModel, prompts: Sequence[str], n: int, seed: int = 0) -> list[str]:
    """To each beginning n poems by the poet, and of these the one that the model scores highest."""
    found = []
    for number, prompt in enumerate(prompts):
        texts = write(n, seed * 1000 + number, prompt)
        found.append(texts[int(scores_of(model, texts).argmax())])
    return found


def best_of_curve(
    proxy: Float[Tensor, " M"], true: Float[Tensor, " M"], counts: Sequence[int]
) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
    """Mean proxy and mean true score of the best of n by the proxy, for each n of counts: over all draws of n different
    ones from M, none drawn. The i-th smallest wins C(i - 1, n - 1) of C(M, n) draws (Hilton & Gao 2022, Measuring
    Goodhart's law). Raises ValueError for an n above M."""
    M = len(proxy)
    if max(counts) > M:
        raise ValueError(f"the best of {max(counts)} needs as many; there are {M}")
    order = proxy.argsort(stable=True)
    at = torch.arange(1, M + 1, dtype=torch.float64)

    def log_choose(a: Tensor, b: float) -> Tensor:
        return torch.lgamma(a + 1) - torch.lgamma(torch.tensor(b + 1.0, dtype=at.dtype)) - torch.lgamma(a - b + 1)

    wins = torch.stack(
        [(log_choose(at - 1, n - 1.0) - log_choose(at[-1], float(n))).exp().masked_fill(at < n, 0) for n in counts]
    )
    return wins @ proxy[order].double(), wins @ true[order].double()
