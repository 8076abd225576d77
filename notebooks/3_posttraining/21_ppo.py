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
# # 21 PPO：一批回答，多走几步
#
# 写一批回答很费时，REINFORCE 走一步就扔掉。多走几步，又会走飞。走到哪里该停？
#
# **学完能做什么**
#
# - 手算比值和裁剪，说出四种情形里哪两种没有梯度
# - 说清裁剪挡住了什么，没有挡住什么
# - 把一个分数摊到每个词元：KL 扣分、评论家、优势
# - 画出四个模型：谁写，谁看，谁学，各占多少内存
# - 读一次 PPO 训练：除了奖励，还要看什么

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。只念谜面，请学生回想第 20 章的一轮：写、打分、减基线、走一步。常问：“PPO 是专为语言模型设计的吗？”答：不是，2017 年为走路和打游戏而作；语言模型只是把它拿来用。
# :::

# %% [markdown]
# **先修**：[06 Transformer](../1_foundations/06_transformer.ipynb)（交叉熵、训练）、[20 强化学习与 RLHF](20_rlhf.ipynb)（策略梯度、优势、评论家、GAE、奖励模型、参考）。
#
# **阅读** 约 44 分钟，练习另加 52 分钟。**运行** 实测约 40 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $\pi$、$\pi_{\text{old}}$、$\pi_{\text{ref}}$ | 现在的策略、写这一批的策略、参考，给一个词元的概率 | 0 到 1 |
# | $\rho$ | 比值 π/π_old | 一个词元一个数 |
# | $A$ | 优势：比预料的好多少 | 一个词元一个数 |
# | $\epsilon$ | 裁剪的宽度，常取 0.2 | 大于 0 |
# | $\beta$ | KL 的价钱：离参考每远 1 奈特，扣 β 分 | 不小于 0 |
# | $r$ | 奖励 | 一个词元一个数 |
# | $V$ | 价值：从这个开头写下去，往后平均得多少分；评论家给的是估计 | 一个状态一个数 |
# | $R$ | 回报：评论家该说的数 | 一个词元一个数 |
# | $\lambda$ | GAE：后面的意外，每隔一步乘一次 λ | 0 到 1 |
# | $c$ | 评论家的损失乘几倍 | 大于 0 |
# | $L$ | 损失 | 一个数 |
# | $J$ | 平均分数减去 β 乘 KL | 一个数 |
# | $a$、$s$、$t$ | 答案、状态、第几个词元 | |
#
# π* 是 J 最大的策略。图和代码里另有约定：B 几个回答，T 一行几个词元，N = T − 1，D 宽度，mask 是回答的词元。
#
# 写一批、学完、扔掉，是一**轮**；这一批从头到尾用一次，是一**遍**；权重更新一次，是一**步**。一遍可以打乱了分成几个**小批**，一小批走一步；本章不分，一遍就是一步。
# :::

# %% slideshow={"slide_type": "skip"}
import copy
import math
from functools import cache

import torch
from torch.testing import assert_close

from course_lib.chapters.ch21_ppo import figures as plots
from course_lib.chapters.ch21_ppo import learning, poems
from course_lib.chapters.ch21_ppo.one_writing import followed
from course_lib.chapters.ch21_ppo.whole_figure import Sizes, plot_ppo
from course_lib.course.claims import figures_of, load_record
from course_lib.data.real.poem_rules import lines_of, rhymes
from course_lib.data.real.poems import vocabulary
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, show_source, start
from course_lib.posttraining import gae as gae_room
from course_lib.posttraining import ppo as room
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.rollout import write_answers
from course_lib.toys.rhymes import RULES
from course_lib.toys.syllables import read, turns
from course_lib.toys.three_answers import three_answers
from course_lib.toys.token_mdp import TokenReader, at_the_end, state_values
from course_lib.widgets import Knob, explore
from course_lib.widgets.live_triangle import live_triangle

start("21")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：写一批，只走一步
#
# [第 20 章](20_rlhf.ipynb)的 REINFORCE 一轮三件事：写一批回答，算优势，走一步。然后整批扔掉，因为策略变了，旧的不再是它写的。
#
# 写费时：一个词一个词地来，大模型写长回答，八九成的时间花在这里（OpenRLHF 的作者，2025）。同一批多走几步，不是省得多吗？拿三个答案试：好、中、差，得 1、0.4、−0.6 分，参考给 0.15、0.55、0.30。要大的是 $J$ = 平均分 − $\beta$·KL，KL 是离参考多远，$\beta=0.5$。写 32 个，只用这一批。

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output"]
world = three_answers(beta=0.5)  # 分数和参考都列得出，J 算得精确
drawn = world.reference.exp().multinomial(32, replacement=True, generator=torch.Generator().manual_seed(0))
A = world.reward[drawn] - world.reward[drawn].mean()  # 优势：减这一批的平均，[32]
for k, name in enumerate("好中差"):
    print(f"{name}　写了 {int((drawn == k).sum()):2} 次，优势 {A[drawn == k][0]:5.2f}")
print(f"J：参考 {world.worth(world.reference):.2f}，最好的策略 {world.worth(world.best):.2f}")


# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
def walk(objective):  # 走 256 步，要大的是 objective：三个答案的 ln π [3] → 一个数
    z = world.reference.clone()
    for step in range(1, 257):
        z = z.detach().requires_grad_()
        (up,) = torch.autograd.grad(objective(z.log_softmax(0)), z)
        z = (z + 0.5 * up).detach()
        if step in (1, 4, 16, 64, 256):
            told = "  ".join(f"{name} {p:.3f}" for name, p in zip("好中差", z.softmax(0).tolist()))
            print(f"{step:4} 步　{told}　分 {z.softmax(0) @ world.reward:.2f}　J {world.worth(z.log_softmax(0)):.2f}")


# %% [markdown] slideshow={"slide_type": "-"}
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 就用这 32 个，照 REINFORCE 走 256 步，最后写什么？
#
# - A. 停在最好的策略附近
# - B. 只写“好”，它分最高
# - C. 只写“中”
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
walk(lambda log_pi: (A * log_pi[drawn]).mean())

# %% [markdown] slideshow={"slide_type": "-"}
# 头几步都对，分和 $J$ 都升；后来 $J$ 比参考还低。“好”只碰巧写了一次，推它的力小，被“中”挤没了：这一批的偶然，越走越当真。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先看写了几次，再投票。常问：“换一批就好了吧？”答：换一批就换一种走飞：“好”写得多的那批，就只剩“好”。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 比值：旧样本，新策略
#
# 毛病有两层。第一层能算清：样本是 $\pi_{\text{old}}$ 写的，我们要的却是 $\pi$ 的平均。给每个样本乘上**比值**（ratio）：
#
# $$
# \rho=\frac{\pi}{\pi_{\text{old}}},\qquad \sum_a \pi_{\text{old}}\,\rho\,A=\sum_a \pi\,A
# $$
#
# 手算：旧策略给一个词元 0.2，现在给 0.3，$\rho=1.5$。旧策略写它两次，新策略会写三次，所以旧的一个顶 1.5 个。

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
pi_old, pi = world.reference.exp(), torch.tensor([0.20, 0.60, 0.20], dtype=torch.float64)
rho = pi / pi_old  # [3]
print("ρ：", "  ".join(f"{name} {x:.2f}" for name, x in zip("好中差", rho.tolist())))
print(f"按旧策略平均 ρ·分数 {pi_old @ (rho * world.reward):.3f}，按新策略平均分数 {pi @ world.reward:.3f}")
walk(lambda log_pi: ((log_pi - world.reference)[drawn].exp() * A).mean())

# %% [markdown] slideshow={"slide_type": "-"}
# 平均分毫不差。可是同样的 32 个，还是走飞了。第二层毛病在这里：这 32 个和它们的 $A$ 都是在起点记下的，只在近处可信，而优化专往它不可信的地方去。所以要管住的，是走多远。

# %% [markdown] slideshow={"slide_type": "skip"}
# 走飞有几成是抽样的偶然？不抽样，照真的平均 $\sum_a\pi A$ 再走一次：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
walk(lambda log_pi: log_pi.exp() @ world.reward)  # A 只差一个常数，梯度一样

# %% [markdown] slideshow={"slide_type": "skip"}
# 偶然只管往哪里飞：没有偶然，它飞向“好”，分到 0.99。$J$ 照样先升到 0.43，再跌到 0.07，这一半是 $A$ 过期了：写的时候策略就是参考，KL 是 0，$A$ 里一分没扣；走远了该扣的，它不知道。两样都要靠“别走远，再写一批”来治。

# %% [markdown] slideshow={"slide_type": "skip"}
# 起步时 $\rho=1$，$\rho A$ 的梯度是 $A\,\rho\,\partial\ln\pi=A\,\partial\ln\pi$：第一步与 REINFORCE 一样（两次印出的第 1 步相同）。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。ρ = 1.5 写在黑板上，请学生用“顶几个”的话说一遍。常问：“这不就是重要性采样吗？”答：是。它不偏，但 ρ 大的样本一个顶许多，方差就大；走得越远越不可用。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 裁剪：四种情形
#
# **近端策略优化**（proximal policy optimization，PPO；Schulman 等，2017）的办法：这个词元走够了，就不再推它。取 $\epsilon=0.2$，目标是
#
# $$
# \min\big(\rho A,\ \text{clip}(\rho,\,1-\epsilon,\,1+\epsilon)\,A\big)
# $$
#
# clip 把 $\rho$ 夹在 0.8 到 1.2 之间，这叫裁剪；整个式子叫**裁剪目标**（clipped objective），要它大。
#
# | | $A>0$，想多写 | $A<0$，想少写 |
# |---|---|---|
# | $\rho>1.2$ | 够多了：梯度 0 | 走反了：？ |
# | 中间 | 往上推 | 往下压 |
# | $\rho<0.8$ | 走反了：？ | 够少了：梯度 0 |
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# $A=-1$，而 $\rho=1.5$：想少写的，反而写多了（别的词元带的）。它还有梯度吗？
#
# - A. 没有，已经出了 1.2
# - B. 有，照样往下压
# - C. 有，往上推
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
for a in (1.0, -1.0):
    for x in (0.5, 1.5):
        d = torch.tensor([math.log(x)], requires_grad=True)  # ln π − ln π_old
        goal = room.surrogate(d, torch.tensor([a]), 0.2, 0.2)  # 课程包里的，下面印出来
        (up,) = torch.autograd.grad(goal.sum(), d)
        print(f"A = {a:4}　ρ = {x}　ρA = {x * a:4.1f}　目标 {goal.item():4.1f}　对 ln π 的梯度 {up.item() + 0:4.1f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 两个“？”都有梯度：右上（$A<0$ 而 $\rho>1.2$）照样往下压，左下（$A>0$ 而 $\rho<0.8$）照样往上推。取 min，是取**悲观**的那个：走过头的好处不算，走反了的坏处照算。若写成 max，走反的就没人管了。
#
# :::{admonition} 选读：为什么不真的限住
# :class: dropdown
# 它的前身 TRPO（2015）真的限住离旧策略的 KL，每一步要解一个带二阶导数的问题；PPO 用一行裁剪代它，近似，但便宜。
# :::

# %% slideshow={"slide_type": "skip"}
show_source(room.surrogate)

# %% [markdown] slideshow={"slide_type": "skip"}
# 代码里 d 是 $\ln\pi-\ln\pi_{\text{old}}$，low 和 high 都是 $\epsilon$（有的变体两边不一样宽，见第 23 章）。回到那 32 个答案：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
walk(lambda log_pi: room.surrogate((log_pi - world.reference)[drawn], A, 0.2, 0.2).mean())

# %% [markdown] slideshow={"slide_type": "skip"}
# 64 步以后一动不动：三种答案都没有梯度了。$J$ 是 0.32，离 0.44 还远，那就再写一批，接着走。只看分，走飞的 0.41 反而高些；它离参考半个奈特，扣完只剩 0.15。
#
# 再看走了多远：“好” 0.181 ÷ 0.150 = 1.21，“中” 1.20，“差”却是 0.52，早过了 0.8。所以裁剪没有管住比值：

# %% slideshow={"slide_type": "skip"}
show_erratum("K21-2")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。表先空着，请学生填。常问：“为什么不直接罚 KL？”答：论文也试了，叫 KL 惩罚版，要一边走一边调系数，效果不如裁剪；裁剪一行就够。又问：“裁了以后比值就在 0.8 到 1.2 之间？”答：不，考据里有数。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它：一批诗，走十六步
#
# 小诗人写 16 首，规则打分。同一批上走 16 步，每个点是一个字：横的是比值，竖的是优势。灰的地方没有梯度。


# %% slideshow={"slide_type": "-"} tags=["hide-input"]
CLIPS = {"0.2": 0.2, "0.5": 0.5, "不裁": math.inf}


def said_of_clip(clip, step):
    way = followed(CLIPS[clip])
    ratios = way.ratios[step]
    stopped = plots.is_stopped(ratios.numpy(), way.advantages.numpy(), CLIPS[clip]).mean()
    return (
        f"ε：{clip}，第 {step} 步：{len(ratios)} 个字，比值从 {ratios.min():.2f} 到 {ratios.max():.2f}，"
        f"{stopped:.0%} 没有梯度了"
    )


explore(
    lambda clip, step: plots.plot_clip(
        followed(CLIPS[clip]).ratios[step].numpy(), followed(CLIPS[clip]).advantages.numpy(), CLIPS[clip]
    ),
    said_of_clip,
    clip=Knob("裁剪 ε", list(CLIPS), kind="buttons"),
    step=Knob("走几步", [0, 1, 2, 4, 8, 16], live=range(17)),
    start={"clip": "0.2", "step": 8},
    name="21-clip",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 第 0 步所有点都在 $\rho=1$ 的竖线上：一步未走，裁剪什么也不做。拖到第 4 步，右上和左下的点走进灰区，变红；走反的（右下、左上）一直是蓝的。再拖：红点没有停在边上，还在往外走。它自己不推了，同一批里别的字在推，权重是共用的。换成“不裁”，点就散得更开。竖线上总留着一串：标点、句末，概率本来近 1，动不了。
#
# 若裁剪真能挡住比值，红点就该贴着灰区的边。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2.5 分钟。先在第 0 步问“现在裁掉几个”，再一步步走。常问：“那一批该走几步？”答：看没有梯度的有几成、离旧策略的 KL 多大；语言模型上常走 1 到 4 遍。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个词元一份奖励
#
# 三个答案各是一步。语言模型的回答有几百个词元，奖励怎么摊？**分数**写完才有，放在最后一个词元。**KL 的扣分**每个词元都算得出，各扣各的：
#
# $$
# r_t=-\beta\,(\ln\pi_{\text{old}}-\ln\pi_{\text{ref}})\ +\ \text{分数（只在最后一个词元）}
# $$
#
# 一个回答四个词元，2 分，$\beta=0.1$。四个词元的 $\ln\pi_{\text{old}}-\ln\pi_{\text{ref}}$ 是 0.3、−0.2、0、0.5。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 第二个词元，策略比参考**更少**写它（−0.2）。它的奖励是？
#
# - A. −0.02，离开参考就扣
# - B. +0.02
# - C. 0，负的不算
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
away = torch.tensor([[0.3, -0.2, 0.0, 0.5]])  # ln π_old − ln π_ref，[B, N] = [1, 4]
reference = torch.full((1, 4), -2.0)
mask, score = torch.ones(1, 4, dtype=torch.bool), torch.tensor([2.0])
rewards = room.penalised_rewards(score, reference + away, reference, mask, beta=0.1)
print("每个词元的奖励：", [round(x, 2) for x in rewards[0].tolist()])
print(f"加起来 {rewards.sum():.2f} = 2 − 0.1 × {away.sum():.1f}")

# %% [markdown] slideshow={"slide_type": "-"}
# 单个词元的 KL 可以是负的，平均起来才不小于 0。把负的截成 0，扣的就不是 KL 了。总数与第 20 章整句扣的一样，只是各归各位：哪个词元走远了，扣在哪里。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。先投票。常问：“参考不是‘不打分，只约束’吗？”答：在 InstructGPT 和 TRL 里，约束就是写进奖励的这一项。又问：“第一轮扣多少？”答：0，策略还是参考自己。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 评论家：每个词元前，一个预料
#
# 第 20 章说过，评论家读半截回答，说往后平均还得多少，$V(s_t)$。PPO 真的养一个：语言模型的主干，末层换成一个向量，输出 [B, T, 1]。（代码和文末的主张里，策略叫 actor，评论家叫 critic。）
#
# 每格一个数，看着像“给每个词打分”。是吗？平仄的世界（第 20 章：每换一次得 1 分，写完才给）列得完，真的 $V$ 算得出。两个回答，第三个音节才分手；每个音节前面的数，是写它以前的 $V$：

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output"]
strip = learning.strip(beta=0.2)  # 第 20 章的策略，也是参考；63 种回答
reference = strip.actor
answers, is_answer = reference.answers()
values = state_values(reference, at_the_end(strip.world.reward, is_answer)).detach()  # 写每个音节以前，[63, 5]
for text in ("平仄平仄平", "平仄仄仄仄"):
    row = read(answers).index(text)
    print(
        f"写完得 {strip.world.reward[row]:.0f} 分　",
        "  ".join(f"{v:.2f} {w}" for w, v in zip(text, values[row].tolist())),
    )

# %% [markdown] slideshow={"slide_type": "-"}
# 写第三个音节**以前**，两边都是 1.81：评论家不知道会写哪一个。写了以后，才一个升，一个降。

# %% slideshow={"slide_type": "skip"}
show_erratum("K21-1")

# %% [markdown] slideshow={"slide_type": "skip"}
# **对齐**：评论家的第 $t$ 格读完了第 0 到 $t$ 个词元，说的是写第 $t+1$ 个**以前**的 $V$；$\ln\pi$ 的第 $t$ 格也是第 $t+1$ 个词元的。两边同号，只是评论家多一格：最后一格以后不再写，去掉。所以输出 [B, T, 1]，用的是 `critic(ids)[:, :-1, 0]` [B, N]，与 $\ln\pi$、$A$、$R$、`is_answer[:, 1:]` 一样大。
#
# 评论家从哪里起步？InstructGPT 用奖励模型的权重：它读得懂好坏，只是还没学过读半截。也可以用策略自己的主干，末层从 0 起。两种都要跟着策略一起学，因为策略一变，“往后平均”就变了。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。请学生说出奖励模型与评论家的三处不同：读整篇还是半截，冻住还是在学，一个数还是一格一个。常问：“评论家和策略能共用主干吗？”答：能，省一份内存；两个损失会抢，要调 c。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 优势：评论家还没学会的时候
#
# 优势照[第 20 章](20_rlhf.ipynb)的 GAE：后面的意外，每隔一步乘一次 $\lambda$（折扣取 1）。评论家刚起步，处处说 0；一个回答 28 个词元，得 3 分，$\lambda=0.95$。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 第一个词元的优势，是 3 分的几成？
#
# - A. 全部：分数是整个回答得的
# - B. 28 分之一：平摊
# - C. 四分之一
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
paid, is_step = torch.zeros(1, 28), torch.ones(1, 28, dtype=torch.bool)
paid[0, -1] = 3.0
for lam in (1.0, 0.95, 0.5):
    a = gae_room.gae(paid, torch.zeros(1, 28), is_step, lam=lam)[0]
    print(f"λ = {lam}　第 1 个 {a[0]:.2f}　第 14 个 {a[13]:.2f}　第 28 个 {a[27]:.2f}")

# %% [markdown] slideshow={"slide_type": "-"}
# 0.95 的 27 次方是 0.25。评论家学会以前，功劳多归了末尾；学会以后，意外在哪里，优势就在哪里。再把这一批所有词元的优势减平均、除以标准差，叫**白化**（whitening）：分数和 β 一起放大几倍，步子不变；代价是到了最好的策略，步子也不变小。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“那为什么不取 λ = 1？”答：取了就是只信真的得几分，不偏，但吵；评论家学得好，λ 小才划算，第 20 章量过。又问：“白化按一句还是按一批？”答：按一批的所有词元。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 损失：两样加起来
#
# $$
# L=-\text{平均}\Big[\min\big(\rho_t A_t,\ \text{clip}(\rho_t)\,A_t\big)\Big]+c\cdot\text{平均}\Big[\tfrac12\,(V(s_t)-R_t)^2\Big]
# $$
#
# 第一样改策略，里面的 $A_t$ 白化过；第二样改评论家，$R_t$ 是它该说的数，等于白化**以前**的 $A_t$ 加写时的 $V(s_t)$。平均对这一批回答的全部词元，提示和填充不算。
#
# 走几步的时候，**什么不动**？
#
# - 这一批的回答、$\pi_{\text{old}}$、$A$、$R$：写完算一次，记下来
# - 参考和奖励模型：一直不动
#
# 每一步重新算的只有 $\pi$ 和 $V$。最常见的错，就是让该不动的动了（练习里有两个）。

# %% [markdown] slideshow={"slide_type": "skip"}
# 有的代码连评论家也裁：新的 $V$ 夹在写时的 $V\pm0.2$ 里，夹过的和没夹的各算一次误差，取大的（练习 6，文末 K21-8）。本章的整段码不裁。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。请学生把式子里每个量归到“动”与“不动”。常问：“论文里还有一项熵？”答：有，鼓励多试；做 RLHF 通常不用，离参考的 KL 已经拦着它变窄。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图：四个模型
#
# 从左往右读：写 64 首，四个模型看，判，学 4 遍。一行 34 格：七绝连标点 32 个词元，首尾各一个记号。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
show_figure(
    plot_ppo(Sizes(answers=64, tokens=34, vocabulary=len(vocabulary()), width=64, epochs=4)),
    alt="PPO 的全图，四栏。写：策略写 64 个回答 [64, 34]。看：策略记下 ln π_old [64, 33]，评论家给 [64, 34, 1]，"
    "奖励模型读完给 [64] 个分，参考给 ln π_ref [64, 33]。判：每个词元的奖励是 −β·KL，末格加分 [64, 33]；"
    "GAE 得优势和回报，各 [64, 33]。学 4 遍：策略的比值乘优势，裁剪取 min；评论家的平方误差；两个损失相加，"
    "改策略和评论家的权重，再写一批",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 橙色的在学：策略和评论家。灰的冻住：参考和奖励模型。四个都要读这一批回答，但只有最右一栏要走几遍。评论家给 34 格，去掉最后一格，才与 33 对齐。奖励由规则打，就少一个；第 23 章的 GRPO 连评论家也不要。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，报形状，指出评论家那个“1”。常问：“四个模型要一样大吗？”答：不必；InstructGPT 策略最大 175B，奖励模型和评论家都是 6B。
# :::

# %% [markdown]
# ## 整段码
#
# 一轮 PPO，从写到学。世界是平仄：词元三种，止 0、平 1、仄 2，至多写五个，每换一次 1 分，写完才给。
#
# - 策略是一张表 `table` [121, 3]：每个**开头**（写到一半的回答）一行 logits。评论家也是一张表 [121]：每个开头一个 $V$。
# - `actor.rows(ids)` [B, T]：第 $t$ 格是读完 `ids[:, :t + 1]` 以后，该查表的第几行。最后一格以后不写了，去掉，剩 [B, N]。
# - `write_answers` 写到止，或写满五个；给 `ids`、`is_answer` [B, T] 和写时的 `log_probs` [B, N]，短的右边补齐。`TokenReader` 让表也能一个词元一个词元地写。


# %%
def log_probs(table, rows, ids):  # [B, N]：写下的每个词元的 ln π
    return table[rows].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]


def token_rewards(score, away, mask, beta):  # [B]、[B, N] → [B, N]
    last = mask & (mask.flip(1).cumsum(1).flip(1) == 1)  # 每行最后一个 True
    return -beta * away * mask + score[:, None] * last


def advantages_of(rewards, values, mask, lam):  # GAE，不打折扣
    advantages = torch.zeros_like(rewards)
    V_next = A_next = torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        now = rewards[:, t] + V_next - values[:, t] + lam * A_next
        advantages[:, t] = now * mask[:, t]
        V_next = torch.where(mask[:, t], values[:, t], V_next)  # 填充的那一格跳过
        A_next = torch.where(mask[:, t], now, A_next)
    return advantages


def loss_of(now, old, A, V, R, mask, clip, c):
    rho = (now - old).exp()
    policy = -torch.min(rho * A, rho.clamp(1 - clip, 1 + clip) * A)
    return policy[mask].mean() + c * (V - R)[mask].square().mean() / 2


def ppo(reference, earns, chance, rounds, beta=0.2, B=64, epochs=4, clip=0.2, lam=0.95, c=1.0, lr=0.03):
    actor = copy.deepcopy(reference)
    critic = torch.zeros(len(actor.table), dtype=torch.float64, requires_grad=True)  # V，每个开头一个
    optimiser, log = torch.optim.Adam([actor.table, critic], lr=lr), []
    for _ in range(rounds):
        written = write_answers(TokenReader(actor), start_token, n=B, limit=5, end=0, generator=chance)
        ids, mask, rows = written.ids, written.is_answer[:, 1:], actor.rows(written.ids)[:, :-1]
        with torch.no_grad():  # 判：从此不动
            old = log_probs(actor.table, rows, ids)
            away = old - log_probs(reference.table, rows, ids)  # ln π_old − ln π_ref
            rewards = token_rewards(earns(ids), away, mask, beta)
            A = advantages_of(rewards, critic[rows] * mask, mask, lam)
            R = A + critic[rows]
            A = (A - A[mask].mean()) / A[mask].std()
        for _ in range(epochs):  # 学：同一批几遍
            optimiser.zero_grad()
            loss_of(log_probs(actor.table, rows, ids), old, A, critic[rows], R, mask, clip, c).backward()
            optimiser.step()
        with torch.no_grad():  # 日志：学完这几遍，离写的时候多远
            d = (log_probs(actor.table, rows, ids) - old)[mask]  # ln ρ
            stopped = torch.where(A[mask] > 0, d > math.log(1 + clip), d < math.log(1 - clip))
            error = (critic[rows] - R)[mask].square().mean() / 2
            log.append([earns(ids).mean(), (d.exp() - 1 - d).mean(), stopped.double().mean(), d.exp().max(), error])
    return actor, critic.detach(), torch.tensor(log)


# %% [markdown]
# 先与课程包里的（`course_lib/posttraining/ppo.py`）逐数比，一样；再学 150 轮，与列出来的 π* 比：

# %% tags=["hide-input"]
start_token, chance = torch.zeros(1, 1, dtype=torch.int64), torch.Generator().manual_seed(11)
some = write_answers(TokenReader(reference), start_token, n=8, limit=5, end=0, generator=chance)
ids, mask, rows = some.ids, some.is_answer[:, 1:], reference.rows(some.ids)[:, :-1]
old, V = some.log_probs, torch.randn(mask.shape, generator=chance, dtype=torch.float64)
now = old + torch.randn(old.shape, generator=chance) * mask
with torch.no_grad():
    assert_close(log_probs(reference.table, rows, ids) * mask, old)
    told = room.judge(turns(ids), now, old, V, mask, beta=0.2)  # 课程包里的
    rewards = token_rewards(turns(ids), now - old, mask, 0.2)
    A = advantages_of(rewards, V * mask, mask, 0.95)
    assert_close(rewards, told.rewards)
    assert_close(gae_room.whiten(A, mask), told.advantages)
    R = told.returns
    both = room.policy_loss(now, old, A, mask) + 0.5 * room.value_loss(V, V, R, mask, clip=math.inf)  # 评论家不裁
    assert_close(loss_of(now, old, A, V, R, mask, 0.2, 0.5), both)

# %% tags=["nbval-check-output"]
actor, critic, log = ppo(reference, turns, torch.Generator().manual_seed(0), rounds=150)
before = strip.world.reference  # 各回答的 ln π_ref，[63]
for name, log_pi in {"参考": before, "PPO": actor.listed().detach(), "π*": strip.world.best}.items():
    points, away = log_pi.exp() @ strip.world.reward, log_pi.exp() @ (log_pi - before)
    print(f"{name}　平均 {points:.2f} 分，离参考 {away:.2f} 奈特，到 π* 的 KL {exact_kl(log_pi, strip.world.best):.3f}")

# %% [markdown]
# 满分 4。它没有见过 π*，只写、只得分，就走到了旁边。再读它的日志，每行是学完那一轮以后：

# %% tags=["nbval-check-output", "hide-input"]
for n in (1, 10, 50, 150):
    score, moved, stopped, largest, error = log[n - 1].tolist()
    print(
        f"第 {n:3} 轮　分 {score:.2f}　到 π_old 的 KL {moved:.4f}　没有梯度的 {stopped:3.0%}　"
        f"最大的比值 {largest:.2f}　评论家的损失 {error:.3f}"
    )

# %% [markdown]
# 怎么读：KL 和最大的比值说这一批走了多远。第 1 轮最远；后来几乎总写同几个回答，概率近 1，比值动不了。KL 忽然变大，多半是学习率大，或同一批走得太久；要**早停**，就在每一遍以后算它，过了界 `break`。评论家的损失先升后降：分数涨得快，它一时追不上，后来追上了。
#
# 评论家呢？它也是从 0 学来的。真的 $V(s)$ 在这里列得出来：


# %% tags=["hide-input"]
@cache
def seen_by_critic(rounds):  # 走得到的开头：真的 V、评论家说的、各去几成
    actor, critic, _ = ppo(reference, turns, torch.Generator().manual_seed(0), rounds=rounds)
    with torch.no_grad():
        exact = learning.exact_values(strip._replace(actor=actor))
        (answers, is_answer), log_pi = actor.answers(), actor.listed()
    mask = is_answer[:, 1:]
    at, share = actor.rows(answers)[:, :-1][mask], log_pi.exp()[:, None].expand(mask.shape)[mask]
    visits = torch.zeros_like(critic).index_put((at,), share, accumulate=True)
    return tuple(each[at.unique()] for each in (exact, critic, visits))


def said_of_critic(rounds):
    exact, said, visits = seen_by_critic(rounds)
    error = (visits @ (said - exact).square() / visits.sum()).sqrt()
    return (
        f"学了 {rounds} 轮：{len(exact)} 个开头，按去的次数平均，评论家与真的差 {error:.2f}；"
        f"什么都没写时，真的值 {exact[0]:.2f}，它说 {said[0]:.2f}"
    )


explore(
    lambda rounds: plots.plot_critic(*(each.numpy() for each in seen_by_critic(rounds)), limit=4.2),
    said_of_critic,
    rounds=Knob("学几轮", [0, 3, 10, 30, 80, 150]),
    start={"rounds": 30},
    name="21-critic",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 每个点是一个开头，大的常去。第 0 轮它处处说 0，而真的值从 0 到 3 多。学了几轮，大点先上虚线：常去的地方学得准，不去的地方学不到。而真的值自己也在右移，因为策略在变好，评论家总在追。追不追得上，看大点离虚线多远。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：停在哪里
#
# 一轮一轮地走，PPO 停在 π* 上吗？两个列得完的世界：三个答案（步长不变，评论家知道平均分），和刚才的平仄（评论家要学，学习率降到 0，β = 0.5）。每次只去掉一样。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 三个答案，照原样停在 π* 旁边，KL 约 0.01。去掉哪一样，它就停在 π* 上？
#
# - A. 裁剪
# - B. 白化
# - C. 样本太少：换成八倍的回答
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
settled = figures_of(load_record("C28d"))
OFF = ["照原样", "不白化", "不裁剪", "只学一遍", "八倍的回答", "评论家知道 V"]
WORLDS = {"三个答案": settled["three"].values, "平仄": settled["strip"].values}
show_figure(
    plots.plot_ends(OFF, WORLDS, settled["before"].mean),
    alt="到 π* 的 KL，点是种子，竖线是平均。"
    + "；".join(
        f"{world}：" + "，".join(f"{name} {kl:.2g}" for name, kl in zip(OFF, values.mean(0)))
        for world, values in WORLDS.items()
    ),
)

# %% slideshow={"slide_type": "skip"}
show_claim("C28d")

# %% [markdown] slideshow={"slide_type": "skip"}
# **三个答案**：正好在 π* 上，每个答案扣完 KL 都一样多，优势全是 0，该停下。可是策略只是在 π* 附近，各答案还差一点点；白化把这一点点除以自己的标准差，又放大到 1，步子就停不下来。多抽八倍也没有用：差得再小，除完还是 1。只学一遍，每轮走得少，抖得轻，近三四倍；不裁，一轮走得远，远四倍。
#
# **平仄**：学习率降到 0，抖动也降到 0，所以裁不裁、白不白化都差不多。剩下的是评论家说不准、样本又少：多写八倍，或者评论家知道 V，才近些。只学一遍反而远一倍：轮数一样，步数只有四分之一，没有走到。
#
# 下面的三角形由你的浏览器现算，每轮写 32 个，走 4 步：

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
live_triangle(("exact", "PPO"), name="21-triangle")

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 圆点是参考，星是 π*，灰线照精确的梯度走，蓝线是 PPO：它很快到星的旁边，绕着抖，不停下来。去掉“优势白化”的勾，它停在星上。勾回来，再把学习率调小：抖得轻，走得慢。不裁，抖得重。若它停在别处，而不是绕着星，那才是目标错了。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先投票；可打开本章网页的三角形，去掉白化的勾。常问：“那为什么还要白化？”答：分数的大小因任务而异，白化以后同一个学习率到处能用；真的训练离最优还远，又会降学习率，这点抖动不要紧。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 四份内存
#
# 四个模型，各 70 亿参数（7B），权重用 16 位，一个 14 GB。在学的还要梯度（16 位），混合精度的 Adam 另存 32 位的权重和两份动量，一个参数 12 字节。激活不算。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 四个一起，要多少内存？
#
# - A. 56 GB：4 × 14
# - B. 140 GB 左右
# - C. 250 GB 左右
# :::


# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
def held(way):
    full, frozen, none = (14, 14, 84), (14, 0, 0), (0, 0, 0)
    adapted = (14, 0.4, 2.4)  # LoRA：另加约 2 亿个数在学，权重里不到 0.5 GB，略去
    rows = {"策略": full, "评论家": full, "参考": frozen, "奖励模型": frozen}
    if way == "奖励由规则打":
        rows["奖励模型"] = none
    if way == "评论家与策略共用主干":
        rows["评论家"] = none
    if way == "LoRA，主干共用":
        rows = {"策略": adapted, "评论家": (0, 0.4, 2.4), "参考": none, "奖励模型": frozen}
    if way == "不要评论家、规则打分（GRPO）":
        rows["评论家"] = rows["奖励模型"] = none
    return rows


def said_of_memory(way):
    rows = held(way)
    told = "，".join(f"{name} {sum(kinds):g}" for name, kinds in rows.items())
    return f"{way}：{told}，一共 {sum(map(sum, rows.values())):g} GB（激活不算）"


WAYS = ["四个都全", "奖励由规则打", "评论家与策略共用主干", "LoRA，主干共用", "不要评论家、规则打分（GRPO）"]
explore(
    lambda way: plots.plot_memory(held(way), unit=f"GB，一共 {sum(map(sum, held(way).values())):,.4g}", limit=112),
    said_of_memory,
    way=Knob("做法", WAYS, kind="select"),
    name="21-memory",
)

# %% [markdown] slideshow={"slide_type": "-"}
# 252 GB，是单独训练一个（112）的 2.25 倍。贵的不是“四个模型”，是其中**两个在学**：各 112，冻住的各 14。激活也只有在学的两个要，算上它，倍数就靠近 2：小的模型上量到 1.8 到 2.05（文末 C28）。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先投票。常问：“那多卡时呢？”答：权重、梯度、Adam 分摊到各卡（ZeRO、FSDP），总数不变；另外写回答的引擎常再存一份策略。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 诗：只奖押韵
#
# 换成真的语言模型，会写诗的小 GPT：首句给定，每轮写 32 首，学两遍。奖励只有一条：第二、四句押韵，同一个字不算。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# β = 0，走 24 轮，押韵从六成升到四分之三。没有重字的诗，原来有三成，会怎样？
#
# - A. 也多起来：肯押韵的诗，别的也讲究
# - B. 不变：奖励没有管它
# - C. 少一半
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
hacked_by = figures_of(load_record("C28c"))
WAYS_OF = ["以前", "押韵\nβ 0", "押韵\nβ 0.1", "粗心\nβ 0"]
SEEN = {
    "rhyme": "押韵",
    "variety": "没有重字的",
    "distinct": "相邻两字，不同的",
    "one_end": "句末最常见的字，占",
    "kl": "离参考，奈特",
    "held_out": "真诗每字的 ln π",
}
POETS = {"rhyme": 0.80, "variety": 0.55}  # 留出的唐诗
panels = [(said, dict(zip(WAYS_OF, hacked_by[name].values.T))) for name, said in SEEN.items()]
show_figure(
    plots.plot_habits(panels, level=[POETS.get(name) for name in SEEN]),
    alt="四种诗人，各六样，点是种子，虚线是唐诗。"
    + "；".join(
        f"{said}：" + "，".join(f"{way.replace(chr(10), ' ')} {seeds.mean():.2f}" for way, seeds in values.items())
        for said, values in panels
    ),
)

# %% slideshow={"slide_type": "skip"}
show_claim("C28c")

# %% [markdown] slideshow={"slide_type": "skip"}
# 就在这里练一个，先读日志，每行六轮的平均（学第二遍时的数），再读它写的。首句由种子抽，两个诗人用同一串随机数往下写；印出的是 128 首里的头六首，不是挑的，✓ 是规则认作押韵的：

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
hacked, run = poems.collapse(rounds=24, progress=False)  # 只奖押韵，β = 0
logged = torch.tensor([run.figures[name] for name in ("score", "moved", "clipped", "value")])  # [4, 24 轮 × 2 遍]
for paid, moved, stopped, error in logged[:, 1::2].view(4, 4, 6).mean(2).T.tolist():
    print(f"奖励 {paid:.2f}　到 π_old 的 KL {moved:.3f}　没有梯度的 {stopped:3.0%}　评论家的损失 {error:.3f}")

pairs = poems.side_by_side(hacked, n=128, seed=0)
for name, texts in zip(("以前", "以后"), zip(*(pair[:2] for pair in pairs))):
    ends = [(lines[1][-1], lines[3][-1]) for lines in map(lines_of, texts) if lines]
    print(f"{name}：押韵 {sum(rhymes(*end) for end in ends)} 首，两句同一个字收尾 {sum(a == b for a, b in ends)} 首")
for was, now, *_ in pairs[:6]:
    print(
        "",
        *(f"{name} {'✗✓'[int(RULES['rhyme'](poem, None))]}　{poem}" for name, poem in (("以前", was), ("以后", now))),
        sep="\n",
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# 日志样样都好：奖励升，到旧策略的 KL 小，没有梯度的越来越少（学习率在降），评论家的损失也降。可它们说的都是这一批以内的事，离**参考**多远、诗好不好，一个也没有量。
#
# 押韵多了，别的呢？第六首写出了“万里经年万里云”。同一个字收尾的，规则一分不给，却也多了五倍：多半是几个韵字在句末的概率都被推高了，两句就常碰上同一个。六首太少，读得出毛病，读不出押韵升没升。（第三首以后的“还”，规则的表里读 hái。）
#
# **有几成是奖励推的？** 把奖励换成掷硬币，别的一样（文末 C28e）：照样走 9.6 奈特，真诗的概率照样降，没有重字的也从 0.33 落到 0.26，有一次落到 0.12。分得开的只有押韵：硬币 0.46，押韵 0.76。这里的“远”，多半是噪声推的：批小，学习率大，优势一白化，噪声和信号一样大。KL 量得出走了多远，说不出为了什么；没有对照，就会把噪声弄坏的也算在奖励头上。
#
# **钻空子**（reward hacking）是另一回事：奖励涨了，你要的没有。规则写得粗心，只要求同音，不管是不是同一个字，付出去的奖励到 0.92，真押韵只有 0.66：差的那些，两句用同一个字收尾。空子多半在规则里，不在算法里。
#
# **KL 拦住什么**：β = 0.1 时只走 3.9 奈特，好处和坏处都少了。押韵多出来的从 0.16 减到 0.10；没有重字的还是三成，相邻不同的、真诗的概率比以前差，却只差一点（0.93，−5.27）。它不懂什么是好诗，只是每偏一步都要付钱，不划算的路和噪声推的路就走得少。
#
# 所以除了奖励，要看 KL、规则没有管的指标、留出的真诗，要有对照，还要**自己读**。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先投票，再念两首。C28c 部分成立；对照 C28e 也要讲：掷硬币走得一样远，押韵却少了。常问：“那 β 该多大？”答：没有定数；看 KL 和没有奖励的指标，拦不住就加。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真的训练怎么设
#
# | | 一批 | 走几遍 | $\epsilon$ | $\beta$ |
# |---|---|---|---|---|
# | PPO 论文（2017），走路 | 2048 步 | 10 | 0.2 | 无 |
# | InstructGPT（2022） | 512 个回答 | 1，分 8 小批 | 0.2 | 0.02 |
# | Llama 2（2023） | 512 | 1，分 8 小批 | 0.2 | 0.01、0.005 |
# | TRL 1.12 的默认 | 自定 | 4 | 0.2 | 0.05 |
#
# “8 小批”：每遍把 512 个打乱，`torch.randperm(512).split(64)`，一小批走一步。
#
# 走路的一批走十遍，语言模型只走一遍到四遍：每一步的动作多（几万个词元），起点又已经很好，走坏的代价大。Llama 2 写一批、学一遍，70B 的约 330 秒。
#
# 常听说 PPO 对设定极其敏感。平仄里量过（文末 C28b）：从参考到 π* 的路算 1，学习率换三十倍，最好与最差平均差 0.50；$\epsilon$ 换十倍，差 0.10。范围不同，折成每换十倍，是 0.34 对 0.10。先调学习率；裁剪是给学习率大的时候保底的。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常问：“走一遍，裁剪还有用吗？”答：分了 8 小批，后七批时策略已经变了，裁剪从第二小批起作用；一批只走一步，它什么也不做。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：常见误区
#
# :::{admonition} 1. “评论家就是奖励模型”
# :class: pitfall
# 奖励模型读完整的回答，冻住，给一个分。评论家读半截，一直在学，说往后平均几分。
# :::
#
# :::{admonition} 2. “裁剪让新策略离旧的不超过 20%”
# :class: pitfall
# 它只是不再推走够的词元。比值照样走出去；真要停，每遍以后算一次到旧策略的 KL（整段码的日志），过了界就不再走，叫早停。
# :::
#
# :::{admonition} 3. “KL 是负的，程序错了”
# :class: pitfall
# 单个词元、一小批，都可以是负的。一直明显是负的才是错：多半是写的时候和算的时候不是同一个分布（温度、top-p、dropout）。
# :::
#
# :::{admonition} 4. “奖励一路升，就是学好了”
# :class: pitfall
# 奖励是代理。要看离参考的 KL、没有奖励的指标，做对照，自己读样本。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟，先让学生说哪句对。常问：“怎么知道比值算对了？”答：第一步、第一小批，比值应当全是 1，一个也没裁；不是，就是温度、填充或 dropout 不一致。
# :::

# %% [markdown]
# ## 往前看，往后看
#
# - **第 20 章**：策略梯度、GAE、奖励模型都是那里的；这里加的是比值和裁剪，使一批能走几步。
# - **[第 22 章](22_dpo.ipynb)**：DPO 不写、不打分，两个模型，从成对的偏好直接学。
# - **第 23 章**：GRPO 保留裁剪，去掉评论家：同一个问题写几个，减平均。
# - **第 24 章**：三种方法放在一个世界、一笔预算里比。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 七题，连小问约 52 分钟：两题心算，三题修程序，两题写代码，每题后面跟着一个小问。把 `...` 换成你的答案，运行 `check`；在网页上，心算题可以直接填。它认得常见的错。

# %%
exercise("21-ppo-1")

# %%
answer = ...  # 一个数，带正负号

check("21-ppo-1", answer)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("21-ppo-1-next", next_answer)

# %%
exercise("21-ppo-2")


# %%
def my_pull(log_probs, old, advantages, mask, clip): ...


check("21-ppo-2", my_pull)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("21-ppo-2-next", next_answer)

# %%
exercise("21-ppo-3")


# %%
def my_rewards(score, old, reference, is_answer, beta):
    mask = is_answer[:, 1:]
    rewards = -beta * (old - reference) * mask
    rewards[:, -1] += score
    return rewards


check("21-ppo-3", my_rewards)

# %%
next_answer = ...  # 小问：一个数

check("21-ppo-3-next", next_answer)

# %%
exercise("21-ppo-4")


# %%
def my_training(start, answers, advantages, clip, lr, epochs):
    z = start.clone()
    for _ in range(epochs):
        z.requires_grad_()
        now = z.log_softmax(0)[answers]
        old = now.detach()
        rho = (now - old).exp()
        goal = torch.min(rho * advantages, rho.clamp(1 - clip, 1 + clip) * advantages).mean()
        (up,) = torch.autograd.grad(goal, z)
        z = (z + lr * up).detach()
    return z.log_softmax(0)


check("21-ppo-4", my_training)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("21-ppo-4-next", next_answer)

# %%
exercise("21-ppo-5")


# %%
def my_gradients(log_probs, old, values, returns, clip, c):
    log_probs, values = log_probs.clone().requires_grad_(), values.clone().requires_grad_()
    advantages = returns - values
    rho = (log_probs - old).exp()
    held = rho.clamp(1 - clip, 1 + clip)
    policy = -torch.min(rho * advantages, held * advantages).mean()
    critic = (values - returns).square().mean() / 2
    return torch.stack(torch.autograd.grad(policy + c * critic, (log_probs, values)))


check("21-ppo-5", my_gradients)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("21-ppo-5-next", next_answer)

# %%
exercise("21-ppo-6")


# %%
def my_value_loss(values, old, returns, mask, clip): ...


check("21-ppo-6", my_value_loss)

# %%
next_answer = ...  # 小问：一个数

check("21-ppo-6-next", next_answer)

# %%
exercise("21-ppo-7")

# %%
answer = ...  # 多少 GB

check("21-ppo-7", answer)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("21-ppo-7-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 旧样本乘比值 ρ = π/π_old，就能再用；可是只在近处可信。
# 2. 目标取 min(ρA, 裁过的)：走够了的没有梯度，走反了的照样拉。它夹住目标，夹不住比值。
# 3. 每个词元的奖励是 −β·KL，末格加分；评论家说往后平均得几分，比它说的好多少，就是优势。
# 4. 四个模型：策略和评论家在学，参考和奖励模型冻住。内存贵在两个在学的，时间贵在写。
# 5. 分数是代理：看 KL、看没有奖励的指标、做对照、自己读，才知道它学到了什么。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。请学生不看屏幕填那张四种情形的表。常问：“现在还用 PPO 吗？”答：用；题目有规则的，多改用 GRPO 一族，裁剪还是这一个。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Schulman 等，Proximal Policy Optimization Algorithms（2017，arXiv:1707.06347），第 3 节裁剪，第 5 节算法；Schulman 等，TRPO（2015，arXiv:1502.05477），它的前身；GAE（2015，arXiv:1506.02438）。
# - **用到语言模型**：Ziegler 等（2019，arXiv:1909.08593），逐词元的 KL 扣分从这里来；Ouyang 等，InstructGPT（2022，arXiv:2203.02155），附录 C；Touvron 等，Llama 2（2023，arXiv:2307.09288），3.2.3 节。
# - **细节**：Huang 等，The N+ Implementation Details of RLHF with PPO（2024，arXiv:2403.17031）；Zheng 等，Secrets of RLHF（2023，arXiv:2307.04964）；Engstrom 等（2020，arXiv:2005.12729），问 PPO 的好处有几成来自代码里的小处；Hu 等，OpenRLHF（2024，2025 年改过，arXiv:2405.11143），写占几成时间。
# - **KL 的估计**：Schulman 的短文（2020，joschu.net/blog/kl-approx.html）。
# - **提问**（GitHub 的 issue）：huggingface/trl 的 1893 号、3750 号（分数放在哪一格）、3120 号（只走一步，裁剪不起作用）；openai/summarize-from-feedback 的 6 号（分数怎样分给各步）。
#
# 下一章：DPO，不写也不打分，从比较直接学。

# %% [markdown]
# ## 证据与考据

# %% [markdown]
# ### 内存与时间
#
# 小的模型上实数：四个同样大的 GPT-2，写 32 个回答，各学一步，三种大小。下图是“诗人那样的”一种。
#
# 几个倍数怎么对上？正文用混合精度，在学的一个参数 16 字节，冻住的 2：(16 + 16 + 2 + 2) ÷ 16 = 2.25，冻住的占 11%。这里全用 32 位，在学的也是 16（4 + 4 + 8），冻住的 4：倍数 2.5，冻住的占两成。再加激活，它在这里占近九成，又只有在学的两个要，倍数就落到 2 上下，冻住的只占 2% 到 5%；评论家不算全词表的 logits，激活比策略少，所以也有不到 2 的。

# %% tags=["hide-input"]
costs = figures_of(load_record("C28"))
ROLES, PARTS = ("策略", "评论家", "参考", "奖励模型"), ("写", "参考", "奖励模型", "评论家", "学一步")
show_figure(
    plots.plot_memory(dict(zip(ROLES, costs["memory"].mean[2])), unit="兆字节（诗人那样的）"),
    alt="每个模型占的兆字节，权重、梯度、Adam、激活："
    + "；".join(
        f"{role} " + "、".join(f"{x:.1f}" for x in kinds) for role, kinds in zip(ROLES, costs["memory"].mean[2])
    ),
)

# %% tags=["hide-input"]
shares = {
    name: dict(zip(PARTS, costs[key].mean[2])) for name, key in {"运算": "operations", "处理器时间": "seconds"}.items()
}
show_figure(
    plots.plot_shares(shares, unit="一轮里的份额（诗人那样的，学一步）"),
    alt="一轮里各样的份额。"
    + "；".join(
        f"{name}：" + "，".join(f"{part} {x / sum(row.values()):.0%}" for part, x in row.items())
        for name, row in shares.items()
    ),
)

# %% [markdown]
# 参考的运算是奖励模型的近两倍，虽然一样大：它每格都要算全词表的 logits，奖励模型和评论家的末层只出一个数。
#
# 写的运算只占一成，时间却占两三成：一个词一个词地写，机器用不满。学四步，写的份额就更小；大模型写长回答，份额大得多。

# %%
show_claim("C28")

# %% [markdown]
# ### 哪个设定最要小心
#
# 平仄，30 轮，每格五个种子的平均：从参考到 π* 的路走了几成，1 是走到，负的是比参考还差。正文的 0.50 和 0.10 是先在每个种子里取最好与最差之差，再平均；图上的格子先平均过，差看着小些。学习率小的一列是还没走到；大的一列走过了头，不裁的更是如此。

# %% tags=["hide-input"]
swept = figures_of(load_record("C28b"))["way"]
CLIP_NAMES, LRS, BETAS = ("0.05", "0.1", "0.2", "0.5", "不裁"), ("0.02", "0.06", "0.2", "0.6"), ("0.1", "0.5")
show_figure(
    plots.plot_sweep(swept.mean, CLIP_NAMES, LRS, BETAS),
    alt="路走了几成，每行一个 ε，每列一个学习率。"
    + "；".join(
        f"β {beta}，ε {clip}：" + "、".join(f"{x:.2f}" for x in swept.mean[row, :, column])
        for column, beta in enumerate(BETAS)
        for row, clip in enumerate(CLIP_NAMES)
    ),
)

# %%
show_claim("C28b")

# %% [markdown]
# ### 掷硬币当奖励
#
# 只奖押韵，诗人走了九奈特多。有几成是奖励推的？把奖励换成一枚硬币（每首由它的字句定正反，六成是正），别的一样：没有东西可学，它走多远？

# %% tags=["hide-input"]
tossed = figures_of(load_record("C28e"))
TOSSED = ["以前", "硬币\nβ 0"]
panels = [(said, dict(zip(TOSSED, tossed[name].values.T))) for name, said in SEEN.items()]
show_figure(
    plots.plot_habits(panels, level=[POETS.get(name) for name in SEEN]),
    alt="以前和学过硬币的，各六样，点是种子，虚线是唐诗。"
    + "；".join(
        f"{said}：" + "，".join(f"{way.replace(chr(10), ' ')} {seeds.mean():.2f}" for way, seeds in values.items())
        for said, values in panels
    ),
)

# %%
show_claim("C28e")

# %% [markdown]
# ### 参考与奖励模型

# %%
show_erratum("K21-3")

# %%
show_erratum("K21-4")

# %% [markdown]
# ### 两个 r，分数的位置

# %%
show_erratum("K21-5")

# %%
show_erratum("K21-6")

# %% [markdown]
# ### KL 的位置，评论家的裁剪

# %%
show_erratum("K21-7")

# %%
show_erratum("K21-8")

# %% [markdown]
# ### 只走一步

# %%
show_erratum("K21-9")
