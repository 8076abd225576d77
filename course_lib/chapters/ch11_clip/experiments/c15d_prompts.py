"""C15d: a prompt like the sentences of training beats the bare word, and many prompts together beat one.

Radford et al. 2021, section 3.1.4: on ImageNet "A photo of a {label}." gains 1.3 points over the bare label, an
ensemble of 80 prompts 3.5 more.  Chapter 11.
A task asks for colour or for kind, in Chinese or in English, of held-out combinations. A template fixes what is not
asked: 30 sentences ask for the colour, 40 for the kind.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from course_lib.chapters.ch11_clip import shapes_clip
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.world.captions import LANGUAGES, ZH
from course_lib.data.world.scenes import COLOURS, FIVE_POSITIONS, KINDS, combinations
from course_lib.models.clip import CLIP
from course_lib.training.loop import train

LR = 2e-3
ASKED = {"colour": tuple(COLOURS), "kind": KINDS}
TASKS = [(what, language) for what in ASKED for language in LANGUAGES]


def templates(what: str, language: str) -> list[list[str]]:
    """A row a template: its sentence for each answer."""
    others = KINDS if what == "colour" else tuple(COLOURS)

    def sentence(answer: str, other: str, place: str) -> str:
        colour, kind = (answer, other) if what == "colour" else (other, answer)
        return shapes_clip.text_of((colour, kind, place), language)

    return [[sentence(answer, other, place) for answer in ASKED[what]] for place in FIVE_POSITIONS for other in others]


def words(what: str, language: str) -> list[str]:
    return [ZH[answer] if language == "zh" else answer for answer in ASKED[what]]


@torch.no_grad()
def directions(model: CLIP, sentences: list[str]) -> Tensor:
    return normalize(model.text_features(shapes_clip.encode(sentences)), dim=-1)


@torch.no_grad()
def scorer(model: CLIP, numbers: Tensor, what: str, first: int) -> Callable[[Tensor], float]:
    """Class directions -> share right, on a new picture of each of these combinations."""
    triples = [combinations()[i] for i in numbers.tolist()]
    seen = normalize(model.image_features(shapes_clip.pictures(triples, first)), dim=-1)
    truth = torch.tensor([ASKED[what].index(triple[what == "kind"]) for triple in triples])
    return lambda heads: ((seen @ heads.mT).argmax(1) == truth).float().mean().item()


def task(model: CLIP, what: str, language: str) -> list[float]:
    """Share right by the bare word, by one sentence on average, the worst, the best, the one that is best on seen
    combinations, and by all together."""
    held = scorer(model, shapes_clip.held_out().repeat(shapes_clip.N_PICTURES), what, shapes_clip.UNSEEN)
    known = scorer(model, shapes_clip.seen(), what, 2 * shapes_clip.UNSEEN)
    heads = [directions(model, sentences) for sentences in templates(what, language)]
    single = [held(head) for head in heads]
    chosen = max(range(len(heads)), key=lambda i: known(heads[i]))
    together = held(normalize(sum(heads), dim=-1))
    word = held(directions(model, words(what, language)))
    return [word, sum(single) / len(single), min(single), max(single), single[chosen], together]


def measure(seed: int, *, progress, steps: int) -> dict[str, list[float]]:
    """By task: colour and kind, each in Chinese and in English."""
    torch.manual_seed(seed)
    model = shapes_clip.build()
    stream = (shapes_clip.batches(10_000 * seed + step) for step in range(steps))
    train(model, stream, steps=steps, lr=LR, loss=shapes_clip.loss, progress=progress, history=[])
    model.eval()
    found = zip(*(task(model, what, language) for what, language in TASKS))
    return dict(zip(("word", "single", "worst", "best", "chosen", "together"), map(list, found)))


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: on the mean of the four tasks, in every seed, one sentence is 0.02 or more above the word, and all
    together 0.02 or more above one sentence. Fails: all together gain less than 0.02 on average. Else partly."""
    by_seed = {name: figure.values.mean(1) for name, figure in figures.items()}
    word, single, together = by_seed["word"], by_seed["single"], by_seed["together"]
    gain, context = together - single, single - word
    told = (
        f"四项平均：只写词 {word.mean():.1%}，一个整句平均 {single.mean():.1%}（最差 {by_seed['worst'].mean():.1%}，"
        f"最好 {by_seed['best'].mean():.1%}），几十句合起来 {together.mean():.1%}。"
        f"合起来比一句多 {gain.mean():+.1%}，最少的种子 {gain.min():+.1%}；"
        f"整句比词多 {context.mean():+.1%}，最少 {context.min():+.1%}。"
        f"先在学过的组合上挑最好的一句，拿到这里是 {by_seed['chosen'].mean():.1%}。"
    )
    if gain.mean() < 0.02:
        return Verdict("fails", f"合起来没有比一句好。{told}")
    if (gain >= 0.02).all() and (context >= 0.02).all():
        return Verdict("holds", told)
    which = [
        name
        for name, ok in (("合起来不是每个种子都好", (gain >= 0.02).all()), ("整句不比词好", (context >= 0.02).all()))
        if not ok
    ]
    return Verdict("partly", f"{'；'.join(which)}。{told}")


CLAIM = Claim(
    id="C15d",
    chapter="11",
    title="像训练时的整句胜过只写词，几十句合起来又胜过一句",
    statement="零样本分颜色、分形状：提示写成训练时那样的整句，比只写一个词准；几十个整句的方向平均，比一句准。",
    question="分类头用“红色”、用“左上角有一个红色圆形。”，或用 30 句的平均，哪个准？",
    refuted_if="几十句合起来，平均只比一句多对不到 2 个百分点。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"steps": 8},
    full={"steps": 250},
    quick_seeds=(0,),
    labels={
        "word": "只写词，没见过的组合里说对的比例：颜色（中、英），形状（中、英）",
        "single": "一个整句，30 句（颜色）或 40 句（形状）的平均：同上",
        "worst": "其中最差的一句",
        "best": "其中最好的一句（看着答案挑的）",
        "chosen": "在学过的组合上最好的那一句",
        "together": "各句的方向平均，再变成长度 1",
    },
    limits="整句里没问的两样是随手填的，多半与图不符；真的提示只有一处变。只在图形画面上量，训练 250 步。"
    "快速形式只训练 8 步，还不会认。",
)
