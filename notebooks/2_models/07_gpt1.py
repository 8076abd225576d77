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
# # 07 GPT-1：先读书，再做题
#
# 只有 16 条标注，要认出一段话是谁写的。从零训练的模型只对一半左右，另一个对九成多。它多做了什么？
#
# **学完能做什么**
#
# - 说出预训练和微调各优化什么，写出三个损失 $L_1$、$L_2$、$L_3$
# - 把分类、蕴含、相似、多选四种任务都改写成“一串词，读最后一个记号”
# - 在纸上算出 GPT-1 的 116,534,784 个参数，说出它和 GPT-2 差在哪几行
# - 解释为什么 Extract 记号必须站在最后

# %% [markdown]
# **先修**：[04 自注意力与多头注意力](../1_foundations/04_attention.ipynb)（因果掩码）、[06 Transformer](../1_foundations/06_transformer.ipynb)（解码器、post-norm）。
#
# **阅读** 约 49 分钟，练习另加 30 分钟。**运行** 实测约 30 秒（2 核 CPU，不需要网络）。

# %% slideshow={"slide_type": "skip"}
from dataclasses import replace

import torch
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from course_lib.course.claims import figures_of, load_record
from course_lib.chapters.ch07_gpt1.experiments.painters import CONFIG, MARKS, labelled
from course_lib.chapters.ch07_gpt1.painters import PAINTERS, THINGS, WORDS, favourites, inventories, write
from course_lib.foundations.gelu import gelu_tanh_by_formula
from course_lib.lesson import check, exercise, run_claim, show_claim, show_erratum, show_figure, show_source, start
from course_lib.models import gpt1, gpt2
from course_lib.models.gpt1 import GPT1, n_parameters
from course_lib.chapters.ch07_gpt1.gpt1_tasks import (
    GPT1Task,
    Marks,
    classification,
    entailment,
    multiple_choice,
    similarity,
    task_loss,
    with_new_tokens,
)
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.chapters.ch07_gpt1 import figures as plots
from course_lib.chapters.ch07_gpt1.fine_tuning import accuracy, fine_tune
from course_lib.training.loop import next_token_losses, train
from course_lib.widgets import Knob, explore

start("07")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：16 条标注够不够
#
# 四位画家，每人有 48 件爱画的东西，没有人告诉我们是哪些。一段文本是一幅画的清单：
#
# - 十件里九件是这位画家爱画的，余下一件随便
# - 一件东西算一个词，如“红色的小圆形”，共 192 个词
# - 任务：读四件，说出是谁画的
#
# 没有署名的清单要多少有多少；署了名的只有 16 条。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
texts, painters = inventories(0, "labelled", 16, 4)  # [16, 8]：四件东西，四个标点；[16]
for ids, painter in zip(texts[:3], painters):
    print(f"{write(ids.tolist())}　画家{PAINTERS[painter]}")
seen = len(set(texts[:, ::2].flatten().tolist()))
print(f"16 条标注里一共出现 {seen} 件不同的东西，世界上有 {len(THINGS)} 件")

# %% [markdown]
# 192 件里有一大半在标注里从没出现过。遇到没见过的词，从零训练的模型只能瞎猜。
#
# :::{admonition} 先猜再跑
# :class: guess
# 直接在 16 条上训练一个 GPT-1，没见过的文本上能对多少？瞎猜是 25 %。
#
# A. 25 % 左右　B. 50 % 上下　C. 90 % 以上
# :::

# %%
few, few_painters = labelled(0, "labelled", 16)  # <start> 文本 <extract>，[16, 1, 10]
test, test_painters = labelled(0, "test", 1000)


def answers(gpt, lr=1e-3):
    torch.manual_seed(0)
    model = GPT1Task(with_new_tokens(gpt, 0), MARKS, len(PAINTERS))
    fine_tune(model, few, few_painters, steps=60, lr=lr)
    return f"标注的 16 条 {accuracy(model, few, few_painters):.0%}，没见过的 1,000 条 {accuracy(model, test, test_painters):.0%}"


# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
blank = with_new_tokens(GPT1(CONFIG), 3)
print("从零训练：", answers(blank, lr=3e-3))

# %% [markdown]
# 答案是 B。它把 16 条背了下来，100 % 对，可是背的是那几十个词。读到背过的词就对，其余瞎猜。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 以前怎么办，GPT-1 换了什么
#
# 2018 年以前，每个任务一套结构，一套损失；预训练过的词向量只能当输入的第一层（第 01 章）。两个问题：
#
# | 问题 | GPT-1 的回答 |
# |---|---|
# | **不通用**：哪种预训练损失好，因任务而异 | 只用一种：预测下一个词 |
# | **不统一**：迁移到每个任务都要改结构 | 结构不动，只改**输入**的写法 |
#
# 两个阶段：① **无监督预训练**（pre-training），读没有标注的文本；② **有监督微调**（fine-tuning），用少量标注，**所有**权重接着训练。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 第一阶段：预测下一个词
#
# 一段文本 $u_1,\dots,u_n$，没有标注。让模型在每个位置猜下一个词：
#
# $$
# L_1=-\frac{1}{n-1}\sum_{i=2}^{n}\log P(u_i\mid u_1,\dots,u_{i-1};\Theta)
# $$
#
# - $P$：模型给真正的下一个词的概率，logits $[T,V]$ 做 softmax
# - $\Theta$：全部权重；论文写的是求和再最大化，这里取平均、取负号，一回事
# - 单位是 nat；什么都不知道时，每个词 $\ln V$
#
# **标签就是文本自己**，左移一位。所以标注要多少有多少。

# %% [markdown]
# ### 手算：三个词
#
# 词表只有 3 个词，一句话是“0 1 2”。模型在前两个位置给出下面的分数，算 $L_1$。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
ids = torch.tensor([[0, 1, 2]])  # [B, T] = [1, 3]
logits = torch.log(torch.tensor([[[0.2, 0.7, 0.1], [0.25, 0.25, 0.5], [1 / 3, 1 / 3, 1 / 3]]]))  # [B, T, V]
chances = logits.softmax(-1)[0]
by_hand = -(chances[0, 1].log() + chances[1, 2].log()) / 2  # 位置 0 猜 1，位置 1 猜 2；最后一个位置没有下一个
print(f"−(ln 0.7 + ln 0.5)/2 = {by_hand:.3f} nat，瞎猜是 ln 3 = {torch.log(torch.tensor(3.0)):.3f}")
assert_close(next_token_losses(logits, ids).mean(), by_hand)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 预训练：读 19,200 段没有署名的清单
#
# 模型：两层，4 个头，$D=64$。损失就是上面的 $L_1$，循环是第 04 章以来同一个 `train`。

# %%
torch.manual_seed(0)
untrained = GPT1(CONFIG)
gpt = GPT1(CONFIG)
unlabelled, _ = inventories(0, "unlabelled", 300 * 64, 8)  # [19200, 16]，谁画的扔掉
losses = train(gpt, unlabelled.split(64), steps=300, lr=3e-3)
print(f"损失：第 1 步 {losses[0]:.2f}，最后 20 步平均 {sum(losses[-20:]) / 20:.2f} nat / 词")

# %% slideshow={"slide_type": "fragment"}
print("预训练再微调：", answers(with_new_tokens(gpt, 3)))

# %% [markdown]
# 同样 16 条标注，同样 60 步。差别只在开始时的权重。
#
# 没有人教过它“画家”。可是要猜准下一件东西，最有用的事就是先弄清这段清单是谁的。于是它自己学了出来。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。常见问题：“这不是作弊吗，预训练看过测试文本？”答：没有，预训练、标注、测试是三批不同的文本，只有世界相同。
# 另一个：“零样本呢？”答：GPT-1 的重点是微调；零样本在论文里只是 §5 的一个分析，第 08 章才是主角。
# :::

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
loved = favourites(0)
own = {name: torch.tensor(things) for name, things in zip(PAINTERS, loved)}
drawn, drawers = inventories(0, "widget", 60, 6)
# 第一件恰好不是作者爱画的，其余都是：看模型怎样改主意
stray = next(i for i, p in enumerate(drawers) if [int(t) in loved[p] for t in drawn[i, ::2]] == [False] + [True] * 5)
story, author = drawn[stray : stray + 1], int(drawers[stray])
MODELS = {"没训练": untrained.eval(), "预训练后": gpt.eval()}


@torch.no_grad()
def next_thing(step, model):
    """下一件东西的概率 [192]，已经读过 step 件。"""
    return MODELS[model](story[:, : 2 * step])[0, -1, : len(THINGS)].softmax(-1)


def look_next(step, model):
    chance = next_thing(step, model)
    top = chance.topk(6)
    return [(THINGS[i], c) for c, i in zip(top.values.tolist(), top.indices.tolist())], {
        name: chance[things].sum().item() for name, things in own.items()
    }


def draw_next(step, model):
    top, groups = look_next(step, model)
    words = [THINGS[i] for i in story[0, : 2 * step : 2].tolist()]
    title = f"{model}，读过 {step} 件（其实是画家{PAINTERS[author]}）"
    return plots.plot_next_word(words, top, groups, truth=THINGS[story[0, 2 * step]], title=title)


def describe_next(step, model):
    top, groups = look_next(step, model)
    shares = "、".join(f"{name} {share:.0%}" for name, share in groups.items())
    return (
        f"{model}，读过 {step} 件：最可能的下一个词是{top[0][0]}，{top[0][1]:.1%}；概率落在各画家爱画的东西里：{shares}"
    )


explore(
    draw_next,
    describe_next,
    step=Knob("读过几件", range(1, 6)),
    model=Knob("模型", list(MODELS), kind="buttons"),
    start={"step": 3, "model": "预训练后"},
    name="07-next-word",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 往右拖，看右图。这段清单的第一件恰好是随便画的，模型先认错了人；读到第三件，紫柱倒向真正的作者，它改了主意。
# 左图的词都只有百分之二三：它不知道下一件是哪一件，只知道是谁的。
# 切到“没训练”，四根柱子乱晃，不随读过的件数收拢。如果预训练只学了词频，读多少件右图都不会变。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 第二阶段：微调
#
# 一条标注：文本 $x^1,\dots,x^m$ 和答案 $y$。把模型在最后一个记号上的状态 $h^m\in\mathbb{R}^D$ 乘一个新矩阵：
#
# $$
# \begin{aligned}
# P(y\mid x^1,\dots,x^m)&=\text{softmax}(h^m W_y)&&W_y\in\mathbb{R}^{D\times K}\\
# L_2&=-\log P(y\mid x^1,\dots,x^m)&&\text{任务的损失}\\
# L_3&=L_2+\lambda L_1&&\text{加上辅助的语言模型损失，}\lambda=0.5
# \end{aligned}
# $$
#
# $K$ 是类别数。新参数只有 $W_y$ 和三个记号的词向量；其余全部从预训练来，而且继续更新。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
scores = torch.log(torch.tensor([[0.8, 0.2]]))  # 两类，[B, K] = [1, 2]
label = torch.tensor([0])
l1, l2 = by_hand, -torch.log(torch.tensor(0.8))
l3 = task_loss(scores, label, logits[:, None], ids[:, None], torch.ones(1, 1, 3, dtype=torch.bool), lm_weight=0.5)
assert_close(l3, l2 + 0.5 * l1)
print(f"L1 = {l1:.3f}，L2 = {l2:.3f}，L3 = L2 + 0.5·L1 = {l3:.3f}")

# %%
show_source(task_loss)

# %% [markdown]
# 新增的参数到底有多少，论文与代码差一个偏置：

# %%
show_erratum("K07-6")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 四种任务，一种读法
#
# 三个新记号：Start、Delimiter（隔开两段）、Extract（读它上面的状态）。任务不同，只是输入的写法不同。

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
S, D, E = ("Start", "start"), ("Delim", "delimiter"), ("Extract", "extract")


def reading(*parts):
    middle = [chip for i, part in enumerate(parts) for chip in ([D] if i else []) + [(part, "text")]]
    return [S, *middle, E]


show_figure(
    plots.plot_transformations(
        {
            "分类": [reading("文本")],
            "蕴含": [reading("前提", "假设")],
            "相似": [reading("文本一", "文本二"), reading("文本二", "文本一")],
            "多选": [reading("题干", "选项甲"), reading("题干", "选项乙"), reading("题干", "选项丙")],
        }
    ),
    alt="四种输入。分类一行：Start、文本、Extract。蕴含一行，前提和假设之间有 Delim。相似两行，两段文本换位。多选三行，题干分别接三个选项。每行都以 Extract 结尾",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 每一行的末尾都是 Extract。相似读两遍，两个状态相加；多选每个选项读一遍，各得一个分数，再对选项做 softmax。
# 如果换任务要换结构，这张图就该画出四种网络，而不是四种输入。
# :::

# %% tags=["nbval-check-output"]
marks = Marks(start=7, delimiter=8, extract=9)
print("分类", classification([1, 2], marks))
print("蕴含", entailment([1, 2], [3], marks))
print("相似", similarity([1, 2], [3], marks))
print("多选", multiple_choice([1, 2], [[3], [4], [5]], marks))

# %%
show_source(GPT1Task)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：预训练值多少标注（C11）
#
# :::{admonition} 问题与预测
# :class: evidence
# 8 到 1,024 条标注，各微调一次。预测：预训练在每一档都领先，标注越少差得越多；标注够多时几条线相遇。
# 对手有两个：从零训练，两个学习率取好的那个；从零训练，但走的步数和预训练加微调一样多。后者要是追上来，值钱的就只是步数。
# :::

# %%
run_claim("C11")

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
LABELS = (8, 16, 32, 64, 256, 1024)
FORMS = ("pretrained", "scratch", "scratch_long")
summary = figures_of(load_record("C11"))
told = "；".join(
    f"{n} 条 {a:.0%}、{b:.0%}、{c:.0%}" for n, a, b, c in zip(LABELS, *(summary[name].mean for name in FORMS))
)
show_figure(
    plots.plot_labels(LABELS, {name: (summary[name].mean, summary[name].std) for name in FORMS}),
    alt=f"没见过的文本上的正确率，三个种子的平均，依次是预训练再微调、从零训练、从零训练走同样多的总步数：{told}；瞎猜 25 %",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 竖着看，同样的标注差多少；横着看，同样的正确率省下多少标注。带子是三个种子的标准差，8 条时很宽：抽到哪 8 条很要紧。
# 灰线走的步数和蓝线一样多。如果预训练只是多走了几步，灰线应当处处追上蓝线；它只在 1,024 条时追上。
# :::

# %%
show_claim("C11")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：辅助损失有没有用（C11b）
#
# :::{admonition} 问题与预测
# :class: evidence
# 微调时 $\lambda=0.5$ 还是 $0$？论文 §5 说大数据集受益、小数据集不受益；它的表 5 里八项平均却是不加 75.0、加 74.7，最小的 RTE 加了反而好。
# 我们的任务里，预训练完的模型标注一多就到了上限，什么都帮不上忙。所以再拿一个只预训练一半的来比：它离上限还远。
# 预测：凡有余地，开比关好。
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
summary = figures_of(load_record("C11b"))
AUXILIARY = (8, 32, 256, 1024)
gaps = {
    name: summary[f"{name}_on"].values - summary[f"{name}_off"].values for name in ("pretrained", "half", "scratch")
}
means = {name: "、".join(f"{100 * gap:+.1f}" for gap in values.mean(0)) for name, values in gaps.items()}
show_figure(
    plots.plot_auxiliary(AUXILIARY, {name: (values.mean(0), values.std(0, ddof=1)) for name, values in gaps.items()}),
    alt=f"开辅助损失比关多几个百分点，8、32、256、1,024 条标注：预训练完的 {means['pretrained']}；"
    f"只预训练一半的 {means['half']}；从零训练的 {means['scratch']}",
)

# %%
show_claim("C11b")

# %% [markdown]
# 一处也没有帮上忙，余地大的地方反而有害。8 条文本反复读几百遍，$L_1$ 学到的大概是这 8 条的原文；可是 1,024 条时每条只读两三遍，
# 只预训练一半的模型照样每个种子都低。我们猜，80 步里两个目标在争同一份更新，没有测。论文自己的表 5 也是不加的平均略高。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Extract 为什么在最后
#
# BERT 的 [CLS] 站在最前面。把 GPT-1 的 Extract 也挪到最前，会怎样？
#
# :::{admonition} 先猜再跑
# :class: guess
# 站在最前，四选一能对多少？ A. 差不多　B. 掉一点　C. 25 %
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
ready = with_new_tokens(gpt, 3)
PLACES = [0, 1, 2, 3, 4]
placed = {}
for place in PLACES:
    torch.manual_seed(0)
    model = GPT1Task(with_new_tokens(ready, 0), MARKS, len(PAINTERS))
    fine_tune(model, *labelled(0, "labelled", 512, place), steps=40)
    moved, _ = labelled(0, "test", 1000, place)
    placed[place] = model, moved, accuracy(model, moved, test_painters)


@torch.no_grad()
def read_out(place, text):
    model, moved, _ = placed[place]
    return model(moved[text : text + 1]).softmax(-1)[0].tolist()


def names(ids):
    signs = {MARKS.start: "始", MARKS.extract: "Extract"}
    return [signs.get(i) or WORDS[i].replace("的", "").replace("色", "").replace("形", "") for i in ids]


SHOWN = [0, 1, 2]


def draw_place(place, text):
    tokens = [name for name in names(placed[place][1][text, 0].tolist()) if name not in "，。"]
    return plots.plot_extract(
        tokens,
        tokens.index("Extract"),
        read_out(place, text),
        PAINTERS,
        truth=int(test_painters[text]),
        accuracy=placed[place][2],
    )


def describe_place(place, text):
    shares = "、".join(f"{name} {share:.0%}" for name, share in zip(PAINTERS, read_out(place, text)))
    return (
        f"第 {text + 1} 段，Extract 站在第 {place} 件之后，答案{shares}，真的是画家{PAINTERS[test_painters[text]]}；"
        f"1,000 段上的正确率 {placed[place][2]:.0%}"
    )


explore(
    draw_place,
    describe_place,
    place=Knob("Extract 站在第几件之后", PLACES),
    text=Knob("文本", SHOWN, kind="buttons", texts=["一", "二", "三"]),
    start={"place": 4},
    name="07-extract-place",
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 往左拖到 0：三段文本的柱子变得**一模一样**，正确率是瞎猜。有颜色的是它读得到的，白的在它右边，因果掩码不许看。
# 如果掩码有洞，站在最前也会因文本而异。
# :::

# %% [markdown]
# 最前面只能瞎猜，这由掩码决定，不用测。要测的是别处：左边有几件，它就用上几件吗？只读前 n 件的人最多能对多少，算得出来。
# 上面是一个种子、512 条标注；五个种子、1,024 条标注的记录：

# %% slideshow={"slide_type": "slide"} tags=["hide-input"]
summary = figures_of(load_record("C11c"))
by_place, best = summary["by_place"], summary["best"].mean
told = "、".join(f"{n} 件后 {a:.1%}，最优 {b:.1%}" for n, (a, b) in enumerate(zip(by_place.mean, best)))
show_figure(
    plots.plot_places(by_place.values, best, summary["front_unmasked"].values),
    alt=f"Extract 的位置与正确率，五个种子的平均：{told}；站在最前但去掉因果掩码 {summary['front_unmasked'].mean:.0%}；瞎猜 25 %",
)

# %%
show_claim("C11c")

# %% [markdown]
# 黑线是最优。从 1 件到 2 件，最优不涨：两件东西要是各指一位画家，只能猜一个，和只读一件一样准。模型也不涨。
# 最右边空心的柱子去掉了掩码：站在最前又对了。所以原因在掩码，不在位置。BERT 没有掩码，[CLS] 站哪里都行。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 4 分钟，全章最好的一张图。问：“那能不能放中间？”拖到 2：只读了一半，也能对九成，因为这里一件东西就透露很多。真实任务不会这样便宜。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 里面：只留下解码器
#
# 从第 06 章的 Transformer 拿走编码器，也就没有了交叉注意力。剩下的每一层：
#
# $$
# \begin{aligned}
# n&=\text{norm}\big(x+\text{attention}(x)\big)\\
# h&=\text{norm}\big(n+W_2\,\text{GELU}(W_1n+b_1)+b_2\big)&&W_1\in\mathbb{R}^{4D\times D}
# \end{aligned}
# $$
#
# - **post-norm**：归一的是和，同 2017 年；最后不再需要 norm
# - 位置是**学出来的**一张表 $[512, D]$，不是正弦
# - GELU 代替 ReLU，公开代码用 tanh 近似
# - 输出头就是词表：$\text{logits}=hW_e^{\top}$，$W_e\in\mathbb{R}^{V\times D}$

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
block = GPT1(CONFIG).blocks[0]
x = torch.randn(1, 5, 64)  # [B, T, D]
with torch.no_grad():
    n = block.norm_attention(x + block.attention(x))
    up, down = block.feedforward.up, block.feedforward.down
    h = block.norm_feedforward(n + down(gelu_tanh_by_formula(up(n))))
    assert_close(block(x), h)
print(
    "一层的输出",
    list(h.shape),
    "，每个向量的均值",
    f"{h.mean(-1).abs().max():.2f}，方差 {h.var(-1, unbiased=False).mean():.2f}",
)

# %% [markdown]
# 手写的一层与 `course_lib` 逐元素一致。全文如下；`gpt2.py`、`gpt3.py` 与它同名同序，用 diff 一比就看得出各改了什么。

# %%
show_source(gpt1.Block, gpt1.GPT1)

# %% [markdown]
# 两处细节，许多复现写错：norm 放在哪里，GELU 是哪一种。

# %%
show_erratum("K07-3")

# %%
show_erratum("K07-4")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 数一数：116,534,784
#
# | 部分 | 公式 | GPT-1：$V$ = 40,478，$C$ = 512，$D$ = 768，12 层 |
# |---|---|---|
# | 词表（也是输出头） | $VD$ | 31,087,104 |
# | 位置表 | $CD$ | 393,216 |
# | 一层注意力 | $4D^2+4D$ | 2,362,368 |
# | 一层前馈 | $8D^2+5D$ | 4,722,432 |
# | 一层两个 norm | $4D$ | 3,072 |
#
# 一层合计 $12D^2+13D$ = 7,087,872。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
released = gpt1.SIZES["openai-gpt"]
layer = 12 * released.d_model**2 + 13 * released.d_model
by_formula = (released.n_vocab + released.context) * released.d_model + released.n_layers * layer
print(f"{by_formula:,} 个参数，没有分配一个字节")
assert by_formula == n_parameters(released)
small = replace(released, n_vocab=50, context=8, d_model=24, n_layers=3)
assert n_parameters(small) == sum(parameter.numel() for parameter in GPT1(small).parameters())

# %% [markdown]
# 课件上的两个数，1.17 亿和 5 GB，论文里都没有。它们从哪里来：

# %%
show_erratum("K07-1")

# %%
show_erratum("K07-2")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “标签要自己移一位”
# :class: pitfall
# 损失函数里已经移了。再移一次，学的是下下个词，损失照样下降，谁也看不出来（transformers#562 改正的就是这个）。
# :::
#
# :::{admonition} 2. “GPT 都是 pre-norm”
# :class: pitfall
# GPT-1 是 post-norm。名字和形状全对得上，权重装得进去，输出是错的。
# :::

# %% tags=["nbval-check-output"]
cycle = (torch.arange(20) % 5)[None]  # 0 1 2 3 4 0 1 …
knows = torch.full((1, 20, 5), -20.0).scatter(-1, ((cycle + 1) % 5)[..., None], 0.0)  # 永远说对下一个
print(
    f"误区 1　移一次 {next_token_losses(knows, cycle).mean():.2f} nat，移两次 {cross_entropy(knows[0, :-2], cycle[0, 2:]):.1f} nat"
)

torch.manual_seed(0)
post = GPT1(CONFIG)
pre = GPT2(GPT2Config(n_vocab=CONFIG.n_vocab, context=CONFIG.context))
missing = pre.load_state_dict(post.state_dict(), strict=False)
apart = (pre.hidden(texts) - post.hidden(texts)).abs().max().item()
print("误区 2　没对上的名字：", missing.missing_keys, f"，输出之差超过 1？{apart > 1}")

# %% [markdown]
# :::{admonition} 3. “零样本是 GPT-1 的重点”
# :class: pitfall
# 重点是微调。没有微调的头只是随机的 $W_y$，和瞎猜一样。论文 §5 用了一些启发式看零样本，为的是解释预训练学到了什么。
# :::
#
# :::{admonition} 4. “微调只训练新加的头”
# :class: pitfall
# 全部权重都动。只训练头叫线性探测（linear probing），是另一回事。
# :::
#
# :::{admonition} 5. “补齐的批要取最后一列”
# :class: pitfall
# 短文本的最后一列是补齐。要取 Extract 那一列，练习 5 就是这个。
# :::

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
head_only = GPT1Task(with_new_tokens(ready, 0), MARKS, 4)
share = accuracy(head_only, test, test_painters)
print(f"误区 3　预训练过、没有微调：正确率在 5 % 到 50 % 之间？{0.05 < share < 0.5}")
before = head_only.gpt.blocks[0].attention.to_qkv.weight.clone()
fine_tune(head_only, few, few_painters, steps=10)
print(
    "误区 4　微调以后，第一层的 W_qkv 变了？", not torch.equal(before, head_only.gpt.blocks[0].attention.to_qkv.weight)
)

# %%
show_erratum("K07-5")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 往后看
#
# - **第 06 章 → 这里**：编码器和交叉注意力拿走了，解码器留下。同年十月的 BERT 反过来，留下编码器。
# - **第 08 章 GPT-2**：norm 挪到子层里面，末尾补一个 norm，再大十倍多；不再微调，任务写进文本里。
# - **第 09 章 GPT-3**：再大一百倍，例子写进上下文里。
# - **第 19 章 SFT**：$L_2$ 的答案从一个类别变成一段话，其余照旧。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for name, room in {"GPT-1": gpt1, "GPT-2": gpt2}.items():
    largest = list(room.SIZES.values())[-1]
    print(
        f"{name}：{largest.n_layers} 层，D = {largest.d_model}，上下文 {largest.context}，{room.n_parameters(largest):,} 个参数"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 五题，约 30 分钟：一题心算，一题读图，三题写代码。把 `...` 换成你的答案，运行 `check`，它认得常见的错。

# %%
exercise("07-gpt1-1")

# %%
answer = ...  # 一个整数

check("07-gpt1-1", answer)

# %%
exercise("07-gpt1-2")


# %%
def similarity_inputs(one, other, start, delimiter, extract): ...


check("07-gpt1-2", similarity_inputs)

# %%
exercise("07-gpt1-3")

# %%
answer = ...  # 一个整数

check("07-gpt1-3", answer)

# %%
exercise("07-gpt1-4")


# %%
def text_loss(logits, ids, is_token): ...


check("07-gpt1-4", text_loss)

# %%
exercise("07-gpt1-5")


# %%
def states_at_extract(x, ids, extract): ...


check("07-gpt1-5", states_at_extract)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 先在没有标注的文本上预测下一个词，再用少量标注微调全部权重；标注少时前一步值几十个点，标注够多就几乎不差。
# 2. 预测下一个词逼着模型弄清“这是谁的文本”，虽然没有人教过它这个标签。
# 3. 四种任务共用一个结构，只改输入：三个记号，读 Extract 上面的状态。
# 4. 因果掩码下，只有最后的记号读完了全文；挪到最前就是瞎猜。
# 5. GPT-1 是 post-norm、学出来的位置、tanh GELU、共用词表，116,534,784 个参数。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Radford、Narasimhan、Salimans、Sutskever，[Improving Language Understanding by Generative Pre-Training](https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf)（2018 年 6 月）。图 1 是四种输入，§5 是消融与零样本。
# - **公开代码**：[openai/finetune-transformer-lm](https://github.com/openai/finetune-transformer-lm)，一个 `train.py`；transformers 的 `models/openai/modeling_openai.py`。
# - **前一步**：Dai 与 Le，Semi-supervised Sequence Learning（2015，arXiv:1511.01432）；Howard 与 Ruder，ULMFiT（2018，arXiv:1801.06146），同样的两阶段，用的是 LSTM。
# - **语料**：Bandy 与 Vincent，Addressing “Documentation Debt” in Machine Learning Research（NeurIPS 2021 数据集与基准），BookCorpus 里到底有什么，比任何模型论文都说得清楚。
#
# 下一章讲 GPT-2：不微调，任务自己藏在语料里。
