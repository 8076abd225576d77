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
# # 06 Encoder、Decoder 与完整 Transformer
#
# “一千零二十四”六个字，“1024”四个字。“三千万”三个字，要写成八位。一个模型怎样读完一句，再写出另一句？
#
# **学完能做什么**
#
# - 画出 2017 年的 Transformer：两个栈，三种注意力，谁给 Q、谁给 K 和 V
# - 写出右移，说清训练为什么能并行、生成为什么只能一个接一个
# - 指着一个 `LayerNorm` 说出它是 post-norm 还是 pre-norm，以及这有什么后果
# - 只看损失和“自己写”的正确率，诊断四种常见的漏题与错位

# %% [markdown]
# **先修**：[04 注意力](04_attention.ipynb)（掩码、多头）、[02 位置编码](02_positions.ipynb)（正弦）。[05 KV cache](05_kv_cache.ipynb) 可以后读，这里只用到“旧的 K、V 存起来”。
#
# **阅读** 约 41 分钟，练习另加 35 分钟。**运行** 实测约 40 秒（2 核 CPU，不需要网络）。

# %% slideshow={"slide_type": "skip"}
import datetime
import math
from dataclasses import replace

import torch
from torch.testing import assert_close

from course_lib import zoo
from course_lib.course.claims import figures_of, load_record
from course_lib.chapters.ch06_transformer.experiments import c10e_leaks as leaks
from course_lib.chapters.ch06_transformer import numerals
from course_lib.chapters.ch06_transformer.numerals import END, date_pair, edge_pairs, encode, number_pair, pairs
from course_lib.foundations.attention import MultiHeadAttention, attend, causal_mask
from course_lib.foundations.feedforward import FeedForward
from course_lib.foundations.norm import LayerNorm, layer_norm
from course_lib.foundations.positions import sinusoidal
from course_lib.lesson import check, exercise, run_claim, show_claim, show_erratum, show_figure, show_source, start
from course_lib.models import transformer
from course_lib.models.transformer import EncoderLayer, DecoderLayer, Translator, shift_right
from course_lib.chapters.ch06_transformer import figures as plots
from course_lib.decoding.generation import beam_search, greedy, length_penalty
from course_lib.widgets import Knob, explore
from course_lib.chapters.ch06_transformer.numerals_zoo import PAD_ID, exact_match, translate, translation_loss

start("06")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：读完一句，写出另一句
#
# 先试最省事的办法：逐字查表，“一”换成 1，“零”换成 0。
#
# :::{admonition} 先猜再跑
# :class: guess
# 三个源句：一千零二十四、三千万、十五。逐字查表能写对几个？ A. 3　B. 1　C. 0
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for n in (1024, 30_000_000, 15):
    pair = number_pair(n)
    by_character = "".join(str(numerals.DIGITS.index(c)) for c in pair.source if c in numerals.DIGITS)
    print(f"{pair.source}（{len(pair.source)} 字）　查表 {by_character:4}　应为 {pair.target}（{len(pair.target)} 位）")

# %% [markdown]
# 只有第一个碰巧对，答案是 B。“千”“万”不写出来，却决定有几个零；“十五”的 1 由“十”字说，查表里没有它。两边的长度不同，一个字怎么写，要看整句。
#
# 这就是翻译的两难，也是这一章的任务：中文的数和日期 → 数字。它很小，但每句话只有一个正确答案，而且我们知道哪个字说了哪一位。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 两个栈：一个读，一个写
#
# | | 编码器（Encoder） | 解码器（Decoder） |
# |---|---|---|
# | 输入 | 整个序列 $[B,S]$：源句的 token，也可以是一张图切成的块（第 10 章） | 已经写出的部分 $[B,T]$ |
# | 输出 | 每个源 token 一个懂上下文的向量 $[B,S,D]$ | 下一个 token 的分布 $[B,T,V]$ |
# | 自注意力 | 看全句（只遮填充） | 看自己和左边（因果掩码） |
# | 交叉注意力 | 没有 | Q 来自解码器，K、V 来自编码器的输出 |
# | 跑几次 | 一次 | 写几个 token 跑几次 |
#
# $B$ 批大小，$S$ 源句的 token 数，$T$ 目标的 token 数，$D$ 模型宽度，$V$ 目标词表的大小。

# %% slideshow={"slide_type": "slide"}
show_figure(
    plots.plot_whole_model(),
    alt="左边编码器：源 token、嵌入加位置、自注意力、前馈，重复 N 层。右边解码器：右移的目标、嵌入加位置、因果自注意力、交叉注意力、前馈，重复 N 层，再到线性层与 softmax。一条橙线从编码器顶端通到交叉注意力，标着 K、V",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 只有一条线从左边到右边：编码器**最后**的输出，进解码器**每一层**的交叉注意力。
# 每个方块外面还有残差（residual，把方块的输入加到它的输出上）和 LayerNorm（把向量拉回单位大小），没有画，后面单独讲。如果没有橙线，右边就是一个不看题目的语言模型。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟。常见问题：“编码器第 i 层配解码器第 i 层吗？”答：不是，每一层解码器读的都是编码器的最后输出。
# 另一个：“两边的层数必须一样吗？”答：论文各 6 层，不必一样；有人用 12 层编码器配 1 层解码器，写得更快（Kasai 等 2020，arXiv:2006.10369 的 12-1）。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算：交叉注意力
#
# 源句“十 五 ⊣”，三个向量，两个维度：第 1 维“我是十位”，第 2 维“我是个位”。解码器正要写第一位，它的查询在找十位。
#
# | | 向量 |
# |---|---|
# | 十（K 和 V） | (3, 0) |
# | 五（K 和 V） | (0, 3) |
# | ⊣（K 和 V） | (0, 0) |
# | 正要写十位的 $q$ | (1, 0) |
# | 正要写个位的 $q$ | (0, 1) |
#
# :::{admonition} 先猜再跑
# :class: guess
# 两个查询、三个键。权重是几行几列？输出是几行几列？ A. 2×3 与 2×2　B. 3×3 与 3×2　C. 2×2 与 2×3
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "subslide"}
encoded = torch.tensor([[3.0, 0.0], [0.0, 3.0], [0.0, 0.0]])  # 编码器的输出，[S, D] = [3, 2]
asking = torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # 解码器的查询，[T, D] = [2, 2]
scores = asking @ encoded.T / math.sqrt(2)  # [T, S]
weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
output = weights @ encoded  # [T, D]
print("权重", list(weights.shape), [[round(w, 2) for w in row] for row in weights.tolist()])
print("输出", list(output.shape), [[round(o, 2) for o in row] for row in output.tolist()])
assert_close(attend(asking, encoded, encoded), output)  # course_lib

# %% [markdown]
# 答案是 A。公式与第 04 章完全一样，只是查询和键来自两句话，所以权重是 $[T,S]$ 的长方形。
# 输出的行数跟着**查询**走：解码器有几个 token，就有几个输出，这样才能加回解码器的残差上。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 残差与 LayerNorm：每个子层的外套
#
# 注意力和前馈外面都穿同一件外套，回答一个问题：层叠了很多，数怎么不失控？
# 外套有两层：**残差**是 $x+f(x)$，子层 $f$ 只写改动，原来的 $x$ 照样传下去；**LayerNorm** 把每个向量拉回同样的大小。
#
# $$
# \text{LayerNorm}(x)=\frac{x-\mu}{\sqrt{\sigma^2+\varepsilon}}\odot\gamma+\beta,\qquad
# \mu=\tfrac1D\sum_i x_i,\;\;\sigma^2=\tfrac1D\sum_i(x_i-\mu)^2
# $$
#
# - $x\in\mathbb{R}^D$：一个 token 的向量；每个 token 单独算，不看别的 token，也不看同批的别的句子
# - $\gamma,\beta\in\mathbb{R}^D$：可以学的放大和平移；$\varepsilon=10^{-5}$，防止除以 0
# - **post-norm**（2017 论文）：$\text{LayerNorm}(x+f(x))$
# - **pre-norm**（后来）：$x+f(\text{LayerNorm}(x))$，整个栈的末尾再补一个 LayerNorm

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
x = torch.tensor([1.0, 3.0])  # 均值 2，方差 1
f = torch.tensor([4.0, 0.0])  # 假设子层算出的东西
one, zero = torch.ones(2), torch.zeros(2)
print("LayerNorm(x)", [round(v, 2) for v in layer_norm(x, one, zero).tolist()])
print("post-norm：LayerNorm(x + f) =", [round(v, 2) for v in layer_norm(x + f, one, zero).tolist()])
print("pre-norm： x + f            =", (x + f).tolist(), "（f 的输入先归一）")
assert_close(LayerNorm(2)(x), layer_norm(x, one, zero))

# %% [markdown]
# post-norm 的和每层都被拉回单位大小；pre-norm 的和一路相加，从不归一。两行代码的差别，后面会看到后果。

# %%
show_source(transformer.PostNorm, transformer.PreNorm)

# %% [markdown]
# 论文画的是前一种。可是很多人读到的代码是后一种，包括论文自己的代码：

# %%
show_erratum("K06-1")

# %%
show_erratum("K06-4")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一层编码器，一层解码器
#
# 外套里面还有一样新东西：**前馈层**（feed-forward）$\text{ReLU}(xW_1+b_1)W_2+b_2$，ReLU 把负数变成 0，每个 token 单独过，宽度 $D\to F\to D$。
# 注意力在 token 之间搬运，前馈在 token 里面加工。
#
# :::{admonition} 先猜再跑
# :class: guess
# 论文 base：$D=512$，$F=2048$。一层里，参数多的是注意力还是前馈？
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for name, room in {"一个多头注意力": MultiHeadAttention(512, 8), "一个前馈层": FeedForward(512, 2048)}.items():
    print(f"{name}：{sum(p.numel() for p in room.parameters()):,} 个参数")

# %% [markdown]
# 前馈多一倍：$2DF=8D^2$ 对 $4D^2$。解码器层有两个注意力，才与前馈打平。下面是两种层的全文。

# %%
show_source(EncoderLayer, DecoderLayer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 右移：输入与答案错开一位
#
# 训练时整句答案都在手里。把它整个放进解码器，就等于把答案贴在题目上。所以输入要**右移**（shift right）一位：前面放起始符 ⊢，去掉最后一个。
#
# :::{admonition} 先猜再跑
# :class: guess
# 目标是“1 0 2 4 ⊣”（⊣ 是结束符）。要说“2”的那一位，读得见什么？ A. ⊢ 1 0　B. ⊢ 1 0 2　C. 只有 0
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
_, target = encode([number_pair(1024)])  # [B, T] = [1, 5]
read = shift_right(target, numerals.START_ID)
letters = [[numerals.TARGET_ALPHABET[i] for i in ids[0].tolist()] for ids in (read, target)]
print("读到", " ".join(letters[0]))
print("要说", " ".join(letters[1]))

# %% slideshow={"slide_type": "fragment"}
show_figure(
    plots.plot_rows(letters[0], letters[1], "每一位读自己和左边，说右边的一个"),
    alt="下排读到 ⊢、1、0、2、4，上排要说 1、0、2、4、⊣，箭头各自向上：输入比答案晚一位",
)

# %% [markdown]
# 答案是 A。因果掩码让第 3 位看得见 ⊢、1、0，其中没有 2。**掩码和右移是一件事的两半**，少了哪一半都会漏题。

# %%
show_source(shift_right)

# %%
show_erratum("K06-2")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 训练一次算完，写字一个接一个
#
# 训练时给的是**真的**前文，叫 teacher forcing：$T$ 位一次算完，每一位各有一个损失。
#
# $$
# \mathcal{L}=-\frac1T\sum_{t=1}^{T}\log p(y_t\mid y_{<t},\,x)
# $$
#
# $x$ 源句，$y_t$ 第 $t$ 个目标 token，$y_{<t}$ 它左边的真 token。写字时没有真的前文，只能读自己刚写的，一个接一个。
#
# :::{admonition} 先猜再跑
# :class: guess
# 一次并行算出的 5 行 logits（softmax 之前的分数），与逐字喂 5 次得到的，差多少？ A. 完全不同　B. 只差舍入
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
model = zoo.load("numerals")  # 2 层，D = 64，4 头；随课程发布，配方见下
source, target = encode([number_pair(1024)])
read = shift_right(target, numerals.START_ID)
with torch.no_grad():
    at_once = model(source, read)  # [1, T, V]，一次
    translator = Translator(model, source, capacity=read.shape[1])  # 编码一次，K、V 存起来
    one_by_one = torch.stack([translator(token) for token in read.split(1, dim=1)], dim=1)
assert_close(one_by_one, at_once, atol=1e-4, rtol=1e-4)
print("形状", list(at_once.shape), "；逐字与并行只差舍入：", torch.allclose(one_by_one, at_once, atol=1e-4))

# %% [markdown]
# 是 B。前提是给的前文一样。写字时前文是自己写的，写错一个，后面就在错的前文上继续，训练里从没见过，这叫暴露偏差（exposure bias）。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：未来改变不了过去（C10）
#
# :::{admonition} 问题与预测
# :class: evidence
# 逐个位置改一个 token。如果掩码没写错：改后面的目标，前面的输出一位都不变，不是“很小”，是逐位相等；改一个源 token，编码器处处都变。
# 去掉掩码当对照，同一个探测必须报警。
# :::

# %%
run_claim("C10")

# %% [markdown]
# 这是检查任何解码器最便宜的测试，十行以内，不需要训练。五个种子的记录：

# %% slideshow={"slide_type": "fragment"}
show_claim("C10")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 任务：中文的数与日期
#
# - **数**：0 到 99,999,999，各种长度一样多。“零”代表一串零，末尾的零不说，10 说“十”不说“一十”
# - **日期**：1900 到 2099 年，“二〇二四年三月十五日” → 2024-03-15，03 的零没有字说
# - **没见过的**：十分之一的值从不参加训练；各种长度的两端（0、10…0、9…9、闰日）也不参加，单独报告

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for pair in pairs(7, "train", 4):
    print(f"{pair.source} → {pair.target}")
source, target = encode(pairs(7, "train", 4))
print("源 [B, S] =", list(source.shape), "，目标 [B, T] =", list(target.shape), "，短的用 0 补齐")
print("源词表", len(numerals.SOURCE_ALPHABET), "，目标词表", len(numerals.TARGET_ALPHABET))

# %% [markdown]
# 损失就是上一页的公式，填充不计：

# %%
show_source(translation_loss)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：没见过的也写得一字不差（C10d）
#
# :::{admonition} 问题与预测
# :class: evidence
# 2 层、宽 64、17 万参数。预测：没见过的值 99 % 以上整句全对。边界值没有把握：“零”单独一个字，训练时从没出现过。
# 三个种子，各练 800 步。
# :::

# %% slideshow={"slide_type": "fragment"}
show_claim("C10d")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 随课程发布的模型
#
# 同样的配方练 600 步，一个核 45 秒。后面都用它。
#
# :::{admonition} 先猜再跑
# :class: guess
# 45 个边界值里，它错哪些？ A. 一个也不错　B. 只错一千万零一十　C. 零，还有八个九连写的那一个
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
held_out, edges = pairs(99, "held out", 1000), edge_pairs()
print(f"没见过的 1,000 个值：{exact_match(model, held_out):.1%}")
for pair, said in zip(edges, translate(model, edges)):
    if said != pair.target:
        print(f"边界 {len(edges)} 个里错的：{pair.source} → “{said}”，应为 {pair.target}")

# %% [markdown]
# 错的在两头。“零”：它只在别的数中间见过“零”，那时零后面总还有字；单独一个“零”，它一个字也不写就停了。
# 最大的数：八个九连着写，它多写了一个才停。C10d 练得久些，三个种子的 31 个边界数都只错一个。
# 会做没见过的**组合**，不等于会做没见过的**情形**，这句话对大模型也成立。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟。常见问题：“多练就好了吗？”答：训练集里没有这种情形，练多久都没有理由变好；把“零”放进训练就好了。
# 让学生在 notebook 里试一个 9 位数（data 会拒绝）或者“两千”，看它怎么答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它：一步一步地写

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
SENTENCES = {
    "一千零二十四": number_pair(1024),
    "二〇二四年三月十五日": date_pair(datetime.date(2024, 3, 15)),
    "零": number_pair(0),
}


@torch.no_grad()
def decoding(sentence):
    """每一步：读过什么、末层交叉注意力（四头平均）、下一个 token 的概率。"""
    source, _ = encode([SENTENCES[sentence]])
    said = greedy(Translator(model, source, 12), torch.full((1, 1), numerals.START_ID), 12, end=numerals.END_ID)
    read = torch.cat([torch.full((1, 1), numerals.START_ID), said[:, :-1]], dim=1)
    maps = model.cross_attention_maps(source, read)[-1, 0].mean(0)  # [T, S]
    chances = model(source, read)[0].softmax(-1)  # [T, V]
    return [numerals.TARGET_ALPHABET[i] for i in read[0].tolist()], maps, chances


DECODINGS = {sentence: decoding(sentence) for sentence in SENTENCES}
LONGEST = max(len(read) for read, _, _ in DECODINGS.values())


def at_step(sentence, step):
    read, maps, chances = DECODINGS[sentence]
    t = min(step, len(read)) - 1
    top = chances[t].topk(4)
    candidates = [(numerals.TARGET_ALPHABET[i], p) for p, i in zip(top.values.tolist(), top.indices.tolist())]
    return read[: t + 1], maps[t], candidates, step > len(read)


def draw_step(sentence, step):
    read, weights, candidates, done = at_step(sentence, step)
    mask = causal_mask(len(read)).numpy()
    return plots.plot_step(list(sentence + END), read, weights.numpy(), mask, candidates, done=done)


def describe_step(sentence, step):
    read, weights, candidates, done = at_step(sentence, step)
    most = (sentence + END)[weights.argmax()]
    said = "、".join(f"{token} {share:.1%}" for token, share in candidates[:2])
    tail = "已经写完" if done else f"下一个：{said}"
    return f"源句{sentence}，第 {step} 步，已写{''.join(read)}。交叉注意力最看重“{most}”，{weights.max():.2f}。{tail}"


explore(
    draw_step,
    describe_step,
    sentence=Knob("源句", list(SENTENCES), kind="buttons"),
    step=Knob("第几步", range(1, LONGEST + 1)),
    start={"step": 2},
    name="06-step-through",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 一步一步拖。写 1024 的第 2 位时，橙柱移到“零”上；三角形每步多一行，但源句的柱子始终是那几个，因为编码器只跑了一次。
# 日期那句：写第一个“-”看“年”，写“03”的零时没有字说它，柱子落在“年”上。如果交叉注意力没有用，每一步的橙柱应当一样。
# 最后看“零”：第 1 步最高的就是 ⊣。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 5 分钟，全章的中心。先放 1024 走完五步，每步先让学生猜橙柱落在哪。再放日期。最后放“零”，让学生说为什么。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：交叉注意力对得上真正的对齐（C10b）
#
# :::{admonition} 问题与预测
# :class: evidence
# 我们知道每一位由哪个字说出。预测：训练以后，有的头写哪一位就看哪个字，比三个基线都准：均匀乱猜、没有训练、按位置走对角线。
# 对角线是强对手：数字大体上从左写到右，光数位置就能对七成。
# 头在一半数据上选，在另一半上判，免得挑出碰巧的。
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C10b"))
baselines = {"均匀乱猜": "uniform", "没有训练": "untrained", "对角线": "diagonal"}
shares = {name: float(summary[key].mean) for name, key in baselines.items()}
best = summary["by_head"].mean.max()
show_figure(
    plots.plot_alignment_accuracy(summary["by_head"].values, shares),
    alt=f"两层各四个头的对齐准确率，3 个种子。平均最好的头 {best:.0%}；基线："
    + "、".join(f"{name} {share:.0%}" for name, share in shares.items()),
)

# %% [markdown]
# 每个黑点是一个种子。第 2 层四个头平均都超过对角线，第 1 层一个也没有：先读懂，再对齐。
# 判据事先定好，每个种子都要比对角线高 20 个百分点，这一条没有都做到，所以只算部分成立。

# %%
show_claim("C10b")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 一张对齐图

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
shown = [number_pair(1024), number_pair(30_200), date_pair(datetime.date(2024, 3, 15))]
with torch.no_grad():
    maps = [
        model.cross_attention_maps(source, shift_right(target, numerals.START_ID))[-1, 0].mean(0).numpy()
        for source, target in (encode([pair]) for pair in shown)
    ]
hits = sum(m[t].argmax() in places for m, p in zip(maps, shown) for t, places in enumerate(p.says) if places)
n_said = sum(bool(places) for p in shown for places in p.says)
show_figure(
    plots.plot_alignment(maps, [(p.source + END, p.target + END, p.says) for p in shown]),
    alt=f"1024、30200、2024-03-15 三句的交叉注意力（末层四头平均），橙框是真正说出它的字。{n_said} 个有字说的字符里，{hits} 个最深的格子在框里",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 深色大多落在橙框里，而且不是一条直对角线：“一千”两个字合说一位，框占两格；“万”“日”什么也不写，没有框；30200 末尾的两个零没有字说，也没有框。
# 如果模型只会按位置数，深色应当排成笔直的对角线。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 束搜索：多留几条路
#
# 贪心每步取最大的，可能走进死路。**束搜索**（beam search）同时留 $K$ 条最可能的开头，每步各自接上所有的词，再留下最好的 $K$ 条。
#
# 短句的概率天然大，因为少乘几个小于 1 的数。论文用长度惩罚补偿：$\text{score}=\log P\,/\,\big(\tfrac{5+\ell}{6}\big)^{\alpha}$，$\ell$ 是写出的 token 数，$K=4$，$\alpha=0.6$。
#
# :::{admonition} 手算
# :class: guess
# 第一步：甲 0.6，乙 0.4。选甲，下一步四个词各 0.25；选乙，下一步必定结束。贪心选谁？整句概率最大的是谁？
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "subslide"}
print(f"贪心：甲 → 0.6 × 0.25 = {0.6 * 0.25:.2f}；另一条：乙 → 0.4 × 1 = {0.4 * 1.0:.2f}")
print("长度惩罚，α = 0.6：", [round(length_penalty(length, 0.6), 2) for length in (1, 4, 8, 16)])

source, _ = encode(held_out[:200])
first = torch.full((200, 1), numerals.START_ID)
answers, scores = beam_search(
    Translator(model, source, 12, source != PAD_ID), first, 12, n_beams=4, end=numerals.END_ID
)
print(
    "束宽 4 与贪心不同的句子：",
    sum(numerals.decode_target(a) != g for a, g in zip(answers, translate(model, held_out[:200]))),
)

# %% [markdown]
# 玩具例子里贪心错过了更好的一条；我们的任务里两种写法没有差别。每句话只有一个答案，模型又几乎确信，束搜索没有余地。
# 一句话有许多种译法时才用得上它，论文的 BLEU（译文与参考译文的重合，满分 100）就是这样得来的。“束宽 4、α = 0.6”还有一处要当心：

# %%
show_erratum("K06-7")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 漏题侦探：四个案子
#
# 五个模型，同样的数据，同样的步数，只差**一行**。一个正常，四个各有一个错。你只能看三样证物：训练损失、正确率、它写的东西。
#
# - **没有右移**：解码器的输入就是目标本身
# - **没有因果掩码**：右移了，但自注意力看得见后面
# - **交叉注意力读自己**：K 和 V 来自解码器，不是编码器
# - **移了两次**：输入右移了，损失里标签又左移一位

# %% slideshow={"slide_type": "skip"}
STEPS = 200
suspects = {bug: leaks.train_suspect(bug, seed=0, steps=STEPS) for bug in leaks.BUGS}  # 一层，宽 32，一到四位数
evidence = pairs(5, "held out", 300, max_digits=4, percent_dates=0)
written = {bug: leaks.write_freely(suspect, evidence) for bug, (suspect, _) in suspects.items()}

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 断案

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
CASES = {"案子 1": "double_shift", "案子 2": "no_shift", "案子 3": "from_itself", "案子 4": "no_mask"}
TRUTH = {
    "no_shift": "没有右移：答案就在自己那一位，照抄即可",
    "no_mask": "没有因果掩码：训练时看得见右边的答案，写字时右边是空的",
    "from_itself": "交叉注意力读自己：题目没看，只会猜常见的数",
    "double_shift": "移了两次：学的是再下一个字，第一个字永远没人教",
}
samples = list({pair.target: i for i, pair in enumerate(evidence) if len(pair.target) > 1}.items())[:5]


def facts(case):
    bug = CASES[case]
    suspect, history = suspects[bug]
    _, forced = leaks.teacher_forced(suspect, bug, evidence)
    free = sum(said == pair.target for said, pair in zip(written[bug], evidence)) / len(evidence)
    return bug, history, forced, free


def draw_case(case, truth):
    bug, history, forced, free = facts(case)
    texts = [(target, written[bug][i]) for target, i in samples]
    verdict = TRUTH[bug] if truth else ""
    return plots.plot_case(history, suspects["healthy"][1], (forced, free), texts, title=case, verdict=verdict)


def describe_case(case, truth):
    bug, history, forced, free = facts(case)
    last, normal = sum(history[-20:]) / 20, sum(suspects["healthy"][1][-20:]) / 20
    told = f"真相：{TRUTH[bug]}" if truth else "真相：先猜"
    return f"{case}：最后的训练损失 {last:.4f}（正常 {normal:.4f}），给真的前文 {forced:.0%}，自己写 {free:.0%}。{told}"


explore(
    draw_case,
    describe_case,
    case=Knob("案子", list(CASES), kind="buttons"),
    truth=Knob("真相", [False, True], kind="buttons", texts=["先猜", "揭晓"]),
    name="06-leak-detective",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 每个案子先写下判断，再按“揭晓”。红线远低于灰线不是好消息：答案漏进了输入。红线停在高处：题目没看见。
# 红线与正常的一样漂亮，自己写却几乎全错：错位，或者漏得没那么容易抄。四个案子的形状都对，没有一个报错。
# :::

# %% tags=["nbval-check-output"]
healthy = sum(said == pair.target for said, pair in zip(written["healthy"], evidence)) / len(evidence)
print(f"正常的模型，自己写：{'九成以上' if healthy > 0.9 else f'{healthy:.0%}'}")
other_sources = [replace(pair, source=evidence[i - 1].source) for i, pair in enumerate(evidence)]
for bug in leaks.BUGS[1:]:
    suspect = suspects[bug][0]
    future, source = leaks.moved_by_the_future(suspect, evidence), leaks.moved_by_the_source(suspect, evidence)
    told = ["变" if each > 1e-6 else "不变" for each in (future, source)]
    copies = leaks.teacher_forced(suspect, bug, other_sources)[1] > 0.95
    print(
        f"{bug:13}改后面的 token，前面{told[0]}；换源句，输出{told[1]}；源句全换了照样答对：{'是' if copies else '否'}"
    )

# %% [markdown]
# 前两栏是不用训练的体检：改一个 token，看谁变。它一眼认出“没有因果掩码”和“交叉注意力读自己”。
# 第三栏抓住“没有右移”：题目换了，答案照抄不误。“移了两次”三项都像正常，只有把输入和标签两行对齐了看，或者听它自己写。
#
# 三个种子、500 步的记录。均值会被一个种子左右，所以逐个种子看：

# %%
show_claim("C10e")

# %% [markdown]
# 部分成立，差在“没有因果掩码”：三个种子里两个的损失比正常的略低，一个反而高得多；自己写时，有的种子还对了一成。
# 我们猜，抄右边一位要先学会按位置看，在这个小任务里不比读源句容易，学得多快要看种子。损失与正常的一样好看，反而更难发现。

# %%
show_erratum("K06-8")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 5 分钟。每个案子让学生举手表决再揭晓。强调：损失最低的（没有右移）自己写一个也不对，损失最高的（读自己）也一个不对，只看损失分不出好坏。真实项目里的对应：transformers 的 Florence-2、GIT 移了两次；
# IpsumDominum/Pytorch-Simple-Transformer#3 是损失很好、自己写不出来的现场。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：post-norm 与 pre-norm（C10c）
#
# :::{admonition} 问题与预测
# :class: evidence
# Xiong 等（2020）：post-norm 起点处靠近输出的梯度大，要热身（warm-up，学习率从 0 慢慢升上去）；pre-norm 不必。IWSLT14 德英上，post-norm 不热身只有 8.45 BLEU，热身后约 34。
# 我们把学习率拉开 64 倍，各放四层。预测：大学习率下 pre-norm 还学得会，post-norm 先垮。也可能相反：Marian 的作者就说自己从没复现过（marian-dev#715）。
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C10c"))
RATES = (0.001, 0.004, 0.016, 0.064)
loss, gradient = summary["loss"], summary["gradient"]
rows = [
    f"{norm}-norm " + "、".join(f"{rate:g}：{value:.2f}" for rate, value in zip(RATES, row))
    for norm, row in zip(("post", "pre"), loss.mean)
]
show_figure(
    plots.plot_norms(RATES, loss.values, gradient.values),
    alt=f"训练后的损失，3 个种子。学习率与损失：{'；'.join(rows)}。右图：起点处解码器首层到末层的梯度，"
    f"post 从 {gradient.mean[0][0]:.2f} 到 {gradient.mean[0][-1]:.2f}，pre 从 {gradient.mean[1][0]:.2f} 到 {gradient.mean[1][-1]:.2f}",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 左图：两条线从哪一档学习率开始分开，带子是三个种子的范围。右图：第一步之前，越靠近输出的层梯度是不是越大。
# 如果放在哪里都一样，两条线应当重合。最右一档谁也学不会，不要读成“差不多”。
# :::

# %%
show_claim("C10c")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “训练时解码器也要一个一个写”
# :class: pitfall
# 训练时一次前向就有 $T$ 个损失，掩码保证每一位只看左边。写字时才串行。
# :::
#
# :::{admonition} 2. “交叉注意力的 Q 来自编码器”
# :class: pitfall
# 反了。换过来写，输出有 $S$ 行，加不回 $T$ 行的残差；只有 $S=T$ 时才不报错，这时最危险。
# :::
#
# :::{admonition} 3. “损失低就是学会了”
# :class: pitfall
# 见漏题侦探。先看“自己写”的正确率，再看损失。
# :::

# %% tags=["nbval-check-output"]
cross = MultiHeadAttention(8, 2)
decoder_side, encoder_side = torch.randn(1, 4, 8), torch.randn(1, 6, 8)  # T = 4，S = 6
print(
    "误区 2　对：",
    list(cross(decoder_side, encoder_side).shape),
    "；反了：",
    list(cross(encoder_side, decoder_side).shape),
)

one_pass = model(*encode([number_pair(1024)])).shape[1]
print("误区 1　一次前向得到", one_pass, "位的 logits")
print("误区 3　损失最低的模型是正常的吗：", min(suspects, key=lambda bug: sum(suspects[bug][1][-20:])) == "healthy")

# %% [markdown]
# :::{admonition} 4. “编码器不需要掩码”
# :class: pitfall
# 不需要**因果**掩码。一批里长短不一时，补上的位置必须遮，否则同一句话的答案随邻居而变。
# :::

# %%
show_erratum("K06-3")

# %% [markdown]
# :::{admonition} 5. “torch 的 nn.Transformer 就是论文的模型”
# :class: pitfall
# 它没有嵌入，没有位置，没有输出层，也不替你造因果掩码；末尾还多一个 LayerNorm。
# :::

# %%
show_erratum("K06-5")

# %% [markdown]
# :::{admonition} 6. “嵌入不用乘 √D”
# :class: pitfall
# 表的初值若是 $N(0,1/D)$，每个数约 $1/\sqrt D$，而正弦位置约 0.7，位置会把词淹没。乘 √D 把词拉回同样大小；表与输出层共用时也只能这样做。
# :::

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
table = torch.randn(100, 512) * 512**-0.5  # 与输出层共用的表，[V, D]
positions = sinusoidal(50, 512)
print(
    f"误区 6　词向量的大小：不乘 {table.std():.3f}，乘 √D {(table * 512**0.5).std():.2f}；位置 {positions.square().mean().sqrt():.2f}"
)

# %% [markdown]
# 三张表共用一个矩阵，也决定了论文的参数数目：

# %%
show_erratum("K06-6")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 往后看
#
# - **第 07 章 GPT-1**：扔掉编码器和交叉注意力，只留因果自注意力。任务的题目和答案排成一串。
# - **BERT 与第 10 章 ViT**：只留编码器。要理解，不要生成。
# - **第 13 章 BLIP**：同一套权重，换掩码、加交叉注意力，既当编码器又当解码器。
# - **pre-norm** 从 GPT-2 起成了默认；RMSNorm 和 SwiGLU 在第 09 章以后接替这里的 LayerNorm 和 ReLU。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 六题，约 35 分钟：一题心算，一题读图，四题写代码。把 `...` 换成你的答案，运行 `check`，它认得常见的错。

# %%
exercise("06-transformer-1")

# %%
answer = ...  # 一个整数

check("06-transformer-1", answer)

# %%
exercise("06-transformer-2")


# %%
def my_shift(target, start): ...


check("06-transformer-2", my_shift)

# %%
exercise("06-transformer-3")

# %%
answer = ...  # 例如 "no_mask"

check("06-transformer-3", answer)

# %%
exercise("06-transformer-4")


# %%
def my_greedy(next_logits, start, end, longest): ...


check("06-transformer-4", my_greedy)

# %%
exercise("06-transformer-5")


# %%
def decoder_mask(T, n_tokens): ...


check("06-transformer-5", decoder_mask)

# %%
exercise("06-transformer-6")


# %%
def my_score(length, log_p, alpha): ...


check("06-transformer-6", my_score)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 编码器看全句，跑一次；解码器看自己和左边，每写一个 token 跑一次。
# 2. 交叉注意力：Q 来自解码器，K、V 来自编码器的输出；权重是 $[T,S]$，训练后对得上真正的对齐。
# 3. 防偷看靠两件事：右移一位，加因果掩码。少一件，损失好看，自己写不出来。
# 4. post-norm 归一的是和，pre-norm 归一的是子层的输入；文字写什么不算，看代码。
# 5. 诊断先看“自己写”，再改一个 token 看谁变，最后才看损失。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Vaswani 等，Attention Is All You Need（2017，arXiv:1706.03762），§3.1、§3.4、§5、§6.1。Xiong 等，On Layer Normalization in the Transformer Architecture（2020，arXiv:2002.04745）。Wu 等，GNMT（2016，arXiv:1609.08144），§7 讲束搜索与长度惩罚。
# - **代码**：tensor2tensor 的 `models/transformer.py`（`transformer_base_v1` 到 `v3`）；torch 的 `nn/modules/transformer.py`。
# - **画得更细**：Jay Alammar，[The Illustrated Transformer](https://jalammar.github.io/illustrated-transformer/)，逐字写出的动图比我们的更慢更细。
#   [The Annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/)，论文与代码逐段对照，读时记得考据 K06-1 与 K06-4。
#
# 下一章讲 GPT-1：只留下解码器。

# %% [markdown]
# ## 证据与考据
#
# C10d 的快速形式，在这台机器上现跑：一个种子，只练 120 步。这时还没有学会，判“不成立”；正文里练完 800 步的记录判“成立”。步数是它成立的条件。

# %%
run_claim("C10d")
