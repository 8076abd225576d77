"""C16f: yes/no questions answered without the picture: where the question tells the answer, and where it does not.

Goyal et al. 2017, "Making the V in VQA Matter" (arXiv:1612.00837): of the questions people asked, many are answered
without looking; a balanced set has for each question a picture with either answer.  Chapter 12.
One thing in a picture; asked: is the circle red? The yes/no head is that of ITM. In the uneven world each kind has its
usual colour, as bananas are yellow.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from course_lib.chapters.ch12_blip import learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.world.captions import ZH
from course_lib.data.world.scenes import COLOURS, FIVE_POSITIONS, KINDS
from course_lib.models.blip import BLIPConfig, Retriever, TextConfig
from course_lib.models.vit import ViTConfig
from course_lib.toys.one_shape import UNSEEN
from course_lib.toys.words import Words
from course_lib.training.loop import train

BATCH = 32
LR = 2e-3
USUAL = 0.8  # of the things of a kind have its usual colour
ASKED = 0.5  # of the questions ask for it

TEXTS = [f"{ZH[kind]}是{ZH[colour]}的吗？" for kind in KINDS for colour in COLOURS]
WORDS = Words(TEXTS)
IDS = torch.cat([torch.full((len(TEXTS), 1), WORDS.n_vocab), WORDS.encode(TEXTS, 12)], dim=1)


class Questions(NamedTuple):
    """What the picture shows, and the colour that is asked for: numbers of KINDS and of COLOURS."""

    kinds: Int[Tensor, " Q"]
    colours: Int[Tensor, " Q"]
    asked: Int[Tensor, " Q"]

    def answers(self) -> Bool[Tensor, " Q"]:
        return self.colours == self.asked

    def ids(self) -> Int[Tensor, "Q L"]:
        return IDS[self.kinds * len(COLOURS) + self.asked]

    def pictures(self, first: int) -> Float[Tensor, "Q 3 32 32"]:
        """Numbers first, first + 1, … of the world; a thing's place goes with the number."""
        named = zip(self.colours.tolist(), self.kinds.tolist())
        triples = [(list(COLOURS)[c], KINDS[k], FIVE_POSITIONS[(first + i) % 5]) for i, (c, k) in enumerate(named)]
        return learning.look_at(triples, first)


def others(colours: Int[Tensor, " Q"], chance: torch.Generator) -> Int[Tensor, " Q"]:
    """Any colours but these."""
    return (colours + torch.randint(1, len(COLOURS), colours.shape, generator=chance)) % len(COLOURS)


def even(n: int, chance: torch.Generator) -> Questions:
    """Any question; every other picture makes the answer yes."""
    kinds = torch.randint(len(KINDS), (n,), generator=chance)
    asked = torch.randint(len(COLOURS), (n,), generator=chance)
    return Questions(kinds, torch.where(torch.arange(n) % 2 == 0, asked, others(asked, chance)), asked)


def uneven(n: int, usual: Int[Tensor, "6"], chance: torch.Generator) -> Questions:
    """usual: each kind's colour; USUAL of the things have it, ASKED of the questions are for it."""
    kinds = torch.randint(len(KINDS), (n,), generator=chance)

    def usually(share: float) -> Int[Tensor, " Q"]:
        rule = torch.rand(n, generator=chance) < share
        return torch.where(rule, usual[kinds], others(usual[kinds], chance))

    return Questions(kinds, usually(USUAL), usually(ASKED))


def build() -> Retriever:
    text = TextConfig(n_vocab=WORDS.n_vocab + 2, context=IDS.shape[1], enc=WORDS.n_vocab + 1)
    return Retriever(BLIPConfig(image=ViTConfig(patch=8), text=text))


def logits(model: Retriever, questions: Questions, first: int, blind: bool) -> Float[Tensor, "Q 2"]:
    """[:, 1] yes, [:, 0] no. Blind: the text encoder alone, without the layers that read the picture."""
    ids = questions.ids()
    if blind:
        return model.match(model.text.encode(ids, learning.is_token(ids))[:, 0])
    return model.matches(model.look(questions.pictures(first)), ids, learning.is_token(ids))


@torch.no_grad()
def right(model: Retriever, questions: Questions, blind: bool) -> float:
    said = logits(model, questions, UNSEEN, blind).argmax(1).bool()
    return (said == questions.answers()).float().mean().item()


def taught(draw: Callable[[], Questions], steps: int, blind: bool, progress) -> Retriever:
    """A fresh one, on as many draws of questions."""
    model = build()

    def loss(model: Retriever, batch: tuple[int, Questions]) -> Tensor:
        step, questions = batch
        return cross_entropy(logits(model, questions, step * BATCH, blind), questions.answers().long())

    batches = ((step, draw()) for step in range(steps))
    train(model, batches, steps=steps, lr=LR, loss=loss, progress=progress, history=[])
    return model.eval()


def measure(seed: int, *, progress, steps: int, n_exam: int) -> dict[str, list]:
    """Shares of right answers. Rows: learnt from uneven, even questions; columns: asked uneven, even ones."""
    chance = torch.Generator().manual_seed(seed)
    usual = torch.randperm(len(COLOURS), generator=chance)[: len(KINDS)]
    worlds = {"uneven": partial(uneven, usual=usual), "even": even}
    exams = [draw(n_exam, chance=chance) for draw in worlds.values()]
    tables: dict[bool, list] = {False: [], True: []}
    for blind, table in tables.items():
        for name, draw in worlds.items():
            torch.manual_seed(seed)
            lots = torch.Generator().manual_seed(seed)
            told = f"{name}, {'blind' if blind else 'seeing'}"
            model = taught(partial(draw, BATCH, chance=lots), steps, blind, lambda x, told=told: progress(x, told))
            table.append([right(model, exam, blind) for exam in exams])
    yes = [exam.answers().float().mean().item() for exam in exams]
    return {"sees": tables[False], "blind": tables[True], "majority": [max(share, 1 - share) for share in yes]}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed the blind one beats the more frequent answer by 0.15 or more on uneven questions, has 0.6 or
    less on even ones, and the seeing one that learnt from uneven questions is worse on even ones, by 0.05 or more, than
    the one that learnt from even ones. Fails: on average the blind one wins less than 0.05, or the seeing one loses
    nothing. Else partly."""
    sees, blind, majority = (figures[name].values for name in ("sees", "blind", "majority"))
    won, lost = blind[:, 0, 0] - majority[:, 0], sees[:, 1, 1] - sees[:, 0, 1]

    def share(name: str, *where: int) -> str:
        return f"{figures[name].mean[where]:.0%}±{figures[name].std[where]:.0%}"

    told = (
        f"偏的题：只答多数 {share('majority', 0)}，不看图的 {share('blind', 0, 0)}，看图的 {share('sees', 0, 0)}。"
        f"均匀的题：只答多数 {share('majority', 1)}，不看图的 {share('blind', 1, 1)}；"
        f"看图的，均匀的题教出来的 {share('sees', 1, 1)}，偏的题教出来的 {share('sees', 0, 1)}。"
    )
    if won.mean() < 0.05 or lost.mean() <= 0:
        return Verdict(
            "fails", f"不看图的只多对 {won.mean():.0%}，或偏的题没有教坏看图的（差 {lost.mean():.0%}）。{told}"
        )
    if (won >= 0.15).all() and (blind[:, :, 1] <= 0.6).all() and (lost >= 0.05).all():
        return Verdict("holds", told)
    return Verdict("partly", f"方向对，但不是每个种子都这样明显。{told}")


CLAIM = Claim(
    id="C16f",
    chapter="12",
    title="不看图，能答对几成",
    statement="答案随问题而偏的是非题，不看图也远胜只答多数；偏的题还会教坏看图的：换成均匀的题，它不如均匀的题教出来的。",
    question="“圆形是红色的吗？”不给看图，能答对几成？",
    refuted_if="偏的题上，不看图的平均比只答多数多对不到 5 个百分点；或者均匀的题上，偏的题教出来的看图模型并不更差。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 12, "n_exam": 96},
    full={"steps": 400, "n_exam": 960},
    quick_seeds=(0,),
    labels={
        "sees": "看图的答对几成；行：偏的题教的、均匀的题教的；列：考偏的题、考均匀的题",
        "blind": "不看图的答对几成：同上",
        "majority": "总答较多的那个答案，对几成：偏的题、均匀的题",
    },
    limits="偏的世界是造的：每种形状八成是它常有的颜色，一半的题问的就是这种颜色，所以不看图的上限是 89%。"
    "真实的题偏在哪里要靠数。一幅图只有一样东西，题只有一种问法。快速形式只训练 12 步，什么也没学会。",
)
