"""C12: a language model does a task that nobody trained it for as well as its corpus happens to demonstrate it.

Radford et al. 2019, section 2.1 and table 1; slides, GPT-2, 零样本.  Chapter 08.

The corpus is captions in Chinese and in English; a share of the documents happens to say one and the same thing in both
("…，英文是 …"). The model learns to predict the next token and nothing else. Then it is asked to go on after
"有一个蓝色圆环，英文是", for pairs of colour and shape that were never demonstrated. The control has as many
documents of the same form, whose English belongs to another picture.

Two rivals for what is seen: a score that counts only whole translations makes any rise look sudden (Schaeffer et al.
2023, arXiv:2304.15004), so single words are counted as well; and one learning rate for all sizes may suit only some, so
each width has the best of several, chosen on the demonstrated pairs. Depth is the same for all.
"""

from functools import lru_cache

import numpy as np
import torch

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.text.demonstrations import DEMONSTRATED, HELD_OUT, documents, english, prompt_ids, tokenizer
from course_lib.decoding.generation import greedy
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import LlamaReader
from course_lib.training.loop import train

BATCH = 64
PEAK_LR = 4e-3
LEARNING_RATES = (PEAK_LR, 1e-2, 2.5e-2)
LARGE = (48, 2)  # width and layers of the model that the rates are compared on
N_NEW = 5
CONTEXT = 24


def trained(
    seed: int,
    *,
    rate: int,
    steps: int,
    size: tuple[int, int] = LARGE,
    lr: float = PEAK_LR,
    mismatched: bool = False,
    progress=iter,
) -> GPT2:
    """A GPT-2 of (width, layers) after `steps` batches of the corpus with `rate` demonstrations in a thousand."""
    torch.manual_seed(seed)
    d_model, n_layers = size
    model = GPT2(
        GPT2Config(n_vocab=tokenizer().n_vocab, context=CONTEXT, d_model=d_model, n_layers=n_layers, n_heads=4)
    )
    batches = corpus(seed, steps * BATCH, rate, mismatched).split(BATCH)
    train(model, batches, steps=steps, lr=lr, progress=progress, history=[])
    return model.eval()


@lru_cache(maxsize=2)
def corpus(seed: int, n: int, rate: int, mismatched: bool) -> torch.Tensor:
    """The documents, kept for the next model that reads the same ones."""
    return documents(seed, n, rate, mismatched=mismatched)


def translations(model: GPT2, pairs: tuple[tuple[str, str], ...]) -> list[str]:
    """What the model greedily goes on with after each prompt, up to <|endoftext|>."""
    end = tokenizer().end_of_text
    prompts = torch.stack([prompt_ids(pair) for pair in pairs])
    said = greedy(LlamaReader(model, CONTEXT), prompts, N_NEW, end=end)
    return [tokenizer().decode(token for token in row if token != end).strip() for row in said]


def accuracy(model: GPT2, pairs: tuple[tuple[str, str], ...]) -> float:
    """Share of pairs whose translation is right to the letter."""
    said = translations(model, pairs)
    return sum(answer == english(pair) for answer, pair in zip(said, pairs)) / len(pairs)


def words_right(model: GPT2, pairs: tuple[tuple[str, str], ...]) -> float:
    """Share of colour and shape words that stand in their place; articles, which every English caption has, aside."""
    right = 0
    for answer, pair in zip(translations(model, pairs), pairs):
        words = answer.split()
        right += sum(words[place : place + 1] == [word] for place, word in enumerate(pair, 1))
    return right / (2 * len(pairs))


def measure(seed: int, *, progress, steps: int, rates: list, sizes: list) -> dict[str, float | list[float]]:
    """Whole translations and words right, by rate at the size LARGE; of the control; and by size up to LARGE at the
    highest rate, with the best of LEARNING_RATES for each."""

    def run(label: str, **settings) -> GPT2:
        return trained(seed, steps=steps, progress=lambda each: progress(each, label), **settings)

    by_rate = [run(f"{rate} ‰", rate=rate) for rate in rates]
    control = run("mismatched", rate=rates[-1], mismatched=True)
    tried = [
        [run(f"width {size[0]}, {lr:g}", rate=rates[-1], size=size, lr=lr) for lr in LEARNING_RATES] for size in sizes
    ]
    tried.append(by_rate[-1:] + [run(f"{lr:g}", rate=rates[-1], lr=lr) for lr in LEARNING_RATES[1:]])
    shown = [[words_right(model, DEMONSTRATED) for model in models] for models in tried]
    chosen = [row.index(max(row)) for row in shown]
    best = [models[which] for models, which in zip(tried, chosen)]
    return {
        "held_out": [accuracy(model, HELD_OUT) for model in by_rate],
        "held_out_words": [words_right(model, HELD_OUT) for model in by_rate],
        "demonstrated": [accuracy(model, DEMONSTRATED) for model in by_rate],
        "demonstrated_words": [words_right(model, DEMONSTRATED) for model in by_rate],
        "mismatched": accuracy(control, HELD_OUT + DEMONSTRATED),
        "mismatched_words": words_right(control, HELD_OUT + DEMONSTRATED),
        "by_size": [accuracy(model, HELD_OUT) for model in best],
        "by_size_words": [words_right(model, HELD_OUT) for model in best],
        "by_size_one_rate": [accuracy(models[0], HELD_OUT) for models in tried],
        "learning_rate": [LEARNING_RATES[which] for which in chosen],
        "parameters": [sum(p.numel() for p in models[0].parameters()) for models in tried],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: from the lowest rate to the highest, and from the smallest width to the largest, every seed gains 0.5 or
    more in whole translations and 0.4 in words; no mean falls by more than 0.1 from one to the next; the control stays
    below 0.15. Fails: words gain less than 0.2 with the rate on average, or the control does as well as half the
    demonstrations. Else partly, and the sentence says where."""
    held, words = figures["held_out"], figures["held_out_words"]
    size, size_words = figures["by_size"], figures["by_size_words"]
    control = figures["mismatched"].mean

    def told(shares: np.ndarray) -> str:
        return "、".join(f"{share:.0%}" for share in shares)

    def steepest(shares: np.ndarray) -> float:
        """Share of the whole rise that its largest step makes."""
        return float(np.diff(shares).max() / max(shares[-1] - shares[0], 1e-9))

    widths = "、".join(f"{n / 1000:.0f}k" for n in figures["parameters"].mean)
    measured = (
        f"没有示范过的组合，示范越来越多时，整句全对 {told(held.mean)}；按词 {told(words.mean)}；"
        f"示范过的组合整句 {told(figures['demonstrated'].mean)}。"
        f"英文故意配错的对照，整句 {control:.0%}，按词 {figures['mismatched_words'].mean:.0%}。"
        f"最陡的一步占总涨幅：整句 {steepest(held.mean):.0%}，按词 {steepest(words.mean):.0%}。"
        f"参数 {widths}，各用三种学习率里最好的：整句 {told(size.mean)}，按词 {told(size_words.mean)}；"
        f"都用同一个学习率，整句 {told(figures['by_size_one_rate'].mean)}。"
    )
    if words.mean[-1] - words.mean[0] < 0.2 or control > 0.5 * held.mean[-1]:
        return Verdict("fails", f"正确率没有随示范的多少上升，或者配错的示范也管用。{measured}")
    weak = []
    for name, whole, by_word in (("示范的多少", held, words), ("模型的宽度", size, size_words)):
        gains = [each.values[:, -1] - each.values[:, 0] for each in (whole, by_word)]
        steady = all((np.diff(each.mean) >= -0.1).all() for each in (whole, by_word))
        if not (steady and (gains[0] >= 0.5).all() and (gains[1] >= 0.4).all()):
            weak.append(name)
    weak += ["英文配错的对照"] if control >= 0.15 else []
    if weak:
        return Verdict("partly", f"不是每个种子、每一步都够分明的：{'、'.join(weak)}。{measured}")
    return Verdict("holds", measured)


CLAIM = Claim(
    id="C12",
    chapter="08",
    title="零样本能力来自语料里碰巧出现的示范",
    statement="不做任何任务训练，语言模型的零样本正确率随语料里自然示范的比例上升；"
    "各种宽度都用自己最好的学习率，也随模型的宽度上升。整句算、按词算，都是这样。",
    question="中英说明混在一起，其中 0 到 16 % 的文档碰巧是“…，英文是 …”。没有示范过的组合，整句对多少、按词对多少？"
    "小模型换个学习率，赶得上大的吗？",
    refuted_if="示范最多与没有示范相比，按词多对不到 0.2；或者英文配错的对照达到正确示范的一半。",
    seeds=(10, 11, 12),
    measure=measure,
    judge=judge,
    quick={"steps": 120, "rates": [0, 300], "sizes": [[8, 2]]},
    full={"steps": 300, "rates": [0, 10, 20, 40, 80, 160], "sizes": [[8, 2], [24, 2]]},
    quick_seeds=(10,),
    labels={
        "held_out": "整句全对，没有示范过的 12 个组合：每千篇 0、10、20、40、80、160 篇示范",
        "held_out_words": "颜色词和形状词对的比例，没有示范过的组合：同上",
        "demonstrated": "整句全对，示范过的 36 个组合：同上",
        "demonstrated_words": "颜色词和形状词对的比例，示范过的组合：同上",
        "mismatched": "整句全对，示范的英文配错了：每千篇 160 篇",
        "mismatched_words": "颜色词和形状词对的比例，示范的英文配错了",
        "by_size": "整句全对，没有示范过的组合：宽 8、24、48，各用最好的学习率",
        "by_size_words": "颜色词和形状词对的比例：同上",
        "by_size_one_rate": "整句全对：同上，都用学习率 0.004",
        "learning_rate": "选中的学习率（在示范过的组合上选）：同上",
        "parameters": "参数量",
    },
    limits="语言只有 48 种东西，译文逐词对应，示范只有一种写法；WebText 里的示范写法各不相同，而且少得多。"
    "步数是固定的 300 步：示范少的时候多训练几倍，也许同样学得会；宽度上的差别也可能只是学得快慢。"
    "真实规模：GPT-2 论文图 1 报告几项任务随大小上升，WSMT14 英法上只有 5 BLEU，而且提示里有例句；"
    "Schaeffer 等（2023）指出，整句全对这类计分会使平缓的上升看起来突然。",
)
