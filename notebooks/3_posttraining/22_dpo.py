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
# # 22 DPO：不打分，直接学
#
# 手里已有“哪个更好”，还要先学打分，再为分数练习吗？
#
# **学完能做什么**
#
# - 手算最好的策略：参考、分数、β 给定，三个答案各占几成
# - 把它倒过来，从策略里读出分数，说清 Z 为什么不用算
# - 由一对回答写出 DPO 的损失和梯度，说出它何时推得轻
# - 看懂训练曲线：损失和间隔说了什么，没有说什么
# - 说出 DPO 省下什么、靠什么、在哪里会走样

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。只念谜面，请学生回想第 20 章的三步：示范、打分、为分数而写。常问：“DPO 是强化学习吗？”答：目标是同一个，做法是分类；训练时一个字也不写。
# :::

# %% [markdown]
# **先修**：[06 Transformer](../1_foundations/06_transformer.ipynb)（交叉熵、训练）、[19 SFT](19_sft.ipynb)（只数回答的词元）、[20 强化学习与 RLHF](20_rlhf.ipynb)（分数、比较、参考模型、KL）。
#
# **阅读** 约 43 分钟，练习另加 50 分钟。**运行** 实测约 40 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $q$ | 一个问题，下面的概率都是给定它的 | |
# | $\pi_{\text{ref}}$ | 参考策略给一个回答的概率，训练前的那一份 | 0 到 1 |
# | $r$、$r_1$、$r_2$ | 一个回答的分数；甲的、乙的 | 一个数 |
# | $\beta$ | 离开参考一奈特，扣几分 | 大于 0 |
# | $J$ | 平均分数减去 β 乘 KL | 一个数 |
# | $Z$ | 归一化的数，一个问题一个 | 大于 0 |
# | $\sigma$ | 1/(1 + e⁻ˣ)，把分差变成胜率 | 0 到 1 |
# | $d$、$d_w$、$d_l$ | ln π − ln π_ref，整个回答的；选中的（winner）、落选的（loser） | 一个回答一个数 |
# | $m$ | 间隔，β 乘两个 d 之差 | 一对一个数 |
# | $\theta$ | 策略的权重 | |
#
# π 是策略给一个回答的概率，π* 是最好的策略。图和代码里另有约定：K 几个答案，B 几对，T 一行几个词元，N = T − 1，V 词表大小。
# :::

# %% slideshow={"slide_type": "skip"}
import copy

import torch
from torch.nn.functional import cross_entropy, logsigmoid
from torch.testing import assert_close

from course_lib import zoo
from course_lib.chapters.ch22_dpo import figures as plots
from course_lib.chapters.ch22_dpo import learning, poems, poet_dpo
from course_lib.chapters.ch22_dpo.whole_figure import Sizes, plot_dpo
from course_lib.course.claims import figures_of, load_record
from course_lib.data.real.poems import EDGE, MARKS, vocabulary
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, show_source, start
from course_lib.posttraining.dpo import answer_scores, dpo_loss, implicit_rewards, on_pairs
from course_lib.posttraining.log_probs import token_log_probs
from course_lib.posttraining.reference import Reference
from course_lib.toys.drawn_preferences import draw_pairs
from course_lib.toys.poet_pairs import as_sides, written_pairs
from course_lib.toys.rhymes import scores
from course_lib.toys.three_answers import three_answers
from course_lib.widgets import Knob, explore
from course_lib.widgets.live_triangle import live_triangle
from course_lib.widgets.live_versions import live_versions

start("22")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：只有成对的偏好
#
# [第 20 章](20_rlhf.ipynb)的路很长：比较学成奖励模型，策略再一遍遍写，为它的分数练习。用 [PPO](21_ppo.ipynb)（第 21 章）练，四个模型都在：策略、参考、奖励、评论家（估平均分的模型）。
#
# 可我们手里的，本来只是成对的回答。小诗人由同一句往下写两首，规则打分（满分 4：格式、押韵、平仄、不重字各 1），挑一首：

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output", "hide-input"]
pairs = poems.pairs(3, 0)
for pair in pairs[:2]:
    better, worse = scores([pair.chosen]), scores([pair.rejected])
    print(f"选中 {better[0]:.2f}　{pair.chosen}\n落选 {worse[0]:.2f}　{pair.rejected}\n")

# %% [markdown] slideshow={"slide_type": "-"}
# 最省事的想法：抬高选中的，压低落选的，损失就写 $-(\ln\pi(\text{选中})-\ln\pi(\text{落选}))$。拿三个答案试：好、中、差，起初 0.15、0.55、0.30。只有一对，好胜差。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# “中”没有进这一对。一直训练下去，三个答案会怎样？
#
# - A. “差”变少，“中”还是 0.55
# - B. 好与差拉开到某个差距，就停
# - C. 只剩“好”，“中”也没有了
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
world = three_answers(beta=0.5)  # 三个答案，参考概率和分数都写得出来
logits = world.reference.clone()  # [K] = [3]：好、中、差
for step in range(1001):
    if step in (0, 10, 100, 1000):
        print(f"{step:4} 步　" + "  ".join(f"{name} {p:.3f}" for name, p in zip("好中差", logits.softmax(0).tolist())))
    logits += 0.05 * torch.tensor([1, 0, -1])  # −(ln π(好) − ln π(差)) 的负梯度：抬一个，压一个

# %% [markdown] slideshow={"slide_type": "skip"}
# 它不知道停：“中”起先还略升，后来被“好”挤走，虽然没有一对说过它不好。要一个**停在哪里**的说法。第 20 章有：分数要高，离参考要近。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。两对诗请学生先挑，再看分。常问：“只对选中的做 SFT 呢？”答：可以，但落选的里也有消息；而且选中的只是相对好。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 停在哪里：最好的策略
#
# RLHF 的目标是平均分数，减去离开参考的代价：
#
# $$
# J=\sum \pi\, r-\beta\,\mathrm{KL}(\pi\,\|\,\pi_{\text{ref}})
# $$
#
# 它有一个写得出来的最优解：
#
# $$
# \pi^*=\frac{1}{Z}\,\pi_{\text{ref}}\,e^{r/\beta}
# $$
#
# 从参考出发，分数每高 β，分量乘一次 e，再除以总和 $Z$。手算：分数好 1、中 0.4、差 −0.6，β = 0.5。

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
pi_ref, r, beta = world.reference.exp(), world.reward, 0.5  # [3]、[3]、一个数
lifted = pi_ref * (r / beta).exp()  # 还没有归一，[3]
Z = lifted.sum()
best = lifted / Z
for name, *row in zip("好中差", pi_ref, (r / beta).exp(), lifted, best):
    print(name, "  π_ref {:.2f} × {:5.2f} = {:.3f}　→　π* {:.3f}".format(*map(float, row)))
print(f"Z = {Z:.3f}")
assert_close(best.log(), world.best)  # 房间里的
for policy in (pi_ref, best, torch.tensor([0.98, 0.01, 0.01], dtype=torch.float64)):
    print("概率", [round(p, 2) for p in policy.tolist()], f"J = {world.worth(policy.log()):.3f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 几乎全押在“好”上，$J$ 反而比不动的参考还低：离参考太远，扣的比得的多。β 说的就是“远”有多贵，拖一拖：


# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
def said_of_tilt(beta):
    tilted = three_answers(beta)
    told = "，".join(f"{name} {p:.3f}" for name, p in zip("好中差", tilted.best.exp().tolist()))
    return (
        f"β = {beta:g}：π* 是{told}；J 从参考的 {tilted.worth(tilted.reference):.2f} 到 {tilted.worth(tilted.best):.2f}"
    )


explore(
    lambda beta: plots.plot_tilt(
        *(each.numpy() for each in (pi_ref, (r / beta).exp(), three_answers(beta).best.exp())), list("好中差")
    ),
    said_of_tilt,
    beta=Knob("β", [0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0]),
    start={"beta": 0.5},
    name="22-tilt",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# β = 5：乘的数都近 1，π* 就是参考。β = 0.1：“好”的那一柱乘了两万多，参考再不爱写，也全归了它。无论 β 几，参考给 0 的答案，π* 也给 0：这样学来的策略，只能在参考会写的里面挑。
# :::
#
# :::{admonition} 选读：为什么它最好
# :class: dropdown
# 把 $r=\beta\ln\pi^*-\beta\ln\pi_{\text{ref}}+\beta\ln Z$ 代进 $J$：
#
# $$
# J=\sum\pi\,(\beta\ln\pi^*-\beta\ln\pi_{\text{ref}}+\beta\ln Z)-\beta\sum\pi\,(\ln\pi-\ln\pi_{\text{ref}})=\beta\ln Z-\beta\,\mathrm{KL}(\pi\,\|\,\pi^*)
# $$
#
# KL 不小于 0，只有 $\pi=\pi^*$ 时是 0。所以最大值是 $\beta\ln Z$，别的策略差多少，看它到 π* 的 KL。
# :::
#
# 有了式子，为什么还要 PPO？因为 $Z$ 要对**所有**回答求和，而语言模型的回答数也数不完；π* 写得出，抽不出。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，三行写在黑板上，请学生算“中”那一行。常问：“KL 为什么是这个方向？”答：对策略自己写的求平均，才算得出来；它也是 RLHF 一直用的那个。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 倒过来读：分数藏在策略里
#
# **直接偏好优化**（direct preference optimization，DPO；Rafailov 等，2023）的一步妙手：不由分数求策略，由策略求分数。上式取对数，解出 $r$：
#
# $$
# r=\beta\ln\frac{\pi^*}{\pi_{\text{ref}}}+\beta\ln Z
# $$
#
# 任何策略，只要把它当作“最好的”，就有一个分数与它相配，叫**隐式奖励**（implicit reward）：$\beta(\ln\pi-\ln\pi_{\text{ref}})$。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 三个答案各算一遍 $r$ 减去隐式奖励。三个差会怎样？
#
# - A. 分数高的差得多
# - B. 三个一样
# - C. 概率大的差得多
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
hidden = implicit_rewards(best.log() - pi_ref.log(), beta=beta)  # [3]
for name, true, found in zip("好中差", r.tolist(), hidden.tolist()):
    print(f"{name}　r {true:5.2f}　隐式奖励 {found:6.3f}　相差 {true - found:.4f}")
print(f"β ln Z = {beta * Z.log():.4f}")
print(f"好 − 中：r 差 {r[0] - r[1]:.2f}，隐式奖励差 {hidden[0] - hidden[1]:.2f}")

# %% [markdown] slideshow={"slide_type": "-"}
# 都差一个 $\beta\ln Z$。$Z$ 只看问题 $q$，不看回答。同一个问题的两个回答一减，它就没了。而**比较**正好只看差。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。等学生自己说出“一减就没了”。常问：“Z 到底算没算？”答：从来没有。两个不同问题的回答不能凑一对，就因为 Z 不同。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 损失：一行
#
# 第 20 章的布拉德利–特里模型：甲得 $r_1$ 分、乙得 $r_2$ 分，甲胜的概率是 $\sigma(r_1-r_2)$，损失是它的 −ln。把分数换成隐式奖励，就是 DPO 的损失。记 $d=\ln\pi-\ln\pi_{\text{ref}}$，选中的是 $d_w$，落选的是 $d_l$：
#
# $$
# m=\beta\,(d_w-d_l),\qquad \text{损失}=-\ln\sigma(m)
# $$
#
# $m$ 叫间隔。学的还是奖励模型的损失，只是打分的就是策略自己。

# %% slideshow={"slide_type": "-"}
show_source(dpo_loss)

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
pi = torch.tensor([0.30, 0.50, 0.20], dtype=torch.float64)  # 训练到半路的策略
d = pi.log() - pi_ref.log()  # [3]
m = beta * (d[0] - d[2])  # 一对：好胜差
print("d：", "  ".join(f"{name} {x:.3f}" for name, x in zip("好中差", d.tolist())))
print(f"m = 0.5 × ({d[0]:.3f} − ({d[2]:.3f})) = {m:.3f}，损失 {-logsigmoid(m):.3f}")
assert_close(dpo_loss(d[:1], d[2:], beta=beta), -logsigmoid(m))
print(f"起点：d 都是 0，损失 {dpo_loss(0 * d[:1], 0 * d[2:], beta=beta):.4f}，不管 β 是几")

# %% [markdown] slideshow={"slide_type": "-"}
# 代码里 N 是几对（别处写 B），chosen、rejected 是 $d_w$、$d_l$，margins 就是 β × (d_w − d_l)。起点总是 ln 2 = 0.6931。训练时先看这个数：不是它，就有地方错了。

# %% [markdown] slideshow={"slide_type": "skip"}
# 讲义的表里说它“绕过奖励建模”，是 off-policy（用别的策略写的数据学）。核对一下：

# %% slideshow={"slide_type": "skip"}
show_erratum("K22-1")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。两个式子并排写：奖励模型的损失、DPO 的损失，圈出换掉的那一处。常问：“β 放哪里？”答：只乘一次。日志里的 rewards/chosen 已经乘过 β。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图：两个模型，四个数
#
# 语言模型的一个回答是一串词元，$\ln\pi$ 是各词元的 $\ln$ 概率相加。从左往右读，4 对诗：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
show_figure(
    plot_dpo(Sizes(pairs=4, tokens=34, vocabulary=len(vocabulary()))),
    alt="DPO 的全图。左边一对：问题加选中的回答、问题加落选的回答，各 [4, 34]。两份都送进策略和冻住的参考，"
    f"各得 [4, 34, {len(vocabulary())}]；取写下的词元的 ln 概率 [4, 33]，回答里相加得 [4]。"
    "策略减参考，得 d(选中)、d(落选)，各 [4]；两者之差乘 β 得间隔 [4]；−ln σ(间隔) 平均，一个数。只改策略的权重",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 橙色的在学，只有一个。参考那一路不求梯度，而且一行只要算一次：训练前算好、记下 [B] 个数，训练时连参考也可以不在场。没有奖励模型，没有评论家，也没有“写”这一步。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，报形状。常问：“提示也算进 ln π 吗？”答：不算；两个回答的提示一样，算了在 DPO 里也会消掉，换成除以长度的写法就不会。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 梯度：排错的出力大
#
# $$
# \frac{\partial\,\text{损失}}{\partial\theta}=-\beta\,\sigma(-m)\left(\frac{\partial\ln\pi(\text{选中})}{\partial\theta}-\frac{\partial\ln\pi(\text{落选})}{\partial\theta}\right)
# $$
#
# 括号里就是开头那个“抬一个，压一个”。多出来的是 $\sigma(-m)$：策略现在认为落选的会胜的概率。起点是 ½；排错的推得重，拉开的推得轻。开头缺的正是它。

# %% [markdown] slideshow={"slide_type": "skip"}
# 手算刚才那一对：$m=0.549$，$\sigma(-0.549)=0.366$，出力 0.5 × 0.366 = 0.183；起点是 0.5 × 0.5 = 0.25。自动求导说的也是它：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
for now in (-2.0, 0.0, 0.549, 4.0):  # 间隔：排错、起点、手算的那一对、早已排对
    d_w = torch.tensor([now / beta], dtype=torch.float64, requires_grad=True)
    (pull,) = torch.autograd.grad(dpo_loss(d_w, torch.zeros_like(d_w), beta=beta), d_w)
    print(f"m = {now:6.3f}　σ(−m) = {torch.tensor(-now).sigmoid():.3f}　损失对 d(选中) 的导数 {pull.item():.3f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 那么开头的毛病好了吗？还是只有一对，好胜差，从没有反过来过：
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 换成 DPO 的损失，一直训练下去，会怎样？
#
# - A. 停在 π*
# - B. 不停，只是越走越慢
# - C. 间隔到 1 就停
# :::

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
for name in ("DPO", "IPO"):
    z = world.reference.clone().requires_grad_()
    for step in range(10_001):
        away = z.log_softmax(0) - world.reference  # d，[3]
        if step in (0, 100, 1000, 10_000):
            told = "  ".join(f"{one} {p:.3f}" for one, p in zip("好中差", z.softmax(0).tolist()))
            print(f"{name} {step:6} 步　{told}　两个 d 之差 {away[0] - away[2]:.2f}")
        (slope,) = torch.autograd.grad(learning.LOSSES[name](away[:1], away[2:], beta=beta), z)
        z = (z - 0.1 * slope).detach().requires_grad_()

# %% [markdown] slideshow={"slide_type": "skip"}
# DPO 停不下来，只是越推越轻：人总选“好”，胜率是 1，与它相配的分差是无穷大。要停在 π*，数据里得**有输有赢**。真的数据里，一对回答通常只比一次，一边倒是常态，所以训练不久就要收手。

# %% [markdown] slideshow={"slide_type": "-"}
# 换一个损失，就是换出力的曲线。**IPO**（Azar 等，2023）$(d_w-d_l-\tfrac{1}{2\beta})^2$：要的是一个固定的差，β = 0.5 时到 1 就站住，多了还往回拉；提出它，正为了一边倒的对。**铰链**损失 $\max(0,1-m)$：间隔到 1 就松手。


# %% slideshow={"slide_type": "-"} tags=["hide-input"]
def pulls(beta):
    away = torch.arange(-30.0, 30.1, 0.25, dtype=torch.float64)
    found = {}
    for name in ("DPO", "hinge", "IPO"):
        x = away.clone().requires_grad_()
        losses = torch.stack([learning.LOSSES[name](one[None], 0 * one[None], beta=beta) for one in x])
        (gradient,) = torch.autograd.grad(losses.sum(), x)  # 房间里的损失，逐点求导
        found["铰链" if name == "hinge" else name] = gradient / gradient[len(away) // 2]
    return {name: (lambda at, y=y: plots.np.interp(at, away, y)) for name, y in found.items()}


def said_of_pull(beta):
    still = {name: float(curve(8.0)) for name, curve in pulls(beta).items()}
    told = "，".join(f"{name} {pull:.2f}" for name, pull in still.items())
    return f"β = {beta:g}。两个 d 相差 8 奈特时，还剩起点的几成力（负的往回拉）：{told}。IPO 停在 {1 / (2 * beta):g} 奈特，铰链停在 {1 / beta:g} 奈特"


explore(
    lambda beta: plots.plot_pull(pulls(beta), says=f"β = {beta:g}"),
    said_of_pull,
    beta=Knob("β", [0.05, 0.1, 0.2, 0.5, 1.0]),
    start={"beta": 0.1},
    name="22-pull",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 橙线左高右低，越来越轻，但不到 0。β 拉小，DPO 和 IPO 变平，铰链的台阶右移：要走得更远才肯停，于是离参考更远。若 $\sigma(-m)$ 写成了 $\sigma(m)$，橙线就会左低右高，排对的反而猛推。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先问“已经排对的那一对还推不推”，再拖 β。常问：“β 大是不是学得慢？”答：起步时相反，出力与 β 成正比；终点才是 β 大走得近。考据里有数。
# :::

# %% [markdown]
# ## 整段码
#
# 一对回答从词元到损失，再到训练。`model(ids)` 是任何语言模型：[B, T] 进，[B, T, V] 出。


# %%
def log_prob(model, ids, is_answer):  # 整个回答的 ln π：[B, T] → [B]
    said = -cross_entropy(model(ids)[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")  # [B, N]
    return (said * is_answer[:, 1:]).sum(1)


def dpo(policy, chosen, rejected, beta):  # 每边：ids [B, T]，is_answer [B, T]，参考的 ln π [B]
    d_w, d_l = (log_prob(policy, ids, is_answer) - held for ids, is_answer, held in (chosen, rejected))
    return -logsigmoid(beta * (d_w - d_l)).mean()


def align(policy, chosen, rejected, beta, lr=0.05, steps=200):  # 每边：ids，is_answer
    reference = copy.deepcopy(policy).eval()  # 另一份内存，从此不动
    with torch.no_grad():
        sides = [(*side, log_prob(reference, *side)) for side in (chosen, rejected)]
    optimiser = torch.optim.Adam(policy.parameters(), lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        dpo(policy, *sides, beta).backward()
        optimiser.step()


# %% [markdown]
# 先在真的诗人、真的诗上与房间比：三对诗，长短不一，右边补齐。再回到三个答案：由真分数按布拉德利–特里抽 5,000 对，只给它看谁胜了谁。

# %% tags=["nbval-check-output"]
poet = poems.reference()
sides = as_sides(pairs, Reference(poet))  # 房间备好的 ids、is_token、is_answer 和参考的 ln π
room, told = on_pairs(poet, sides, loss=dpo_loss, beta=0.1)
ours = dpo(poet, *((side["ids"], side["is_answer"], side["reference"]) for side in sides.values()), 0.1)
assert_close(ours, room)
assert_close(log_prob(poet, sides["chosen"]["ids"], sides["chosen"]["is_answer"]), answer_scores(poet, sides["chosen"]))
print("选中的三首，ln π_ref：", [round(x, 1) for x in sides["chosen"]["reference"].tolist()], f"；损失 {room:.4f}")

policy = learning.table_of(world)  # 三个答案各一个 logit，照语言模型的样子调用
answers, is_answer = policy.answers()  # [3, 2]：提示、答案
drawn = draw_pairs(learning.drawn(), 5000, torch.Generator().manual_seed(0))  # [5000, 2]：谁胜谁
align(policy, *((answers[side], is_answer[side]) for side in drawn.T), beta=0.5)
for name, p in {"π_ref": pi_ref, "学到的": policy.listed().exp(), "π*": best}.items():
    print(name, "　", "  ".join(f"{one} {x:.3f}" for one, x in zip("好中差", p.tolist())))

# %% [markdown]
# 到 π* 的 KL 只有 0.0015：差的是抽样，下一节看。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：到得了 π* 吗
#
# DPO 没有见过分数，只见过谁胜谁。它与知道分数的精确梯度，去的是同一点吗？两个全列得出来的世界，三个答案和十五个答案，各五次。
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 偏好由 $r$ 抽出，对子无穷多（不抽，直接用真的胜率算）。IPO 和铰链损失，停在哪里？
#
# - A. 都停在 π* 以外
# - B. 和 DPO 一样，都到 π*
# - C. IPO 到 π*，铰链不到
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
to_best = figures_of(load_record("C29"))
WORLDS, COUNTS = ("三个答案", "十五个答案"), (100, 1000, 10_000, 100_000)
by_count = {name: to_best["pairs"].values[:, at] for at, name in enumerate(WORLDS)}
endless = to_best["endless"].mean  # [世界, DPO、精确、IPO、铰链]
show_figure(
    plots.plot_to_best(
        COUNTS,
        by_count,
        {name: {"IPO": endless[at, 2], "铰链": endless[at, 3]} for at, name in enumerate(WORLDS)},
        level=1e-3,
    ),
    alt="DPO 到 π* 的 KL 随对子的数目变小，左边三个答案，右边十五个。"
    + "；".join(
        f"{name}：" + "，".join(f"{n:,} 对 {kl:.2g}" for n, kl in zip(COUNTS, values.mean(0)))
        for name, values in by_count.items()
    )
    + "。虚线是 IPO 和铰链用无穷多对停下的地方，都远离 π*",
)

# %% slideshow={"slide_type": "skip"}
show_claim("C29")

# %% [markdown] slideshow={"slide_type": "skip"}
# IPO 不是做错了：它本来就不信布拉德利–特里，要的是“胜率”而不是“分数”。偏好真由分数抽出时，DPO 才正好。真人的偏好不保证这一点，也没有 π* 可比，这里的精确只在玩具世界里。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“三个答案，也要上万对才到千分之一，不是很慢吗？”答：KL 与对子的数目大致成反比，是抽样本身的噪声，奖励模型也一样。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 在浏览器里训练
#
# 还是三个答案。三角形里一点是一个策略，你的浏览器现算。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
live_triangle(("exact", "DPO"), name="22-triangle")

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 圆点是参考，星是 π*，灰线是知道分数的精确梯度，橙线是 DPO；右边是离星多远。两条路不同，终点相同。然后一样一样地弄坏：把对子减到几十，终点就偏，换种子又偏到别处；不给看其中一个答案，它停在半路；翻转一成、两成标签，终点往参考那边退。若终点与覆盖、翻转无关，那它就不是从数据里学的。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。先全对，再拿走“差”，再翻标签。常问：“没见过的答案会怎样？”答：在这里，它的 logit 不动，概率随别人涨落；几个没见过的，彼此之比不变。下一页里就不是了。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 概率去了哪里：第三个答案
#
# 损失只问选中与落选之**差**，各自多少，它不问。
#
# 真的模型里，回答共用权重：动一个，像它的都动。下面三个 logit 是 0、−w、+w，只有 w 在学（从 −2 起，β = 0.1）。只有一对，选中（0）胜落选（−w）；第三个（+w）没有一对见过，而且最差。

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 损失一路从 0.69 降到 0.42。选中的那个，概率会怎样？
#
# - A. 一路升
# - B. 不动，只有落选的降
# - C. 先升，后来比出发时还低
# :::

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
WAYS = {"共用一个数": learning.shared(), "各有各的数": learning.shared(features=False)}
NAMES = ("选中的", "落选的", "没见过\n最差的")


def said_of_where(kind, step):
    way = WAYS[kind]
    told = "，".join(f"{name.replace(chr(10), '')} {p:.4f}" for name, p in zip(NAMES, way.probs[step].tolist()))
    return f"{kind}，第 {step} 步：{told}；损失 {way.loss[min(step, 131)]:.3f}"


explore(
    lambda kind, step: plots.plot_where(WAYS[kind].probs.numpy(), WAYS[kind].loss.numpy(), step, NAMES),
    said_of_where,
    kind=Knob("三个答案", list(WAYS), kind="buttons"),
    step=Knob("第几步", [0, 4, 8, 12, 16, 20, 24, 30, 40, 60, 90, 132], live=range(133)),
    start={"step": 132},
    name="22-where",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 虚框是出发时。拉开前两个，只能加大 w，第三个跟着升得更快。选中的从 0.117 起，第 20 步升到 0.333，以后让给第三个，132 步只剩 0.010；落选的从 0.867 到 0.0001，最差的从 0.016 到 0.990。损失照样一路降。换成“各有各的数”，同一对就把选中的推到 1。曲线上的损失和间隔分不出这两种结局，要看选中的概率，还要自己读样本。
# :::
#
# Razin 等（2024）叫它 likelihood displacement（概率错位）：他们教 Llama-3-8B-Instruct 拒绝有害的问题，拒绝率反而从 74.4% 掉到 33.4%。我们抽了 192 个小世界（卡片 C29d 在文末），选中的平均在降的占九成以上，真的变坏的，各有各的数时 2%，共用特征时约一成（部分成立，种子之间差得多）。那么，看到选中的在降，该怎么想？

# %% slideshow={"slide_type": "skip"}
show_erratum("K22-2")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先拖步数，再换“各有各的数”。常问：“怎么防？”答：给选中的另加一份 SFT 的损失；挑差得开的对；或者让现在的策略自己写新的对。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真的诗：标签全对，只是不够多
#
# 小诗人给每个首句写两首，规则挑一首，标签没有一个是错的。每次都走 60 步，一步 16 对；对少，就反复看。
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 只有 96 对，反复看十遍。没见过的对，它判对几成？
#
# - A. 和猜差不多
# - B. 七八成
# - C. 和学过的一样，九成以上
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
by_poems = figures_of(load_record("C29e"))
RUNS = ("96 对\nβ 0.1", "960 对\nβ 0.1", "960 对\nβ 0.5")
right = {"学过的对": by_poems["accuracy"].values, "没见过的对": by_poems["accuracy_new"].values}
show_figure(
    plots.plot_poems(RUNS, right, by_poems["reward"].values),
    alt="左：判对的份额。"
    + "；".join(
        f"{run.replace(chr(10), ' ')}：学过的 {known:.0%}，没见过的 {new:.0%}"
        for run, known, new in zip(RUNS, *(values.mean(0) for values in right.values()))
    )
    + "。右：写出来的诗按规则得分，以前和各次以后："
    + "，".join(f"{score:.2f}" for score in by_poems["reward"].mean),
)

# %% slideshow={"slide_type": "skip"}
show_claim("C29e")

# %% [markdown] slideshow={"slide_type": "skip"}
# 96 对全部背下，没见过的与猜差不多；多到十倍，写出来的诗才好一点，没见过的说不上多判对（差 3 个百分点，误差约 4）。
#
# 为什么记得住，却说不准？一首诗三十来个字，两首字句大不相同，分数之差却常只在一两个字的平仄或韵。把这两首的字句背下来，比学会押韵容易，损失一样降。
#
# 对再多些呢？课程训练的 `poet-dpo` 看了 3,840 对，各一遍，每次都是新的：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
aligned = zoo.load("poet-dpo").eval()
before, after = (poems.shown(model, poet_dpo.pairs_of(0), n=128, n_exam=128) for model in (poet, aligned))
print(f"学过的（看过一遍）判对 {after['accuracy']:.0%}，没见过的判对 {after['accuracy new']:.0%}")
print(f"没见过的对，ln π 变了：选中的 {after['chosen new']:.1f}，落选的 {after['rejected new']:.1f} 奈特")
for name, key in {"押韵": "rhyme", "平仄": "tone", "不重字": "variety"}.items():
    print(f"{name}　{before[key]:.0%} → {after[key]:.0%}")
print(f"按规则得分 {before['reward']:.2f} → {after['reward']:.2f}，离参考 {after['kl']:.1f} 奈特")

# %% [markdown] slideshow={"slide_type": "skip"}
# 一首诗的 d 是各字相加。八对没见过的诗，它从哪几个字上分高下？

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
unseen = written_pairs(poet, 8, split="held-out", seed=22)


def told_of(number):
    pair, found = unseen[number - 1], []
    for side, batch in as_sides([pair], Reference(poet)).items():
        ids, wrote = batch["ids"], batch["is_answer"][:, 1:]
        with torch.no_grad():
            ratios = token_log_probs(aligned(ids), ids) - token_log_probs(poet(ids), ids)  # 每个字的 ln π − ln π_ref
        name = f"{'选中' if side == 'chosen' else '落选'} {scores([getattr(pair, side)])[0]:.2f} 分"
        shown = [texts[each].replace(EDGE, "↵") for each in ids[0, 1:].tolist()]
        found.append((name, shown, ratios.masked_fill(~wrote, torch.nan)[0].tolist()))
    return found


def said_of_tokens(number):
    (one, _, of_one), (other, _, of_other) = told_of(number)
    d_w, d_l = (sum(x for x in row if x == x) for row in (of_one, of_other))
    verdict = "排对了" if d_w > d_l else "排错了"
    return f"第 {number} 对：{one}，d {d_w:.1f}；{other}，d {d_l:.1f}；间隔 {0.1 * (d_w - d_l):.2f}，{verdict}"


texts = vocabulary()
explore(
    lambda number: plots.plot_tokens(told_of(number)),
    said_of_tokens,
    number=Knob("第几对", range(1, 9)),
    name="22-tokens",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 白格是首句，提示，不算；蓝的比参考更爱写，红的更不爱写。一首诗的高下，多半落在几个字上，没押上的韵脚尤其红，第 3 对的“霏霏”、第 6 对的两个“啼”也红。两首都偏红：没见过的对，选中与落选一起降。若它真的只看规则，深色就该只在韵脚和出律（不合平仄）的字上。
# :::
#
# 看过一遍，两百步以后还认得；没见过的，三对里对两对不到（只训练一次，问 128 对，误差约 4 个百分点）。写诗却真的好了些。两样不是一回事：判得准是分出两首，写得好是改自己的习惯。选中与落选一起降，正如上一节所说。
#
# 十首，首句由种子抽，两个诗人用同一串随机数往下写：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
for one, other, was, now in poems.side_by_side(aligned, n=10, seed=0):
    print(f"以前 {was:.2f}　{one}\n以后 {now:.2f}　{other}\n")

# %% [markdown] slideshow={"slide_type": "skip"}
# 平均从 2.38 到 2.95，也有一首从 2.50 掉到 1.75：合规则的多了，通顺未必。
#
# 换你来：写一句，两个诗人轮流往下写。

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
edge = texts.index(EDGE)
live_versions(
    {
        "DPO 以前": ("poet-plain", poet, "the zoo's poet"),
        "DPO 以后": ("poet-dpo", aligned, "the zoo's poet after DPO on 3,840 pairs of its poems"),
    },
    texts,
    name="22-poets",
    licence="MIT",
    about="写一句五个字或七个字，按运行：诗人在这一页里往下写。换一个诗人，它用同样的种子再写。↵ 是诗的边界。",
    prompt="春风吹又生，",
    start=[edge],
    end=[edge],
    breaks=list(dict.fromkeys(MARKS)),
    lines=5,
    temperature=0.8,
)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，可打开本章网页，请学生给一句，两个诗人各写一首。没见过的对：96 对时判对 52%，960 对 55%，3,840 对 63%；C29e 部分成立。常问：“真的大模型也这样记吗？”答：Zephyr 的作者也报告训练集很快判得几乎全对，聊天的评测却没有因此变差；要看留出的和样本，不看训练的准确率。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 财力与清洗
#
# 有人说：“PPO 考验的是你的显卡财力，而 DPO 考验的是你的数据清洗能力。”两半都量一下。右边：同样的模型，同样多的回答，一步要占的内存。左边：把标签翻转一部分。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
turned, held = figures_of(load_record("C29b")), figures_of(load_record("C29c"))
FLIPS, LOSSES = (0.0, 0.1, 0.2, 0.3, 0.4), ("DPO", "cDPO", "rDPO", "IPO")
by_loss = {name: turned["kl_endless"].values[:, at] for at, name in enumerate(LOSSES)}
memory = dict(zip(("DPO", "PPO"), held["memory"].mean[1]))  # 四层、宽 192 的那个
show_figure(
    plots.plot_costs(FLIPS, by_loss, memory),
    alt="左：标签翻转从 0 到 40%，到 π* 的 KL。"
    + "；".join(f"{name} {values.mean(0)[0]:.3f} 到 {values.mean(0)[-1]:.3f}" for name, values in by_loss.items())
    + "。右：一步占的内存，"
    + "，".join(f"{name} {values.sum():.0f} MB，其中激活 {values[3]:.0f}" for name, values in memory.items()),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# **财力**：权重、梯度、优化器都省一半，激活也省近一半，一步的运算只要四到五成多；诗人那样词表大的，省得少。DPO 的回答由谁写，没有算在内。若把参考的数先算好，训练时只剩一个模型，就更省。
#
# **清洗**：翻转越多，DPO 离 π* 越远。次序倒还对：对子无穷多，翻到 40%，隐式奖励仍把每一对排对，只是把差距看小了。两种改法常被混为一谈。**cDPO**（Mitchell，2023）把目标从“必胜”改成“有 ε 的可能败”，在这里反而更远：翻转已经把胜率压向一半，它再压一次。**rDPO**（Chowdhury 等，2024）把翻转的那一份从损失里扣掉，回到 π*。前提有二：知道翻转了几成，真数据里没有人告诉你；而且对够多，3,000 对、翻到 40%，KL 仍有 0.92。
#
# 两条主张的卡片 C29b、C29c 在文末。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。右图：154 对 300 MB；C29b 成立，C29c 部分成立。常问：“奖励模型不怕错标签吗？”答：一样怕，它也是那个损失；差别是错标签在 DPO 里直接进了策略，中间没有可以检查的一步。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真的训练怎么设
#
# | | 做法 | 设定 |
# |---|---|---|
# | DPO（2023） | 情感、摘要、对话 | β 0.1（摘要 0.5），批 64 对，RMSprop，学习率 10⁻⁶，150 步热身 |
# | Zephyr-7B（2023） | Mistral-7B，先 SFT，偏好由 GPT-4 标 | 16 张 A100，2 到 4 小时 |
# | Llama 3（2024） | SFT 与 DPO 交替 | 六轮，每轮用当时的模型写新的对 |
#
# 三件事相同：先做 SFT，Zephyr 不做这一步就学不动；学习率比 SFT 小得多；样本要读。Llama 3 那一轮一轮的新对，补的正是“离线”的短处：策略走远了，旧的对说的已经不是它会写的东西。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常问：“DPO 能取代 PPO 吗？”答：Xu 等（2024）把两者都调好，PPO 在对话和写代码上都胜；写代码时 DPO 几乎学不到。能写出规则的题目，见第 23 章。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：常见误区
#
# :::{admonition} 1. “DPO 没有奖励模型”
# :class: pitfall
# 策略就是奖励模型，分数是 β(ln π − ln π_ref)。没有的是另外那一个。
# :::
#
# :::{admonition} 2. “间隔越大，策略越好”
# :class: pitfall
# 间隔只说数据里的两个回答分得多开。概率去了哪里，它不说。
# :::
#
# :::{admonition} 3. “β 是学习率一类的东西”
# :class: pitfall
# β 定终点：ln(胜率 ÷ 败率) 除以 β，就是 d 之差。怎样走去，由学习率定；β 也改起步的力气（普通梯度下降；Adam 会把大小除掉）。
# :::
#
# :::{admonition} 4. “两个问题的回答也能配对”
# :class: pitfall
# 只有同一个 $q$ 的两个回答，Z 才消掉。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟，先让学生说哪句对。常问：“多个回答排了名次怎么办？”答：论文附录 A.3 有按名次的损失；实践里多是拆成对。
# :::

# %% [markdown]
# ## 往前看，往后看
#
# - **第 20 章**：目标、比较、参考都是那里的；这里只是把奖励模型与策略合成一个。
# - **第 21 章**：PPO 不要成对的数据，要能打分；写一批，学几遍。
# - **第 23 章**：GRPO 由规则打分，一组里比高低。
# - **第 24 章**：三种方法放在一个世界、一笔预算里比。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 七题，连小问约 50 分钟：两题心算，三题修程序，两题写代码，每题后面跟着一个小问。把 `...` 换成你的答案，运行 `check`；在网页上，心算题可以直接填。它认得常见的错。

# %%
exercise("22-dpo-1")

# %%
answer = ...  # 0 到 1 的数，或百分数

check("22-dpo-1", answer)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("22-dpo-1-next", next_answer)

# %%
exercise("22-dpo-2")


# %%
def my_scores(policy, reference, beta): ...


check("22-dpo-2", my_scores)

# %%
next_answer = ...  # 小问：0 到 1 的数，或百分数

check("22-dpo-2-next", next_answer)

# %%
exercise("22-dpo-3")


# %%
def my_loss(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    reward_chosen = beta * (policy_chosen - reference_chosen)
    reward_rejected = beta * (policy_rejected - reference_rejected)
    margin = beta * (reward_chosen - reward_rejected)
    return -torch.nn.functional.logsigmoid(margin).mean()


check("22-dpo-3", my_loss)

# %%
next_answer = ...  # 小问：一个数

check("22-dpo-3-next", next_answer)

# %%
exercise("22-dpo-4")


# %%
def my_margins(logits, reference_logits, ids, is_answer, beta):
    at = ids[:, 1:, None]
    said = logits[:, :-1].log_softmax(-1).gather(2, at)[..., 0]
    reference_said = reference_logits[:, :-1].log_softmax(-1).gather(2, at)[..., 0]
    d = ((said - reference_said) * is_answer[:, :-1]).sum(1)
    B = len(d) // 2
    return beta * (d[:B] - d[B:])


check("22-dpo-4", my_margins)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("22-dpo-4-next", next_answer)

# %%
exercise("22-dpo-5")


# %%
def my_training(start, chosen, rejected, beta, lr, steps):
    policy = start.clone().requires_grad_()
    reference = policy.detach()
    for _ in range(steps):
        d = policy.log_softmax(0) - reference.log_softmax(0)
        loss = -torch.nn.functional.logsigmoid(beta * (d[chosen] - d[rejected])).mean()
        (gradient,) = torch.autograd.grad(loss, policy)
        policy.data -= lr * gradient
    return policy.detach().log_softmax(0)


check("22-dpo-5", my_training)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("22-dpo-5-next", next_answer)

# %%
exercise("22-dpo-6")


# %%
def my_pull(logits, reference, chosen, rejected, beta): ...


check("22-dpo-6", my_pull)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("22-dpo-6-next", next_answer)

# %%
exercise("22-dpo-7")

# %%
answer = ...  # 一个数

check("22-dpo-7", answer)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("22-dpo-7-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 分数减去 β 乘 KL，最好的策略写得出来：参考乘 $e^{r/\beta}$，除以 $Z$。
# 2. 倒过来，策略里藏着分数：β(ln π − ln π_ref)，差一个只看问题的常数；成对一减，$Z$ 消掉。
# 3. 损失是 −ln σ(间隔)。出力 β σ(−m)：排错的推得重，拉开的推得轻。
# 4. 只问差：选中的可以降，概率可以去没见过的地方；损失和间隔看不出来。
# 5. 省了两个模型和写；靠的是数据：多少对、覆盖、标签，错在哪里，策略就偏到哪里。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。请学生不看屏幕写出损失。常问：“学哪一个好？”答：有成对的数据、没有打分的规则，先试 DPO；有规则，看第 23 章。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Rafailov 等，Direct Preference Optimization（2023，arXiv:2305.18290）。第 4 节推导，附录 A.1 证最优，附录 B 有代码和设定。
# - **兄弟**：Azar 等，IPO（2023，arXiv:2310.12036）；Zhao 等，SLiC-HF（2023，arXiv:2305.10425）；Liu 等，RSO（2023，arXiv:2309.06657），本章的铰链出自它；Chowdhury 等，rDPO（2024，arXiv:2403.00409）；Mitchell，cDPO 的短文（2023，ericmitchell.ai/cdpo.pdf）。
# - **走样**：Razin 等（2024，arXiv:2410.08847），概率错位；Xu 等（2024，arXiv:2404.10719），与 PPO 比。
# - **用起来**：Tunstall 等，Zephyr（2023，arXiv:2310.16944）；Llama 3（2024，arXiv:2407.21783）第 4 节。
# - **提问**（GitHub 的 issue）：eric-mitchell/direct-preference-optimization 的 32 号，作者答选中的为什么降；huggingface/trl 的 1265 号（IPO 的平均）、2054 号（切词的边界）。
#
# 下一章：GRPO，一组里比高低。

# %% [markdown]
# ## 证据与考据

# %% [markdown]
# ### 标签翻转与两个模型

# %%
show_claim("C29b")

# %%
show_claim("C29c")

# %% [markdown]
# ### 间隔说不说明好坏

# %%
show_claim("C29d")

# %% [markdown]
# ### β 的快慢，Z 的去处

# %%
show_erratum("K22-3")

# %%
show_erratum("K22-7")

# %% [markdown]
# ### 平滑与平均

# %%
show_erratum("K22-4")

# %%
show_erratum("K22-5")

# %% [markdown]
# ### 起点与边界

# %%
show_erratum("K22-6")

# %%
show_erratum("K22-8")
