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
# # 04 自注意力与多头注意力
#
# “猫追老鼠，因为它很饿。”“猫追老鼠，因为它很肥。”同一个“它”，凭什么是两个意思？
#
# **学完能做什么**
#
# - 在纸上算完一行注意力：点积、缩放、softmax、加权求和
# - 推出为什么除以 $\sqrt{d_k}$，说出不除时坏在哪里
# - 指着一个 Linear 说出每个头住在哪几行，看出“漏了一次转置”错在哪里
# - 正确地写掩码，并数清一层注意力的参数、缓存和乘法

# %% [markdown]
# **先修**：[01 词的表示](01_embedding.ipynb)（词向量）、[02 位置编码](02_positions.ipynb)（为什么要有位置）。[03 RoPE](03_rope.ipynb) 可以后读。
#
# **阅读** 约 48 分钟，练习另加 30 分钟。**运行** 实测约 30 秒（2 核 CPU，不需要网络）。

# %% slideshow={"slide_type": "skip"}
import copy
import math

import torch
from einops import rearrange
from torch import nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from torch.testing import assert_close

from course_lib.course.claims import figures_of, load_record
from course_lib.toys.pronouns import LENGTH, PRONOUN, WORDS, encode_words, pronoun_sentences
from course_lib.data.real.pictures import CREDITS, photograph
from course_lib.foundations import attention
from course_lib.foundations.attention import MultiHeadAttention, attend, attention_weights, causal_mask
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.positions import sinusoidal
from course_lib.lesson import check, exercise, run_claim, show_claim, show_erratum, show_figure, show_source, start
from course_lib.chapters.ch04_attention.pronoun_reader import PronounReader
from course_lib.chapters.ch04_attention import figures as plots
from course_lib.chapters.ch04_attention.heads_figures import plot_accuracy_by_heads
from course_lib.training.loop import train
from course_lib.widgets import Knob, explore

start("04")
generator = torch.Generator().manual_seed(4)


def normal(*shape):
    return torch.randn(*shape, generator=generator)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：“它”是谁
#
# 两句话只差最后一个字。读到“饿”，它是猫；读到“肥”，它是老鼠。
#
# 第 01 章的模型给每个词一个固定的向量。
#
# :::{admonition} 先猜再跑
# :class: guess
# 1. 两句里“它”的向量差多少？
# 2. 那么把全句的词向量平均，当作“它”的上下文。“猫追老鼠”和“老鼠追猫”的平均差多少？
#
# A. 0　B. 一点点　C. 很多
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
hungry = encode_words("猫 追 老鼠 因为 它 很 饿")  # 词的编号，[T]，T = 7
fat = encode_words("猫 追 老鼠 因为 它 很 肥")
swapped = encode_words("老鼠 追 猫 因为 它 很 饿")

table = Embedding(len(WORDS), 32)  # 每个词一行，[V, D]
print(f"“它”的向量之差：{(table(hungry)[PRONOUN] - table(fat)[PRONOUN]).abs().max():.3f}")
print(f"全句平均之差：  {(table(hungry).mean(0) - table(swapped).mean(0)).abs().max():.3f}")

# %% [markdown]
# 两题都是 A。查表不看上下文；平均看了上下文，却一视同仁，连谁追谁都丢了。
#
# 我们要的是**加权**平均，而且权重由词自己决定：“它”看到“饿”的时候，应当多拿一点“猫”，少拿一点“老鼠”。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 让每个词自己决定看谁
#
# 每个词从自己的向量 $x$ 里做出三样东西：
#
# | | 名字 | 回答什么 |
# |---|---|---|
# | $q$ | 查询（query） | 我在找什么样的词 |
# | $k$ | 键（key） | 我是什么样的词 |
# | $v$ | 值（value） | 选中我的话，我交出什么 |
#
# 一个词看另一个词的**分数**（score）是 $q\cdot k$：我找的和你是的，合不合。分数变成和为 1 的**注意力权重** $\alpha$，再用它把所有的 $v$ 加起来。
#
# 三样都来自同一个 $x$，用三个可以学的矩阵：$q=W_qx,\;k=W_kx,\;v=W_vx$。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。常见问题：“为什么 q 和 k 要两个矩阵？”答：找的和是的不必一样。“饿”找的是追的一方，它自己不是追的一方。
# 若只用一个矩阵，分数就对称了，而且每个词都最像自己（误区 1 量了这件事）。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算：三个词，两个维度
#
# 第 1 维表示“追的一方”，第 2 维表示“被追的一方”。“饿”想找追的一方，所以 $W_q$ 只留第 1 维。
#
# | 词 | $x$ | $q$ | $k=x$ | $v=2x$ |
# |---|---|---|---|---|
# | 猫 | (2, 0) | (2, 0) | (2, 0) | (4, 0) |
# | 老鼠 | (0, 2) | (0, 0) | (0, 2) | (0, 4) |
# | 饿 | (1, 1) | **(1, 0)** | (1, 1) | (2, 2) |
#
# “饿”这一行：分数 $q\cdot k$ = 2、0、1，除以 $\sqrt2$ 得 1.41、0、0.71。
#
# :::{admonition} 先猜再跑
# :class: guess
# “老鼠”的分数是 0。它的权重是多少？ A. 0　B. 大约 0.14　C. 1/3
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "subslide"}
x = torch.tensor([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])  # 猫、老鼠、饿，[T, D] = [3, 2]
q = torch.tensor([1.0, 0.0])  # “饿”的查询，[2]
scores = x @ q / math.sqrt(2)  # k = x，三个分数，[3]
shares = scores.exp() / scores.exp().sum()  # softmax
output = shares @ (2 * x)  # v = 2x，加权和，[2]
print("分数", [round(s, 2) for s in scores.tolist()])
print("权重", [round(s, 2) for s in shares.tolist()], "，和", round(shares.sum().item(), 2))
print("输出", [round(o, 2) for o in output.tolist()])

# %% [markdown]
# 答案是 B：$e^0=1$，分数 0 也分到一份。softmax 从来不给谁恰好 0，除非分数是 $-\infty$，后面的掩码就靠这一点。

# %% slideshow={"slide_type": "slide"}
show_figure(
    plots.plot_by_hand(q.numpy(), x.numpy(), 2 * x.numpy(), shares.numpy(), ["猫", "老鼠", "饿"]),
    alt="三步。左：蓝色的查询指向右，与“猫”的键同向，与“老鼠”的键垂直。中：权重 0.58、0.14、0.28。右：三个绿色的值按权重首尾相接，输出偏向猫",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 左图里蓝箭头和“猫”同向，和“老鼠”垂直；右图的黑箭头就偏向猫。
# 如果查询换成 (0, 1)，也就是“肥”的问题，黑箭头应当倒向老鼠。若输出总在三个值的正中间，权重就没有起作用。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 写成矩阵：所有的行一起算
#
# 每个词都要做一遍同样的事。把向量摞成矩阵，一行一个词：
#
# $$
# \text{Attention}(Q,K,V)=\underbrace{\text{softmax}\!\Big(\frac{QK^{\top}}{\sqrt{d_k}}\Big)}_{\alpha:\;[T,S]}\,V
# $$
#
# - $Q\in\mathbb{R}^{T\times d_k}$：$T$ 个查询，一行一个
# - $K\in\mathbb{R}^{S\times d_k}$，$V\in\mathbb{R}^{S\times d_v}$：$S$ 个键，各带一个值
# - $\alpha_{ts}$：第 $t$ 个查询分给第 $s$ 个键的权重，**每一行**的和是 1
# - 输出 $[T,d_v]$：每个查询一个向量
#
# 一句话看自己，$Q,K,V$ 都来自它，$S=T$，叫**自注意力**（self-attention）。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
w_q, w_k, w_v = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.eye(2), 2 * torch.eye(2)
Q, K, V = x @ w_q.T, x @ w_k.T, x @ w_v.T  # 各 [3, 2]
alpha = (Q @ K.T / math.sqrt(2)).softmax(dim=-1)  # [3, 3]，一行一个查询
print("α =", [[round(share, 2) for share in row] for row in alpha.tolist()])

assert_close(alpha[2] @ V, output)  # 第三行就是刚才手算的“饿”
assert_close(attend(Q, K, V), alpha @ V)  # course_lib
assert_close(scaled_dot_product_attention(Q, K, V), alpha @ V)  # torch

# %% [markdown]
# 看第二行：“老鼠”的查询是 (0, 0)，它什么也不找，于是三个词各 1/3，退回到普通平均。
#
# 断言通过了：手算、矩阵、`course_lib`、torch 是同一个数。下面是本课程所有模型用的那几行。

# %%
show_source(attention.attention_scores, attention.masked_softmax, attention.attend)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 为什么除以 √d_k
#
# 问题是：头宽 $d_k$ 变大，分数会变多大？设 $q$、$k$ 的各分量独立，均值 0，方差 1（刚初始化时大致如此）。
#
# $$
# \begin{aligned}
# \mathrm{Var}(q_ik_i)&=\mathbb{E}[q_i^2]\,\mathbb{E}[k_i^2]-(\mathbb{E}[q_i]\,\mathbb{E}[k_i])^2=1 &&\text{一个分量}\\
# \mathrm{Var}(q\cdot k)&=\textstyle\sum_{i=1}^{d_k}\mathrm{Var}(q_ik_i)=d_k &&\text{独立，方差相加}\\
# \mathrm{Var}\big(q\cdot k/\sqrt{d_k}\big)&=d_k/d_k=1 &&\text{除以 }c\text{，方差除以 }c^2
# \end{aligned}
# $$
#
# 分数的典型大小是 $\sqrt{d_k}$。$d_k=64$ 时，两个分数轻易差出 10，$e^{10}\approx22000$，一个键就拿走了几乎全部。

# %% [markdown]
# 不缩放，softmax 就退化成“选最大的那个”。它的导数是 $\partial\alpha_i/\partial s_j=\alpha_i(\delta_{ij}-\alpha_j)$：$\alpha$ 接近 0 或 1 时，每一项都接近 0。
# 分数怎么动，权重都不动，模型就很难知道该往哪边改。

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
WIDTHS = [16, 32, 64, 128, 256, 512, 1024]
dial_q, dial_k = normal(1, 1024), normal(10, 1024)


def dial(d_k, scaled):
    q, k = dial_q[:, :d_k], dial_k[:, :d_k]
    scale = d_k**-0.5 if scaled else 1.0
    return attention.attention_scores(q, k, scale=scale)[0], attention_weights(q, k, scale=scale)[0]


def draw_dial(d_k, scaled):
    scores, weights = dial(d_k, scaled)
    return plots.plot_dial(scores.numpy(), weights.numpy(), d_k=d_k, scaled=scaled)


def describe_dial(d_k, scaled):
    scores, weights = dial(d_k, scaled)
    form = "除以 √d_k" if scaled else "不缩放"
    most = weights.max()
    return f"d_k = {d_k}，{form}：10 个键的分数从 {scores.min():.1f} 到 {scores.max():.1f}，最大的权重 {most:.2f}"


explore(
    draw_dial,
    describe_dial,
    d_k=Knob("头宽 d_k", WIDTHS),
    scaled=Knob("缩放", [False, True], kind="buttons", texts=["不缩放", "除以 √d_k"]),
    start={"d_k": 64},
    name="04-dk-dial",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 一个随机的查询，10 个随机的键。不缩放，往右拖，右图塌成一根柱子；换成“除以 √d_k”，再怎么拖都差不多平。
# 如果方差不随 $d_k$ 增长，左图的柱子应当一直一样高。
# :::

# %% [markdown]
# 一次抽样会抖。换 1,000 组随机的查询和键，量最大权重的平均：

# %% tags=["nbval-check-output"]
for width in (16, 64, 256, 1024):
    many_q, many_k = normal(1000, 1, width), normal(1000, 10, width)
    raw, scaled = (attention_weights(many_q, many_k, scale=scale).amax(-1).mean() for scale in (1.0, None))
    print(f"d_k = {width:4d}：最大权重 不缩放 {raw:.2f}，除以 √d_k {scaled:.2f}（全平是 0.10）")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 推导 2 分钟，转盘 2 分钟。常见问题：“除以 d_k 行不行？”答：方差变成 1/d_k，权重过平，几乎是普通平均；训练可以补回来，但起点差。
# 另一个：“训练以后 q、k 不再独立呢？”答：那时方差由模型自己定，√d_k 只管起点。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：方差、熵、梯度（C07）
#
# :::{admonition} 问题与预测
# :class: evidence
# 头宽从 16 到 1024，32 个键。如果推导对：方差 ∝ $d_k^1$，除以 √d_k 后恒为 1；不缩放时 softmax 的熵掉下去，对 q 的梯度消失。
# 熵最大是 ln 32 = 3.47 nat，也就是全平。
# :::

# %%
run_claim("C07")

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C07"))
curves = {
    f"{name}_{form}": (summary[f"{name}_{form}"].mean, summary[f"{name}_{form}"].std)
    for name in ("variance", "entropy", "gradient_median")
    for form in ("raw", "scaled")
}
ends = {name: f"{mean[0]:.2g} 到 {mean[-1]:.2g}" for name, (mean, _) in curves.items()}
show_figure(
    plots.plot_saturation(WIDTHS, curves),
    alt=(
        f"头宽 16 到 1024，5 个种子。不缩放：方差 {ends['variance_raw']}，熵 {ends['entropy_raw']}，梯度中位数 {ends['gradient_median_raw']}。"
        f"缩放：方差 {ends['variance_scaled']}，熵 {ends['entropy_scaled']}，梯度中位数 {ends['gradient_median_scaled']}"
    ),
)

# %% [markdown]
# 三幅图里红线是不缩放，蓝线是除以 $\sqrt{d_k}$，带子是 5 个种子的标准差。

# %%
show_claim("C07")

# %% [markdown]
# “梯度消失”这句话要说细一点，而且不是每个模型都这样除：

# %%
show_erratum("K04-4")

# %%
show_erratum("K04-5")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它：训练一个小模型，找出“它”是谁
#
# 真的训练一个。它很小，也很窄，先把话说清楚：
#
# - **语料**：我们造的句子“A 追 B 因为 它 很 X”，8 种动物、4 个动词、8 个形容词，不是自然文本
# - **模型**：词向量 + 位置向量，两层注意力，每层 2 个头，$D=32$，没有前馈层
# - **题目**：读“它”那个位置的输出，猜它是哪个动物
#
# :::{admonition} 先猜再跑
# :class: guess
# 只用一层能答对多少？如果“它”不许看右边呢？
# :::


# %%
def trained_reader(n_layers, steps=300, seed=1):
    torch.manual_seed(seed)
    model = PronounReader(len(WORDS), LENGTH, place=PRONOUN, n_layers=n_layers)
    chance = torch.Generator().manual_seed(seed)
    batches = (pronoun_sentences(64, chance) for _ in range(steps))
    train(model, batches, steps=steps, lr=1e-2, loss=lambda model, batch: cross_entropy(model(batch[0]), batch[1]))
    return model.eval()


reader, shallow = trained_reader(n_layers=2), trained_reader(n_layers=1)
test, answers = pronoun_sentences(2000, torch.Generator().manual_seed(99))


@torch.no_grad()
def right(model, may_attend=None):
    share = (model(test, may_attend).argmax(-1) == answers).float().mean()
    return f"约 {10 * round(10 * share.item())} %"


# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
print("两层，能看全句：", right(reader))
print("一层，能看全句：", right(shallow))
print("两层，不许看右边：", right(reader, causal_mask(LENGTH)))  # 因果掩码：只许看自己和左边，后面细讲

# %% [markdown]
# 句子里有两个动物，瞎猜是 50 %。
#
# - **不许看右边**：“它”左边的字在两句里一模一样，谁也猜不出来。训练多久都没有用。
# - **一层**：第一层里“它”的查询只由“它”和它的位置算出，两句里是同一个 $q$，对“猫”“老鼠”的分数也就相同。300 步里它没有学会。
#   第二层的查询才带着“饿”或“肥”。

# %% tags=["nbval-check-output"]
with torch.no_grad():
    first = [reader.words(ids)[PRONOUN] + reader.positions(LENGTH)[PRONOUN] for ids in (hungry, fat)]
    queries = [reader.layers[0].to_q(each) for each in first]
assert_close(queries[0], queries[1])
print("第一层：两句里“它”的查询完全相同")

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
PLACES = [(0, 0), (0, 1), (1, 0), (1, 1)]
MASKS = {"能看全句": None, "因果掩码": causal_mask(LENGTH)}


@torch.no_grad()
def look(place, mask, temperature):
    """两句话的权重 [2, T, T] 和模型的猜测：温度 τ 等于把每个 W_q 除以 τ。"""
    model = copy.deepcopy(reader)
    for layer in model.layers:
        layer.to_q.weight /= temperature
        layer.to_q.bias /= temperature
    ids = torch.stack([hungry, fat])
    _, weights = model.read(ids, MASKS[mask])
    chances, guesses = model(ids, MASKS[mask]).softmax(-1).max(-1)
    said = [f"它 = {WORDS[guess]}（{chance:.0%}）" for guess, chance in zip(guesses, chances)]
    return weights[place[0], :, place[1]], said


def draw_look(place, mask, temperature):
    weights, said = look(place, mask, temperature)
    words = [[WORDS[i] for i in ids] for ids in (hungry, fat)]
    titles = [f"…很{sentence[-1]}　{guess}" for sentence, guess in zip(words, said)]
    heading = f"第 {place[0] + 1} 层，头 {place[1]}，{mask}，温度 {temperature:g}"
    return plots.plot_maps(dict(zip(titles, weights.numpy())), words, marked=PRONOUN, heading=heading)


def describe_look(place, mask, temperature):
    weights, said = look(place, mask, temperature)
    most = [row[PRONOUN].max(0) for row in weights]
    seen = [f"“它”最看重“{WORDS[ids[top.indices]]}”，{top.values:.2f}" for ids, top in zip((hungry, fat), most)]
    return f"第 {place[0] + 1} 层，头 {place[1]}，{mask}，温度 {temperature:g}。很饿：{seen[0]}，{said[0]}。很肥：{seen[1]}，{said[1]}"


explore(
    draw_look,
    describe_look,
    place=Knob("层和头", PLACES, kind="buttons", texts=[f"层 {layer + 1} 头 {head}" for layer, head in PLACES]),
    mask=Knob("掩码", list(MASKS), kind="buttons"),
    temperature=Knob("温度", [0.25, 1.0, 16.0], kind="buttons"),
    start={"place": (1, 0), "temperature": 1.0},
    name="04-sentence-map",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 看蓝框那一行，“它”在看谁。第 2 层：很饿看猫，很肥看老鼠。回到第 1 层：“它”在打听句末的形容词。先问清条件，再去找人，两步。
# 打开因果掩码，右上角全空，两句的蓝框行变得一样，猜测也一样。温度调到 16，权重摊平，右边那句就猜不准了。
# 如果权重与内容无关，两张图的蓝框行应当处处相同。
# :::

# %% [markdown]
# 两点诚实的话。第一，我们试过 5 个种子：第 2 层“它→正确的动物”每次都出现；第 1 层的打听有时很尖，有时摊得很平，分工也会换头。
# 第二，权重只说“拿了多少”，不说“拿来做什么”。第 2 层的“猫”那一列，向量里早已混进了别的词。所以注意力图是线索，不是解释。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 5 分钟，全章的中心。先放第 2 层，再问学生“它怎么知道该看谁”，然后切第 1 层。最后开掩码，让学生解释为什么两句的猜测变得一样：
# 这正是第 06 章编码器与解码器的分别。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个头不够：一份权重只能算一种平均
#
# 一个头每行只有一份 $\alpha$。要**同时**拿“前一个词”和“主语”，它只能把两样搅在一起平均。
#
# 多头注意力（multi-head attention）的办法：把宽度 $D$ 切成 $H$ 段，每段 $d_k=D/H$ 宽，各算各的权重，最后拼起来再混合一次。
#
# $$
# \begin{aligned}
# \text{head}_h&=\text{Attention}(XW_q^{(h)},\,XW_k^{(h)},\,XW_v^{(h)})&&[T,\,D/H]\\
# \text{MultiHead}(X)&=[\text{head}_1;\dots;\text{head}_H]\,W_O&&[T,\,D]
# \end{aligned}
# $$
#
# 每个 $W^{(h)}\in\mathbb{R}^{D\times D/H}$ 挑出一个子空间：一个头比颜色，一个头比位置。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 头住在哪里：一个 Linear 的几行
#
# 代码里找不到 $H$ 个小矩阵，只有一个 $D\times D$ 的 `to_q`。头就住在它的行里。

# %% slideshow={"slide_type": "fragment"}
show_figure(
    plots.plot_heads_in_linear(8, 2),
    alt="8×8 的 W_q：上四行一种颜色，属于头 0；下四行另一种颜色，属于头 1。乘以 x 得到 q，前四个数是头 0 的，后四个是头 1 的",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 上半块的每一行都乘**整个** $x$，得到头 0 的 4 个数。所以每个头都看得见 $x$ 的全部 8 个通道。
# 常见的误解是头 0 只看 $x$ 的前 4 个通道。若是那样，有颜色的应当只有左上和右下两个小块。
# :::

# %%
mha = MultiHeadAttention(8, 2)
sentence = normal(1, 5, 8)  # [B, T, D]


@torch.no_grad()
def one_head_at_a_time(x):
    heads = []
    for rows in (slice(0, 4), slice(4, 8)):  # 头 0、头 1 的行
        q, k, v = (x @ to.weight[rows].T + to.bias[rows] for to in (mha.to_q, mha.to_k, mha.to_v))
        heads.append(attend(q, k, v))  # [B, T, 4]
    return mha.to_out(torch.cat(heads, dim=-1))


assert_close(one_head_at_a_time(sentence), mha(sentence))

# %% [markdown]
# 断言说：分开一个头一个头地算，与一次算完，逐元素相等。一次算完只是快。下面是这个类的全文，注意 `rearrange` 那三行。

# %%
show_source(MultiHeadAttention)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它：一张照片上的三个头
#
# 图像块也是 token（第 10 章 ViT）。把照片切成 8 × 12 块，选一块作查询，看它的权重落在哪里。
#
# **这里什么也没有训练**。三个头的投影是我们手写的：一个只留颜色，一个只留明暗的纹理，一个只留位置。

# %%
ROWS, COLUMNS, SIDE = 8, 12, 8
photo = torch.tensor(photograph("china", width=COLUMNS * SIDE, height=ROWS * SIDE))  # [64, 96, 3]
patches = rearrange(photo / 255.0, "(R s) (C t) rgb -> (R C) rgb (s t)", s=SIDE, t=SIDE)  # [96, 3, 64]
grey = rearrange(patches.mean(1), "N (s t) -> N s t", s=SIDE)  # [96, 8, 8]
texture = [grey.std((1, 2)), grey.diff(dim=1).abs().mean((1, 2)), grey.diff(dim=2).abs().mean((1, 2))]
rows = sinusoidal(ROWS, 8, base=50.0).repeat_interleave(COLUMNS, 0)
columns = sinusoidal(COLUMNS, 8, base=50.0).repeat(ROWS, 1)
FEATURES = {"颜色": patches.mean(-1), "纹理": torch.stack(texture, -1), "位置": torch.cat([rows, columns], -1)}


def patch_weights(head, query, temperature):
    """一块分给 96 块的权重 [8, 12]：q 与 k 都是去掉均值、长度为 1 的特征，分数就是余弦。"""
    unit = nn.functional.normalize((FEATURES[head] - FEATURES[head].mean(0)).float(), dim=-1)
    place = query[0] * COLUMNS + query[1]
    return attention_weights(unit[place, None], unit, scale=1 / temperature).view(ROWS, COLUMNS)


# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
QUERIES = {"天空": (0, 1), "楼阁": (3, 4), "绿树": (6, 1)}


def draw_patches(head, query, temperature):
    weights = patch_weights(head, QUERIES[query], temperature)
    title = f"查询：{query}；头：{head}；温度 {temperature:g}（手写的投影，没有训练）"
    return plots.plot_patch_attention(photo.numpy(), weights.numpy(), QUERIES[query], title=title)


def describe_patches(head, query, temperature):
    weights = patch_weights(head, QUERIES[query], temperature).flatten()
    return f"照片切成 96 块，查询是{query}，{head}头，温度 {temperature:g}：权重最大的 10 块共占 {weights.topk(10).values.sum():.0%}"


explore(
    draw_patches,
    describe_patches,
    query=Knob("查询", list(QUERIES), kind="buttons"),
    head=Knob("头", list(FEATURES), kind="buttons"),
    temperature=Knob("温度", [0.05, 0.2, 1.0], kind="buttons"),
    start={"temperature": 0.2},
    name="04-photo-heads",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 同一块天空：颜色头点亮整片天，纹理头点亮所有平坦的地方，位置头只点亮近邻。三种“像”，一份权重装不下。
# 温度升到 1，前 10 块只占两成；降到 0.05，位置头几乎只看自己。如果各头看的是同一个子空间，三张图应当一样。
# :::

# %% [markdown]
# 照片来自 scikit-learn 自带的样例图，拍摄者与许可：

# %% tags=["nbval-check-output"]
print(CREDITS["china"])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 漏掉一次转置：形状全对，数全串了
#
# 从 $[B,T,D]$ 到 $[B,H,T,d_k]$ 要两步：先切，再换轴。
#
# ```python
# q = x.view(B, T, H, Dh).transpose(1, 2)   # 对
# q = x.view(B, H, T, Dh)                   # 形状也对，不报错
# ```
#
# 真实的项目里反复有人写错（FuxiCTR#30），也有人问为什么不能直接 `view`（hyunwoongko/transformer#15）。
# 有一个项目在合并各头时漏了，测试照样通过，因为模型学会了绕过去（jsbaan/transformer-from-scratch#6）。

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
T, D, H = 6, 8, 2


def right_split(x):
    return x.view(1, T, H, D // H).transpose(1, 2)


def wrong_split(x):
    return x.view(1, H, T, D // H)


def right_merge(heads):
    return heads.transpose(1, 2).reshape(1, T, D)


def wrong_merge(heads):
    return heads.reshape(1, T, D)


WAYS = {
    "正确": (right_split, right_merge),
    "拆时漏转置": (wrong_split, right_merge),
    "拆、拼都漏": (wrong_split, wrong_merge),
}
probe = normal(1, T, D)


def examine(way):
    """每个数进了哪个头 [T, D]，以及四项检查。"""
    split, merge = WAYS[way]
    numbers = split(torch.arange(T * D).view(1, T, D))[0]  # [H, T, Dh]
    owner = torch.empty(T * D, dtype=torch.long)
    for head in range(H):
        owner[numbers[head].flatten()] = head
    owner = owner.view(T, D)

    def answer(x):
        q = split(x)
        return merge(attend(q, q, q, causal_mask(T)))

    def moved(token):
        changed = probe.clone()
        changed[0, token] += 1
        return (answer(changed) - answer(probe)).abs().amax(-1)[0] > 1e-6  # [T]

    checks = {
        f"形状 {list(split(probe).shape)}": True,
        "每个头看得见每个 token": all(len(set(row.tolist())) == H for row in owner),
        "改 token 3，不动前三个输出": not moved(3)[:3].any().item(),
        "改 token 0，最后的输出会变": moved(0)[-1].item(),
    }
    return owner.numpy(), checks


def draw_split(way, head):
    owner, checks = examine(way)
    alone = None if head == "都看" else int(head[-1])
    title = f"{way}：谁的数进了哪个头（T = 6，D = 8，H = 2）"
    return plots.plot_split(owner, n_heads=H, head=alone, title=title, kept=checks)


def describe_split(way, head):
    owner, checks = examine(way)
    tokens = ["、".join(str(t) for t in range(T) if h in owner[t]) for h in range(H)]
    failed = [name for name, passes in checks.items() if not passes]
    return f"{way}：头 0 的数来自 token {tokens[0]}，头 1 的来自 token {tokens[1]}。没通过的检查：{'；'.join(failed) or '无'}"


explore(
    draw_split,
    describe_split,
    way=Knob("写法", list(WAYS), kind="buttons"),
    head=Knob("看", ["都看", "头 0", "头 1"], kind="buttons"),
    name="04-wrong-view",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 格子里是内存里的次序。正确时颜色左右分：每个 token 都给两个头各一段。漏掉转置时上下分：头 0 只见前三个 token。
# 四项检查里，“形状”永远打勾。只拆错，未来会漏进来，训练损失会好得可疑；拆和拼都错，后半句看不见前半句。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。问：哪一种更难发现？答：拆、拼都漏。损失也在降，只是比应有的差。写一条“改一个 token，看谁变”的测试，两种都抓得住。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：一个头做不到，两个头做得到（C08）
#
# :::{admonition} 问题与预测
# :class: evidence
# 任务：每个位置同时说出前 1 个和前 3 个字母。一层注意力，后面只有线性读出。
# 一个头只能交出一份平均，分不清两个字母谁近谁远；两个头各拿一个。参数一样多。
# 预测：一个头停在“知道一个、另一个瞎猜”的 1/8 附近，两个头接近 100 %。把一个头加宽一倍也没有用。
# :::

# %%
run_claim("C08")

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C08"))
foils = {
    "1 头\n宽一倍": summary["accuracy_one_wide_head"].values,
    "1 头\n加前馈": summary["accuracy_one_head_feedforward"].values,
}
bars = "、".join(f"{heads} 头 {share:.0%}" for heads, share in zip((1, 2, 4, 8), summary["accuracy"].mean))
wider, helped = (values.mean() for values in foils.values())
show_figure(
    plot_accuracy_by_heads(summary["accuracy"].values, (1, 2, 4, 8), foils=foils),
    alt=f"两个字母都对的比例，5 个种子：{bars}；一个头加宽一倍 {wider:.0%}，一个头后面加前馈层 {helped:.0%}",
)

# %% [markdown]
# 虚线是 1/8：知道一个字母，另一个瞎猜。每个黑点是一个种子。

# %%
show_claim("C08")

# %% [markdown]
# 最右边那根柱子是这个主张的边界：一个头后面接一个前馈层，就能把不等权的平均重新分开。所以“一个头做不到”只对一层注意力加线性读出成立，
# 真实的 Transformer 里少一个头没有这么要命。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 代价：参数、缓存、乘法
#
# | 数什么 | 多少 | 随什么涨 |
# |---|---|---|
# | 参数，Q、K、V | $3D^2$ | 与头数无关 |
# | 参数，加上输出投影 | $4D^2$ | 与头数无关 |
# | 缓存，每个 token 每层 | $2D$ 个数（所有头的 K 和 V） | 随 token 数线性 |
# | 乘法，四个投影 | $4TD^2$ | $T$ |
# | 乘法，分数与加权和 | $2T^2D$ | $T^2$ |
#
# 生成文本时，旧 token 的 K 和 V 每一步都要用，所以存下来（第 05 章）。Q 用完就扔，不存。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for n_heads in (1, 8, 12):
    room = MultiHeadAttention(768, n_heads, bias=False)
    print(f"D = 768，{n_heads:2d} 头：{sum(p.numel() for p in room.parameters()):,} 个参数，4D² = {4 * 768**2:,}")
cached = 32 * 2 * 4096 * 2  # 层数 × (K 和 V) × D × 每个数 2 字节
print(f"Llama-2-7B：每个 token 缓存 {cached:,} 字节，4,096 个 token 共 {cached * 4096 / 2**30:.0f} GiB")

# %%
show_erratum("K04-1")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### $T^2$ 什么时候才是大头
#
# $4TD^2=2T^2D$ 时打平，也就是 $T=2D$。GPT-2 small 的 $D=768$，打平在 1,536 个 token。

# %% tags=["hide-input"] slideshow={"slide_type": "fragment"}
lengths = [128, 512, 1536, 4096, 16384]
multiplications = {
    "四个投影：4TD²": [4 * length * 768**2 for length in lengths],
    "分数与加权和：2T²D": [2 * length**2 * 768 for length in lengths],
}
show_figure(
    plots.plot_cost(lengths, multiplications),
    alt="D = 768 时一层的乘法次数，双对数坐标。投影随 T 直线上升，分数与加权和的斜率是它的两倍，两线在 T = 2D = 1,536 相交",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 两条线在 $T=2D=1536$ 相交。短文里 $T^2$ 不是主要开销，投影才是；长文里反过来。
# 如果“注意力的代价就是 $T^2$”在任何长度都对，虚线应当处处在上面。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 掩码：谁可以看谁
#
# 语言模型猜下一个词，不许偷看。办法是在 softmax **之前**把不许看的分数换成 $-\infty$，$e^{-\infty}=0$：
#
# $$
# \alpha_{ts}=\frac{m_{ts}\,e^{s_{ts}}}{\sum_{j}m_{tj}\,e^{s_{tj}}},\qquad m_{ts}=1\text{ 可以看},\;0\text{ 不可以}
# $$
#
# - $m$ 就是 `may_attend`，布尔 $[T,S]$，True 表示可以看
# - **因果掩码**（causal mask）：$m_{ts}=1$ 当且仅当 $s\le t$

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
scores = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
mask = causal_mask(3)
for name, alpha in {
    "−∞，再 softmax": scores.masked_fill(~mask, -torch.inf).softmax(-1),
    "填 0，再 softmax": scores.masked_fill(~mask, 0.0).softmax(-1),
    "先 softmax，再乘掩码": scores.softmax(-1) * mask,
}.items():
    first = [round(share, 2) for share in alpha[0].tolist()]
    print(f"{name}：第 0 行 {first}，和 {alpha[0].sum():.2f}")

# %% [markdown]
# 只有第一种对。填 0 会漏：$e^0=1$。先 softmax 再乘，和不到 1，而且分母里已经用到了未来的分数。
#
# 掩码的真假在同一个库里就有两种相反的约定：

# %%
show_erratum("K04-2")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 换次序，结果跟着换：它真的不懂位置
#
# 第 02 章的 C02：没有位置，自注意力是**置换等变**的。现在能看出为什么：分数只看两个向量，不看它们排第几。
#
# :::{admonition} 先猜再跑
# :class: guess
# 打乱 5 个 token 再做注意力，与先做再打乱，一样吗？加上因果掩码呢？
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
shuffle = torch.tensor([3, 0, 4, 1, 2])
with torch.no_grad():
    for name, may_attend in {"没有掩码": None, "因果掩码": causal_mask(5)}.items():
        first_shuffled = mha(sentence[:, shuffle], may_attend=may_attend)
        then_shuffled = mha(sentence, may_attend=may_attend)[:, shuffle]
        print(f"{name}：两种次序相差不到 1e-5？{torch.allclose(first_shuffled, then_shuffled, atol=1e-5)}")

# %% [markdown]
# 没有掩码，完全等变，所以必须另外给位置。因果掩码自己就带一点位置：第 $t$ 个 token 看得见 $t+1$ 个键。
# 这就是第 02 章里“不加位置的解码器也能学到一点次序”的原因。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “一个词最看重它自己”
# :class: pitfall
# 只有 $W_q=W_k$ 时才有这种倾向。两个矩阵独立时，自己与别人平均一样多：1/T。
# 训练好的 BERT 里有的头看前一个词，有的头看分隔符 [SEP]（Clark 等 2019）。
# :::
#
# :::{admonition} 2. “Q、K、V 是三份输入”
# :class: pitfall
# 自注意力只有一份输入：`mha(x)`，三个投影各做一次。交叉注意力两份：`mha(x, context)`，Q 来自 x，K 和 V 来自 context。
# :::

# %% tags=["nbval-check-output"]
n_draws, T, D = 2000, 7, 32
x, w_q, w_k = normal(n_draws, T, D), normal(n_draws, D, D) / D**0.5, normal(n_draws, D, D) / D**0.5
for name, other in {"W_q、W_k 独立": w_k, "W_q = W_k": w_q}.items():
    own = attention_weights(x @ w_q, x @ other).diagonal(dim1=-2, dim2=-1).mean()
    print(f"误区 1　{name}：看自己的权重平均 {own:.2f}，1/T = {1 / T:.2f}")

decoder, encoder = normal(1, 3, 8), normal(1, 9, 8)
print("误区 2　交叉注意力：输出", list(mha(decoder, encoder).shape), "，3 个查询，9 个键")

# %% [markdown]
# :::{admonition} 3. “softmax 取哪个轴都行”
# :class: pitfall
# 要在键的轴上，`dim=-1`。取错轴，形状不变，每一行的和却不是 1。有因果掩码时更糟：未来的 token 会通过分母影响过去。
# :::
#
# :::{admonition} 4. “用 −1e4 代替 −∞ 就够了”
# :class: pitfall
# 分数小于 −1e4 时，被遮住的反而最大。有人训练中文 GPT-2 时真的遇到，注意力看到了右边（transformers#3181）；
# 另一份报告打印了分数：模型把左边的压到 −16000，好偷看右边（#15199）。
# 半精度里 −1e9 又存不下，会变成 −∞。直接用布尔掩码最省心。
# :::

# %% tags=["nbval-check-output"]
q, k = normal(4, 8), normal(4, 8)
wrong = (q @ k.T / 8**0.5).masked_fill(~causal_mask(4), -torch.inf).softmax(dim=0)
print("误区 3　dim=0 时各行的和：", [round(total, 2) for total in wrong.sum(-1).tolist()])

scores = torch.tensor([-16012.0, -12000.0, -15000.0])  # 一个查询的分数；第三个键在未来，不许看
finite = torch.where(torch.tensor([True, True, False]), scores, -1e4).softmax(-1)
infinite = torch.where(torch.tensor([True, True, False]), scores, -torch.inf).softmax(-1)
print("误区 4　−1e4：", finite.tolist(), "；−∞：", infinite.tolist())

# %% [markdown]
# :::{admonition} 5. “整行都遮住，输出就是 0”
# :class: pitfall
# 看是谁的实现。公式给 0/0，有的库给 NaN，一个 NaN 会经过梯度毁掉整批；有的给 0；用有限大数的给出平均值。
# :::

# %%
show_erratum("K04-3")

# %% [markdown]
# :::{admonition} 6. “头越多，参数越多”
# :class: pitfall
# 头数只决定怎么切，参数总是 $4D^2$。头越多，每个头越窄：$d_k=D/H$。
# :::
#
# :::{admonition} 7. “缩放用模型宽度 D”
# :class: pitfall
# 用**头宽** $d_k=D/H$。写成 `/ math.sqrt(d_model)` 很常见（FareedKhan-dev/train-llm-from-scratch#3 改正过）：12 个头时分数再小 √12 ≈ 3.5 倍，权重过平。
# :::

# %% tags=["nbval-check-output"]
q, k = normal(500, 1, 64), normal(500, 10, 64)  # 12 个头，D = 768，头宽 64
for name, width in {"√64（头宽）": 64, "√768（模型宽度）": 768}.items():
    top = attention_weights(q, k, scale=width**-0.5).amax(-1).mean()
    print(f"误区 7　除以 {name}：最大权重平均 {top:.2f}（全平是 0.10）")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 往后看
#
# - **第 05 章**：每个 token 缓存 $2D$ 个数，太多。MQA、GQA、MLA 让各头共用或压缩 K 和 V，Q 不动。
# - **第 06 章**：编码器不遮，解码器遮，交叉注意力换 context。同一个 `MultiHeadAttention`，三种用法。
# - **第 10 章**：图像块当 token。那时 $W_q$、$W_k$ 是训练出来的，不再手写。
# - **更长的文本**：$T^2$ 是以后很多设计的由来，如第 09 章的稀疏注意力、第 18 章的窗口注意力。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 五题，约 30 分钟：一题心算，一题读图，三题写代码。把 `...` 换成你的答案，运行 `check`，它认得常见的错。

# %%
exercise("04-attention-1")

# %%
answer = ...  # 一个数

check("04-attention-1", answer)

# %%
exercise("04-attention-2")


# %%
def my_attend(q, k, v, may_attend): ...


check("04-attention-2", my_attend)

# %%
exercise("04-attention-3")

# %%
answer = ...  # 一个整数

check("04-attention-3", answer)

# %%
exercise("04-attention-4")


# %%
def split_heads(x, n_heads): ...


check("04-attention-4", split_heads)

# %%
exercise("04-attention-5")


# %%
def my_causal(T, S): ...


check("04-attention-5", my_causal)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 查询与键的点积决定看谁，softmax 变成权重，值按权重相加：$\text{softmax}(QK^{\top}/\sqrt{d_k})V$。
# 2. 点积的方差是 $d_k$；除以 $\sqrt{d_k}$，softmax 才不会一开始就塌成一个键。
# 3. 头是 Linear 的几行；一份权重只能算一种平均，几个头各看各的子空间，参数总是 $4D^2$。
# 4. 掩码在 softmax 之前填 $-\infty$；先弄清 True 是“可以看”还是“遮住”。
# 5. 形状对不等于算得对：改一个 token，看谁变，是最便宜的测试。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Vaswani 等，Attention Is All You Need（2017，arXiv:1706.03762）。§3.2 三页；脚注 4 就是方差的推导。
# - **画得更细**：Jay Alammar，[The Illustrated Transformer](https://jalammar.github.io/illustrated-transformer/)，先向量后矩阵，一步一图。
#   [Transformer Explainer](https://poloclub.github.io/transformer-explainer/) 在浏览器里跑真的 GPT-2，温度和每个头都能拨，那是我们的小模型看不到的规模。
# - **头在看什么**：Clark 等，What Does BERT Look At（2019，arXiv:1906.04341）。
# - **公开代码**：torch 的 `nn.MultiheadAttention` 与 `scaled_dot_product_attention`；transformers 的 `modeling_t5.py`（不除 √d_k 的例子）。
#
# 下一章讲 KV cache，以及从 MHA 到 MQA、GQA、MLA。
