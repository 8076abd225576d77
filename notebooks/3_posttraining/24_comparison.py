# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # 24 PPO、DPO、GRPO：摆在一起量
#
# 三种方法常被排进一张表：谁最贵，谁最稳，谁最灵活。表里哪几格是量出来的，哪几格是听来的？
#
# **学完能做什么**
#
# - 说出三种方法先要什么、写什么、装什么、学什么
# - 算出各占多少内存、一步多少运算
# - 看懂奖励–KL 前沿，认出不公平的比较
# - 按手里有什么，选一种，说出它的软处

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。请学生先凭印象排名次，写下来，最后再看。常问：“到底哪个好？”答：先问手里有什么：分数、规则，还是成对的偏好。
# :::

# %% [markdown]
# **先修**：[19 SFT](19_sft.ipynb)、[20 强化学习与 RLHF](20_rlhf.ipynb)（评论家、参考、KL）、[21 PPO](21_ppo.ipynb)（比值、裁剪、白化）、[22 DPO](22_dpo.ipynb)（间隔、π*）、[23 GRPO](23_grpo.ipynb)（组、k3）。
#
# **阅读** 约 44 分钟，练习另加 41 分钟。**运行** 实测约 55 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $r$ | 一个回答的分数 | 一个数 |
# | $A$ | 优势：比预料好多少 | 一个词元或一个回答一个数 |
# | $\beta$ | 离开参考一奈特，扣几分 | 大于 0 |
# | $\epsilon$ | 裁剪的宽度 | 0.2 |
# | $G$ | 同一题写几个回答 | 8 |
# | $J$ | 目标：平均奖励减 β 乘 KL | 一个数 |
# | $d$ | ln π − ln π_ref | 一个回答一个数 |
# | k3 | e 的 −d 次方，减 1，加 d：KL 的一种估计 | 不小于 0 |
#
# π 是现在的策略，π_old 写下这批回答，π_ref 是参考，π* 是 J 最大的策略，与 π_ref·exp(r/β) 成正比。“房间”是 course_lib 里放一个想法的短文件。
# :::

# %% slideshow={"slide_type": "skip"}
from dataclasses import replace
from functools import cache

import torch
from torch.nn.functional import logsigmoid
from torch.testing import assert_close

from course_lib import zoo
from course_lib.chapters.ch24_comparison import figures as plots
from course_lib.chapters.ch24_comparison import poems
from course_lib.chapters.ch24_comparison.learning import BETAS, Knobs, answers_to, race, task
from course_lib.chapters.ch24_comparison.seen import BETA, GONE, SCORES, seen
from course_lib.chapters.ch24_comparison.whole_figure import Sizes, plot_three
from course_lib.chapters.ch24_comparison.experiments.c31d_poems import at_equal_kl
from course_lib.course.claims import figures_of, load_record
from course_lib.data.real.poems import EDGE, MARKS, vocabulary
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, start
from course_lib.posttraining.kl import exact_kl
from course_lib.toys.three_answers import three_answers
from course_lib.widgets import Knob, explore
from course_lib.widgets.live_triangle import live_triangle
from course_lib.widgets.live_versions import live_versions

start("24")
METHODS = ("PPO", "DPO", "GRPO")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：一张表，谁说了算
#
# | | PPO | DPO | GRPO |
# |---|---|---|---|
# | 理念 | 小步追奖励 | 成对分类 | 组里比高低 |
# | 方法 | on-policy | off-policy | on-policy |
# | 模型 | 4 个 | 2 个 | 3 个 |
# | 数据 | 绝对的分数 | 成对的偏好 | 相对的分数 |
# | 成本 | 最高 | 最低 | 中等 |
# | 优势 | 灵活、鲁棒 | 简洁、稳定 | 高效、灵活 |
# | 挑战 | 复杂、昂贵 | 靠数据质量 | 组抽样的开销 |
# | 适用 | 追求极限 | 快速对齐 | 规则能判的 |

# %% [markdown] slideshow={"slide_type": "-"}
# 一格一格问：它是定义、是数、还是看法？定义去查论文；数，自己量：**同一个任务，写同样多的回答，同样几个种子**；看法，说明量不了。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。请学生挑一格，说怎样才算它错。常问：“这张表哪来的？”答：讲这三种方法的幻灯片里常见的八行；考据里引的就是它的原话。又问：“为什么要写同样多的回答？”答：写最花时间；步数可以随便改，写了几个回答改不了。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 三种方法，一张纸
#
# 64 个回答，各走一轮。先看每一行从什么开始，再看谁要写：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
show_figure(
    plot_three(Sizes(questions=8, answers=64, tokens=33)),
    alt="三行，从左到右：先有的、写、评、学。PPO：64 个问题，策略各写一个 [64, 33]，奖励 [64]、参考和评论家 [64, 32] 来评，"
    "策略与评论家一起学；换一批再写。GRPO：8 个问题各写 8 个 [64, 33]，奖励排成 [8, 8]，组里比，参考 [64, 32]，"
    "只有策略学；换一批再写。DPO：32 对已标好坏，2 × [32, 33]，不写；参考各读一遍，2 × [32]；策略学间隔 [32]",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 有没有那条橙色的回头线：PPO、GRPO 学完换一批再写，DPO 一直学那 32 对。再数灰格里有几个模型。[64, 33] 是连问题 33 个词元；预测总比词元少一个，所以评的是 32 格。若三种只是损失不同，三行的左边两格就该一样。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，一行一行念。常问：“DPO 的对从哪来？”答：先有人写、有人标；常是策略的前身写的。又问：“GRPO 的奖励能是规则吗？”答：能，PPO 也能；那样灰格里就少一个模型。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 同样的分数，三种推
#
# 四个单词元的回答，甲、乙、丙、丁得 0.2、0.9、0.5、0.4 分；参考写它们各两成（还有别的回答），策略已走了一点路，$d$ 是 0.6、0.3、−0.4、−0.8，β = 0.5。DPO 的好坏已经标定：乙胜甲，丙胜丁。三种损失把每个 ln π 往哪里推？
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 分数都乘 10，β 不动。谁的推会变？
#
# - A. 三种都变
# - B. 只有 PPO
# - C. 只有 DPO
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output", "hide-input"]
for times in (1, 10):
    for name, push in seen(times * SCORES).items():
        print(
            f"分数乘 {times:2}　{name:4} " + "  ".join(f"{one} {x:+.3f}" for one, x in zip("甲乙丙丁", push.tolist()))
        )

# %% [markdown] slideshow={"slide_type": "-"}
# PPO 先从奖励里扣 $\beta d$，再减平均、除以标准差（白化）：分数大了，扣的就显得小。GRPO 只把分数除以组里的标准差，k3 在损失里，不经过它。DPO 只听谁好。

# %% [markdown] slideshow={"slide_type": "skip"}
# **手算 PPO**：扣完是 0.2 − 0.3 = −0.1、0.75、0.7、0.8，平均 0.5375，标准差 0.427；甲的优势 −0.6375 ÷ 0.427 = −1.49，四个回答平均，推 −0.373。
#
# **手算 GRPO 的丁**：0.4 比平均低 0.1，除以标准差 0.294，四个平均，推 −0.085。可是它离参考最远（$d$ = −0.8）：k3 的斜率是 1 − e 的 −d 次方，等于 −1.23，乘 −β 再除以 4，拉回 +0.153。合起来 +0.068：分数压它，k3 抬它，抬的重。
#
# **手算 DPO 的乙**：间隔 0.5 × (0.3 − 0.6) = −0.15，排反了，出力 β·σ(0.15) = 0.269，两对平均，推 +0.134。

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
f = SCORES - BETA * GONE
by_hand = (f - f.mean()) / f.std() / 4
assert_close(seen(SCORES)["PPO"], by_hand, rtol=1e-6, atol=0)
A = (SCORES - SCORES.mean()) / (SCORES.std() + 1e-4)
assert_close(seen(SCORES)["GRPO"], (A - BETA * (1 - (-GONE).exp())) / 4)
assert_close(seen(SCORES)["DPO"][1], BETA * (-BETA * (GONE[1] - GONE[0])).sigmoid() / 2)
print("手算 PPO", [round(x, 3) for x in by_hand.tolist()])

# %% [markdown] slideshow={"slide_type": "skip"}
# DPO 不动，是因为标签已经抽好。若还没有抽，照布拉德利–特里的规矩，分差大十倍，标签就几乎不会错：那是换了数据，不是换了推。
#
# 拖一拖。“都加几分”只动最左边的灰柱，“乘几倍”还动了 PPO：


# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
def said_of_seen(times, more):
    told = [
        f"{name} " + "、".join(f"{x:+.2f}" for x in push.tolist()) for name, push in seen(times * SCORES + more).items()
    ]
    return f"分数乘 {times:g} 再加 {more:g}。推：" + "；".join(told).replace("-", "−")


explore(
    lambda times, more: plots.plot_seen(
        (times * SCORES + more).tolist(), {name: push.numpy() for name, push in seen(times * SCORES + more).items()}
    ),
    said_of_seen,
    times=Knob("分数乘", [0.1, 0.3, 1.0, 3.0, 10.0]),
    more=Knob("都加", [0, 5], kind="buttons"),
    start={"times": 1.0, "more": 0},
    name="24-seen",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 乘 0.1：PPO 的甲、乙都被压，丙、丁都被抬，因为 $d$ 一个正，一个负，奖励却轻得看不见。乘 10：PPO 像 β 是 0 一样只追分数。橙、绿两组柱子不动。若 PPO 真要“绝对的分数”，按“都加 5”它就该变。
# :::

# %% slideshow={"slide_type": "skip"}
show_erratum("K24-1")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先举手。常问：“GRPO 的 β 就不用管尺度了？”答：反过来，标准差替你改了尺度：难题易题一样重，β 的意思也跟着变。又问：“DPO 呢？”答：它听不到差多少，只听到谁好；差多少藏在胜的比例里。
# :::

# %% [markdown]
# ## 整段码
#
# 三种损失，一个循环，三个答案的世界。损失只差几行；差得多的是回答从哪来。PPO 这里没有评论家，拿一批的平均当预料。DPO 的推小一截：乘着 β 和 σ，一对里又常是同一个答案；它的学习率因此大二十倍，都是试出来的。


# %%
def ppo(now, old, reference, r, beta, clip):  # [n] → 一个数；评论家预料平均
    f = r - beta * (old - reference)  # KL 先从奖励里扣
    return clipped(now, old, (f - f.mean()) / f.std(), clip)


def grpo(now, old, reference, r, beta, clip, G=8):
    groups = r.view(-1, G)
    A = ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)).flatten()
    d = now - reference
    return clipped(now, old, A, clip) + beta * ((-d).exp() - 1 + d).mean()  # k3 在损失里


def clipped(now, old, A, clip):
    ratio = (now - old).exp()
    return -torch.minimum(ratio * A, ratio.clamp(1 - clip, 1 + clip) * A).mean()


def dpo(now, reference, pairs, beta):  # pairs [n/2, 2]：选中、落选
    d = now - reference
    return -logsigmoid(beta * (d[pairs[:, 0]] - d[pairs[:, 1]])).mean()


def learn(method, world, chance, *, n=32, rounds=200, epochs=4, lr=0.1, clip=0.2):
    z = world.reference.clone().requires_grad_()  # [3]
    optimiser = torch.optim.SGD([z], lr=lr)
    one, other = world.reference.exp().multinomial(n * rounds, replacement=True, generator=chance).view(2, -1)
    wins = torch.rand(len(one), generator=chance) < (world.reward[one] - world.reward[other]).sigmoid()
    pairs = torch.where(wins[:, None], torch.stack([one, other], 1), torch.stack([other, one], 1))
    for k in range(rounds):
        old = z.detach().log_softmax(0)
        drawn = old.exp().multinomial(n, replacement=True, generator=chance)
        for _ in range(epochs):
            now = z.log_softmax(0)
            if method == "DPO":  # 对先写好了，全由参考写
                loss = dpo(now, world.reference, pairs[k * n // 2 : (k + 1) * n // 2], world.beta)
            else:
                of = {"PPO": ppo, "GRPO": grpo}[method]
                loss = of(now[drawn], old[drawn], world.reference[drawn], world.reward[drawn], world.beta, clip)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return z.detach().log_softmax(0)


# %% [markdown]
# 先与房间逐数比较：上面那四个回答，三种推。再各写 6,400 个回答，训练：

# %% tags=["nbval-check-output"]
reference = torch.full((4,), 0.2, dtype=torch.float64).log()
old, ours = reference + GONE, {}
for name, loss in {
    "PPO": lambda now: ppo(now, old, reference, SCORES, BETA, 0.2),
    "DPO": lambda now: dpo(now, reference, torch.tensor([[1, 0], [2, 3]]), BETA),
    "GRPO": lambda now: grpo(now, old, reference, SCORES, BETA, 0.2, G=4),
}.items():
    now = old.clone().requires_grad_()
    ours[name] = -torch.autograd.grad(loss(now), now)[0]
    assert_close(ours[name], seen(SCORES)[name], rtol=1e-6, atol=0)
print("三种推都与房间相同")

world = three_answers()
print("奖励 " + "  ".join(f"{one} {x:g}" for one, x in zip("好中差", world.reward.tolist())) + f"　β {world.beta:g}")
print("参考 " + "  ".join(f"{one} {p:.3f}" for one, p in zip("好中差", world.reference.exp().tolist())))
print("π*　 " + "  ".join(f"{one} {p:.3f}" for one, p in zip("好中差", world.best.exp().tolist())))
for name in METHODS:
    there = learn(name, world, torch.Generator().manual_seed(0), lr={"DPO": 2.0}.get(name, 0.1))
    told = "  ".join(f"{one} {p:.3f}" for one, p in zip("好中差", there.exp().tolist()))
    print(f"{name:4} {told}　到 π* 的 KL {float(exact_kl(there, world.best)):.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 三条路，通向哪里
#
# 同样三个答案，同一个 π*。你的浏览器现算四条路：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
live_triangle(("exact", "PPO", "DPO", "GRPO"), name="24-triangle")

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 星是 π*。照默认：蓝（PPO）、橙（DPO）都到星旁边，绿（GRPO）停在别处。再弄坏它们，一次一样：让对里没有“好”，橙线到不了；把标签翻错一些，橙线停得近参考；每步的回答减到最少，蓝、绿抖。
#
# 橙线不抖，不是 DPO 的本事：默认的“偏好对”是无穷，它一步看全部可能的对，是算出来的，不是抽的；上面整段码里对是抽的，它就没有走到头。把“偏好对”调到 100 再看。若 DPO 真比 PPO“差”或“好”，就该处处如此。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# 绿线为什么停在别处：分数除以了组里的标准差，k3 拉的又是反方向的 KL（第 23 章），同一个 β 在 GRPO 里就是另一个意思。给它另找一个 β，下面还会遇到的音节带也一样找；数是终点到 π* 的 KL：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
tape, _ = task()  # 音节带，任务的 β 也是 0.5
for beta in (0.15, 0.5, 1.0, 2.0):
    there = learn("GRPO", replace(world, beta=beta), torch.Generator().manual_seed(0))
    on_tape = race("GRPO", Knobs(beta=beta / BETAS["GRPO"]), seed=0).to_best[-1]
    print(f"GRPO 的 β {beta:4g}　三个答案 {float(exact_kl(there, world.best)):.2f}　音节带 {float(on_tape):.2f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 任务的 β 都是 0.5，两个世界里 GRPO 最好的 β 却一大一小，都不是 0.5。所以后面的比较，三种各用各自找来的 β：GRPO 在三角形里难看，在音节带上好看，差别就在这里。找过以后，两处也都没有正好停在 π*。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先照默认走一遍，再请学生挑一样弄坏。常问：“那 DPO 不是最好吗？”答：只有三个答案，对里样样都有，它当然到得了；答案一多，对就盖不住，后面量。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 装几个模型，算几遍
#
# 一步 8 个回答，各 16 个词元；都用同样大的模型，奖励也算一个。运算这样数：一个模型把这批回答读一遍是 1，写约 1（GRPO 几个回答共读一题，约 0.6），学一遍是 3（前向 1，反向 2）。PPO 1 + 3 + 2 × 3，GRPO 0.6 + 2 + 3，DPO 0 + 1 + 3。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
cells = figures_of(load_record("C31"))
SIZES = ("窄：64 宽、2 层", "宽：192 宽、4 层", "诗人那样：120 宽、3 层")


def costs(size):
    at = SIZES.index(size)
    return cells["memory"].mean[at], cells["operations"].mean[at]


def said_of_costs(size):
    memory, work = costs(size)
    told = [f"{name} {m.sum():.3g} MB、{w.sum():.3g} 十亿次" for name, m, w in zip(METHODS, memory, work)]
    return f"{size}。内存与一步的运算：" + "；".join(told)


explore(
    lambda size: plots.plot_costs(METHODS, *costs(size), says=size),
    said_of_costs,
    size=Knob("模型", SIZES, kind="buttons"),
    start={"size": SIZES[1]},
    name="24-costs",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 次序与表相符：PPO 最高，DPO 最低。左图，蓝柱约是橙柱的两倍：PPO 是两份“一个在学、一个冻住”，DPO 是一份。绿柱只比橙柱高一点：多的那个冻住，只有权重。若“成本看模型个数”，绿柱该比橙柱高一半。左图的紫色是激活，跟着一步读多少词元走。
#
# 右图，“诗人那样”的 PPO 便宜些：词表大，输出头占去多半，评论家和奖励模型没有输出头。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# DPO 那根柱子里没有“写”。算上呢？换一个更小的模型，把各段数出来：

# %% slideshow={"slide_type": "skip"}
show_erratum("K24-2")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先问哪一种最贵、贵在哪一段。常问：“DPO 不写，是不是白捡的？”答：对总有人写过；若也由策略写、规则标，它与用规则打分的 GRPO 一样贵。又问：“真的大模型呢？”答：写要一个词元一个词元来，时间的份额比运算的大得多。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：走到同样好，要写多少
#
# **音节带**：一个回答是至多五个平、仄，每转一次得 1 分，满分 4；63 个回答的奖励和 π* 都知道。PPO、GRPO 边写边学，看得到分数；DPO 的对全由参考先写，只知道胜负。更新一样多。$J$ 从参考的到最好的，走了几成？
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 走到八成，谁要写的回答最多？
#
# - A. PPO：它还要教评论家
# - B. GRPO：一题要写八个
# - C. DPO：对里只有参考写得出的
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
BUDGETS = (128, 256, 512, 1024, 2048, 4096)
LEVELS = (0.5, 0.8, 0.9)
share = cells["share"]
show_figure(
    plots.plot_budgets(BUDGETS, share.values, METHODS, levels=LEVELS),
    alt="横轴是写了几个回答，纵轴是走了几成。"
    + "；".join(
        f"{name} " + "、".join(f"{n} 个 {x:.2f}" for n, x in zip(BUDGETS, row))
        for name, row in zip(METHODS, share.mean)
    ),
)

# %% [markdown] slideshow={"slide_type": "-"}
# 判**部分成立**。前一半路 DPO 略省，后一半它要得最多，九成走不到：好回答参考很少写，对里就很少见；标签又只说谁好，不说好多少。

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
needs = {level: [answers_to(BUDGETS, row, level) for row in share.mean] for level in (0.5, 0.7, 0.75, 0.8, 0.9)}
for level in LEVELS:
    told = "　".join(
        f"{name} {f'{n:,.0f} 个' if n <= BUDGETS[-1] else '走不到'}" for name, n in zip(METHODS, needs[level])
    )
    print(f"走到 {level:g} 要写：{told}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 一个回答如“平仄平仄平”，得 4 分；$J$ 是平均奖励减 0.5 乘 KL；胜负照布拉德利–特里的规矩抽。上面的数在五个种子平均的线上、两个预算之间连直线（横轴取对数）读出来。八成正落在 DPO 平下来的地方，线差一点，数就差很多；换两个门槛看看，再看参考写不写得出满分的回答：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
for level in (0.7, 0.75, 0.8):
    print(f"走到 {level:g} 要写：" + "　".join(f"{name} {n:,.0f} 个" for name, n in zip(METHODS, needs[level])))
full = tape.reward == tape.reward.max()
print(
    f"\n{len(full)} 个回答，满分的 {int(full.sum())} 个；参考写出它们的概率 {float(tape.reference[full].exp().sum()):.3f}，"
    f"π* 是 {float(tape.best[full].exp().sum()):.3f}"
)

# %% [markdown] slideshow={"slide_type": "skip"}
# 七成五时 DPO 约是 PPO 的两倍，八成时近六倍：次序靠得住，倍数靠不住。下面卡片里的数粗得多：预算一格一倍，每个种子取第一格够的，五个取几何平均；PPO 与 GRPO 一样多，是格子粗，不是它们真的一样。SFT 是垫底的线：只把每对里较好的那个当示范来学。

# %% slideshow={"slide_type": "skip"}
show_claim("C31")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### 自己拧：三条曲线
#
# 同一条音节带，一个种子，各 32 轮、1,024 个回答。虚线是平常的样子，不随旋钮动：

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
TURNS = {"PPO": ("beta", "clip", "noise"), "DPO": ("beta", "noise"), "GRPO": ("beta", "group", "clip", "noise")}
CLIPS = {"0.2": 0.2, "不裁": float("inf")}


@cache
def ran(method, **knobs):  # [33]，每轮一个
    return race(method, Knobs(rounds=32, **knobs), seed=1).share.numpy()


def curves(beta, group, clip, noise):
    turned = {"beta": beta, "group": group, "clip": CLIPS[clip], "noise": noise}
    return {method: ran(method, **{knob: turned[knob] for knob in TURNS[method]}) for method in METHODS}


def said_of_curves(**turned):
    told = "；".join(f"{method} 走到 {share[-1]:.2f}".replace("-", "−") for method, share in curves(**turned).items())
    knobs = (
        f"β 是各自的 {turned['beta']:g} 倍，每组 {turned['group']} 个，ε {turned['clip']}，噪声 {turned['noise']:.0%}"
    )
    return f"{knobs}：{told}"


explore(
    lambda **turned: plots.plot_curves(curves(1, 8, "0.2", 0), curves(**turned)),
    said_of_curves,
    beta=Knob("β（各自的几倍）", [0.25, 1, 4]),
    group=Knob("每组几个 G", [2, 8], kind="buttons"),
    clip=Knob("ε", [*CLIPS], kind="buttons"),
    noise=Knob("靠抽签的判断", [0, 0.4], kind="buttons"),
    start={"beta": 1, "group": 8, "clip": "0.2", "noise": 0},
    name="24-curves",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 平常：橙线起得最快，又掉下来，再没有回去；蓝、绿慢些，走得远。β 四倍：蓝停在三成，绿停在六七成，橙变得不多。每组改成 2：只有绿线低了。噪声四成：蓝低一截，橙起步慢些，绿几乎不动。ε 放开：都几乎不动。这是一个种子；五个种子的在“谁怕什么”。若三种“只是写法不同”，同一个旋钮该让三条一起动。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先举手。常问：“DPO 的更新次数少吗？”答：不少，一样多，只是回答不再换。又问：“真的模型也差这么多吗？”答：这里策略是一张表，没见过的回答学不到；真的模型会推广，差距会小。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 花同样的 KL，谁拿到的多
#
# 只比奖励不公平：走得远的花了更多的 KL。把 β 从四倍扫到四分之一，每种画一条线，这就是**奖励–KL 前沿**（reward–KL frontier）。虚线是这么多 KL 最多能换到的奖励。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
line = figures_of(load_record("C31b"))
show_figure(
    plots.plot_frontier(line["kl"].values, line["reward"].values, line["most"].values, METHODS),
    alt="横轴是到参考的 KL，纵轴是平均奖励，虚线是最多能有的。"
    + "；".join(
        f"{name} " + "、".join(f"KL {k:.2f} 奖励 {x:.2f}" for k, x in zip(kl, reward))
        for name, kl, reward in zip(METHODS, line["kl"].mean, line["reward"].mean)
    ),
)

# %% [markdown] slideshow={"slide_type": "-"}
# PPO、GRPO 贴着虚线，DPO 在下面一截，而且缩成一团：β 差了十六倍，它走多远多半由那些对定。β 最小时 KL 反而小一点，奖励也少；为什么，没有拆开查。

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
before = line["before"].values[:, None, None]
got = ((line["reward"].values - before) / (line["most"].values - before)).mean((0, 2))  # 五个种子、五个 β 平均
for name, kl, part, own in zip(METHODS, line["kl"].mean, got, line["reward"].values[:, :, 2].T):
    print(
        f"{name:4}　拿到能拿的 {part:.0%}　KL {kl.min():.2f} 到 {kl.max():.2f}　"
        f"β 一倍时五个种子的奖励 {'、'.join(f'{x:.2f}' for x in sorted(own))}，标准差 {own.std(ddof=1):.2f}"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# **料错了一处**：以为换一批对，DPO 散得最开；最开的是 PPO。可是它几乎全出自一个种子：没有抽到最好的回答，停在半路。去掉那一个，PPO 散得比 DPO 小得多。五个种子，只看得出大概。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先讲虚线，再比三条。常问：“PPO 为什么散？”答：五个种子里有一个停在半路，别的都好；训练一次就下结论，正好会碰上它。又问：“DPO 算稳定吗？”答：要看说的是哪一种：换数据散得比 GRPO 大，比 PPO 小。卡片 C31b 在网页末尾。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 谁怕什么
#
# 一次只动一样，别的照各自最好的。噪声是判断里有几成靠抽签。DPO 的标签已经抽好；怎样动，都用原来的 $J$ 来量。
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 奖励除以 10，β 不动。照原来的 $J$，谁走坏？
#
# - A. PPO：扣的 KL 显得大了
# - B. DPO：间隔小了十倍
# - C. GRPO：优势小了十倍
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
FACTORS = ("1/8", "1/2", "1", "2", "8")
KNOBS = {
    "学习率（各自最好的几倍）": FACTORS,
    "β（各自最好的几倍）": FACTORS,
    "裁剪的宽度 ε（DPO 没有）": ("0.05", "0.1", "0.2", "0.5", "不裁"),
    "噪声": ("0", "10%", "20%", "40%", "80%"),
    "奖励乘几倍": ("0.1", "0.3", "1", "3", "10"),
}
NAMES = {"奖励": 4, "学习率": 0, "β": 1, "ε": 2, "噪声": 3}
fears = figures_of(load_record("C31c"))["share"]


def knob_of(name):
    at = NAMES[name]
    label = [*KNOBS][at]
    return label, KNOBS[label], fears.values[:, :, at]


def said_of_fears(knob):
    label, values, share = knob_of(knob)
    told = [
        f"{method} " + "、".join(f"{value} 时 {x:.2f}" for value, x in zip(values, row))
        for method, row in zip(METHODS, share.mean(0))
    ]
    return f"{label}，走了几成：" + "；".join(told)


explore(
    lambda knob: plots.plot_sensitivity(*knob_of(knob), METHODS),
    said_of_fears,
    knob=Knob("动哪一样", [*NAMES], kind="buttons"),
    start={"knob": "奖励"},
    name="24-fears",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 一个按钮一个按钮按：“奖励”动 PPO，不动橙、绿；“学习率”往右，DPO 先坏，往左，PPO、GRPO 先坏；“噪声”到八成，都坏；“ε”都不怕。若有一种真的处处“鲁棒”，它五张图都该平。
# :::
#
# 五个种子平均，走了几成：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
for name in NAMES:
    label, values, share_of = knob_of(name)
    print(f"{label}：{'、'.join(values)}")
    for method, row in zip(METHODS, share_of.mean(0)):
        print(f"    {method:4} " + "  ".join(f"{x:5.2f}" for x in row))
print("奖励乘 1、乘 10，PPO 的五个种子：" + "；".join(f"{a:.2f}、{b:.2f}" for a, b in fears.values[:, 0, 4][:, [2, 4]]))

# %% [markdown] slideshow={"slide_type": "skip"}
# 奖励除以 10，PPO 其实没有“坏”：它照办了。它的 π* 由 r/β 定，r 小了十倍，π* 就退到参考旁边；只是照原来的 $J$ 量，几乎没有走。乘 10，它只追分数，多花了 KL；四个种子都低了一点，平均却没有低，因为停在半路的那个种子被推了上去：分数大了，它没有再停。
#
# 橙线在“奖励”“噪声 0”里也带着噪声：标签照布拉德利–特里抽，分差 1 时四次里错一次。卡片里“少走多少”是每个种子各取最坏的一格再平均，所以比这里平均以后的线更低。判部分成立：学习率、噪声不是每个种子都伤 DPO 最多。卡片 C31c 在文末。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先举手，再换按钮。常问：“奖励模型的分数大小没人管，那 PPO 怎么办？”答：先把分数归一，或者跟着改 β；PPO 听的就是两者之比。又问：“跌到起点以下叫崩溃吗？”答：我们这样数，卡片里有：DPO 最多，多半在学习率八倍那一格。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：同一个诗人，写同样多的诗
#
# 给首句往下写，规则打分：押韵、平仄、不重字各 1。四种学法从同一个诗人起，各写 1,536 首；DPO 和 SFT 的对全由原来的诗人写。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 满分 3。每种三个种子，各量 256 首，三个合起来，奖励的标准误约 0.03。两种差到多少才算数？
#
# - A. 0.01：有差就算
# - B. 0.04：比标准误大就算
# - C. 0.08：两个都有误差，再要差两倍
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
SEEN = ("reward", "form", "five", "rhyme", "tone", "variety", "distinct", "one end", "repeated", "copied", "kl")
TOLD = {
    "rhyme": "押韵",
    "tone": "平仄",
    "variety": "不重字",
    "form": "格式",
    "distinct": "相邻两字不同",
    "one end": "最常见的韵脚",
}
by_rules = figures_of(load_record("C31d"))
shown = by_rules["shown"].values  # [种子, 方法, 察看, SEEN]
start_at = by_rules["before"].mean
places = [SEEN.index(name) for name in TOLD]
own = by_rules["poets"].mean[[place - 1 for place in places]]
ways = {
    key: torch.cat(
        [
            torch.full((4, 1), start_at[SEEN.index(key)], dtype=torch.float64),
            torch.tensor(shown[..., SEEN.index(key)].mean(0), dtype=torch.float64),
        ],
        1,
    ).numpy()
    for key in ("kl", "reward")
}
FOUR = (*METHODS, "SFT")
show_figure(
    plots.plot_poems(
        [*TOLD.values()], start_at[places], shown[:, :, -1][..., places], own, (ways["kl"], ways["reward"]), FOUR
    ),
    alt="左：各学法以后的份额。"
    + "；".join(
        f"{method} " + "、".join(f"{told} {x:.2f}" for told, x in zip(TOLD.values(), row))
        for method, row in zip(FOUR, shown[:, :, -1].mean(0)[:, places])
    )
    + "。右：奖励对 KL，"
    + "；".join(
        f"{method} 终点 KL {k[-1]:.1f}，奖励 {x[-1]:.2f}" for method, k, x in zip(FOUR, ways["kl"], ways["reward"])
    ),
)

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
ends = shown[:, :, -1].mean(0)  # [方法, SEEN]
print(f"原来　奖励 {start_at[0]:.2f}")
for method, row, seeds in zip(FOUR, ends, shown[:, :, -1, 0].T):
    print(
        f"{method:4}　奖励 {row[0]:.2f}（{'、'.join(f'{x:.2f}' for x in seeds)}）　多 {row[0] - start_at[0]:+.2f}　"
        f"KL {row[SEEN.index('kl')]:.1f}　最常见的韵脚 {row[SEEN.index('one end')]:.2f}"
    )
equal = [at_equal_kl(*each) for each in zip(by_rules["before"].values, shown)]
level = sum(each for _, each in equal) / len(equal)
told = "　".join(f"{method} {x:.2f}" for method, x in zip(METHODS, sum(each for each, _ in equal) / len(equal)))
print(f"KL 都是 {level:.1f} 时：{told}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 判**部分成立**。PPO、GRPO 每个种子都在 DPO、SFT 之上，平均差 0.12 以上，过了 0.08；比原来的诗人也高出这么多，可是不是每个种子都多 0.15。PPO 与 GRPO 之间，DPO、SFT 与原来的诗人之间，分不出。**KL 相同时又分不出了**：GRPO 走得最远，多拿的有一部分是多花的。DPO 花了 KL，奖励没有多。没有奖励的量，格式、相邻两字没有坏；GRPO 最常见的韵脚多了一倍，还很少；真诗每字的对数概率都低了一点，GRPO 低得最多。
#
# 先前跑过一次，各写 1,024 首，各量 128 首：四种最多差 0.09，不到那时的门槛 0.11，只能说分不出。于是判据不改，多写、多量。可是加量是看过第一次才定的，种子也还是那三个：当作线索，不当作定论。第 23 章写了多得多的诗，押韵到 0.86；这里还在半路上。先算标准误，再说谁好。

# %% slideshow={"slide_type": "skip"}
show_claim("C31d")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先举手，再看右图。常问：“DPO 没有用吗？”答：在这里，一千多首里的六百多对学一遍，没有看出来；第 22 章的对多得多，学得动。又问：“多写些会怎样？”答：没有量。按第 23 章，边写边学的会接着涨；DPO 的对要另写一批。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# 听一听。课程另有两个练过的诗人：第 22 章的 `poet-dpo`、第 23 章的 `poet-grpo`。它们写得更多，规则也不尽相同，**不算在上面的比较里**。十个首句由种子抽；平仄按几句合律给份额，所以分数里有四分之一：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
dpo_poet, grpo_poet = (zoo.load(name).eval() for name in ("poet-dpo", "poet-grpo"))
for rows, earned in poems.told_apart([dpo_poet, grpo_poet], n=10, seed=0):
    for name, row, score in zip(("原来", "DPO ", "GRPO"), rows, earned):
        print(f"{name} {score:.2f}　{row}")
    print()

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
letters = vocabulary()
edge = letters.index(EDGE)
live_versions(
    {
        "原来的诗人": ("poet-plain", poems.reference(), "the zoo's poet"),
        "DPO 以后": ("poet-dpo", dpo_poet, "the zoo's poet after DPO on 3,840 pairs of its poems"),
        "GRPO 以后": ("poet-grpo", grpo_poet, "the zoo's poet after GRPO on rhyme, tones and variety"),
    },
    letters,
    name="24-poets",
    licence="MIT",
    about="写一句五个字或七个字，按运行：诗人在这一页里往下写。换一个诗人，它用同样的种子再写。↵ 是诗的边界。",
    prompt="春风吹又生，",
    start=[edge],
    end=[edge],
    breaks=list(dict.fromkeys(MARKS)),
    lines=5,
    temperature=0.8,
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 这张表，再看一遍
#
# 八行，一行一行换，比一比“说的”和“量的”。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
memory = cells["memory"].mean.sum(-1)  # [模型, 方法]
work = cells["operations"].mean.sum(-1)


def of_ppo(table, at):
    return f"{(table[:, at] / table[:, 0]).mean():.2f}"


usual = line["reward"].values[:, :, 2]  # [种子, 方法]，各自的 β
worst = fears.values[:, :, 0].min(-1).mean(0)  # 学习率最坏的那一格
TABLE = {
    "核心理念": (
        ("小步追奖励", "成对的偏好\n当分类", "组里比高低"),
        ("是定义。推的是\n扣过 KL 的优势", "是定义。\n隐式的奖励还在", "是定义。\nKL 在损失里"),
    ),
    "方法": (
        ("on-policy", "off-policy", "on-policy"),
        ("边写边学", "离线：对先写好", "边写边学"),
    ),
    "模型": (
        ("4 个", "2 个", "3 个"),
        tuple(f"内存是 PPO 的\n{of_ppo(memory, at)}" for at in range(3)),
    ),
    "数据": (
        ("绝对的分数", "成对的偏好", "相对的分数"),
        ("零点不要紧，\n分数与 β 的比要紧", "只听谁好，\n还要盖得住", "零点、尺度\n都不要紧"),
    ),
    "成本": (
        ("最高", "最低", "中等"),
        tuple(f"一步的运算 {of_ppo(work, at)}\n走到八成要写\n{needs[0.8][at]:,.0f} 个" for at in range(3)),
    ),
    "优势": (
        ("灵活、鲁棒", "简洁、稳定", "高效、灵活"),
        tuple(f"五个种子的奖励\n{usual[:, at].min():.2f} 到 {usual[:, at].max():.2f}\n灵活：量不了" for at in range(3)),
    ),
    "挑战": (
        ("复杂、昂贵", "靠数据质量", "组抽样的开销"),
        tuple(f"学习率挑坏了，\n走了 {worst[at]:.2f}\n复杂：量不了".replace("-", "−") for at in range(3)),
    ),
    "适用": (
        ("追求极限", "快速对齐", "规则能判的"),
        ("量不了：是建议", "量不了：是建议", "量不了：是建议"),
    ),
}
SIDES = ("说的", "量的")


def cells_of(row, side):
    return dict(zip(METHODS, TABLE[row][SIDES.index(side)]))


def said_of_cells(row, side):
    return f"{row}，{side}。" + "；".join(
        f"{name}：" + says.replace("\n", "") for name, says in cells_of(row, side).items()
    )


explore(
    lambda row, side: plots.plot_cells(row, side, cells_of(row, side)),
    said_of_cells,
    row=Knob("哪一行", [*TABLE], kind="buttons"),
    side=Knob("看", SIDES, kind="buttons"),
    start={"row": "成本", "side": "量的"},
    name="24-cells",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# “模型”和一步的运算，量的与说的次序相同，倍数不同；走到八成要写几个回答，次序反了过来：DPO 最多。“数据”那行，PPO 的“绝对的分数”不成立。“优势”“适用”里，灵活、鲁棒、追求极限：我们没有量，也说不出怎样才算它错。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。请学生点一格，先说怎样算错，再看“量的”。常问：“量不了的就不要了吗？”答：可以留着，但要知道那是看法。又问：“换个任务，数会变吗？”答：会。内存、运算变得少；要写多少回答、怕什么，变得多。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 该用哪一个：先看手里有什么
#
# | 手里有 | 先试 | 它的软处 |
# |---|---|---|
# | 成对的偏好，写不起 | DPO | 对里没有的，学不到 |
# | 成对的偏好，写得起 | **在线的 DPO**（online DPO），或奖励模型加 RL | 评判要跟得上 |
# | 便宜、判得准的规则 | GRPO 一类 | 规则没写的空子 |
# | 奖励模型，每个词元要分清功过 | PPO | 评论家要另养、另调 |
# | 只有好的示范 | SFT | 至多和示范者一样好 |
#
# 在线的 DPO（Guo 等，2024）：每一步由现在的策略写两个，当场标好坏，再用 DPO 的损失。离线的是数据，不是损失。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。给三种情形，请学生选。常问：“能不能都用？”答：常常是接着用：先 SFT，再 DPO，末了用规则做 RL；Tülu 3 就是这个次序。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 大模型上，别人量到什么
#
# | 谁量的 | 怎样比 | 结果 |
# |---|---|---|
# | Xu 等（2024-04） | 对话与写程序，PPO 仔细调过 | PPO 都在 DPO 上面；要紧的是优势归一、大批、参考缓慢跟进 |
# | Tang 等（2024-05） | 边写边学，对一批写好的 | 同样的 KL，边写边学的在上面；加大模型也补不上 |
# | Ivison 等（2024-06） | 一次换一样 | PPO 比 DPO 数学至多多 2.5%，别处 1.2%；换好的偏好数据，听指令、说真话至多多 8% |
# | Tülu 3（2024-11） | 8B 到 405B | SFT、DPO、再用规则做 RL，三样接着用 |
#
# Ivison 等那里，换数据的好处比换方法的大，别人没有这样拆开比过。差多少，也看谁调得用心。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“那为什么还有人用 DPO？”答：不用边学边写，一台机器就跑得动；许多公开的模型先做它。又问：“GRPO 和 PPO 呢？”答：公平的比较还少；第 23 章有几个单独的数。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：常见误区
#
# :::{admonition} 1. “这是一条升级的路：PPO、DPO、GRPO”
# :class: pitfall
# 它们要的东西不同：分数、对、一组分数。后出的不一定替代先出的。
# :::
#
# :::{admonition} 2. “内存就是模型个数乘权重”
# :class: pitfall
# 在学的一个要存四份，还有激活；冻住的只一份，还常用一半的字节。
# :::
#
# :::{admonition} 3. “β 都取 0.1，就公平”
# :class: pitfall
# 同一个 β，三种方法停的 KL 不同。扫一遍，在同样的 KL 上比。
# :::
#
# :::{admonition} 4. “每种都挑最好的种子”
# :class: pitfall
# 散得开的方法占便宜。报平均，也报散布。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟，先让学生说哪句对。常问：“论文里也挑种子吗？”答：常常只跑一个，因为贵；所以差几个百分点，先别信。
# :::

# %% [markdown]
# ## 往前看，往后看
#
# - **第 19 章**：SFT 的上限；**第 20 章**：奖励、参考、KL。
# - **第 21 到 23 章**：三种方法各自的毛病，在那里拆开；这里只放在一起量。
# - **第 25 章**：给会看图的模型对齐，先 DPO，再 GRPO。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 七题，连小问约 41 分钟：两题心算，一题写代码，三题修程序，一题选择，每题后面跟着一个小问。把 `...` 换成你的答案，运行 `check`；在网页上，心算题和选择题可以直接填。它认得常见的错。

# %%
exercise("24-comparison-1")

# %%
answer = ...  # GB

check("24-comparison-1", answer)

# %%
next_answer = ...  # 小问：GB

check("24-comparison-1-next", next_answer)

# %%
exercise("24-comparison-2")

# %%


def gap_at_equal_kl(kl_a, reward_a, kl_b, reward_b): ...


check("24-comparison-2", gap_at_equal_kl)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("24-comparison-2-next", next_answer)

# %%
exercise("24-comparison-3")

# %%


def my_gap(a, b, n_a, n_b, budget):
    last = budget // max(n_a, n_b) - 1
    return a[:, last].mean() - b[:, last].mean()


check("24-comparison-3", my_gap)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("24-comparison-3-next", next_answer)

# %%
exercise("24-comparison-4")

# %%


def my_rewards(scores, kl, beta, scale):
    return scale * scores - beta * kl


check("24-comparison-4", my_rewards)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("24-comparison-4-next", next_answer)

# %%
exercise("24-comparison-5")

# %%


def my_kl(log_probs, old, reference):
    return (log_probs - reference).mean()


check("24-comparison-5", my_kl)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("24-comparison-5-next", next_answer)

# %%
exercise("24-comparison-6")

# %%
answer = ...  # "A"、"B"、"C" 或 "D"

check("24-comparison-6", answer)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("24-comparison-6-next", next_answer)

# %%
exercise("24-comparison-7")

# %%
answer = ...  # 几遍

check("24-comparison-7", answer)

# %%
next_answer = ...  # 小问：几遍

check("24-comparison-7-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. PPO、GRPO 边写边学，DPO 学先写好的对；它们要的东西不同，不是一条升级的路。
# 2. 一步的内存、运算：PPO 最高，DPO 最低；贵在几个在学。对若也由策略写、只学一遍，DPO 不比用规则的 GRPO 省。
# 3. 一张表的音节带上，前一半路 DPO 略省，后一半它要写得最多：对里少见的，它学不到。
# 4. 要在同样的 KL 上比；同一个 β，三种停在不同的地方。
# 5. PPO 听的是奖励与 β 的比，DPO 怕学习率太大；诗上 PPO、GRPO 多拿了分，KL 相同时分不出；“灵活”量不了。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。请学生拿出开头写下的名次，改一处，说凭什么。常问：“记不住怎么办？”答：记一句：先问手里有什么，再问量过没有。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **比较**：Xu 等（2024，arXiv:2404.10719）定理 4.1 前后说 DPO 为什么会抬没见过的回答；Ivison 等（2024，arXiv:2406.09279）一次换一样；Tang 等（2024，arXiv:2405.08448）拆在线与离线。
# - **在线的 DPO**：Guo 等（2024，arXiv:2402.04792）。
# - **接着用**：Lambert 等，Tülu 3（2024，arXiv:2411.15124）。
# - **怎样比才公平**：Henderson 等（2018，arXiv:1709.06560）；Gao 等（2022，arXiv:2210.10760）用 KL 当横轴。
#
# 下一章：把这些用到会看图的模型上。

# %% [markdown]
# ## 证据与考据

# %% [markdown]
# ### 前沿与散布

# %%
show_claim("C31b")

# %% [markdown]
# ### 一次只动一样

# %%
show_claim("C31c")

# %% [markdown]
# ### 表里的另外三格
#
# 这三格不算错，说得不够：

# %%
show_erratum("K24-3")

# %%
show_erratum("K24-4")

# %% [markdown]
# 模型的个数和内存，也不是一回事：

# %%
show_erratum("K24-5")
