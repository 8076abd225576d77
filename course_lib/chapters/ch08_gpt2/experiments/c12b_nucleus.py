"""C12b: cutting the tail of the distribution keeps sentences within the grammar and leaves them varied.

Holtzman et al. 2019 (arXiv:1904.09751) on nucleus sampling; GPT-2's published samples used top-k 40.  Chapter 08.

A model that has not learnt to the end writes captions. Their grammar is known: `parse_caption` reads a caption or
refuses it. Variety is 2 to the entropy of the first thing that is said: as many of the 8 · 6 · 9 = 432 as it seems.
"""

import math
from collections import Counter

import torch

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.text.demonstrations import LENGTH, PAIRS, PLACES, tokenizer
from course_lib.data.world.captions import Phrase, parse_caption, write
from course_lib.data.world.dice import Dice
from course_lib.decoding.sampling import sample
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import LlamaReader
from course_lib.training.loop import train

BATCH = 64
PEAK_LR = 4e-3
TEMPERATURES = (0.0, 0.3, 0.5, 0.7, 1.0, 1.3, 1.6)
NUCLEI = (0.3, 0.5, 0.7, 0.9, 0.95, 0.99)


def captions(seed: int, n: int) -> torch.Tensor:
    """n captions of one or two things with their places, as ids between <|endoftext|>."""
    dice, end = Dice(seed, "captions alone"), tokenizer().end_of_text
    rows = torch.full((n, LENGTH), end)
    for row in rows:
        things = [Phrase(*dice.choice(PAIRS), position=dice.choice(PLACES)) for _ in range(dice.between(1, 2))]
        ids = tokenizer().encode(write(things))
        row[1 : len(ids) + 1] = torch.tensor(ids)
    return rows


def trained(seed: int, steps: int, progress=iter) -> GPT2:
    torch.manual_seed(seed)
    model = GPT2(GPT2Config(n_vocab=tokenizer().n_vocab, context=LENGTH + 8, d_model=48, n_layers=2, n_heads=4))
    train(model, captions(seed, steps * BATCH).split(BATCH), steps=steps, lr=PEAK_LR, progress=progress, history=[])
    return model.eval()


def written(model: GPT2, n: int, seed: int, **knobs) -> list[str]:
    """n captions from the model."""
    end = tokenizer().end_of_text
    start = torch.full((n, 1), end)
    chance = torch.Generator().manual_seed(seed)
    rows = sample(LlamaReader(model, LENGTH + 8), start, LENGTH, end=end, generator=chance, **knobs)
    return [tokenizer().decode(token for token in row if token != end) for row in rows]


def legal_and_varied(texts: list[str]) -> tuple[float, float]:
    """Share of captions that the grammar reads; 2 ** entropy of what they say first (0 if none is read)."""
    firsts: Counter = Counter()
    for text in texts:
        try:
            firsts[parse_caption(text)[:1]] += 1
        except ValueError:
            continue
    n = sum(firsts.values())
    entropy = sum(count / n * math.log2(n / count) for count in firsts.values())
    return n / len(texts), 2**entropy if n else 0.0


def measure(seed: int, *, progress, steps: int, n: int) -> dict[str, list[float]]:
    """Legality and variety by temperature without a cut, and by top-p at temperature 1."""
    model = trained(seed, steps, lambda each: progress(each, "train"))
    by_temperature = [legal_and_varied(written(model, n, seed, temperature=t)) for t in TEMPERATURES]
    by_nucleus = [legal_and_varied(written(model, n, seed, top_p=p)) for p in NUCLEI]
    return {
        "legal_temperature": [legal for legal, _ in by_temperature],
        "varied_temperature": [varied for _, varied in by_temperature],
        "legal_top_p": [legal for legal, _ in by_nucleus],
        "varied_top_p": [varied for _, varied in by_nucleus],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Best variety among the settings that are legal at least 98 times of 100, in each seed. Holds: in every seed
    top-p's is larger than temperature's by a tenth or more, and plain sampling is legal less often. Fails: top-p's is
    smaller on average."""

    def best(kind: str):
        legal, varied = figures[f"legal_{kind}"].values, figures[f"varied_{kind}"].values
        return (varied * (legal >= 0.98)).max(axis=1)

    by_p, by_t = best("top_p"), best("temperature")
    plain = figures["legal_temperature"].values[:, 4]
    measured = (
        f"直接采样（温度 1）合语法的占 {plain.mean():.0%}。合语法不低于 98 % 的设置里，最多的花样："
        f"top-p 有 {by_p.mean():.0f} 种，只调温度有 {by_t.mean():.0f} 种（真实的分布是 432 种）。"
        f"贪心永远写同一句：{figures['varied_temperature'].mean[0]:.0f} 种。"
    )
    if by_p.mean() < by_t.mean():
        return Verdict("fails", f"只调温度反而更多样。{measured}")
    if (by_p >= 1.1 * by_t).all() and (plain < 0.98).all():
        return Verdict("holds", measured)
    return Verdict("partly", f"{measured}截断确实有用，但温度挑得好，差得很少，不到一成，或者不是每个种子都分得开。")


CLAIM = Claim(
    id="C12b",
    chapter="08",
    title="截断尾巴：合语法，又不单调",
    statement="在同样合语法的前提下，top-p 采样比只调低温度写得更多样。",
    question="一个没训练到底的模型写图片说明。温度 0 到 1.6，top-p 0.3 到 0.99：多少句合语法？有多少种花样？",
    refuted_if="合语法不低于 98 % 的设置里，只调温度的花样平均多于 top-p。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"steps": 80, "n": 500},
    full={"steps": 80, "n": 3000},
    quick_seeds=(0,),
    labels={
        "legal_temperature": "合语法的比例：温度 0、0.3、0.5、0.7、1、1.3、1.6，不截断",
        "varied_temperature": "花样（2 的熵次方，种）：同上",
        "legal_top_p": "合语法的比例：温度 1，top-p 0.3、0.5、0.7、0.9、0.95、0.99",
        "varied_top_p": "花样（2 的熵次方，种）：同上",
    },
    limits="语法是我们造的，每一处该有几种写法一清二楚，尾巴和主体分得很开；自然语言里没有这样清楚的界线，"
    "top-p 也会截掉少见而正确的词。",
)
