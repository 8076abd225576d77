"""C16c: an error that captioner and filter have both learnt passes the filter; the same error made at random does not.

BLIP's captioner and filter are copies of one model, tuned apart (Li et al. 2022, section 3.3); with shared parameters
the filter throws out less, which the paper (section 4.4) lays to confirmation bias.  Chapter 12.
In the web's captions one colour is called by another's name in two of three pictures; a second colour, as often, by any
name. What people wrote shows neither colour; or, to compare, all. English.
"""

import torch

from course_lib.chapters.ch12_blip import capfilt, learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.world.scenes import COLOURS, combinations
from course_lib.toys.one_shape import UNSEEN, seen

EACH = len(combinations()) // len(COLOURS)  # combinations of a colour; they stand together


def called(numbers: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    """The combinations that differ in colour alone."""
    return numbers % EACH + EACH * colours


def any_but(n: int, colours: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """n colours by lot, none of these."""
    others = torch.tensor([c for c in range(len(COLOURS)) if c not in colours.tolist()])
    return others[torch.randint(len(others), (n,), generator=chance)]


def measure(seed: int, *, progress, steps: int, n_each: int) -> dict[str, list[float]]:
    """Shares, first where people's captions lack both colours, then where they show all. New pictures throughout."""
    chance = torch.Generator().manual_seed(seed)
    always, name, random = torch.randperm(len(COLOURS), generator=chance)[:3]
    web = capfilt.true_pairs(seen().repeat(n_each), 0)
    wrong = torch.rand(len(web.shown), generator=chance) < 2 / 3
    for colour, names in ((always, lambda n: name.expand(n)), (random, lambda n: any_but(n, random[None], chance))):
        rows = (wrong & (web.shown // EACH == colour)).nonzero()[:, 0]
        web.ids[rows] = capfilt.captions()[called(web.shown[rows], names(len(rows)))]
    human = capfilt.true_pairs(seen(), capfilt.HUMAN)
    lacking = human.of((human.shown // EACH != always) & (human.shown // EACH != random))

    torch.manual_seed(seed)
    first = capfilt.together(web, lacking)
    model = capfilt.taught(learning.build(), first, steps, seed, progress=lambda x: progress(x, "web"))
    new = {
        colour: capfilt.true_pairs(seen()[seen() // EACH == colour].repeat(4), UNSEEN)
        for colour in (always.item(), random.item())
    }
    error, any_error = new[always.item()], new[random.item()]
    n = len(error.shown)
    asked = {
        "passes_learnt": called(error.shown, name.expand(n)),
        "passes_random": called(error.shown, any_but(n, torch.stack([always, name]), chance)),
        "passes_right": error.shown,
    }
    figures = {key: [] for key in (*asked, "says_learnt", "says_random")}
    for written in (lacking, human):
        captioner, matcher = capfilt.captioner_and_filter(model, written, steps // 4, seed, learning.LR / 2)
        for key, numbers in asked.items():
            pairs = error._replace(ids=capfilt.captions()[numbers])
            figures[key].append((capfilt.belief(matcher.blip, pairs) > 0.5).float().mean().item())
        for key, pairs, allowed in (
            ("says_learnt", error, [name]),
            ("says_random", any_error, [c for c in range(len(COLOURS)) if c != random]),
        ):
            said = learning.caption(captioner.blip, pairs.images, capfilt.LANGUAGE)
            names = [list(COLOURS)[c] for c in allowed]
            figures[key].append(sum(any(f" {each} " in text for each in names) for text in said) / len(said))
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: where people's captions lack the colour, the captioner makes the learnt error in half of its captions or
    more, and the filter lets it pass more often than an error at random by 0.3 or more, in every seed. Fails: by less
    than 0.1 on average. Else partly."""
    learnt, random = figures["passes_learnt"].values, figures["passes_random"].values
    says = figures["says_learnt"].values
    gap = learnt[:, 0] - random[:, 0]

    def share(name: str, which: int) -> str:
        return f"{figures[name].mean[which]:.0%}±{figures[name].std[which]:.0%}"

    told = (
        f"网上总把一种颜色叫成另一种：写描述的跟着叫错 {share('says_learnt', 0)}，"
        f"过滤器放过这个错 {share('passes_learnt', 0)}，放过随便叫错的 {share('passes_random', 0)}，"
        f"放过叫对的 {share('passes_right', 0)}。"
        f"另一种颜色也有三分之二叫错，但错得不一样：写描述的叫错 {share('says_random', 0)}。"
        f"人写的句子里有这两种颜色时：叫错 {share('says_learnt', 1)}，放过这个错 {share('passes_learnt', 1)}，"
        f"放过随便叫错的 {share('passes_random', 1)}，放过叫对的 {share('passes_right', 1)}。"
    )
    if gap.mean() < 0.1:
        return Verdict("fails", f"学来的错并不比随便的错更容易过关（{gap.mean():+.0%}）。{told}")
    if (says[:, 0] >= 0.5).all() and (gap >= 0.3).all():
        return Verdict("holds", told)
    return Verdict("partly", f"学来的错更容易过关（{gap.mean():+.0%}），但不是每个种子都这样明显。{told}")


CLAIM = Claim(
    id="C16c",
    chapter="12",
    title="写的和筛的有同一个盲点",
    statement="网上的说法里成规律的错，写描述的会照写，过滤器也会放过；同样多而不成规律的错，过滤器挡得住。",
    question="过滤器和写描述的出自同一个模型。训练数据总把一种颜色叫错，过滤器能拦住这个错吗？",
    refuted_if="过滤器放过学来的错，平均只比放过随便的错多不到 10 个百分点。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"steps": 12, "n_each": 1},
    full={"steps": 300, "n_each": 4},
    quick_seeds=(0,),
    labels={
        "passes_learnt": "过滤器放过学来的错：人写的句子没有这种颜色、有这种颜色",
        "passes_random": "过滤器放过同一批图上随便叫错的颜色：同上",
        "passes_right": "过滤器放过叫对的颜色：同上",
        "says_learnt": "写描述的跟着叫错：同上",
        "says_random": "另一种颜色，网上一样多但不成规律地叫错，写描述的叫错：同上",
    },
    limits="错的是颜色名这一个词，占这种颜色的图的三分之二；真实数据里的规律性错误更少、更杂，也更难数。"
    "哪三种颜色由种子抽签。人写的句子里没有的颜色，写描述的都常叫错，成不成规律看不出差别；差别只在过滤器。"
    "快速形式只训练 12 步，什么也没学会。",
)
