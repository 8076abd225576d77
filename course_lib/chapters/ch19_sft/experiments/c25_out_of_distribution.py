"""C25: right on what is asked as in training, wrong on what is asked otherwise, and as sure of it.

SFT on talks of one and two turns (Ouyang et al. 2022, arXiv:2203.02155, section 3.5), then greedy answers to sums of
the training, to pairs held out, to sums of three digits, and to 27加15等于几？, whose words all stand in the training.
How sure: the probability of the whole answer, its end included.  Chapter 19.
"""

from course_lib.chapters.ch19_sft import learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys import sums

SPLITS = ("train", "held-out", "three digits", "other wording")


def measure(seed: int, *, progress, steps: int) -> dict[str, list[float]]:
    """By split."""
    model = learning.train(
        lambda step: learning.rendered(sums.talks(learning.BATCH, 100_000 * seed + step)), steps=steps, history=[]
    )
    figures = {"right": [], "sure": [], "sure_when_wrong": []}
    for split in progress(SPLITS, "问法"):
        said, sure = learning.answers(model, learning.exam(split)), learning.confidence(model, learning.exam(split))
        wrong = [text != sums.right(each) for text, each in zip(said, learning.exam(split))]
        figures["right"].append(1 - sum(wrong) / len(wrong))
        figures["sure"].append(sure.mean().item())
        figures["sure_when_wrong"].append(float(sum(sure[i].item() for i, each in enumerate(wrong) if each)) / max(1, sum(wrong)))
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed held-out pairs are right in 0.9 or more, both other kinds in 0.5 or less, and there the model
    is surer than it is right, by 0.2 or more. Fails: another kind is as right as the pairs held out, within 0.1, on
    average. Else partly."""
    right, sure = figures["right"].values, figures["sure"].values
    names = ("训练过的", "没见过的数", "三位数", "换一种问法")
    told = "；".join(
        f"{name}：对 {share:.1%}，把握 {trust:.1%}"
        for name, share, trust in zip(names, figures["right"].mean, figures["sure"].mean)
    )
    if (figures["right"].mean[2:] >= figures["right"].mean[1] - 0.1).any():
        return Verdict("fails", f"换了样子，也答得和没见过的数一样好。{told}。")
    if (right[:, 1] >= 0.9).all() and (right[:, 2:] <= 0.5).all() and (sure[:, 2:] - right[:, 2:] >= 0.2).all():
        return Verdict("holds", f"换了样子就错，把握却比对的多。{told}。")
    return Verdict("partly", f"{told}。")


CLAIM = Claim(
    id="C25",
    chapter="19",
    title="换了样子还会吗，它知道自己不会吗",
    statement="SFT 以后，同一种问法里没见过的数它也答对；换成三位数，换一种问法，就大多答错，而它的把握比答对的多得多。",
    question="它学会了 27+15=?。问 627+215=?，或者 27加15等于几？，它答得对吗？",
    refuted_if="三位数或者另一种问法，答对的和没见过的数一样多。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"steps": 40},
    full={"steps": 400},
    quick_seeds=(0,),
    labels={
        "right": "答对的：训练过的、没见过的数、三位数、换一种问法",
        "sure": "它给自己那句回答的概率，平均",
        "sure_when_wrong": "答错时的这个概率，平均",
    },
    limits="",
)
