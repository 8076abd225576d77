"""C25: right on what the base or SFT has taught, wrong on what neither has, and as sure of it.

SFT on talks of one and two turns (Ouyang et al. 2022, arXiv:2203.02155, section 3.5), then greedy answers to sums of
the training, to pairs held out, to 27加15等于几？, which only the base has read, to sums of three digits, and to
请27再加15。, which neither has. How sure: the probability of the whole answer, its end included.  Chapter 19.
"""

from course_lib.chapters.ch19_sft import learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys import sums

SPLITS = ("train", "held-out", "other wording", "three digits", "new wording")


def measure(seed: int, *, progress, steps: int) -> dict[str, list[float]]:
    """By split."""
    model = learning.train(
        lambda step: learning.rendered(sums.talks(learning.BATCH, 100_000 * seed + step)), steps=steps, history=[]
    )
    figures = {"right": [], "sure": []}
    for split in progress(SPLITS, "问法"):
        said, sure = learning.answers(model, learning.exam(split)), learning.confidence(model, learning.exam(split))
        wrong = [text != sums.right(each) for text, each in zip(said, learning.exam(split))]
        figures["right"].append(1 - sum(wrong) / len(wrong))
        figures["sure"].append(sure.mean().item())
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed held-out pairs and the wording that the base has read are right in 0.9 or more, three digits
    and the new wording in 0.5 or less, and there it is surer than right, by 0.2 or more. Fails: three digits or the new
    wording are as right as the pairs held out, within 0.1, on average. Else partly."""
    right, sure = figures["right"].values, figures["sure"].values
    names = ("训练过的", "没见过的数", "底子读过的问法", "三位数", "新问法")
    told = "；".join(
        f"{name}：对 {share:.1%}，把握 {trust:.1%}"
        for name, share, trust in zip(names, figures["right"].mean, figures["sure"].mean)
    )
    if (figures["right"].mean[3:] >= figures["right"].mean[1] - 0.1).any():
        return Verdict("fails", f"谁也没教过的，也答得和没见过的数一样好。{told}。")
    if (right[:, 1:3] >= 0.9).all() and (right[:, 3:] <= 0.5).all() and (sure[:, 3:] - right[:, 3:] >= 0.2).all():
        return Verdict("holds", f"谁也没教过的就错，把握却比对的多。{told}。")
    return Verdict("partly", f"{told}。")


CLAIM = Claim(
    id="C25",
    chapter="19",
    title="换了样子还会吗，它知道自己不会吗",
    statement="SFT 以后，没见过的数它也答对，底子读过的另一种问法也答对；三位数和新问法，谁也没教过，就大多答错，"
    "把握却大得多。",
    question="它学会了 27+15=?。问 627+215=?，或者“请27再加15。”，它答得对吗？",
    refuted_if="三位数或者新问法，答对的和没见过的数一样多。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"steps": 20},
    full={"steps": 150},
    quick_seeds=(0,),
    labels={
        "right": "答对的：训练过的、没见过的数、底子读过的问法、三位数、新问法",
        "sure": "它给自己那句回答的概率，平均",
    },
    limits="“新问法”的字底子都读过，只是没有这样排过；只试了一种。底子只有一个，种子只换 SFT 的题目。"
    "把握是整句回答的概率，没有校准过。300 道题，一道题 0.3 个百分点。",
)
