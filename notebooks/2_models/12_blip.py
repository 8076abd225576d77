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
# # 12 BLIP：会读也会写，还会挑数据
#
# 网上的图配着网上的字，有不少是错的。拿这样的数据教出来的模型，能不能反过来挑出哪句是错的，再自己写一句对的？
#
# **学完能做什么**
#
# - 对着一张图说出 BLIP 的四个模块，哪些参数是同一份，并读懂装起它的五十来行代码
# - 手算软标签、难负样本和标签平滑
# - 说清一步训练里图看几遍、文字读几遍、谁收得到梯度
# - 算一个过滤器的精确率和召回率，说出它看不见什么
# - 分清 CapFilt 和预训练是两件事

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。只念谜面。常问：“自己教自己，不会越教越错吗？”答：先存着。过滤器和描述器是分开微调的，论文还专门试过让它们共用参数，变差了。
# :::

# %% [markdown]
# **先修**：[06 完整 Transformer](../1_foundations/06_transformer.ipynb)（编码器、解码器、交叉注意力）、[10 ViT](10_vit.ipynb)、[11 CLIP](11_clip.ipynb)（对比学习、温度、假负样本）。核采样在 [08 GPT-2](08_gpt2.ipynb)。
#
# **阅读** 约 45 分钟，练习另加 47 分钟。**运行** 实测约 20 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $N$ | 一批里有几对图文 | 本章训练时 24 |
# | $K$ | 队列里有几行 | 论文的代码 57,600，本章 96 |
# | $L$ | 一句话的词元数，含开头和结束 | 本章至多 17 |
# | $V$ | 词表大小 | |
# | $D$ | 文字的宽度 | 本章 64 |
# | $\tau$ | 温度 | 从 0.07 学起，限在 0.001 到 0.5 |
# | $p_{ij}$ | 学生的图对老师各句的 softmax：这一批的句子在前，队列在后 | $[N,N+K]$ |
# | $q_{ij}$ | 慢老师的 softmax | $[N,N+K]$ |
# | $y_{ij}$ | 标签：$i=j$ 是 1，别处是 0 | $[N,N+K]$ |
# | $t_{ij}$ | 软标签 | $[N,N+K]$ |
# | $\alpha$ | 软标签里老师占的份 | 头两遍从 0 升到 0.4 |
# | $\theta$、$\phi$ | 学生的参数，慢老师的参数 | |
# | $m$ | 动量 | 0.995 |
# | $\varepsilon$ | 标签平滑分出去的份 | 0.1 |
# | $j$ | 句的编号；下标 $ij$：第 $i$ 张图，第 $j$ 句 | |
# :::

# %% slideshow={"slide_type": "skip"}
import math

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from course_lib import zoo
from course_lib.chapters.ch12_blip import figures as plots
from course_lib.chapters.ch12_blip import captioning, learning
from course_lib.chapters.ch12_blip.whole_figure import plot_whole
from course_lib.course.claims import figures_of, load_record
from course_lib.data.real.emoji.drawings import emoji
from course_lib.data.world.noise import noisy_captions
from course_lib.data.world.render import render_batch, to_model
from course_lib.data.world.scenes import at_position, hold_out_triples
from course_lib.foundations.contrastive import similarities
from course_lib.foundations.hard_negatives import negative_weights
from course_lib.foundations.momentum import FeatureQueue, follow, soft_nce, soft_targets
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, show_source, start
from course_lib.models.blip import BLIP, SIZES
from course_lib.models.blip_pretrain import match_loss
from course_lib.toys.words import Words
from course_lib.widgets import Knob, explore

start("12")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：网上的字
#
# 六张图，配着“网上找来”的六句话。噪声是我们自己加的，所以知道真相：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
_, unseen = hold_out_triples(0)  # 48 种搭配，下面的模型训练时一次也没见过
web_scenes = [at_position(*kind, seed=1, index=70 + at) for at, kind in enumerate(unseen)]
web_pictures = render_batch(web_scenes)  # [48, 32, 32, 3]
web = noisy_captions(web_scenes, 5, rate=50)
show_figure(
    plots.plot_said(web_pictures[:6], [each.text for each in web[:6]], [each.is_clean for each in web[:6]]),
    alt="六张图和配着的话，✓ 是说对了，✗ 是说错了："
    + "；".join(("✓ " if each.is_clean else "✗ ") + each.text for each in web[:6]),
)

# %% [markdown] slideshow={"slide_type": "-"}
# CLIP 会打分：这句话像不像这张图。可是有两件事它不会：**写**一句新的；把图和字**放在一起细读**，它的两座塔到最后才见面。
# BLIP（2022 年 1 月）两样都要，再用它们清洗教自己的数据。这叫 **自举**（bootstrapping）：英语成语，拉着靴带提起自己，不靠外力。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先遮住 ✓ ✗ 请学生判断。常问：“真的网上数据错得这么多吗？”答：没有真值可数，所以这里自己加噪声；论文图 4 有真实的例子：一群鸟飞过黄昏的湖，网上的字是“从我家附近的桥上”。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 两条老路，和第三条
#
# | | 结构 | 做得好的 | 做不好的 |
# |---|---|---|---|
# | CLIP、ALBEF（2021） | 编码器 | 检索、判断 | 写说明：没有解码器 |
# | VL-T5、SimVLM（2021） | 编码器–解码器 | 写说明、回答 | 检索：论文说没有成功的先例 |
# | **BLIP** | 一套文字参数，三种读法 | 检索、判断、写 | |
#
# 三种读法，各有一个损失：
#
# - **图文对比**（image-text contrastive，ITC）：图和字各读各的，比方向。快，是 CLIP 的做法
# - **图文匹配**（image-text matching，ITM）：字看着图读，答是或不是。慢，准
# - **语言建模**（language modeling，LM）：看着图，一个字一个字写

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“有了匹配，还要对比做什么？”答：一万句里挑一句，匹配要跑一万遍；先用对比挑出前几百，再用匹配排。难负样本也靠它挑。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图
#
# 跟着“左上角有一个红色圆形。”和它的图，从上往下读。同一行里颜色相同的框，是**同一份参数**：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
config = learning.build().config.blip
TRIPLE = ("red", "circle", "top left")
picture = render_batch([at_position(*TRIPLE, seed=1, index=5)])[0]
show_figure(
    plot_whole(config, picture, [*learning.sentence(TRIPLE, "zh"), "终"]),
    alt="BLIP 的全图，四列从上到下。图像塔：切块 [16, 64]，加分类词元和位置 [17, 64]，ViT 的块两次，LayerNorm，一路取第 0 行投影给 ITC，一路给右边两列的交叉注意力。"
    "三列文字，各 15 个词元：词加位置、LayerNorm；自注意力，前两列双向，同一份参数，第三列因果，另一份；交叉注意力，只有后两列有，读图像塔的末尾；前馈 64 到 256 再到 64。"
    "每个子层都有残差，LayerNorm 在相加之后。末尾：第一列取第 0 行投影给 ITC，第二列取第 0 行分两类给 ITM，第三列每行过词表给 LM",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 紫线：图只看一次，末尾的输出分给两列、每一层。若各层读的是图像塔的“对应层”，就该有很多条紫线。
# 第 0 个词元告诉模型这是哪种读法：[始]、[编]（论文写 [Encode]）、[写]（[Decode]）。“图中”是提示，这里预训练就带着；论文的“a picture of”只在微调写说明和生成时才加。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，一列一列走，让学生报形状。常问：“LayerNorm 怎么在后面？”答：文字这边用 BERT 初始化，BERT 是后归一；图像塔是 ViT，前归一。ViT-B 从 DeiT 来，ViT-L 从 ImageNet-21k 来。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一份参数，三种读法
#
# 谁可以读谁，就是三张掩码。蓝是字，紫是图，灰是不许：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
show_figure(
    plots.plot_masks(["始", "红", "色", "圆", "形"], 4),
    alt="三张掩码。只读文字：五个词元互相都看得见，图看不见。读文字，看着图：五个词元互相看得见，图也都看得见。写文字，看着图：只看得见自己和前面，图都看得见",
)

# %% [markdown] slideshow={"slide_type": "-"}
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 发布的 BLIP（ViT-B）只把自注意力分成“读”和“写”两份，其余共用。多出来的这份，占文字参数的多少？
#
# - A. 一半
# - B. 两成不到
# - C. 不到百分之一
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
with torch.device("meta"):  # 只要形状，不占内存
    released = BLIP(SIZES["ViT-B/16"])


def millions(*parts):
    return sum(p.numel() for part in parts for p in part.parameters()) / 1e6


image, text, all_of_it = millions(released.image), millions(released.text), millions(released)
second = millions(*(layer.attention["decode"] for layer in released.text.layers))
print(f"图像塔 {image:.0f} M，文字 {text:.0f} M，其中多出的自注意力 {second:.0f} M，占 {second / text:.0%}")
print(f"全共用 {all_of_it - second:.0f} M，自注意力分开 {all_of_it:.0f} M", end="，")
print(f"读和写各一套 {all_of_it - second + text - second:.0f} M")

# %% [markdown]
# 224、252、361：与论文表 3 的三个数相同。论文试过四种，自注意力分开的最好：读要看两边，写只许看前面，这件事上两者冲突；查词、看图、前馈没有冲突。
#
# 不信是同一份？让三种读法各求一次梯度，看梯度到了哪里：

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
torch.manual_seed(0)
small = BLIP(config)
images = torch.rand(2, 3, 32, 32)
ids = learning.encode([learning.sentence(TRIPLE, "zh")] * 2)
reached = {}
for name, read in {
    "只读": lambda: small.text_features(ids),
    "看着图读": lambda: small.matches(small.look(images), ids),
    "写": lambda: small.next_words(small.look(images), ids),
}.items():
    small.zero_grad(set_to_none=True)
    read().sum().backward()
    weights = small.text.layers[0].named_parameters()
    reached[name] = {key for key, p in weights if p.grad is not None}
print("　" * 8, *reached)
for part, title in {
    "attention.encode": "自注意力，读",
    "attention.decode": "自注意力，写",
    "cross": "交叉注意力",
    "feedforward": "前馈",
}.items():
    ticks = ["✓" if any(key.startswith(part) for key in keys) else "–" for keys in reached.values()]
    print(title.ljust(8, "　"), *ticks, sep="　")

# %% [markdown]
# 紫线读的是哪一层，常有人说错（表的第一行出自一份流传的教学材料）：

# %%
show_erratum("K12-1")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先投票。常问：“为什么偏偏自注意力不共用？”答：双向读的权重，用到只许看前面的时候就不合适；论文里全共用的那一行各项都低一些。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 对比：标签要软一点
#
# 一批三对，两张都是左上角的红圆，一句中文，一句英文。第一张图与三句话的余弦，学生给 0.5、0.3、0.2，慢老师给 0.5、0.45、0.1，$\tau=0.1$。
# 英文那句其实也对，标签却说它错：这是[第 11 章](11_clip.ipynb)的假负样本。BLIP 照 ALBEF，把标签换成**软标签**（soft label）：
#
# $$
# t_{ij}=\alpha\,q_{ij}+(1-\alpha)\,y_{ij}
# $$
#
# $y_{ij}$ 是标签，$q_{ij}$ 是老师的 softmax，$\alpha$ 头两遍从 0 升到 0.4。损失仍是交叉熵 $-\sum_j t_{ij}\ln p_{ij}$，$p_{ij}$ 是学生的 softmax。
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 分数的梯度还是“概率减去目标”。换成软标签，英文那句会被怎样？
#
# - A. 拉近
# - B. 推开，只是轻一些
# - C. 不动
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
student, teacher = torch.tensor([[[5, 3, 2]], [[5, 4.5, 1]]]).double()  # 余弦 / τ
p, q = student.exp() / student.exp().sum(), teacher.exp() / teacher.exp().sum()
y = torch.tensor([[1.0, 0, 0]]).double()
t = 0.4 * q + 0.6 * y
rows = {"学生 p": p, "老师 q": q, "目标 t": t}
rows |= {"硬标签的梯度 p − y": p - y, "软标签的梯度 p − t": p - t}
for title, row in rows.items():
    print(title.ljust(14, "　"), *(f"{x:+.2f}" for x in row[0].tolist()))

# %% [markdown] slideshow={"slide_type": "skip"}
# 英文那句的梯度从 +0.11 变成 −0.04：老师觉得它也像，学生就把它拉近。

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
show_figure(
    plots.plot_soft(y[0].tolist(), q[0].tolist(), 0.4, ["左上角红色圆形", "a red circle …", "中间蓝色十字形"]),
    alt="第一张图对三句话，三组柱子。标签 1、0、0；慢老师 0.62、0.37、0.01；目标是四六开的混合：0.85、0.15、0.00",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# `course_lib` 的 `soft_targets` 和 `soft_nce` 与手算相等：

# %% slideshow={"slide_type": "skip"}
assert_close(soft_targets(teacher, 0.4), t)
assert_close(soft_nce(student, t), -(t * p.log()).sum())
show_source(soft_targets)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，q 和 t 写在黑板上。常问：“老师要是错了呢？”答：老师只占四成，标签占六成；而且训练头两遍 α 从 0 慢慢升到 0.4，那时老师还什么都不懂。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 慢老师和队列
#
# 老师是谁？是学生自己的慢影子，叫**动量编码器**（momentum encoder）。每一步只挪一点，不求梯度：
#
# $$
# \phi\leftarrow m\,\phi+(1-m)\,\theta
# $$
#
# $\theta$ 是学生的参数，$\phi$ 是老师的，$m=0.995$。老师每步说过的特征存进一条**队列**（queue），先进先出，下一步接着当负样本。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 每张卡 75 对，32 张卡；入队时才汇总各卡的特征。队列 57,600 行。一张图这一步和几句话比？
#
# - A. 2,400
# - B. 57,675
# - C. 60,000
# :::

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "fragment"}
card, K, m = 75, 57_600, 0.995
step = card * 32
print(f"自己这张卡 {card}，加队列 {K:,}，一共 {card + K:,} 句；比完，{step:,} 句入队")
print(f"最老的一行是 {K // step} 步前的；今天的老师里，那时的参数还占 {m ** (K // step):.0%}")
print(f"换掉一半要 {math.log(0.5) / math.log(m):.0f} 步；一条队列占 {K * 256 * 4 / 2**20:.0f} MiB")

# %% [markdown]
# 两样要一起用：队列里的特征是几十步以前的，老师走得慢，所以还没过时。若让学生自己往里存，几十步就对不上了。
#
# $p_{ij}$ 里只有图的特征是学生的，句子全是老师的，这一批和队列都是。反过来，每句也和各图比，ITC 取两个方向的平均；所以队列有两条，存图，存句。
#
# 老师和队列都不收梯度。有人在 GitHub 上问（BLIP 的 38 号 issue）：代码里有，论文怎么没写？论文 3.2 节提到动量编码器和软标签；队列只写在代码里。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
one = torch.nn.Linear(1, 1, bias=False)
slow = torch.nn.Linear(1, 1, bias=False)
one.weight.data.fill_(2.0)
slow.weight.data.fill_(1.0)
follow(slow, one, momentum=0.995)
print(f"学生 2，老师 1，一步以后老师是 {slow.weight.item():.3f}")
queue = FeatureQueue(4, 1)
for step in (1, 2, 3):  # 每步两行
    queue.push(torch.tensor([[10.0 * step], [10.0 * step + 1]]))
print("4 行的队列，写满就从头覆盖。推了三步，每步两行：", queue.rows()[:, 0].tolist())

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。75 出自公开的配置；论文用两台 16 卡的机器，一批 2,880（ViT-B）或 2,400（ViT-L），32 × 75 正好是后者。常问：“CLIP 为什么没有队列？”答：它一批就有 32,768 对；BLIP 一批小，用队列凑分母。BLIP-2 又不要队列了：图像塔冻住，一批可以更大。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 匹配：错的要难
#
# 匹配是一道是非题。错的从哪里来？随便抽一句，多半错得离谱，不细看图也答得对。
# 所以按对比的相似度抽，越像越容易抽到，叫**难负样本**（hard negative）；自己的那句不许抽。
#
# 四张真的图，余弦来自本章训练好的 BLIP。拖 τ，再告诉它谁和谁相同：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
blip = zoo.load("blip-shapes").blip
FOUR = [
    (("red", "circle", "top left"), "zh", "左上角\n红色圆形"),
    (("red", "circle", "top left"), "en", "a red circle\nat the top left"),
    (("red", "ring", "top left"), "zh", "左上角\n红色圆环"),
    (("blue", "cross", "centre"), "zh", "中间\n蓝色十字形"),
]
four_pictures = torch.cat([learning.look_at([kind], 3 * 10**7 + at) for at, (kind, *_) in enumerate(FOUR)])
four_shown = render_batch([at_position(*kind, 0, 3 * 10**7 + at) for at, (kind, *_) in enumerate(FOUR)])
four_ids = learning.encode([learning.sentence(kind, language) for kind, language, _ in FOUR])  # [4, 17]
four_cosines = learning.contrast(blip, four_pictures, four_ids)  # [4, 4]
twins = torch.tensor([[one[0] == other[0] for other in FOUR] for one in FOUR])


def draws(tau, told):
    weights = negative_weights(four_cosines / tau, twins if told else None)
    return (weights / weights.sum(-1, keepdim=True)).numpy()


TAUS = [0.5, 0.2, 0.1, 0.05]
explore(
    lambda tau, told: plots.plot_draws(
        draws(tau, told), four_shown, [name for *_, name in FOUR], (twins & ~torch.eye(4, dtype=bool)).numpy()
    ),
    lambda tau, told: (
        f"τ = {tau}，{'告诉它谁相同' if told else '不告诉它'}。第一张红圆抽到："
        + "，".join(f"{name.replace(chr(10), ' ')} {share:.2f}" for (*_, name), share in zip(FOUR, draws(tau, told)[0]))
    ),
    tau=Knob("温度 τ", TAUS),
    told=Knob("谁和谁相同", [False, True], kind="buttons", texts=["不告诉它", "告诉它"]),
    start={"tau": 0.1},
    name="12-draws",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 一行加起来是 1。红框是其实也对的：第一张红圆，英文那句也是它。τ 越小，越往像的抽，红框越满：**难负样本成了假负样本**。按下“告诉它”，红框清零，剩下的才轮到红圆环。
# 权重是 softmax 加 0.0001，所以再不像的也有一点机会。若抽样不看相似度，一行里的三格就该都是 0.33。
# 本章的小 BLIP 训练时是被告诉了的：说同一种搭配的话，不论中英文，匹配时不互作负样本。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先不告诉它，请学生指出哪个红框会满。常问：“论文的代码告诉它了吗？”答：预训练没有，只挡自己；在 COCO 上微调检索时，按图的编号挡。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# 手算一行：设分数是 5、4.5、1，自己的 5 不许抽，抽到英文那句的概率是 $e^{4.5}/(e^{4.5}+e^{1})=0.97$。
#
# 真的图上也一样。六个表情，余弦来自第 11 章的表情 CLIP，τ = 0.1：

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
data = emoji()
words = Words(name for thing in data.things for name in (thing.name_zh, thing.name_en))
SIX = ["红苹果", "西红柿", "樱桃", "柠檬", "香蕉", "棒球"]
drawn = data.pictures("twemoji")[
    [next(at for at, thing in enumerate(data.things) if thing.name_zh == name) for name in SIX]
]
clip = zoo.load("clip-emoji")
with torch.no_grad():
    six_images = clip.image_features(torch.from_numpy(to_model(drawn)))
    six_weights = negative_weights(similarities(six_images, clip.text_features(words.encode(SIX, 18))) / 0.1)
six_chances = (six_weights / six_weights.sum(-1, keepdim=True)).numpy()
show_figure(
    plots.plot_draws(six_chances, drawn, SIX, np.zeros((6, 6), dtype=bool)),
    alt="六个表情各抽到哪个名字，一行加起来是 1。"
    + "；".join(f"{name}最常抽到{SIX[row.argmax()]}，{row.max():.0%}" for name, row in zip(SIX, six_chances)),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# 红苹果多半抽到西红柿，香蕉多半抽到柠檬：要答对，就得细看。若随便抽，每格都是 0.20。
#
# 一批 $N$ 对，就有 $N$ 对真的、$N$ 对换了图的、$N$ 对换了字的，一共 $3N$ 对。第 0 行 $[D]$ 过一个 $D\times2$ 的矩阵，分“是”“不是”两类。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 什么都没学会，每对都答同一个概率。匹配损失最低能停在多少？
#
# - A. 0.69，就是 ln 2
# - B. 0.64
# - C. 0
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
constant = torch.tensor(1 / 3)  # 三对里有一对是真的，就总答三分之一
loss = -(constant.log() + 2 * (1 - constant).log()) / 3
print(f"总答 1/3：{loss:.2f}，猜“不是”总能对 {2 / 3:.0%}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 有人训练时损失停在 0.63，每对都答“不是”（BLIP 的 200 号 issue）。看见这个数，就知道它还没有看图。反过来，答对了也不等于看了图：见最后的“不看图，能答对几成”。

# %% slideshow={"slide_type": "skip"}
show_source(match_loss)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 写：下一个字
#
# 写和 GPT 一样：因果掩码，每个位置猜下一个词元，只是每层多看一次图。损失是交叉熵，目标分出 $\varepsilon=0.1$ 给全部 $V$ 个词，叫**标签平滑**（label smoothing）：对的词得 $1-\varepsilon+\varepsilon/V$，别的各得 $\varepsilon/V$。
#
# $V=4$，模型给对的词 0.7，别的各 0.1。目标是 0.925、0.025、0.025、0.025：

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "fragment"}
guessed = torch.tensor([[0.7, 0.1, 0.1, 0.1]]).double()
by_hand = -(0.925 * math.log(0.7) + 3 * 0.025 * math.log(0.1))
assert_close(cross_entropy(guessed.log(), torch.tensor([0]), label_smoothing=0.1).item(), by_hand)
target = torch.tensor([0.925, 0.025, 0.025, 0.025]).double()
print(f"不平滑 {-math.log(0.7):.2f}，平滑 {by_hand:.2f}；平滑以后最低也有 {-(target * target.log()).sum():.2f}")

# %% [markdown] slideshow={"slide_type": "-"}
# 一步训练，三个损失加起来，权重都是 1：
#
# | | 图看几遍 | 文字读几句 | 谁收到梯度 |
# |---|---|---|---|
# | ITC | 1 遍，三个损失共用 | $N$ | 两座塔；老师和队列不收 |
# | ITM | | $3N$ | 两座塔；抽样不收 |
# | LM | | $N$ | 两座塔 |

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“为什么不用 BERT 的完形填空？”答：作者回答过（BLIP 11 号）：要的是写的能力，就只用了 LM；两样一起没有试过。
# :::

# %% [markdown]
# ## 整段码
#
# 图上每个方框写成一两行，只用权重的名字和矩阵乘法。`look` 是左边看图的一列；`tell` 是一列文字：`own` 自注意力，`cross` 交叉注意力，`wide` 前馈，`added` 是 + 和 LayerNorm；`whole_blip` 的末尾是最下一排的四个框：


# %%
def norm(x, w, eps):
    x = x - x.mean(-1, keepdim=True)
    deviation = (x.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return x / deviation * w["weight"] + w["bias"]


def affine(x, w):
    return x @ w["weight"].T + w["bias"]


def gelu(x):
    return x * (1 + torch.erf(x / 2**0.5)) / 2


def added(x, y, w):  # 后归一
    return norm(x + y, w["norm"], 1e-12)


EVERY = torch.tensor(True)  # 都可以读


def mix(q, k, v, mask, n_heads=4):  # [B, L, D]、[B, S, D]、[B, S, D] → [B, L, D]
    q, k, v = (x.unflatten(-1, (n_heads, -1)).transpose(1, 2) for x in (q, k, v))
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask, -torch.inf)
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def look(images, w, side=8):  # [B, 3, 32, 32] → [B, 17, D]
    patches = images.unfold(2, side, side).unfold(3, side, side).permute(0, 2, 3, 1, 4, 5)
    x = affine(patches.flatten(3).flatten(1, 2), w["patches"]["project"])
    x = torch.cat([w["cls"].expand(len(x), 1, -1), x], 1) + w["positions"]
    for block in w["encoder"]["blocks"].values():  # 前归一
        own = block["attention"]
        q, k, v = affine(norm(x, block["norm_attention"], 1e-6), own["to_qkv"]).chunk(3, -1)
        x = x + affine(mix(q, k, v, EVERY), own["to_out"])
        wide = affine(norm(x, block["norm_feedforward"], 1e-6), block["feedforward"]["up"])
        x = x + affine(gelu(wide), block["feedforward"]["down"])
    return norm(x, w["norm_out"], 1e-6)


def tell(mode, first, ids, is_token, seen, w):  # [B, L] → [B, L, D]；seen 是 None 就不看图
    ids = torch.cat([torch.full_like(ids[:, :1], first), ids[:, 1:]], 1)
    L = ids.shape[1]
    mask = is_token[:, None, None, :].expand(-1, 1, L, -1)
    if mode == "decode":
        mask = mask & torch.ones(L, L, dtype=torch.bool).tril()
    embedded = w["embeddings"]["words"]["weight"][ids] + w["embeddings"]["positions"][:L]
    x = norm(embedded, w["embeddings"]["norm"], 1e-12)
    for layer in w["layers"].values():
        own, cross, wide = layer["attention"][mode], layer["cross"], layer["feedforward"]
        read = mix(*affine(x, own["sublayer"]["to_qkv"]).chunk(3, -1), mask)
        x = added(x, affine(read, own["sublayer"]["to_out"]), own)
        if seen is not None:
            k, v = affine(seen, cross["sublayer"]["to_kv"]).chunk(2, -1)
            read = mix(affine(x, cross["sublayer"]["to_q"]), k, v, EVERY)
            x = added(x, affine(read, cross["sublayer"]["to_out"]), cross)
        hidden = gelu(affine(x, wide["sublayer"]["up"]))
        x = added(x, affine(hidden, wide["sublayer"]["down"]), wide)
    return x


def whole_blip(images, ids, is_token, w, begin, enc, dec):
    seen, table = look(images, w["image"]), w["text"]["embeddings"]["words"]["weight"]
    alone = tell("encode", begin, ids, is_token, None, w["text"])
    grounded = tell("encode", enc, ids, is_token, seen, w["text"])
    x = gelu(affine(tell("decode", dec, ids, is_token, seen, w["text"]), w["head"]["transform"]))
    return (
        affine(seen[:, 0], w["project_image"]),
        affine(alone[:, 0], w["project_text"]),
        affine(grounded[:, 0], w["match"]),
        norm(x, w["head"]["norm"], 1e-12) @ table.T + w["head"]["bias"],
    )


# %% [markdown]
# 装上训练好的权重，与 `course_lib` 的模型逐数比较：


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


is_token = learning.is_token(four_ids)
with torch.no_grad():
    seen = blip.look(four_pictures)
    room = [blip.image_features(seen), blip.text_features(four_ids, is_token)]
    room += [blip.matches(seen, four_ids, is_token), blip.next_words(seen, four_ids, is_token)]
    first = learning.first()
    given = four_pictures, four_ids, is_token
    ours = whole_blip(*given, by_name(blip.state_dict()), first, first + 1, first + 2)
for mine, theirs in zip(ours, room):
    assert_close(mine, theirs, atol=1e-3, rtol=1e-3)
print("图的特征、字的特征、匹配、下一个词，都相同：", [list(each.shape) for each in ours])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 三样都会：一个小 BLIP
#
# 课程里训练好的小 BLIP（`blip-shapes`）：学 192 种搭配的中英文说明，三个损失、慢老师、队列都在。下面三张图的搭配，它一次也没见过。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 同一张图，一句全对，一句只错一个词。匹配的概率会差多少？
#
# - A. 差不多，它只看个大概
# - B. 对的 0.9，错的 0.6
# - C. 对的接近 1，错的接近 0
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
three = [("green", "cross", "bottom left"), ("purple", "ring", "top right"), ("yellow", "diamond", "centre")]
places = [unseen.index(kind) for kind in three]
exam_pictures = learning.look_at(unseen, 10**7)  # 48 种搭配各一张，[48, 3, 32, 32]
three_pictures = exam_pictures[places]
for at, (colour, kind, place) in enumerate(three):
    asked = {
        "全对": (colour, kind, place),
        "错颜色": ("white" if colour != "white" else "red", kind, place),
        "错形状": (colour, "ring" if kind != "ring" else "square", place),
        "错位置": (colour, kind, "centre" if place != "centre" else "top left"),
    }
    ids = learning.encode([learning.sentence(each, "zh") for each in asked.values()])
    chances = learning.matching(blip, three_pictures[at : at + 1].expand(4, -1, -1, -1), ids)
    print(learning.sentence((colour, kind, place), "zh"), *(f"{title} {p:.2f}" for title, p in zip(asked, chances)))

# %% [markdown]
# 再让它写，中文一句，英文一句：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
said = {language: learning.caption(blip, exam_pictures, language) for language in ("zh", "en")}
exact = {
    language: [text == learning.sentence(kind, language) for text, kind in zip(said[language], unseen)]
    for language in said
}
chance = {language: learning.matching(blip, exam_pictures, learning.encode(said[language])) for language in said}
broken = {"一个": "一个\n", " at ": "\nat ", " in ": "\nin ", "。": ""}


def shown(language, at):  # 一句话和它的概率，断成短行
    text = said[language][at].removeprefix(learning.PROMPTS[language])
    for old, new in broken.items():
        text = text.replace(old, new)
    return f"{text}（{chance[language][at]:.2f}）"


lines = [shown("zh", at) + "\n" + shown("en", at) for at in places]
show_figure(
    plots.plot_said(
        render_batch([at_position(*unseen[at], 0, 10**7 + at) for at in places]),
        lines,
        [exact["zh"][at] and exact["en"][at] for at in places],
    ),
    alt="三张没见过的搭配和它写的话，括号里是匹配的概率：" + "；".join(line.replace("\n", " ") for line in lines),
)

# %% tags=["nbval-check-output", "hide-input"] slideshow={"slide_type": "skip"}
print(f"48 张里一字不差：中文 {sum(exact['zh'])}，英文 {sum(exact['en'])}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 中间那张，中文写错了形状，英文写对了。括号里是它自己读一遍给的匹配概率：**写错的这一句，它读得出来**。写和读用的是同一份前馈和交叉注意力，可读的时候两句都在眼前，比写容易。CapFilt 靠的就是这一点，只是没有这样灵：后面的实验里，写的句子筛一遍，对的从 61 % 升到 73 %。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“它真的看了图，还是背下来的？”答：这三种搭配训练时没有出现过；换一张图，同一句的概率就掉下去。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 三个损失，各管什么
#
# 去掉一个，别的照旧，步数一样，再考三样本事。自己的损失没了，自己那一项当然不会。别的两项呢？
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 去掉对比（ITC）。匹配有自己的损失，也不用对比的投影。匹配会怎样？
#
# - A. 一样
# - B. 变差
# - C. 变好，省下的力气归它
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
reached = figures_of(load_record("C16a"))
TASKS = {"retrieval": "检索（R@1）", "matching": "匹配（对错各半）", "captions": "写（一字不差）"}
SETTINGS = ["三个都有", "去掉 ITC", "去掉 ITM", "去掉 LM"]
show_figure(
    plots.plot_reached(
        {title: reached[key].values for key, title in TASKS.items()},
        SETTINGS,
        dict(zip(TASKS.values(), (1 / 240, 0.5, 0))),
    ),
    alt="三项成绩，每项四根柱子，点是三个种子，虚线是瞎猜。"
    + "；".join(
        f"{title}：" + "，".join(f"{name} {mean:.0%}" for name, mean in zip(SETTINGS, reached[key].mean))
        for key, title in TASKS.items()
    ),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 自己的损失没了，自己那项跌到虚线附近，这不奇怪。看别的项。去掉 ITC，匹配矮了，可能因为没有像样的相似度，就抽不到难的。去掉 LM，匹配也矮了，可能因为要写得出，先得认得全。
# 帮忙不是双向的：去掉 ITM，写反而高了，三个种子都是。可能因为这里只学了 400 步，三个损失在抢同一座图像塔。
# 三个点的间距比柱子的高低差还大时，不能下结论。若三个损失互不相干，每组里应当只有一根柱子矮下去。
# :::

# %% slideshow={"slide_type": "skip"}
show_claim("C16a")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。先投票。常问：“那要不要去掉 ITM？”答：检索和过滤都靠它；而且这是 400 步的小模型。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## CapFilt：写一句，再筛一遍
#
# **CapFilt**（captioning and filtering）不是第四个损失，是另外一件事，分四步：
#
# 1. 用网上的脏数据**预训练**一个 BLIP
# 2. 拿人写的干净说明（COCO），把它**分别**微调成两个：**描述器**（captioner，用 LM）和过滤器（filter，用 ITC 和 ITM）
# 3. 描述器给每张网图写一句；过滤器把网上那句和写的那句**都**查一遍，说不匹配的扔掉
# 4. 留下的，加上人写的，**从头**再预训练一个新的 BLIP
#
# 写的时候用[核采样](08_gpt2.ipynb)，不用束搜索：论文表 2 里，核采样写错的更多（过滤器扔掉 25 %，束搜索 19 %），训练出来反而更好，因为新说法多。
#
# 过滤器好不好，看两个数：留下的里面说对的占几成，叫**精确率**（precision）；说对的里面留下了几成，叫[召回率](11_clip.ipynb)。
# 例：10 句，7 对 3 错，留下 6 句，其中 5 句对。精确率 5/6 = 83 %，召回率 5/7 = 71 %。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，四步画在黑板上。常问：“描述器的代码在哪里？”答：不在预训练的文件里（BLIP 86、226 号）。作者说：过滤器就是 COCO 上微调的检索模型，描述器就是 COCO 上微调的写说明模型。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 门槛放在哪里
#
# 没见过的搭配，各 4 张网图，三成的话被弄脏，真相已知。小 BLIP 当过滤器，拖门槛：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
many = [kind for _ in range(4) for kind in unseen]
many_scenes = [at_position(*kind, 0, 2 * 10**7 + at) for at, kind in enumerate(many)]
many_found = noisy_captions(many_scenes, 3)  # 三成弄脏
many_pictures = learning.look_at(many, 2 * 10**7)
chances = learning.matching(
    blip, many_pictures, learning.encode([learning.PROMPTS["zh"] + each.text for each in many_found])
).numpy()
true = np.array([each.is_clean for each in many_found])
hard_first = np.argsort(np.where(true, chances, 1 - chances))  # 错得最厉害的排在前面
order = np.concatenate([hard_first[:4], hard_first[-2:], hard_first[4:-2]])
shown_pictures = render_batch([many_scenes[at] for at in order[:6]])
shown_texts = [many_found[at].text.replace("一个", "一个\n") for at in order[:6]]
LEAST = [0.0, 0.001, 0.01, 0.05, 0.5, 0.9, 0.99, 0.999]


def said_of(least):
    kept = chances >= least
    right = (kept & true).sum()
    return f"门槛 {least:g}：留下 {kept.sum()} 句，精确率 {right / max(kept.sum(), 1):.0%}，召回率 {right / true.sum():.0%}"


explore(
    lambda least: plots.plot_filter(chances[order], true[order], least, shown_pictures, shown_texts),
    said_of,
    least=Knob("门槛", LEAST),
    start={"least": 0.5},
    name="12-filter",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 上面绿是说对的，红是说错的；下面六句里，绿框是真的说对了，“留”“扔”是过滤器说的。门槛为 0 时全留下，精确率就是原来的七成。
# 抬高门槛，红的先走，绿的后走，这才叫会挑。若它没有看图，红绿会混在一起，精确率一直是七成。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。常问：“论文的门槛是多少？”答：ITM 头说不匹配就扔，等于 0.5。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 谜底：清洗过的数据，教得更好吗
#
# 768 张网图，**四成的话是别人的**；见过的搭配，人各写一句。合起来训练一个 BLIP，再走上面四步。步数一样，人写的两份里都有。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 第一个 BLIP 是脏数据教出来的。用它微调出的过滤器，留下的网上句子里，对的占几成？（原来六成）
#
# - A. 还是六成上下：脏数据教不出明白人
# - B. 七八成
# - C. 九成以上
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
cleaned = figures_of(load_record("C16b"))
SETS = ["脏的", "过滤加写"]
for key, title in {"web": "网上的句子", "written": "写的句子"}.items():
    before, precision, recall = cleaned[key].mean
    print(f"{title}　原来对的 {before:.0%}　留下的里面对的 {precision:.0%}　对的里面留下 {recall:.0%}")

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
show_figure(
    plots.plot_reached(
        {title: cleaned[key].values for key, title in TASKS.items()}, SETS, dict(zip(TASKS.values(), (1 / 240, 0.5, 0)))
    ),
    alt="两份数据教出来的模型，三项成绩，点是五个种子，虚线是瞎猜。"
    + "；".join(
        f"{title}：" + "，".join(f"{name} {mean:.0%}" for name, mean in zip(SETS, cleaned[key].mean))
        for key, title in TASKS.items()
    ),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# “脏的”是网上的全部，加人写的 192 句；“过滤加写”是筛过的网上句和写的句，加同样的 192 句。
#
# 为什么挑得出？错的各错各的，对的却互相一致：同样的图，对的说法反复出现，错的说法难得来第二次。代价在召回率：对的也扔掉了不少，好在网图不缺。
# 错得**一致**就不同了：见最后的“盲点”。
# 写得好不好，论文另有两个分。这里数一字不差，更严：见最后的“写得像，不等于写得对”。
# 功劳主要在筛：这里只筛不写，一样好，见最后的“只筛不写”。写的句子本身只有六成多是对的。

# %% slideshow={"slide_type": "skip"}
show_claim("C16b")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“用更多干净数据不就行了？”答：行，但干净数据要人写；论文里人写说明的图约 20 万张，网上的有一亿多张。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：过滤器看不见什么
#
# :::{admonition} 1. “CapFilt 是预训练的一步”
# :class: pitfall
# 不是。预训练的代码里没有描述器，也没有过滤器：它们是预训练以后，各自微调出来的两个模型。
# :::
#
# :::{admonition} 2. “过滤器只查写出来的那句”
# :class: pitfall
# 网上的和写的都查。一张图可能留下两句、一句，或一句也不留。
# :::
#
# :::{admonition} 3. “过滤以后就没有噪声了”
# :class: pitfall
# 过滤器和描述器是同一个模型微调来的，有同样的盲点。论文试过让两者共用参数：描述器写的，过滤器只扔 8 %，分开时扔 25 %。
# :::
#
# 门槛 0.5，哪一种噪声漏得多？

# %% tags=["hide-input"] slideshow={"slide_type": "fragment"}
names = {"colour": "换颜色", "kind": "换形状", "position": "换位置", "other scene": "别人的话", "junk": "广告"}
of_kind = {noise: np.array([each.noise == noise for each in many_found]) for noise in names}
print(
    "漏过：",
    *(f"{title} {(of_kind[noise] & (chances >= 0.5)).sum()}/{of_kind[noise].sum()}" for noise, title in names.items()),
)
own = learning.matching(blip, many_pictures, learning.encode(learning.caption(blip, many_pictures, "zh"))).numpy()
left = (chances >= 0.5).astype(int) + (own >= 0.5)
print("192 张图：", *(f"留下{n}句的 {(left == at).sum()} 张" for at, n in ((2, "两"), (1, "一"), (0, "零"))))

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先猜哪种最难。常问：“描述器写的都对吗？”答：不一定，所以也要查；可是查的人和写的人同出一门。
# :::

# %% [markdown]
# 漏过的都是换位置。三句里有两句说“左侧”“上方”，训练的五个位置（左上、右上、中间、左下、右下）里没有这两个词：没教过的，它挑不出来。
#
# 难负样本从哪里来，也常有人弄错：

# %%
show_erratum("K12-4")

# %% [markdown]
# ## 真的 BLIP
#
# 公开权重的用法只有几行（需要联网，这里不运行）：
#
# ```python
# # 需要联网下载 Salesforce/blip-image-captioning-base，放进 folder
# captioner = load_blip_captioner(folder)  # course_lib.hub.blip，图 384 × 384，577 个词元
# seen = captioner.look(images)  # [B, 577, 768]
# captioner.next_words(seen, ids)  # [B, L, 30524]
# ```
#
# 图像塔的初值，ViT-B 来自 DeiT（ImageNet-1k），ViT-L 来自 ImageNet-21k；文字的初值来自 BERT-base。
# 预训练的数据：1,400 万张图（COCO、Visual Genome 和三份网上的），或再加 LAION 的 1.15 亿张。检索、写说明、答问都靠这一个模型微调。
#
# ## 往后看
#
# - **从第 11 章来**：ITC 就是 CLIP 的损失，加上软标签和队列。
# - **到第 13 章去**：BLIP 的图像塔、文字塔都要训练，语言模型一大就训不起。BLIP-2 把两头都冻住，中间加一座小桥，叫 Q-Former，三个损失照旧。BLIP 里没有 Q-Former。
# - **第 14 章**：BLIP-3 只留下 LM 一个损失。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 六题，连小问约 47 分钟：两题心算，三题修程序，一题写代码，每题后面跟着一个小问。把 `...` 换成你的答案，运行 `check`；在网页上，心算题可以直接填。它认得常见的错。

# %%
exercise("12-blip-1")

# %%
answer = ...  # 一个数

check("12-blip-1", answer)

# %%
next_answer = ...  # 小问：一个数

check("12-blip-1-next", next_answer)

# %%
exercise("12-blip-2")

# %%
answer = ...  # 0 到 1 的数，或百分数

check("12-blip-2", answer)

# %%
next_answer = ...  # 小问：0 到 1 的数，或百分数

check("12-blip-2-next", next_answer)

# %%
exercise("12-blip-3")


# %%
def my_shares(logits, same): ...


check("12-blip-3", my_shares)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("12-blip-3-next", next_answer)

# %%
exercise("12-blip-4")


# %%
def my_push(queue, new, capacity): ...


check("12-blip-4", my_push)

# %%
next_answer = ...  # 小问：0 到 1 的数，或百分数

check("12-blip-4-next", next_answer)

# %%
exercise("12-blip-5")


# %%
def my_mask(is_token, causal): ...


check("12-blip-5", my_mask)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("12-blip-5-next", next_answer)

# %%
exercise("12-blip-6")


# %%
def my_filter(scores, is_true, least): ...


check("12-blip-6", my_filter)

# %%
next_answer = ...  # 小问：0 到 1 的数，或百分数

check("12-blip-6-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 一座图像塔，一套文字参数，三种读法：只读、看着图读、看着图写；只有自注意力分读和写两份。
# 2. 图只看一次，末尾的输出给文字的每一层读；文字一步跑三遍，一共 $5N$ 句。
# 3. 对比用软标签：慢老师占四成；队列让一步比几万句。老师和队列不收梯度。
# 4. 匹配用难负样本，只从这一批里抽，越像越容易抽到，也可能其实是对的。
# 5. CapFilt 是预训练以后的另一件事：分别微调的描述器和过滤器，写一句，两句都筛，再从头训练。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。请学生不看屏幕说出第 4 句。常问：“现在还用 BLIP 吗？”答：写说明、做检索的小模型仍常用它；CapFilt 的想法后来的数据集几乎都在用。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Li 等，BLIP（2022-01，arXiv:2201.12086）。图 2 是四个模块，3.2 节是三个损失，3.3 节是 CapFilt；表 2、3、4 是核采样、共用参数、共用过滤器三组消融。
# - **前身**：Li 等，ALBEF（2021，arXiv:2107.07651），软标签和难负样本从这里来；He 等，MoCo（2019，arXiv:1911.05722），慢老师和队列的出处。
# - **代码**：salesforce/BLIP 的 `models/blip_pretrain.py`，一个 `forward` 里三个损失都在；`models/med.py` 看 `mode`。后来并入 salesforce/LAVIS。
# - **提问**（GitHub 的 issue）：salesforce/BLIP 的 11 号（预训练、微调、再预训练的次序）、200 号（匹配损失停在 0.63）。
#
# 下一章：BLIP-2，把两头冻住。

# %% [markdown]
# ## 证据与考据
#
# ### 盲点
#
# 描述器和过滤器同出一门。网上总把一种颜色叫成另一种，它们会不会一起看走眼？

# %%
show_claim("C16c")

# %% [markdown]
# ### 只筛不写
#
# 过滤已经把网上的句子洗干净了。再写一句，还有没有用？

# %%
show_claim("C16d")

# %% [markdown]
# ### 写得像，不等于写得对
#
# 论文给写的句子打两个分。BLEU 数连着一到四个词与人写的重合多少，满分 100。**CIDEr**（consensus-based image description evaluation）也数重合，但人人都写的词不算分，只有这张图才写的词分最重，满分 1000。
#
# 这里的句子只有一种说法。换一个词就说错了图，别的词却全都重合。48 种搭配各两张图，句句只错一处：

# %% tags=["nbval-check-output", "hide-input"]
wrong_ones = {name: captioning.one_wrong(part) for part, name in enumerate(("颜色全错", "形状全错", "位置全错"))}
wrong_ones["图图一句"] = [captioning.true_captions()[0]] * len(captioning.true_captions())
for name, texts in wrong_ones.items():
    bleu, cider = captioning.scores(texts, captioning.true_captions())
    same = sum(a == b for a, b in zip(texts, captioning.true_captions()))
    print(f"{name}　BLEU {bleu:.0f}　CIDEr {cider:.0f}　一字不差 {same}/{len(texts)}")

# %% [markdown]
# 句句都错，BLEU 还有 46 到 62。位置错，CIDEr 还有六百多：颜色和形状说对了。“图图一句”是不看图，张张都写第一张图的那句，只有那一种搭配的两张对。
# 所以“谜底”里数一字不差；BLEU 和 CIDEr 也量了，在 C16b 的表里：用清洗过的数据，两个分都高。BLEU 用 sacrebleu 算；CIDEr 是 `course_lib.foundations.cider`，与论文用的 pycocoevalcap 逐句相等。

# %% [markdown]
# ### 真的图，真的名字
#
# 前面的图是画出来的，句子只有一种说法。换一份真的：288 样食物和动植物的表情图，配着真的中英文名字，每样四对：两位画师，两种语言。三成的名字换给了别的图，换了哪些，我们知道。
#
# 模型只用对比（ITC），从全部 1,152 对学；再用它自己的余弦，筛教过它的数据；留下的，从头训练一个新的。第三位画师的图谁也没学过，用来考检索。
#
# 看两样：门槛抬高，留下的里面对的多了多少，赔上多少对的；重新训练的，离“只用对的”还差多少。

# %%
show_claim("C16e")

# %% [markdown]
# ### 不看图，能答对几成
#
# 匹配头答“是”或“不是”，所以也能答是非题。答对了，不一定看了图：香蕉多半是黄的，“香蕉是黄的吗”，闭着眼睛也敢答是。
# Goyal 等（2017，arXiv:1612.00837）因此给每道题配上答案相反的两张图，做成 VQA v2。当时的模型，在新题上都差了许多。
#
# 这里把同一件事做小：一图一物，问“圆形是红色的吗？”
#
# - **偏的题**：每种形状八成是它常有的颜色，一半的题问的就是这种颜色
# - **均匀的题**：每道题，答“是”和答“不是”的图各一半
#
# 不看图的，是同一个文字编码器，不过交叉注意力。再比一个只答多数的。

# %%
show_claim("C16f")

# %% [markdown]
# 偏的题上，不看图的答对近九成，已到这套题的上限：只看这一个分，分不出谁在看图。
# 偏的题教出来的看图模型，换到均匀的题上平均低 16 个百分点；三个种子里有一个只低 3 个，所以判“部分成立”。

# %% [markdown]
# ### 次数、出处与默认值
#
# 一步训练里文字模型跑几遍：

# %%
show_erratum("K12-2")

# %% [markdown]
# 编码器–解码器举谁做例子：

# %%
show_erratum("K12-3")

# %% [markdown]
# 难负样本会不会其实是对的：

# %%
show_erratum("K12-5")

# %% [markdown]
# 装权重时的两个默认值：

# %%
show_erratum("K12-6")
