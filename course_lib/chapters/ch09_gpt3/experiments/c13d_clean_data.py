"""C13d: de-duplication and filtering help at an equal number of training tokens.

Brown et al. 2020 (arXiv:2005.14165), section 2.2 and appendix A; slides, GPT-3, 自动过滤 and 模糊去重.  Chapter 09.

One crawl with known labels; the same small decoder reads the same number of tokens from the whole crawl, from what
de-duplication leaves, from what the filter leaves, from what both leave, and from a random part as small as the
last (a control: fewer documents alone should not help). Judge: the loss on good texts that no crawl holds.
"""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.text.minhash import deduplicate
from course_lib.data.text.quality_filter import keep_by_pareto, train_classifier
from course_lib.data.text.web_text import CLEAN, COPY, crawl, curated
from course_lib.foundations.tokenizer import CharTokenizer
from course_lib.toys.position_schemes import LearnedScheme
from course_lib.toys.tiny_lm import TinyLM, TinyLMConfig
from course_lib.training.loop import next_token_losses, train

CORPORA = ("whole", "random", "deduplicated", "filtered", "both")
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


def measure(seed: int, *, progress, n_documents: int, steps: int) -> dict[str, object]:
    """By corpus: loss on good texts, documents, share of them that are clean, share that are copies, epochs."""
    documents = crawl(n_documents, seed)
    texts, good = [document.text for document in documents], curated(N_GOOD + N_TEST, seed)
    tokenizer = CharTokenizer.from_text("\n".join(texts + good))

    def stream(parts: list[str]) -> Int[Tensor, "N"]:
        return torch.tensor(tokenizer.encode("\n".join(parts)))

    test = stream(good[N_GOOD:])
    test = test[: len(test) // LENGTH * LENGTH].view(-1, LENGTH)
    figures: dict[str, list] = {name: [] for name in ("loss", "documents", "clean", "copies", "epochs")}
    for name, places in choose(texts, good[:N_GOOD], seed).items():
        ids = stream([texts[place] for place in places])
        model = trained(ids, tokenizer.n_vocab, steps, seed, lambda each, name=name: progress(each, name))
        with torch.no_grad():
            figures["loss"].append(next_token_losses(model(test), test).mean().item())
        labels = [documents[place].label for place in places]
        figures["documents"].append(len(places))
        figures["clean"].append(labels.count(CLEAN) / len(labels))
        figures["copies"].append(labels.count(COPY) / len(labels))
        figures["epochs"].append(steps * BATCH * LENGTH / len(ids))
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed, filtering, de-duplication and both give a lower loss than the whole crawl, both than a
    random part of the same size. Fails: both together do not, on average."""
    loss = figures["loss"]
    whole, part, unique, passed, both = loss.values.T
    names = ("整份抓取", "随机取一样少", "只去重", "只过滤", "两样都做")
    said = "、".join(f"{name} {mean:.3f}" for name, mean in zip(names, loss.mean))
    clean, epochs = figures["clean"].mean, figures["epochs"].mean
    measured = (
        f"同样多的训练 token，好文本上的损失（nat/字）：{said}。"
        f"干净的文档从 {clean[0]:.0%} 增到 {clean[-1]:.0%}；"
        f"语料变小，读的遍数从 {epochs[0]:.1f} 增到 {epochs[-1]:.1f}。"
        f"过滤之后再去重，又降 {np.mean(passed - both):.3f}。"
    )
    if both.mean() >= whole.mean() or both.mean() >= part.mean():
        return Verdict("fails", f"洗过的数据没有更好。{measured}")
    if all((each < whole).all() for each in (unique, passed, both)) and (both < part).all():
        return Verdict("holds", measured)
    return Verdict("partly", f"两样都做有用，但不是每一样在每个种子里都有用。{measured}")


CLAIM = Claim(
    id="C13d",
    chapter="09",
    title="去重与过滤：同样多的 token，更低的损失",
    statement="训练 token 一样多，去重和过滤都使好文本上的损失更低；随机丢掉一样多的文档则不会。",
    question="同一份抓取，整份、随机一部分、只去重、只过滤、两样都做：好文本上的损失各是多少？",
    refuted_if="去重加过滤以后，损失平均不比整份抓取低，或不比随机取一样少的低。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n_documents": 1000, "steps": 100},
    full={"n_documents": 2000, "steps": 400},
    quick_seeds=(0,),
    labels={
        "loss": "好文本上的损失，nat/字：整份、随机一部分、只去重、只过滤、两样都做",
        "documents": "文档数：整份、随机一部分、只去重、只过滤、两样都做",
        "clean": "其中干净文档的比例",
        "copies": "其中近似副本的比例",
        "epochs": "训练时每份语料读了几遍",
    },
    limits="抓取是造的：垃圾的种类、比例和副本的多少都由我们定，好坏只按“像不像场景描述”算。"
    "真实网页的好坏没有标签，过滤也会丢掉少见而有用的文字；那种代价这里看不到。",
)
