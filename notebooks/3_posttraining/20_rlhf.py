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
# # 20 强化学习基础与 RLHF 全景
#
# 没有标准答案，只有一个分数，怎么学？分数又从哪里来？
#
# **学完能做什么**
#
# - 手算一次策略梯度：三个答案、四个音节
# - 说出从分数里减一个数有什么用，减什么要付代价
# - 把语言模型讲成一步一步的决策，算出每个词元的优势
# - 由“哪个更好”学出分数，并指出这个分数不能怎样用
# - 画出 RLHF 的三步：谁在学，谁冻住，进出的形状

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。只念谜面。常问：“强化学习不是下棋、打游戏用的吗？”答：是同一套数学；下棋的分数由规则给，聊天的分数要先学出来，这是本章的后半。
# :::

# %% [markdown]
# **先修**：[06 Transformer](../1_foundations/06_transformer.ipynb)（交叉熵、训练）、[08 GPT-2](../2_models/08_gpt2.ipynb)（下一个词、小诗人）、[19 SFT](19_sft.ipynb)（模仿示范，只数回答）。
#
# **阅读** 约 45 分钟，练习另加 51 分钟。**运行** 实测约 45 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $z$、$\pi$ | 各答案的 logit；策略的概率 softmax(z) | 一个答案一个数 |
# | $a$、$s$、$t$ | 动作（答案、词元）、状态、第几步 | |
# | $r$ | 奖励、分数 | 一个数 |
# | $J$ | 期望分数：按策略抽，平均得几分 | 一个数 |
# | $b$ | 基线：从分数里减去的数 | 一个数 |
# | $R$ | 回报：从这一步起，往后一共还得多少 | 一步一个数 |
# | $V$ | 价值：从这个状态起，平均还得多少 | 一个状态一个数 |
# | $A$ | 优势：比平均好多少 | 一步一个数 |
# | $\delta$ | 意外：走了一步，前途变了多少 | 一步一个数 |
# | $\gamma$、$\lambda$ | 折扣；信后面的意外几分，越小越信评论家 | 0 到 1 |
# | $\sigma$ | 1/(1 + e⁻ˣ)，把分差变成胜率 | 0 到 1 |
# | $p$ | 胜率 | 0 到 1 |
# | $\pi_{\text{ref}}$ | 参考模型给的概率 | 0 到 1 |
# | $\beta$ | 离开参考一奈特，扣几分 | 不小于 0 |
# | $G$ | 一个问题写几个回答 | 本章 4 |
#
# 图和代码里另有约定：P 几个问题，S 问题几个词元，B = P·G 几个回答，T 一行几个词元，N = T − 1，D 宽度。
# :::

# %% slideshow={"slide_type": "skip"}
import torch
from torch.nn.functional import one_hot
from torch.testing import assert_close

from course_lib import zoo
from course_lib.chapters.ch20_rlhf import figures as plots
from course_lib.chapters.ch20_rlhf import learning, poem_preferences
from course_lib.chapters.ch20_rlhf.whole_figure import Sizes, plot_pipeline
from course_lib.course.claims import figures_of, load_record
from course_lib.data.real.poem_rules import lines_of
from course_lib.data.real.poems import EDGE, vocabulary
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, show_source, start
from course_lib.posttraining.gae import gae
from course_lib.posttraining.grpo import centred_rewards
from course_lib.posttraining.log_probs import token_log_probs
from course_lib.posttraining.reinforce import beyond_the_others, reinforce_loss, reward_to_go
from course_lib.posttraining.reward_model import RewardModel, bradley_terry
from course_lib.posttraining.rollout import roll_out, write_answers
from course_lib.toys.bandit import Bandit
from course_lib.toys.grid_world import grid_world
from course_lib.toys.rhymes import poem_rewards
from course_lib.toys.token_mdp import TokenReader
from course_lib.widgets import Knob, explore
from course_lib.widgets.live_preferences import live_preferences
from course_lib.widgets.live_triangle import live_triangle

start("20")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：只有分数
#
# [第 19 章](19_sft.ipynb)的 SFT 要有人写好示范。没有示范呢？[小诗人](../2_models/08_gpt2.ipynb)从“春风”写下去，写了四首。规则给每首打分：四行的格式、押韵、平仄、不重字，各至多 1 分。

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output", "hide-input"]
poet, texts = zoo.load("poet"), vocabulary()
edge = texts.index(EDGE)
prompt = torch.tensor([[edge, *map(texts.index, "春风")]])  # [P, S] = [1, 3]
written = roll_out(poet, prompt, n=4, limit=37, end=edge, generator=torch.Generator().manual_seed(0))
poems = ["春风" + "".join(texts[each] for each in answer) for answer in written.answers()]
total, by_rule = poem_rewards()(poems, [None] * 4)
for poem, points in zip(poems, total.tolist()):
    print(f"{points:.2f}  {poem}")

# %% [markdown] slideshow={"slide_type": "-"}
# 哪一首是“对”的？没有。这个词写得对不对？也没有人说。一首二三十个字，只有一个分数。
#
# 最直接的办法：写一首，把它的 $\ln\pi$ 的梯度乘上得到的分数，照着走一步。
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 三个答案甲、乙、丙，得 3、2、1 分，起初概率各三分之一。照这个办法，抽到最差的丙，它的概率会怎样？
#
# - A. 变大
# - B. 变小
# - C. 不变
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
points = torch.tensor([3.0, 2.0, 1.0])  # 甲、乙、丙的分数，[3]
pi = torch.full((3,), 1 / 3)
toward = torch.eye(3) - pi  # 第 a 行：抽到 a 时，ln π 对三个 logit 的导数（后面讲），[3, 3]
after = [(0.3 * points[a] * toward[a]).softmax(-1)[a] for a in range(3)]
print("抽到谁，谁的概率从 0.33 变成：", "、".join(f"{name} {p:.2f}" for name, p in zip("甲乙丙", after)))

# %% [markdown] slideshow={"slide_type": "-"}
# 分数都是正的，于是抽到谁抬谁，最差的也抬。这样学得到东西吗？学得到，因为好的抬得多；学得很吵，因为抬谁看运气。本章先治“吵”，再问分数从哪里来。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。先请学生给四首诗排名次，再揭开分数。常问：“直接把最高分的拿来做 SFT 不行吗？”答：行，这叫拒绝采样；它与强化学习差在哪里，后面算给你看。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图：RLHF 的三步
#
# **RLHF**（reinforcement learning from human feedback）由人的比较得到分数，再为分数而学。照 InstructGPT（2022），从左往右读。例子里第一步 32 条示范；第三步 8 个问题，各写 4 个回答：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
sizes = Sizes(prompts=8, prompt=6, answers=4, tokens=32, ranked=4, vocabulary=3167, width=64)
show_figure(
    plot_pipeline(sizes),
    alt="RLHF 三步。一：人写的示范 32 条 [32, 32]，语言模型 π 给每格一个词表上的分布 [32, 32, 3167]，交叉熵只数回答。"
    "二：π 写 4 个回答，人排名次得 6 对；奖励模型的主干 [4, 32, 64]，末格乘一个向量得 [4]；损失 −ln σ(胜 − 负)。"
    "三：8 个问题，策略各写 4 个回答 [32, 32]；冻住的奖励模型给 [32] 个分，冻住的参考给 ln π_ref [32, 31]；"
    "总分减 β 乘 KL，减基线得优势 [32, 1]，乘 ln π 求梯度，改策略，再写一批",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 橙色的在学。第三步里只有策略在学：**奖励模型**（reward model）和**参考模型**（reference model）都冻住。若奖励模型也跟着学，分数就成了自己哄自己。（策略、减基线，下面几节讲。）
#
# 奖励模型只在它见过的那种回答上可信，所以走远了要扣分。扣的是每个回答自己的 $\ln\pi-\ln\pi_{\text{ref}}$，平均起来就是 **KL**：两个分布一样时是 0，单位奈特（用自然对数）。减基线那一格，[PPO](21_ppo.ipynb)（第 21 章）换成第四个模型，**评论家**（critic），后面会讲。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，一格一格报形状。常问：“第三步的数据从哪里来？”答：只要问题，回答是策略当场写的，写一批，学一步，旧的就不能再用了（第 21 章放宽）。又问：“为什么要参考模型？”答：奖励模型只在它见过的那种回答上可信，离得太远，分数就不可信。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一次选择：老虎机
#
# 先只做一次选择。一台有三个拉杆的老虎机（bandit），拉哪个由**策略**（policy）定：$\pi=\text{softmax}(z)$。要让期望分数变大：
#
# $$
# J=\sum_a \pi_a r_a,\qquad \frac{\partial J}{\partial z_a}=\pi_a\,(r_a-J)
# $$
#
# 每个答案比平均好多少，乘上抽到它的概率。手算：概率各 1/3，分数 3、2、1，$J=2$，梯度是 $(\tfrac13,\,0,\,-\tfrac13)$。
#
# 可是用这个式子要知道**所有**答案的分数。语言模型的回答有天文数字那么多，我们只有抽到的那一个。办法叫 **REINFORCE**（Williams，1992），也就是**策略梯度**（policy gradient）最简单的一种：抽到 a，就用
#
# $$
# r_a\cdot\frac{\partial \ln\pi_a}{\partial z}
# $$
#
# 当作梯度的估计。三种可能各写一行，按概率平均：

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
each = points[:, None] * toward  # 第 a 行：抽到 a 时的估计，[3, 3]
for name, row in zip("甲乙丙", each):
    print(f"抽到{name}：", "  ".join(f"{x:5.2f}" for x in row.tolist()))
print("平均  ：", "  ".join(f"{round(x, 2) + 0:5.2f}" for x in (pi @ each).tolist()))
exact = Bandit(points).gradient(torch.zeros(3))  # course_lib 算的精确梯度
assert_close(pi @ each, exact, atol=1e-6, rtol=0)

# %% [markdown] slideshow={"slide_type": "skip"}
# 单独一行都不对，平均起来分毫不差：这叫无偏。只要能抽样、能算 $\ln\pi$、能打分；分数怎么来，可不可导，都不问。
#
# :::{admonition} 选读：为什么平均是对的
# :class: dropdown
# $\partial\pi_a=\pi_a\,\partial\ln\pi_a$。所以 $\partial J=\sum_a r_a\,\partial\pi_a=\sum_a\pi_a\,(r_a\,\partial\ln\pi_a)$，右边正是“按 $\pi$ 抽，取 $r_a\,\partial\ln\pi_a$ 的平均”。softmax 里 $\partial\ln\pi_a/\partial z$ 是“a 那一位是 1，其余是 0”减去 $\pi$；代入，合并，a 那一位是 $\pi_a r_a-\pi_a J=\pi_a\,(r_a-J)$，就是上面的式子。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，三行写在黑板上，请学生自己加。常问：“分数要对模型求导吗？”答：不要，分数只是一个乘数；若让梯度流过分数，学的就是另一件事。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 基线：减一个数
#
# 把每个分数减去 $b$，再做同样的事。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 取 $b=2$（正好是平均分）。三行的平均会怎样？
#
# - A. 变小，因为分数都小了
# - B. 不变
# - C. 变成 0，因为减掉了平均
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
for b in (0, 2, 10):
    each = (points - b)[:, None] * toward
    mean = pi @ each
    variance = (pi @ (each - mean).square()).sum()  # 各分量的方差相加
    print(f"b = {b:2}　方差 {variance:5.2f}　平均", [round(x, 2) + 0 for x in mean.tolist()])

# %% [markdown] slideshow={"slide_type": "-"}
# 平均不变，因为概率加起来总是 1：$\sum_a\pi_a\,\partial\ln\pi_a=\partial\sum_a\pi_a=0$，乘上一个数还是 0。**只要 $b$ 不看抽到的是谁**，这就成立。这样的 $b$ 叫**基线**（baseline），分数减基线叫**优势**（advantage）：比预料的好多少。
#
# 基线好坏只差在方差：$b=2$ 时从 2.9 降到 0.2，$b=10$ 时反而是 43。下面每个点是一次估计（策略换成 softmax(0, 0.5, −0.5)，一组四个答案平均，分数另有噪声）：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
logits = torch.tensor([0.0, 0.5, -0.5], dtype=torch.float64)


def cloud(baseline, more, n=20_000, G=4):
    bandit = Bandit(points.double() + more, noise=0.5)
    chance = torch.Generator().manual_seed(0)
    probs = logits.softmax(-1)
    arms = probs.expand(n, -1).multinomial(G, replacement=True, generator=chance)  # [n, G]
    paid = bandit.pull(arms, chance)
    beyond = {
        "不减": lambda: paid,
        "平均分": lambda: paid - bandit.expected(logits),
        "其余的平均": lambda: beyond_the_others(paid),
        "整组的平均": lambda: centred_rewards(paid),
        "减 10": lambda: paid - 10,
    }[baseline]()
    return (beyond[..., None] * (one_hot(arms, 3) - probs)).mean(1), bandit.gradient(logits)


def said_of(baseline, more):
    found, exact = cloud(baseline, more)
    along = float(found.mean(0) @ exact / (exact @ exact))
    return (
        f"基线：{baseline}；分数全体加 {more}。两万次估计的平均是精确梯度的 {along:.2f} 倍，"
        f"方差 {float(found.var(0).sum()):.2f}"
    )


explore(
    lambda baseline, more: plots.plot_cloud(
        *map(torch.Tensor.numpy, cloud(baseline, more)),
        [f"甲 {3 + more} 分", f"乙 {2 + more} 分", f"丙 {1 + more} 分"],
        reach=2.5,
    ),
    said_of,
    baseline=Knob("基线", ["不减", "平均分", "其余的平均", "整组的平均", "减 10"], kind="buttons"),
    more=Knob("分数全体加", [0, 3, 7]),
    name="20-cloud",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 黑箭头是精确的梯度，橙箭头是估计的平均，灰线是一个标准差。换基线，点云变宽变窄，橙箭头不动（两万次的零头，如 1.01 倍，是抽样误差）；“不减”时把分数全体加 7，云就炸开，而该学的一点没变；这时“减 10”反倒合适，太大太小要看分数。“整组的平均”是例外：橙的比黑的短，约四分之三。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# “整组的平均”里有自己：抽到好的，基线也跟着高，优势就打了折。一组 $G$ 个，梯度正好缩成 $1-1/G$。减**其余的平均**（leave-one-out，RLOO 减的就是它）不缩。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先只用“不减”，把分数加到 7，再按“平均分”。常问：“真的训练里不知道平均分怎么办？”答：用同一个问题的其余回答估（RLOO、GRPO），或训练一个评论家去猜（PPO）。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 许多步：走格子
#
# 现在一步一步走，终点才有分。4×3 的格子（Russell 与 Norvig 的教科书）：走进一头得 1 分，另一头扣 1 分，每步还要付路费；地滑，一步有两成走歪。
#
# 五个词，在下图里都找得到：**智能体**（agent）是走的人；**环境**（environment）是格子；**状态**（state）$s_t$ 是站在哪一格；**动作**（action）$a_t$ 是往哪边走；**奖励**（reward）$r_t$ 是这一步得几分。
#
# 往后一共还得多少，叫**回报**（return）：$R_t=r_t+\gamma R_{t+1}$，$\gamma$ 是**折扣**（discount）。三步走到终点，$r$ 是 −0.04、−0.04、0.96（1 − 0.04），$\gamma=1$：倒着加，$R$ 是 0.88、0.92、0.96。
#
# 从一格起、照这个策略走，回报的平均叫**价值**（value）$V(s)$。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
paid = torch.tensor([[-0.04, -0.04, 0.96]])
assert_close(reward_to_go(paid), torch.tensor([[0.88, 0.92, 0.96]]))


def solved(slip, step_pays, discount):
    world = grid_world(slip=slip, step_pays=step_pays, discount=discount)
    values = world.best_values()
    policy = one_hot(world.action_values(values).argmax(-1), 4).double()  # 每格最好的一步
    return world, values, policy, world.visits(policy)


def said_of_grid(slip, step_pays, discount):
    world, values, policy, _ = solved(slip, step_pays, discount)
    start_at = int(world.start.argmax())
    way = "上右下左"[int(policy[start_at].argmax())]
    return (
        f"走歪 {slip:.0%}，路费 {-step_pays:g}，折扣 {discount:g}：起点值 {float(values[start_at]):.2f}，第一步往{way}"
    )


explore(
    lambda **knobs: plots.plot_grid(*(x.numpy() if isinstance(x, torch.Tensor) else x for x in solved(**knobs))),
    said_of_grid,
    step_pays=Knob("每步路费", [-0.01, -0.04, -0.5, -2.0], texts=["0.01", "0.04", "0.5", "2"]),
    slip=Knob("走歪", [0.0, 0.2, 0.4], texts=["0", "20%", "40%"]),
    discount=Knob("折扣 γ", [1.0, 0.9, 0.5]),
    start={"step_pays": -0.04, "slip": 0.2},
    name="20-grid",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 看 −1 左下那格（0.61）：往上只要三步就到 +1，箭头却往左，绕七步，因为要躲 −1 旁边的滑。把路费调到 2：箭头全往最近的出口去，哪怕那里扣 1 分。**它不懂你的心意，只懂你给的分**。折扣调到 0.5，远处的 1 分几乎看不见。
# :::
#
# 没有一步是“对”的，只有比平均好的。优势 $A_t=$（这一步连同以后，平均得多少）$-V(s_t)$。策略梯度照旧，每步一项：
#
# $$
# \frac{\partial J}{\partial z}=\text{平均}\Big[\sum_t A_t\,\frac{\partial \ln\pi(a_t|s_t)}{\partial z}\Big]
# $$
#
# 环境怎样滑，式子里没有：那部分概率与 $z$ 无关，求导就没了。所以不必知道环境的规律，走就是了。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。先问“路费 2 分时最好往哪走”，再拖。常问：“奖励设错了怎么办？”答：正是下半章的题目。又问：“−1 左下那格离 +1 只有三步，箭头为什么往左？”答：往上要走过 −1 的旁边，一滑就进去；绕七步，路费也比那点险便宜。路费调到 0.5，它就不绕了。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 语言模型就是走格子
#
# | | 走格子 | 语言模型写回答 |
# |---|---|---|
# | 智能体 | 走的人 | 语言模型，策略就是下一个词元的分布 |
# | 状态 | 站在哪一格 | 问题，加上已经写的全部 |
# | 动作 | 四个方向 | 词表里的一个词元 |
# | 环境 | 会滑的格子 | 把词元接在后面；一点不滑 |
# | 奖励 | 每步 | 写完才有一个分，前面都是 0 |
# | 价值 | 这一格往后平均得多少 | 这样开头，往后平均得多少 |
#
# 小到能全列出来的语言模型：词表三个词元，平、仄、止，至多写五个。平仄每换一次得 1 分，写完才给。一共 63 种回答：

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output"]
policy = learning.policy_of(11)  # 表：每个开头一行 logits，随机定的；“止”以后的也留了行，用不到
ids, is_answer = policy.answers()
openings = policy.rows(ids)[:, :-1][is_answer[:, 1:]].unique()
print(f"{len(ids)} 种回答，{len(openings)} 个开头；平均得 {learning.expected(policy).item():.2f} 分，最多 4 分")
drawn = write_answers(
    TokenReader(policy), torch.zeros(1, 1, dtype=torch.int64), n=4, limit=5, end=learning.END,
    generator=torch.Generator().manual_seed(6),
)  # fmt: skip
earned = learning.turns(drawn.ids)  # [B] = [4]
advantages = beyond_the_others(earned[None])[0]  # 减其余三个的平均
for text, points_, a in zip(learning.read(drawn.ids), earned.tolist(), advantages.tolist()):
    print(f"{text:　<5}　{points_:g} 分，优势 {a:5.2f}")

# %% [markdown] slideshow={"slide_type": "-"}
# 一个回答的每个词元都用这一个优势：$-A\ln\pi$，对回答平均。这个损失的值没有意义，梯度才有。

# %% slideshow={"slide_type": "skip"}
show_source(reinforce_loss)

# %% slideshow={"slide_type": "skip"}
said = token_log_probs(policy(drawn.ids), drawn.ids)  # 每个词元的 ln π，[B, N]
by_hand = -(advantages * (said * drawn.is_answer[:, 1:]).sum(1)).mean()
assert_close(reinforce_loss(said, drawn.is_answer, advantages[:, None]), by_hand)

# %% [markdown] slideshow={"slide_type": "skip"}
# 常听说奖励是“即时反馈”。在语言模型里不是：

# %% slideshow={"slide_type": "skip"}
show_erratum("K20-1")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，表一行一行对。常问：“环境既然不滑，还要强化学习做什么？”答：不滑的只是接词；难的是分数到最后才来，又只有一个，要分给前面几百个词。又问：“为什么不打折？”答：打 0.95 的折，200 个词以前的那个词就看不见奖励了。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 证据：基线让梯度安静多少
#
# 还是这 63 种回答，八个随机的策略，四个回答一组，各估两万次，和全列出来的精确梯度比。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 哪种基线，方差减得最多？
#
# - A. 平均分：所有回答的平均，一个数
# - B. 其余的平均：同组另外三个
# - C. V(s)：每个开头有自己的平均
# :::

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
measured = figures_of(load_record("C26"))
ratios = measured["variance"].values / measured["variance"].values[:, :1]  # [种子，基线]
BASELINES = ["不减", "平均分", "V(s)", "其余的平均", "减 10"]
show_figure(
    plots.plot_bars(dict(zip(BASELINES, ratios.T)), up="方差，不减的几倍", level=1.0),
    alt="五种基线的方差，是不减的几倍，点是八个策略："
    + "，".join(f"{name} {ratio:.2f}" for name, ratio in zip(BASELINES, ratios.mean(0))),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# 五种的平均都与精确梯度相符（1 倍，差在误差以内），只有方差不同。V(s) 最好：它知道写到这里还剩多少可得，所以只为这个词元自己的功过说话。减得不当（减 10）比不减坏几十倍。“整组的平均”不在图上：它的梯度只有 0.75 倍长，方差跟着小，不能直接比。

# %% slideshow={"slide_type": "skip"}
show_claim("C26")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 与 SFT 差在哪里
#
# 最简单的分数：对 1 分，错 0 分，不用基线。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 这时写错的回答，对梯度有什么贡献？
#
# - A. 往下压：错的要少写
# - B. 往上抬，但抬得少
# - C. 没有贡献
# :::

# %% slideshow={"slide_type": "fragment"}
show_erratum("K20-2")

# %% [markdown] slideshow={"slide_type": "-"}
# 多写几个，只留对的做 SFT，叫拒绝采样：它就是最简单的强化学习，两者之间没有鸿沟。强化学习多出来的是三样：答案由自己写，错的也用得上，好坏可以有程度。第一样最要紧：写的是自己现在会犯的错，改的也是它。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先举手。常问：“那为什么不一直做拒绝采样？”答：可以，也常用；错的答案里的信息丢了，又容易越写越窄。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 每个词元的优势：GAE
#
# 整句一个优势太粗：哪个字该负责？请一个**评论家**：每写一个词元，它说“这样开头，平均还得多少”，就是 $V(s_t)$。写下一个词元，前途的变化叫意外：
#
# $$
# \delta_t=r_t+\gamma V(s_{t+1})-V(s_t)
# $$

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 评论家说得全对；这个策略写到“平仄”很少停。“平仄仄平仄”第二个仄，$\delta$ 是正是负？
#
# - A. 负：少了一次换的机会
# - B. 零：奖励还没有来
# - C. 正：又写了一个词
# :::

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
row = learning.read(ids).index("平仄仄平仄")
V = learning.values_of(policy)[row]  # 精确的价值，写每个词元以前，[N] = [5]
r = torch.tensor([0, 0, 0, 0, 3.0], dtype=torch.float64)  # 换了三次，写完给 3 分
delta = r + torch.cat([V[1:], torch.zeros(1)]) - V  # γ = 1；写完以后没有价值
for name, numbers in {"V": V, "δ": delta}.items():  # δ 先算后舍入
    print(name, "  ".join(f"{token} {x:5.2f}" for token, x in zip("平仄仄平仄", numbers.tolist())))

# %% [markdown] slideshow={"slide_type": "-"}
# 评论家若全对，$\delta_t$ 就是优势（环境不滑；滑的，平均起来才是）。可是评论家是学来的，会错。**GAE**（generalized advantage estimation，2015）让你选信它几分：把后面的意外也收进来，隔一步打一次 $\gamma\lambda$ 的折。
#
# $$
# A_t=\delta_t+\gamma\lambda A_{t+1}
# $$
#
# $\lambda=0$ 全信评论家；$\lambda=1$ 只信真的得了几分，$A_t=R_t-V(s_t)$。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
CRITICS = {"全对": V, "只会说平均分": V.new_full((5,), learning.expected(policy).item()), "全是 0": torch.zeros_like(V)}


def stripped(critic, lam, gamma):
    values, is_step = CRITICS[critic][None], torch.ones(1, 5, dtype=torch.bool)
    parts = (gae(r[None], values, is_step, gamma=gamma, lam=each)[0] for each in (0.0, lam))
    return r.numpy(), values[0].numpy(), *(each.numpy() for each in parts)


def said_of_strip(critic, lam, gamma):
    advantages = stripped(critic, lam, gamma)[-1]
    told = "，".join(f"{token} {x:.2f}" for token, x in zip("平仄仄平仄", advantages))
    return f"评论家{critic}，λ = {lam:g}，γ = {gamma:g}。各词元的优势：{told}"


explore(
    lambda **knobs: plots.plot_strip("平仄仄平仄", *stripped(**knobs)),
    said_of_strip,
    critic=Knob("评论家", list(CRITICS), kind="buttons"),
    lam=Knob("λ", [0.0, 0.5, 0.95, 1.0], live=[at / 20 for at in range(21)]),
    gamma=Knob("γ", [1.0, 0.9, 0.5]),
    start={"lam": 0.95},
    name="20-strip",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 评论家全对、λ = 0：只有第三格是红的，错怪不到别人。λ 拉到 1：后面的运气混进来，前面的格也跟着变。换成“只会说平均分”，λ = 0：全部功过都算在末格头上，前面一个也学不到；λ = 1 才把分数送到前面。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，δ 写在黑板上。常问：“评论家和奖励模型是一回事吗？”答：不是。奖励模型读完整的回答，给一个分；评论家读半截，猜往后平均几分，每个词元一个数。又问：“λ 取多少？”答：常用 0.95；不要评论家的做法（RLOO、GRPO）相当于 λ = 1。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 分数从哪里来：比较
#
# 诗的规则写得出来。“回答得有帮助”写不出来，让人打分，各人的 7 分又不一样。可是两个放在一起，哪个更好，多半说得出。**布拉德利–特里模型**（Bradley–Terry，1952）由比较倒推分数，甲得 $r_1$，乙得 $r_2$：
#
# $$
# p(\text{甲胜乙})=\sigma(r_1-r_2),\qquad \text{损失}=-\ln p(\text{人选的胜})
# $$
#
# 手算：1.5 分对 0.5 分，差 1，$\sigma(1)=0.73$；人也选甲，损失 $-\ln 0.73=0.31$；人选了乙，损失 1.31。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 甲、乙的分数都加 100，损失怎样？
#
# - A. 变小：两个都是高分了
# - B. 变大
# - C. 不变
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
one, other = torch.tensor([1.5]), torch.tensor([0.5])
print(f"差 1 分：胜率 {(one - other).sigmoid().item():.2f}，损失 {bradley_terry(one, other):.2f}")
print(f"都加 100：损失 {bradley_terry(one + 100, other + 100):.2f}")
print(f"人选了乙：损失 {bradley_terry(other, one):.2f}")

# %% [markdown] slideshow={"slide_type": "-"}
# 分数**没有零点**：负分不等于坏，两个问题的分数也不能比。强化学习里减基线，正好把零点减掉。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟，先举手。常问：“为什么不直接让人打分？”答：各人的尺不同，同一个人上午和下午也不同；比较只要求次序。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 你来选，它来学
#
# 小诗人写的六首。两首一组，你来选；选一次，页面就按上面的损失重新算一遍每首的分数。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
drawn_poems = [text for text in poem_preferences.write(24, 7) if lines_of(text)][:6]
live_preferences(
    [text.replace("。", "。\n", 1) for text in drawn_poems],
    poem_rewards()(drawn_poems, [None] * 6)[0].tolist(),
    rule="四条规则加起来越高越好",
    name="20-preferences",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 选得少，分数的误差条长；选得多，就短。再故意违心地选几次：分差缩小，它不知道你是故意的。按“示范”，看规则自己选二十次，几首的次序和规则差多少。
# :::

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
print("规则打的分：")
for text, points_ in zip(drawn_poems, poem_rewards()(drawn_poems, [None] * 6)[0].tolist()):
    print(f"  {points_:.2f}  {text}")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。请一位学生上来选十对。常问：“要选多少对才够？”答：看误差条；六首诗十几对就分得出前后，真的奖励模型要学的是没见过的回答，用几万到上百万对。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 奖励模型：会打分的语言模型
#
# 把语言模型最后一层的“过词表”换成一个向量，读在回答的**最后一个词元**：因果掩码下，只有它看过整个回答。

# %% slideshow={"slide_type": "skip"}
show_source(RewardModel.forward)

# %% [markdown] slideshow={"slide_type": "-"}
# 这里让规则当“人”：真分数人人能查，标签错几成由我们定。课程训练的 `poem-judge` 主干是小诗人，看了近四万对小诗人写的诗，只知道哪首更好，不知道规则。开头那四首，它怎么说？

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output", "hide-input"]
judge = zoo.load("poem-judge")
unseen = poem_preferences.exam(200)  # 没见过的 200 对
for poem, by_rules, by_judge in zip(poems, total.tolist(), poem_preferences.scores_of(judge, poems).tolist()):
    print(f"规则 {by_rules:.2f}　奖励模型 {by_judge:5.2f}　{poem}")
print(f"没见过的 {len(unseen)} 对，与规则一致 {poem_preferences.right(judge, unseen):.0%}")

# %% [markdown] slideshow={"slide_type": "-"}
# 大体跟着规则，第四首却看走了眼：规则给 3 分，它给最低。四对里要错一对（文末换 500 对来考，判对 71%）。

# %% [markdown] slideshow={"slide_type": "skip"}
# 真的 InstructGPT：33,000 个问题，每个由人排 4 到 9 个回答，奖励模型 6B（策略最大 175B）。标注的人两两同意的约 73%；奖励模型去猜没见过的那组人，猜对 69.6%。标签里有错，是常态。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“69.6% 也太低了吧？”答：人与人之间也只有 73%；它不必每对都对，平均推对方向就有用。又问：“奖励模型要多大？”答：没有定论；InstructGPT 用 6B，Llama 2 用和策略一样大的。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 追分：挑最高分的那个
#
# 有了奖励模型，不训练策略也能用：写 n 个，交出它给分最高的那个，叫**挑最好的**（best-of-n）。n 越大，追得越狠。小诗人写 1,024 首，`poem-judge` 来挑。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# n 从 1 到 256，交出的那首，奖励模型的分一路升。**规则**给的真分数呢？
#
# - A. 也一路升，到满分 4
# - B. 先跟着升，后来跟不上
# - C. 一开始就不动
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
written_poems = poem_preferences.pool(1024, poem_preferences.EXAM + 50)
true, by_rule_of_all = poem_rewards()(written_poems, [None] * 1024)
proxy = poem_preferences.scores_of(judge, written_poems)
counts = [2**k for k in range(9)]
by_judge = poem_preferences.best_of_curve(proxy, true, counts)  # 抽 n 首的各种抽法，全都平均
by_truth = poem_preferences.best_of_curve(true, true, counts)
curves = [
    {"奖励模型挑": by_judge[0].numpy()[None]},
    {"奖励模型挑": by_judge[1].numpy()[None], "规则自己挑": by_truth[1].numpy()[None]},
]
show_figure(
    plots.plot_best_of(counts, {"诗": tuple(curves)}),
    alt=f"左：奖励模型的分随 n 一路升，{by_judge[0][0]:.2f} 到 {by_judge[0][-1]:.2f}。右：真分数，"
    + "；".join(
        f"{name}，" + "，".join(f"n = {n} 时 {curve[0, counts.index(n)]:.2f}" for n in (1, 16, 256))
        for name, curve in curves[1].items()
    ),
)

# %% [markdown] slideshow={"slide_type": "-"}
# 真分数从 2.53 升到 n = 16 的 3.04，再追就不涨了；奖励模型的分却一路升，规则自己挑早到了 4。分数是**代理**（proxy）：追得不狠，大体对；追得狠，挑出来的是它看走眼的。Gao 等（2022）拿一个大奖励模型当“真人”，追到后来真分数还会掉。这里也会：只看过 200 对的奖励模型，n = 1,024 时真分数掉到 1.80，还不如随手写的（见最后的证据）。
#
# 把它们按写的次序分成十六组，每组 64 首，看前十组；再分五言、七言看全体。

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
RULES = {"rhyme": "押韵", "tone": "平仄", "variety": "不重字"}
groups = [range(64 * at, 64 * at + 64) for at in range(10)]
for name, chosen in {
    "每组第一首": [group[0] for group in groups],
    "每组分最高的一首": [max(group, key=lambda each: proxy[each]) for group in groups],
}.items():
    some = [written_poems[each] for each in chosen]
    fives = sum(len(lines_of(text)[0]) == 5 for text in some if lines_of(text))
    print(f"{name}：规则平均 {true[chosen].mean():.2f}，五言 {fives} 首")
    print("\n".join(f"  {points:.2f}  {text}" for points, text in zip(true[chosen].tolist(), some)))

widths = torch.tensor([len(lines_of(text)[0]) if lines_of(text) else 0 for text in written_poems])
for name, width in {"五言": 5, "七言": 7}.items():
    of = widths == width
    kept = poem_preferences.best_of_curve(proxy[of], true[of], [1, 16])[1].tolist()
    agree = torch.corrcoef(torch.stack([proxy[of].to(true), true[of]]))[0, 1]
    rules = "、".join(f"{said} {by_rule_of_all[key][of].mean():.2f}" for key, said in RULES.items())
    print(
        f"{name}占 {of.double().mean():.0%}：规则平均 {kept[0]:.2f}（{rules}），"
        f"只在里面挑，n = 16 时 {kept[1]:.2f}，两种分的相关 {agree:.2f}"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# 挑出来的十首全是五言；每组第一首里，写完整的五言一首也没有（第四首是五言，没写完）。五言的规则分只高 0.12：少重字，平仄略好，押韵却差。所以偏爱五言只解释了涨分（n = 16 时 0.50）的一小截；在五言里，它仍挑得出好的。可是没有人要它偏爱五言。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先投票。常问：“真的模型上也这样吗？”答：Gao 等（2022）用一个大奖励模型当“真人”，小的当代理，best-of-n 和强化学习都先升后降。
# :::

# %% [markdown]
# ## 整段码
#
# 三步装在一起，还是平仄的世界。示范那一步当作做过了：`reference` 就是参考。人的比较由真分数按布拉德利–特里抽。奖励模型小得不能再小：相邻两个词元（平、仄、止）有九种，每种一个权重。

# %%
KINDS, LONGEST, END = 3, 5, learning.END  # 止 0、平 1、仄 2


def rows(ids):  # [B, T] → [B, T]：每个开头在表里是第几行
    found = [torch.zeros_like(ids[:, 0])]
    for token in ids[:, 1:].T:
        found.append(found[-1] * KINDS + 1 + token)
    return torch.stack(found, 1)


def write(table, B, chance):  # 策略写 B 个回答：词元 [B, T]，哪些是写的 [B, T]
    ids, wrote = torch.zeros(B, 1, dtype=torch.int64), torch.zeros(B, 1, dtype=torch.bool)
    goes_on = torch.ones(B, dtype=torch.bool)
    for _ in range(LONGEST):
        word = table[rows(ids)[:, -1]].softmax(-1).multinomial(1, generator=chance)
        ids = torch.cat([ids, word.masked_fill(~goes_on[:, None], END)], 1)
        wrote = torch.cat([wrote, goes_on[:, None]], 1)
        goes_on = goes_on & (ids[:, -1] != END)
    return ids, wrote


def log_probs(table, ids):  # [B, N]：写下的每个词元的 ln π
    return table[rows(ids)[:, :-1]].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]


def score(w, ids):  # 奖励模型：相邻两个词元是哪一种，加它的权重，[B]
    return w[ids[:, 1:-1] * KINDS + ids[:, 2:]].sum(1)


def pair_loss(w, chosen, rejected):  # 第二步的损失
    return -(score(w, chosen) - score(w, rejected)).sigmoid().log().mean()


def policy_loss(table, reference, w, ids, wrote, beta, G):  # 第三步的损失
    said = log_probs(table, ids)
    kl = ((said - log_probs(reference, ids)) * wrote[:, 1:]).sum(1).detach()
    earned = (score(w, ids) - beta * kl).view(-1, G)  # 总分，[P, G]
    baseline = (earned.sum(1, keepdim=True) - earned) / (G - 1)
    return -((earned - baseline).flatten() * (said * wrote[:, 1:]).sum(1)).mean()


def learn(weights, loss, steps=300):
    optimiser = torch.optim.Adam([weights], lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


def rlhf(reference, prefers, chance, beta=0.2, G=4):
    first, second = (write(reference, 2000, chance)[0] for _ in range(2))
    wins = prefers(first, second, chance)[:, None]  # 人来比较
    chosen, rejected = torch.where(wins, first, second), torch.where(wins, second, first)
    w = torch.zeros(KINDS**2, dtype=reference.dtype, requires_grad=True)
    learn(w, lambda: pair_loss(w, chosen, rejected))
    table, w = reference.clone().requires_grad_(), w.detach()  # 奖励模型从此冻住
    learn(table, lambda: policy_loss(table, reference, w, *write(table.detach(), 64, chance), beta, G))
    return w, table.detach()


# %% [markdown]
# 先与 `course_lib` 逐数比较，再跑完三步。目标是 $J-\beta\,$KL；它最大时 $\pi\propto\pi_{\text{ref}}\,e^{r/\beta}$，第 22 章推：


# %% tags=["nbval-check-output"]
def prefers(first, second, chance):
    p = (learning.turns(first) - learning.turns(second)).sigmoid()
    return torch.rand(p.shape, generator=chance, dtype=p.dtype) < p


reference, chance = policy.table.detach().clone(), torch.Generator().manual_seed(0)
some, wrote = write(reference, 8, chance)
w0 = torch.randn(9, generator=chance, dtype=torch.float64)
said = token_log_probs(policy(some), some)
assert_close(log_probs(policy.table, some), said)
assert_close(pair_loss(w0, some[:4], some[4:]), bradley_terry(score(w0, some[:4]), score(w0, some[4:])))
other = learning.policy_of(12)  # 不是参考，β 那一项才不是 0
new = token_log_probs(other(some), some)
paid = score(w0, some) - 0.2 * ((new - said) * wrote[:, 1:]).sum(1)
beyond = beyond_the_others(paid.view(2, 4)).flatten()[:, None]
assert_close(policy_loss(other.table, reference, w0, some, wrote, 0.2, 4), reinforce_loss(new, wrote, beyond))

w, table = rlhf(reference, prefers, chance)
aligned = learning.policy_of(11)
aligned.table.data = table
before, after = policy.listed().detach(), aligned.listed().detach()
rewards = learning.rewards_of(policy)
best = (before + rewards / 0.2).log_softmax(0)  # β = 0.2 时最好的策略
for name, log_pi in {"参考": before, "学过以后": after, "最好的": best}.items():
    kl = log_pi.exp() @ (log_pi - before)
    print(f"{name}：真分数平均 {log_pi.exp() @ rewards:.2f}，离参考 {kl:.2f} 奈特")
print(
    "学到的权重：",
    "  ".join(f"{a}{b} {w[i * 3 + j]:.1f}" for i, a in enumerate("止平仄") for j, b in enumerate("止平仄") if i * j),
)

# %% [markdown]
# 没有人告诉它“换一次得 1 分”，它从两千对比较里猜出来了：平仄、仄平的权重比平平、仄仄高一截。策略照着它学，真分数也到了顶。这里奖励模型恰好装得下真规则，所以没有走样；挑诗的那个，装不下。
#
# :::{admonition} 选读：权重为什么不是 1、1、0、0
# :class: dropdown
# 每个回答都补成四对，九个权重一起加一个数，分差不变。平仄、仄平轮着来，个数至多差一，两者怎样分，数据管得松：平均 0.7，比平平、仄仄的 −0.4 高约 1.1，真的是 1。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 在浏览器里训练

# %% [markdown] slideshow={"slide_type": "-"}
# 三个答案：好 1 分，中 0.4 分，差 −0.6 分；参考给 0.15、0.55、0.30，β = 0.5。三角形里一个点是一个策略。训练由你的浏览器现算。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
live_triangle(("exact", "REINFORCE"), name="20-triangle")

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 三个角是只说一种。圆点是参考（多半说“中”），星是最好的策略，灰线照精确的梯度走，紫线是 REINFORCE，一步抽 32 个答案；右边是离星还有多远。先把基线换成“没有”：也走得到星旁边，却一直抖，不停下来。再拖 β：大了，星往参考靠，小了，星往“好”的角靠。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。打开网页上的这一节，先选“没有”基线，再选“其余几个的均值”。常问：“为什么不一直走到最高分那个角？”答：有 β：离参考越远扣得越多，最好的策略停在中间，式子在第 22 章推。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：常见误区
#
# :::{admonition} 1. “奖励模型给每个词打分”
# :class: pitfall
# 它读完整的回答，给一个数。每个词元一个数的是评论家的价值，说的是“往后平均几分”，也不是给这个词打分。
# :::
#
# :::{admonition} 2. “负分的回答是坏回答”
# :class: pitfall
# 分数没有零点。只有同一个问题的两个回答之差有意义。
# :::
#
# :::{admonition} 3. “损失不降，就是没有学好”
# :class: pitfall
# 减了基线，值时正时负，多大也说明不了什么。要看的是平均分数、离参考的 KL，还有：自己读几个样本。
# :::
#
# :::{admonition} 4. “长的分高，所以长的好”
# :class: pitfall
# 人偏爱长的，奖励模型就学会偏爱长。Stiennon 等（2020）做摘要：6.7B 的模型比人写的强出的那一截，约三分之一来自长度。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟，先让学生说哪句对。常问：“怎样发现奖励被钻了空子？”答：留一份不拿来训练的评判，或者自己读；分数在升、样本在变怪，就该停。
# :::

# %% [markdown]
# ## 往后看
#
# - **从第 19 章来**：SFT 是起点，也是参考；它教格式，强化学习教取舍。
# - **到第 21 章去**：PPO 把一批回答用几遍，所以要裁剪；减基线的事交给评论家。
# - **第 22 章**：DPO 不另外训练奖励模型，从比较直接学策略。
# - **第 23 章**：GRPO 用同组的平均当基线，不要评论家；分数由规则给。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 七题，连小问约 51 分钟：两题心算，三题修程序，两题写代码，每题后面跟着一个小问。把 `...` 换成你的答案，运行 `check`；在网页上，心算题可以直接填。它认得常见的错。

# %%
exercise("20-rlhf-1")

# %%
answer = ...  # 一个数

check("20-rlhf-1", answer)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("20-rlhf-1-next", next_answer)

# %%
exercise("20-rlhf-2")


# %%
def my_advantages(rewards, group): ...


check("20-rlhf-2", my_advantages)

# %%
next_answer = ...  # 小问：一个数

check("20-rlhf-2-next", next_answer)

# %%
exercise("20-rlhf-3")


# %%
def my_loss(log_probs, mask, rewards, baseline):
    advantages = rewards - baseline
    answer = (log_probs * mask).sum(1)
    return (advantages * answer).mean()


check("20-rlhf-3", my_loss)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("20-rlhf-3-next", next_answer)

# %%
exercise("20-rlhf-4")


# %%
def my_gae(rewards, values, is_last, gamma, lam):
    advantages = torch.zeros_like(rewards)
    next_value = next_advantage = 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * next_value - values[t]
        advantages[t] = delta + gamma * lam * next_advantage
        next_value, next_advantage = values[t], advantages[t]
    return advantages


check("20-rlhf-4", my_gae)

# %%
next_answer = ...  # 小问：一个数

check("20-rlhf-4-next", next_answer)

# %%
exercise("20-rlhf-5")

# %%
answer = ...  # 0 到 1 的数，或百分数

check("20-rlhf-5", answer)

# %%
next_answer = ...  # 小问：一个数

check("20-rlhf-5-next", next_answer)

# %%
exercise("20-rlhf-6")


# %%
def my_scores(hidden, is_answer, w):
    return hidden[:, -1] @ w


check("20-rlhf-6", my_scores)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("20-rlhf-6-next", next_answer)

# %%
exercise("20-rlhf-7")


# %%
def my_ranking_loss(scores): ...


check("20-rlhf-7", my_ranking_loss)

# %%
next_answer = ...  # 小问：一个整数

check("20-rlhf-7-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 只有分数也能学：抽一个，按分数乘 $\ln\pi$ 的梯度，平均起来正是期望分数的梯度。
# 2. 减去不看答案的基线，平均不动，方差变小；把自己算进组平均，梯度缩成 $1-1/G$。
# 3. 语言模型写回答就是走格子：状态是问题加已写的全部，奖励写完才来；GAE 把它分给每个词元，λ 越小，越信评论家。
# 4. 分数由比较学来：$\sigma$(分差) 是胜率；没有零点，只在同一个问题里可比。
# 5. 分数是代理：追得太狠，真的会掉，所以要参考和 KL，还要自己读样本。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。请学生不看屏幕说出第 2 句。常问：“现在还用奖励模型吗？”答：写得出规则的题目（数学、代码）改用规则；写不出的仍用。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **教科书**：Sutton 与 Barto，Reinforcement Learning: An Introduction（第 2 版，2018）。第 2 章老虎机，第 13 章策略梯度。
# - **论文**：Ouyang 等，InstructGPT（2022，arXiv:2203.02155），3.5 节和附录 C；Christiano 等（2017，arXiv:1706.03741），从比较学分数，学后空翻只用了约 900 比特的反馈（OpenAI 的博客）；Stiennon 等（2020，arXiv:2009.01325），做摘要。
# - **估计优势**：Schulman 等，GAE（2015，arXiv:1506.02438）；Ahmadian 等，RLOO（2024，arXiv:2402.14740）：不要评论家也行。
# - **走样**：Gao 等，Scaling Laws for Reward Model Overoptimization（2022，arXiv:2210.10760）。
# - **提问**（GitHub 的 issue）：huggingface/trl 的 937 号（pad 没有设，分数读错了格）、2778 号（补在哪一边）。
#
# 下一章：PPO，一批回答用几遍。

# %% [markdown]
# ## 证据与考据

# %% [markdown]
# ### 追分：更多的对，更多的种子
#
# 诗以外，再看一个列得完的世界：平仄，至多八个音节，每换一次 1 分，超过五个的每个扣 3 分；而写的人很少写长，比较里几乎没有长的。

# %% tags=["hide-input"]
record = load_record("C27b")
best = figures_of(record)


def lines_of_record(what, numbers, ideal=None):
    found = {f"{n:,} 对": best[what].values[:, at] for at, n in enumerate(numbers)}
    return found | ({"按真分数挑": best[ideal].values} if ideal else {})


worlds = {
    world: (lines_of_record(f"{key}_proxy", numbers), lines_of_record(f"{key}_true", numbers, f"{key}_best"))
    for world, key, numbers in (
        ("平仄", "listed", record["settings"]["n_listed"]),
        ("诗", "poems", (record["settings"]["n_poems"], 38_400)),  # 后者是 poem-judge
    )
}
show_figure(
    plots.plot_best_of([2**k for k in range(11)], worlds),
    alt="四格，横轴是 n。"
    + "；".join(
        f"{world}，{name}：真分数 {values.mean(0)[0]:.2f}，最高 {values.mean(0).max():.2f}，n = 1,024 时 {values.mean(0)[-1]:.2f}"
        for world, (_, true_of) in worlds.items()
        for name, values in true_of.items()
    ),
)

# %%
show_claim("C27b")

# %% [markdown]
# 诗：只看过 200 对的奖励模型，挑得狠了，真分数掉到随手写的以下；看了近四万对的 `poem-judge` 只是停住。平仄：三个种子差得很远（n = 1,024 时，30 对的从 0.17 到 3.01，3,000 对的从 1.71 到 2.93），只说得出都低于 3.78。主张要两个世界都先涨后跌，只有诗（200 对）做到。

# %% [markdown]
# ### 几对比较，几成错标签
#
# 奖励模型准不准，看比较有几对、标签错几成。平仄的世界，没见过的回答，和真的偏好比，不和翻转的标签比。标签不错时，一百对就够了（83%；一千对 85%，一万对 83%，学的步数都一样）；错四成，一百对掉到 65%，一万对几乎不受影响：偶然的错，多收些就洗掉了。

# %% tags=["hide-input"]
judged = figures_of(load_record("C27"))["listed"].values  # [种子，对数，翻转]
FLIPS = (0.0, 0.1, 0.2, 0.3, 0.4)
show_figure(
    plots.plot_curves(
        FLIPS,
        {f"{n:,} 对": judged[:, at] for at, n in enumerate((100, 1000, 10_000))},
        across="标签翻转",
        up="没见过的对，判对",
        level=("瞎猜", 0.5),
    ),
    alt="横轴是翻转的标签，0 到 40%。"
    + "；".join(
        f"{n:,} 对：" + "，".join(f"{x:.0%}" for x in row) for n, row in zip((100, 1000, 10_000), judged.mean(0))
    ),
)

# %%
show_claim("C27")

# %% [markdown]
# ### 标签偏心：把长当成好
#
# 标签错得偶然，多收些就洗掉了。若偷懒的人只挑长的呢？

# %% tags=["hide-input"]
lazy = figures_of(load_record("C27c"))
SHARES = ("不偷懒", "三成", "五成", "七成")
said_of_lazy, worth_of_lazy = (
    {name: lazy[what].values[:, at] for at, name in enumerate(SHARES)} for what in ("proxy", "true")
)
turned = {"七成，改成乱标": lazy["chance_true"].values[:, -1]}
show_figure(
    plots.plot_best_of([4**k for k in range(6)], {"平仄": (said_of_lazy, worth_of_lazy | turned)}),
    alt="左：奖励模型的分都随 n 升。右：真分数，n 从 1 到 1,024："
    + "；".join(
        f"{name}，{row.mean(0)[0]:.2f} 到 {row.mean(0)[-1]:.2f}" for name, row in (worth_of_lazy | turned).items()
    ),
)

# %%
show_claim("C27c")

# %% [markdown]
# 三成偷懒反而比错得一样多的乱标好（2.49 对 1.61），五成相当（1.08 对 1.14）；到七成才一路跌到 −2.17。这里 3,000 对学 120 步，上面学 80 步，所以不偷懒的是 3.08，不是 2.50。

# %% [markdown]
# ### 分数的零点

# %%
show_erratum("K20-3")

# %% [markdown]
# ### 怎样凑一批比较

# %%
show_erratum("K20-4")

# %% [markdown]
# ### 分数读在哪里

# %%
show_erratum("K20-6")

# %% [markdown]
# ### 基线与 λ 的细处

# %%
show_erratum("K20-7")

# %% [markdown]
# λ 取多大才好？还是那 63 种回答，全列出来算，什么也不抽：

# %% tags=["hide-input"]
by_lambda = figures_of(load_record("C26b"))
LAMBDAS = (0, 0.25, 0.5, 0.75, 0.9, 0.95, 1)
KINDS_OF_CRITIC = ("全对", "有噪声", "只会说平均分")
show_figure(
    plots.plot_lambda(
        LAMBDAS,
        *(
            {kind: by_lambda[name].values[:, at] for at, kind in enumerate(KINDS_OF_CRITIC)}
            for name in ("bias", "variance")
        ),
    ),
    alt="左：偏差随 λ，右：方差随 λ，三种评论家。"
    + "；".join(
        f"{kind}：λ 从 0 到 1，偏差 {bias[0]:.2f} 到 {bias[-1]:.2f}，方差 {variance[0]:.1f} 到 {variance[-1]:.1f}"
        for kind, bias, variance in zip(KINDS_OF_CRITIC, by_lambda["bias"].mean, by_lambda["variance"].mean)
    ),
)

# %%
show_claim("C26b")

# %% [markdown]
# ### 有基线，学得快多少
#
# 方差小，学得就快吗？再给每个回答多加 5 分，又怎样？

# %%
show_claim("C26c")

# %% [markdown]
# 两种学习率里，只有小的那种分得清；加 5 分以后，没有基线的在两种里都学坏了。

# %% [markdown]
# ### λ 的两头，和被截断的回答

# %%
show_erratum("K20-5")

# %% [markdown]
# ### 状态要记住多少

# %%
show_erratum("K20-8")
