"""C29e: DPO on pairs of poems that rules have labelled: pairs learned from, new pairs, and what the poet writes then.

Rafailov et al. 2023 (arXiv:2305.18290): no reward model, no writing while it learns. Here the pairs are the poet's own
poems, two to a first line, and the label is right by its rules: what is missing is only number.  Chapter 22.
Equally many updates whatever the number of pairs, so few pairs come often and many once.
"""

from course_lib.chapters.ch22_dpo import poems
from course_lib.course.claims.core import Claim, Summary, Verdict

BETA = 0.1
ASKED = ("accuracy", "accuracy new", "chosen", "chosen new", "rejected", "rejected new")
WRITTEN = ("reward", "form", "rhyme", "tone", "variety", "distinct", "copied", "kl")


def measure(seed: int, *, progress, counts, betas, steps: int, n: int) -> dict[str, list[float]]:
    """ASKED: of the poet trained on each count with BETA, then on the most with each of betas. WRITTEN: first of the
    poet before, then of these; n poems, equally many pairs asked."""
    some = poems.pairs(counts[-1], seed)
    found = [poems.shown(poems.reference(), some, n=n, n_exam=n)]
    for count, beta in progress([*((count, BETA) for count in counts), *((counts[-1], beta) for beta in betas)], "DPO"):
        policy, _ = poems.learned(some[:count], seed, beta=beta, steps=steps)
        found.append(poems.shown(policy, some[:count], n=n, n_exam=n))
    asked = {name.replace(" ", "_"): [each[name] for each in found[1:]] for name in ASKED}
    return asked | {name: [each[name] for each in found] for name in WRITTEN}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed, with the fewest pairs those learned from are judged 0.2 more often right than new ones;
    with the most, new ones are right 0.05 more often than with the fewest and in 0.55 or more, and the poems written
    earn 0.1 more than before. Fails: on average with the most pairs new ones are right in 0.5 or less, or the poems
    earn no more than before. Else partly."""
    known, new = figures["accuracy"].values, figures["accuracy_new"].values
    reward, last = figures["reward"].values, 1  # `last`: the most pairs with BETA
    gap, better, gain = known[:, 0] - new[:, 0], new[:, last] - new[:, 0], reward[:, 1 + last] - reward[:, 0]

    def of(name: str, i: int) -> str:
        return f"{figures[name].mean[i]:.2f}"

    told = (
        f"对数最少：学过的判对 {known.mean(axis=0)[0]:.1%}，没见过的 {new.mean(axis=0)[0]:.1%}；"
        f"最多：{known.mean(axis=0)[last]:.1%}，{new.mean(axis=0)[last]:.1%}。"
        f"写出来的诗，满分 4：原来 {of('reward', 0)}，最少 {of('reward', 1)}，最多 {of('reward', 2)}"
        f"（押韵 {of('rhyme', 0)} → {of('rhyme', 2)}，平仄 {of('tone', 0)} → {of('tone', 2)}，"
        f"不重字 {of('variety', 0)} → {of('variety', 2)}，到参考的 KL {of('kl', 2)} 奈特）。"
        f"最多的对，学过的：chosen 的对数概率变了 {figures['chosen'].mean[last]:+.2f}，"
        f"rejected {figures['rejected'].mean[last]:+.2f}；"
        f"没见过的：{figures['chosen_new'].mean[last]:+.2f}，{figures['rejected_new'].mean[last]:+.2f}。"
    )
    if new[:, last].mean() <= 0.5 or gain.mean() <= 0:
        return Verdict("fails", f"没见过的对判得不比猜好，或者写出来的诗没有更好。{told}")
    if all((each >= least).all() for each, least in ((gap, 0.2), (better, 0.05), (new[:, last], 0.55), (gain, 0.1))):
        return Verdict("holds", told)
    lacking = [
        name
        for name, each, least in (
            ("最少的对没有那样过拟合", gap, 0.2),
            ("对数多了，没见过的没有多判对 5 个百分点", better, 0.05),
            ("没见过的判对不到 55%", new[:, last], 0.55),
            ("诗没有多得 0.1 分", gain, 0.1),
        )
        if (each < least).any()
    ]
    return Verdict("partly", f"不是每个种子都成立（{'；'.join(lacking)}）。{told}")


CLAIM = Claim(
    id="C29e",
    chapter="22",
    title="标签是对的，只是不够多",
    statement="规则标的诗：对数少，学过的几乎全判对，没见过的和猜差不多；对数多了，没见过的也判得对些，写出来的诗也更合规则。",
    question="标签由规则来给，没有一个是错的。一百对够不够？",
    refuted_if="对数最多时，没见过的对判对不到一半，或者写出来的诗得分没有更高。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"counts": [16, 32], "betas": [], "steps": 2, "n": 16},
    full={"counts": [96, 960], "betas": [0.5], "steps": 60, "n": 128},
    quick_seeds=(0,),
    labels={
        "accuracy": "学过的对，判对的份额：96 对、960 对（β 0.1），960 对 β 0.5",
        "accuracy_new": "没见过的对，判对的份额，次序同上",
        "chosen": "学过的对，chosen 的对数概率变了多少，奈特",
        "chosen_new": "没见过的对，chosen 的对数概率变了多少，奈特",
        "rejected": "学过的对，rejected 的对数概率变了多少，奈特",
        "rejected_new": "没见过的对，rejected 的对数概率变了多少，奈特",
        "reward": "写出来的诗按规则得分，满分 4：原来的诗人，然后次序同上",
        "form": "格式对的",
        "rhyme": "押韵的",
        "tone": "平仄对的句子",
        "variety": "没有重字的",
        "distinct": "相邻两字，不同的份额",
        "copied": "抄来的句子",
        "kl": "一首诗到参考的 KL，奈特",
    },
    limits="诗人不到一百万个数，每一步 16 对，只走 60 步；学习率和 β 没有分别调。"
    "96 对的每一对看十遍，960 对各看一遍，所以“少”和“重复”是同一件事。"
    "同一首开头的两首诗常常只差一两条规则，差别落在一两个字上，本来就难。"
    "规则的标签没有噪声，人的标签有。没见过的对用的是没见过的首句，诗却出自同一个诗人；策略走远以后写的诗，这些对也不像了。"
    "每次只问 128 对、写 128 首，份额的标准误约 4 个百分点。",
)
