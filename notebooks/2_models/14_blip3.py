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
# # 14 BLIP-3：把图切成片，图文排成一行
#
# 图像塔只读一种大小的图。一张大海报缩成那么小，上面的小字就没了。不换塔，怎样看得清？
#
# **学完能做什么**
#
# - 给一张任意形状的图选网格，算出它变成几个词元
# - 手算重采样器的一次阅读，说出它和 Q-Former 差在哪里
# - 画出图文交错的一行，指出损失数哪几格
# - 读懂装起整个 BLIP-3 的五十来行代码
# - 说清任意分辨率、逐片采样、单一损失各换来什么

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。只念谜面。常问：“换一座能读大图的塔不行吗？”答：行，第 17 章的 Qwen2-VL 就这样做；可是那座塔要重新训练，而且图像块的个数随面积长。BLIP-3 用现成的塔。
# :::

# %% [markdown]
# **先修**：[08 GPT-2](08_gpt2.ipynb)（因果掩码、下一个词）、[10 ViT](10_vit.ipynb)（图像块）、[11 CLIP](11_clip.ipynb)（SigLIP）、[13 BLIP-2](13_blip2.ipynb)（两头冻住，中间的 Q-Former）。
#
# **阅读** 约 44 分钟，练习另加 45 分钟。**运行** 实测约 35 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $H$、$W$ | 图的高和宽，像素 | |
# | $T$ | 切片的边长，像素 | 论文 384，本章 32 |
# | $s$ | 放进网格时乘的倍数 | |
# | $V$ | 一张图变成几幅小图：片数加 1 | 公开代码 3 到 5 |
# | $N$ | 一幅小图有几个图像块 | 论文 729，本章 16 |
# | $Q$ | 重采样器的向量数，也是每幅留下的词元数 | 论文 128，本章 4 |
# | $D$ | 图像塔的宽度 | 论文 1152，本章 64 |
# | $E$ | 语言模型的宽度 | 论文 3072，本章 64 |
# | $S$ | 图放进去以后，一行的格数 | |
# | $p$ | 模型给对的那个词的概率 | 0 到 1 |
#
# 摘出来的源码里，字母另有约定：B 一批几幅，T 格数，H 头数，Dh 每头的宽。
# :::

# %% slideshow={"slide_type": "skip"}
import numpy as np
import torch
from PIL import Image
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from course_lib import zoo
from course_lib.chapters.ch14_blip3 import figures as plots
from course_lib.chapters.ch14_blip3 import learning, siglip_tiles
from course_lib.chapters.ch14_blip3.posters import DIGITS, UNSEEN, WHATS, poster, posters
from course_lib.chapters.ch14_blip3.whole_figure import plot_whole
from course_lib.course.claims import figures_of, load_record
from course_lib.data.real.pictures import photograph
from course_lib.data.world.scenes import COLOURS, KINDS
from course_lib.foundations.perceiver import PerceiverAttention, PerceiverResampler
from course_lib.foundations.tiles import RELEASED, fit, grids_within, resize, tiling_of
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, show_source, start
from course_lib.models.blip3 import BLIP3, text_loss
from course_lib.widgets import Knob, explore

start("14")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：太小的东西
#
# 一张海报，64×64 像素，上面有几样小东西：图形，和真人手写的数字。图像塔只读 32×32。两个办法：整张缩小一半，或者切成四片。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 东西只有 8 到 14 像素宽。缩小一半以后，什么还认得出来？
#
# - A. 颜色和形状都认得出
# - B. 颜色还在，是什么就难说了
# - C. 都看不见了
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]


def to_shown(pictures):  # [… 3 H W]，−1 … 1 → 能画的 [… H W 3]
    return ((pictures.movedim(-3, -1) + 1) * 127.5).round().clamp(0, 255).byte().numpy()


def is_cut(thing):  # 跨在两片之间
    return any(at - thing.radius < 32 < at + thing.radius for at in (thing.x, thing.y))


def is_telling(things):  # 三样，有一样被切开，有数字
    return len(things) == 3 and sum(map(is_cut, things)) == 1 and any(thing.is_digit for thing in things)


first = next(each for n in range(UNSEEN, UNSEEN + 199) if is_telling((each := poster(n)).things))
first_views = learning.views(first.picture).views  # [5, 3, 32, 32]
show_figure(
    plots.plot_views(
        to_shown(first.picture),
        to_shown(first_views),
        (2, 2),
        (0, 1, 2, 3, 4),
        ["缩小的全图", "第 1 片", "第 2 片", "第 3 片", "第 4 片"],
    ),
    alt="一张 64×64 的海报，切成 2×2 片；旁边是缩小的全图和四片，各 32×32。海报上有："
    + "、".join(map(learning.said_of, first.things)),
)

# %% [markdown] slideshow={"slide_type": "-"}
# 课程训练的图像塔（`siglip-tiles`）自己来认，各 320 张，图形和数字问的是“这种颜色的是什么”：

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "-"}
siglip = zoo.load("siglip-tiles")
for name, whats in {"图形": KINDS, "手写数字": DIGITS}.items():
    right = [siglip_tiles.accuracy(siglip, whats, side) for side in (32, 64)]
    print(f"{name}：切片里认对 {right[0]:.0%}，缩小一半 {right[1]:.0%}，瞎猜 {1 / len(whats):.0%}")
small, names = posters(range(UNSEEN, UNSEEN + 320), n_things=(1, 1)), [(c, w) for c in COLOURS for w in WHATS]
with torch.no_grad():
    seen = siglip_tiles.squeezed(torch.stack([each.picture for each in small]))
    found = siglip(seen, siglip_tiles.encode([siglip_tiles.named(*each) for each in names])).argmax(1)
n_right = sum(names[at][0] == each.things[0].colour for at, each in zip(found, small))
print(f"颜色：缩小一半，认对 {n_right / len(small):.0%}")

# %% [markdown] slideshow={"slide_type": "-"}
# 缩小一半，像素少了，东西也变小了，还离开了塔见过的位置。害它的是哪一样？“一个小 BLIP-3”里有对照。
#
# **切片**（tile）不丢像素，可是小图从一幅变成五幅，词元也变成五倍。多出来的怎么收？一张大海报切十二片又怎样？

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。先遮住切片，请学生只看缩小的全图说出上面有什么。常问：“东西恰好落在两片之间呢？”答：每片只看见一半，这时靠缩小的全图。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 改了什么
#
# BLIP-3 也叫 xGen-MM（2024 年 8 月）。它嫌 [BLIP-2](13_blip2.ipynb) 三处不便，又把数据放在第一位：
#
# | | BLIP-2 | BLIP-3 |
# |---|---|---|
# | 中间的桥 | Q-Former：能读字的 BERT，加上交叉注意力 | **重采样器**（Perceiver resampler）：只读图 |
# | 损失 | 第一阶段三个，第二阶段一个 | 从预训练到指令微调，只有一个：猜下一个词 |
# | 输入 | 一张图，一句话 | **图文交错**（interleaved）：一行里几张图、几段字 |
# | 分辨率 | 一种 | 预训练也是一种；微调起**任意分辨率**（any resolution）：切片，再各自采样 |
# | 语言模型 | 冻住 | 一起训练 |
# | 数据 | 1.29 亿对图文 | 加上图文混排的文档 MINT-1T，和补了知识的说明 KALE |
#
# 论文把切出来的 384×384 叫 patch。本章叫它切片，免得和塔里 14×14 的图像块相混。第一版另有一个用 DPO 调过、更少出错的，不在本章。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“Q-Former 去掉三个损失，不就是重采样器吗？”答：不是，结构也不同，后面有一格专门比。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图
#
# 从左上往下，再往右。紫线是图走的路：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
model = zoo.load("blip3-posters")
QUESTION = learning.IMAGE + "红色"
show_figure(
    plot_whole(
        model,
        to_shown(first.picture),
        to_shown(first_views),
        (2, 2),
        ["图" if each == learning.IMAGE else each for each in QUESTION],
    ),
    alt="BLIP-3 的全图。左：海报缩小一幅、切四片，五幅各过冻住的 SigLIP 图像塔，得 [5, 16, 64]。"
    "中：重采样器，可学习的向量 [5, 4, 64]，每层先 LayerNorm，q 来自向量，k、v 来自图像特征和向量自己，残差相加；再 LayerNorm、前馈、残差相加；重复两次；LayerNorm、线性层，一幅接一幅成 [20, 64]。"
    "右：文字查词，占位符换成 20 个图像词元，过 GPT-2 的块，因果，过词表，交叉熵只数文字",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 冻住的只有左边一列：重采样器、线性层、语言模型都在学。五幅小图到“一幅接一幅”那一格才碰面，在它以前互不相见。若是一起采，中间那列就会写 [1, 20, 64]，每个向量看 80 + 20 个键。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，一格一格报形状。常问：“没有位置编码，重采样器怎么知道哪块在哪里？”答：图像塔加过位置，特征里有；各片之间靠排在一行里的先后。又问：“塔是哪一座？”答：发布的权重有几版，早的一版（名字里带 r-v1）用一座 ViT-H，378 像素；v1.5 起是 SigLIP so400m，384 像素，论文说的是它。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 选一个网格
#
# 允许的网格有几种，一种一种试：把图按比例放到碰边，看**留下几个像素**。放大不会多出像素，所以至多算原图那么多。留得最多的当选；一样多，挑网格里空得最少的；还一样，取表里靠前的。
#
# $$
# s=\min\left(\frac{\text{行数}\cdot T}{H},\ \frac{\text{列数}\cdot T}{W}\right)
# $$
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 切片边长 $T=4$，图高 $H=3$、宽 $W=10$。公开代码允许五种网格。哪一种当选？
#
# - A. 1×2：空得最少
# - B. 2×2：片数最多
# - C. 1×3：一个像素也不丢
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
H, W, T = 3, 10, 4
for rows, columns in RELEASED:
    s = min(rows * T / H, columns * T / W)
    left = min(int(H * s) * int(W * s), H * W)
    print(f"{rows}×{columns}　放到 {H * s:.1f}×{W * s:.1f}　留下 {left:2}　空 {rows * columns * T * T - left:2}")
    assert fit(H, W, T, (rows, columns))[0] == left
print("当选", tiling_of(H, W, T, RELEASED).grid)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，1×3 那一行写在黑板上：倍数 1.2，3×10 放到 3.6×12。常问：“为什么不拉满？”答：字会变形；空白可以挡住，变形挡不住。又问：“全图不是压成方的吗？”答：是，它只管大概；SigLIP 的示例代码也把图直接压成方的（big_vision 91 号）。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真的照片，任意的形状
#
# 一张照片，裁成各种高和宽，$T=384$。左：原图；中：放进选中的网格；右：每种网格留下多少。拖高和宽，再换一张网格表：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
SIDES = [240, 480, 800, 1200]
TABLES = {"公开代码的五种": RELEASED, "至多 12 片": grids_within(12, 4)}


def cut(height, width, shown=48):  # 从照片正中裁出这个形状，缩到每片 shown 像素，只为了画
    photo = photograph("china")
    scale = min(photo.shape[0] / height, photo.shape[1] / width)
    h, w = int(height * scale), int(width * scale)
    top, left = (photo.shape[0] - h) // 2, (photo.shape[1] - w) // 2
    size = max(round(width * shown / 384), 1), max(round(height * shown / 384), 1)
    return np.asarray(Image.fromarray(photo[top : top + h, left : left + w]).resize(size, Image.Resampling.BOX))


def said_of(height, width, table):
    tiling = tiling_of(height, width, 384, TABLES[table])
    rows, columns = tiling.grid
    return (
        f"{table}：高 {height}、宽 {width} 的照片放进 {rows} 行 {columns} 列的网格，缩放到 {tiling.resized[0]}×{tiling.resized[1]}，"
        f"连缩小的全图 {tiling.n_views} 幅，{tiling.n_views * 128:,} 个词元"
    )


explore(
    lambda height, width, table: plots.plot_tiling(
        cut(height, width), tiling_of(height, width, 384, TABLES[table]), TABLES[table], n_latents=128
    ),
    said_of,
    height=Knob("高", SIDES, live=range(160, 1601, 80)),
    width=Knob("宽", SIDES, live=range(160, 1601, 80)),
    table=Knob("网格表", list(TABLES), kind="buttons"),
    start={"height": 480, "width": 1200},
    name="14-tiling",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 灰的是补出来的空白。看右边：蓝柱子顶到虚线，就一个像素也没丢。拖到 240×240：五种网格留下一样多，只好比谁空得少，结果还是占了两片，公开的表里没有 1×1。表里只有 2×2 是方的；若选的是形状最像的，就该选它。
# 拖到 1,200×1,200：五种网格最多留下四成，**任意分辨率不是不缩小**。
# :::

# %% [markdown]
# 有的教学材料写“至多 12 片，长边 1,536 像素”，和公开代码对不上：

# %%
show_erratum("K14-1")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先请学生猜 1,200×240 选什么。常问：“所以一张图总是 128 个词元吗？”答：不是，128 是每幅的；公开的设置里一张图 384、512 或 640 个。又问：“640 个贵多少？”答：语言模型要多读 512 格，图的那一份是不切片的五倍。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 一幅小图怎样看：SigLIP
#
# 每幅小图各过一遍图像塔，互不相见。塔是 SigLIP 的，**冻住**，训练时不求梯度。[第 11 章](11_clip.ipynb)讲过它的损失：CLIP 让一行分一份，SigLIP 每格问一道是非题。
#
# 小 SigLIP 看三片，其中两片上是同样的东西。同一组分数，两种读法：

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
THREE = [("red", "circle"), ("red", "circle"), ("blue", "7")]
three = [
    next(
        p for n in range(4000) if (p := poster(UNSEEN + 500 * at + n, 32, 32, n_things=(1, 1))).things[0][:2] == wanted
    )
    for at, wanted in enumerate(THREE)
]
three_names = [siglip_tiles.named(*wanted) + "。" for wanted in THREE]
with torch.no_grad():
    pair_logits = siglip(torch.stack([each.picture for each in three]), siglip_tiles.encode(three_names))
show_figure(
    plots.plot_questions(
        pair_logits.softmax(-1).numpy(), pair_logits.sigmoid().numpy(), [name[:-1] for name in three_names]
    ),
    alt="三片对三句话，左边每行 softmax，右边每格 sigmoid。前两片都是红色圆形："
    f"softmax 里两句各分到 {pair_logits.softmax(-1)[0, 0]:.2f}，sigmoid 里各是 {pair_logits.sigmoid()[0, 0]:.2f}",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# 两句都对时，softmax 只能平分，sigmoid 可以都答“是”。对 BLIP-3 来说，要的不是这些分数，而是塔在最后一个 LayerNorm 之后的 $N$ 个图像块特征；末尾汇总成一个向量的那一步用不上。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 重采样器：几个向量去读一幅图
#
# $N$ 个图像块特征太多。重采样器有 $Q$ 个**可学习的向量**（代码叫 latents），它们去读图，读完留下 $Q$ 个词元；再由一个线性层从宽 $D$ 变成语言模型的宽 $E$。一层里，键和值是**图像特征和这些向量自己**拼成的，一个 softmax。
#
# 手算：一个向量 $(1,0)$，图像特征两个，$(2,0)$ 和 $(0,2)$；q、k、v 都不变换，分数不除。分数 2、0、1，权重是 softmax：

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
latents = torch.tensor([[1.0, 0]])
media = torch.tensor([[2.0, 0], [0, 2]])
keys = torch.cat([media, latents])  # [N + Q, D]
weights = (latents @ keys.T).softmax(-1)
print("权重", [round(x, 2) for x in weights[0].tolist()], "读到", [round(x, 2) for x in (weights @ keys)[0].tolist()])

# %% [markdown] slideshow={"slide_type": "skip"}
# `course_lib` 里 q、k、v 各乘一个矩阵，分数除以每头宽度的平方根（这里一个头，宽 2），前面有两个 LayerNorm。把它们换成“什么也不做”，应当与手算相等：

# %% slideshow={"slide_type": "skip"}
attention = PerceiverAttention(2, 1, 2)
attention.norm_media = attention.norm_latents = torch.nn.Identity()
for name in ("to_q", "to_k", "to_v", "to_out"):
    getattr(attention, name).weight.data = torch.eye(2) * (2**0.5 if name == "to_q" else 1)
assert_close(attention(latents[None], media[None])[0], weights @ keys)
show_source(PerceiverAttention.heads)

# %% [markdown] slideshow={"slide_type": "-"}
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 本章的重采样器，$Q=4$。图像特征从 16 个换成 80 个，再把它们的次序打乱。输出会怎样？
#
# - A. 变成 20 个；打乱以后不同
# - B. 还是 4 个；打乱以后一样
# - C. 还是 4 个；打乱以后不同
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
few, many = torch.randn(1, 16, 64), torch.randn(1, 80, 64)
with torch.no_grad():
    out = model.sampler(many)
    shuffled = model.sampler(many[:, torch.randperm(80)])
print("输出的形状", list(model.sampler(few).shape), list(out.shape), end="；")
print("打乱以后相差不到 0.0001：", bool((out - shuffled).abs().max() < 1e-4))

# %% [markdown] slideshow={"slide_type": "skip"}
# 训练好以后，四个向量各看哪里？开头那张海报的前两幅，最后一层，各头平均：

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
with torch.no_grad():
    maps = model.sampler.attention_maps(model.features([first_views])[0])[-1].mean(1)  # [V, Q, N + Q]
show_figure(
    plots.plot_looks(to_shown(first_views)[:2], maps[:2].numpy()),
    alt="两幅小图，每幅四个向量各看哪里，越亮看得越多。看图的比例："
    + "；".join("、".join(f"{share:.0%}" for share in each[:, :16].sum(-1)) for each in maps[:2]),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# 这一片里，第 1、3、4 个向量最亮的格在红色圆形上，第 2 个不分明。换别的海报，偏向有东西的格，也没有这样清楚；缩小的全图上更散。百分数是看图的比例，余下的看向量自己。

# %% [markdown]
# 重采样器自己不知道谁在哪里，位置全靠塔加进特征里的。它也不是“去掉损失的 Q-Former”：
#
# | | Q-Former | 重采样器 |
# |---|---|---|
# | 一层 | 自注意力，再交叉注意力（隔层才有），再前馈 | 一次注意力，键是 [图像特征；向量]，再前馈 |
# | 读字 | 能，和文字共用自注意力 | 不能 |
# | 初值 | BERT-base | 随机 |
# | 归一 | 在后 | 在前，图像特征另有一个 LayerNorm |
# | 大小 | 约 188 M，32 个查询 | 约 106 M，128 个向量 |

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，权重写在黑板上：e² : e⁰ : e¹。常问：“向量自己为什么也当键？”答：它们借此互相看，不另设自注意力；一片全是空白时，也还有自己可读。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 各采各的，还是一起采
#
# $V$ 幅小图有两种采法。**各采各的**：每幅留 $Q$ 个，接起来 $VQ$ 个；**一起采**：$VN$ 个特征放在一起，一次采完。BLIP-3 的论文写的是各采各的。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 上面那张海报有 5 幅，各采 4 个，一共 20 个词元。只改右下角那一片里的东西，有几个词元会变？
#
# - A. 4 个
# - B. 8 个
# - C. 20 个
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
changed = first.picture.clone()
changed[:, 48:56, 48:56] = 1.0  # 右下角放一块白
with torch.no_grad():
    before, after = (model.tokens([learning.views(each).views])[0] for each in (first.picture, changed))
    features = model.features([learning.views(each).views for each in (first.picture, changed)])
    together = [model.sampler(each.flatten(0, 1)[None]) for each in features]
print("各采各的：变了的词元", (before != after).any(-1).nonzero()[:, 0].tolist())
print("一起采：", bool((together[0] != together[1]).any(-1).all()) and "每一个都变")

# %% [markdown] slideshow={"slide_type": "skip"}
# 变的是最后一片的 4 个，和**缩小的全图**的 4 个：它也看得见右下角。全图排在最前，第 0 到 3 个。

# %% slideshow={"slide_type": "skip"}
show_source(BLIP3.sample)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“一起采有什么不好？”答：片的次序丢了，一片里的小东西要和所有的片抢那几个向量；算起来也贵，一个向量要看 V 倍的键。
# :::

# %% [markdown]
# 论文说降采样对每一片各做一遍。公开代码送进重采样器的，却不总是一片。2×2 时改右下一片，会动两条横带：

# %%
show_erratum("K14-2")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一行：图文交错
#
# 图采成词元，放进文字里**占位符**（placeholder）▣ 的位置。一张图一个占位符，不论切了几片。文字和图排成一行，交给语言模型。下面一行有两张图，第一张切两片，第二张切一片；格里的数是第几片，“全”是缩小的全图：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
pair = poster(UNSEEN + 11, 32, 64, n_things=(1, 1)), poster(UNSEEN + 12, 32, 32, n_things=(1, 1))
pair_views = [learning.views(each.picture) for each in pair]
pair_text = learning.interleaved(pair)
pair_ids = learning.encode(pair_text)
with torch.no_grad():
    pair_tokens = model.tokens(*zip(*pair_views))
row = model.put_in([pair_ids], pair_tokens)
slots, image_of = [], []
for each in pair_text:
    if each == learning.IMAGE:
        number = max(image_of, default=0) + 1
        n_views = len(pair_views[number - 1].views)
        slots += [name for at in range(n_views) for name in ["全" if not at else str(at)] * 4]
        image_of += [number] * 4 * n_views
    else:
        slots.append(each)
        image_of.append(0)
counted = [at > 0 and not image for at, image in enumerate(image_of)]
show_figure(
    plots.plot_row(slots, image_of, counted, [to_shown(each.picture) for each in pair]),
    alt=f"一行 {len(slots)} 格。文字是“{pair_text}”，第一个占位符换成 {image_of.count(1)} 格，第二个换成 {image_of.count(2)} 格，"
    f"打勾的 {sum(counted)} 格是损失要数的：文字都数，图不数",
)

# %% [markdown] slideshow={"slide_type": "-"}
# 打勾的格要猜中，猜的人是它**前一格**。图的格不数：没有哪个编号可猜。图后面的第一个字由图的最后一格来猜，它已经看过整张图。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，请学生指出“图二的第一个字由谁猜”。常问：“图之间看得见吗？”答：重采样器里看不见，语言模型里看得见，后面的看前面的。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个损失
#
# 从预训练到微调只有这一个：打勾的格，平均的 $-\ln p$。没有对比，没有匹配，也没有第二个阶段。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 若把上面那一行里图的格也数进去（都当作要猜占位符 ▣），有几格照抄前一格就中？
#
# - A. 没有
# - B. 7 格
# - C. 18 格
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
with torch.no_grad():
    logits = model.lm.to_vocab(model.hidden(row))[0]  # [S, 词表]
    by_room = text_loss(model, [pair_ids], pair_tokens)
told = row.ids[0]
surprise = cross_entropy(logits[:-1], told[1:], reduction="none")  # 第 s 格猜第 s + 1 格
is_image = told == model.config.image_id
is_text = ~is_image[1:]
assert_close(surprise[is_text].mean(), by_room)
print(f"{len(told)} 格，有人猜的 {len(surprise)} 格，其中文字 {int(is_text.sum())} 格；损失 {by_room:.2f}")
print(f"若都数，图占 {is_image[1:].sum()} 格，其中前一格也是图的 {int((is_image[:-1] & is_image[1:]).sum())} 格")

# %% [markdown] slideshow={"slide_type": "skip"}
# 照抄就中的格，平均起来损失好看，却什么也不教；图越大，这样的格越多。

# %% slideshow={"slide_type": "skip"}
show_source(text_loss)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“没有对比损失，图和字怎么对得上？”答：塔已经用 SigLIP 的损失对过一次；重采样器和语言模型只要把它的特征变成能用的词元。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：一个损失够吗
#
# 两种做法，同一座图像塔，同一个先读过说明的小语言模型，画面里一样东西，写一句说明：BLIP-2 的（第一阶段三个损失，第二阶段接上冻住的语言模型），和 BLIP-3 的（一个损失，语言模型也学）。看一样多的图，或者做一样多的运算。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 都看 8,000 张图，考没见过的搭配，一字不差才算对。
#
# - A. BLIP-2 多：三个损失教得多
# - B. 差不多
# - C. 一个损失多：每一步都在学写
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
one = figures_of(load_record("C18c"))
KINDS_OF_TRAINING = ["BLIP-2，\n两个阶段", "一个损失，\n图一样多", "一个损失，\n运算一样多", "图一样多，\n语言模型冻住"]
show_figure(
    plots.plot_reached({"一字不差的说明": one["right"].values}, KINDS_OF_TRAINING, label="写对"),
    alt="四根柱子，点是三个种子。"
    + "；".join(
        f"{name.replace(chr(10), '')} {mean:.0%}（{operations:,.0f} 十亿次运算）"
        for name, mean, operations in zip(KINDS_OF_TRAINING, one["right"].mean, one["gigaflops"].mean)
    ),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# 图一样多时，一个损失**学得快**得多，运算还省一半多；BLIP-2 的做法，三个种子也差得远。最后一根柱子把语言模型冻住，照样快，所以功劳主要不在“语言模型也学”；在损失、阶段，还是在桥的结构，这里没有再拆开。BLIP-2 的第一阶段还学会了检索和匹配，这里不考。
# 谁最后更好，这里看不出：[第 13 章](13_blip2.ipynb)里 BLIP-2 的做法两个阶段各学 200 步，写对 94%，与这里的一个损失差不多。卡片里的 +30.4% 是百分点：中间两根柱子各减第一根，再平均。

# %% slideshow={"slide_type": "skip"}
show_claim("C18c")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先投票。常问：“BLIP-2 学满不是也写得对吗？”答：是，94%；这里比的是谁学得快。又问：“语言模型跟着学，会不会忘了别的？”答：可能会，这个小实验看不到。整段码不在课上讲。
# :::

# %% [markdown]
# ## 整段码
#
# 图上每个方框各是几行。`block` 是前归一的一块，塔和语言模型共用；`tower` 是左边一列，`sample` 是中间一列，`whole_blip3` 排成一行，最后是损失。占位符和字一样有编号（`image_id`），遇到它就换成图的词元。塔和语言模型照 SigLIP、GPT-2，GELU 用 tanh 的近似；采样照 Flamingo，用精确的。塔的 eps 是 1e-6，别处 1e-5：


# %%
def norm(x, w, eps=1e-5):
    x = x - x.mean(-1, keepdim=True)
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * w["weight"] + w["bias"]


def affine(x, w):
    return x @ w["weight"].T + w.get("bias", 0)


def gelu(x):
    return x * (1 + torch.erf(x / 2**0.5)) / 2


def gelu_tanh(x):
    return x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2


def mix(q, k, v, may, n_heads=4):  # q：[B, 查询, D]；k、v：[B, 键, D]
    q, k, v = (x.unflatten(-1, (n_heads, -1)).transpose(1, 2) for x in (q, k, v))
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~may, -torch.inf)
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def block(x, w, may, eps):
    q, k, v = affine(norm(x, w["norm_attention"], eps), w["attention"]["to_qkv"]).chunk(3, -1)
    x = x + affine(mix(q, k, v, may), w["attention"]["to_out"])
    wide = gelu_tanh(affine(norm(x, w["norm_feedforward"], eps), w["feedforward"]["up"]))
    return x + affine(wide, w["feedforward"]["down"])


def tower(views, w, side=8):  # [V, 3, 32, 32] → [V, N, D]
    patches = views.unfold(2, side, side).unfold(3, side, side).permute(0, 2, 3, 1, 4, 5)
    x = affine(patches.flatten(3).flatten(1, 2), w["patches"]["project"]) + w["positions"]
    for each in w["encoder"]["blocks"].values():
        x = block(x, each, torch.tensor(True), 1e-6)
    return norm(x, w["norm_out"], 1e-6)


def sample(seen, real, w):  # [V, N, D] → [V, Q, D]；real：不是空白的图像块
    x = w["latents"].expand(len(seen), -1, -1)
    may = torch.cat([real, torch.ones(x.shape[:2], dtype=torch.bool)], 1)[:, None, None]
    for each in w["blocks"].values():
        own, latents = each["attention"], norm(x, each["attention"]["norm_latents"])
        both = torch.cat([norm(seen, own["norm_media"]), latents], 1)
        q, k, v = affine(latents, own["to_q"]), affine(both, own["to_k"]), affine(both, own["to_v"])
        x = x + affine(mix(q, k, v, may), own["to_out"])
        x = x + affine(gelu(affine(norm(x, each["norm_feedforward"]), each["up"])), each["down"])
    return norm(x, w["norm_out"])


def whole_blip3(text, images, w, image_id):  # images：每张图的 (小图, 不是空白的块)
    pictures, parts, told = iter(images), [], []
    for each in text:
        x = w["lm"]["embedding"]["weight"][each][None]
        if each == image_id:
            views, real = next(pictures)
            x = affine(sample(tower(views, w["tower"]), real, w["sampler"]), w["to_lm"]).flatten(0, 1)
        parts.append(x)
        told += [each] * len(x)
    told, x = torch.stack(told), torch.cat(parts)[None] + w["lm"]["positions"]["weight"][: len(told)]
    for each in w["lm"]["blocks"].values():
        x = block(x, each, torch.ones(len(told), len(told)).tril().bool(), 1e-5)
    scores = (norm(x, w["lm"]["norm_out"]) @ w["lm"]["embedding"]["weight"].T)[0]
    surprise = -scores[:-1].log_softmax(-1).gather(-1, told[1:, None])[:, 0]
    return scores, surprise[told[1:] != image_id].mean()


# %% [markdown]
# 装上训练好的权重，与 `course_lib` 逐数比较：


# %% tags=["nbval-check-output"]
def by_name(weights):  # {"lm.blocks.0…": …} → 一层一层的字典
    tree = {}
    for name, tensor in weights:
        *path, last = name.split(".")
        place = tree
        for step in path:
            place = place.setdefault(step, {})
        place[last] = tensor
    return tree


with torch.no_grad():
    weights = by_name(model.named_parameters()) | {"tower": by_name(learning.tower().named_parameters())}
    ours, our_loss = whole_blip3(pair_ids, pair_views, weights, model.config.image_id)
assert_close(ours, logits, atol=1e-3, rtol=1e-3)
assert_close(our_loss, by_room, atol=1e-4, rtol=1e-3)
print("每一格的分数和损失都相同：", list(ours.shape))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个小 BLIP-3：看得清，才读得对
#
# 课程训练的小 BLIP-3（`blip3-posters`），3,000 步。下面的海报 96×96，训练时没有见过，手写数字也出自没见过的笔迹。说出颜色，如“▣红色”，看它接什么。同一张海报，放进三种网格，东西被缩到三分之一、三分之二和原样：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
LOOKS = {"1×1": (1, 1), "2×2": (2, 2), "3×3": (3, 3)}
N_THINGS = {number: 1 + (number > 4) + (number > 6) for number in range(1, 9)}  # 前四张各一样东西


def asked(number, look):
    shown, grids = poster(UNSEEN + 40 + number, 96, 96, n_things=(N_THINGS[number],) * 2), [LOOKS[look]]
    begun = [learning.said_of(thing).removesuffix(thing.name) for thing in shown.things]
    said = [text + learning.answer(model, [shown.picture], text, grids=grids)[0] for text in begun]
    return shown, learning.views(shown.picture, grids).views, said


def plot_asked(number, look):
    shown, seen, said = asked(number, look)
    boxes = [(thing.x, thing.y, thing.radius) for thing in shown.things]
    right = [text == learning.said_of(thing) for text, thing in zip(said, shown.things)]
    return plots.plot_read(to_shown(shown.picture), to_shown(seen), LOOKS[look], boxes, said, right)


def said_when(number, look):
    shown, seen, said = asked(number, look)
    return f"第 {number} 张海报，{look} 片，{len(seen)} 幅，{4 * len(seen)} 个词元：" + "；".join(
        f"{learning.said_of(thing)}，它说{text}" for text, thing in zip(said, shown.things)
    )


explore(
    plot_asked,
    said_when,
    number=Knob("海报", range(1, 9)),
    look=Knob("网格", list(LOOKS), kind="buttons"),
    start={"number": 2, "look": "3×3"},
    name="14-posters",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 右边是塔真正看见的，与左边的海报同一个比例；框是绿的，就说对了。第 5 张起有两三样东西。1×1 只有一片，和缩小的全图一样。若管用的是词元多，2×2 就该比 1×1 好得多。
# :::
#
# 各数 96 张，只有一样东西的，和有三样的：

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "-"}


def shares(found):
    kinds = ([ok for thing, ok in found if thing.is_digit == is_digit] for is_digit in (False, True))
    return "，".join(f"{name} {sum(ok):2}/{len(ok)}（{np.mean(ok):3.0%}）" for name, ok in zip(("图形", "数字"), kinds))


for n in (1, 3):
    for look, grid in LOOKS.items():
        exam = learning.pool(range(UNSEEN, UNSEEN + 96), 96, 96, [grid], n_things=(n, n))
        print(f"{n} 样东西，{look}，{4 * exam.features.shape[1]:2} 个词元：{shares(learning.marks(model, exam))}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 1×1 的图形比瞎猜（六种里猜一种）还低：认不出时，它多半答数字，数字占六成。

# %% [markdown] slideshow={"slide_type": "-"}
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 2×2 差在哪里？海报缩到 64×64（2×2 留下的像素），再放回 96×96，切 3×3：像素没有多，大小和位置照旧。一样东西的图形，读对几成？
#
# - A. 一成多，和 2×2 一样
# - B. 五成
# - C. 九成，和 3×3 差不多
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
CHANGES = {
    "3×3，原样": lambda picture: picture,
    "像素只留 2×2 那么多": lambda picture: resize(resize(picture, 64, 64), 96, 96),
    "像素只留 1×1 那么多": lambda picture: resize(resize(picture, 32, 32), 96, 96),
    "像素不少，平移 2 像素": lambda picture: picture.roll((2, 2), (1, 2)),
    "像素不少，平移 8 像素": lambda picture: picture.roll((8, 8), (1, 2)),
}
ones = learning.pool(range(UNSEEN, UNSEEN + 96), 96, 96, [(3, 3)], n_things=(1, 1))
for name, change in CHANGES.items():
    with torch.no_grad():
        features = model.features([learning.views(change(each.picture), [(3, 3)]).views for each in ones.posters])
    print(f"{name}：{shares(learning.marks(model, ones._replace(features=torch.stack(features))))}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 像素减到 2×2 那么多，只要大小、位置照旧，读对的几乎不少。像素一个不少，平移 2 像素，几乎全错；平移 8 像素又好了。所以这里 2×2 读不出，**主要不是像素不够，是东西变小、离开了格点**：这座塔只见过原样大小、中心在 8 的倍数上的东西，它又是冻住的，桥和语言模型学得再好也补不回来（最后的“词元，还是像素”里，每种网格各训练一个，2×2 照样读不出）。像素也算数：减到 1×1 那么多，就少了一半。真的 SigLIP 见过各种大小和位置，得失不会这样分明。
#
# 两件事要分开。**看得清**：片里的东西要有够多的像素，大小和位置也要塔认得；没有这些，词元从 8 个加到 20 个，几乎没有用。**对得上**：有三样东西时，3×3 也掉下来，错的多半是把一样的名字安到另一样的颜色上。
#
# 图文交错呢？64×64 的海报 192 张，共 400 样东西，单独问；再在前面放一张别的海报连同它的文字，再问：

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
alone, behind = learning.exact(model, learning.exam()), learning.second(model)
print(f"单独一张，读对 {alone:.0%}；排在另一张图和它的文字后面，读对 {behind:.0%}；瞎猜 {1 / len(WHATS):.0%}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 排在后面掉一些，可是远高于瞎猜：问的是哪张图，它大体分得清。掉的一个可能：训练时九步里只有两步是两张图，后面的位置学得少；这里没有再查。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先看 1×1，请学生也猜；再投票，揭开对照。常问：“它是不是只会背颜色和东西的搭配？”答：搭配是随便抽的，颜色不提示是什么。又问：“真的塔也这样怕平移吗？”答：不会，它见过的图杂；这座小塔只学了格点上的，是为了学得快。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：各采各的，读对更多吗
#
# 同样的海报，同样的步数，**词元也一样多**：5 幅各采 4 个，或 20 个向量一起看 5 幅；再各比一次 1 个和 5 个。这是我们加的对照：论文比的是整张 128 个和每片 128 个，词元差几倍。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 图像塔反正是一片一片看的。词元一样多，谁读对的多？
#
# - A. 各采各的：小东西不用和别的片抢
# - B. 一起采：每个向量看得全
# - C. 差不多
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
sampled = figures_of(load_record("C18"))["right"]  # [种子，两种预算，各采各的与一起采]
WAYS = ["各采各的", "一起采"]
show_figure(
    plots.plot_reached(
        {way: sampled.values[:, :, at] for at, way in enumerate(WAYS)}, ["5 个词元", "20 个词元"], label="读对的东西"
    ),
    alt="两种词元数，各两根柱子，点是三个种子。"
    + "；".join(
        f"{n} 个词元：" + "，".join(f"{way} {mean:.0%}" for way, mean in zip(WAYS, means))
        for n, means in zip((5, 20), sampled.mean)
    ),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# 20 个词元时几乎一样。5 个词元时各采各的高一些，可是主要靠一个种子，另两个差不到 4 个百分点。平均多的那一点，够不上我们事先定的“每处都多 5 个百分点”：主张只有一部分成立，看不出稳定的差别。5 个词元并不比 20 个差，也许是少的学得快，这里没有再查。卡片里的“视图”是一幅小图，“块”是切片。
# 各采各的另有好处。便宜：一个向量只看 $N+Q$ 个键，一起采要看 $V$ 倍；幅数变了，重采样器不用改；片的次序也留在行里。论文里它赢，也可能只是因为词元多。

# %% slideshow={"slide_type": "skip"}
show_claim("C18")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先投票。常问：“那还切片做什么？”答：切片让东西以塔认得的大小进塔，像素也留得住，这一步值；采样怎么分，是第二位的事。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 数据先行
#
# 结构越改越简单，省下的力气给了数据。四类，预训练混在一起，都用同一个损失：
#
# | 数据 | 是什么 | 多大 | 教什么 |
# |---|---|---|---|
# | MINT-1T | 网页、PDF、论文，图和字按原来的次序 | 一万亿文字词元，34 亿张图 | 一行里几张图，前文对后文的提示 |
# | KALE | 图的详细说明，补进网上原有的知识 | 2.18 亿对 | 说得细，叫得出名字 |
# | 其他图文对 | CC12M、SBU、VG 等公开的 | | 打底 |
# | OCR、定位 | 论文自己标的两份 | 名叫 OCR-200M、GROUNDING-50M | 读字，指位置 |
#
# [BLIP](12_blip.ipynb) 用 CapFilt 洗数据，KALE 走得更远：先让大模型写详细的说明，再让语言模型把网上原有的字补进去，最后教一个小模型照样写两亿句。
#
# 交错的数据换来**少样本**：给两个例子，第三张图照样答。这是从 GPT-3 的[上下文学习](09_gpt3.ipynb)来的，只是例子里有了图。论文的摘要说，只做过预训练的那个模型上下文学习很强；我们的小模型没有试。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“MINT-1T 全用上了吗？”答：没有。预训练一共约一千亿个多模态词元，是从各份数据里按比例抽的。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：常见误区
#
# :::{admonition} 1. “一张图总是 128 个词元”
# :class: pitfall
# 128 是每幅小图的。一张图 $VQ$ 个，随切几片而变；整张图只有 128 个的，是不切片的预训练阶段。
# :::
#
# :::{admonition} 2. “任意分辨率就是不缩放”
# :class: pitfall
# 图要先放进网格：大图缩小，小图放大。网格表有多大，分辨率就封顶在哪里。
# :::
#
# :::{admonition} 3. “每片一个占位符”
# :class: pitfall
# 一张图一个，不论几片。片与片之间没有分隔符，谁在左、谁在右，全靠先后。
# :::
#
# :::{admonition} 4. “切片看得见整件东西”
# :class: pitfall
# 东西恰好跨在两片之间，每片只看见一半：开头那张海报上就有一样。靠缩小的全图补，可是全图上它又太小。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先让学生说哪句对。常问：“片之间留一点重叠行不行？”答：行，有的模型这样做；代价是更多的片。
# :::

# %% [markdown]
# ## 真的 BLIP-3
#
# 修订版的摘要说放出 4B 和 14B 两档。4B 那一档的重采样器，用 `course_lib` 的 `PerceiverResampler` 搭一遍，只要形状，不占内存：

# %% tags=["nbval-check-output"]
with torch.device("meta"):
    released = PerceiverResampler(128, 6, 1152, 16, d_head=96)
    projection = torch.nn.Linear(1152, 3072)
n_sampler = sum(p.numel() for part in (released, projection) for p in part.parameters())
print(f"重采样器：6 层，16 头，每头 96，加上到 3072 的线性层，{n_sampler / 1e6:.0f} M 参数")
print(
    f"SigLIP so400m：384 像素，块 14，每幅 {(384 // 14) ** 2} 个图像块，采成 128 个，约 {(384 // 14) ** 2 / 128:.1f} 比 1"
)

# %% [markdown]
# 图像塔 SigLIP so400m，宽 1152，27 层；语言模型 Phi-3-mini，32 层，宽 3072。代码在 LAVIS 的 `xgen-mm` 分支，从 OpenFlamingo 改来。
#
# ## 往后看
#
# - **从第 13 章来**：冻住图像塔、中间一座桥的做法还在；Q-Former 换成重采样器，语言模型不再冻住。
# - **到第 15 章去**：LLaVA 更简单，桥只是两层 MLP，一个图像块就是一个词元，不采样；它的 1.5-HD 和 NeXT 也切片，BLIP-3 选网格的规则就是从那里来的。
# - **第 17 章**：Qwen2-VL 不切片，让塔直接读原来的大小。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 六题，连小问约 45 分钟：两题心算，三题修程序，一题写代码，每题后面跟着一个小问。把 `...` 换成你的答案，运行 `check`；在网页上，心算题可以直接填。它认得常见的错。

# %%
exercise("14-blip3-1")

# %%
answer = ...  # 一个整数

check("14-blip3-1", answer)

# %%
next_answer = ...  # 小问：一个整数

check("14-blip3-1-next", next_answer)

# %%
exercise("14-blip3-2")


# %%
def my_view(y, x, height, width, tile, rows, columns): ...


check("14-blip3-2", my_view)

# %%
next_answer = ...  # 小问：0 到 1 的数，或百分数

check("14-blip3-2-next", next_answer)

# %%
exercise("14-blip3-3")


# %%
def my_read(q, media, latents, is_media): ...


check("14-blip3-3", my_read)

# %%
next_answer = ...  # 小问：一个整数

check("14-blip3-3-next", next_answer)

# %%
exercise("14-blip3-4")


# %%
def my_labels(ids, is_token, image_id): ...


check("14-blip3-4", my_labels)

# %%
next_answer = ...  # 小问：一个整数

check("14-blip3-4-next", next_answer)

# %%
exercise("14-blip3-5")


# %%
def my_put_in(ids, sizes, image_id): ...


check("14-blip3-5", my_put_in)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("14-blip3-5-next", next_answer)

# %%
exercise("14-blip3-6")

# %%
answer = ...  # 一个整数

check("14-blip3-6", answer)

# %%
next_answer = ...  # 小问：一个数

check("14-blip3-6-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 一张图缩小一幅、切几片，每幅各过冻住的 SigLIP 塔；选留下像素最多的网格。
# 2. 重采样器用 $Q$ 个可学习的向量读一幅图；键是图像特征和向量自己，一个 softmax。
# 3. 各采各的：一张图 $VQ$ 个词元，不是固定的 $Q$ 个；改一片，只动它和缩小的全图（论文的写法；公开代码采的是横带）。
# 4. 一张图一个占位符，图文排成一行；语言模型一起训练。
# 5. 只有一个损失：猜下一个词，图的格不数。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。请学生不看屏幕说出第 3 句。常问：“现在还切片吗？”答：切片仍常见（LLaVA-OneVision、InternVL），另一路是让塔读原生分辨率，见第 17 章。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Xue 等，xGen-MM（BLIP-3）（2024-08，arXiv:2408.08872）。先看结构一节和任意分辨率的消融。各版的标题都是 xGen-MM (BLIP-3)，修订版的摘要改称 BLIP-3，数字也有改动，读时留意版本。
# - **数据**：Awadalla 等，MINT-1T（2024-06，arXiv:2406.11271）；Awadalla 等，BLIP3-KALE（2024-11，arXiv:2411.07461）。
# - **前身**：Alayrac 等，Flamingo（2022，arXiv:2204.14198），3.1 节是 Perceiver resampler，图文交错也从这里来；Zhai 等，SigLIP（2023，arXiv:2303.15343）。
# - **代码**：salesforce/LAVIS 的 `xgen-mm` 分支，`open_flamingo/src/helpers.py` 是重采样器，`src/vlm.py` 的 `_encode_vision_x_anyres` 是切片，`train/any_res_data_utils.py` 选网格。
# - **提问**（GitHub 的 issue）：huggingface/transformers 的 31275 号（小图为什么也有三幅）、31327 号（行和列有没有写反）。
#
# 下一章：LLaVA，桥只剩两层 MLP。

# %% [markdown]
# ## 证据与考据
#
# ### 词元，还是像素
#
# 海报是方的，96×96。切成 1×2，词元变成三倍，像素一个也不多；切成 3×3 才是原样。每种网格各训练一个模型：

# %% tags=["hide-input"]
by_size = figures_of(load_record("C18b"))["right_by_size"].values  # [种子，网格，半径]
show_figure(
    plots.plot_reached(
        {"图里的东西，大小四种平均": by_size.mean(-1)},
        ["只有缩小的全图\n4 个词元", "1×2\n12 个", "2×2\n20 个", "3×3\n40 个"],
        label="读对",
    ),
    alt="四种网格各一根柱子，点是三个种子。"
    + "；".join(
        f"{name} {mean:.0%}" for name, mean in zip(("只有缩小的全图", "1×2", "2×2", "3×3"), by_size.mean((0, 2)))
    ),
)

# %% [markdown]
# 只有缩小的全图，比前面的 1×1 少一幅相同的。只加词元，一点没多；2×2 也几乎没多；到 3×3，才猛地多起来。主张里“只加词元不管用”成立，“一级一级地多”不成立。“管用的是像素”由这张图说不清：换一种网格，像素、大小、位置一起变。“一个小 BLIP-3”里的对照把它们分开：2×2 主要输在塔不认得的大小和位置。

# %%
show_claim("C18b")

# %% [markdown]
# ### 重采样器的两处细节
#
# 键和值里有没有向量自己：

# %%
show_erratum("K14-4")

# %% [markdown]
# 头数和大小，注释与参数不同：

# %%
show_erratum("K14-3")

# %% [markdown]
# ### 空白、缝和小数
#
# 补出来的空白在哪里挡住：

# %%
show_erratum("K14-5")

# %% [markdown]
# 384 像素，塔读到了几个：

# %%
show_erratum("K14-6")

# %% [markdown]
# 截掉小数会不会改变选择：

# %%
show_erratum("K14-7")

# %% [markdown]
# ### 数据有多大

# %%
show_erratum("K14-8")
