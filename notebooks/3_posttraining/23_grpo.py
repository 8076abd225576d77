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
# # 23 GRPO：一组里比高低
#
# 评论家要另养一个模型。同一题的另外几个回答，能不能替它说话？
#
# **学完能做什么**
#
# - 手算一组回答的优势，说出全组同分时学到什么
# - 写出 GRPO 的损失：比值、裁剪、除以长度、KL
# - 看懂 Dr. GRPO、DAPO、GSPO 各改了什么：分母，还是比值
# - 说清 k1、k2、k3 的平均与梯度各指向哪里
# - 由规则打分，让只会模仿的模型越过示范者，并读出它钻的空子

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。只念谜面，请学生回想评论家做什么：写到这里，平均还得多少。常问：“DeepSeek-R1 用的就是它吗？”答：是，末尾有一张表。
# :::

# %% [markdown]
# **先修**：[19 SFT](19_sft.ipynb)（对五成的示范者）、[20 强化学习与 RLHF](20_rlhf.ipynb)（优势、基线、参考模型、KL）、[21 PPO](21_ppo.ipynb)（比值、裁剪）、[22 DPO](22_dpo.ipynb)（最好的策略 π*）。
#
# **阅读** 约 45 分钟，练习另加 50 分钟。**运行** 实测约 40 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $G$ | 一个问题写几个回答 | 至少 2 |
# | $i$、$t$ | 第几个回答；它的第几个词元 | |
# | $o_i$ | 第 i 个回答；夹在竖线里，是它有几个词元 | |
# | $r_i$ | 它的分数 | 一个回答一个数 |
# | $A_i$ | 它的优势，全部词元共用 | 一个回答一个数 |
# | $\pi_{\text{old}}$ | 写这批回答时的策略 | 0 到 1 |
# | $\pi_{\text{ref}}$ | 参考策略给的概率 | 0 到 1 |
# | $\rho$ | 比值 π/π_old；论文也写 r_t(θ)，它不是奖励 | 一个词元一个数 |
# | $\epsilon$ | 裁剪的宽度 | 0.2 |
# | $\beta$ | 离开参考一奈特，扣几分 | 不小于 0 |
# | $d$ | ln π − ln π_ref | 一个词元一个数 |
# | $f$ | 随样本变的任何数，例如 k3 | 一个数 |
# | $E_\pi$ | 样本照 π 抽，取平均 | |
#
# π 是现在的策略，π* 是最好的策略。图和代码里另有约定：P 几个问题，B = P·G 行，S 一个问题几个词元，T 一行几个（连回答），N = T − 1，V 词表大小。奈特是 KL 的单位（用自然对数）；“房间”是 course_lib 里放一个想法的短文件。
# :::

# %% slideshow={"slide_type": "skip"}
import copy

import torch
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from course_lib import zoo
from course_lib.chapters.ch23_grpo import estimators, learning, poems
from course_lib.chapters.ch23_grpo import figures as plots
from course_lib.chapters.ch23_grpo.pushes import pushes
from course_lib.chapters.ch23_grpo.whole_figure import Sizes, plot_grpo
from course_lib.course.claims import figures_of, load_record
from course_lib.data.real.poems import EDGE, MARKS, vocabulary
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, show_source, start
from course_lib.posttraining.dapo import dapo_loss
from course_lib.posttraining.dr_grpo import dr_advantages, dr_grpo_loss
from course_lib.posttraining.grpo import group_advantages, grpo_loss, kl_penalty
from course_lib.posttraining.gspo import gspo_loss
from course_lib.posttraining.kl import exact_kl, k1, k2, k3, reweighed
from course_lib.posttraining.rollout import roll_out
from course_lib.toys import sums
from course_lib.toys.sums_answers import LONGEST, accuracy
from course_lib.toys.three_answers import three_answers
from course_lib.widgets import Knob, explore
from course_lib.widgets.live_triangle import live_triangle
from course_lib.widgets.live_versions import live_versions

start("23")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：评论家能不能省掉
#
# [第 19 章](19_sft.ipynb)的小模型跟着对五成的示范者学做加法，学成了这样：问一道题，写四个。规则来判，对 1 分，错 0 分。

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output"]
student = learning.follower(p=0.5)  # 从 sums-base 做 SFT，示范者的十位有一半是乱写的
chat, question = sums.chat(), sums.ask("27+15=?")
written = roll_out(
    student, torch.tensor([chat.prompt(question)]), n=4, limit=LONGEST, end=chat.end,
    generator=torch.Generator().manual_seed(0),
)  # fmt: skip
texts = [sums.decode(answer) for answer in written.answers()]
rewards = torch.tensor([[sums.reward(text, sums.right(question)) for text in texts]])  # [P, G] = [1, 4]
print("27 + 15 =", "、".join(texts), "　分数", rewards[0].tolist())

# %% [markdown] slideshow={"slide_type": "-"}
# 抬对的，压错的，抬多少要看**比预料好多少**。[第 21 章](21_ppo.ipynb)的 PPO 请评论家来预料。它和策略一样大，也要学。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 分数由规则给，不装奖励模型。每个在学的数要存四份（权重、梯度、Adam 的两份），冻住的只存一份。省掉评论家，权重一类的内存省几成？
#
# - A. 四分之一
# - B. 四成多
# - C. 六成以上
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
learns, frozen = 4 * 4, 4  # 单精度，一个数 4 字节
with_critic, without = 2 * learns + frozen, learns + frozen  # 策略、评论家、参考；策略、参考
print(f"每个参数 {with_critic} 字节 → {without} 字节，省 {1 - without / with_critic:.0%}")

# %% [markdown] slideshow={"slide_type": "-"}
# 何况评论家起先什么也不懂，要拿许多回答才教得会。可是这道题写了四个，两个对：**四个的平均就是对这道题的预料**。这就是**组相对策略优化**（group relative policy optimization，GRPO；DeepSeekMath，2024）。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先让学生说该抬哪几个。常问：“一组只有四个，平均准吗？”答：不准，组越小越吵；后面量组该多大。又问：“RLOO 不也是这样？”答：看“手算”那一节：只差 1 − 1/G 倍，和除以标准差。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算：一组的优势
#
# $$
# A_i=\frac{r_i-\text{组平均}}{\text{组标准差}}
# $$
#
# 四个分数 0、0、1、1：平均 0.5；离平均各 0.5，平方和 1，除以 $G-1=3$，开方得 0.577。0.5 ÷ 0.577 = 0.866，所以错的两个 $A_i$ 是 −0.866，对的两个 +0.866。一个回答的全部词元，共用这一个数。

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
by_hand = (rewards[0] - 0.5) / (1 / 3) ** 0.5
print("grpo.py 给的优势", [round(x, 3) for x in group_advantages(rewards).tolist()])
assert_close(group_advantages(rewards), by_hand, atol=2e-4, rtol=0)  # grpo.py 的分母多加 0.0001

# %% slideshow={"slide_type": "skip"}
show_source(group_advantages)

# %% [markdown] slideshow={"slide_type": "skip"}
# 减平均是[第 20 章](20_rlhf.ipynb)的基线。那里的 RLOO 减**其余**几个的平均，这里连自己一起：自己占 $1/G$，所以 $r_i-\text{组平均}=(1-\tfrac1G)(r_i-\text{其余的平均})$，只缩小一个常数倍。除以标准差是新的：每组优势的方差都成了 1，推的总量却不相等。拖一拖：


# %% slideshow={"slide_type": "-"} tags=["hide-input"]
def graded(divide, right):
    scores = torch.tensor([[1.0] * right + [0.0] * (8 - right)], dtype=torch.float64)
    return scores, (group_advantages if divide == "除以标准差" else dr_advantages)(scores)


def said_of_group(divide, right):
    _, advantages = graded(divide, right)
    if right in (0, 8):
        return f"八个里对 {right} 个，{divide}：八个优势都是 0，这一组什么也不教"
    return f"八个里对 {right} 个，{divide}：对的优势 {advantages[0]:.2f}，错的 {advantages[-1]:.2f}"


explore(
    lambda divide, right: plots.plot_group(
        *(each.flatten().tolist() for each in graded(divide, right)), mean=right / 8, says=f"{divide}，对 {right} 个"
    ),
    said_of_group,
    divide=Knob("优势", ["除以标准差", "不除"], kind="buttons"),
    right=Knob("八个里对几个", range(9)),
    start={"right": 1},
    name="23-group",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 八个里对一个：对的 +2.47，错的各 −0.35。对七个，正好反过来。八个的大小加起来，对一个是 4.95，对四个是 7.48：最用力的还是对一半的题。按“不除”，是 1.75 比 4，差得更多：除以标准差，极难和极易的题一样被放大。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先手算，再从 1 拖到 7。常问：“标准差除以 G 还是 G − 1？”答：论文没说，代码多用 G − 1；差一个常数倍，文末有考据。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一样的分，什么也不教
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 一道题写八个，全对。这一组把策略往哪里推？
#
# - A. 八个都往上：都对
# - B. 随机，因为 0 ÷ 0
# - C. 不推
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
print("全对，优势的最大值", group_advantages(torch.ones(1, 8)).abs().max().item())
print("答对的概率　　 " + "  ".join(f"{p:4.0%}" for p in (0.02, 0.1, 0.3, 0.5, 0.9, 0.98)))
for G in (2, 8, 64):
    useful = [1 - p**G - (1 - p) ** G for p in (0.02, 0.1, 0.3, 0.5, 0.9, 0.98)]
    print(f"G = {G:2}，有对有错 " + "  ".join(f"{share:4.0%}" for share in useful))

# %% [markdown] slideshow={"slide_type": "-"}
# 没有高低，就没有消息。太难的题一个也不对，太易的全对，都白写。组大一点，难题里才碰得上对的。DAPO 把这样的组扔掉重抽，叫**动态抽样**（dynamic sampling）。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先举手。常问：“全对也该鼓励吧？”答：概率已经近 1，抬不动了；全错的压下去，也不知道该抬谁。又问：“平均优势是 0，是不是没有信号？”答：每一组的平均都是 0，信号在谁正谁负里。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 损失：一个词元一项
#
# [第 21 章](21_ppo.ipynb)：同一批回答要走几步，就乘**比值**（ratio）$\rho=\pi/\pi_{\text{old}}$。走出 $1\pm\epsilon$ 还要往外的，**裁剪**（clip），不再推。GRPO 照用，每个词元一项：
#
# $$
# -\frac1G\sum_i\frac1{|o_i|}\sum_t\Big[\min\big(\rho_{i,t}A_i,\ \text{clip}(\rho_{i,t},1-\epsilon,1+\epsilon)A_i\big)-\beta\,\text{k3}_{i,t}\Big]
# $$
#
# $G$ 个回答都由 $\pi_{\text{old}}$ 写；先在每个回答里对词元平均，再对回答平均，再对问题平均。KL 写在损失里，不在奖励里；k3 是它的估计，后面讲。
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 刚写完，$\rho=1$，$\beta=0$。损失是多少？学得动吗？
#
# - A. 损失是 0，学得动
# - B. 损失是 0，学不动
# - C. 损失大于 0，学得动
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
mask = torch.tensor([[True, True, False, False, False], [True] * 5])  # 两个回答，2 个和 5 个词元，[B, N]
A = group_advantages(torch.tensor([[1.0, 0.0]], dtype=torch.float64))  # 甲对乙错，[B]：±0.707
old = torch.full((2, 5), 0.5, dtype=torch.float64).log()
now = old.clone().requires_grad_()
loss = grpo_loss(now, old, A, mask)
(slope,) = torch.autograd.grad(loss, now)
print(f"损失 {abs(loss):.3f}；一个词元的导数：甲 {slope[0, 0]:.3f}，乙 {slope[1, 0]:.3f}")

# %% [markdown] slideshow={"slide_type": "-"}
# $\rho=1$ 时损失是优势的平均，正好 0；导数是 $-A_i/(G\,|o_i|)$，不是 0。训练时别看损失，看奖励。一批只走一步，$\rho$ 就总是 1，裁剪用不上。

# %% [markdown] slideshow={"slide_type": "skip"}
# 手算走了几步以后。甲的比值 1.3、1.1；乙的 0.9、0.7、1、1.1、1.2。甲要抬：1.3 只算 1.2，平均 1.15。乙要压：0.7 只算 0.8，平均 1。合起来 $-\tfrac12(0.707\times1.15-0.707\times1)=-0.053$：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
ratio = torch.tensor([[1.3, 1.1, 1, 1, 1], [0.9, 0.7, 1, 1.1, 1.2]], dtype=torch.float64)
now = (old + ratio.log()).requires_grad_()
loss = grpo_loss(now, old, A, mask)
(slope,) = torch.autograd.grad(loss, now)
print(
    f"损失 {loss:.3f}；不再推的：甲第 {slope[0, :2].eq(0).nonzero()[0, 0] + 1} 个，乙第 {slope[1].eq(0).nonzero()[0, 0] + 1} 个"
)
assert_close(loss, -(A[0] * 1.15 + A[1] * 1.0) / 2)

# %% slideshow={"slide_type": "skip"}
show_source(grpo_loss)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。常问：“每批只走一步，裁剪还有用吗？”答：没有，比值恒为 1；TRL 的默认就是一步。又问：“损失不降，是不是没在学？”答：它不是目标的值，只有梯度有意义。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 分母：谁的词元更重
#
# 一个词元受的**推**：损失对它的 ln π 的导数，反号，再乘 $G$，好与 $A_i$ 比。GRPO 的是 $A_i/|o_i|$：每个**回答**一样重，长回答的**词元**就轻。同是 $A_i=-1$ 的错，10 个词元时每个 −0.1，1,000 个时只 −0.001。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
SCORES, AFTER = [1, 0, 0, 1], {"刚写完": False, "走过几步": True}
SAYS = {
    "GRPO": "除以自己的长度",
    "Dr. GRPO": "不除标准差，除以至多能写的 1,000",
    "DAPO": "除以这一组的词元数，上界 1.28",
    "GSPO": "整个回答一个比值，除以自己的长度",
}


def ribbons(way, after, long):
    return [each.numpy() for each in pushes(way, SCORES, [40, 10, long, 60], later=AFTER[after])]


def said_of_ribbons(way, after, long):
    short, longer = (each.mean() for each in ribbons(way, after, long)[1:3])
    still = sum(int((each == 0).sum()) for each in ribbons(way, after, long))
    return (
        f"{way}，{after}：错的 10 个词元，每个 {short:.2g}；错的 {long:,} 个，每个 {longer:.2g}。不推的词元 {still} 个"
    )


explore(
    lambda way, after, long: plots.plot_ribbons(SCORES, ribbons(way, after, long), says=f"{way}：{SAYS[way]}"),
    said_of_ribbons,
    way=Knob("做法", list(SAYS), kind="buttons"),
    after=Knob("回答", list(AFTER), kind="buttons"),
    long=Knob("第三个回答的词元数", [10, 30, 100, 300, 1000]),
    start={"long": 300},
    name="23-ribbons",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 一条是一个回答，宽是长度，深浅是每个词元受的推。GRPO：第三条拉长，颜色就淡，右边的总数不变；错的写得越长，每个词元挨的越轻。换 Dr. GRPO 或 DAPO：深浅一样，长的总数大。再按“走过几步”：GRPO 和 DAPO 里，灰的是一个个被裁的词元；GSPO 整条灭，整条亮。图中只有一组：两对两错，优势 ±0.866，“不除”是 ±0.5。
# :::
#
# - **Dr. GRPO**（Liu 等，2025）：两个除法都去掉，代码里除以一个常数。作者看到，除以长度使错的回答越写越长。
# - **DAPO**（Yu 等，2025）：除以这一组的词元数，组里每个词元一样重，再对问题平均（TRL 和这里的 `dapo.py` 除以全批的，见 K23-8）；上界放宽到 1.28，概率小的词元也能多涨；扔掉同分的组；超长扣分；不要 KL。
# - **GSPO**（Zheng 等，2025）：分母不动，改比值：整个回答一个，开 $|o_i|$ 次方，裁剪宽只有万分之三四。各自的源码在文末。

# %% [markdown] slideshow={"slide_type": "skip"}
# 比值该按词元还是按回答？上面的式子按词元，R1 的论文和不少讲义写的是整个回答：

# %% slideshow={"slide_type": "skip"}
show_erratum("K23-1")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先拖长度看 GRPO 变淡，再换按钮。常问：“按词元平均就是 Dr. GRPO 吗？”答：不是。DAPO 的分母随这一组的长度变，Dr. GRPO 的是常数。又问：“哪个对？”答：常数才与策略梯度成正比；长短差得不多时，差别也不大。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图：写、判、比、推
#
# 八道加法，各写八个回答；判分，组里比，推策略。从左往右读一轮：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
asked = sums.questions("train", 8, seed=0)
prompt = torch.tensor([chat.prompt(each) for each in asked])  # [P, S]：题都一样长
batch = roll_out(student, prompt, n=8, limit=LONGEST, end=chat.end, generator=torch.Generator().manual_seed(0))
sizes = Sizes(
    questions=8, group=8, prompt=prompt.shape[1], tokens=batch.ids.shape[1], vocabulary=len(sums.vocabulary())
)
B, T, V = 64, sizes.tokens, sizes.vocabulary
show_figure(
    plot_grpo(sizes),
    alt=f"GRPO 的一轮。8 个问题 [8, {sizes.prompt}]；策略各写 8 个回答，[{B}, {T}]，记下 ln π_old [{B}, {T - 1}]。"
    f"规则打分得 [{B}]，排成 [8, 8]，组里减平均、除以标准差，得优势 [{B}]。"
    f"策略再读一遍，[{B}, {T}, {V}]，取写下的词元，[{B}, {T - 1}]；除以 π_old 得比值，裁剪，乘优势。"
    f"β 大于 0 时参考也读一遍，算 k3。每个回答里平均，再平均，一个数；只改策略的权重，再写一批",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 橙色的在学，只有一个模型，出现两次：写一次，读一次。灰色的参考在 β = 0 时不用装。没有评论家；打分的是规则，也不是模型。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，一格一格报形状。常问：“写过一遍了，为什么再读？”答：写的时候不留梯度；读一遍是一次并行的前向，快得多，也才有梯度。
# :::

# %% [markdown]
# ## 整段码
#
# 写、判、比、推，装在一起。`model(ids)` 是任何语言模型，[B, T] 进，[B, T, V] 出；题一样长，省了左边的填充。


# %%
def log_probs(model, ids):  # 写下的词元的 ln π：[B, T] → [B, N]
    return -cross_entropy(model(ids)[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")


@torch.no_grad()
def write(model, prompt, G, limit, end, chance):  # [P, S] → ids [B, T]，哪些是写的 [B, T]，ln π_old [B, N]
    ids = prompt.repeat_interleave(G, 0)
    wrote = torch.zeros_like(ids, dtype=torch.bool)
    goes_on = torch.ones(len(ids), dtype=torch.bool)
    for _ in range(limit):
        word = model(ids)[:, -1].softmax(-1).multinomial(1, generator=chance)
        ids = torch.cat([ids, word.masked_fill(~goes_on[:, None], end)], 1)
        wrote = torch.cat([wrote, goes_on[:, None]], 1)
        goes_on = goes_on & (ids[:, -1] != end)
    return ids, wrote, log_probs(model, ids)


def compare(rewards, G):  # [B] → 优势 [B]
    groups = rewards.view(-1, G)  # [P, G]
    equal = (groups == groups[:, :1]).all(1, keepdim=True)  # 同分的组正好给 0，不留舍入误差（K23-5）
    centred = (groups - groups.mean(1, keepdim=True)).masked_fill(equal, 0)
    return (centred / (groups.std(1, keepdim=True) + 1e-4)).flatten()


def grpo(said, old, reference, wrote, advantages, clip, beta):  # [B, N] × 3，[B, T]，[B] → 一个数
    ratio, A = (said - old).exp(), advantages[:, None]
    gain = torch.minimum(ratio * A, ratio.clamp(1 - clip, 1 + clip) * A)
    if beta:
        d = said - reference
        gain = gain - beta * ((-d).exp() - 1 + d)  # k3
    gain, mask = gain * wrote[:, 1:], wrote[:, 1:]
    return -(gain.sum(1) / mask.sum(1)).mean()


def learn(model, ask, judge, end, limit, chance, *, G=8, rounds=60, updates=1, clip=0.2, beta=0.0, lr=3e-4):
    frozen, earned = copy.deepcopy(model), []
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0)
    for n in range(rounds):
        prompt, questions = ask(n)
        ids, wrote, old = write(model, prompt, G, limit, end, chance)
        rewards = judge(ids, wrote, questions, G)
        with torch.no_grad():
            reference = log_probs(frozen, ids) if beta else None
        for _ in range(updates):
            loss = grpo(log_probs(model, ids), old, reference, wrote, compare(rewards, G), clip, beta)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        earned.append(rewards.mean().item())
    return earned


# %% [markdown]
# 先与房间 `grpo.py` 逐数比较：全图那一批，策略挪动一点，ρ 才不是 1。再从对五成的学生出发，学 60 轮，每轮 8 题，各写 8 个；KL 不加。

# %% tags=["nbval-check-output"]
ids, wrote, old = batch.ids, batch.is_answer, batch.log_probs
rewards = torch.tensor(
    [sums.reward(sums.decode(answer), sums.right(asked[i // 8])) for i, answer in enumerate(batch.answers())]
)
assert_close(compare(rewards, 8), group_advantages(rewards.view(-1, 8)))
walked = copy.deepcopy(student)
with torch.no_grad():
    for weight in walked.parameters():
        weight += 0.01 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    said, held = log_probs(walked, ids), log_probs(student, ids)
room = grpo_loss(said, old, compare(rewards, 8), wrote[:, 1:], clip=0.2, penalty=kl_penalty(said, held, beta=0.04))
ours = grpo(said, old, held, wrote, compare(rewards, 8), clip=0.2, beta=0.04)
assert_close(ours, room)
print(
    f"损失 {ours:.4f}，与房间相同；ρ 从 {(said - old)[wrote[:, 1:]].exp().min():.2f} 到 {(said - old)[wrote[:, 1:]].exp().max():.2f}"
)


# %% tags=["nbval-check-output"]
def ask(n):
    questions = sums.questions("train", 8, seed=1000 + n)
    return torch.tensor([chat.prompt(each) for each in questions]), questions


def judge(ids, wrote, questions, G):
    texts = [sums.decode(row[mask].tolist()[: -1 if row[-1] == chat.end else None]) for row, mask in zip(ids, wrote)]
    return torch.tensor([sums.reward(text, sums.right(questions[i // G])) for i, text in enumerate(texts)])


pupil = copy.deepcopy(student)
earned = learn(pupil, ask, judge, chat.end, LONGEST, torch.Generator().manual_seed(0))
print("每十轮的平均奖励：", "  ".join(f"{sum(earned[at : at + 10]) / 10:.2f}" for at in range(0, 60, 10)))
unseen = sums.questions("held-out", 200, 5)
for name, model in {"SFT 以后": student, "GRPO 以后": pupil}.items():
    print(f"{name}，没见过的 200 题，照概率抽，答对 {accuracy(model, unseen, sample=True):.0%}")

# %% [markdown]
# 这 60 轮里没有给它看过一个答案，只说对没对：对的是它自己抽出来的，SFT 的示范有一半对。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## KL 怎么估：k1、k2、k3
#
# 真的 KL 要对整个词表求和，常用写下的词元来估（Schulman，2020）。$d=\ln\pi-\ln\pi_{\text{ref}}$：
#
# $$
# \text{k1}=d,\qquad \text{k2}=\tfrac12d^2,\qquad \text{k3}=e^{-d}-1+d
# $$

# %% [markdown] slideshow={"slide_type": "skip"}
# 手算：$\pi$ 给 0.3，$\pi_{\text{ref}}$ 给 0.2，$d=0.405$，k1 = 0.405，k2 = 0.082，k3 = 0.667 − 1 + 0.405 = 0.072。

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
for p in (0.3, 0.1):
    d = torch.tensor(p / 0.2).log()
    print(f"π = {p}　" + "  ".join(f"{kind.__name__} {kind(d):6.3f}" for kind in (k1, k2, k3)))

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 先猜再跑
# :class: guess answer-b
# k3 从不为负，平均正好是 KL(π‖ref)。把它写进损失求导，平均的梯度是 KL(π‖ref) 的梯度吗？
#
# - A. 是：平均对，导数就对
# - B. 不是：样本不跟着 π 重抽，导数少了一项
# - C. 是 0
# :::

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
WORLD = three_answers()  # 好、中、差，参考 0.15、0.55、0.30


def parts(distance):
    kl = float(exact_kl(estimators.policy_at(distance), WORLD.reference))
    return estimators.spread(distance), kl, estimators.mean_gradients(distance), estimators.both_directions(distance)


def said_of_estimators(distance):
    spread, kl, slopes, _ = parts(distance)
    told = "；".join(f"{name} 平均 {mean:.3f}，标准差 {sd:.2f}" for name, (mean, sd, _) in spread.items())
    pushed = "；".join(f"{name} {slope[1]:.2f}" for name, slope in slopes.items())
    return f"真的 KL {kl:.3f}；{told}。对“中”的 logit 的平均梯度：{pushed}".replace("-", "−")


explore(
    lambda distance: plots.plot_estimators(*parts(distance), list("好中差")),
    said_of_estimators,
    distance=Knob("“好”的 logit 抬高、“差”的压低多少", [0.25, 0.5, 1.0, 1.5, 2.0, 3.0]),
    start={"distance": 1.0},
    name="23-estimators",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 左：k1、k3 的平均落在虚线上，k2 高一点；近处 k3 的误差棒短得多，拖到 2 以上，它反而比 k1 长。右：k1 的平均梯度是 0，写进损失白写；绿色的 k3 贴着点线，KL(ref‖π)；k2 和乘了比值的 k3 贴着实线，KL(π‖ref)。绿柱没有贴实线：估得准，不等于导得对。
# :::
#
# PPO 把 k1 当分数放在**奖励**里，不求导，方向是对的；GRPO 把 k3 放在**损失**里求导，方向就换了：
#
# :::{admonition} 选读：少了哪一项
# :class: dropdown
# $\nabla\,E_\pi[f]=E_\pi[f\,\nabla\ln\pi]+E_\pi[\nabla f]$。样本不动，只导 $f$，就只剩第二项。k3 在损失里是这样。k1 在奖励里，走的是第一项；它的第二项平均是 0，所以一点也没少。
# :::

# %% slideshow={"slide_type": "skip"}
show_erratum("K23-2")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先问“平均对，导数就对吗”，再拖远。常问：“方向错了，要紧吗？”答：走得近时两个方向差不多；走远了，KL(ref‖π) 更怕漏掉参考会写的。R1 的 β 是 0.001，DAPO 干脆不要，影响就小。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 到得了 π* 吗
#
# 三个答案：好、中、差，分数 1、0.4、−0.6，参考 0.15、0.55、0.30，β = 0.5；最好的策略 π* [第 22 章](22_dpo.ipynb)算过。你的浏览器现算 GRPO，灰线是精确梯度。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
live_triangle(("exact", "GRPO"), name="23-triangle")

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 星是 π*。绿线停在离星一段的地方，右图的 KL 降不到 0：多走几步、多写几组都没有用，不是噪声。去掉“除以组内标准差”的勾，它退回来一大段；再勾上“k3 乘概率比”（就是乘比值），近了；这两样都改了，组拉大才更近。照默认的 GRPO，组越大越远。
# :::
#
# 若能写无穷多组，每组 8 个，停在哪里？把可能的组都按概率算进去，一个也不抽。三样改动，一次只留一样：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
CAUSES = {
    "GRPO，三样都在": {},
    "只除以标准差": {"reweigh": True},
    "只用 k3 的梯度": {"advantages": learning.others_advantages},
    "只把自己算进平均": {"advantages": dr_advantages, "reweigh": True},
    "一样也没有": {"advantages": learning.others_advantages, "reweigh": True},
}
print(f"π*　{'  '.join(f'{name} {p:.3f}' for name, p in zip('好中差', WORLD.best.exp().tolist()))}")
for name, cause in CAUSES.items():
    there = learning.settles(**cause)
    told = "  ".join(f"{one} {p:.3f}" for one, p in zip("好中差", there.exp().tolist()))
    print(f"{told}　到 π* 的 KL {float(exact_kl(there, WORLD.best)):.4f}　{name}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 除以标准差推得最远：它多半小于 1，除以它等于把分数放大，β 就显得小，“好”冲到 0.945。k3 的梯度是 KL(ref‖π) 的，怕漏掉参考会写的，“差”就留得多。把自己算进平均，分数缩成 $1-1/G$ 倍，“好”少了一点。三样不是相加：后两样把冲过头的拉回来，一起停在 0.261。一样也没有，正好到 π*。真的抽样训练五个种子，也停在算出来的地方；裁剪只改快慢，不改终点（文末的证据卡 C30d）。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。先照默认走，再关“除以标准差”。常问：“到不了 π*，GRPO 就错了吗？”答：β 本来就是随手定的；要紧的是别把它的 β 和 PPO、DPO 的 β 当作一样大。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：越过示范者
#
# [第 19 章](19_sft.ipynb)：照概率抽，学生至多与示范者一样好；错得随机的，还更差些（五成的 38%）。现在从这些学生出发，规则打分，GRPO 走 150 轮。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 示范者三成对，错得都一样：忘进位。SFT 以后，取最可能的几乎全错。只告诉它对没对，学得会吗？
#
# - A. 学不会：最可能的总是错的
# - B. 学得会：抽样时偶尔写对，就有高低可比
# - C. 只到三成
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
past = figures_of(load_record("C30c"))
CASES, SHARES = (
    ("乱写\n对 50%", "乱写\n对 30%", "乱写\n对 70%", "忘进位\n对 30%", "从不进位\n对 50%"),
    (0.5, 0.3, 0.7, 0.3, 0.5),
)
reached = {how: past[key].values for how, key in (("照概率抽", "sampled"), ("取最可能的", "greedy"))}
show_figure(
    plots.plot_past(CASES, SHARES, reached),
    alt="五种示范者，黑线是他对几成，灰柱是 SFT 以后，绿柱是 GRPO 以后。"
    + "。".join(
        f"{how}："
        + "，".join(
            f"{case.replace(chr(10), ' ')} {before:.0%} → {after:.0%}"
            for case, (before, after) in zip(CASES, values.mean(0))
        )
        for how, values in reached.items()
    ),
)

# %% slideshow={"slide_type": "skip"}
show_claim("C30c")

# %% [markdown] slideshow={"slide_type": "skip"}
# 五种都过了九成。忘进位三成的那位，取最可能的从 3% 到 100%。这 150 轮里没有再给示范：对的是它自己抽出来的，规则再把抽对的抬上去。从不进位的那种最悬，起初六组里只有一组有高有低，靠这些起步；一次也抽不对，就没有起步的地方。
#
# 别说过头：底子本来会加法，SFT 才把它压低。GRPO 找回的是还写得出来的，不是教会新的。大模型上也有人这样量：写 k 次只要一次对（pass@k），k 小时 RL 以后的好，k 到几十几百，底子反而追上、超过（Yue 等，2025）。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先举手。常问：“它从哪里知道对的答案？”答：自己抽出来的；SFT 压低了它，没有压到 0，规则再把它抬起来。又问：“一次也抽不到呢？”答：全组 0 分，学不到；那就先给示范。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一组几个，省了什么
#
# 每轮写 64 个回答：32 道题各两个，还是一道题写 64 个？

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
sized = figures_of(load_record("C30"))
show_figure(
    plots.plot_sizes((2, 4, 8, 16, 64), sized["sampled"].values, float(sized["before"].mean), sized["taught"].values),
    alt="同样多的回答。左：各种组学完以后答对几成，"
    + "，".join(f"{G} 个一组 {right:.0%}" for G, right in zip((2, 4, 8, 16, 64), sized["sampled"].mean))
    + "。右：有高有低的组占几成，起初"
    + "，".join(f"{G} 个一组 {taught[0]:.0%}" for G, taught in zip((2, 4, 8, 16, 64), sized["taught"].mean)),
)

# %% [markdown] slideshow={"slide_type": "-"}
# 我们料想八个一组胜过两个，**没有成立**：两个、四个一组 89%、90%，八个 86%，一道题写 64 个只有 65%。两个一组起初大半白写，可是问的题多。这里的题起初近四成对；对的越少，小组越碰不上。

# %% [markdown] slideshow={"slide_type": "skip"}
# 省的是评论家那一份：四层、宽 192 的模型，权重、梯度、Adam 合计从 72 MB 到 40 MB，连激活从 292 到 154；一步的运算从 65.6 到 36.6（十亿次）。β = 0 再省掉参考：内存少得不多，它本来就不求导；“评”那一遍不用了，运算到 28.6。这里只比一步的开销；谁用更少的回答学会，第 24 章量。图和证据卡 C30、C30b 在文末。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先问哪一种好，再看左图；右图说为什么：小组起初大半全对或全错。常问：“省下的内存能拿来做什么？”答：写更多的回答，或用更大的策略。内存与运算的图在网页上：PPO 292 MB，GRPO 154，β = 0 时 146。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真的诗：押韵，以及没人料到的空子
#
# 小诗人由一句写八首，规则打分：押韵、平仄、不重字各 1 分（平仄看四句里几句合，所以有四分之一）。每轮 8 句 64 首，β = 0.005。
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 若只给两个字，五言还是七言由它定，规则也不管。起初两成是五言，学过以后呢？
#
# - A. 多半写五言
# - B. 多半写七言
# - C. 还是两成
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
by_rules = figures_of(load_record("C30e"))
TOLD = {
    "rhyme": "押韵",
    "tone": "平仄",
    "variety": "不重字",
    "five": "五言",
    "form": "格式",
    "distinct": "相邻两字不同",
    "one end": "最常见的韵脚",
}
COLUMNS = ("reward", "form", "five", "rhyme", "tone", "variety", "distinct", "one end", "repeated", "copied")
shown = by_rules["shown"].values[..., [COLUMNS.index(name) for name in TOLD]]  # [种子, 给法, 前后, 份额]
panels = {name: (shown[:, at, 0], shown[:, at, 1]) for at, name in enumerate(("给了首句", "只给两个字"))}
own = by_rules["poets"].mean[[COLUMNS.index(name) - 1 for name in TOLD]]
show_figure(
    plots.plot_poems(list(TOLD.values()), panels, own),
    alt="GRPO 以前和以后的份额，叉是诗人自己的诗。"
    + "；".join(
        f"{name}："
        + "，".join(
            f"{told} {before:.2f} → {after:.2f}"
            for told, before, after in zip(TOLD.values(), *(x.mean(0) for x in both))
        )
        for name, both in panels.items()
    ),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# 给了首句：押韵从 0.61 到 0.86，过了诗人自己的 0.80，平仄也升；格式、五言的份额、相邻两字的花样都没有坏。代价是韵脚：最常见的一个字从 3% 占到 15%，押来押去是那几个字，所以判“部分成立”。
#
# 只给两个字：五言从 20% 到 73%，二十个字比二十八个字容易不重。押韵、平仄、不重字样样好看，只有“五言”那一行露馅，而奖励里没有它。要量没有奖励的东西；补法是把首句给它，形式就由不得它选。

# %% slideshow={"slide_type": "skip"}
show_claim("C30e")

# %% [markdown] slideshow={"slide_type": "skip"}
# 课程训练的 `poet-grpo` 就是这样练了一百轮。十首，首句由种子抽，两个诗人用同一串随机数往下写：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
aligned = zoo.load("poet-grpo").eval()
for one, other, was, now in poems.told_apart(aligned, n=10, seed=0):
    print(f"以前 {was:.2f}　{one}\n以后 {now:.2f}　{other}\n")

# %% [markdown] slideshow={"slide_type": "skip"}
# 十首里五首的分高了，三首低了，平均从 1.38 到 1.55；三首的末字都是“人”。合规则的多了，通顺未必：规则看不见意思。
#
# 换你来：写一句，两个诗人轮流往下写。

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
letters = vocabulary()
edge = letters.index(EDGE)
live_versions(
    {
        "GRPO 以前": ("poet-plain", poems.reference(), "the zoo's poet"),
        "GRPO 以后": ("poet-grpo", aligned, "the zoo's poet after GRPO on rhyme, tones and variety"),
    },
    letters,
    name="23-poets",
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
# 停 2 分钟，先举手，再看“五言”那一行。可打开本章网页，请学生给一句，两个诗人各写一首。常问：“规则再加一条五言七言各半，行不行？”答：行，可是下一个空子你又想不到；所以要量没有奖励的东西，还要自己读样本。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真的训练怎么设
#
# | | 从哪里起 | 谁打分 | 改了什么，结果 |
# |---|---|---|---|
# | DeepSeekMath（2024-02） | 7B，SFT 以后 | 奖励模型 | GRPO 的出处：G = 64，β = 0.04；MATH 到 51.7% |
# | R1-Zero（2025-01） | V3-Base，不做 SFT（R1 先用几千条长的解题过程做冷启动） | 规则：答案、格式 | β = 0.001；AIME 2024 到 77.9%（Nature 版） |
# | DAPO（2025-03） | Qwen2.5-32B | 规则 | AIME 50 分；普通的 GRPO 只有 30 |
# | Dr. GRPO（2025-03） | Qwen2.5-Math-7B | 规则 | AIME 43.3%；错的回答不再越写越长 |
# | GSPO（2025-07） | Qwen3-30B-A3B | 没有细说 | 混合专家的训练稳住了 |
#
# 分数多由**规则**给，叫**可验证的奖励**（verifiable reward）：不怕追到奖励模型看走眼的地方，但规则没写的，它一样会钻。KL 越用越轻。分数多给在末尾，叫结果监督；DeepSeekMath 也试过给每一步打分，叫过程监督。

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 选读：回答为什么越练越长
# :class: dropdown
# R1-Zero 的回答越练越长，原因可能有两个：要多想几步才对的题，长的被抬起；除以长度，错的也越写越长（Dr. GRPO 的看法）。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“R1 也没有 SFT 吗？”答：R1-Zero 没有；R1 冷启动以后 GRPO，再 SFT，再一轮。又问：“写不出规则的题呢？”答：还得用奖励模型，第 20 章的毛病也跟着来。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：常见误区
#
# :::{admonition} 1. “损失是 0，没在学”
# :class: pitfall
# 每批只走一步、β = 0 时，它总是 0；β 大于 0 时，它就是 β 乘 KL，学得越多越大。看奖励。
# :::
#
# :::{admonition} 2. “GRPO 就是规则奖励”
# :class: pitfall
# GRPO 只管拿分数怎样学。分数可以来自规则，也可以来自奖励模型；PPO 也能用规则。
# :::
#
# :::{admonition} 3. “没有评论家，所以更省”
# :class: pitfall
# 省内存，费样本：一道题要写 G 个。写是最慢的一步。
# :::
#
# :::{admonition} 4. “按词元平均，就没有长短的偏心了”
# :class: pitfall
# 除以这一组或这一批的词元数，分母还是跟着长短变；常数才不变。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟，先让学生说哪句对。常问：“top-p 抽样行不行？”答：抽的分布和比值里的 π_old 就不是一个了；要么按温度抽，要么比值也照样截。
# :::

# %% [markdown]
# ## 往前看，往后看
#
# - **第 20 章**：减平均的基线、参考、KL；**第 21 章**：比值、裁剪，评论家给每个词元一个优势，这里全句一个。
# - **第 22 章**：DPO 不写，只用现成的对；GRPO 边写边学，写得出的才学得到。
# - **第 24 章**：三种方法放在一个世界、一笔预算里比，PPO 与 GRPO 用同样多的回答。
# - **第 25 章**：视觉的题目（框、计数、读字）也写得出规则。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 七题，连小问约 50 分钟：两题心算，三题修程序，两题写代码，每题后面跟着一个小问。把 `...` 换成你的答案，运行 `check`；在网页上，心算题可以直接填。它认得常见的错。

# %%
exercise("23-grpo-1")

# %%
answer = ...  # 一个数

check("23-grpo-1", answer)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("23-grpo-1-next", next_answer)

# %%
exercise("23-grpo-2")


# %%
def my_advantages(rewards, question): ...


check("23-grpo-2", my_advantages)

# %%
next_answer = ...  # 小问：0 到 1 的数，或百分数

check("23-grpo-2-next", next_answer)

# %%
exercise("23-grpo-3")


# %%
def my_loss(log_probs, old, advantages, mask, low, high):
    ratio = torch.exp(log_probs - log_probs.detach())
    gain = ratio * advantages[:, None]
    clipped = ratio.clamp(1 - low, 1 + high) * advantages[:, None]
    return -(torch.minimum(gain, clipped) * mask).sum() / mask.sum()


check("23-grpo-3", my_loss)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("23-grpo-3-next", next_answer)

# %%
exercise("23-grpo-4")


# %%
def my_penalty(log_probs, reference, mask, beta):
    d = ((log_probs - reference) * mask).sum(1) / mask.sum(1)
    k3 = torch.exp(-d) - 1 + d
    return beta * k3.mean()


check("23-grpo-4", my_penalty)

# %%
next_answer = ...  # 小问：一个数

check("23-grpo-4-next", next_answer)

# %%
exercise("23-grpo-5")


# %%
def my_advantages(rewards, P):
    groups = rewards.view(P, -1)
    mean, std = groups.mean(1, keepdim=True), groups.std(1, keepdim=True)
    return ((groups - mean) / (std + 1e-4)).flatten()


check("23-grpo-5", my_advantages)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("23-grpo-5-next", next_answer)

# %%
exercise("23-grpo-6")


# %%
def my_mean(losses, mask, G): ...


check("23-grpo-6", my_mean)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("23-grpo-6-next", next_answer)

# %%
exercise("23-grpo-7")

# %%
answer = ...  # 一个数

check("23-grpo-7", answer)

# %%
next_answer = ...  # 小问：一个数

check("23-grpo-7-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 同一题写 G 个，组平均替评论家预料；比平均好多少，除以标准差，就是优势。
# 2. 全组同分，优势是 0：太难太易的题什么也不教。
# 3. 比值、裁剪与 PPO 相同；除以自己的长度，长回答的词元就轻，于是有了 Dr. GRPO、DAPO、GSPO。
# 4. k3 的平均是 KL(π‖ref)，梯度却是 KL(ref‖π) 的；除以标准差又改了 β 的分量：GRPO 停的地方不是 π*。
# 5. 只要偶尔写得对，只凭对没对的分数，就能越过示范者；规则没写的空子，它也会钻。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。请学生不看屏幕写出优势的式子。常问：“该用哪一个？”答：有规则、写得起，用它或它的改法；只有成对的偏好，用 DPO。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Shao 等，DeepSeekMath（2024，arXiv:2402.03300）第 4.1 节；DeepSeek-AI，R1（2025，arXiv:2501.12948，Nature 645 卷）；Yue 等，RL 真的教会新的推理吗（2025，arXiv:2504.13837）。
# - **改法**：Yu 等，DAPO（2025，arXiv:2503.14476）第 3 节；Liu 等，Dr. GRPO（2025，arXiv:2503.20783）第 3 节；Zheng 等，GSPO（2025，arXiv:2507.18071）第 4 节；Ahmadian 等，RLOO（2024，arXiv:2402.14740）。
# - **KL**：Schulman，Approximating KL Divergence（2020，joschu.net/blog/kl-approx.html）；DeepSeek-V3.2（2025，arXiv:2512.02556）第 3.1 节。
# - **提问**（GitHub 的 issue）：huggingface/trl 的 2703 号和 huggingface/open-r1 的 239 号（损失为什么从 0 起）、trl 的 3120 号（裁剪为什么不动手）、4637 号（k3 乘比值）。
#
# 下一章：PPO、DPO、GRPO 放在一起量。

# %% [markdown]
# ## 证据与考据

# %% [markdown]
# ### 停在哪里，省了什么，一组几个

# %%
show_claim("C30d")

# %%
show_claim("C30b")

# %% [markdown]
# 一步占的内存和运算，看评论家那一份去了哪里：

# %% tags=["hide-input"]
held = figures_of(load_record("C30b"))
WAYS = ("PPO", "GRPO", "GRPO\nβ = 0")
show_figure(
    plots.plot_costs(WAYS, held["memory"].mean[1], held["operations"].mean[1]),
    alt="四层、宽 192 的模型，同样多的回答。左：一步占的内存，"
    + "，".join(f"{way.replace(chr(10), ' ')} {row.sum():.0f} MB" for way, row in zip(WAYS, held["memory"].mean[1]))
    + "。右：一步的运算，"
    + "，".join(f"{way.replace(chr(10), ' ')} {row.sum():.3g}" for way, row in zip(WAYS, held["operations"].mean[1])),
)

# %% [markdown]
# 同样多的回答，分成大组还是小组：

# %%
show_claim("C30")

# %% [markdown]
# ### 谁写的，除以几

# %%
show_erratum("K23-3")

# %%
show_erratum("K23-4")

# %% [markdown]
# 同分的组，在单精度里也该正好是 0：

# %%
show_erratum("K23-5")

# %% [markdown]
# ### 名字与做法

# %%
show_erratum("K23-6")

# %%
show_erratum("K23-7")

# %% [markdown]
# 分母和模型的个数，也各有说法：

# %%
show_erratum("K23-8")

# %%
show_erratum("K23-9")

# %% [markdown]
# ### k3 的正负

# %%
show_erratum("K23-10")

# %% [markdown]
# ### 房间：几种改法和 KL
#
# 正文只看了 `grpo.py`。另外四个房间，一个想法一个文件：

# %%
show_source(dr_advantages, dr_grpo_loss)

# %%
show_source(dapo_loss)

# %% [markdown]
# 整个回答一个比值的，和 KL 的估计：

# %%
show_source(gspo_loss)

# %%
show_source(k3, reweighed)
