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
# # 01 词的表示
#
# 模型只会算数。一个字怎样变成数，又怎样让“红”离“蓝”比离“圆”近？
#
# **学完能做什么**
#
# - 说出 one-hot 为什么没有相似度，并证明查表与 one-hot 乘矩阵是同一件事，梯度也是
# - 自己训练一张词向量表，看着颜色字聚到一起，也说得出“近”不等于“同义”
# - 在纸上做四次字节级 BPE 合并，写出它的十几行代码
# - 看懂词元里的乱码、半个汉字和解码出的 �，知道一个汉字会变成几个词元

# %% [markdown]
# **先修**：[00 导读](00_start.ipynb)；矩阵乘法。会读一点 PyTorch 更好，不会也能跟上。
#
# **阅读** 约 39 分钟，练习另加 35 分钟。**运行** 实测约 12 秒（2 核 CPU，不需要网络）。

# %% slideshow={"slide_type": "skip"}
import re
from collections import Counter
from itertools import pairwise

import torch
from sklearn import datasets
from torch.nn.functional import cross_entropy
from torch.testing import assert_close
from tqdm import tqdm

from course_lib.course.claims import figures_of, load_record
from course_lib.data.world.captions import ZH
from course_lib.data.text.corpora import prose, scene_sentences
from course_lib.data.world.scenes import COLOURS, KINDS
from course_lib.foundations.bpe import BYTES, ByteBPE
from course_lib.foundations.embedding import Embedding, cosine_similarity, one_hot
from course_lib.foundations.tokenizer import CharTokenizer
from course_lib.lesson import check, exercise, run_claim, show_claim, show_erratum, show_figure, show_source, start
from course_lib.chapters.ch01_embedding import figures as plots
from course_lib.widgets import Knob, explore

start("01")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：哪个字最像“红”
#
# 数据世界里有六百句描述，比如“左下角有一个黄色的小圆环”。把每个不同的字编上号，一共三十几个。
# 再给每个字一个 **独热编码（one-hot encoding）**：$V$ 个数，$V$ 是词表大小，只有自己那一位是 1。课件的话是“有效位只有一位”。
#
# :::{admonition} 先猜再跑
# :class: guess
# 用内积当相似度，找最像“红”的字。排第一的是：
# A. 蓝　B. 色（总跟在后面）　C. 分不出来
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
captions = scene_sentences(600, seed=0)
letters = CharTokenizer.from_text("".join(captions))
print("例句：", captions[1])
vectors = one_hot(torch.arange(letters.n_vocab), letters.n_vocab)  # [V, V]，每行一个字
likeness = vectors @ vectors.T  # [V, V]，两两内积
red, blue, round_ = letters.encode("红蓝圆")
for name, other in (("红·红", red), ("红·蓝", blue), ("红·圆", round_)):
    print(name, int(likeness[red, other]))
print(f"与“红”内积最大的别的字：{int((likeness[red] == 0).sum())} 个并列，都是 0")

# %% [markdown]
# 答案是 C。两个不同的字，1 的位置错开，内积必然是 0：**两两正交**。
# 距离也一样，任何两个不同的字都相距 $\sqrt2$。红与蓝、红与圆，在这种表示里毫无区别。
# 从“红色的圆”学到的东西，一点也帮不到“蓝色的圆”。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。常见问题：“直接用编号 0、1、2 不行吗？”答：那就说 7 号比 6 号大、6 号和 7 号像，关系是编号随手造出来的。
# one-hot 至少不说假话，它只是什么也不说。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算：乘一个矩阵，就是取一行
#
# 给每个字 $D$ 个实数，排成一张表 $W$，形状 $[V, D]$。这叫 **词向量（word embedding）**：把离散的编号映射到稠密的连续向量。
# 先看 $V=4$、$D=2$，数是我们随手写的：
#
# | 字 | 编号 | one-hot | 词向量 |
# |---|---|---|---|
# | 红 | 0 | (1, 0, 0, 0) | (0.9, 0.1) |
# | 蓝 | 1 | (0, 1, 0, 0) | (0.8, 0.3) |
# | 圆 | 2 | (0, 0, 1, 0) | (0.1, 0.9) |
# | 方 | 3 | (0, 0, 0, 1) | (0.2, 0.8) |
#
# “蓝”的 one-hot 乘 $W$：0 × 第 0 行 + **1 × 第 1 行** + 0 × 第 2 行 + 0 × 第 3 行，剩下的正是第 1 行。

# %% tags=["nbval-check-output"]
W = torch.tensor([[0.9, 0.1], [0.8, 0.3], [0.1, 0.9], [0.2, 0.8]], requires_grad=True)  # [V, D]
ids = torch.tensor([0, 1, 0])  # “红蓝红”，[T]
by_matrix = one_hot(ids, 4) @ W  # [T, V] @ [V, D] → [T, D]
by_lookup = W[ids]  # 不乘，直接取行
assert torch.equal(by_matrix, by_lookup)  # 一位不差
table = cosine_similarity(W.detach())
print(f"余弦：红·蓝 {table[0, 1]:.2f}，红·圆 {table[0, 2]:.2f}")

# %% slideshow={"slide_type": "slide"}
show_figure(
    plots.plot_lookup(ids.tolist(), W.detach().numpy(), "红蓝圆方"),
    alt="三行四列的 one-hot 矩阵乘四行两列的词向量表，得到三行两列：第一、三行是红的那一行，第二行是蓝的那一行",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 颜色相同的格子是同一行数。one-hot 里的 1 指着表里的哪一行，结果就抄哪一行。
# 如果一行里有两个 1，结果会是两行之和，那就不再是“查表”。
# :::
#
# 现在“红”与“蓝”的余弦是 0.97，与“圆”是 0.22。**表里放得下相似度了。** 放什么，由训练决定。

# %% [markdown]
# `course_lib` 的实现就是取行。它多做一件事：拒绝不合法的编号，免得 −1 悄悄取到最后一行。

# %%
show_source(Embedding)

# %%
embedding = Embedding(4, 2)
embedding.weight.data = W.detach().clone()
assert torch.equal(embedding(ids), by_lookup)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 梯度也只到那几行
#
# :::{admonition} 先猜再跑
# :class: guess
# “红蓝红”三个位置，各自从后面传回梯度 (1, 0)、(0, 1)、(10, 0)。$W$ 的四行里，几行收到梯度？“红”那一行收到多少？
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
upstream = torch.tensor([[1.0, 0.0], [0.0, 1.0], [10.0, 0.0]])  # 后面传回的梯度，[T, D]
by_lookup.backward(upstream)
for letter, gradient in zip("红蓝圆方", W.grad.tolist()):
    print(letter, gradient)
assert_close(W.grad, one_hot(ids, 4).T @ upstream)  # 与矩阵乘法的梯度同一个数

# %% [markdown] slideshow={"slide_type": "fragment"}
# 两行。“红”出现两次，两份梯度**相加**，得 (11, 0)；“圆”“方”没出现，恰好是 0。
# 所以一个词元若在训练里从不出现，它那一行就没有数据来教。
# 写成式子：查表的梯度是 $\text{onehot}^{\top}G$，$G$ 是传回的梯度，形状 $[T,D]$。

# %%
show_erratum("K01-1")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 相似度从哪里来：看邻居
#
# 没有人告诉模型红和蓝都是颜色。可以让它做一道小题：**看一个字，猜它旁边两格以内是什么字**（skip-gram，Mikolov 等 2013）。
# 红和蓝的左右邻居差不多，要猜得准，两行就得差不多。
#
# $$
# p(\text{邻居}=j\mid\text{字}=i)=\text{softmax}_j\,(U\,w_i)
# $$
#
# - $w_i\in\mathbb{R}^{D}$：词向量表 $W$ 的第 $i$ 行，我们要的就是它
# - $U\in\mathbb{R}^{V\times D}$：另一张表，只在训练时用，给每个可能的邻居打分
# - 损失是猜错的交叉熵；$V=34$，$D=16$

# %%
text_ids = [letters.encode(caption) for caption in captions]
pairs = torch.tensor(
    [
        (caption[i], caption[j])
        for caption in text_ids
        for i in range(len(caption))
        for j in range(max(0, i - 2), min(len(caption), i + 3))
        if i != j
    ]
)  # [N, 2]，每行一个（字，邻居）
print(f"{len(pairs):,} 对，比如", "、".join(letters.decode(pair) for pair in pairs[:4].tolist()))

# %% [markdown]
# 训练循环全在下面，约一秒。路上存几张快照，等会儿好回看。

# %%
torch.manual_seed(0)
embedding, guess = Embedding(letters.n_vocab, 16), torch.nn.Linear(16, letters.n_vocab, bias=False)
optimiser = torch.optim.Adam([embedding.weight, guess.weight], lr=0.03)
snapshots = {}
for step in tqdm(range(321), desc="skip-gram"):
    if step in (0, 10, 20, 40, 80, 320):
        snapshots[step] = embedding.weight.detach().clone()  # [V, D]
    batch = pairs[torch.randint(len(pairs), (512,))]
    loss = cross_entropy(guess(embedding(batch[:, 0])), batch[:, 1])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
GROUPS = {
    **dict.fromkeys("红绿蓝黄紫青白橙", "颜色"),
    **dict.fromkeys("圆菱正三十", "形状"),
    **dict.fromkeys("左右上下", "方位"),
}
last = snapshots[320]
_, _, axes = torch.linalg.svd(last - last.mean(0), full_matrices=False)
plane = axes[:2].T  # 主成分平面由最后一步决定，之前各步用同一个平面，[D, 2]
scale = 2.2 / ((last - last.mean(0)) @ plane).abs().max()


def nearest(word, table, n=6):
    cosines = cosine_similarity(table)[letters.encode(word)[0]]
    order = [i for i in cosines.argsort(descending=True).tolist() if letters.characters[i] != word]
    return [(letters.characters[i], cosines[i].item()) for i in order if letters.characters[i] not in "，。"][:n]


def draw_words(step, word):
    table = snapshots[step]
    places = ((table - last.mean(0)) @ plane * scale).clamp(-2.4, 2.4)
    points = {c: tuple(places[i].tolist()) for i, c in enumerate(letters.characters) if c not in "，。"}
    return plots.plot_words(points, GROUPS, nearest(word, table), word, f"第 {step} 步（投到两个主成分）")


def describe_words(step, word):
    near = "、".join(f"{other} {cosine:.2f}" for other, cosine in nearest(word, snapshots[step]))
    return f"训练第 {step} 步的词向量。离“{word}”最近的字和余弦：{near}"


explore(
    draw_words,
    describe_words,
    step=Knob("训练步数", list(snapshots)),
    word=Knob("看哪个字", list("红圆左角"), kind="buttons"),
    start={"step": 320},
    name="01-embedding-training",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 从第 0 步拖到第 320 步。开始时“红”的邻居是随机的；约 20 步以后，八个颜色字挤成一团，右边的前五名全是颜色。
# 如果相似度是编号或初始值带来的，第 0 步就该看得到；如果邻居不含信息，拖到底也不会聚。
# 再点“角”：它一会儿在“左上角”，一会儿在“三角形”，一行数只好站在两处之间。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟。先放第 0 步让学生猜谁会和红在一起，再播放。点“角”：问“这个字该放在哪一团？”
# 引出：一张表给每个字一个固定的向量，“角”的两个意思分不开，要等注意力来看上下文（第 04 章）。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：相似度真的是学来的吗（C01）
#
# :::{admonition} 问题与预测
# :class: evidence
# 换成英文描述，按词切，八个颜色词、六个形状词（图里写成中文）。量一个数：词与同类词的平均余弦，减去与另一类的，叫**间隔**。
# 预测：one-hot 的间隔恰好是 0；训练后远大于 0；**把所有词的次序打乱再训练**，间隔回到 0 附近。
# 最后一条最要紧：打乱后词频没变，变的只有邻居。
# :::

# %%
run_claim("C01")

# %% [markdown]
# 上面是快速形式，刚刚在这台机器上跑的。下面是完整形式的记录，五个种子：

# %%
show_claim("C01")

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
measured = figures_of(load_record("C01"))["cosine"].mean
show_figure(
    plots.plot_similarities(
        {"one-hot": torch.eye(14).numpy(), "训练后（C01，五个种子平均）": measured},
        [ZH[word] for word in (*COLOURS, *KINDS)],
        split=len(COLOURS),
    ),
    alt=f"两张 14 乘 14 的余弦表。one-hot 只有对角线是 1。训练后左上角颜色词一块和右下角形状词一块都在 {measured[:8, :8].min():.2f} 以上，两块之间不到 {measured[:8, 8:].max() + 0.01:.2f}",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 左图只有一条对角线。右图是两块深色：颜色对颜色，形状对形状，两块之间接近 0。
# 如果训练没有带来相似度，右图会和左图一样淡；如果什么都变得相似，四块会一样深。
# 真实文本没有这么整齐：这里每个颜色词的上下文分布完全相同，是造出来的。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## “近”不等于“同义”
#
# :::{admonition} 先猜再跑
# :class: guess
# 在我们自己训练的表里，哪一对最近？
# A. 左与右（意思相反）　B. 红与橙（颜色相近）　C. 圆与环（都是圆的）
# :::

# %% slideshow={"slide_type": "fragment"}
cosines = cosine_similarity(last)
for pair, meaning in (("左右", "意思相反"), ("上下", "意思相反"), ("红橙", "颜色相近"), ("圆环", "都是圆的")):
    i, j = letters.encode(pair)
    print(f"{pair[0]}、{pair[1]}（{meaning}）：余弦 {cosines[i, j]:.2f}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# 答案是 A。反义的“左右”“上下”几乎重合：它们**能互相替换**，邻居一样。“圆”和“环”常常挨着出现，反而不近：挨着不等于能替换。
# skip-gram 量的是“出现在同样的位置上”，不是“意思一样”。要分清左右，得靠别的任务来教，比如看图。

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 余弦还是点积
#
# 点积 = 长度 × 长度 × 余弦。用点积排名，**长的向量占便宜**。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
query = torch.tensor([1.0, 0.0])
candidates = {"方向几乎相同，短": torch.tensor([0.9, 0.1]), "差 45°，长": torch.tensor([3.0, 3.0])}
for name, vector in candidates.items():
    cosine = query @ vector / (query.norm() * vector.norm())
    print(f"{name}：点积 {query @ vector:.2f}，余弦 {cosine:.2f}")

# %% [markdown]
# 两种排名相反。问“像不像”，通常用余弦。可模型内部用的是点积：第 03、04 章的注意力分数、上面 skip-gram 的打分都是，长度在那里是有用的信息。
# 从一处学来的“最近”，换一种量法就可能变，报告相似度要写清用的哪一种。

# %%
show_erratum("K01-2")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 第二个问题：什么算一个“词”
#
# 前面按字切。换一句话，马上出事：

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
try:
    letters.encode("红色的鲸鱼")
except ValueError as error:
    print(error)
print("收下所有汉字？统一码（Unicode）的基本汉字有", f"{0x9FA5 - 0x4E00 + 1:,}", "个，还没算别的文字")
print("退到字节：", "红".encode().hex(" "), "|", "鲸".encode().hex(" "), "| 256 种就够写一切文字")

# %% [markdown] slideshow={"slide_type": "fragment"}
# 三种切法，各有代价。
#
# | 按什么切 | 词表 | 一句话多长 | 没见过的字 |
# |---|---|---|---|
# | 词 | 几十万 | 短 | 读不了 |
# | 字 | 几千到几万 | 中 | 读不了 |
# | UTF-8 字节 | 256 | 汉字的 3 倍 | 都能读 |
#
# **字节级 BPE（byte-level byte-pair encoding）** 取中间：从 256 个字节出发，反复把最常见的相邻一对并成一个新词元（token）。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算四次合并
#
# 小语料：红 ×2，红线 ×3，红纸 ×2，red ×3，bed ×1。词与词之间不合并。每个汉字三个字节：
#
# | 红 | 线 | 纸 |
# |---|---|---|
# | E7 BA A2 | E7 BA BF | E7 BA B8 |
#
# 三个字都是绞丝旁，在统一码里挨着，**头两个字节相同**。数一数相邻的对：
#
# | 对 | 次数 | 从哪来 |
# |---|---|---|
# | E7 BA | 12 | 红 2 + 红线 3×2 + 红纸 2×2 |
# | BA A2 | 7 | 每个“红” |
# | A2 E7 | 5 | 红线、红纸里跨过两个字 |
# | e d | 4 | red 3 + bed 1 |
# | BA BF、r e | 3 | 线；red |
# | BA B8 | 2 | 纸 |
# | b e | 1 | bed |
#
# :::{admonition} 先猜再跑
# :class: guess
# 第 1 次合并 E7 BA。第 2 次、第 3 次呢？新词元都是完整的字吗？
# :::

# %%
corpus = ["红"] * 2 + ["红线"] * 3 + ["红纸"] * 2 + ["red"] * 3 + ["bed"]


def count_pairs(words):
    """相邻的对 → 次数。words 是 {词（一串词元）: 出现几次}。"""
    pairs = Counter()
    for word, n in words.items():
        for pair in pairwise(word):
            pairs[pair] += n
    return pairs


def glue(word, pair):
    """把词里的这一对并成一个，从左到右。"""
    pieces = []
    for piece in word:
        if pieces and (pieces[-1], piece) == pair:
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return tuple(pieces)


def learn(words, n_merges):
    number = {token: i for i, token in enumerate(BYTES)}  # 词元 → 编号，先是 256 个字节
    for _ in range(n_merges):
        pairs = count_pairs(words)
        best = min(pairs, key=lambda pair: (-pairs[pair], number[pair[0]], number[pair[1]]))  # 并列取编号小的
        yield best, pairs[best]
        number[best[0] + best[1]] = len(number)
        words = {glue(word, best): n for word, n in words.items()}


# %% tags=["nbval-check-output"] slideshow={"slide_type": "subslide"}
words = Counter(tuple(bytes([b]) for b in word.encode()) for word in corpus)
by_hand = list(learn(words, 8))
for k, ((left, right), count) in enumerate(by_hand[:5], 1):
    name, whole = plots.piece_text(left + right)
    print(f"第 {k} 次：{name}，出现 {count} 次{'' if whole else '，不是完整的字'}")

# %% [markdown]
# 第 1 次得到的是**半个字**：绞丝旁的字共用的前两个字节。第 2 次拼出“红”。第 3 次更怪：“红”加上**下一个字的前两个字节**，
# 因为红线、红纸里它出现了 5 次，比 ed 的 4 次多。BPE 只数次数，不认识字的边界。
#
# 第 5 次，r+ed 与“红⟨E7 BA⟩”+BF（也就是“红线”）都是 3 次。**并列了。** 谁先？

# %%
show_erratum("K01-3")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 与房间里的版本对一对
#
# 手写的十几行与 `course_lib` 的 `ByteBPE` 在同一份语料上训练，合并表应当一条不差。

# %% slideshow={"slide_type": "fragment"}
tiny = ByteBPE.train("\n".join(corpus), n_vocab=256 + 8)
assert tiny.merges == [pair for pair, _ in by_hand]

# %% [markdown]
# 房间里的版本算得快：它记住每一对在哪里，合并后只改动碰到的地方，不重数全文。

# %%
show_source(ByteBPE.train)

# %% [markdown]
# 它与 HF `tokenizers` 库在同一份文字上训练，**合并表、词表、编号逐个相同**。这不是口说：
# `tests/parity/test_bpe_parity.py` 用英文、中文、表情、混排、控制字符和 60 份专找并列的小语料逐个比对。
#
# 编码新句子时不再数次数，只按学来的先后顺序合并：

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for text in ("红线", "红", "级", "red", "rod"):
    pieces = [tiny.vocab[i] for i in tiny.encode(text)]
    print(f"{text}：{len(pieces)} 个词元", [plots.piece_text(piece)[0] for piece in pieces])
    assert tiny.decode(tiny.encode(text)) == text

# %% [markdown]
# “级”没在语料里出现过，照样读得进、还得回来：它也以 E7 BA 开头，用得上第 1 次合并，最后一个字节单放。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 换成真的文章：前 40 次合并
#
# 语料换成本课程自带的中文短文，约三千字、8,692 字节。
#
# :::{admonition} 先猜再跑
# :class: guess
# 头 40 次合并出的新词元，有几个自己就是合法的 UTF-8（完整的字、词或标点）？
# A. 全部　B. 约三分之二　C. 约三分之一
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
tokenizer = ByteBPE.train(prose(), n_vocab=1600)
merged = [left + right for left, right in tokenizer.merges]
whole = [plots.piece_text(token)[1] for token in merged]
show_figure(
    plots.plot_merges(merged[:40]),
    alt=f"头 40 次合并的新词元，按次序排成五行。{sum(whole[:40])} 个是完整的字或标点，如逗号、的、一、句号、个、是；{40 - sum(whole[:40])} 个是半个字，如 E4 B8、EF BC",
)

# %% tags=["nbval-check-output"]
for n in (40, 100, 400, 1000):
    print(f"头 {n:4d} 次合并：{n - sum(whole[:n]):3d} 个单独不是合法的 UTF-8")

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 40 个里 28 个是虚线框：半个字。常用汉字的首字节只有 E4 到 E9 六种，前两个字节的组合最容易先攒够次数，跟在后面的才是“，”“的”“一”。
# 如果 BPE 懂汉字，第一行就该全是实线框。英文没有这一段路：字母本来就是一个字节。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它：一句话怎样被切开

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
SENTENCES = {"中文": "红色圆形在蓝色正方形左边", "生僻字": "麒麟爱吃红苹果", "英文": "red circle, blue square"}


def cut(merges, sentence):
    some = ByteBPE(tokenizer.merges[:merges])
    return [some.vocab[i] for i in some.encode(SENTENCES[sentence])]


def draw_cut(merges, sentence):
    pieces = cut(merges, sentence)
    return plots.plot_cut(
        SENTENCES[sentence], pieces, f"合并 {merges} 次：{len(SENTENCES[sentence])} 个字符，{len(pieces)} 个词元"
    )


def describe_cut(merges, sentence):
    names = [plots.piece_text(piece) for piece in cut(merges, sentence)]
    return (
        f"合并 {merges} 次后，“{SENTENCES[sentence]}”切成 {len(names)} 个词元，其中 {sum(not whole for _, whole in names)} 个是半个字："
        + " | ".join(name for name, _ in names)
    )


explore(
    draw_cut,
    describe_cut,
    merges=Knob("合并次数", [0, 20, 40, 80, 160, 240, 320, 480, 640, 1280], live=range(len(tokenizer.merges) + 1)),
    sentence=Knob("句子", list(SENTENCES), kind="buttons"),
    start={"merges": 320},
    name="01-bpe-merges",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 从 0 往右拖。虚线框是半个字，蓝框是完整的字或词。中文先全是虚线，然后“在”“色”“方”合拢，再后来“红色”“圆形”并成一块。
# 换成生僻字：“麒麟”在短文里没有，拖到底也还是碎的。英文一个虚线框都没有，但也几乎不合并，因为语料里英文很少。
# 如果词元的边界总在字与字之间，虚线框就不会出现。
# :::
#
# 试一试：停在 320 次。“红色”两个字被切成 E7 BA 和一个跨着两个字的词元；到 480 次，“红色”是一块。单个的“红”呢，什么时候出现？
# 答案在误区第 2 条。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟。先让学生数一个汉字占几格，再拖。问：“模型一个词元一个词元地写，写到虚线框中间停下会怎样？”引到误区第 3 条。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 词表越大越省？看它读过什么
#
# 三个分词器：只读中文、只读英文（scikit-learn 自带的数据说明）、两样都读。拿它们都**没读过**的段落量：一个汉字、一个英文词各要几个词元。


# %%
def han(text):
    return re.findall("[\u4e00-\u9fff]+", text)  # 只留汉字，一段一段的


paragraphs = prose().split("\n")
zh_read, zh_new = "\n".join(paragraphs[:14]), han("".join(paragraphs[14:]))
descriptions = (
    datasets.load_iris,
    datasets.load_wine,
    datasets.load_breast_cancer,
    datasets.load_diabetes,
    datasets.load_digits,
)
english = re.findall("[A-Za-z]+", " ".join(load().DESCR for load in descriptions))
en_read, en_new = " ".join(english[:1000]), english[-300:]
sizes = [256, 300, 360, 430, 512, 720, 1024, 1450]
per_han, per_word = {}, {}
for name, text in {"中文": zh_read, "英文": en_read, "中英各半": zh_read + "\n" + en_read}.items():
    learnt = ByteBPE.train(text, max(sizes)).merges
    some = [ByteBPE(learnt[: size - 256]) for size in sizes]
    per_han[name] = [sum(len(t.encode(run)) for run in zh_new) / sum(map(len, zh_new)) for t in some]
    per_word[name] = [sum(len(t.encode(" " + word)) for word in en_new) / len(en_new) for t in some]
print(
    f"中文 {len(zh_read.encode()):,} 字节，英文 {len(en_read.encode()):,} 字节；量的是 {sum(map(len, zh_new))} 个汉字、{len(en_new)} 个英文词"
)

# %% slideshow={"slide_type": "fragment"}
show_figure(
    plots.plot_compression(sizes, per_han, per_word),
    alt="左：每个汉字的词元数随词表大小变化，从 3 开始，"
    + "，".join(f"用{name}训练到 {values[-1]:.2f}" for name, values in per_han.items())
    + "。右：每个英文词的词元数，"
    + "，".join(f"用{name}训练到 {values[-1]:.2f}" for name, values in per_word.items()),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 左图的蓝线是一条平线：只读过英文的分词器，词表再大，一个汉字也一直是 3 个词元。省下来的只是它读过的文字。
# 如果压缩只取决于词表大小，三条线会叠在一起。
# :::
#
# 词元就是计算量，也是上下文的长度：同样 1,000 个词元的窗口，平线上的模型只装得下 333 个汉字。
# 我们的语料只有几千字节，曲线很早就走平；大模型用上千亿字训练，词表十几万，趋势相同，数字不同。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “词表里全是乱码，文件坏了”
# :class: pitfall
# 没坏。GPT-2 给每个字节配一个看得见的字符来显示：188 个照旧，其余 68 个（空格、控制符等）从 U+0100 起排。
# 汉字的三个字节各显示成一个怪字母。有人看到 `ä¸Ńæĸĩ` 以为编码错了（tokenizers#324），解回去正是“中文”。
# :::

# %% tags=["nbval-check-output"]
sign_of = {byte: chr(byte[0]) if i < 188 else chr(0x100 + i - 188) for i, byte in enumerate(BYTES)}
byte_of = {sign: byte for byte, sign in sign_of.items()}
print("".join(sign_of[bytes([b])] for b in "中文".encode()), "|", repr(" "), "显示成", sign_of[b" "])
print(b"".join(byte_of[sign] for sign in "è¿Ļæĺ¯").decode())

# %% [markdown] slideshow={"slide_type": "slide"}
# :::{admonition} 2. “一个汉字就是一个词元”
# :class: pitfall
# 可能是 1 个、2 个、3 个，也可能几个字合成 1 个，还可能一个词元跨在两个字中间（tokenizers#1162 里，GPT-2 的“是”1 个，繁体的“东”2 个）。
# 按“字数”估上下文长度或费用，会差好几倍。短文里“红”后面总跟着“色”，于是“红色”成了一个词元，单独的“红”始终没有。
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for text in ("的", "位置编码", "红色", "红", "麒麟"):
    print(f"{text}：{len(text)} 个字，{len(tokenizer.encode(text))} 个词元")

# %% [markdown] slideshow={"slide_type": "slide"}
# :::{admonition} 3. “一个词元一个词元地解码，再拼起来”
# :class: pitfall
# 半个字单独解码得到 �，拼起来也补不回去。要么攒齐了一起解码，要么拿住不完整的字节，等下一个词元（练习 01-utf8-5）。
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
ids = tokenizer.encode("麒麟")
print("逐个解码：", "".join(tokenizer.decode([i]) for i in ids))
print("一起解码：", tokenizer.decode(ids))

# %% [markdown]
# :::{admonition} 4. “查表与 one-hot 乘矩阵是两种东西”
# :class: pitfall
# 同一个函数、同一个梯度，只是一个做乘法，一个不做。见上面的 `assert torch.equal`。
# :::
#
# :::{admonition} 5. “没被查到的行，一步训练后一定不变”
# :class: pitfall
# 它的**梯度**是 0，数值却未必不动：Adam 记着以前的动量。另外，GPT-2 的输出层与词向量共用一张表，softmax 给每一行都传梯度。
# :::

# %% tags=["nbval-check-output"]
table = torch.nn.Parameter(torch.randn(4, 2, generator=torch.Generator().manual_seed(1)))
optimiser = torch.optim.Adam([table], lr=0.1)
for step, seen in enumerate(([0, 1, 2, 3], [0, 1])):  # 第 2 步只查前两行
    before = table.detach().clone()
    optimiser.zero_grad()
    table[seen].square().sum().backward()
    optimiser.step()
    grads, moved = table.grad.abs().sum(1) > 0, (table.detach() != before).any(1)
    print(f"第 {step + 1} 步：{grads.sum()} 行有梯度，{moved.sum()} 行动了")
table.grad = None
cross_entropy(table[[0, 1]] @ table.T, torch.tensor([1, 0])).backward()  # 输出层共用这张表
print(f"共用一张表：{(table.grad.abs().sum(1) > 0).sum()} 行有梯度")

# %% [markdown]
# :::{admonition} 6. “余弦高就是同义”“余弦和点积一回事”
# :class: pitfall
# “左”与“右”的余弦约 1.0；`query @ vector` 与余弦能给出相反的排名。见上面两节。
# :::

# %% [markdown]
# 最后，论文里的“合并次数”和代码里的“词表大小”常被混着引用。

# %%
show_erratum("K01-4")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 往后看
#
# - 一张表给“角”一个向量，“左上角”与“三角形”分不开。**看上下文**要等注意力（第 04 章）。
# - 一句话成了 $[T, D]$ 的矩阵，可是把行打乱，行还是那些行：“狗咬人”与“人咬狗”用的是同样三行。**次序**是[第 02 章](02_positions.ipynb)的事。
# - 图像没有词表。第 10 章把图切成小块，每块乘一个矩阵：还是这一章的矩阵乘法，只是左边不再是 one-hot。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
words = CharTokenizer("狗咬人")
vectors = Embedding(3, 4)
dog_bites, man_bites = (vectors(torch.tensor(words.encode(text))) for text in ("狗咬人", "人咬狗"))
print("两句话的向量之和相等：", torch.allclose(dog_bites.sum(0), man_bites.sum(0)))

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 五题，约 35 分钟：一题心算，一题读图，三题写代码。把 `...` 换成你的答案，运行 `check`，它认得常见的错。
# 提示和解答折叠在题目下面，一步一步打开。

# %%
exercise("01-onehot-1")

# %%
answer = ...  # 心算，一个数

check("01-onehot-1", answer)

# %%
exercise("01-embedding-2")


# %%
def embedding_grad(ids, upstream, n_vocab): ...


check("01-embedding-2", embedding_grad)

# %%
exercise("01-bpe-3")

# %%
answer = ...  # 一个整数

check("01-bpe-3", answer)

# %%
exercise("01-bpe-4")


# %%
def glue_ids(ids, pair, new): ...


check("01-bpe-4", glue_ids)

# %%
exercise("01-utf8-5")


# %%
def stream(pieces): ...


check("01-utf8-5", stream)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. one-hot 两两正交，什么相似度也没有；词向量是一张 $[V, D]$ 的表。
# 2. 查表恰好等于 one-hot 乘矩阵；梯度只到查过的行，重复的相加。
# 3. 相似度是从邻居学来的；它说的是“能互相替换”，左与右因此很近。
# 4. 字节级 BPE 从 256 个字节起，反复并最常见的一对；什么文字都读得了。
# 5. 它不认识字的边界：中文先并出半个字，解码要整串一起；省不省，看它读过什么。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Bengio 等，[A Neural Probabilistic Language Model](https://www.jmlr.org/papers/v3/bengio03a.html)（2003），词向量表 $C$ 就从那里来；Mikolov 等（2013，arXiv:1301.3781），skip-gram；Sennrich 等（2016，arXiv:1508.07909），BPE 用于词，两页伪代码，读时记着考据 K01-3。
# - **公开代码**：openai/gpt-2 的 `src/encoder.py`，一百行读完整个编码器，怪字母的对照表也在里面；[karpathy/minbpe](https://github.com/karpathy/minbpe) 从零写起，`exercise.md` 是一架很好的练习梯子，带你一直走到 GPT-4 的分词器，比本章走得远。
# - **教程**：Hugging Face 课程第 6 章第 5 节，用 hug、pug、pun 一步步合并，英文例子讲得比我们细；我们多做的是字节与半个汉字。
#
# 下一章：[02 位置编码](02_positions.ipynb)。字有了向量，句子还没有次序。
