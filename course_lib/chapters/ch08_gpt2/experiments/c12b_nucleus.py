"""C12b: cutting the tail of the distribution keeps sentences within the grammar and leaves them varied.

Holtzman et al. 2019 (arXiv:1904.09751) on nucleus sampling; GPT-2's published samples used top-k 40.  Chapter 08.

A model that has hardly learnt to write writes captions, so badly that both ways have something to mend. Their grammar
is known: `parse_caption` reads a caption or refuses it. Variety is 2 to the entropy of the first thing that is said,
one of 8 · 6 · 9 = 432. Counted on n captions it is less even for a perfect writer, whose count the others are held to.
"""

import math
from collections import Counter

import numpy as np
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
PERFECT = 10**6  # its captions are of other seeds than those that train
TEMPERATURES = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0, 1.3)
NUCLEI = (0.3, 0.5, 0.7, 0.8, 0.9, 0.97)


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
    return texts_of(sample(LlamaReader(model, LENGTH + 8), start, LENGTH, end=end, generator=chance, **knobs))


def texts_of(rows: torch.Tensor | list[list[int]]) -> list[str]:
    """Rows of ids as texts, without <|endoftext|>."""
    end = tokenizer().end_of_text
    return [tokenizer().decode(int(token) for token in row if token != end) for row in rows]


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


def measure(seed: int, *, progress, steps: int, n: int) -> dict[str, float | list[float]]:
    """Legality and variety by temperature without a cut, and by top-p at temperature 1; variety of a perfect writer."""
    model = trained(seed, steps, lambda each: progress(each, "train"))
    by_temperature = [legal_and_varied(written(model, n, seed, temperature=t)) for t in TEMPERATURES]
    by_nucleus = [legal_and_varied(written(model, n, seed, top_p=p)) for p in NUCLEI]
    return {
        "legal_temperature": [legal for legal, _ in by_temperature],
        "varied_temperature": [varied for _, varied in by_temperature],
        "legal_top_p": [legal for legal, _ in by_nucleus],
        "varied_top_p": [varied for _, varied in by_nucleus],
        "varied_perfect": legal_and_varied(texts_of(captions(PERFECT + seed, n)))[1],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Best variety among the settings that are legal at least 98 times of 100, in each seed, as a share of the perfect
    writer's. Holds: in every seed top-p's share is larger than temperature's by 0.05 or more, and plain sampling is
    legal less often. Fails: top-p's is not the larger on average. Else partly; so too if temperature leaves top-p less
    than 0.05 of room."""

    def best(kind: str):
        legal, varied = figures[f"legal_{kind}"].values, figures[f"varied_{kind}"].values
        return (varied * (legal >= 0.98)).max(axis=1)

    perfect = figures["varied_perfect"].values
    by_p, by_t = best("top_p"), best("temperature")
    lead = (by_p - by_t) / perfect
    plain = figures["legal_temperature"].values[:, TEMPERATURES.index(1.0)]
    legal_p, legal_t = figures["legal_top_p"].mean, figures["legal_temperature"].mean

    def settings(values: tuple[float, ...], legal: np.ndarray) -> str:
        return "、".join(f"{x:g}（{share:.1%}）" for x, share in zip(values, legal) if share >= 0.9) or "没有"

    measured = (
        f"直接采样（温度 1）合语法的占 {plain.mean():.0%}。合语法不低于 98 % 的设置里，最多的花样："
        f"top-p {by_p.mean():.0f} 种，只调温度 {by_t.mean():.0f} 种；"
        f"完美的采样器写同样多句，数出来是 {perfect.mean():.0f} 种。"
        f"折成完美的比例，top-p 减温度是 {100 * lead.mean():+.1f} 个百分点（各种子 {100 * lead.min():+.1f} 到 "
        f"{100 * lead.max():+.1f}），温度留下的余地是 {1 - (by_t / perfect).mean():.1%}。"
        f"平均合语法九成以上的设置，top-p：{settings(NUCLEI, legal_p)}；温度：{settings(TEMPERATURES, legal_t)}。"
        f"贪心写 {figures['varied_temperature'].mean[0]:.0f} 种。"
    )
    if lead.mean() <= 0:
        return Verdict("fails", f"同样合语法，top-p 并不更多样。{measured}")
    if (lead >= 0.05).all() and (plain < 0.98).all():
        return Verdict("holds", f"每个种子里 top-p 都多样得多。{measured}")
    return Verdict("partly", f"平均是 top-p 更多样，但差得不多，或者不是每个种子都这样。{measured}")


CLAIM = Claim(
    id="C12b",
    chapter="08",
    title="截断尾巴：合语法，又不单调",
    statement="在同样合语法的前提下，top-p 采样比只调低温度写得更多样。",
    question="一个刚开始会写的模型写图片说明。温度 0 到 1.3，top-p 0.3 到 0.97：多少句合语法？花样是完美采样器的几成？",
    refuted_if="合语法不低于 98 % 的设置里，top-p 的花样平均不多于只调温度。",
    seeds=(10, 11, 12, 13, 14),
    measure=measure,
    judge=judge,
    quick={"steps": 50, "n": 500},
    full={"steps": 50, "n": 3000},
    quick_seeds=(10,),
    labels={
        "legal_temperature": "合语法的比例：温度 0、0.3、0.4、0.5、0.6、0.7、1、1.3，不截断",
        "varied_temperature": "花样（2 的熵次方，种）：同上",
        "legal_top_p": "合语法的比例：温度 1，top-p 0.3、0.5、0.7、0.8、0.9、0.97",
        "varied_top_p": "花样（2 的熵次方，种）：同上",
        "varied_perfect": "花样（2 的熵次方，种）：直接从语法里抽，同样多句",
    },
    limits="语法是我们造的，每一处该有几种写法一清二楚；自然语言里没有这样清楚的界线，top-p 也会截掉少见而正确的词。"
    "模型只训练 50 步：训练到 80 步，温度挑得好已有完美采样器的 97 %，分不出高下。"
    "真实规模：Holtzman 等（2019）用 GPT-2 写长文，连同人工评价，结论是 top-p 在当时的办法里质量和多样都最好。",
)
