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
# # 02 位置编码
#
# 狗咬了人，人咬了狗。同样三个词，注意力凭什么知道谁咬了谁？
#
# **学完能做什么**
#
# - 用三行代码让注意力把两句意思相反的话读成同一个向量，并说出原因
# - 从整数、二进制一步步走到正弦编码，说出每一步修好了什么
# - 在纸上证明 PE(p+k) = M_k · PE(p)，再亲手弄坏它
# - 对“正弦编码能外推”“位置和语义混在一起”这两句话，说清各有几分是真的

# %% [markdown]
# **先修**：[01 词的表示](01_embedding.ipynb)（词向量）；正弦、余弦的和角公式。
# 注意力的细节在[第 04 章](04_attention.ipynb)，这里只用到一句话：每个词给所有的词打分，按分数把它们加权平均。
#
# **阅读** 约 46 分钟，练习另加 35 分钟。**运行** 实测约 20 秒（2 核 CPU，不需要网络）。

# %% slideshow={"slide_type": "skip"}
import math

import torch
from torch.nn.functional import cosine_similarity
from torch.testing import assert_close

from course_lib.course.claims import figures_of, load_record
from course_lib.foundations import positions, rope
from course_lib.foundations.attention import attention_weights, causal_mask
from course_lib.foundations.positions import LearnedPositions, alibi_bias, shift_matrix, sinusoidal, wave_frequencies
from course_lib.lesson import check, exercise, run_claim, show_claim, show_erratum, show_figure, show_source, start
from course_lib.chapters.ch02_positions import figures as plots
from course_lib.chapters.ch02_positions.extrapolation_figures import plot_loss_along, plot_score_shares
from course_lib.widgets import Knob, explore

start("02")
generator = torch.Generator().manual_seed(2)


def normal(*shape):
    """标准正态的随机数，双精度：想看的是位置本身，不是舍入。"""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def rounded(values, digits=2):
    """打印用：张量变成四舍五入的列表，−0 写成 0。"""
    return [round(value, digits) + 0.0 for value in values.tolist()]


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：谁咬了谁
#
# A：Dog bit Man（狗咬了人）。B：Man bit Dog（人咬了狗）。
#
# 每个词一个 8 维向量，过一层自注意力，再取平均，得到整句的向量。
#
# :::{admonition} 先猜再跑
# :class: guess
# 两句话的向量差多少？
# A. 差很多，意思相反　B. 差一点点　C. 一模一样
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
d = 8
dog, bit, man = normal(3, d)  # 三个词向量，各 [d]
w_q, w_k, w_v = normal(3, d, d) / math.sqrt(d)  # 三个投影，各 [d, d]


def read(x):
    """一层自注意力：x [3, d] 进，[3, d] 出。"""
    return attention_weights(x @ w_q.T, x @ w_k.T) @ (x @ w_v.T)


a, b = read(torch.stack([dog, bit, man])), read(torch.stack([man, bit, dog]))
print("A 整句，前四维：", rounded(a.mean(0)[:4], 3))
print("B 整句，前四维：", rounded(b.mean(0)[:4], 3))

# %% [markdown] slideshow={"slide_type": "skip"}
# 答案是 C。会不会只是取平均把次序抹掉了？看单个词：A 里的“狗”在咬，B 里的“狗”被咬。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
print("A 里的狗（咬的）：", rounded(a[0, :4], 3))
print("B 里的狗（被咬）：", rounded(b[2, :4], 3))

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟，先投票再运行。常见问题：“换一组权重会不会就不同？”答：不会，下一页证明，C02 用上千个随机模型测过。
# “GPT 不是也这样吗？”答：GPT 有因果掩码，见常见误区第 1 条。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 为什么：加法不管次序
#
# 记输入 $X\in\mathbb{R}^{T\times d}$，每行一个词。把行打乱，就是左乘一个置换矩阵 $P\in\mathbb{R}^{T\times T}$：
#
# $$
# \operatorname{softmax}\!\big(PQ(PK)^{\top}\big)PV=P\operatorname{softmax}(QK^{\top})\,P^{\top}PV=P\operatorname{softmax}(QK^{\top})V.
# $$
#
# - $Q,K,V\in\mathbb{R}^{T\times d}$：$X$ 的三个投影，$\operatorname{softmax}$ 按行做
# - $P^{\top}P=I$：打乱再还原
#
# 输入怎么打乱，输出就怎么打乱，一个数都不变。这叫**置换等变**（permutation equivariance）。
# 每个词的输出是“大家的加权平均”，而加法不管次序。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
x = normal(6, d)
order = torch.tensor([3, 0, 5, 1, 4, 2])
assert_close(read(x[order]), read(x)[order])
print("打乱再读 = 读完再打乱")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：没有位置，词序就不存在（C02）
#
# :::{admonition} 问题与预测
# :class: evidence
# 换成随机的两层多头模型，500 个、3 个种子。没有位置时，两句话应当只差舍入误差；加上任何一种位置，应当差得看得见。
# :::

# %%
run_claim("C02")

# %% slideshow={"slide_type": "fragment"}
show_claim("C02")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 我们要什么
#
# 给位置 $p$ 一个向量，加到词向量上。这个向量最好：
#
# 1. **唯一**：不同位置，不同向量
# 2. **有界**：句子再长，也别把词盖过去
# 3. **均匀**：相邻两格的距离处处一样
# 4. **平移是同一个动作**：“往后 $k$ 格”在哪里都是同一个矩阵，模型学一次就够
# 5. **不限长度**：没见过的位置也写得出来
#
# 最笨的办法开始，一步一步修。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 第一步：整数。第二步：除以句长
#
# :::{admonition} 先猜再跑
# :class: guess
# 直接把位置号 p 加到每一维上。句子长 200 个词时，“狗”和“人”的向量还分得清吗？余弦会是多少？
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
print("原来：狗与人的余弦", round(cosine_similarity(dog, man, dim=0).item(), 3))
for p in (2, 20, 200):
    print(f"都加上 {p:3d}：狗与人的余弦", round(cosine_similarity(dog + p, man + p, dim=0).item(), 3))
print("除以句长，3 个词的句子：", rounded(torch.arange(3) / 2), " 5 个词的句子：", rounded(torch.arange(5) / 4))

# %% [markdown] slideshow={"slide_type": "fragment"}
# 整数太大，把词盖住了：余弦被拖向 1，狗和人分不清。除以句长就有界，可是同样“隔一个词”，3 个词的句子里是 0.5，5 个词的句子里是 0.25。
# **尺子随句子长短伸缩**，“隔一个词”没有固定的写法。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 第三步：二进制
#
# 一维装不下，就用几维。写成二进制：每一位只有 0 和 1，位数多了能数到很大。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
bits = (torch.arange(64)[:, None] >> torch.arange(6)).remainder(2).double()  # [64, 6]，个位在前
for p in (6, 7, 8):
    print(f"p = {p}：{bits[p].int().flip(0).tolist()}")
step = (bits[1:] - bits[:-1]).square().sum(-1)
print("7 → 8 翻了", int(step[7]), "位，6 → 7 翻了", int(step[6]), "位")

# %% slideshow={"slide_type": "fragment"}
show_figure(
    plots.plot_bits_and_waves(16, 4),
    alt="两张 16 行 4 列的热图。左：位置 0 到 15 的二进制，每列按 1、2、4、8 格一段地跳变。右：同样周期的余弦，数值在 0 与 1 之间渐变",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 两图同一列的周期相同：最右一列每格一变，最左一列八格一变。左图到 8 时四位一起跳；右图左边三列一格一格地滑过去。
# 最右一列是例外：周期只有两格，余弦取到的也是 0、1、0、1，与二进制相同。
# 如果换成余弦会丢掉快慢的分工，右图各列就该长得一样。
# :::
#
# 二进制的毛病是**跳**：7 和 8 相邻，却四位全变。把方波磨圆，就是正弦波：快慢分工留下。
# 周期要比两格长得多，跳变才会消失；下面的正弦编码，最快的一对走一圈要 6.28 格。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 第四步：正弦，而且成对
#
# 只有 sin 还不够：sin 30° = sin 150°，上坡和下坡分不清。每个频率配上 sin 和 cos 两个数，就是圆上的一个点，
# 一圈之内处处不同。
#
# $$
# PE_{(pos,\,2i)}=\sin\!\Big(\frac{pos}{10000^{2i/d_{model}}}\Big),\qquad
# PE_{(pos,\,2i+1)}=\cos\!\Big(\frac{pos}{10000^{2i/d_{model}}}\Big)
# $$
#
# - $pos$：token 的位置，整数 $0,1,\dots,L-1$
# - $i$：第几**对**通道，$0,1,\dots,d_{model}/2-1$
# - $d_{model}$：词向量的宽度，偶数；$PE$ 形状 $[L,d_{model}]$，每个位置一行
#
# 以后记 $\omega_i=10000^{-2i/d_{model}}$：第 $i$ 对每走一格转过的弧度，叫**频率**。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟，到这里为止用问答推进：整数坏在哪，除以句长坏在哪，二进制坏在哪。最容易读错的是 i：
# 它数通道对，不数词；2i、2i+1 是同一个向量里的两个分量。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 手算：d_model = 4，前四个位置
#
# 两对通道。$\omega_0=1$，$\omega_1=10000^{-2/4}=0.01$。
#
# | pos | sin(pos) | cos(pos) | sin(0.01 pos) | cos(0.01 pos) |
# |---|---|---|---|---|
# | 0 | 0 | 1 | 0 | 1 |
# | 1 | 0.84 | 0.54 | 0.01 | 1.00 |
# | 2 | 0.91 | −0.42 | 0.02 | 1.00 |
# | 3 | 0.14 | −0.99 | 0.03 | 1.00 |
#
# 前一对转得快，后一对慢一百倍。课程里的那几行与手算逐数字一致：

# %% slideshow={"slide_type": "fragment"}
pos = torch.arange(4, dtype=torch.float64)
by_hand = torch.stack([pos.sin(), pos.cos(), (0.01 * pos).sin(), (0.01 * pos).cos()], dim=-1)  # [4, 4]
assert_close(sinusoidal(4, 4, dtype=torch.float64), by_hand)

# %%
show_source(positions.sinusoidal)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 四种办法，一把尺子
#
# 对每种编码量三件事：最长的向量；相邻两格的距离；用**一个**线性变换从 PE(p) 猜 PE(p+1)，最小二乘拟合后还剩多少误差。


# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
def shift_error(table, k=1):
    """最好的线性变换（带截距）把第 p 行变成第 p+k 行，剩下的误差占多大。"""
    x = torch.cat([table[:-k], torch.ones(len(table) - k, 1)], dim=-1)
    fit = torch.linalg.lstsq(x, table[k:], driver="gelsd").solution
    return ((x @ fit - table[k:]).norm() / table[k:].norm()).item()


p = torch.arange(64, dtype=torch.float64)[:, None]
designs = {"整数": p, "除以句长": p / 63, "二进制": bits, "正弦": sinusoidal(64, 16, dtype=torch.float64)}
for name, table in designs.items():
    step, longest = (table[1:] - table[:-1]).norm(dim=-1), table.norm(dim=-1).max()
    print(f"{name}\t最长 {longest:5.2f}，相邻 {step.min():.2f}–{step.max():.2f}，平移误差 {shift_error(table):.2f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# 整数：平移最简单，可惜无界。除以句长：有界，步子只剩 0.02，而且随句长变。二进制：步子 1 到 2.45 不等，平移不是一个线性变换。
# 正弦三样都过。剩下“唯一”和“不限长度”，后面用 C03 和 C04a 测。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 波长：从 6 格到 6 万格
#
# 第 $i$ 对走一圈要 $2\pi/\omega_i=2\pi\cdot10000^{2i/d_{model}}$ 格。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
wavelength = 2 * math.pi / wave_frequencies(512)  # [256]
for i in (0, 64, 128, 192, 255):
    print(f"第 {i:3d} 对：{wavelength[i]:9,.1f} 格，是 2π 的 {wavelength[i] / (2 * math.pi):8,.1f} 倍")

# %% [markdown]
# 每对比前一对慢同样的倍数，$10000^{1/256}\approx1.037$，是等比数列。论文说它“从 2π 到 10000·2π”。上面最后一行是 9,646.6，不是 10,000。

# %%
show_erratum("K02-1")

# %% [markdown] slideshow={"slide_type": "fragment"}
# ### 回到开头那两句
#
# 同样的词，同样的权重，只多了一步：`x + PE`。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
pe = sinusoidal(3, d, dtype=torch.float64)  # [3, d]
a, b = read(torch.stack([dog, bit, man]) + pe), read(torch.stack([man, bit, dog]) + pe)
print("A 整句，前四维：", rounded(a.mean(0)[:4], 3))
print("B 整句，前四维：", rounded(b.mean(0)[:4], 3))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它：热图与点积
#
# 左边每一行是一个位置的向量。黑线是你选的位置，右边是它与所有位置的点积。


# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
def draw_table(d_model, pos):
    return plots.plot_table_and_likeness(sinusoidal(100, d_model).numpy(), pos)


def describe_table(d_model, pos):
    table = sinusoidal(100, d_model, dtype=torch.float64)
    likeness = table @ table[pos] / (d_model / 2)
    others = torch.cat([likeness[:pos], likeness[pos + 1 :]])
    return (
        f"宽度 {d_model}、100 个位置的热图，左边的通道一格一变，右边的几乎不变；"
        f"位置 {pos} 与自己的点积是 1，与别的位置最大 {others.max():.2f}，最小 {others.min():.2f}"
    )


explore(
    draw_table,
    describe_table,
    d_model=Knob("d_model", [16, 64, 256], kind="buttons"),
    pos=Knob("位置 pos", [0, 30, 70], live=range(100)),
    start={"d_model": 64, "pos": 30},
    name="02-heat-map",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 换 pos：右边的曲线整个跟着走，**形状不变**，上下对称。换 d_model：左边的通道变细变多，曲线的毛刺变小。
# 热图右半边几乎是竖条：那些慢通道在 100 格里还没怎么动。
# 如果点积还看绝对位置，换 pos 时曲线的形状会变。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 平移是一个矩阵
#
# 原论文选正弦的第一个理由：对固定的 $k$，$PE_{pos+k}$ 是 $PE_{pos}$ 的线性函数。先手算一对，每格 30°：
#
# $$
# PE(1)=\begin{pmatrix}\sin30°\\\cos30°\end{pmatrix}=\begin{pmatrix}0.5\\0.866\end{pmatrix},\quad
# M_2=\begin{pmatrix}\cos60°&\sin60°\\-\sin60°&\cos60°\end{pmatrix}=\begin{pmatrix}0.5&0.866\\-0.866&0.5\end{pmatrix}
# $$
#
# $$
# M_2\,PE(1)=\begin{pmatrix}0.25+0.75\\-0.433+0.433\end{pmatrix}=\begin{pmatrix}1\\0\end{pmatrix}=\begin{pmatrix}\sin90°\\\cos90°\end{pmatrix}=PE(3).
# $$

# %% [markdown] slideshow={"slide_type": "fragment"}
# 一般地，$\omega$ 是这一对的频率，就是和角公式写成矩阵：
#
# $$
# \begin{pmatrix}\sin\omega(p+k)\\\cos\omega(p+k)\end{pmatrix}
# =\underbrace{\begin{pmatrix}\cos\omega k&\sin\omega k\\-\sin\omega k&\cos\omega k\end{pmatrix}}_{\text{只有 }k\text{，没有 }p}
# \begin{pmatrix}\sin\omega p\\\cos\omega p\end{pmatrix}
# $$
#
# $d/2$ 个小块摆在对角线上，就是 $M_k\in\mathbb{R}^{d\times d}$。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
table = sinusoidal(5000, 16, dtype=torch.float64)
M = shift_matrix(7, 16)  # [16, 16]
assert_close(table[:-7] @ M.T, table[7:])  # 4993 个位置，同一个矩阵
assert_close(M @ M.T, torch.eye(16, dtype=torch.float64))  # 正交：只转，不伸缩
assert_close(shift_matrix(3, 16) @ shift_matrix(4, 16), M)  # 先挪 3 格再挪 4 格
print("M_7 把每个位置往后挪 7 格；M_3 M_4 = M_7；M_7 的转置往回挪 7 格")

# %%
show_source(positions.shift_matrix)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 弄坏它：删掉 cos，或删掉一段频率
#
# 拿一个线性探针（linear probe）：只看留下的通道，用最小二乘学“往后 4 格”，再到没拟合过的位置上试。
#
# :::{admonition} 先猜再跑
# :class: guess
# d_model = 16。哪一种删法坏得最轻，要看用多长的文字拟合。32 格的短文里，删掉什么几乎没有损失？
# A. 全部 cos　B. 快的一半　C. 慢的一半
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
WIDTH, AHEAD = 16, 4
KEPT = {
    "全留": list(range(WIDTH)),
    "删 cos": list(range(0, WIDTH, 2)),
    "删快的一半": list(range(WIDTH // 2, WIDTH)),
    "删慢的一半": list(range(WIDTH // 2)),
}


def probe(kept, n_fit):
    """探针在前 n_fit 个位置上拟合，对前 2·n_fit 个位置给出 (真值, 猜测)，各 [2·n_fit, d]。"""
    table = sinusoidal(2 * n_fit + AHEAD, WIDTH, dtype=torch.float64)
    seen, truth = table[:-AHEAD, KEPT[kept]], table[AHEAD:]
    fit = torch.linalg.lstsq(seen[:n_fit], truth[:n_fit], driver="gelsd").solution
    return truth, seen @ fit


def draw_probe(kept, n_fit):
    truth, guess = probe(kept, n_fit)
    return plots.plot_probe(truth.numpy(), guess.numpy(), n_fit, f"{kept}，在 {n_fit} 格上拟合")


def describe_probe(kept, n_fit):
    truth, guess = probe(kept, n_fit)
    error = (guess - truth).norm(dim=-1) / truth.norm(dim=-1)
    inside, outside = (part.square().mean().sqrt().item() for part in (error[:n_fit], error[n_fit:]))
    said = ["不到千分之一" if e < 1e-3 else f"约 {e:.0%}" if e < 1 else "比向量本身还大" for e in (inside, outside)]
    return f"{kept}：拟合过的 {n_fit} 格里误差{said[0]}，再往后 {n_fit} 格误差{said[1]}"


explore(
    draw_probe,
    describe_probe,
    kept=Knob("通道", list(KEPT), kind="buttons"),
    n_fit=Knob("拟合长度", [32, 128, 512], kind="buttons"),
    start={"kept": "删 cos", "n_fit": 128},
    name="02-probe",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 全留：红线压着黑线，误差贴着舍入，拟合区以外也一样。删 cos：拟合区里就猜不准，出了浅蓝区直接冲出图外。
# 删慢的一半：32 格时拟合区里几乎没事，因为慢通道那时还没动；可是再往后 32 格就错三成，512 格时拟合区里也不行了。
# 删快的一半：相邻几格的差别没了。
# 如果 sin 自己就够用，删 cos 时红线也该压着黑线。
# :::
#
# 答案是 C，而且只在拟合过的那 32 格里。**快通道管近处，慢通道管远处，sin 与 cos 缺一不可。**

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 5 分钟，这是全章的中心。先放“全留”，再删 cos，让学生说为什么：sin ω(p+k) 的展开里有 cos ωp。
# 追问：把 4 格换成 40 格，误差会变吗？答：整体误差一点不变，因为 M_k 是正交矩阵，只把目标转了个方向。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 点积只看距离
#
# $M_k$ 是正交矩阵，于是（一个数）
#
# $$
# PE(p)^{\top}PE(p+k)=\sum_{i=0}^{d/2-1}\big[\sin\omega_ip\,\sin\omega_i(p+k)+\cos\omega_ip\,\cos\omega_i(p+k)\big]=\sum_{i=0}^{d/2-1}\cos\omega_ik .
# $$
#
# $p$ 消掉了。右边是一堆快慢不同的余弦相加：$k=0$ 时全部对齐，等于 $d/2$；距离一大就各走各的，互相抵消。


# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
def draw_pair(i, base):
    return plots.plot_pair(wave_frequencies(16, base).numpy(), i, 64)


def describe_pair(i, base):
    omega = wave_frequencies(16, base)
    length = 2 * math.pi / float(omega[i])
    kernel = (torch.arange(64)[:, None] * omega[: i + 1]).cos().mean(-1)
    return f"第 {i} 对，底数 {base}：走一圈 {length:,.1f} 格；只用前 {i + 1} 对时，距离 1 到 63 的平均点积最大 {kernel[1:].max():.2f}"


explore(
    draw_pair,
    describe_pair,
    i=Knob("单看一对 i", [0, 1, 2, 3, 5, 7], live=range(8)),
    base=Knob("底数", [100, 10000], kind="buttons"),
    start={"i": 1, "base": 10000},
    name="02-one-pair",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# i = 0 时下图是一条不停回到 1 的余弦：6 格、44 格之外又“几乎重合”。拖到 1、2，假的重合越来越少；到 3，64 格里只剩 k = 0 一个尖。
# 再往右拖，曲线被慢通道整体抬高，形状几乎不变。换底数 100：没有那么慢的通道，远处掉得更低。
# 如果一只频率就够，第一幅图就不该有第二个接近 1 的峰。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 两件它做不到的事
#
# :::{admonition} 先猜再跑
# :class: guess
# 1. 从点积看得出谁在前、谁在后吗？　2. 中间隔着 $W_q^{\top}W_k$，分数还只看距离吗？
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
table = sinusoidal(100, d, dtype=torch.float64)
print(
    "点积：往后 3 格", round((table[50] @ table[53]).item(), 3), "，往前 3 格", round((table[50] @ table[47]).item(), 3)
)
W = w_q.T @ w_k
for p in (10, 50, 90):
    print(
        f"隔着 W，位置 {p}：往后 3 格 {table[p] @ W @ table[p + 3]:6.3f}，往前 3 格 {table[p] @ W @ table[p - 3]:6.3f}"
    )

# %% [markdown] slideshow={"slide_type": "fragment"}
# 点积是对称的，**知道远近，不知道前后**。隔着 $W$，前后分开了，可是又看起绝对位置来。
# 距离的规律在编码里，不在分数里；要让它进到分数里，得等[下一章](03_rope.ipynb)。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：每个位置真的各有一个向量吗（C03）
#
# :::{admonition} 问题与预测
# :class: evidence
# 第一对每格转 1 弧度，一圈是 2π。2π 是无理数，所以整数步永远不会恰好走回原处：精确地说，没有两个位置重合。
# 可是机器只有有限位。一百万个位置里最近的两个相距多少？换成半精度呢？
# :::

# %% tags=["nbval-check-output"]
narrow = sinusoidal(800, 2, dtype=torch.float64)  # 只有一对
print(
    f"d_model = 2：位置 0 与 44 相距 {(narrow[44] - narrow[0]).norm():.4f}，与 710 相距 {(narrow[710] - narrow[0]).norm():.6f}"
)

# %% [markdown]
# 44 ≈ 7 × 2π，710 ≈ 113 × 2π：单独一对会近到快要重合。多几对就不会一起凑巧。

# %% slideshow={"slide_type": "fragment"}
show_claim("C03")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 为什么是加，不是拼
#
# 许多人第一反应是拼在后面（concatenate），免得混在一起（tensor2tensor#1591）。先看两者差多少。记 $W=[W_1\;W_2]$：
#
# $$
# W\begin{pmatrix}x\\p\end{pmatrix}=W_1x+W_2p,\qquad W(x+p)=Wx+Wp .
# $$
#
# $x,p\in\mathbb{R}^{d}$ 是词向量和位置向量。**相加就是 $W_1=W_2$ 的拼接**：少一半参数，也少一半自由。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
x, p, w = normal(5, d), sinusoidal(5, d, dtype=torch.float64), normal(d, d)
assert_close(torch.cat([x, p], dim=-1) @ torch.cat([w, w], dim=-1).T, (x + p) @ w.T)

half = torch.zeros(5, d, dtype=torch.float64)
word, place = half.clone(), half.clone()
word[:, : d // 2], place[:, d // 2 :] = x[:, : d // 2], p[:, : d // 2]  # 词只用前一半，位置只用后一半
assert_close(word + place, torch.cat([x[:, : d // 2], p[:, : d // 2]], dim=-1))
print("反过来：词和位置各占一半通道，相加就是拼接")

# %% [markdown] slideshow={"slide_type": "fragment"}
# 所以加法并不堵死“分开放”：模型可以学着把词放到位置不用的方向上。宽度够时，这样的方向很多，512 维里位置只占 109 个。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
for width in (8, 64, 512):
    words, places = normal(500, width), sinusoidal(512, width, dtype=torch.float64)
    energy = torch.linalg.svdvals(places).square().cumsum(0)
    n_directions = int((energy < 0.99 * energy[-1]).sum()) + 1
    overlap = cosine_similarity(words[:, None], places[:100], dim=-1).abs().mean()
    print(f"宽 {width:3d}：随机词与位置的余弦平均 {overlap:.2f}；512 个位置 99 % 的长度落在 {n_directions} 个方向里")

# %% [markdown]
# 宽 512 时，随机的词和位置几乎正交。代价仍然在：两样东西要分享同一个向量，也要分享同样大小。
# 论文因此还有一步，课件没有提到：

# %%
show_erratum("K02-4")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 另外两条路：学出来，或写在分数上
#
# **学习式**（learned）：每个位置一行参数，随机开始，跟着训练。GPT-2 是 1024 行，BERT 是 512 行。论文里它与正弦成绩“几乎相同”。
#
# **ALiBi**：向量里什么都不加，直接从分数里按距离扣分，每个头一个斜率。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
learned = LearnedPositions(32, d)
print("学习式，第 5 行，前四维：", rounded(learned(32)[5, :4].detach()))
try:
    learned(33)
except ValueError as error:
    print("第 33 个 token：", error)
print("ALiBi，4 个头的斜率：", [round(-bias[1, 0].item(), 4) for bias in alibi_bias(4, 2, 2)])
print("第 1 个头给 4 个 token 扣的分：", alibi_bias(4, 4, 4)[0, -1].tolist())

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
slopes = -alibi_bias(4, 2, 2)[:, 1, 0]
show_figure(
    plots.plot_biases(slopes.numpy(), 33),
    alt="ALiBi 四个头的权重因子随距离指数下降：斜率 0.25 的头 16 格后几乎为 0，斜率 0.0039 的头 32 格后还有约 0.88",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 斜率大的头只看近处，斜率小的头看得远。距离 33 与 1033 用的是同一条直线，没有“没见过的向量”这回事，
# 但远处的词被越扣越多：它用视野换来了长度。若斜率都一样，四条线会重合，头与头就没有远近分工。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：能不能读得更长（C04a）
#
# :::{admonition} 问题与预测
# :class: evidence
# 课件说正弦“长度外推性差”，原论文说它“也许（may）能让模型外推”。两句不能都对。
# 只在 32 个字母的文本上训练，读到 64、128、256。预测：若论文的希望成立，正弦的损失应当基本不涨。
# 损失的单位是 nat（取自然对数的信息量）：字母有 8 种，瞎猜是 ln 8 = 2.08 nat。
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
figures = figures_of(load_record("C04a"))
schemes = ("none", "learned", "sinusoidal", "rope", "alibi")
names = dict(zip(schemes, ("无位置", "学习式", "正弦", "RoPE", "ALiBi")))
last = "，".join(f"{names[scheme]} {figures[f'loss_{scheme}'].mean[-1]:.2f}" for scheme in schemes)
show_figure(
    plot_loss_along(
        {scheme: figures[f"along_{scheme}"].values for scheme in schemes}, trained_length=32, guess=math.log(8)
    ),
    alt=f"沿 256 个字母的损失，五种位置方案，训练长度 32 以内涂色，带子是 3 个种子的标准差。末尾的损失（nat）：{last}；瞎猜是 2.08",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 浅色区里正弦与学习式、RoPE 一样好。一出浅色区，学习式和正弦立刻跳上去，比瞎猜还差：不是“不知道”，是“自信地错”。
# RoPE 只多撑了一小段，也一样坏，那是第 03 章的事；ALiBi 平着走过去。
# 如果“也许能外推”成立，橙线应当平着走过边界。
# :::

# %%
show_claim("C04a")

# %% [markdown]
# 自己重跑一遍：终端里 `python -m course_lib.course.claims run C04a --quick`，约一分钟。

# %%
show_erratum("K02-3")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 矩阵明明处处成立，为什么还是不行
#
# $M_k$ **存在**，不等于模型**学得到**。前面的探针有 16 个通道、至少 32 个位置，合适的矩阵只有一个，所以“全留”在外面也对。
# 现在通道 64 个，位置只给 0–31：合适的矩阵有无数个。同样学“往后 1 格”，一个精确地解最小二乘，一个做一万步梯度下降：

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
table = sinusoidal(256, 64, dtype=torch.float64)
seen, following = table[:31], table[1:32]
solved = torch.linalg.lstsq(seen, following, driver="gelsd", rcond=1e-12).solution  # 只丢掉舍入
learned = torch.zeros(64, 64, dtype=torch.float64)
rate = 1 / torch.linalg.matrix_norm(seen, 2) ** 2
for _ in range(10_000):
    learned -= rate * seen.T @ (seen @ learned - following)
for name, fit in {"最小二乘": solved, "梯度下降": learned}.items():
    error = (table[:-1] @ fit - table[1:]).norm(dim=-1) / table[1:].norm(dim=-1)
    parts = {"0–30（见过）": error[:31], "31–63": error[31:64], "64–254": error[64:]}
    print(f"{name}，误差：", "，".join(f"位置 {part} {values.mean():.0%}" for part, values in parts.items()))

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
nearest = torch.cdist(table, table[:32]).min(-1).values
show_figure(
    plots.plot_beyond(
        torch.arange(256).numpy(), nearest.numpy(), error.numpy(), 32, float((table[1] - table[0]).norm())
    ),
    alt="左：位置超过 31 后，到最近的见过的向量的距离迅速升到 5 左右，相邻两格只有 1.47。右：梯度下降学到的探针，误差在 31 以内接近 0，一出去就升到六成，再到近八成",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 左：一出训练范围，向量就离所有见过的向量三四步远。右：梯度下降学到的矩阵，见过的地方几乎一丝不差，外面错六到八成。
# 有无数个矩阵在 0–31 上都对，只有一个处处对，数据没有说选哪一个。若学到的就是 $M_1$，右图会一直贴着 0。
# :::
#
# 错多少要看怎样学：一点舍入也不丢的最小二乘，紧接着的 32 格只错 1 %，再往外也错六成多；梯度下降不会解得那么精。
# 这只是一个**可能的**原因：探针是线性的，真模型不是。但它说明“可以表示”和“学得到”是两回事。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟。先让学生选边：课件还是论文？看图之后问：学习式和正弦谁坏得更“有道理”？
# 常见问题：“大模型会不会好些？”答：Press 等（2021）在 WikiText-103 上训练 512 与 1024 长，正弦、旋转超出后困惑度都变差。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：位置和语义混在一起，混了多少（C04b）
#
# 位置加进了词向量，分数就展开成四项（都是一个数）：
#
# $$
# (x_m+p_m)^{\top}W(x_n+p_n)=\underbrace{x_m^{\top}Wx_n}_{\text{内容}}+\underbrace{x_m^{\top}Wp_n+p_m^{\top}Wx_n}_{\text{交叉}}+\underbrace{p_m^{\top}Wp_n}_{\text{位置}},\quad W=W_q^{\top}W_k .
# $$
#
# :::{admonition} 问题与预测
# :class: evidence
# 训练之后，交叉项占分数方差的多少？如果“混在一起”是要紧的毛病，它应当不小，而且训练不会把它去掉。
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
figures = figures_of(load_record("C04b"))
rows = {
    f"{name}，训练{when}": figures[f"{key}_{scheme}"].values
    for scheme, name in (("learned", "学习式"), ("sinusoidal", "正弦"), ("rope", "RoPE"))
    for key, when in (("fresh", "前"), ("trained", "后"))
}
cross = "，".join(f"{row} {values.mean(0)[2]:.0%}" for row, values in rows.items())
show_figure(plot_score_shares(rows), alt=f"第一层分数的方差由内容、位置、交叉三项组成的横条。交叉项：{cross}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 橙色是交叉项。训练前它占 29 %–45 %，训练后平均不到一成：**训练把它压小了**。RoPE 没有橙色，是构造决定的。
# 如果混合是治不好的毛病，训练前后橙色应当一样长。
# :::

# %%
show_claim("C04b")

# %% [markdown]
# 所以“位置和语义混在一起”要说得细一点：混是真的，交叉项不是 0；但在这个尺度上，训练会把它压小，剩下的有多少害处，C04b 没有量。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “没有位置编码，GPT 也分不清词序”
# :class: pitfall
# 置换等变的前提是每个词都看得见所有的词。有了因果掩码，第一个词只看自己，第三个词看三个，次序就漏进来了。
# 没有位置编码的 GPT 照样学得到位置（Haviv 等 2022，arXiv:2203.16634）。
# :::


# %% tags=["nbval-check-output"]
def read_causal(x):
    return attention_weights(x @ w_q.T, x @ w_k.T, causal_mask(3)) @ (x @ w_v.T)


a, b = read_causal(torch.stack([dog, bit, man])), read_causal(torch.stack([man, bit, dog]))
print(f"加因果掩码、不加位置：两句话相差 {(a.mean(0) - b.mean(0)).norm() / a.mean(0).norm():.0%}")

# %% [markdown]
# :::{admonition} 2. “偶数位置的词用 sin，奇数位置的词用 cos”
# :class: pitfall
# 2i 和 2i+1 是同一个向量里的**通道**号。每个词都有 sin 也有 cos（tensor2tensor#1700 里有人问为什么两样都要）。
# :::
#
# :::{admonition} 3. “波长就是能编码的最大长度”
# :class: pitfall
# 一个通道走完一圈会回到原处，一整行不会。第 0 对的波长只有 6.28 格，位置 0 和 44 在这一对上几乎重合，整行却差得远：
# :::

# %% tags=["nbval-check-output"]
table = sinusoidal(70000, 64, dtype=torch.float64)
print(
    f"位置 0 与 44：第 0 对相距 {(table[44, :2] - table[0, :2]).norm():.3f}，整行相距 {(table[44] - table[0]).norm():.2f}"
)
print(f"位置 0 与 62832（最长波长之外）：整行相距 {(table[62832] - table[0]).norm():.2f}")

# %% [markdown]
# :::{admonition} 4. “sin 和 cos 前后放是 bug”
# :class: pitfall
# 论文相间，作者自己的代码前后两半。只是通道换了次序，见考据：
# :::

# %%
show_erratum("K02-2")

# %% [markdown]
# :::{admonition} 5. “点积随距离下降，所以模型偏爱近处”
# :class: pitfall
# 先看是不是一直下降。不是：它有起伏。再说分数里隔着 $W$，模型可以学成任何样子（见“两件它做不到的事”）。
# :::

# %% tags=["nbval-check-output"]
products = sinusoidal(100, 512, dtype=torch.float64) @ sinusoidal(1, 512, dtype=torch.float64)[0] / 256
print(
    "d = 512，距离 0–99：有", int((products.diff() > 0).sum()), "步是上升的；距离 5、6、7：", rounded(products[5:8], 3)
)

# %% [markdown]
# :::{admonition} 6. “位置号也可以存成半精度”
# :class: pitfall
# 表可以舍入（C03），位置**号**不行：`bfloat16` 里 256 以上的奇数存不下，先合并再编码，两个位置就真的一样了。
# :::

# %% tags=["nbval-check-output"]
number = torch.tensor([256.0, 257.0, 258.0]).bfloat16().double()
print("256、257、258 存成 bfloat16：", number.tolist())

# %% [markdown]
# 还有一处代码与课件的编号不同，读 RoBERTa 时会碰到：

# %%
show_erratum("K02-5")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 往后看：既然平移是旋转，不如直接转
#
# $M_k$ 的每个小块就是旋转矩阵。正弦编码把“转过的点”**加**到词上，于是分数里多出三项。
# 如果不加，而是把 q 和 k 自己**转**一下，点积里就只剩位置差。这就是 RoPE。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
k = 5
assert_close(shift_matrix(k, 16), rope.rotation_matrix(-k, rope.frequencies(16)))
print("正弦编码的 M_5 = RoPE 的 R_−5：同一组频率，同一个旋转（sin 写在前面，所以方向反过来）")

# %% [markdown] slideshow={"slide_type": "fragment"}
# | 年份 | 模型 | 位置放在哪里 |
# |---|---|---|
# | 2017 | Transformer | 正弦，加在输入上 |
# | 2018–2020 | GPT、BERT、GPT-2、GPT-3 | 学习式，加在输入上 |
# | 2021 | ViT、CLIP | 学习式，每个图像块一行 |
# | 2021– | RoFormer、Llama、Qwen | 旋转，每层的 q 和 k（第 03 章） |

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 五题，约 35 分钟：一题心算，一题读图，三题写代码。把 `...` 换成你的答案，运行 `check`，它认得常见的错。
# 提示和解答折叠在题目下面，一步一步打开。

# %%
exercise("02-positions-1")

# %%
answer = ...  # 心算，一个数

check("02-positions-1", answer)

# %%
exercise("02-positions-2")


# %%
def my_positions(n_positions, d_model, base): ...


check("02-positions-2", my_positions)

# %%
exercise("02-positions-3")

# %%
answer = ...  # 一个整数

check("02-positions-3", answer)

# %%
exercise("02-positions-4")


# %%
def my_shift(k, d_model, base): ...


check("02-positions-4", my_shift)

# %%
exercise("02-positions-5")


# %%
def offset(a, b, base): ...


check("02-positions-5", offset)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 没有位置、没有掩码，自注意力对次序是瞎的：打乱输入，只是打乱输出。
# 2. 正弦编码是磨圆的二进制：快通道管近处，慢通道管远处，每对 sin、cos 是圆上一点。
# 3. 往后挪 k 格是同一个旋转 $M_k$，所以点积 $PE(p)^{\top}PE(q)$ 只看距离；隔着 $W$ 就不再如此。
# 4. 公式写得出任何位置，模型未必会用：C04a 里正弦一出训练长度就比瞎猜还差。
# 5. 加法让分数多出交叉项；训练会把它压小，RoPE 从构造上没有它。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Vaswani 等，Attention Is All You Need（2017，arXiv:1706.03762）§3.4、§3.5，加起来不到一页；读时记着考据 K02-1 到 K02-4。
# - **更好的一页**：Hugging Face 博客 [You could have designed state of the art positional encoding](https://huggingface.co/blog/designing-positional-encoding)，从整数、二进制、正弦一路设计到旋转，例子是一句话里的两只狗。
# - **动手学深度学习**：[自注意力和位置编码](https://zh.d2l.ai/chapter_attention-mechanisms/self-attention-and-positional-encoding.html)，二进制表与热图并排，2×2 证明一行写完。
# - **外推**：Press 等，ALiBi（2021，arXiv:2108.12409），图 1 是真实规模上的 C04a。**混合**：Ke 等，TUPE（2020，arXiv:2006.15595），把四项拆开、各用各的投影。
# - **公开代码**：tensor2tensor 的 `layers/common_attention.py`（`get_timing_signal_1d`）；fairseq 的 `sinusoidal_positional_embedding.py`。
# - **讨论**：tensor2tensor#1591（为什么加不是拼），#177（通道次序）。
#
# 下一章：[03 旋转位置编码 RoPE](03_rope.ipynb)。不加，改成转。
