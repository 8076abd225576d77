"""C13d: de-duplication and filtering help at an equal number of training tokens.

Brown et al. 2020 (arXiv:2005.14165), section 2.2 and appendix A; slides, GPT-3, 自动过滤 and 模糊去重.  Chapter 09.

One crawl with known labels; the same small decoder reads the same number of tokens from the whole crawl, from what
de-duplication leaves, from what the filter leaves, from what both leave, and from a random part as small as the
last (a control: fewer documents alone should not help). One page in ten is good, but in other words than the texts that
teach the filter. Judge: the loss on new good texts, in the words that the filter was taught and in the others.
"""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.chapters.ch09_gpt3.other_good_texts import other_good_texts
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.text.minhash import deduplicate
from course_lib.data.text.quality_filter import keep_by_pareto, train_classifier
from course_lib.data.text.web_text import CLEAN, COPY, Document, crawl, curated
from course_lib.foundations.tokenizer import CharTokenizer
from course_lib.toys.position_schemes import LearnedScheme
from course_lib.toys.tiny_lm import TinyLM, TinyLMConfig
from course_lib.training.loop import next_token_losses, train

CORPORA = ("whole", "random", "deduplicated", "filtered", "both")
OTHER, OTHER_IN = "other", 10  # good texts in other words: one document of ten
N_GOOD, N_RAW, N_TEST = 1600, 400, 200  # good texts and raw ones for the classifier; good ones for the test
LENGTH, BATCH = 64, 16
D_MODEL = 48
PEAK_LR = 5e-3


def choose(texts: list[str], good: list[str], seed: int) -> dict[str, list[int]]:
    """Which documents each corpus holds, by place in the crawl."""
    scores = train_classifier(good, texts[:N_RAW]).score(texts)
    generator = np.random.default_rng(seed)
    passed = np.flatnonzero(keep_by_pareto(scores, generator)).tolist()
    unique = deduplicate(texts)
    both = sorted(set(passed) & set(unique))
    part = sorted(generator.permutation(len(texts))[: len(both)].tolist())
    return dict(zip(CORPORA, (list(range(len(texts))), part, unique, passed, both)))


def trained(ids: Int[Tensor, "N"], n_vocab: int, steps: int, seed: int, progress) -> TinyLM:
    torch.manual_seed(seed)
    config = TinyLMConfig(n_vocab=n_vocab, d_model=D_MODEL, n_layers=2, n_heads=2)
    model = TinyLM(config, LearnedScheme(LENGTH, D_MODEL))
    chance = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(ids) - LENGTH + 1, (steps, BATCH, 1), generator=chance)
    train(model, ids[starts + torch.arange(LENGTH)], steps=steps, lr=PEAK_LR, progress=progress, history=[])
    return model.eval()


def web(n: int, seed: int) -> list[Document]:
    """A crawl of n documents, one of OTHER_IN of them a good text in other words, in random order."""
    n_other = n // OTHER_IN
    documents = crawl(n - n_other, seed) + [Document(text, OTHER) for text in other_good_texts(n_other, seed)]
    return [documents[place] for place in np.random.default_rng(seed).permutation(n)]


def measure(seed: int, *, progress, n_documents: int, steps: int) -> dict[str, object]:
    """By corpus: loss on good texts in the taught words and in others, documents, shares of kinds of them, epochs."""
    documents = web(n_documents, seed)
    texts, good = [document.text for document in documents], curated(N_GOOD + N_TEST, seed)
    others = other_good_texts(n_documents + N_TEST, seed)[-N_TEST:]
    tokenizer = CharTokenizer.from_text("\n".join(texts + good + others))

    def stream(parts: list[str]) -> Int[Tensor, "N"]:
        return torch.tensor(tokenizer.encode("\n".join(parts)))

    def windows(parts: list[str]) -> Int[Tensor, "n L"]:
        ids = stream(parts)
        return ids[: len(ids) // LENGTH * LENGTH].view(-1, LENGTH)

    tests = {"loss": windows(good[N_GOOD:]), "loss_other": windows(others)}
    figures: dict[str, list] = {name: [] for name in (*tests, "documents", "clean", "other", "copies", "epochs")}
    for name, places in choose(texts, good[:N_GOOD], seed).items():
        ids = stream([texts[place] for place in places])
        model = trained(ids, tokenizer.n_vocab, steps, seed, lambda each, name=name: progress(each, name))
        with torch.no_grad():
            for kind, test in tests.items():
                figures[kind].append(next_token_losses(model(test), test).mean().item())
        labels = [documents[place].label for place in places]
        figures["documents"].append(len(places))
        for kind, label in (("clean", CLEAN), ("other", OTHER), ("copies", COPY)):
            figures[kind].append(labels.count(label) / len(labels))
        figures["epochs"].append(steps * BATCH * LENGTH / len(ids))
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """A corpus is better than another if its loss is lower in every seed, and on average by more than the spread of the
    differences. Cleaning works on a kind of text if de-duplication, filtering and both are better than the whole
    crawl, and both better than a random part of the same size. Holds: it works on both kinds, and the random part is
    better than the whole in no seed. Fails: on neither kind do both together have the lower loss on average, than the
    whole and than the random part. Else partly."""
    corpora = ("整份抓取", "随机取一样少", "只去重", "只过滤", "两样都做")
    works, lower, told, lucky = [], [], [], 0

    def spread(difference: np.ndarray) -> float:
        return float(difference.std(ddof=1)) if len(difference) > 1 else 0.0

    def better(difference: np.ndarray) -> bool:
        return bool((difference > 0).all() and difference.mean() > spread(difference))

    for kind, said in (("loss", "教过过滤器的写法"), ("loss_other", "没教过的写法")):
        loss = figures[kind]
        whole, part, unique, passed, both = loss.values.T
        works.append(all(map(better, (whole - unique, whole - passed, whole - both, part - both))))
        lower.append(both.mean() < min(whole.mean(), part.mean()))
        lucky += int((part < whole).sum())
        means = "、".join(f"{name} {mean:.3f} ± {std:.3f}" for name, mean, std in zip(corpora, loss.mean, loss.std))
        further = passed - both
        told.append(
            f"{said}：{means}；过滤之后再去重，降 {further.mean():.3f} ± {spread(further):.3f}，"
            f"{(further > 0).sum()}/{len(further)} 个种子为正"
        )
    clean, other, epochs = (figures[name].mean for name in ("clean", "other", "epochs"))
    measured = (
        f"同样多的训练 token，好文本上的损失（nat/字）。{'。'.join(told)}。"
        f"语料里教过的好网页从 {clean[0]:.0%} 到 {clean[-1]:.0%}，没教过的从 {other[0]:.0%} 到 {other[-1]:.0%}；"
        f"语料变小，读的遍数从 {epochs[0]:.1f} 增到 {epochs[-1]:.1f}。"
    )
    if not any(lower):
        return Verdict("fails", f"洗过的数据没有更好。{measured}")
    if all(works) and not lucky:
        return Verdict("holds", f"两种写法上都更好。{measured}")
    names = ("教过的写法", "没教过的写法")
    good = "、".join(name for name, each in zip(names, works) if each) or "没有"
    worse = "、".join(name for name, each in zip(names, lower) if not each)
    ending = f"；两样都做反而不比整份或随机的好：{worse}" if worse else ""
    return Verdict("partly", f"去重、过滤、两样都做样样都好的：{good}{ending}。{measured}")


CLAIM = Claim(
    id="C13d",
    chapter="09",
    title="去重与过滤：同样多的 token，更低的损失",
    statement="训练 token 一样多，去重和过滤各自都使好文本上的损失更低，随机丢掉一样多的文档则不会；"
    "换一种没有教过过滤器的写法，也是这样。",
    question="同一份抓取，整份、随机一部分、只去重、只过滤、两样都做：好文本上的损失各是多少？"
    "过滤器没学过的写法，损失也更低吗？",
    refuted_if="两种写法上，去重加过滤以后的损失平均都不比整份抓取低，或都不比随机取一样少的低。",
    seeds=(10, 11, 12),
    measure=measure,
    judge=judge,
    quick={"n_documents": 1000, "steps": 100},
    full={"n_documents": 1500, "steps": 300},
    quick_seeds=(10,),
    labels={
        "loss": "教过过滤器的写法，好文本上的损失，nat/字：整份、随机一部分、只去重、只过滤、两样都做",
        "loss_other": "没教过的写法，好文本上的损失，nat/字：同上",
        "documents": "文档数：整份、随机一部分、只去重、只过滤、两样都做",
        "clean": "其中教过的好网页的比例",
        "other": "其中没教过的好网页的比例",
        "copies": "其中近似副本的比例",
        "epochs": "训练时每份语料读了几遍",
    },
    limits="抓取是造的：垃圾的种类、比例和副本的多少都由我们定，没教过的写法占一成也是我们定的。"
    "真实规模：Gururangan 等（2022，arXiv:2201.10474）重做 GPT-3 的过滤器，发现它偏爱富裕地区学校的文章；"
    "GPT-3 论文没有给出去重、过滤各值多少的消融；Lee 等（2022）在 C4 等语料上去重，"
    "模型照抄训练文本少了十倍，达到同样或更好的准确率要的步数更少。",
)
