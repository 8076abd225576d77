"""C28c: what a poet makes of the rhyme alone, what the penalty of its reference prevents, and a rule written in haste.

Goodhart's law for reward models: Gao et al. 2022 (arXiv:2210.10760); there and here the true quality is measured beside
the reward. PPO on the zoo's poet, from first lines, so that the form is given.  Chapter 21.
"""

from statistics import mean

from course_lib.chapters.ch21_ppo import poems
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys.aligned_poet import examined

WAYS = {"只有押韵，β 0": ("rhyme", 0.0), "只有押韵，β 0.1": ("rhyme", 0.1), "粗心的规则，β 0": ("naive", 0.0)}
SEEN = ("form", "rhyme", "tone", "variety", "distinct", "one end", "repeated", "kl", "held-out")
LAST = 5  # rounds


def measure(seed: int, *, progress, rounds: int, n: int) -> dict[str, list]:
    """SEEN: of n poems by the poet before, then by WAYS. reward: of each of WAYS and round, mean of what its rule said.
    paid, true: mean of the rule that paid and of the true rhyme in the last rounds, while learning."""
    policy, reference = poems.reference(), poems.reference()
    found, reward, true = [examined(policy, reference, n=n, seed=seed)], [], []
    for rule, beta in progress(WAYS.values(), "PPO"):
        policy, run = poems.collapse(rule, beta=beta, rounds=rounds, seed=seed, progress=False)
        found.append(examined(policy, reference, n=n, seed=seed))
        reward.append(run.figures["score"][:: poems.WRITING.epochs])
        true.append(run.figures["rhyme"][:: poems.WRITING.epochs])
    seen = {name.replace(" ", "_").replace("-", "_"): [each[name] for each in found] for name in SEEN}
    last = {name: [mean(way[-LAST:]) for way in ways] for name, ways in (("paid", reward), ("true", true))}
    return seen | last | {"reward": reward}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed the rhyme alone with β 0 lifts the rhyme by 0.15 and the commonest end by 0.1, and the pairs
    of characters are less different by 0.02; with β 0.1 the commonest end rises by at most a half of that, and the KL
    is at most a half; the naive rule pays 0.1 more than the true rhyme. Fails: on average with β 0 the rhyme rises by
    less than 0.05, or neither does the commonest end rise by 0.02 nor the difference fall by 0.01. Else partly."""
    rhyme, end, distinct, kl = (figures[name].values for name in ("rhyme", "one_end", "distinct", "kl"))
    gain, ends, lost = rhyme[:, 1] - rhyme[:, 0], end[:, 1:] - end[:, :1], distinct[:, 0] - distinct[:, 1]
    gap = figures["paid"].values[:, 2] - figures["true"].values[:, 2]

    def of(name: str, *ways: int) -> str:
        return " → ".join(f"{figures[name].mean[way]:.2f}" for way in ways)

    told = (
        f"只奖励押韵、β 0：押韵 {of('rhyme', 0, 1)}，句末最常见的字占 {of('one_end', 0, 1)}，"
        f"相邻两字不同的 {of('distinct', 0, 1)}，没有重字的 {of('variety', 0, 1)}，KL {of('kl', 1)} 奈特，"
        f"真诗每字的对数概率 {of('held_out', 0, 1)}。"
        f"β 0.1：押韵 {of('rhyme', 2)}，句末 {of('one_end', 2)}，不同的 {of('distinct', 2)}，KL {of('kl', 2)}。"
        f"粗心的规则：付了 {of('paid', 2)}，真押韵 {of('true', 2)}，句末 {of('one_end', 3)}。"
    )
    if gain.mean() < 0.05 or (ends[:, 0].mean() < 0.02 and lost.mean() < 0.01):
        return Verdict("fails", f"押韵没有多起来，或者别的什么也没有坏。{told}")
    lacking = [
        name
        for name, right in (
            ("押韵没有多 15 个百分点", gain >= 0.15),
            ("句末没有集中 10 个百分点", ends[:, 0] >= 0.1),
            ("相邻两字没有少 2 个百分点", lost >= 0.02),
            ("β 0.1 没有让句末少集中一半", ends[:, 1] <= ends[:, 0] / 2),
            ("β 0.1 没有让 KL 小一半", kl[:, 2] <= kl[:, 1] / 2),
            ("粗心的规则没有多付 10 个百分点", gap >= 0.1),
        )
        if not right.all()
    ]
    if not lacking:
        return Verdict("holds", told)
    return Verdict("partly", f"不是每个种子都成立（{'；'.join(lacking)}）。{told}")


CLAIM = Claim(
    id="C28c",
    chapter="21",
    title="只奖励押韵，诗变成了什么",
    statement="只奖励押韵又不拴住：押韵多了，句末却都成了那几个字，用字也重复；参考的 KL 拴住一半以上。"
    "规则写得粗心，付出去的比真押韵的多。",
    question="奖励只有一条：第二、四句押韵。诗人会找到什么捷径？奖励的曲线上看得出来吗？",
    refuted_if="押韵没有多起来，或者句末没有集中、用字也没有更重复。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"rounds": 2, "n": 16},
    full={"rounds": 24, "n": 128},
    quick_seeds=(0,),
    labels={
        "form": "格式对的：原来的诗人，只有押韵 β 0，只有押韵 β 0.1，粗心的规则 β 0",
        "rhyme": "押韵的，次序同上",
        "tone": "平仄对的句子",
        "variety": "没有重字的",
        "distinct": "相邻两字，不同的份额",
        "one_end": "第二、四句末最常见的那个字占的份额",
        "repeated": "同一首里重复的字",
        "kl": "一首诗到参考的 KL，奈特",
        "held_out": "真诗每个字的对数概率，奈特",
        "reward": "学习中每一轮的平均奖励；每行一种做法",
        "paid": "最后五轮，付出去的奖励；三种做法",
        "true": "最后五轮，真押韵的；三种做法",
    },
    limits="诗人不到一百万个数，只走 24 轮、每轮 32 首、学两遍，学习率 0.001；再走下去，塌得更厉害。"
    "首句是给定的，所以格式和五言七言不变。每次只看 128 首，份额的标准误约 4 个百分点。"
    "这个诗人本来就有六成押韵，捷径不必走到底；弱的诗人钻粗心规则的空子会更彻底。"
    "β 0.1 也让押韵长得慢，KL 小有一半是因为它。",
)
