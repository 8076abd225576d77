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
# # 11 CLIP：让图去找它的那句话
#
# 一个分类器学过 192 种图。来了第 193 种，颜色它见过，形状和位置也见过。它会答什么？换一种教法，答得会不会不一样？
#
# **学完能做什么**
#
# - 在一个 3×3 的矩阵上手算 InfoNCE，说清 τ、两个方向和 ln N
# - 对着一张图说出 CLIP 的两座塔和每个形状，并用四十来行代码把它装起来
# - 从一个停住不动的损失读出问题：是 ln N，是温度，还是重复的说明
# - 把提示词变成分类器，不训练就给新类别分类
# - 说出 SigLIP 改了什么，和 CLIP 不会什么

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。只念谜面。常问：“第 193 类加进去重新训练不就行了？”答：行，但每来一类都要标注、都要重训；CLIP 想免掉的就是这件事。
# :::

# %% [markdown]
# **先修**：[04 注意力](../1_foundations/04_attention.ipynb)（softmax、因果掩码）、[06 完整 Transformer](../1_foundations/06_transformer.ipynb)（残差、LayerNorm）、[08 GPT-2](08_gpt2.ipynb)（零样本）、[10 ViT](10_vit.ipynb)（切块、分类词元）。
#
# **阅读** 约 45 分钟，练习另加 43 分钟。**运行** 实测约 30 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $N$ | 一批里有几对图文 | CLIP 论文是 32,768 |
# | $K$ | 一个正样本有几个负样本 | $N-1$ |
# | $D$ | 塔里一个词元的宽度 | 本章 64 |
# | $E$ | 图文共同空间的宽度 | 本章 64 |
# | $L$ | 一句话的词元数，含结束符 | |
# | $s$、$s_{ij}$ | 第 $i$ 张图与第 $j$ 句话的余弦 | $-1$ 到 $1$ |
# | $\tau$ | 温度 | 从 0.07 开始学 |
# | $z_{ij}$ | 分数，$s_{ij}/\tau$ | $[N,N]$ |
# | $y_{ij}$ | 答案：$i=j$ 是 1，别处是 0 | $[N,N]$ |
# | $\ell$ | CLIP 的损失，两个方向的平均 | 一个数 |
# | $p_{ij}$ | 分数按行做 softmax | $[N,N]$ |
# | $q_{ij}$ | 分数按列做 softmax | $[N,N]$ |
# | $b$ | SigLIP 的偏置 | 从 −10 开始学 |
# | $\sigma$ | sigmoid，$1/(1+e^{-x})$ | 0 到 1 |
# | $x$ | 随便一个数 | |
# | $i$、$j$ | 图的编号，句的编号 | |
# :::

# %% slideshow={"slide_type": "skip"}
import math
import os
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize
from torch.testing import assert_close
from tqdm.auto import tqdm

from course_lib import zoo
from course_lib.chapters.ch11_clip import emoji_clip, shapes_clip
from course_lib.chapters.ch11_clip import figures as plots
from course_lib.chapters.ch11_clip.errata import COSINES
from course_lib.chapters.ch11_clip.retrieval import retrieval_table
from course_lib.chapters.ch11_clip.whole_figure import plot_whole
from course_lib.data.real.emoji.drawings import emoji
from course_lib.data.world.captions import ZH, caption
from course_lib.data.world.render import render_batch, to_model
from course_lib.data.world.scenes import COLOURS, FIVE_POSITIONS, KINDS, at_position, hold_out_triples
from course_lib.foundations.contrastive import clip_loss, info_nce, sigmoid_loss, similarities, soft_clip_loss
from course_lib.foundations.gelu import gelu, quick_gelu
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, start
from course_lib.models.clip import CLIP, CLIPConfig, ImageConfig, ImageTower, TextConfig, ends
from course_lib.toys.words import END, Words
from course_lib.training.loop import train
from course_lib.widgets.live_clip import live_clip
from course_lib.widgets.similarity import similarity_widget

start("11")
bar = partial(tqdm, delay=1, disable="COURSE_PUBLISH" in os.environ)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：第 193 种图
#
# 8 种颜色、6 种形状、5 个位置，搭配起来 240 种。192 种拿来训练，**48 种一次也不给看**。
#
# 先用老办法：一个小 ViT，后面接 192 个格子的分类头，一种搭配一格。

# %% slideshow={"slide_type": "skip"}
seen, unseen = hold_out_triples(0)  # 192 种搭配，48 种搭配，各是 (颜色, 形状, 位置)


def draw(kinds, index):  # 每种搭配一张图，[n, 3, 32, 32]
    scenes = [at_position(*kind, seed=1, index=index + at) for at, kind in enumerate(kinds)]
    return torch.from_numpy(to_model(render_batch(scenes)))


pictures = torch.stack([draw(seen, 1000 * at) for at in range(20)])  # [20, 192, 3, 32, 32]
new_seen, new_unseen = draw(seen, 10**6), draw(unseen, 10**6)  # 考卷：没用过的图

# %% [markdown] slideshow={"slide_type": "-"}
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 训练好以后，拿 48 种没看过的搭配考它。每种的颜色、形状、位置，它在别的图里都见过。能对几种？
#
# - A. 0 种
# - B. 一半上下
# - C. 九成
# :::

# %% slideshow={"slide_type": "fragment"}
CHANCE = torch.Generator().manual_seed(0)


def some(n):  # 抽 n 种不同的搭配，每种 20 张里抽一张
    return torch.randperm(len(seen), generator=CHANCE)[:n], torch.randint(20, (n,), generator=CHANCE)


fixed = nn.Sequential(ImageTower(ImageConfig()), nn.Linear(64, len(seen)))
batches = ((pictures[which, kind], kind) for kind, which in iter(partial(some, 128), None))
judge = lambda model, batch: cross_entropy(model(batch[0]), batch[1])  # noqa: E731
fixed_losses = train(fixed, batches, steps=300, lr=4e-3, loss=judge, progress=bar)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
with torch.no_grad():
    right = (fixed(new_seen).argmax(-1) == torch.arange(192)).float().mean()
    answers = [seen[at] for at in fixed(new_unseen).argmax(-1)]
print("见过的 192 种：", "九成以上" if right > 0.9 else f"{right:.0%}")
print("没见过的 48 种：对", sum(answer == kind for answer, kind in zip(answers, unseen)), "种")

# %% [markdown]
# 不是它笨，是没有座位。分类头只有 192 个格子，答案必定是其中之一，第 193 种连一格都没有。
# 把颜色、形状、位置拆成三个头能救这一回，可是要事先知道世上有哪些属性。真实的图没有这张表。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先投票。常问：“它答的是什么？”答：最像的那个座位，多半颜色、形状、位置对两样。问题不在眼睛，在嘴。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 两条老路，和 CLIP 的第三条
#
# | | 从哪里学 | 多少 | 缺什么 |
# |---|---|---|---|
# | 人工配的图文 | 一张图，几句专门写的说明 | MS-COCO、Visual Genome，各约 10 万张 | 太少 |
# | 弱监督分类 | 网上的图，自动打的类别 | JFT-300M，3 亿张 | 类别固定：18,291 个，多一个也不行 |
# | **CLIP**（2021） | 网上的图和它旁边的文字 | 4 亿对 | 文字很脏 |
#
# CLIP 不猜类别，也不写说明。它只做一道选择题：**这一批里，哪句话是这张图的？**
#
# 这叫**对比学习**（contrastive learning）：自己的那句拉近，别人的推远。做法来自 ConVIRT（2020，胸片和报告），CLIP 把它简化、放大。
# 博客和权重在 2021 年 1 月，论文在 2 月。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常问：“为什么不让它把说明写出来？”答：论文先试过，预测词袋比逐字写说明快 3 倍，改成对比再快 4 倍（图 2）。第 12 章的 BLIP 又把“写”加了回来。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算：三张图，三句话
#
# 两座塔各给出一个向量，除以自己的长度，点积就是余弦 $s_{ij}$。假设它们是这样：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
TRIO = [("red", "circle", "top left"), ("blue", "cross", "centre"), ("blue", "square", "bottom right")]
trio_pictures = render_batch([at_position(*kind, seed=1, index=5) for kind in TRIO])
trio_names = [f"{ZH[place]}\n{ZH[colour]}{ZH[kind]}" for colour, kind, place in TRIO]
s = torch.tensor(COSINES, dtype=torch.float64)  # [3, 3]
show_figure(
    plots.plot_matrix(s.numpy(), trio_pictures, trio_names, title="余弦：行是图，列是句，橙框是真的一对"),
    alt="三张图与三句话的余弦，一行一张图：" + "；".join("、".join(f"{x:g}" for x in row) for row in COSINES),
)

# %% [markdown] slideshow={"slide_type": "-"}
# 第二张图分不清两句都说“蓝色”的话。先看一行，$\tau=0.1$：
#
# $$
# -\ln\frac{e^{s_{ii}/\tau}}{\sum_j e^{s_{ij}/\tau}}
# $$
#
# 分子是自己的那句（**正样本**），分母再加上别人的两句（**负样本**，negative）。第一行是 5、4、2：$e^5/(e^5+e^4+e^2)=0.71$，损失 0.35。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
z = s / 0.1  # 分数 [3, 3]
p = z.exp() / z.exp().sum(1, keepdim=True)  # 按行：图找句
q = z.exp() / z.exp().sum(0, keepdim=True)  # 按列：句找图
rows, columns = -p.diagonal().log(), -q.diagonal().log()
print("图找句", [round(x, 2) for x in rows.tolist()], "平均", round(rows.mean().item(), 3))
print("句找图", [round(x, 2) for x in columns.tolist()], "平均", round(columns.mean().item(), 3))
print("CLIP 的损失：两个方向再平均", round((rows.mean() + columns.mean()).item() / 2, 3))

# %% [markdown]
# 看第三句：它自己的图给 0.4，第二张图给了 0.5。按行看不出错，按列就是 1.35 的大错。所以要两个方向。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，第一行写在黑板上。常问：“对角线都一样大就行了吗？”答：不，要比同一行、同一列的都大；第三格 0.4 在列里输给了 0.5。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个式子，三个名字
#
# 有 $K$ 个负样本时，一个方向是：
#
# $$
# -\frac1N\sum_{i=1}^{N}\ln\frac{e^{s_{ii}/\tau}}{e^{s_{ii}/\tau}+\sum_{j\ne i}e^{s_{ij}/\tau}}
# $$
#
# 负样本从哪里来？不用另找：同一批里别人的 $N-1$ 句就是，$K=N-1$。同一个式子有三个名字：
#
# - **多类 N-pair 损失**（2016）：教人脸、商品的图谁和谁像
# - **InfoNCE**（information noise-contrastive estimation，2018）：从一个正样本和 $K$ 个负样本里挑
# - **$N$ 类的交叉熵**：一行是一道选择题，答案在对角线上，代码就这样写

# %%
off_diagonal = z[~torch.eye(3, dtype=torch.bool)].view(3, 2)  # 每行的 K = 2 个负样本
positive = z.diagonal()
by_formula = -(positive.exp() / (positive.exp() + off_diagonal.exp().sum(1))).log().mean()
assert_close(by_formula, info_nce(z))  # InfoNCE
assert_close(by_formula, cross_entropy(z, torch.arange(3)))  # 交叉熵
assert_close(clip_loss(z), (info_nce(z) + info_nce(z.mT)) / 2)  # 两个方向平均

# %% [markdown] slideshow={"slide_type": "-"}
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 一批 128 对，模型刚初始化，谁也不认识谁。损失大约是多少？
#
# - A. 0.69
# - B. 1
# - C. 4.85
# - D. 128
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
print(f"每句都分到 1/128：损失 {info_nce(torch.zeros(128, 128)):.2f}，ln 128 = {math.log(128):.2f}")

# %% [markdown]
# 有人训练 CLIP，15 轮以后损失还是 4.8，一批 128 对（open_clip 的 17 号提问）。看见 $\ln N$，就知道模型什么都没分开。

# %%
show_erratum("K11-1")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。常问：“一批只有一对会怎样？”答：没有对手，损失永远是 0，什么都学不到；我们的函数会报错。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 梯度：概率减去答案
#
# 每一格分数该涨还是该跌？对 $z_{ij}$ 求导，只剩两次“概率减去答案”：
#
# $$
# \frac{\partial\ell}{\partial z_{ij}}=\frac{1}{2N}\big[(p_{ij}-y_{ij})+(q_{ij}-y_{ij})\big]
# $$

# %% [markdown]
# $\ell$ 是 CLIP 的损失，$y_{ij}$ 在对角线上是 1，别处是 0。对角线上的梯度是负的，下降一步，分数就涨。别处是正的，越像的负样本推得越用力。

# %%
free = z.clone().requires_grad_()
clip_loss(free).backward()
answer_matrix = torch.eye(3).double()
assert_close(free.grad, ((p - answer_matrix) + (q - answer_matrix)) / 6)

# %% [markdown]
# 换成真的：八样水果的表情和它们的名字，余弦来自后面那个表情的 CLIP，有几样它分不清。先看梯度，再拖 τ，最后把第 8 对换成第 7 对：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
reader = zoo.load("clip-emoji")
drawings, names = emoji_clip.features(reader)  # 没见过的那一家画的 [1393, E]；两种语言的名字，各 [1393, E]
data = emoji()
FRUIT = ["红苹果", "青苹果", "西红柿", "樱桃", "草莓", "桃", "柠檬", "香蕉"]
fruit = [next(at for at, thing in enumerate(data.things) if thing.name_zh == name) for name in FRUIT]
fruit_cosines = (drawings[fruit] @ names["zh"][fruit].mT).numpy()
fruit_pictures = data.pictures(emoji_clip.HAND)[fruit]
similarity_widget(
    fruit_cosines,
    fruit_pictures,
    FRUIT,
    again=(6, 7),
    view="CLIP 的梯度 × 2N",
    pairwise=False,
    name="11-fruit",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 红是拉近（梯度为负），蓝是推开，深浅的尺子不变，到 ±2。τ = 1：对角线都在 −1.6 上下，其余都在 0.2 上下，像的不像的一样推。
# τ = 0.02：多数行已经分对，没有力了；剩下的几乎都在第 1 行和第 3 行，红苹果的图被认成草莓、西红柿，只推这几个最像的对手。
# 第 8 对换成第 7 对：两对都是柠檬，交叉的两格明明也对，却是蓝的，要推开，这就是**假负样本**（false negative）。若温度没有用，拖 τ 时颜色不该变。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。常问：“τ 是不是越小越好？”答：小到只盯一个对手，遇上说明重复的假对手，就往死里推；论文让模型自己学，并设了下限 0.01。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 温度：不调，学出来
#
# 余弦最多从 −1 到 1。不除以 τ，$e^{1}$ 和 $e^{-1}$ 只差 7.4 倍，一百多个对手一起上，对的那句永远占不到一成。
#
# - 存的参数是 $\ln(1/\tau)$，和权重一起学
# - 从 $\tau=0.07$ 开始，就是乘 14.3
# - $1/\tau$ 不许超过 100，不然训练不稳（论文 2.5 节）
#
# 手算的第一行，换着温度看：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
TAUS = np.geomspace(0.01, 1, 80)
show_figure(
    plots.plot_sharpness(COSINES[0], TAUS),
    alt="余弦 0.5、0.4、0.2 的概率随温度变：τ = 0.01 时对的占 1，τ = 0.07 时约 0.8，τ = 1 时三句都在三分之一上下",
)

# %% [markdown] slideshow={"slide_type": "-"}
# 公开的示例代码直接乘 100。演示里，狗 0.85、猫 0.08，看着很有把握：

# %% slideshow={"slide_type": "-"}
show_erratum("K11-2")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。先让学生猜余弦差多少。常问：“为什么存对数？”答：乘除变加减，一步走同样的比例，而且永远是正数。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图
#
# 跟着“左上角有一个红色圆形。”和它的图，从左走到右。右边的余弦就是手算的那九个：

# %% slideshow={"slide_type": "skip"}
sentences = {kind: caption(at_position(*kind), sizes=False) for kind in seen + unseen}
words = Words(sentences.values())  # 27 个字、句号，和两个记号：0 是结束符，也用来补齐
encode = partial(words.encode, context=16)  # [M, 16]


seen_ids, unseen_ids = (encode([sentences[kind] for kind in kinds]) for kinds in (seen, unseen))
torch.manual_seed(0)
config = CLIPConfig(image=ImageConfig(), text=TextConfig(n_vocab=words.n_vocab, context=16, end=END, n_layers=1))
model = CLIP(config)
batches = ((pictures[which, kind], seen_ids[kind]) for kind, which in iter(partial(some, 128), None))
losses = train(model, batches, steps=200, lr=3e-3, loss=lambda model, pairs: clip_loss(model(*pairs)), progress=bar)

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
show_figure(
    plot_whole(config, trio_pictures[0], [*sentences[TRIO[0]], "<终>"], s.numpy()),
    alt="CLIP 的全图，两条路从左到右。图像塔：32×32 的图切成 16 块，投影成 [16, 64]，加分类词元和位置 [17, 64]，LayerNorm，两个块，"
    "取分类词元、LayerNorm，投影，除以长度。文字塔：12 个词元查表 [12, 64]，加位置，一个因果的块，LayerNorm，取结束符处，投影，除以长度。"
    "右边是 3×3 的余弦，乘 1/τ，行和列各一个交叉熵。下面是块的内部：残差流，支路一 LayerNorm、多头注意力，支路二 LayerNorm、前馈、quick GELU，各加回一次",
)

# %% [markdown] slideshow={"slide_type": "-"}
# :::{admonition} 看什么
# :class: look
# 两座塔互不相看，直到最后的矩阵。所以图可以先全部编好存起来，来了一句话，只跑一次文字塔。
# 若两座塔在中间交换过什么，就做不到这一点。[第 12 章](12_blip.ipynb)的图文匹配（image-text matching，ITM）正是这样：图和句放在一起读，更准，也慢得多。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先走图像塔，再走文字塔，让学生报形状。常问：“两座塔宽度不同怎么办？”答：各有一个投影矩阵，投到同一个宽度 E。
# :::

# %% [markdown]
# ## 文字塔的三个讲究
#
# - **因果掩码**：和 GPT 一样，只看左边。所以整句的特征只能在最后读，就是结束符那里；它后面补什么都不影响
# - **截断要留结束符**：CLIP 最多 77 个词元。切掉了它，就没有地方读
# - **quick GELU**：$x\cdot\sigma(1.702x)$，比 GELU 便宜，公开的 CLIP 用它；换错了，权重装得上，数不对
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 公开的代码用“编号最大的那个位置”找结束符。一句太长，结束符被切掉了，会怎样？
#
# - A. 报错
# - B. 不报错，读到别的位置
# - C. 自动补上
# :::
#
# 下面五个词元一句，照公开的 CLIP 编号：8 是开头符，9 是结束符，都比别的词大。本章自己的结束符是 0，“取最大”找不到它，所以要指明。

# %% tags=["nbval-check-output"]
whole_and_cut = torch.tensor([[8, 3, 5, 2, 9], [8, 3, 5, 2, 4]])  # 第二句被切了
print("取最大编号：", ends(whole_and_cut, None).tolist())  # 第二句读到了开头符
try:
    ends(whole_and_cut, 9)
except ValueError as error:
    print("我们指明结束符：", error)
x = torch.linspace(-4, 4, 801)
print(f"quick GELU 与 GELU 最多差 {(quick_gelu(x) - gelu(x)).abs().max():.3f}")

# %% [markdown]
# 第 0 个位置在因果掩码下只看得见自己，于是所有超长的句子特征都一样。没有报错，检索悄悄坏掉。
# open_clip 早先的截断就丢过结束符（130 号提问，已修）；后来又有人报告，另一种取法找不到它时，也悄悄读第 0 位（1151 号）。

# %% [markdown]
# ## 整段码
#
# 图上每个方框写成一两行，只用权重的名字和矩阵乘法：


# %%
def norm(x, w):
    x = x - x.mean(-1, keepdim=True)
    return x / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt() * w["weight"] + w["bias"]


def affine(x, w):
    return x @ w["weight"].T + w["bias"]


def blocks(x, w, causal, n_heads=4):  # [B, T, D] → [B, T, D]
    B, T, D = x.shape
    for block in w["encoder"]["blocks"].values():
        qkv = affine(norm(x, block["norm_attention"]), block["attention"]["to_qkv"])
        query, key, value = qkv.view(B, T, 3, n_heads, D // n_heads).permute(2, 0, 3, 1, 4)
        scores = query @ key.mT / (D // n_heads) ** 0.5
        if causal:
            scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -torch.inf)
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(B, T, D)
        x = x + affine(mixed, block["attention"]["to_out"])
        wide = affine(norm(x, block["norm_feedforward"]), block["feedforward"]["up"])
        x = x + affine(wide * torch.sigmoid(1.702 * wide), block["feedforward"]["down"])  # quick GELU
    return x


def image_tower(images, w, side=8):  # [B, 3, 32, 32] → [B, D]
    patches = images.unfold(2, side, side).unfold(3, side, side)  # [B, 3, 4, 4, 8, 8]
    patches = patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)  # [B, 16, 192]
    x = patches @ w["patches"]["project"]["weight"].T
    x = torch.cat([w["cls"].expand(len(x), 1, -1), x], 1) + w["positions"]
    return norm(blocks(norm(x, w["norm_in"]), w, causal=False)[:, 0], w["norm_out"])


def text_tower(ids, w):  # [M, L] → [M, D]
    x = w["embedding"]["weight"][ids] + w["positions"][: ids.shape[1]]
    x = norm(blocks(x, w, causal=True), w["norm_out"])
    return x[torch.arange(len(ids)), (ids == END).int().argmax(1)]  # 第一个结束符


def whole_clip(images, ids, w):  # 分数 [B, M]
    image = image_tower(images, w["image"]) @ w["project_image"]["weight"].T
    text = text_tower(ids, w["text"]) @ w["project_text"]["weight"].T
    image, text = (x / x.pow(2).sum(-1, keepdim=True).sqrt() for x in (image, text))
    return image @ text.T * w["logit_scale"].exp().clamp(max=100)


# %% [markdown]
# 装上刚训练好的权重，与 `course_lib` 的模型逐数比较：


# %% tags=["nbval-check-output"]
def by_name(weights):  # {"image.encoder.blocks.0…": …} → 一层一层的字典
    tree = {}
    for name, tensor in weights.items():
        *path, last = name.split(".")
        place = tree
        for step in path:
            place = place.setdefault(step, {})
        place[last] = tensor
    return tree


with torch.no_grad():
    ours = whole_clip(new_unseen, unseen_ids, by_name(model.state_dict()))
    assert_close(ours, model(new_unseen, unseen_ids), atol=1e-3, rtol=1e-3)
print("48 张图对 48 句话，分数相同：", list(ours.shape))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看着它学
#
# 上面那个模型是在本页训练的：200 步，每步 128 对，一边训练一边出进度条。192 种搭配的图和句，48 种仍然没看过。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 现在拿 48 种没见过的搭配考它：给一张图，在 **240 句**里挑一句。分类头对了 0 种，它呢？
#
# - A. 也是 0 种
# - B. 一半上下
# - C. 九成以上
# :::

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
show_figure(
    plots.plot_learning({"CLIP": losses}, 128),
    alt=f"损失从 {losses[0]:.1f}（ln 128 = 4.85 附近）降到 {losses[-1]:.2f}，200 步",
)

# %% tags=["nbval-check-output"] slideshow={"slide_type": "-"}
all_ids = encode([sentences[kind] for kind in seen + unseen])  # [240, L]
own = torch.arange(192, 240)  # 48 张考卷的答案，在 240 句里的编号
with torch.no_grad():
    to_text = (model(new_unseen, all_ids).argmax(1) == own).float().mean()
    to_image = (model(torch.cat([new_seen, new_unseen]), unseen_ids).argmax(0) == own).float().mean()
print("图找句，240 句里挑：", "九成以上" if to_text > 0.9 else f"{to_text:.0%}", "（瞎猜 0.4 %）")
print("句找图，240 张里挑：", "九成以上" if to_image > 0.9 else f"{to_image:.0%}")
print("学到的 1/τ 从 14.3 涨了：", bool(model.scale() > 14.3))

# %% [markdown]
# 第一名就对的比例，叫 **召回率** R@1（recall at 1）；前五名里有就算对，是 R@5。
# 座位的问题没有了：类别就是一句话，新的话只要由学过的字组成，就有一个新的向量。

# %% [markdown]
# 换三个种子，中英文都学，再问一遍：

# %%
show_claim("C15a")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“不公平吧，CLIP 看了文字？”答：对，这正是重点。分类头看到的是编号 17，CLIP 看到的是“左上角有一个红色圆形”，同样一份标注，文字里有结构。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 零样本：提示词就是分类器
#
# 想分颜色？不训练。写八句话，各过一次文字塔，得到 8 个方向，就是一个分类头 $[8,E]$。一句**提示**（prompt）怎样写，差别很大：
#
# - 只写词：“红色”
# - 写成训练时的样子：“中间有一个红色圆形。”
# - 写很多句，归一后平均，再归一：**提示集成**（prompt ensembling）

# %% slideshow={"slide_type": "fragment"}
truth = torch.tensor([list(COLOURS).index(colour) for colour, _, _ in unseen])


@torch.no_grad()
def zero_shot(templates):  # 每个模板填进八种颜色
    heads = [normalize(model.text_features(encode([t.format(ZH[c]) for c in COLOURS])), dim=-1) for t in templates]
    head = normalize(sum(heads), dim=-1)  # [8, E]
    return (similarities(model.image_features(new_unseen), head).argmax(1) == truth).float().mean().item()


TEMPLATES = [f"{ZH[place]}有一个{{}}{ZH[kind]}。" for place in FIVE_POSITIONS for kind in KINDS]
single = [zero_shot([template]) for template in TEMPLATES]
print(f"只写词，“红色”　　　　　　　　　{zero_shot(['{}']):.0%}")
print(f"半句，“有一个红色。”　　　　　　{zero_shot(['有一个{}。']):.0%}")
print(f"一个整句，30 种写法　　　　　　 {min(single):.0%} 到 {max(single):.0%}，平均 {np.mean(single):.0%}")
print(f"30 种写法合起来　　　　　　　　 {zero_shot(TEMPLATES):.0%}")

# %% [markdown]
# 合起来赢过一句的平均，却不一定赢过最好的那一句。可是哪一句最好，是看着答案才知道的；平均不用看答案。换五个种子，颜色和形状、中文和英文都问：

# %%
show_claim("C15d")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。问：“合起来为什么不是最好？”答：最好的那一句是看着答案挑的；平均不用看答案。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 换你来出题
#
# 拼一张图，用中文或英文写几句话，看它怎样分。模型是同一个样子，中英文说明都学过（`clip-shapes`），按 **运行** 在浏览器里算。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
live_clip(
    zoo.load("clip-shapes"),
    ["<end>", "<unknown>", *shapes_clip.words().ids],
    [
        *("左上角有一个红色圆形。", "a red circle at the top left", "左上角有一个红色圆环。"),
        *("a red circle at the bottom right", "圆形红色一个有左上角。"),
    ],
    end=END,
    name="clip-shapes",
    what="本章的 CLIP，只见过一个图形的画面和中英文说明",
    licence="MIT",
    places=FIVE_POSITIONS,
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 对的中文句和英文句几乎一样高：两种语言落在同一个地方。换颜色、形状、位置，写几句新的，对的应当跟着换。把对的都删掉：剩下的照样加起来是 1，它不会说“都不对”。
# 若它只看颜色，这五句就该各占 20 %。
# :::

# %% [markdown]
# 论文在 ImageNet 上：“a photo of a {label}.” 比只写词高 1.3 个百分点；80 种说法集成，再高 3.5。写法要像训练时见过的句子，模型没见过孤零零的词。
#
# 公开权重的用法只有几行（需要联网，这里不运行）：
#
# ```python
# # 需要联网
# model, preprocess = clip.load("ViT-B/32")
# image = model.encode_image(preprocess(Image.open("dog.jpg"))[None])
# text = model.encode_text(clip.tokenize(["a photo of a dog", "a photo of a cat"]))
# image, text = (x / x.norm(dim=-1, keepdim=True) for x in (image, text))
# (100.0 * image @ text.T).softmax(dim=-1)
# ```

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“0.85 能当把握用吗？”答：不能，它是在你给的几句里分的；候选里没有对的，它也会把 1 分完。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真的东西：1,393 个表情
#
# 表情有三家画法。两家拿来学，**一家（Twemoji）一次也不给看**；另有 200 样东西，三家画的都不给看。每样东西的中文名和英文名，就是它的两句话。
#
# 与上面的模型只差一处：图像塔不取分类词元，17 个词元摊平了一起投影，图这么少，分类词元学不起来。损失里还添了一种对：同一样东西的两家画法。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 给它一张没见过的画法，在 1,393 个名字里挑。瞎猜是 0.07 %。第一名就对的有多少？
#
# - A. 一成
# - B. 近五成
# - C. 九成
# :::

# %% slideshow={"slide_type": "fragment"}
known, new = emoji_clip.split()
for title, rows, among in (("学过的东西，没见过的画法", known, None), ("没见过的东西，在 200 样里挑", new, new)):
    print(title)
    for (language, way), (first, five) in retrieval_table(drawings, names, rows, among).items():
        arrow = {"i2t": "图找名", "t2i": "名找图"}[way]
        print(f"　{ {'zh': '中文', 'en': '英文'}[language] } {arrow}　R@1 {first:.0%}　R@5 {five:.0%}")
print(f"对手：逐像素找最像的画，学过的东西 R@1 {emoji_clip.pixel_baseline(known):.0%}（只会图找图，不认识名字）")

# %% [markdown]
# 像素那个对手不能小看：同一样东西，三家画得本来就像。可是它认不得一个字。没见过的东西就难了：在 200 样里挑，瞎猜是 0.5 %，它的 R@1 不到一成，一千来样东西学不出通用的眼睛。
#
# 名字会认了，句子呢？

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。常问：“近五成算好吗？”答：瞎猜是万分之七；它只看过两家各 1,193 张画。公开的 CLIP 看了四亿对。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 用自己的话去找
#
# 写五句话，看没见过的画法里找到了谁，从左到右是前六名：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
QUERIES = {
    "企鹅": lambda thing: thing.name_zh == "企鹅",
    "panda": lambda thing: thing.name_en == "panda",
    "鲸鱼": lambda thing: "鲸" in thing.name_zh,
    "蓝色的鱼": lambda thing: thing.kind == "animal-marine" and "鱼" in thing.name_zh,
    "会飞的动物": lambda thing: (
        thing.kind == "animal-bird" or thing.name_zh in ("蝙蝠", "蝴蝶", "蜜蜂", "蚊子", "苍蝇")
    ),
}
with torch.no_grad():
    asked = normalize(reader.text_features(emoji_clip.encode(list(QUERIES))), dim=-1)
best = (asked @ drawings.T).topk(6).indices  # [5, 6]
shown = data.pictures(emoji_clip.HAND)
found = {
    query: (shown[rows.numpy()], [is_right(data.things[row]) for row in rows.tolist()])
    for (query, is_right), rows in zip(QUERIES.items(), best)
}
said = "；".join(
    f"{query}：" + "、".join(data.things[row].name_zh for row in rows.tolist()) for query, rows in zip(QUERIES, best)
)
show_figure(plots.plot_found(found), alt="每句话找到的前六样，绿框是对的。" + said)

# %% [markdown] slideshow={"slide_type": "-"}
# :::{admonition} 看什么
# :class: look
# 绿框是对的。名字它认得：企鹅、熊猫排第一；鲸鱼在第四、第六，前面三样都不是。后两行要把几个意思拼起来：“蓝色的鱼”找来一堆蓝的东西，没有鱼；“会飞的动物”不是任何一样东西的名字，它就乱答。
# 若它懂得句子，后两行也该满是绿框。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟，请学生出一句话。常问：“为什么不会飞的也来了？”答：它只学过名字，没有学过拼起来的意思。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## SigLIP：每格一道是非题
#
# softmax 要把整行放在一起才算得出分母，图文分在几百块显卡上时，很费通信。**SigLIP**（2023）改问 $N^2$ 道是非题：第 $i$ 张图和第 $j$ 句，是不是一对？
#
# $$
# -\frac1N\sum_{i,j}\ln\sigma\big(\pm(s_{ij}/\tau+b)\big)
# $$
#
# 对角线取 $+$，别处取 $-$。偏置 $b$ 从 −10 开始学，这个数从哪里来？一行里 1 个“是”、$N-1$ 个“否”。$N=32{,}768$ 时，蒙一格是“是”的机会只有三万二千分之一，
# 要 $\sigma$ 说出这个数，里面得是 $-\ln 32{,}767=-10.4$。取 −10，一开始就都答“否”，损失不会被成堆的负样本压垮。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# softmax 的一行加起来是 1。三张图的 sigmoid（1/τ = 10，$b=-4$），一行加起来呢？
#
# - A. 也是 1
# - B. 都小于 1
# - C. 有的大于 1，有的小于 1
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
print("softmax 每行的和", [round(x, 2) for x in z.softmax(1).sum(1).tolist()])
print("sigmoid 每行的和", [round(x, 2) for x in (z - 4).sigmoid().sum(1).tolist()])
blank = torch.zeros(128, 128)  # 余弦全是 0
print(f"开始的损失：b = −10 时 {sigmoid_loss(blank - 10):.2f}，b = 0 时 {sigmoid_loss(blank):.2f}")
print(f"σ(−10) = 1 / {1 / torch.sigmoid(torch.tensor(-10.0, dtype=torch.float64)):,.0f}")

# %% [markdown]
# 还是那八样水果，每格自己答（$\tau=0.1$，$b=-4$）。拖 $b$，看几格亮着：

# %% tags=["hide-input"]
similarity_widget(fruit_cosines, fruit_pictures, FRUIT, again=(6, 7), view="sigmoid", bias=-4, name="11-fruit-sigmoid")

# %% [markdown]
# 红苹果的图对草莓、西红柿都答“是”，对自己的名字却答“否”；换成两对柠檬，四格可以都亮。

# %% [markdown]
# 是非题不用争一份，两句都对可以都答“是”。论文的结论：一批小的时候 SigLIP 明显好，大到 32k 左右两者差不多，再大也没有多少好处。
# 结构也有几处不同：没有分类词元，用一个学来的查询去读全部小块；文字双向，一律补到 64 个词元，读最后一个。训练时总补满，用的时候不补，特征就不对。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。常问：“那为什么 CLIP 不需要偏置？”答：softmax 只看差，整行加同一个数，概率不变。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：它不会什么
#
# :::{admonition} 1. “它读懂了句子”
# :class: pitfall
# 未必。把每句的词倒过来说，“圆形红色一个有左上角。”，它还是能找到图。
# :::
#
# :::{admonition} 2. “负样本都是错的”
# :class: pitfall
# 一批里若有两句一样的话，它们互为假负样本：明明对，却要推开，损失到不了 0。
# :::
#
# :::{admonition} 3. “损失低就是学得好”
# :class: pitfall
# 损失跟着 $N$ 走。换了一批的大小，两个损失不能比。
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
turned = encode([f"{ZH[kind]}{ZH[colour]}一个有{ZH[place]}。" for colour, kind, place in seen + unseen])
with torch.no_grad():
    share = (model(new_unseen, turned).argmax(1) == own).float().mean()
print("误区 1　词倒过来，240 句里还找得对的：", "六成以上" if share > 0.6 else f"{share:.0%}")
same = torch.eye(3) + torch.tensor([[0, 0, 0], [0, 0, 1], [0, 1, 0]])  # 后两对一字不差
best = (50 * same).requires_grad_()  # 分得再好也只能如此
for title, loss in (("原来的目标", clip_loss(best)), ("目标平分", soft_clip_loss(best, same))):
    (push,) = torch.autograd.grad(loss, best)
    print(f"误区 2　后两句一样，{title}：损失 {loss:.2f}，梯度最大 {push.abs().max():.2f}")
print(f"误区 3　什么都不懂：N = 16 时 {math.log(16):.2f}，N = 32,768 时 {math.log(32768):.2f}")

# %% [markdown]
# 误区 2 的两个 0.46 不是一回事：原来的目标以 0 为下限，到不了，还在推；平分的目标以它自己的熵 $\tfrac23\ln2=0.46$ 为下限，已经到底，不推了。
#
# 误区 1：训练里没有两句只差次序的话，模型就没有理由看次序，接近一个**词袋**（[第 09 章](09_gpt3.ipynb)）。也不全是：演示里，原句的余弦 0.97，倒过来 0.93，换错一样的只有 0.52。真的 CLIP 也这样：
# Winoground（2022）用同样的词换个次序出题，受测的模型几乎都不比瞎猜强；ARO（2022）也报告，换了关系或次序的句子，许多模型接近瞎猜。
# 论文第 6 节自己列的：数数不行，细类（车型、花）不行，手写数字 MNIST 只有 88 %，不如对像素做的逻辑回归。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先让学生猜倒过来说会怎样。常问：“文字塔有位置，为什么还不管次序？”答：能看不等于要看；一批里没有只差次序的两句，看次序不减损失。
# :::

# %% [markdown]
# ## 往后看
#
# - **从第 10 章来**：ViT 换了一个老师，从类别编号换成一句话。
# - **到第 12 章去**：CLIP 会认不会说，网上的文字又太脏。BLIP 加上写说明的头，再用它清洗数据。
# - **第 13 到 17 章**：语言模型装上眼睛，用的多半是 CLIP 或 SigLIP 的图像塔，文字塔丢掉不要。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 六题，连小问约 43 分钟：两题心算，两题修程序，两题写代码，每题后面跟着一个小问。把 `...` 换成你的答案，运行 `check`；在网页上，心算题可以直接填。它认得常见的错。

# %%
exercise("11-clip-1")

# %%
answer = ...  # 一个数

check("11-clip-1", answer)

# %%
next_answer = ...  # 小问："A"、"B"、"C" 或 "D"

check("11-clip-1-next", next_answer)

# %%
exercise("11-clip-2")

# %%
answer = ...  # 一个数

check("11-clip-2", answer)

# %%
next_answer = ...  # 小问：一个数

check("11-clip-2-next", next_answer)

# %%
exercise("11-clip-3")


# %%
def my_scores(image, text, scale): ...


check("11-clip-3", my_scores)

# %%
next_answer = ...  # 小问：百分之几

check("11-clip-3-next", next_answer)

# %%
exercise("11-clip-4")


# %%
def my_cut(ids, context): ...


check("11-clip-4", my_cut)

# %%
next_answer = ...  # 小问："A"、"B"、"C" 或 "D"

check("11-clip-4-next", next_answer)

# %%
exercise("11-clip-5")


# %%
def my_targets(captions): ...


check("11-clip-5", my_targets)

# %%
next_answer = ...  # 小问：一个数

check("11-clip-5-next", next_answer)

# %%
exercise("11-clip-6")


# %%
def my_classes(features): ...


check("11-clip-6", my_classes)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("11-clip-6-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 固定的分类头没有新类别的座位；CLIP 把类别换成一句话，新的话就是新的座位。
# 2. 一批 $N$ 对，按行、按列各做一次 $N$ 类的交叉熵，答案在对角线；什么都不懂时损失是 $\ln N$。
# 3. 余弦先除以温度：τ 从 0.07 学起，$1/\tau$ 不超过 100；不归一、没有温度，都学不好。
# 4. 文字塔是因果的，在结束符处读，所以截断必须留住它。
# 5. SigLIP 把每一格变成是非题；两者读句子都接近一个词袋，次序和数目要另想办法。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。请学生不看屏幕说出第 2 句。常问：“一批要多大？”答：论文 32,768；小数据上不是越大越好。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Radford 等，Learning Transferable Visual Models From Natural Language Supervision（2021-02，arXiv:2103.00020）。图 3 是九行伪代码；2.5 节讲温度；3.1.4 节讲提示；第 6 节是它自己列的短处。
# - **损失**：van den Oord 等，CPC（2018，arXiv:1807.03748），InfoNCE 的出处；Zhang 等，ConVIRT（2020，arXiv:2010.00747）；Zhai 等，SigLIP（2023，arXiv:2303.15343），算法 1。
# - **短处**：Thrush 等，Winoground（2022，arXiv:2204.03162）；Yuksekgonul 等，ARO（2022，arXiv:2210.01936）。
# - **代码**：openai/CLIP 的 `clip/model.py`，看 `encode_text` 的最后一行；mlfoundations/open_clip 的 `loss.py`，两种损失都在。
#
# 下一章：BLIP，让它开口说话。

# %% [markdown]
# ## 证据与考据
#
# ### 温度与批次
#
# τ 固定在四个值，再让它自己学：

# %%
show_claim("C15b")

# %% [markdown]
# 批次大，负样本多。步数相同时是好事；看过的图片一样多时，大批次的步数少，就不是了：

# %%
show_claim("C15c")

# %% [markdown]
# ### 式子与代码
#
# 讲义常写一个方向的式子，代码却有两个方向：

# %%
show_erratum("K11-3")

# %% [markdown]
# 谁和谁配成对：

# %%
show_erratum("K11-4")

# %% [markdown]
# 谁来定温度：

# %%
show_erratum("K11-5")

# %% [markdown]
# “18K 类”从哪里来：

# %%
show_erratum("K11-6")
