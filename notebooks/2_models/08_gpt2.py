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
# # 08 GPT-2：不教，它自己会
#
# 一个只学“猜下一个词”的模型，从来没有练过翻译。给它“有一个红色圆形，英文是”，它接着写 a red circle。本领从哪里来？
#
# **学完能做什么**
#
# - 对着一张图说出 GPT-2 的每一步和每个形状，并用三十几行代码把它装起来
# - 数出 1,557,611,200 个参数，说清论文的表为什么少了
# - 用“改一个词，看谁动”查出掩码的泄漏，并说出哪一种要把分数放大才查得出
# - 调温度、top-k、top-p，说出各自切掉了什么；在网页里让一个真的模型写诗
# - 解释零样本（zero-shot）能力和语料的关系，并说出它何时不灵

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。只念谜面，不解释。常见问题：“GPT-2 不是早过时了吗？”答：今天的语言模型还是这副身体，改动都在第 03、05 章。
# :::

# %% [markdown]
# **先修**：[01 词的表示](../1_foundations/01_embedding.ipynb)（字节级 BPE）、[04 注意力](../1_foundations/04_attention.ipynb)（多头与因果掩码）、[06 完整 Transformer](../1_foundations/06_transformer.ipynb)（残差、LayerNorm、前馈层）、[07 GPT-1](07_gpt1.ipynb)（预训练加微调）。
#
# **阅读** 约 42 分钟，练习另加 42 分钟。**运行** 实测约 40 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $T$ | 一段文字的词元数 | |
# | $D$ | 宽度：一个词元用几个数表示 | XL 是 1600 |
# | $n$ | 层数，即块的个数 | XL 是 48 |
# | $V$ | 词表大小 | 50,257 |
# | $C$ | 最多读几个词元 | 1,024 |
# | $P$ | 参数的总数 | |
# | $x$ | 进入一个块的残差流 | $[T,D]$ |
# | $h$ | 加完注意力以后的残差流 | $[T,D]$ |
# | $y$ | 走出一个块的残差流 | $[T,D]$ |
# | $z$ | 下一个词元的分数（logits） | $[V]$ |
# | $p$ | 概率 | |
# | $\tau$ | 温度 | 一个正数 |
# | $i$、$j$ | 词元或位置的编号 | |
# :::

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
import difflib
import inspect
import json
import tempfile
from pathlib import Path

import torch
from IPython.display import HTML
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy, layer_norm
from torch.testing import assert_close

from course_lib import zoo
from course_lib.chapters.ch08_gpt2 import figures as plots
from course_lib.chapters.ch08_gpt2 import leaks
from course_lib.chapters.ch08_gpt2.experiments import c12_zero_shot as zero_shot
from course_lib.chapters.ch08_gpt2.experiments.c12b_nucleus import NUCLEI, TEMPERATURES
from course_lib.chapters.ch08_gpt2.one_head import head_table
from course_lib.chapters.ch08_gpt2.whole_figure import plot_whole
from course_lib.chapters.ch08_gpt2.counted_poems import CountedPoems
from course_lib.chapters.ch08_gpt2.poet_report import DISCOUNTS
from course_lib.chapters.ch08_gpt2.poet import habits, log_probability, rows, write
from course_lib.course.claims import figures_of, load_record
from course_lib.data.real.poems import EDGE, poems
from course_lib.data.real.poems import tokenizer as characters
from course_lib.data.text.corpora import prose
from course_lib.data.text.demonstrations import BRIDGE, HELD_OUT, document, english, prompt, tokenizer
from course_lib.data.world.dice import Dice
from course_lib.decoding import sampling
from course_lib.decoding.sampling import keep_top_k, keep_top_p, log_probs
from course_lib.foundations.bpe import ByteBPE
from course_lib.foundations.gpt2_bpe import GPT2Tokenizer
from course_lib.hub import load_gpt2
from course_lib.hub.gpt2 import key_map
from course_lib.lesson import check, exercise, run_claim, show_claim, show_erratum, show_figure, show_source, start
from course_lib.models import gpt1, gpt2
from course_lib.models.gpt2 import GPT2, GPT2Config, n_parameters
from course_lib.widgets import Knob, explore
from course_lib.widgets.poet import live_poet

start("08")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：谁教它翻译的
#
# 两个一样的模型，各读 12,800 篇短文，都是图片说明，有的用中文写，有的用英文写。任务只有一个，猜下一个词元（token）。
#
# 唯一的差别：第二份语料里，有四分之一的文章碰巧把一样东西用两种话各说了一遍，“…，英文是 …”。每种颜色、每种形状都这样说过，但有 12 种搭配没有。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 请它们翻译这 12 种从来没有示范过的搭配（例如示范里有红色、有圆形，没有红色圆形）。两个模型各能对几个？
#
# - A. 都是 0
# - B. 0 和三四个
# - C. 0 和一大半
# :::

# %% slideshow={"slide_type": "fragment"}
untaught, taught = (zero_shot.trained(1, rate=rate, steps=200) for rate in (0, 250))

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for name, model in {"没有示范": untaught, "四分之一是示范": taught}.items():
    right = [said == english(pair) for said, pair in zip(zero_shot.translations(model, HELD_OUT), HELD_OUT)]
    print(f"{name}：12 题里{'一题不对' if sum(right) < 1 else '对一大半' if sum(right) > 6 else '对一部分'}")

# %% [markdown]
# 没有人标过数据，没有人定过“翻译”这个任务，也没有为它改过一个参数。看几条语料和答案：

# %%
dice = Dice(0, "chapter 08")
for _ in range(6):
    print("语料：", document(dice, 250))
for pair, said in list(zip(HELD_OUT, zero_shot.translations(taught, HELD_OUT)))[:3]:
    print("问：", prompt(pair), "　答：", said)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先投票。常见问题：“那不就是训练数据里有答案吗？”答：有示范，没有这 12 个组合的答案。模型要学的是“英文是”后面该放什么，再套到新组合上。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## GPT-2 的主张：任务就写在文字里
#
# 第 07 章的 GPT-1 要两步：预训练，再用标注数据微调，一个任务一份参数。
#
# GPT-2（2019-02）问：网页里本来就有人写“法语里怎么说”“总结一下”“问：… 答：…”。把下一个词猜得足够好，不就已经学会了这些事？
#
# $$
# \underbrace{p(\text{输出}\mid\text{输入})}_{\text{一个任务}}\quad\longrightarrow\quad\underbrace{p(\text{输出}\mid\text{输入},\ \text{任务})}_{\text{任务也写成词，同在一段文字里}}
# $$
#
# - **WebText**：Reddit 上至少 3 个赞的外链，约 800 万篇，40 GB，去掉了维基百科
# - **零样本**：不为任务改参数，也不给标注，只写一段提示

# %% [markdown]
# 论文表 1 列了六段从 WebText 里找到的**自然示范**（naturally occurring demonstration），英法互译都夹在普通的文章里：
#
# | 原文里的法语 | 同一段里的英语 | 接在一起的词 |
# |---|---|---|
# | Je ne suis pas un imbecile | I'm not a fool | like they say in French |
# | Mentez mentez, il en restera toujours quelque chose | Lie lie and something will always remain | which translates as |
# | parfum | perfume | in French |
# | Comment on fait pour aller de l'autre coté? | How do you get to the other side? | which means |
# | As-tu aller au cinéma? | Did you go to the movies? | or |
# | Brevet Sans Garantie Du Gouvernement | Patented without government warranty | translated to English |
#
# 接头的词各不相同，有一句法语还是错的（As-tu aller，应是 Es-tu allé）。模型要从这种东西里学。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。请学生在六段里圈出“任务说明”。常见问题：“WebText 不是只收英文吗？”答：非英文的网页被有意去掉了，剩下的法语只有约 10 MB，是当时无监督翻译常用语料的约五百分之一。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图
#
# 课程里有一个真的小 GPT-2，读过一万首唐人绝句，一个字是一个词元，每首诗前后各有一个换行。给它四个字，跟着它从左走到右：

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
poet = zoo.load("poet")
line = EDGE + "床前明月"  # 一首诗的开头是一个换行
ids = torch.tensor(characters().encode(line))  # [T] = [5]
with torch.no_grad():
    chances = poet(ids[None])[0, -1].softmax(-1)  # [V]
best = [(characters().decode([i]), chances[i].item()) for i in chances.topk(5).indices.tolist()]
shape = poet.config
show_figure(
    plot_whole(shape, line.replace(EDGE, "↵"), ids.tolist(), best),
    alt=f"GPT-2 的全图，从左到右。换行和“床前明月”换成编号，查词表加位置，成为残差流 [5, {shape.d_model}]；"
    f"一个块重复 {shape.n_layers} 次：支路一是 LayerNorm、q k v、{shape.n_heads} 个头的权重（因果掩码）、合并，加回残差流；"
    f"支路二是 LayerNorm、放宽到 {4 * shape.d_model}、GELU、收窄，再加回；最后 LayerNorm，乘词表的转置，得到 [5, {shape.n_vocab}] 个分数，"
    f"最后一处给出下一个字：" + "、".join(f"{word} {chance:.0%}" for word, chance in best),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 粗线是**残差流**（residual stream）：每个词元的 $D$ 个数，一路只做加法。两条支路各自先归一化，读它，算出一份改动，加回去。
# 每一处都给出下一个字的分数，训练时全用上；写的时候只看最后一处。若主干上有归一化，粗线就会被截断。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟，用手指着走一遍，每到一个方框先让学生报形状。常见问题：“词表在两头各一份吗？”答：同一张矩阵，进门查行，出门乘它的转置。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 比 GPT-1 改了四处
#
# | 改了什么 | GPT-1 | GPT-2 | 为什么 |
# |---|---|---|---|
# | 归一化的位置 | 相加之后（post-norm） | 支路之前（pre-norm） | 主干上没有归一化，梯度直通，深了也稳 |
# | 最后 | 没有 | 再加一个 LayerNorm | 主干的数越加越大，出门前收一次 |
# | 初始化 | 0.02 | 支路出口再乘 $1/\sqrt{2n}$ | 加 $2n$ 次，方差不随层数涨 |
# | 词表、长度 | 40,478 个词元；长 512 | 50,257 个字节级词元；长 1,024 | 任何文字都写得出 |
#
# 论文的原话是除以“残差层的数目”的平方根。一个块相加两次，所以我们读成 $2n$；nanoGPT 也这样读。

# %% [markdown]
# 第一处在代码里只是挪了两行。减号是第 07 章的块，加号是这一章的：

# %%
old, new = (inspect.getsource(room).replace("GPT1", "GPT2").split("\n") for room in (gpt1.Block, gpt2.Block))
changes = difflib.unified_diff(old, new, n=0, lineterm="")
print("\n".join(line for line in changes if not line.startswith(("---", "+++", "@@"))))

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常见问题：“post-norm 就学不会吗？”答：学得会，第 06、07 章都是；层数多了要小心热身，GPT-2 的 48 层就换了写法。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算：一个块，两个词元
#
# $$
# \begin{aligned}
# h&=x+\text{注意力}(\text{LN}(x)) &&[T,D]\\
# y&=h+\text{前馈}(\text{LN}(h)) &&[T,D]
# \end{aligned}
# $$
#
# 取 $T=2$、$D=2$。注意力的矩阵都取单位阵，一个头；前馈取“乘 2”。第一个词元只看自己，第二个看两个：

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
x = torch.tensor([[3, 1], [2, 4]], dtype=torch.float64)  # [T, D] = [2, 2]
seen = layer_norm(x, (2,))  # 每一行减平均，除以标准差：(1, −1) 和 (−1, 1)
scores = seen @ seen.T / 2**0.5  # q = k = seen
weights = scores.masked_fill(torch.tensor([[False, True], [False, False]]), -torch.inf).softmax(-1)
h = x + weights @ seen  # v = seen
y = h + 2 * layer_norm(h, (2,))
print("LN(x)", seen.round(decimals=2).tolist())
print("权重 ", weights.round(decimals=2).tolist())
print("h    ", h.round(decimals=2).tolist())
print("y    ", y.round(decimals=2).tolist())

# %% [markdown]
# 第一行：LN(3, 1) = (1, −1)，只看自己，权重 1，所以 h 是 (3, 1) + (1, −1) = (4, 0)；前馈再加 2·LN(4, 0) = (2, −2)，得 y = (6, −2)。
# 第二行看得到两个词元，分数 (−2, 2)/√2 = (−1.41, 1.41)，softmax 得 0.06 和 0.94：h 是 (2, 4) + 0.06·(1, −1) + 0.94·(−1, 1) = (1.11, 4.89)。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，在黑板上算第一行。常见问题：“LayerNorm 以后大小都是 1，信息不丢吗？”答：支路丢了大小，主干没丢，x 原样加在那里。
# :::

# %% [markdown]
# ## 整段码
#
# 把图上每个方框写成一行。不用 `nn.Module`，只用权重的名字和矩阵乘法。`.T` 和 `.mT` 是转置，后者只换最后两维：


# %%
def norm(x, w):  # [T, D] → [T, D]，每一行各自归一化
    x = x - x.mean(-1, keepdim=True)
    return x / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt() * w["weight"] + w["bias"]


def affine(x, w):  # nn.Linear 存的是 [出, 进]
    return x @ w["weight"].T + w["bias"]


def gelu(x):
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


def attention(x, w, n_heads):
    T, D = x.shape
    heads = [part.view(T, n_heads, -1).transpose(0, 1) for part in affine(x, w["to_qkv"]).chunk(3, -1)]
    q, k, v = heads  # 各 [H, T, D/H]
    scores = q @ k.mT / q.shape[-1] ** 0.5  # [H, T, T]
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    seen = scores.masked_fill(future, -torch.inf).softmax(-1) @ v
    return affine(seen.transpose(0, 1).reshape(T, D), w["to_out"])


def whole_gpt2(ids, w, n_heads):  # [T] → 分数 [T, V]
    x = w["embedding"]["weight"][ids] + w["positions"]["weight"][: len(ids)]
    for block in w["blocks"].values():
        x = x + attention(norm(x, block["norm_attention"]), block["attention"], n_heads)
        wide = gelu(affine(norm(x, block["norm_feedforward"]), block["feedforward"]["up"]))
        x = x + affine(wide, block["feedforward"]["down"])
    return norm(x, w["norm_out"]) @ w["embedding"]["weight"].T


def by_name(weights):  # {"blocks.0.attention…": …} → 一层一层的字典
    tree = {}
    for name, tensor in weights.items():
        *path, last = name.split(".")
        place = tree
        for step in path:
            place = place.setdefault(step, {})
        place[last] = tensor
    return tree


# %% [markdown]
# 装上诗人的权重（`poet`、`ids`、`shape` 来自“整张图”折起来的那一格），与 `course_lib` 的同一个模型逐数比较；再让它一个字一个字写下去，每次挑分数最大的：

# %% tags=["nbval-check-output"]
w = by_name(poet.state_dict())
with torch.no_grad():
    assert_close(whole_gpt2(ids, w, shape.n_heads), poet(ids[None])[0], atol=1e-4, rtol=1e-4)
poem = ids
while len(poem) < 34 and poem[-1] != ids[0]:
    poem = torch.cat([poem, whole_gpt2(poem, w, shape.n_heads)[-1:].argmax(-1)])
print("分数相同。接着写：", characters().decode(poem[1:].tolist()))

# %% [markdown]
# `attention` 的那几行里，真的数长什么样？第 1 层第 2 头，“月”这一处：

# %% tags=["hide-input"]
block = w["blocks"]["0"]
with torch.no_grad():
    stream = w["embedding"]["weight"][ids] + w["positions"]["weight"][: len(ids)]  # [T, D]
    qkv = affine(norm(stream, block["norm_attention"]), block["attention"]["to_qkv"])  # [T, 3·D]
q, k, v = (part.view(len(ids), shape.n_heads, -1)[:, 1] for part in qkv.chunk(3, -1))  # 第 2 头，各 [T, D/H]
HTML(head_table(line.replace(EDGE, "↵"), q[-1], k, v, title="选读：q、k、v 的真数，从 q·k 到 softmax 到 v"))

# %% [markdown]
# 权重从哪里来？从训练的循环来。每一处都猜下一个字，猜得越差损失越大，把每个参数往损失变小的方向挪一点。拿一个更小的，走 100 步：

# %%
shelf = rows("train")  # [首, 34]，五言诗的后面用换行补齐
sevens = shelf[shelf[:, -2] != ids[0]]  # 七言诗恰好占满
torch.manual_seed(0)
pupil = GPT2(GPT2Config(n_vocab=shape.n_vocab, context=shape.context, d_model=48, n_layers=2, n_heads=4))
adam = torch.optim.AdamW(pupil.parameters(), lr=4e-3)
for step in range(101):
    batch = sevens[torch.randint(len(sevens), (16,))]  # [B, T] = [16, 34]
    logits = pupil(batch[:, :-1])  # [16, 33, V]，第 i 处猜第 i + 1 个
    loss = cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
    adam.zero_grad()
    loss.backward()
    adam.step()
    if step % 25 == 0:
        print(f"第 {step:3} 步：{loss:.2f} nat")

# %% [markdown]
# 每个字都给一样的概率，损失是 8.06（$\ln 3167$），第 0 步还不如它。100 步只够学会句读和常用的字。诗人走了 24,000 步，用的是课程的 `train`：
# 循环就是这几行，另外让学习率先升后降，把过长的梯度剪短。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 为什么除以 $\sqrt{2n}$
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 每次相加都往主干里添一份方差 1 的随机数，主干原来的方差也是 1。加 48 次以后，标准差是原来的几倍？独立的随机数，方差相加。
#
# - A. 1 倍
# - B. 7 倍
# - C. 48 倍
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
N_LAYERS = 24


@torch.no_grad()
def residual_sizes(scaled):
    """每次相加以后残差流的标准差 [2n+1]；初始化的 24 层模型。"""
    torch.manual_seed(0)
    model = GPT2(GPT2Config(n_vocab=64, context=32, d_model=64, n_layers=N_LAYERS))
    if not scaled:
        for name, parameter in model.named_parameters():
            if name.endswith(("to_out.weight", "down.weight")):
                parameter *= (2 * N_LAYERS) ** 0.5
    stream = torch.randn(8, 32, 64)
    sizes = [stream.std().item()]
    for block in model.blocks:
        for before, branch in ((block.norm_attention, block.attention), (block.norm_feedforward, block.feedforward)):
            stream = stream + branch(before(stream))
            sizes.append(stream.std().item())
    return sizes


plain, scaled = residual_sizes(False), residual_sizes(True)
show_figure(
    plots.plot_residual({"不缩放": plain, r"乘 $1/\sqrt{2n}$": scaled}),
    alt=f"24 层、刚初始化的 GPT-2，残差流的标准差从 1 开始：不缩放，48 次相加后到 {plain[-1]:.1f}；乘 1/√(2n) 后到 {scaled[-1]:.2f}",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# $\sqrt{1+48}=7$。支路先乘 $1/\sqrt{2n}$，方差就是 $1+2n\cdot\frac{1}{2n}=2$，标准差 1.4，和层数无关。
#
# :::{admonition} 看什么
# :class: look
# 红线随深度一直涨，越深的层添的那一份越显得小；蓝线几乎是平的。真模型里支路的方差不到 1，所以红线没有到 7，蓝线没有到 1.4。
# 若缩放没有用，两条线应当重合。公开的 TensorFlow 代码里没有这一步，它只装载训练好的权重。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟，先投票。常见问题：“每条支路前面已经归一化了，为什么还要缩？”答：归一化的是支路的入口，涨的是主干；主干越大，后面每一层的那一份相对就越小。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 数一数：15 亿是多少
#
# $$
# P=\underbrace{(V+C)D}_{\text{词表与位置}}+n\big(\underbrace{4D^2+4D}_{\text{注意力}}+\underbrace{8D^2+5D}_{\text{前馈}}+\underbrace{4D}_{\text{两个归一化}}\big)+\underbrace{2D}_{\text{最后的归一化}}
# $$
#
# $V=50257$，$C=1024$。输出头和词表是同一张矩阵，不另算。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for name, config in gpt2.SIZES.items():
    print(f"{name:12} {config.n_layers} 层，D = {config.d_model:4}：{n_parameters(config):>13,}")
V, C, D, n = 50257, 1024, 1600, 48
assert (V + C) * D + n * (12 * D**2 + 13 * D) + 2 * D == n_parameters(gpt2.SIZES["gpt2-xl"])

# %% [markdown]
# 论文表 2 印的是 117M、345M、762M、1542M，四个都少。官方承认算错了，没说错在哪里。我们试出：词表换成 GPT-1 的 40,478，四个数全对上；这是推测，不是论文说的。

# %%
show_erratum("K08-2")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。问：加宽一倍和加深一倍，哪个贵？答：宽度按平方，深度按一次。常见问题：“检查点里为什么没有 lm_head？”答：与词表同一块内存，见章末考据。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 字节级 BPE：任何文字都写得出
#
# 第 01 章学过怎样训练。公开的 GPT-2 分词器只有两个文件：
#
# - `merges.txt`：50,000 行，学到的合并，按先后
# - `vocab.json`：50,257 个词元的编号 = 256 个字节 + 50,000 个合并 + `<|endoftext|>`
#
# 文件里一个字节写成一个看得见的符号：空格写成 Ġ，换行写成 Ċ。满屏的 Ġ 不是乱码。
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 下图的分词器只在课程的中文上学过。一个它从没见过的表情 👍🏽（8 个字节），会变成什么？
#
# - A. 几个字节，每个字节一个词元
# - B. 一个“词表外”的 UNK
# - C. 报错
# :::

# %%
TEXTS = {
    "中文": "词嵌入给每个词一个向量。",
    "英文": "attention (self-attention)",
    "代码": "for  i in x:\n    y += i",
    "数字": "1,557,611,200 个参数",
    "表情": "好👍🏽",
}

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
learned = ByteBPE.train(prose(), 1500).merges
TOKENIZERS = {n: GPT2Tokenizer(learned[:n]) for n in (0, 300, len(learned))}


def legible(token):
    """词元怎样写在格子里，它是不是完整的字。"""
    try:
        text = token.decode().replace(" ", "·").replace("\n", "\\n")
    except UnicodeDecodeError:
        return token.hex(" ").upper(), False
    return (text if text.isprintable() else token.hex(" ").upper()), True


def draw_pieces(text, n_merges):
    room = TOKENIZERS[n_merges]
    ids = room.encode(TEXTS[text])
    pieces, whole = zip(*map(legible, room.tokens(ids)))
    title = f"{n_merges} 次合并：{len(ids)} 个词元，{len(TEXTS[text])} 个字符，{len(TEXTS[text].encode())} 个字节"
    return plots.plot_pieces(pieces, whole, ids, title=title)


def describe_pieces(text, n_merges):
    tokens = TOKENIZERS[n_merges].tokens(TOKENIZERS[n_merges].encode(TEXTS[text]))
    broken = sum(not legible(token)[1] for token in tokens)
    return f"{text}，{n_merges} 次合并：{len(TEXTS[text].encode())} 个字节成了 {len(tokens)} 个词元，其中 {broken} 个不是完整的字"


explore(
    draw_pieces,
    describe_pieces,
    text=Knob("文字", list(TEXTS), kind="buttons"),
    n_merges=Knob("合并次数", list(TOKENIZERS), kind="buttons"),
    start={"n_merges": 300},
    name="08-byte-bpe",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 红框是半个字：一个汉字三个字节，没合完之前单独读出来就是 �。点是空格，它跟着后面的词走。
# 学多了，中文省得多，表情一个字节也没有省，但仍然写得出来。若它有“词表外的词”，表情那一行就该出现一个 UNK。
# :::

# %% [markdown]
# 我们的 `GPT2Tokenizer` 与 Hugging Face 的 tokenizers 逐个编号相同：测试里有表情、混合文字、连续空格、控制字符和 100 kB 的长文。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟，把文字拨到“表情”。常见问题：“中文用 GPT-2 的词表要多花多少？”答：它的合并几乎都是英文，一个汉字常要两三个词元。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 掩码：改一个词，看谁动
#
# 因果模型有一条铁律：第 $i$ 处的分数只看第 0 到 $i$ 个词元。查法很便宜：
#
# 1. 把第 $j$ 个词元换成别的
# 2. 看哪些位置 $i$ 的分数动了
# 3. $i<j$ 动了，就是**泄漏**（leak）：过去看见了未来
#
# :::{admonition} 先猜再跑
# :class: guess answer-d
# 下面四种掩码都有人写过。哪一种在普通的测试里查不出来？
#
# - A. 未来的分数填 0
# - B. softmax 以后再乘 0
# - C. 三角形错一格
# - D. 未来的分数填 −10,000
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
PROBE = torch.tensor(tokenizer().encode("左上角有一个红色圆形，中间有一个")[:7])  # [T]，T = 7
WORDS = [tokenizer().decode([i]) for i in PROBE.tolist()]


def lit(mask, sharpness):
    """[j, i]：改第 j 个词，第 i 处动不动。"""
    weigh = leaks.MASKS[mask]
    return leaks.moved(lambda ids: leaks.read(taught, ids, weigh, sharpness=sharpness), PROBE, tokenizer().n_vocab)


def draw_leaks(mask, sharpness):
    seen = lit(mask, sharpness)
    found = leaks.leaks(seen)
    return plots.plot_leaks(
        seen.numpy(), WORDS, title=f"{mask}，分数 × {sharpness:,}：" + (f"{found} 处泄漏" if found else "不漏")
    )


def describe_leaks(mask, sharpness):
    return f"掩码 {mask}，分数放大 {sharpness:,} 倍，7 个词：21 个“过去看未来”的格子里亮了 {leaks.leaks(lit(mask, sharpness))} 个"


explore(
    draw_leaks,
    describe_leaks,
    mask=Knob("掩码", list(leaks.MASKS), kind="buttons"),
    sharpness=Knob("分数放大", [1, 30000], kind="buttons", texts=["1 倍", "30,000 倍"]),
    start={"mask": "softmax 后再乘"},
    name="08-leak-detector",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 一行是“改了谁”，一列是“谁动了”。蓝色应该亮，红叉不该亮。错一格每层漏一格，两层漏两格。
# 填 0：e⁰ = 1，未来照样分到权重。softmax 后再乘：未来的权重成了 0，可是分母里已经加过未来的那一份，改未来，过去的权重跟着变。
# −1e4：平常 e 的 −10,000 次方就是 0；真分数若比 −10,000 还小，未来反而最大，放大 30,000 倍才露馅。掩码对的，左下角在任何倍数下都是灰的。
# :::

# %% tags=["nbval-check-output"]
for mask in leaks.MASKS:
    counts = [leaks.leaks(lit(mask, sharpness)) for sharpness in (1, 30000)]
    print(f"{mask}：平常{'漏' if counts[0] else '不漏'}，分数很大时{'漏' if counts[1] else '不漏'}")

# %% [markdown]
# 探测器只有这几行，任何模型都能用：

# %%
show_source(leaks.moved)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。让学生先投票再拨。常见问题：“事后再乘 0，未来的 v 不是没有进来吗？”答：v 没有进来，未来的 k 进了分母，权重的大小还是透露了未来。
# 训练时泄漏表现为损失好得离谱，生成时却一塌糊涂。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 采样：从一排概率里挑一个词
#
# 模型给出一排分数 $z$，$[V]$。怎样挑下一个词元？
#
# $$
# p_i=\frac{e^{z_i/\tau}}{\sum_j e^{z_j/\tau}}
# $$
#
# - **温度**（temperature）$\tau$：每个概率取 $1/\tau$ 次方再归一；小于 1 更尖，大于 1 更平，0 就是永远选最大的（贪心）
# - **top-k**：只留最大的几个。GPT-2 的样本留 40 个
# - **top-p**，又叫**核采样**（nucleus sampling）：从大到小留，直到概率之和达到给定的数，跨过去的那个也留
# - **重复惩罚**（repetition penalty）：说过的词，分数变小。CTRL 的式子是除以一个大于 1 的数；分数是负的怎么办，见练习 5
#
# 本课程的次序是：惩罚 → 温度 → top-k → top-p → 抽。

# %% [markdown]
# 四个词，概率 0.5、0.3、0.15、0.05。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# top-p = 0.7 留几个？温度调成 2 以后再做，留几个？
#
# - A. 2 和 2
# - B. 2 和 3
# - C. 1 和 2
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
z = torch.tensor([[0.5, 0.3, 0.15, 0.05]], dtype=torch.float64).log()  # 一段文字的分数 [1, V] = [1, 4]
for tau in (1.0, 2.0):
    flat, kept = (z / tau).softmax(-1)[0], keep_top_p(z / tau, 0.7).softmax(-1)
    print(f"τ = {tau:g}：", flat.round(decimals=2).tolist(), "→ top-p 0.7 →", kept[0].round(decimals=2).tolist())
assert_close(log_probs(z, temperature=2.0, top_p=0.7).exp(), kept)  # course_lib：先温度后截断
assert_close(keep_top_k(z, 2).softmax(-1), torch.tensor([[0.625, 0.375, 0, 0]]).double())

# %% [markdown]
# 分布变平，同样的门槛要留更多的词。top-k 不看分布的形状，永远留那么多个。
#
# 抽的时候用“赛跑”：每个词等一段指数分布的时间，平均 $1/p_i$，先到的当选。恰好以概率 $p_i$ 选中第 $i$ 个，而且只扫一遍词表。

# %%
show_source(sampling.turn_knobs, sampling.choose)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，四个词在黑板上算。常见问题：“最大的词都是对的，为什么句子会错？”答：一句 10 个词，每个词 5 % 走进尾巴，整句不出错的概率只剩 60 %。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真的来写：网页里的诗人
#
# 下面这个模型就是“整张图”里的那一个，按 **运行** 就在你的浏览器里算，不需要内核，也不联网。写几个字，让它接下去。按之前看到的那一首，是事先抽好的。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
live_poet("床前明月")

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 先看柱子：一句的末尾，句读几乎独占；一句的开头，柱子又多又矮。温度调到 0.1，它总写那几个字；调到 2，不成句了。
# 再换着看各层各头的注意力：有的头盯着前一个字，有的头跳回上一句的同一个位置。若它没有学到格式，句读就不会落在第五或第七个字之后。
# :::

# %% [markdown]
# 它学到了多少？拿 571 首它没读过的诗问它，每个字平均付出 $-\ln p$（单位叫 nat，越小越好）。对手只会数：数单字，数前一个字之后，数前两个字之后。

# %% tags=["nbval-check-output"]
for name, length in {"单字": 1, "前一个字": 2, "前两个字": 3}.items():
    rival = CountedPoems(poems("train"), length, DISCOUNTS[length])
    print(f"只数{name}：{-rival.log_probability(poems('held-out')):.2f} nat")
with torch.no_grad():
    print(f"诗人模型：{-log_probability(poet, rows('held-out')):.2f} nat")

# %% [markdown]
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 再看格律。唐代诗人的绝句，第二、四行押韵的有 81 %（按今天的音），随便挑两行是 9 %。没有一个字注了音，只读文字的模型，押韵的有多少？
#
# - A. 一成上下，和随便挑一样
# - B. 六成上下
# - C. 和诗人一样多
# :::

# %% tags=["nbval-check-output"]
for name, texts in {"诗人": [str(poem) for poem in poems("held-out")], "模型": write(poet, 200)}.items():
    found = habits(texts)
    print(f"{name}：格式 {found['form']:.0%}，押韵 {found['rhyme']:.0%}，全诗不重字 {found['variety']:.0%}")

# %% [markdown]
# 格式只要数到五或七。押韵要记住十几个字以前的韵脚，再挑一个同韵的字；哪些字同韵，只能从一万首诗的韵脚里猜出来。
# 同样大的模型只读 8 遍诗，押韵还是一成，和随便挑一样；读到 36 遍才有这么多。损失一路慢慢降，这项本领来得晚。
# 不重字却比诗人差得多：它还没有学会“说过的不再说”。规则查得出好坏，于是可以拿它当奖励：第 23 章用 GRPO 教它。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，让一位学生出上句。常见问题：“它会背诗吗？”答：几乎不会，见数据集卡片里抄袭的一栏；意思也常常不通。第 23 章用 GRPO 教它。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：零样本从示范里来
#
# 示范占 0 到 16 %，各训练一个模型；再把最多的那一档换成**配错的英文**。题目永远是没有示范过的 12 种组合。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 示范越多越好，大家都料得到。可是配错的示范，格式一模一样，只是英文说的是另一张图，它有用吗？
#
# - A. 差不多一样好
# - B. 几乎没用
# - C. 好一半
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C12"))
RATES = (0, 10, 20, 40, 80, 160)
by_rate = "、".join(f"{rate / 10:g} % 示范 {share:.0%}" for rate, share in zip(RATES, summary["held_out"].mean))
by_size = "、".join(
    f"{n / 1000:.0f}k 参数 {share:.0%}" for n, share in zip(summary["parameters"].mean, summary["by_size"].mean)
)
show_figure(
    plots.plot_zero_shot(
        RATES,
        summary["held_out"].values,
        summary["demonstrated"].values,
        summary["mismatched"].values,
        summary["parameters"].mean,
        summary["by_size"].values,
    ),
    alt=f"没有示范过的组合，3 个种子的平均：{by_rate}；英文配错 {summary['mismatched'].mean:.0%}。按大小：{by_size}",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 细线是各个种子：8 % 那一档一个几乎全错，两个九成以上，跳在哪里要看种子。右图：示范固定 16 %，只改模型的宽度。红叉是配错的示范，格式学会了，内容全靠猜。
# 如果零样本能力只来自“会说英文”，左图应当是平的。
# :::

# %%
show_claim("C12")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，全章的中心。问：WebText 里法语只有约 10 MB，占 40 GB 的万分之二三，为什么 GPT-2 还能翻译一点？答：它大得多，读得也久得多。
# 再问：想让模型会一件事，是收集标注，还是让语料里多一点自然的示范？这就是第 09 章和第 19 章的分岔。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真实的规模：论文测到什么
#
# | 任务 | 提示怎么写 | GPT-2 XL | 当时的对手 |
# |---|---|---|---|
# | 语言模型，8 个数据集 | 直接续写 | 7 个最好 | |
# | LAMBADA，猜一段的最后一个词 | 直接续写 | 53 %，滤掉虚词 63 % | 59 % |
# | CoQA，读文章答问 | 文章、前面的问答、`A:` | 55 F1，胜过 4 个基线中的 3 个 | 约 89 F1 |
# | 摘要，CNN/Daily Mail | 文章后面加 `TL;DR:` | 只略好于随便挑三句 | 好得多 |
# | 翻译，英 → 法、法 → 英 | **几个例句** `英语 = 法语`，再给一句 | 5、11.5 BLEU | 法 → 英 33.5（不用平行语料） |
# | 问答，Natural Questions | **几个问答的例子**，再给一问 | 对 4.1 % | 30 到 50 % |
#
# BLEU 数译文与参考译文重合的词组，满分 100。
# 论文的摘要说“零样本”，可是翻译和问答两行在提示里放了例子（3.7、3.8 节），参数没有动。把这件事做大，就是[第 09 章](09_gpt3.ipynb)的少样本。

# %% [markdown]
# 它比 BERT 好吗？常有人这样说：

# %%
show_erratum("K08-1")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。把 `TL;DR:` 那一行讲细：去掉这几个字，摘要的分数掉一大截，说明提示确实在说任务。常见问题：“零样本不是什么例子都没有吗？”答：看表里加粗的两行。
# :::

# %% [markdown]
# ## 换上公开的权重
#
# 公开的检查点是一个文件夹：`config.json` 和 `model.safetensors`。矩阵存成 `[进, 出]`（Conv1D），与 `nn.Linear` 的 `[出, 进]` 相反。
# 我们把 `taught` 存成公开的样子，再读回来；然后故意弄丢一个键：

# %% tags=["nbval-check-output"]
BEGINNING = torch.tensor([[tokenizer().end_of_text, *tokenizer().encode("左上角有一个")]])
keys, ours = key_map(taught.config.n_layers), taught.state_dict()
released = {source.key: (ours[name].T if source.turned else ours[name]).contiguous() for name, source in keys.items()}
sizes = {"vocab_size": taught.config.n_vocab, "n_positions": 24, "n_embd": 48, "n_layer": 2, "n_head": 4}
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "config.json").write_text(json.dumps({"model_type": "gpt2", **sizes}))
    save_file(released, Path(folder, "model.safetensors"))
    assert_close(load_gpt2(folder)(BEGINNING), taught(BEGINNING))
    print("读回来，分数相同。c_attn 存成", list(released["h.0.attn.c_attn.weight"].shape))
    del released["h.1.ln_2.bias"]
    save_file(released, Path(folder, "model.safetensors"))
    try:
        load_gpt2(folder)
    except ValueError as error:
        print("少一个键：", error)

# %% [markdown]
# 读是严格的，不会读进半个模型；pickle 格式（`pytorch_model.bin`）一律不读，因为读它就等于运行里面的代码。
# 手边有网络时：先装 `course-lib[hub]`，再 `load_gpt2(fetch("openai-community/gpt2"))`。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “零样本，就是模型从来没见过这个任务”
# :class: pitfall
# 没有**专门**教过。示范就在语料里；没有示范的那个模型，12 题全错。
# :::
#
# :::{admonition} 2. “先截断还是先调温度，一样”
# :class: pitfall
# 温度改变谁在核里。transformers 先调温度，llama.cpp 的默认次序把温度放在最后：同样的三个数，抽出来的不是同一个分布。
# :::
#
# :::{admonition} 3. “一个词元就是一个词或一个字”
# :class: pitfall
# 词元是字节串。学到的合并里有不少连一个完整的字都不是，所以要把整串字节接起来再读，不要一个一个读。
# :::

# %% tags=["nbval-check-output"]
corpus = [document(Dice(0, "pitfall", at), 250) for at in range(2000)]
share = sum(BRIDGE in text for text in corpus) / len(corpus)
unseen = not any(prompt(pair) in text for text in corpus for pair in HELD_OUT)
print(f"误区 1　示范占语料的 {share:.0%}，其中没有一句是考题：{unseen}")
hot_then_cut, cut_then_hot = keep_top_p(z / 2, 0.7).isfinite().sum(), (keep_top_p(z, 0.7) / 2).isfinite().sum()
print(f"误区 2　先温度后截断留 {hot_then_cut} 个，先截断后温度留 {cut_then_hot} 个")
merged = TOKENIZERS[300].bpe.vocab[256:]
print(f"误区 3　学到的前 {len(merged)} 个合并里，{sum(not legible(token)[1] for token in merged)} 个不是完整的字")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常见问题：“温度 0 最准，为什么不总用 0？”答：每次写同一句；要多样就得抽，见章末 C12b。
# :::

# %% [markdown]
# ## 往后看
#
# - **从第 07 章来**：GPT-1 把本领装进参数，靠微调取出来。GPT-2 换成靠提示取出来，参数不动。
# - **到第 09 章去**：零样本常常不灵。GPT-3 在提示里放几个例子，让示范不必碰巧出现在语料里；再把模型放大一百倍。
# - **第 15 章、第 19 章**：GPT 这副身体会装上眼睛，也会被微调成助手。
# - **第 21 章的 PPO、第 23 章的 GRPO**：每一步都要用它写出几百个回答，再教这位诗人押韵。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 六题，连小问约 42 分钟：两题修程序，两题写代码，两题心算，每题后面跟着一个小问。在笔记本里把 `...` 换成你的答案，运行 `check`；在网页上，心算题可以直接填。它认得常见的错。

# %%
exercise("08-gpt2-1")

# %%
answer = ...  # 一个数

check("08-gpt2-1", answer)

# %%
next_answer = ...  # 小问：一个整数

check("08-gpt2-1-next", next_answer)

# %%
exercise("08-gpt2-2")


# %%
def my_min_p(logits, share): ...


check("08-gpt2-2", my_min_p)

# %%
next_answer = ...  # 小问：一个整数

check("08-gpt2-2-next", next_answer)

# %%
exercise("08-gpt2-3")


# %%
def my_block(x, attention, feedforward): ...


check("08-gpt2-3", my_block)

# %%
next_answer = ...  # 小问："A"、"B"、"C" 或 "D"

check("08-gpt2-3-next", next_answer)

# %%
exercise("08-gpt2-4")


# %%
def furthest(moved): ...


check("08-gpt2-4", furthest)

# %%
next_answer = ...  # 小问：一个整数

check("08-gpt2-4-next", next_answer)

# %%
exercise("08-gpt2-5")


# %%
def my_penalty(logits, said, penalty): ...


check("08-gpt2-5", my_penalty)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("08-gpt2-5-next", next_answer)

# %%
exercise("08-gpt2-6")

# %%
answer = ...  # 一个整数

check("08-gpt2-6", answer)

# %%
next_answer = ...  # 小问："A"、"B"、"C" 或 "D"

check("08-gpt2-6-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. GPT-2 的主张：任务写成文字，和输入放在一起，猜下一个词就是做任务；能力来自语料里自然出现的示范。
# 2. 结构只改几处：归一化移到支路里，出门前再来一次，支路出口的初值除以 $\sqrt{2n}$，词表换成字节。
# 3. XL 有 1,557,611,200 个参数；论文的表按公式对不上，词表换成 GPT-1 的就全对上（推测）。
# 4. 采样的旋钮：温度改形状，top-k 留个数，top-p 留概率；换了次序，就是另一个分布。
# 5. 改一个词，看谁动：几行代码查出掩码的泄漏；有限的掩码值要把分数放大才查得出。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。请学生不看屏幕复述第 2 句，画出一个块。留一问回家想：如果把例子写进提示里就够了，还要微调做什么？
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Radford 等，Language Models are Unsupervised Multitask Learners（2019）。第 2 节讲主张和语料，表 1 是自然示范，3.7、3.8 节看提示怎么写。
# - **采样**：Holtzman 等，The Curious Case of Neural Text Degeneration（2019，arXiv:1904.09751）；Keskar 等，CTRL（2019，arXiv:1909.05858），重复惩罚；Nguyen 等，min-p（2024，arXiv:2407.01082），练习 2。
# - **画得更细**：Jay Alammar，[The Illustrated GPT-2](https://jalammar.github.io/illustrated-gpt2/)。
#   [Transformer Explainer](https://poloclub.github.io/transformer-explainer/) 在浏览器里跑 GPT-2 small，每个矩阵都能点开。
# - **代码**：openai/gpt-2 的 `src/model.py`，不到 200 行，注意 `mask_attn_weights`；karpathy/nanoGPT 的 `model.py` 和 `train.py`，后者就是上面的循环加上多卡。
#
# 下一章：[09 GPT-3](09_gpt3.ipynb)，把例子写进提示里。

# %% [markdown]
# ## 证据与考据
#
# ### 截断尾巴
#
# 图片说明的语法是我们定的，程序读得懂就算合语法。花样用 2 的熵次方来数，完美的采样器写 3,000 句，数出来是 401 种。
# 预测：只调低温度，合语法了，花样也少了；top-p 只切尾巴，两样都保住。先是一个种子的快速版，后面是完整的记录，两者的结论可以不同：

# %%
run_claim("C12b")

# %% tags=["hide-input"]
summary = figures_of(load_record("C12b"))
curves = {
    "温度 τ，不截断": (TEMPERATURES, summary["legal_temperature"].mean, summary["varied_temperature"].mean),
    "top-p，温度 1": (NUCLEI, summary["legal_top_p"].mean, summary["varied_top_p"].mean),
}
said = [
    f"{label}：" + "，".join(f"{x:g} 时合语法 {legal:.0%}、花样 {varied:.0f} 种" for x, legal, varied in zip(*curve))
    for label, curve in curves.items()
]
show_figure(
    plots.plot_variety(curves, most=round(summary["varied_perfect"].mean)), alt="5 个种子的平均。" + "。".join(said)
)

# %% [markdown]
# 绿线是合语法的比例，蓝线是花样占真实分布的几成。找一找哪些设置两条线都高。

# %%
show_claim("C12b")

# %% [markdown]
# ### 零样本的快速版

# %%
run_claim("C12")

# %% [markdown]
# ### 掩码与输出头
#
# “未来的分数变成 0”，图解里常见的一句话：

# %%
show_erratum("K08-3")

# %% [markdown]
# 探测器里最隐蔽的那一种，在真实的代码库里住了好几年：

# %%
show_erratum("K08-4")

# %% [markdown]
# 检查点里好像少了一个矩阵：

# %%
show_erratum("K08-5")
