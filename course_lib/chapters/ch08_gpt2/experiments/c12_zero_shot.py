"""C12: a language model does a task that nobody trained it for as well as its corpus happens to demonstrate it.

Radford et al. 2019, section 2.1 and table 1; slides, GPT-2, 零样本.  Chapter 08.

The corpus is captions in Chinese and in English; a share of the documents happens to say one and the same thing in both
("…，英文是 …"). The model learns to predict the next token and nothing else. Then it is asked to go on after
"有一个蓝色圆环，英文是", for pairs of colour and shape that were never demonstrated. The control has as many
documents of the same form, whose English belongs to another picture.
"""

import torch

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.text.demonstrations import DEMONSTRATED, HELD_OUT, documents, english, prompt_ids, tokenizer
from course_lib.decoding.generation import greedy
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import LlamaReader
from course_lib.training.loop import train

BATCH = 64
PEAK_LR = 4e-3
LARGE = (48, 2)  # width and layers of the model that the rates are compared on
N_NEW = 5
CONTEXT = 24


def trained(
    seed: int, *, rate: int, steps: int, size: tuple[int, int] = LARGE, mismatched: bool = False, progress=iter
) -> GPT2:
    """A GPT-2 of (width, layers) after `steps` batches of the corpus with `rate` demonstrations in a thousand."""
    torch.manual_seed(seed)
    d_model, n_layers = size
    model = GPT2(
        GPT2Config(n_vocab=tokenizer().n_vocab, context=CONTEXT, d_model=d_model, n_layers=n_layers, n_heads=4)
    )
    ids = documents(seed, steps * BATCH, rate, mismatched=mismatched)
    train(model, ids.split(BATCH), steps=steps, lr=PEAK_LR, progress=progress, history=[])
    return model.eval()


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


def measure(seed: int, *, progress, steps: int, rates: list, sizes: list) -> dict[str, float | list[float]]:
    """Accuracy by rate at the size LARGE; of the control, and by size up to LARGE, at the highest rate."""

    def run(label: str, **settings) -> GPT2:
        return trained(seed, steps=steps, progress=lambda each: progress(each, label), **settings)

    by_rate = [run(f"{rate} ‰", rate=rate) for rate in rates]
    control = run("mismatched", rate=rates[-1], mismatched=True)
    by_size = [run(f"width {size[0]}", rate=rates[-1], size=size) for size in sizes] + by_rate[-1:]
    return {
        "held_out": [accuracy(model, HELD_OUT) for model in by_rate],
        "demonstrated": [accuracy(model, DEMONSTRATED) for model in by_rate],
        "mismatched": accuracy(control, HELD_OUT + DEMONSTRATED),
        "by_size": [accuracy(model, HELD_OUT) for model in by_size],
        "parameters": [sum(p.numel() for p in model.parameters()) for model in by_size],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: over the seeds the mean never falls by more than 0.1 from rate to rate and from size to size, every seed
    gains 0.5 or more from the lowest rate to the highest and from the smallest size to the largest, and the control
    stays below 0.15. Fails: no gain of 0.2 with the rate, or the control does as well as half the demonstrations."""
    held, size = figures["held_out"], figures["by_size"]
    control = figures["mismatched"].mean
    rates = "、".join(f"{share:.0%}" for share in held.mean)
    sizes = "、".join(f"{n / 1000:.0f}k 参数 {share:.0%}" for n, share in zip(figures["parameters"].mean, size.mean))
    measured = (
        f"没有示范过的组合，示范越来越多时的正确率：{rates}；英文故意配错的对照 {control:.0%}；"
        f"示范最多时按模型大小：{sizes}。"
    )
    gains = [values[:, -1] - values[:, 0] for values in (held.values, size.values)]
    if gains[0].mean() < 0.2 or control > 0.5 * held.mean[-1]:
        return Verdict("fails", f"正确率没有随示范的多少上升，或者配错的示范也管用。{measured}")
    steady = all(bool((mean[1:] >= mean[:-1] - 0.1).all()) for mean in (held.mean, size.mean))
    if steady and all((gain >= 0.5).all() for gain in gains) and control < 0.15:
        return Verdict("holds", f"{measured}变化很陡：示范不够多的时候几乎一题不对。")
    return Verdict("partly", f"上升了，但不是每个种子、每一步都这样。{measured}")


CLAIM = Claim(
    id="C12",
    chapter="08",
    title="零样本能力来自语料里碰巧出现的示范",
    statement="不做任何任务训练，语言模型的零样本正确率随语料里自然示范的比例上升，也随模型的大小上升。",
    question="中英说明混在一起，其中 0 到 16 % 的文档碰巧是“…，英文是 …”。没有示范过的组合，能翻译对多少？",
    refuted_if="示范最多与没有示范相差不到 0.2，或者英文配错的对照达到正确示范的一半。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 120, "rates": [0, 300], "sizes": [[8, 1]]},
    full={"steps": 300, "rates": [0, 10, 20, 40, 80, 160], "sizes": [[8, 1], [16, 2], [32, 2]]},
    quick_seeds=(0,),
    labels={
        "held_out": "正确率，没有示范过的 12 个组合：每千篇 0、10、20、40、80、160 篇示范",
        "demonstrated": "正确率，示范过的 36 个组合：同上",
        "mismatched": "正确率，示范的英文配错了：每千篇 160 篇",
        "by_size": "正确率，没有示范过的组合：宽 8、16、32、48",
        "parameters": "参数量",
    },
    limits="语言只有 48 种东西，译文逐词对应，示范只有一种写法；WebText 里的示范写法各不相同，而且少得多。"
    "这里的陡升也和训练步数有关：示范少的时候多训练几倍，也许同样学得会。",
)
