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
# # 09 GPT-3：数据、规模、示例
#
# 同一个网络，一个权重也没有改。题目前面多放几个例子，它就会做从来没见过的任务了。
#
# **学完能做什么**
#
# - 写出零样本、单样本、少样本的提示，说清三者差在哪里、不差在哪里
# - 自己搭一条数据流水线：质量过滤、近似去重、按权重混合，并指出每一步会丢掉什么
# - 推出 MinHash 为什么能估计相似度，按需要选带数和行数
# - 拟合一条损失对参数量的幂律，并说出它在哪里失效

# %% [markdown]
# **先修**：[04 自注意力](../1_foundations/04_attention.ipynb)（掩码）、[07 GPT-1](07_gpt1.ipynb) 和 [08 GPT-2](08_gpt2.ipynb)（结构、零样本）。
#
# **阅读** 约 48 分钟，练习另加 35 分钟。**运行** 实测约 40 秒（2 核 CPU，不需要网络）。

# %% slideshow={"slide_type": "skip"}
from itertools import permutations

import numpy as np
import torch
from datasketch import MinHash as KeptMinHash
from sklearn.linear_model import LogisticRegression

from course_lib import zoo
from course_lib.course.claims import figures_of, load_record
from course_lib.chapters.ch09_gpt3 import in_context_tasks as in_context
from course_lib.data.text import minhash, mixture, quality_filter, web_text
from course_lib.data.text.corpora import prose
from course_lib.data.text.minhash import MinHash, jaccard, shingles
from course_lib.foundations import sparse
from course_lib.foundations.sparse import banded_mask
from course_lib.lesson import check, exercise, run_claim, show_claim, show_erratum, show_figure, show_source, start
from course_lib.models.gpt3 import SIZES, n_parameters
from course_lib.chapters.ch09_gpt3 import pipeline_figures as plots
from course_lib.chapters.ch09_gpt3.in_context_figures import plot_prompt, plot_shots
from course_lib.chapters.ch09_gpt3.scaling_figures import plot_groups, plot_power_law
from course_lib.chapters.ch09_gpt3 import scaling
from course_lib.chapters.ch09_gpt3.in_context_evaluation import answer, fingerprint
from course_lib.chapters.ch09_gpt3.scaling import fit_power_law
from course_lib.widgets import Knob, explore

start("09")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：只多给几个例子
#
# 我们的小语言里，每个任务给四种颜色各配一个造出来的词。任务每次新抽：这里“红”叫“咕”，那里“红”叫“嘟”。
# 下面的模型训练时见过 1,000 多个任务，但是**没见过**眼前这一个。
#
# :::{admonition} 先猜再跑
# :class: guess
# 8 个词里挑一个。提示里放 0 个、1 个、8 个例子，模型各答对多少？模型的权重会变多少？
#
# A. 都是 1/8，它没学过这个任务　B. 例子越多越准，权重不变　C. 例子越多越准，因为权重跟着变了
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
model = zoo.load("icl-large")  # 一个 GPT，训练好的；它怎样训练见 C13a
before = fingerprint(model)
unseen = in_context.sequences(2000, 9, "held out", torch.Generator().manual_seed(9))  # [2000, 18]，每行 9 个例子
for k in (0, 1, 8):
    shots, question, right = unseen[:, : 2 * k], unseen[:, 2 * k : 2 * k + 1], unseen[:, 2 * k + 1]
    share = (answer(model, shots, question) == right).float().mean()
    print(f"{k} 个例子：答对 {share:.0%}；例如 {in_context.say(unseen[0, : 2 * k + 1])}")
print("所有权重的 SHA-256 前后相同？", fingerprint(model) == before)

# %% [markdown]
# 答案是 B。变的只有输入。这就是**上下文学习**（in-context learning）：任务是从提示里读出来的，不是训练进去的。
#
# GPT-2（2019）已经试过不微调：多数任务只给文章，或再加一句说明；翻译和问答还在上文放了几对示例（§3.7、§3.8），论文都叫零样本（zero-shot），效果有限。GPT-3（2020-05）做了三件事，正好是本章的三节：
# **数据**更多也更干净，**规模**大一百倍，用**示例**代替微调。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。常见问题：“那它到底在哪里学的？”答：在激活里。前面的例子变成键和值，后面的问题用注意力去查。
# 权重里学到的是“怎样查例子”，不是这一个任务。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 零样本、单样本、少样本：只差输入
#
# | 范式 | 我们的提示（prompt） | 翻译的提示 | 靠什么 | 更新权重吗 |
# |---|---|---|---|---|
# | 零样本（zero-shot） | `红→` | `Translate to French: Hello →` | 指令：预训练见过的，直接泛化 | 否 |
# | 单样本（one-shot） | `蓝→哒 红→` | `English: Hi → French: Salut`<br>`English: Bye →` | 模仿：一个示例说清格式 | 否 |
# | 少样本（few-shot） | `蓝→哒 红→咕 … 红→` | `Ex1: A→B`　`Ex2: C→D`<br>`Ex3: E→` | 上下文学习：几个示例合起来定下任务 | 否 |
# | 微调（fine-tuning，第 07 章） | `红→` | `Hello` | 标注 | **是**，要做很多步梯度下降 |
#
# 我们的小模型读不懂说明，所以零样本只能瞎猜。论文图 3.17 是一个真的少样本提示，改英语语法，除了示例和两个标签，一句说明也没有：
#
# ```text
# Poor English input: I eated the purple berries.
# Good English output: I ate the purple berries.
# …（再放几对）
# Poor English input: I'd be more than happy to work with you in another project.
# Good English output:
# ```
#
# GPT-3 接着写：I'd be more than happy to work with you **on** another project.

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
TASK = in_context.tasks("held out")[3:4]
SEQUENCE = in_context.follow(TASK, 9, torch.Generator().manual_seed(12))[0]  # [18]
ASKED = int(SEQUENCE[6])  # 第四个例子的颜色，之后再问它
RIGHT = in_context.ANSWERS[int(TASK[0, ASKED])]


def chances_after(k):
    ids = torch.cat([SEQUENCE[: 2 * k], torch.tensor([ASKED])])[None]
    with torch.inference_mode():
        shares = model(ids)[0, -1].softmax(-1)
    return shares[in_context.FIRST_ANSWER :].tolist()


def draw_shots(k):
    words = [in_context.WORDS[i] for i in SEQUENCE[: 2 * k].tolist()]
    examples = list(zip(words[::2], words[1::2]))
    return plot_prompt(examples, in_context.WORDS[ASKED], chances_after(k), in_context.ANSWERS, right=RIGHT)


def describe_shots(k):
    share = chances_after(k)[in_context.ANSWERS.index(RIGHT)]
    return f"{k} 个例子，再问“{in_context.WORDS[ASKED]}”：模型给正确答案“{RIGHT}”的概率是 {share:.2f}"


explore(
    draw_shots,
    describe_shots,
    k=Knob("例子个数 k", [0, 1, 2, 3, 4, 6, 8]),
    start={"k": 4},
    name="09-shots",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 从 0 往右拖。问的那种颜色一旦在例子里出现过，绿条就跳到接近 1；在它出现之前，已经用掉的词会先变短，因为一个词不会用两次。
# 如果模型只记得训练过的任务，绿条应当一直停在 1/8 附近。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：例子越多越准；越大越会用吗（C13a）
#
# :::{admonition} 问题与预测
# :class: evidence
# 三种大小，没见过的任务，0、1、2、4、8 个例子。没有例子谁都只能瞎猜，这由题目决定，不算数；要看的是从 1 个到 8 个涨多少。
# 预测：越大涨得越多，离最优越近。对手是“练得久”：让最小的练三倍的步数，看它追不追得上。
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C13a"))
accuracy = summary["accuracy"]
counts = summary["parameters"].mean
eight = "、".join(f"{share:.0%}" for share in accuracy.mean[:, -1])
one = "、".join(f"{share:.0%}" for share in accuracy.mean[:, 1])
best = summary["best"].mean
show_figure(
    plot_shots((0, 1, 2, 4, 8), accuracy.mean, counts, best, chance=1 / 8, spread=accuracy.std),
    alt=f"三种大小的模型在没见过的任务上的正确率，3 个种子。1 个例子：{one}，最优 {best[1]:.0%}；"
    f"8 个例子：{eight}，最优 {best[-1]:.0%}，从小到大",
)

# %% [markdown]
# 左图按例子个数看，黑虚线是最优：问的颜色出现过就一定能答，没出现过只能在剩下的词里猜。右图把同样的数按参数量再画一次。

# %%
show_claim("C13a")

# %% [markdown]
# 不成立：最小的练三倍步数，平均就追上了最大的；三个种子里一个打平，一个超过，一个还差得远。步数固定时看到的大小之差，在这里主要是学得快慢之差。
# GPT-3 的图 1.2 也是大模型更会用例子；它比的是一次训练，没有让小模型练更久。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：放进提示，还是改权重（C13b）
#
# 用例子答题，权重一个比特也不变：没有人改它，开头的 SHA-256 只是检查。真正的问题是值不值：
#
# :::{admonition} 问题与预测
# :class: evidence
# 同样 8 个例子，一种放进提示，一种当训练数据做梯度下降，然后不给例子直接问。学习率和步数挑对后者最有利的。
# 预测：放进提示更准。反例会是：梯度下降几步就把 8 个例子背下来了。
# :::

# %% slideshow={"slide_type": "fragment"}
show_claim("C13b")

# %% [markdown]
# 不成立。8 个例子几乎把四种颜色的答案全给了，梯度下降 30 步就背下来，离最优不远；放进提示的要靠模型自己会认。
# 提示的好处不在更准，在省：不用为每个任务另存一份权重，也不用挑学习率和步数。GPT-3 论文 §2 也说，微调的成绩通常最好。

# %% [markdown]
# 例子要放几个？课件和论文说的不一样：

# %%
show_erratum("K09-5")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 数据：一份抓取里有什么
#
# 网页抓取又大又脏。我们造一份小的，每篇的好坏都有标签，这样每一步丢对丢错都数得出来。
#
# - **干净**：几句场景描述，“左侧有一个红色的小圆形，……”
# - **乱序**：同样的字，次序打乱
# - **套话**：“版权所有”“点击这里登录”
# - **副本**：少数几篇被转载了约 200 次，每次改一个字，再添个记号

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
documents = web_text.crawl(800, seed=9)
texts = [document.text for document in documents]
KINDS = dict(zip(web_text.LABELS, ("干净", "乱序", "套话", "副本")))
for label, kind in KINDS.items():
    of_kind = [document.text for document in documents if document.label == label]
    print(f"{kind} {len(of_kind):3d} 篇：{of_kind[0][:34]}…")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 过滤：分类器打分
#
# GPT-3 训练了一个逻辑回归（logistic regression）：正例是精选的文集，反例是**原样的抓取**，没有人工标签。
# 特征是哈希计数（Spark 的 HashingTF）：每个词落进 $F$ 个桶之一，数每个桶落了几次。我们再除以总数，$x\in\mathbb{R}^F$ 是各桶的份额，长短不同的文档才好比。
#
# $$s=\sigma(w\cdot x+b),\qquad \sigma(z)=\frac1{1+e^{-z}}$$
#
# $s$ 是“像精选文集”的分数，$w\in\mathbb{R}^F$ 和 $b$ 是学来的。
#
# :::{admonition} 先猜再跑
# :class: guess
# 词袋（bag of words）只数词，不看次序。它能认出“乱序”吗？
# :::

# %% slideshow={"slide_type": "skip"}
good = web_text.curated(1200, seed=9)
CLASSIFIERS = {
    "只数单字": quality_filter.train_classifier(good, texts[:300], n_grams=(1,)),
    "单字和相邻两字": quality_filter.train_classifier(good, texts[:300], n_grams=(1, 2)),
}
SCORES = {}
for name, classifier in CLASSIFIERS.items():
    scores = classifier.score(texts)
    SCORES[name] = {kind: scores[[document.label == label for document in documents]] for label, kind in KINDS.items()}

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for name, scores in SCORES.items():
    print(name, {kind: round(float(np.median(each)), 2) for kind, each in scores.items()}, "（分数的中位数）")

# %% [markdown]
# 词袋给乱序和干净同样的分：它看不见次序，正是第 02 章的置换不变。加上相邻两字就分开了。GPT-3 用的是词袋。
#
# 副本的分数也偏低：抓取里到处是它们，分类器就把它们的用词当成了“抓取的味道”。
#
# 训练用牛顿法，十几行；scikit-learn 的 `LogisticRegression` 解同一个问题：

# %% tags=["nbval-check-output"]
features = quality_filter.hashed_shares([*good, *texts[:300]])
labels = np.repeat([1, 0], [len(good), 300])
kept_library = LogisticRegression(C=100, solver="newton-cholesky", tol=1e-8).fit(features, labels)  # C = 1 / penalty
ours = CLASSIFIERS["单字和相邻两字"].score(texts)
theirs = kept_library.predict_proba(quality_filter.hashed_shares(texts))[:, 1]
print("与 scikit-learn 的分数最多相差不到 0.001？", bool(np.abs(ours - theirs).max() < 1e-3))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 过滤：分数不是概率
#
# 有了分数，留哪些？GPT-3 不用硬阈值，而是抽签：
#
# ```python
# keep = np.random.pareto(9) > 1 - score
# ```
#
# numpy 的 Pareto 从 0 起，$P(X>x)=(1+x)^{-\alpha}$。代入 $x=1-s$：
#
# $$P(\text{留下})=(2-s)^{-\alpha},\qquad \alpha=9$$
#
# :::{admonition} 先猜再跑
# :class: guess
# 一篇 0.9 分的网页，留下的概率是多少？ A. 0.90　B. 大约 0.42　C. 大约 0.03
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
generator = np.random.default_rng(0)
for s in (0.5, 0.9, 1.0):
    drawn = quality_filter.keep_by_pareto(np.full(100_000, s), generator).mean()
    print(f"s = {s}：抽 10 万次留下 {drawn:.3f}，公式 {quality_filter.keep_probability(s):.3f}")

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
RULES = {f"s > {t}": ("threshold", t) for t in (0.3, 0.9)} | {f"α = {a}": ("pareto", a) for a in (1, 9, 20)}


def rule(name):
    kind, number = RULES[name]
    if kind == "threshold":
        return lambda s: (np.asarray(s) > number).astype(float)
    return lambda s: quality_filter.keep_probability(s, number)


def draw_filter(features, rule_name):
    form = "硬阈值" if RULES[rule_name][0] == "threshold" else "Pareto 抽签"
    return plots.plot_filter(rule(rule_name), SCORES[features], f"{form}，{rule_name}；特征：{features}")


def describe_filter(features, rule_name):
    kept = "、".join(f"{kind} {rule(rule_name)(scores).mean():.1%}" for kind, scores in SCORES[features].items())
    return f"规则 {rule_name}，特征是{features}，留下的份额：{kept}"


explore(
    draw_filter,
    describe_filter,
    features=Knob("特征", list(CLASSIFIERS), kind="buttons"),
    rule_name=Knob("规则", list(RULES)),
    start={"features": "单字和相邻两字", "rule_name": "α = 9"},
    name="09-filter",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 黑线是规则，红点线是常见的误解。把 α 从 1 拖到 20：黑线越来越弯，中等分数的越来越难留下，但从不为零，分类器看走眼的还有机会。
# 换成“只数单字”，干净和乱序的短线重合，什么规则也分不开它们。如果分数就是概率，黑线应当落在红线上。
# :::

# %%
show_erratum("K09-6")

# %%
show_erratum("K09-2")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟。常见问题：“为什么不干脆取阈值？”答：分类器只认得像精选文集的东西。抽签留一些不像的，保住多样性。
# 附录 A 说 α = 9 是照着 WebText 的分数分布选的。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 去重：两篇文档有多像
#
# 把文字切成所有长 $k$ 的片段（shingle），得到集合 $A$、$B$。**Jaccard 相似度**：
#
# $$J(A,B)=\frac{|A\cap B|}{|A\cup B|}$$
#
# 改一个字只动 $k$ 个片段，所以近似的副本 $J$ 仍然很高。（GPT-3 的集合不是片段，是上一节分类器的那些特征：文档里出现过的哈希桶。）问题是 $N$ 篇文档有 $N(N-1)/2$ 对，网页有几十亿篇，一对一对比不完。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
A, B = shingles("红色的小圆形", k=2), shingles("红色的大圆形", k=2)
print(sorted(A), sorted(B))
print(f"共有 {len(A & B)} 个，一共 {len(A | B)} 个，J = {jaccard(A, B):.3f}")
print("10 亿篇要比", f"{10**9 * (10**9 - 1) // 2:.1e}", "对")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## MinHash：五个事件，一个证明
#
# 把并集的片段随机排个队。每个集合只记住**自己排在最前的那个**。两个集合记的一样吗？
#
# 手算：$A=\{a,b,c\}$，$B=\{b,c,d,e\}$，并集 5 个。谁排在全队第一，是五个互不相容的事件：
#
# - 每个事件的概率都是 $1/5$，因为排队是随机的
# - 第一是 $b$ 或 $c$（在交集里）：两边记的都是它，**相同**
# - 第一是 $a$：只有 $A$ 记它，**不同**；第一是 $d$ 或 $e$ 同理
#
# 所以 $P(\text{相同})=\dfrac{|A\cap B|}{|A\cup B|}=\dfrac25=J$。五个事件，证完了。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
first, same = dict.fromkeys("abcde", 0), 0
for queue in permutations("abcde"):  # 全部 120 种排队
    rank = {letter: place for place, letter in enumerate(queue)}
    first[queue[0]] += 1
    agree = min("abc", key=rank.get) == min("bcde", key=rank.get)
    assert agree == (queue[0] in "bc")  # 相同，当且仅当第一名在交集里
    same += agree
print("各自排第一的次数", first, "；两边相同", same, "次，占", same / 120)

# %% [markdown]
# 一次排队只给一个“相同”或“不同”。排 $K$ 次，相同的比例就是 $J$ 的估计，标准差 $\sqrt{J(1-J)/K}$。
# 真的排队太贵，用 $x\mapsto(ax+b)\bmod p$ 代替。$K$ 个最小值排在一起叫**签名**（signature）。

# %% slideshow={"slide_type": "skip"}
show_source(MinHash)

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 估计有多准：自己的，与常用的库
#
# datasketch 是常用的 MinHash 库。同一对文档，各用 128 个哈希：

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
copies = [document.text for document in documents if document.label == "copy" and document.original == 0][:2]
one, other = (shingles(text) for text in copies)
maker = MinHash(128, seed=0)
ours = minhash.estimate(maker.signature(one), maker.signature(other))
kept = [KeptMinHash(num_perm=128, seed=1) for _ in range(2)]
for sketch, pieces in zip(kept, (one, other)):
    sketch.update_batch([piece.encode() for piece in pieces])
truth = jaccard(one, other)
print(f"真值 {truth:.2f}，标准差应是 {(truth * (1 - truth) / 128) ** 0.5:.2f}")
print(f"我们估计 {ours:.2f}，datasketch 估计 {kept[0].jaccard(kept[1]):.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## LSH：只比碰上的
#
# 把签名的 $K=b\times r$ 个数分成 $b$ 带（band），每带 $r$ 行（row）。**有一带全同**，就算候选。
#
# $$
# P(\text{候选})=1-(1-s^{r})^{b},\qquad \text{拐点}\approx(1/b)^{1/r}
# $$
#
# - $s$：这一对的相似度；$s^r$：一带 $r$ 行全同；$(1-s^r)^b$：$b$ 带都没碰上
# - 行多更严，带多更宽。代价只有一遍装桶，不用两两比较
# - 拐点：曲线升得最陡的地方
#
# GPT-3 用 Spark 的 `MinHashLSH`，10 个哈希，一个相同就算候选，也就是 10 带 × 1 行，很宽。候选再由 `approxSimilarityJoin` 按**真的** Jaccard 距离和一个阈值筛一遍。

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
LONG = prose().replace("\n", "")
WINDOW = [LONG[10 * i : 10 * i + 60] for i in range(7)]  # A…G：每篇比前一篇去掉 10 个字，再接上 10 个字
PAPER = LONG[400:460]
SMALL = [*WINDOW, PAPER, PAPER[:30] + "（转）" + PAPER[30:], LONG[700:760], LONG[1000:1060]]
NAMES = list("ABCDEFGHIJK")
SETS = [shingles(text) for text in SMALL]
TRUE = np.array([[jaccard(x, y) for y in SETS] for x in SETS])  # [11, 11]
SIGNATURES = MinHash(256, seed=3).signatures(SETS)  # [11, 256]


def banded(bands, rows):
    pairs = sorted(minhash.candidate_pairs(SIGNATURES, bands, rows))
    return pairs, minhash.clusters(len(SMALL), pairs)


def draw_lsh(bands, rows):
    pairs, groups = banded(bands, rows)
    return plots.plot_lsh(
        lambda s: minhash.collision_probability(s, bands, rows),
        minhash.knee(bands, rows),
        TRUE,
        pairs,
        groups,
        NAMES,
        f"{bands} 带 × {rows} 行 = {bands * rows} 个哈希",
    )


def describe_lsh(bands, rows):
    pairs, groups = banded(bands, rows)
    big = "、".join("".join(NAMES[i] for i in group) for group in groups if len(group) > 1) or "无"
    apart = sum(len(minhash.chained(group, lambda i, j: TRUE[i, j], 0.1)) for group in groups)
    return (
        f"{bands} 带 × {rows} 行，拐点 {minhash.knee(bands, rows):.2f}：{len(pairs)} 个候选对，"
        f"连成的簇：{big}；同一簇里相似度不到 0.1 的有 {apart} 对"
    )


explore(
    draw_lsh,
    describe_lsh,
    bands=Knob("带数 b", [4, 8, 16, 32], live=[2, 4, 8, 16, 32]),
    rows=Knob("每带行数 r", [1, 4, 6, 8], live=range(1, 9)),
    start={"bands": 16, "rows": 4},
    name="09-lsh",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# A 到 G 是一条链：每篇只比前一篇挪了 10 个字，相邻的 J 约 0.7，A 和 G 什么也不共有。橙线是候选，红点线是**同一簇却几乎不像**的对。
# 带 16、行 4 时，链把七篇并成一簇，只留一篇：这就是**传递链**的误伤。行数加到 8，链断开，H 和 I（真副本）还在一起。
# 如果“像”可以传递，图里就不该有红点线。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟。让学生先猜：带加倍，曲线往哪边走？往左。行加倍？往右。再问：怎样不误伤？候选出来以后按真的 J 再查一遍，
# 并且只和留下的那篇比，不和簇里每一篇比。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 用在抓取上：每簇留一篇

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
kept_places = minhash.deduplicate(texts, bands=20, rows=6, threshold=0.6)
for label, kind in KINDS.items():
    n_before = sum(document.label == label for document in documents)
    n_after = sum(documents[place].label == label for place in kept_places)
    print(f"{kind}：{n_before} → {n_after}")
print("原文有", len({document.original for document in documents if document.label == "copy"}), "篇")

# %% [markdown]
# 副本只剩原文那几篇，别的一篇没少。去重不管好坏：套话和乱序都还在。过滤和去重各管一样。
#
# 论文没有给阈值，网上常见的一个数是哪来的？

# %%
show_erratum("K09-8")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：洗过的数据值多少（C13d）
#
# :::{admonition} 问题与预测
# :class: evidence
# 同一个小模型，读**同样多的 token**，只换语料：整份、随机一部分、只去重、只过滤、两样都做。
# 抓取里有一成好网页换了句式，过滤器学“好”的时候没见过；考题也分两种句式。
# 预测：洗过的更好，两种句式都是；随机丢掉一样多的没有用。反例会是：洗过的语料小，要反复读；或者没见过的句式被当成垃圾丢了。
# :::

# %%
run_claim("C13d")

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C13d"))
CORPORA = ("整份", "随机\n一样少", "只去重", "只过滤", "两样都做")
TESTS = {"教过过滤器的句式": ("loss", "clean"), "没教过的句式": ("loss_other", "other")}
panels = {test: (summary[loss].values, summary[share].mean) for test, (loss, share) in TESTS.items()}
bars = "；".join(
    f"{test} " + "、".join(f"{name.replace(chr(10), '')} {mean:.3f}" for name, mean in zip(CORPORA, losses.mean(0)))
    for test, (losses, _) in panels.items()
)
show_figure(plots.plot_corpora(CORPORA, panels), alt=f"好文本上的损失，nat/字，3 个种子：{bars}")

# %% [markdown]
# 柱子里写的是语料里有几成这种句式的好网页，黑点是各个种子。左图和预测一样。右图，只去重仍然更好；过滤却把没见过的句式丢光了，
# 模型从此读不懂它们。过滤器学到的不是“好”，是“像我见过的好”。过滤之后再去重，两边都没有多少可去的了。
# 真实规模上，Gururangan 等（2022）重做 GPT-3 的过滤器，它偏爱富裕地区学校的文章。

# %%
show_claim("C13d")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 混合：按权重，不按大小
#
# 洗完之后，各来源按**权重** $w$ 抽，不按大小抽。总共训练 $T$ 个 token，来源有 $D$ 个，它被读的遍数（epochs）：
#
# $$e=\frac{w\,T}{D}$$
#
# Wikipedia 只有 3B，权重 3 %，300B 里就要读 3 遍；Common Crawl 410B，权重 60 %，连半遍也读不完。
# Books1 和 Books2 是“两份网上来的书”，论文没有说是哪些（§2.2）：同样 8 %，12B 的读 1.9 遍，55B 的读 0.43 遍。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
weights = [float(source.percent) / 100 for source in mixture.GPT3_MIXTURE]
drawn = np.bincount(mixture.draw_sources(weights, 100_000, np.random.default_rng(0)), minlength=5) / 100_000
for source, w, share in zip(mixture.GPT3_MIXTURE, weights, drawn):
    e = mixture.epochs(w, float(source.billions))
    print(f"{source.name}：权重 {w:.2f}，抽到 {share:.2f}，{e:.2f} 遍，表里印 {source.epochs}")

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
ranges = [mixture.possible_epochs(source) for source in mixture.GPT3_MIXTURE]
printed = [mixture.printed_range(source.epochs) for source in mixture.GPT3_MIXTURE]
show_figure(
    plots.plot_epochs([source.name for source in mixture.GPT3_MIXTURE], ranges, printed),
    alt="五个来源的遍数：按四舍五入放宽以后算出的范围和印出的数。只有 WebText2 对不上：算出 3.31–3.65，印的是 2.9",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 横条是把大小和权重都按四舍五入放宽后可能的范围，标记是表里印的。四个绿菱形落在条上，WebText2 的红叉落在条外。
# 如果表里的数互相一致，五个标记应当都在条上。
# :::

# %%
show_erratum("K09-3")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 规模：从 1.25 亿到 1750 亿
#
# GPT-3 有八个大小，结构就是 GPT-2。参数量不用建模型，按公式数（$D$ 宽，$n$ 层，$V$ 词表，$L$ 窗口）：
#
# $$N\approx 12nD^2+(V+L)D$$
#
# 12 是一层里 $D\times D$ 的矩阵有几个：注意力的 Q、K、V、输出 4 个，前馈 $D\to4D\to D$ 两个，各抵 4 个。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for name, config in SIZES.items():
    rough = 12 * config.n_layers * config.d_model**2 + (config.n_vocab + config.context) * config.d_model
    print(
        f"{name:13s}{config.n_layers:3d} 层，D = {config.d_model:5d}：{n_parameters(config):15,}，近似 {rough / 1e9:7.2f}B"
    )

# %% [markdown]
# 越大的模型，一批越大、学习率越小（表 2.1；批的大小按训练中测到的梯度噪声选，§2.3）：
#
# | | Small | Medium | Large | XL | 2.7B | 6.7B | 13B | 175B |
# |---|---|---|---|---|---|---|---|---|
# | 一批（token） | 0.5M | 0.5M | 0.5M | 1M | 1M | 2M | 2M | 3.2M |
# | 学习率（×10⁻⁴） | 6.0 | 3.0 | 2.5 | 2.0 | 1.6 | 1.2 | 1.0 | 0.6 |
#
# 参数量有两行对不上，正是表里自己乘不起来的两行：

# %%
show_erratum("K09-4")

# %%
show_erratum("K09-1")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 稠密与局部带状交替
#
# 与 GPT-2 唯一的结构差别：每隔一层用**局部带状**（locally banded）的稀疏注意力，每个 token 只看最近的 $w$ 个。
# 论文没有给出 $w$。一层的分数从 $T^2/2$ 个降到约 $wT$ 个；隔层的稠密注意力再把远处接上。

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
dense, band = banded_mask(24, 24, 24), banded_mask(24, 24, 6)
reach = (band.float() @ band.float()) > 0
MASKS = {
    "稠密层": dense,
    "带状层，w = 6": band,
    "两层都带状：能传到": reach,
    "带状 + 稠密：能传到": (band.float() @ dense.float()) > 0,
}
show_figure(
    plots.plot_masks({name: mask.numpy() for name, mask in MASKS.items()}, query=18),
    alt="24 个 token 的四张掩码，看第 19 个：稠密层看见 19 个，带状层 6 个，两层带状传到 11 个，带状接稠密传到 19 个",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 看蓝框那一行。两层都带状，信息只能传到 2w − 1 = 11 个 token 之内；中间夹一层稠密，就到得了开头。
# 如果全用带状层，第三张图就是它们的极限，每多一层只远 w − 1 个。
# :::

# %%
show_source(sparse.banded_mask)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 幂律：大多少，好多少
#
# Kaplan 等（2020-01）发现，损失 $L$ 随参数量 $N$ 按**幂律**（power law）下降：
#
# $$L(N)=\Big(\frac{N_c}{N}\Big)^{\alpha}\quad\Longleftrightarrow\quad \log L=\alpha\log N_c-\alpha\log N$$
#
# 双对数坐标里是一条直线，斜率 $-\alpha$；$N_c$ 是损失降到 1 nat 时的参数量。有了直线，就可以用小模型预测大模型。
#
# :::{admonition} 先猜再跑
# :class: guess
# $\alpha=0.076$（Kaplan 等的数）。参数多 10 倍，损失剩下多少？ A. 10 %　B. 84 %　C. 99 %
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
law = fit_power_law([1e6, 1e7, 1e8], [(8.8e13 / n) ** 0.076 for n in (1e6, 1e7, 1e8)])
print(f"拟合回来 α = {law.alpha:.3f}，N_c = {law.n_c:.1e}；参数 ×10，损失 ×{10**-law.alpha:.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：我们的小模型呢（C13c）
#
# :::{admonition} 问题与预测
# :class: evidence
# 4,096 条要死记的事实：三个字母的名字，两个字母的答案。第 $r$ 常见的出现概率 ∝ $1/r$，这是**长尾**。
# 六个大小，同样的批次。预测：log L 对 log N 是直线，前五个连成的线说得准第六个。
# 对手：带下限的幂律，$L=L_\infty+(N_c/N)^\alpha$。它多一个参数，能弯；谁说得准，由没参加拟合的第六个来判。
# 对照：512 条事实一样常见，没有长尾，练到最大的模型全会。
# :::

# %%
run_claim("C13c")

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
summary = figures_of(load_record("C13c"))
sizes = summary["parameters"].mean.astype(int)
MEASURED = {"有长尾": summary["loss"].values, "一样常见": summary["loss_flat"].values}


def fitted(world, n_used, law):
    return fit_power_law(sizes[:n_used], MEASURED[world].mean(0)[:n_used], with_floor=law == "带下限")


def draw_fit(world, n_used, law, axes):
    title = f"事实{world}，{law}，用前 {n_used} 个大小拟合"
    line = fitted(world, n_used, law)
    return plot_power_law(sizes, MEASURED[world], line, n_used, log=axes == "对数", title=title)


def describe_fit(world, n_used, law, axes):
    line, last = fitted(world, n_used, law), MEASURED[world].mean(0)[-1]
    return (
        f"事实{world}，{axes}坐标，{law}，用前 {n_used} 个大小拟合：α = {line.alpha:.3f}，下限 {line.floor:.2f}，"
        f"预测最大的模型 {float(line.loss(sizes[-1])):.3g}，实测 {last:.3g} nat"
    )


explore(
    draw_fit,
    describe_fit,
    n_used=Knob("用几个大小", [4, 5, 6]),
    law=Knob("式子", ["纯幂律", "带下限"], kind="buttons"),
    world=Knob("事实", list(MEASURED), kind="buttons"),
    axes=Knob("坐标", ["对数", "线性"], kind="buttons"),
    start={"n_used": 5, "axes": "对数"},
    name="09-power-law",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 空心橙点没有参加拟合，看虚线离它多远：用前五个，纯幂律的预测偏低约一成，点在虚线上方，直线已经在弯；换成“带下限”，虚线几乎穿过它。
# 如果损失真是纯幂律，两种式子应当说得一样准，带下限的那个下限应当接近 0。
# 换成“一样常见”，点先慢后陡，哪种式子都不像：大模型一下子背完了，没有尾巴可以接着背。
# :::

# %%
show_claim("C13c")

# %% [markdown]
# 不成立：带下限的说得更准。这里的下限主要是没训够，不是语料的熵。真实规模上两种式子都有人用：Kaplan 等（2020）没有下限；
# Henighan 等（2020）加上了，Hoffmann 等（2022）拟合出的下限是 1.69 nat。外推得越远，差得越多。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 这条曲线从哪里来：大模型多记一段尾巴
#
# 答案的字母有 16 种，瞎猜的损失是 $\ln16=2.77$ nat，图里的点线。

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
by_group = summary["loss_by_group"].mean
show_figure(
    plot_groups(sizes, by_group, ["第 1–10 常见", "第 11–100", "第 101–1000", "第 1001–4096"], np.log(16)),
    alt=f"四组事实的损失对参数量。最常见的 10 条 {by_group[0, 0]:.2f} 到 {by_group[-1, 0]:.2f}；第 11–100 条 {by_group[0, 1]:.2f} 到 {by_group[-1, 1]:.2f}；第 101–1000 条 {by_group[0, 2]:.2f} 到 {by_group[-1, 2]:.2f}；最少见的一组始终在瞎猜的 2.77 以上",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 每组各自塌下去，常见的先塌，像一级一级台阶；按频率加起来，才是一条光滑的曲线。最少见的一组谁也没记住，而且**比瞎猜还差**：
# 模型自信地答错。如果大模型对每条事实都好一点点，四条线应当一起往下走。
# :::

# %% [markdown]
# 这是一种解释，不是唯一的一种；我们的长尾是放进去的。GPT-3 自己画的是另一条律：

# %%
show_erratum("K09-7")

# %%
show_source(scaling._line)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “分数就是留下的概率”
# :class: pitfall
# 是 $(2-s)^{-9}$。K09-6 抽了 20 万次。
# :::
#
# :::{admonition} 2. “带和行谁多都一样，反正是 b × r 个哈希”
# :class: pitfall
# 对调以后，拐点从 0.74 挪到 0.99，只认得全同的文档。
# :::
#
# :::{admonition} 3. “有副本的都删掉”
# :class: pitfall
# 每簇要留一篇。全删，被转载最多的那篇（往往是好文章）就一篇也不剩。
# :::

# %% tags=["nbval-check-output"]
print(f"误区 2　450 带 × 20 行：拐点 {minhash.knee(450, 20):.3f}；20 带 × 450 行：{minhash.knee(20, 450):.3f}")
pairs = minhash.similar_pairs(texts)
in_a_pair = {place for pair in pairs for place in pair}
originals = {documents[place].original for place in range(len(texts)) if place not in in_a_pair} - {None}
print(
    f"误区 3　把成对的都删：{len(texts) - len(in_a_pair)} 篇，原文剩 {len(originals)} 篇；每簇留一篇：{len(kept_places)} 篇"
)

# %% [markdown]
# :::{admonition} 4. “少样本就是用几个样本微调”
# :class: pitfall
# 没有梯度。推理时 `inference_mode()` 里连梯度也不记，开头比过权重的 SHA-256。两种做法谁更准，C13b 比过。
# :::
#
# :::{admonition} 5. “示例的标签必须对”
# :class: pitfall
# 要看任务。Min 等（2022，arXiv:2202.12837）发现，在分类题上把示例的标签换成随机的，GPT-3 只差一点：它本来就会，示例只说明格式。
# 我们的任务只能从示例里学，标签错了，答案就错。
# :::
#
# :::{admonition} 6. “幂律可以一直外推”
# :class: pitfall
# 它只是拟合。数据不够、训练步数不够、损失有底（语言本身的熵），线都会弯。
# :::

# %% tags=["nbval-check-output"]
k = 8
wrong = unseen.clone()
wrong[:, 1 : 2 * k : 2] = (
    in_context.FIRST_ANSWER + (wrong[:, 1 : 2 * k : 2] - in_context.FIRST_ANSWER + 1) % 8
)  # 标签错开一个
for name, ids in {"标签对": unseen, "标签错": wrong}.items():
    share = (answer(model, ids[:, : 2 * k], unseen[:, 2 * k : 2 * k + 1]) == unseen[:, 2 * k + 1]).float().mean()
    print(f"误区 5　8 个例子，{name}：答对 {share:.0%}")

n = np.geomspace(1e3, 1e8, 6)
bent = fit_power_law(n[:3], 1.0 + (1e4 / n[:3]) ** 0.5)  # 真正的律有一个底 1.0
print(f"误区 6　有底 1.0：用前三个外推到 1e8，预测 {float(bent.loss(1e8)):.2f}，真值 {1 + (1e4 / 1e8) ** 0.5:.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 往前看，往后看
#
# - **第 07 章 GPT-1**：预训练，再为每个任务微调，权重变。
# - **第 08 章 GPT-2**：不微调，统称零样本；翻译和问答的上文里其实已有几对示例。语料里碰巧有示范的任务才行。
# - **这一章**：把示范放进提示里。大 116 倍（1.5B → 175B），数据洗过、配过。
# - **第 10 章 ViT**：同一个 Transformer 换成读图像块。那里也有同样的问题：数据少时，规模没有用。
# - **第 12 章 BLIP**：图文数据更脏，于是让模型自己清洗自己的数据。第 19 章 SFT：示范又回到了权重里。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 六题，约 35 分钟：一题心算，一题读图，四题写代码。把 `...` 换成你的答案，运行 `check`，它认得常见的错。

# %%
exercise("09-gpt3-1")

# %%
answer_1 = ...  # 小数，或者百分数

check("09-gpt3-1", answer_1)

# %%
exercise("09-gpt3-2")


# %%
def similarity(a, b, k): ...


check("09-gpt3-2", similarity)

# %%
exercise("09-gpt3-3")

# %%
answer_3 = ...  # 0 到 1 之间的一个数

check("09-gpt3-3", answer_3)

# %%
exercise("09-gpt3-4")


# %%
def keep(n, pairs): ...


check("09-gpt3-4", keep)

# %%
exercise("09-gpt3-5")


# %%
def my_band(T, window): ...


check("09-gpt3-5", my_band)

# %%
exercise("09-gpt3-6")


# %%
def exponent(sizes, losses): ...


check("09-gpt3-6", exponent)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 零样本、单样本、少样本只差输入；权重一个比特也不变，学习发生在激活里。省的是训练，不一定更准。
# 2. 过滤：分类器打分，留下的概率是 $(2-s)^{-9}$；词袋看不见乱序。
# 3. 去重：MinHash 签名相同的比例就是 Jaccard，LSH 用带和行只比碰上的；像不会传递，链会误伤。
# 4. 混合：遍数 = 权重 × 总 token ÷ 大小，小而好的来源读几遍，大的读不完一遍。
# 5. 规模：大模型损失更低，但在我们训练的几个大小上，带下限的幂律比纯幂律说得准；外推之前，先拿没参加拟合的点去考它。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Brown 等，Language Models are Few-Shot Learners（2020，arXiv:2005.14165）。§2 四页讲清方法，附录 A 讲数据流水线。
# - **规模律**：Kaplan 等，Scaling Laws for Neural Language Models（2020，arXiv:2001.08361）；Hoffmann 等（2022，arXiv:2203.15556）改正了参数与数据的配比。
# - **去重值多少**：Lee 等，Deduplicating Training Data Makes Language Models Better（2021，arXiv:2107.06499），有一句话在 C4 里重复了六万多次。
# - **少样本的标签**：Min 等，Rethinking the Role of Demonstrations（2022，arXiv:2202.12837）。
# - **公开代码**：[datasketch](https://github.com/ekzhu/datasketch)（MinHash 与 LSH）；[openai/gpt-3](https://github.com/openai/gpt-3) 只有数据和样本（算术题、语言统计、生成的文章），没有代码和权重；带状注意力可看 GPT-Neo。
#
# 下一章，同一个 Transformer 开始看图：ViT。
