"""What rules make of a poet: how it writes on, and all that is measured of it, side by side.

B poems · T tokens with their edges · V vocabulary
    ⏎春眠不觉晓， | 处处闻啼鸟。夜来风雨声，花落知多少。⏎     prompt: the edge and a poem's first line; answer
A reward is one number, and a policy finds ways to it that nobody meant. To end all lines in the same few characters is
the shortest way to rhyme; a poem of five repeats less than one of seven, so a poet that chooses the form stops writing
those of seven: the first line is given, and with it the form. More is measured than is rewarded: what comes twice
within a poem and among poems, the way from the reference, lines copied, how likely the poets' own poems still are.
Read first: rhymes.py, posttraining/rollout.py.  Chapters 21 to 24.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.data.real.poem_rules import form_reward, lines_of, rhyme_reward, tone_reward, variety_reward
from course_lib.data.real.poems import BAR, EDGE, MARKS, SIGNS, poems, tokenizer
from course_lib.foundations.checks import check_count
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.rewards import Rewards
from course_lib.posttraining.rollout import RollOut, left_padded, roll_out
from course_lib.toys.rhymes import scores

LONGEST = 34  # tokens of a poem of seven with both edges; what goes on beyond it has not the form


def without_dropout(poet: GPT2) -> GPT2:
    """A copy that drops nothing out in training mode either: what writes and what learns must be one policy."""
    policy = GPT2(replace(poet.config, dropout=0.0))
    policy.load_state_dict(poet.state_dict())
    return policy.eval()


def beginnings(n: int, *, length: int | None = None, split: str = "train", seed: int = 0) -> list[str]:
    """How n different poems begin: with their first line and its mark, or with `length` characters.

    Raises ValueError for more poems than there are, or for a length outside 0 … 5, where poems of five and of seven
    part.
    """
    check_count("n", n, 1)
    if not (length is None or 0 <= length <= 5) or n > len(poems(split)):
        raise ValueError(f"length ({length}) must be 0 to 5, n ({n}) at most {len(poems(split))}, the poems of {split}")
    drawn = random.Random(seed).sample(poems(split), n)
    return [poem.lines[0] + MARKS[0] if length is None else poem.lines[0][:length] for poem in drawn]


def edge() -> int:
    return tokenizer().encode(EDGE)[0]


def write(
    policy: GPT2, begun: Sequence[str], *, n: int = 1, temperature: float = 1.0, generator: torch.Generator
) -> tuple[RollOut, list[str]]:
    """n poems to each beginning, its own next to each other, as ids and as texts without edges."""
    prompt, is_token = left_padded([tokenizer().encode(EDGE + each) for each in begun], edge())
    written = roll_out(
        policy,
        prompt,
        is_token=None if is_token.all() else is_token,
        n=n,
        limit=LONGEST - prompt.shape[1],
        end=edge(),
        temperature=temperature,
        generator=generator,
    )
    return written, [begun[i // n] + tokenizer().decode(answer) for i, answer in enumerate(written.answers())]


def as_ids(texts: Sequence[str]) -> Int[Tensor, "B T"]:
    """Texts between edges, filled up with edges."""
    ids = torch.full((len(texts), max(map(len, texts)) + 2), edge())
    for row, text in zip(ids, texts):
        row[1 : len(text) + 1] = torch.tensor(tokenizer().encode(text))
    return ids


@cache
def known_lines() -> frozenset[str]:
    return frozenset(line for poem in poems("train") for line in poem.lines)


def habits(texts: Sequence[str]) -> dict[str, float]:
    """Shares, each from 0 to 1.

    form: of the texts. Of those that have it: five, characters to a line, and not seven; rhyme; tone, of their lines;
    variety, nothing twice; copied, lines that training poems have; one end, the commonest character at the end of lines
    2 and 4. Of all texts, without marks: repeated, characters that their text had before; distinct, how many of the
    pairs of neighbours in all lines are different pairs, which more texts make smaller: compare equally many.
    """
    formed = [lines for lines in map(lines_of, texts) if lines]
    n = max(1, len(formed))
    ends = Counter(line[-1] for lines in formed for line in lines[1::2])
    runs = [[run for run in re.split(f"[{MARKS}{EDGE}{BAR}]", text) if run] for text in texts]
    bare = ["".join(each) for each in runs]
    pairs = [run[i : i + 2] for each in runs for run in each for i in range(len(run) - 1)]
    return {
        "form": sum(map(form_reward, texts)) / len(texts),
        "five": sum(len(lines[0]) == 5 for lines in formed) / n,
        "rhyme": sum(map(rhyme_reward, formed)) / n,
        "tone": sum(map(tone_reward, formed)) / n,
        "variety": sum(map(variety_reward, formed)) / n,
        "distinct": len(set(pairs)) / max(1, len(pairs)),
        "one end": max(ends.values(), default=0) / (2 * n),
        "repeated": sum(len(text) - len(set(text)) for text in bare) / max(1, sum(map(len, bare))),
        "copied": sum(line in known_lines() for lines in formed for line in lines) / (4 * n),
    }


@torch.no_grad()
def distance(policy: GPT2, reference: GPT2, written: RollOut) -> float:
    """KL(policy ‖ reference) of a whole poem in nats, from what the policy wrote at temperature 1: the sum of the exact
    KL of every token after what stands before it, mean over poems. Less scattered than the sum of log-ratios."""
    total = 0.0
    parts = (each.split(64) for each in (written.ids, written.is_token, written.is_answer))
    for ids, is_token, is_answer in zip(*parts):
        kl = exact_kl(*(model(ids, is_token=is_token)[:, :-1] for model in (policy, reference)))
        total += float(kl[is_target(is_answer)].sum())
    return total / len(written.ids)


@torch.no_grad()
def log_probability(policy: GPT2, split: str = "held-out", n: int = 300) -> float:
    """Of a character of the first n poems, in nats, on average; marks and edges are left out, as in chapter 08."""
    ids = as_ids([str(poem) for poem in poems(split)[:n]])
    log_probs = torch.cat([token_log_probs(policy(part), part) for part in ids.split(64)])
    return float(log_probs[ids[:, 1:] >= len(SIGNS)].mean())


def examined(
    policy: GPT2, reference: GPT2, *, n: int = 256, length: int | None = None, seed: int = 0
) -> dict[str, float]:
    """habits of n poems that go on from how held-out poems begin, distance "kl" and log_probability "held-out"."""
    draw = torch.Generator().manual_seed(seed)
    written, texts = write(policy, beginnings(n, length=length, split="held-out"), generator=draw)
    return habits(texts) | {"kl": distance(policy, reference, written), "held-out": log_probability(policy)}


def side_by_side(poets: Sequence[GPT2], n: int = 10, seed: int = 0) -> list[tuple[str, ...]]:
    """By n first lines of held-out poems, drawn by seed: the poem of each poet, all with the same chance."""
    begun = beginnings(n, split="held-out", seed=seed)
    return list(zip(*(write(each, begun, generator=torch.Generator().manual_seed(seed))[1] for each in poets)))


def told_apart(
    poets: Sequence[GPT2], rewards: Rewards, n: int = 10, seed: int = 0
) -> list[tuple[tuple[str, ...], list[float]]]:
    """Each row of `side_by_side`, and what each of its poems earns."""
    return [(row, scores(row, rewards)) for row in side_by_side(poets, n, seed)]
