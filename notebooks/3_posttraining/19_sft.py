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
# # 19 SFT：照着示范说话
#
# 预训练的模型只会续写，不会回答。怎样让它照着指令做，又怎样不让它把不该学的也学去？
#
# **学完能做什么**
#
# - 把一段对话排成一行词元，标出哪几格要学
# - 手算 SFT 的损失，说出它和预训练只差在哪里
# - 看模型的毛病（不停、替人提问、开口就停），猜出掩码错在哪里
# - 装箱而不串门，手算一次 LoRA
# - 说清“上限”锁住了什么，没有锁住什么

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。只念谜面。常问：“和第 7 章的微调有什么不同？”答：损失的形状相同；那里的答案是一个类别，这里是一段话，而且要自己知道在哪里停。
# :::

# %% [markdown]
# **先修**：[08 GPT-2](../2_models/08_gpt2.ipynb)（下一个词的概率、因果掩码、采样、会写绝句的诗人）。
#
# **阅读** 约 45 分钟，练习另加 46 分钟。**运行** 实测约 50 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $T$、$t$ | 一行有几个词元；第几格 | |
# | $V$ | 词表的大小 | 算术题 38，诗 3,167 |
# | $p_t$ | 模型给第 $t$ 个词元的概率，只看它左边的 | 0 到 1 |
# | $M$ | 要学的格 | $T$ 格里的几格 |
# | $N$ | 要学的格有几个 | |
# | $L$ | 损失，nat/词元 | 一个数 |
# | $z$、$s$ | 一格上的分数，和它的 softmax | 各 $[V]$ |
# | $q$ | 示范者在这一格写每个词元的概率 | $[V]$ |
# | $W$ | 线性层的矩阵，冻住 | $[O, I]$ |
# | $O$、$I$ | 线性层有几个输出、几个输入 | |
# | $A$、$B$ | LoRA 学的两个矩阵 | $[r, I]$、$[O, r]$ |
# | $r$ | LoRA 的秩 | |
# | $\alpha$ | LoRA 的倍数，除以 $r$ 再用 | |
#
# 摘出来的源码里，字母另有约定：B 一批几行，T 词元数，N = T − 1。
# :::

# %% slideshow={"slide_type": "skip"}
import numpy as np
import torch
from torch.nn.functional import linear
from torch.testing import assert_close

from course_lib import zoo
from course_lib.chapters.ch19_sft import acrostic, learning
from course_lib.chapters.ch19_sft import figures as plots
from course_lib.chapters.ch19_sft.whole_figure import plot_whole
from course_lib.course.claims import figures_of, load_record
from course_lib.data.real.poems import EDGE, poems
from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.sampling import sample
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, show_source, start
from course_lib.posttraining.chat import Rendered, chatml
from course_lib.posttraining.log_probs import is_target, masked_mean, token_log_probs
from course_lib.posttraining.lora import LoRALinear, add_lora, merge
from course_lib.posttraining.packing import best_fit, own_text, packed, packed_loss, places
from course_lib.posttraining.sft import padded, sft_loss
from course_lib.toys import sums
from course_lib.training.loop import next_token_loss
from course_lib.widgets import Knob, explore
from course_lib.widgets.poet import live_acrostic

start("19")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：它只会接着写
#
# 一个小 GPT-2（`sums-base`）读过许多张加法卷子，题目一道接一道，多数写好了答案，有的只有题目。没有读过一句对话。问它一道题，照它的概率抽三次，每次只写 14 个词元，到了就截断：
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 题目是“27+15=?”。它会接着写什么？
#
# - A. 42，然后停下
# - B. 有时是答案，有时是下一道题，反正写个没完
# - C. 不成题的乱码
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
base = learning.base()


def goes_on(model, text, n_new, seed=0):  # 接着写 n_new 个词元
    ids = torch.tensor([sums.chat().encode(text)])
    reader = FastGPTReader(model, ids.shape[1] + n_new)
    return sums.decode(sample(reader, ids, n_new, generator=torch.Generator().manual_seed(seed))[0].tolist())


for asked in ("27+15=?", "27+15=?答："):
    for seed in range(3):
        print(f"{asked} → {goes_on(base, asked, 14, seed)!r}")
unseen = learning.exam()[:100]
sure = [goes_on(base, f"{each[0]['content']}答：", 2) == sums.right(each) for each in unseen]
print(f"卷子上没有的题 100 道，都写上“答：”，各抽一次：对 {np.mean(sure):.0%}")

# %% [markdown] slideshow={"slide_type": "-"}
# 第二组替它写了“答：”，三次都是 42，换一百道题也几乎都对：**它会算，只是不知道你在问它**。续写卷子，出下一道题也没有错；写完一道，更没有理由停。（`\n` 是换行。）
#
# 要改的不是本事，是习惯：看见问题，就回答；答完，就停。办法最直接的一种：写好许多问答给它看，让它照着学。这叫**监督微调**（supervised fine-tuning，SFT）。写答案的人或模型叫**示范者**（demonstrator）。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先投票，再翻。常问：“在提示里写‘请回答’行不行？”答：大模型行（第 9 章的上下文学习），因为它读过别人这样问、别人这样答；这个小模型没有读过。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 对话排成一行
#
# 模型只读一行词元。谁在说话，要写进去：这就是**对话模板**（chat template）。Qwen 等用的一种叫 ChatML。每条消息先是**抬头**（谁说话），再是内容，最后是结束符。

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
talk = [
    {"role": "user", "content": "27+15=?"},
    {"role": "assistant", "content": "42"},
    {"role": "user", "content": "再加31等于几？"},
    {"role": "assistant", "content": "73"},
]
print(chatml(talk))

# %% [markdown] slideshow={"slide_type": "-"}
# `<|im_start|>` 和 `<|im_end|>` 不是几个字母，各是词表里一个专用的词元。用户照样打出这些字母，也要当普通字母编码，拼不成它。下面一格一个词元，写作“始”“终”；蓝底是用户的，黄底是助手的，橙框是**要学的**：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
chat = sums.chat()


def told(talk):  # 每个词元，和它属于谁
    speakers = []
    for each in talk:
        speakers += [each["role"]] * (len(chat.header(each["role"])) + len(chat.plain(each["content"])) + 1) + [""]
    return [sums.vocabulary()[i] for i in chat.render(talk).ids], speakers


tokens, speakers = told(talk)
text = chat.render(talk)
show_figure(
    plots.plot_talk(tokens, speakers, text.is_answer),
    alt=f"四条消息排成一行，{len(tokens)} 个词元。每条：始、角色、换行、内容、终、换行。要学的 {sum(text.is_answer)} 格：两条回答的字，和各自的终",
)

# %% [markdown] slideshow={"slide_type": "-"}
# 两处容易错。**抬头不学**：轮到谁说话，由我们写，不由它写。**结束符要学**：它答完了要自己写出“终”，生成的循环看见“终”才停。这张记号表叫**回答掩码**（answer mask）。

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 每个词元在它左边那一格上猜，那一格看得见更左边的全部。“4”在哪一格上猜？
#
# - A. 用户说的“?”
# - B. 助手抬头里的“助手”
# - C. 助手抬头末尾的换行
# :::

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
for at in [at for at, mine in enumerate(text.is_answer) if mine]:
    print(f"第 {at:2} 格 {tokens[at]!r:14} 在第 {at - 1:2} 格 {tokens[at - 1]!r} 上猜")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，请学生在黑板上框出要学的格。常问：“结束符后面的换行算谁的？”答：本课谁的也不算；有的训练模板算助手的，见最后的考据。又问：“用户在话里写 <|im_end|> 会怎样？”答：要当普通字母编码，否则他就能冒充助手；编码器若没有做到，`plain` 会报错。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# `course_lib` 里就这几行。`header` 给抬头，`plain` 编码内容；若编出了那两个专用的词元，就报错：

# %% slideshow={"slide_type": "skip"}
show_source(type(chat).render)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 还是那个损失，只是挑格子
#
# 预训练的损失是每一格 $-\ln p_t$ 的平均。SFT 一个字不改，只是少数几格：
#
# $$
# L=-\frac{1}{N}\sum_{t\in M}\ln p_t
# $$
#
# $M$ 是打了记号的格，$N$ 是格数。手算一条短的，概率是随手写的：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
SHORT = ["<|im_start|>", "assistant", "\n", "4", "2", "<|im_end|>", "\n"]
BY_HAND = [None, 0.5, 0.9, 0.5, 0.8, 0.4, 0.99]
MINE = [False] * 3 + [True] * 3 + [False]
show_figure(
    plots.plot_surprise(SHORT, BY_HAND, MINE, ["assistant"] * 6 + [""]),
    alt="七个词元，下面写着概率和 −ln p。要学的三格：4 是 0.5，2 是 0.8，终是 0.4；−ln p 各是 0.69、0.22、0.92",
)

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output"]
by_hand = (0.693 + 0.223 + 0.916) / 3
print(f"只数三格：{by_hand:.2f}；六格都数：{-np.mean(np.log(BY_HAND[1:])):.2f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# `course_lib` 把它写成两步。`token_log_probs` 从分数 $[行, T, V]$ 取出真的下一个词元的 $\ln p_t$，得 $[行, T-1]$：第一格左边没有格，没处猜。掩码是照词元写的 $[行, T]$，也要去掉第一格，`is_target` 做的就是这件事。错一位的毛病多半出在这里。

# %% slideshow={"slide_type": "skip"}
log_probs = torch.tensor([BY_HAND[1:]]).log()  # [1, T - 1]
mine = torch.tensor([MINE])  # [1, T]
assert_close(-masked_mean(log_probs, is_target(mine)), torch.tensor(by_hand), atol=1e-3, rtol=0)
show_source(sft_loss)

# %% [markdown] slideshow={"slide_type": "skip"}
# 若每一格都打上记号，它就是预训练的损失，一个数也不差：

# %% slideshow={"slide_type": "skip"}
everything = padded([learning.all_of_it(text)], chat.end)
assert_close(sft_loss(base, everything), next_token_loss(base, everything["ids"]))

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，三个数在黑板上加。常问：“问题不进损失，那问题不就白给了？”答：不白给。要猜“4”，得看左边的全部；梯度照样流过问题的每一格，只是不要求它会写问题。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图
#
# 从左上往下，再往右，再往下。橙线是掩码走的路。底下一排先不管，第 20 到 23 章讲：[奖励模型](20_rlhf.ipynb)给回答打分，[PPO](21_ppo.ipynb)、[GRPO](23_grpo.ipynb)、[DPO](22_dpo.ipynb) 是三种照好坏去学的办法。

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
NAMES = {"user": "用户", "assistant": "助手"}
show_figure(
    plot_whole(
        base.config, [f"{NAMES[each['role']]}：{each['content']}" for each in talk], tokens, speakers, text.is_answer
    ),
    alt=f"SFT 的全图。左：四条消息过对话模板，成 {len(tokens)} 个词元和一张掩码。中：基座 GPT-2，查词、加位置 [1, {len(tokens)}, 64]，"
    "每块先 LayerNorm、因果自注意力、残差相加，再 LayerNorm、前馈、残差相加，"
    f"重复 {base.config.n_layers} 次，LayerNorm，过词表。"
    f"右：去掉最后一格，log-softmax，取出真的下一个词元，用掩码挑出 {sum(text.is_answer)} 个，平均取负。"
    "下：预训练、SFT、奖励模型、PPO 和 GRPO，或者 DPO",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 中间一列与第 8 章的 GPT-2 相同，没有新的层。新的只有左边的模板和右边的橙框。若 SFT 是另一种模型，中间就该有不同。（右边的 38 有两个意思，只是碰巧：$T-1$ 格，词表 $V$ 也是 38。）
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，一格一格报形状。常问：“底下一排为什么要先 SFT？”答：后面的办法靠模型自己写出答案再打分；不先学会答，写出来的都是下一道题，没有分可打。整段码停 2 分钟，问：`learn[:, 1:]` 与 `[:, :-1]` 为什么成对？答：第 t 格的分数猜第 t + 1 格，分数去掉最后一格，编号和掩码去掉第一格，才对得上。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 整段码
#
# 模板、掩码、损失、一步、回答，都在这里：


# %% slideshow={"slide_type": "skip"}
def render(messages, encode, start, end):  # → 编号 [T]，要学的格 [T]
    ids, learn = [], []
    for message in messages:
        header = [start, *encode(message["role"] + "\n")]
        words = [*encode(message["content"]), end]
        ids += header + words + encode("\n")
        learn += [False] * len(header) + [message["role"] == "assistant"] * len(words) + [False]
    return ids, learn


def batch_of(texts, pad):  # 右边填充：编号、是词元不是填充、要不要学，各 [行, T]
    T = max(len(ids) for ids, _ in texts)
    rows = [(ids + [pad] * (T - len(ids)), len(ids), learn + [False] * (T - len(ids))) for ids, learn in texts]
    ids, lengths, learn = zip(*rows)
    return torch.tensor(ids), torch.arange(T) < torch.tensor(lengths)[:, None], torch.tensor(learn)


def loss_of(model, ids, is_token, learn):
    logits = model(ids, is_token=is_token)[:, :-1]  # 第 t 格猜第 t + 1 格
    log_p = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return -log_p[learn[:, 1:]].mean()


def step_of(model, adam, batch):
    loss = loss_of(model, *batch)
    adam.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adam.step()
    return loss.item()


@torch.no_grad()
def answer_of(model, messages, encode, start, end, longest=6):
    ids = render(messages, encode, start, end)[0] + [start, *encode("assistant\n")]
    n_asked = len(ids)
    while len(ids) < n_asked + longest and ids[-1] != end:
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return ids[n_asked:]


# %% [markdown] slideshow={"slide_type": "skip"}
# 与 `course_lib` 逐数比较，再照着不到两千段示范走 61 步（第 0 到 60）：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
signs = chat.encode, chat.start, chat.end
few = [*sums.talks(8, seed=1)]
ours, theirs = (
    batch_of([render(each, *signs) for each in few], chat.end),
    padded([chat.render(each) for each in few], 0),
)
assert_close(loss_of(base, *ours), sft_loss(base, theirs))
with torch.no_grad():
    surprise = -token_log_probs(base(theirs["ids"], is_token=theirs["is_token"]), theirs["ids"])
mine, ends = is_target(theirs["is_answer"]), theirs["ids"][:, 1:] == chat.end
print(f"学以前：“终” {surprise[mine & ends].mean():.1f}，答案的字 {surprise[mine & ~ends].mean():.1f} nat/词元")
pupil = learning.base()
adam = torch.optim.AdamW(pupil.parameters(), lr=3e-3)
for step in range(61):
    batch = batch_of([render(each, *signs) for each in sums.talks(32, seed=step)], chat.end)
    loss = step_of(pupil, adam, batch)
    if step % 20 == 0:
        said = sums.decode(answer_of(pupil, sums.ask("46+38=?"), *signs))
        print(f"第 {step:2} 步，损失 {loss:.3f} nat/词元；46+38=? → {said}")
assert answer_of(pupil, talk[:3], *signs) == learning.written(pupil, [talk[:3]], end=chat.end)[0]

# %% [markdown] slideshow={"slide_type": "skip"}
# 印出的损失是走这一步以前的，回答是走过以后的。第 0 步的 10.12 比瞎猜的 ln 38 = 3.64 还大：基座从没见过“终”，早学会了不写它。
#
# 真正的训练还让学习率先升后降。下面都用课程的 `learning.train`：80 步，每步 32 段对话，每次都从同一个基座开始。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 画一画掩码
#
# 橙框画错了会怎样？同一个基座，同样的示范，只换掩码，各学一遍。下面一半是它学过以后写的，故意不在“终”停下；“终”后面的淡掉：
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 只把“终”的橙框去掉，字照学。问 46+38=?，它写什么？
#
# - A. 什么也不写
# - B. 84，然后停不下来
# - C. 一个错的数
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
STEPS, BATCH = 80, 32
taught, losses = {}, {}
for mask in learning.MASKS:
    losses[mask] = []
    taught[mask] = learning.train(
        lambda step, mask=mask: learning.rendered(sums.talks(BATCH, step), mask), history=losses[mask], steps=STEPS
    )
ASKED = [sums.ask("46+38=?"), sums.ask("17+22=?")]


def said_with(mask):
    return [[sums.vocabulary()[i] for i in row] for row in learning.written(taught[mask], ASKED, n_new=12)]


def plot_mask(mask):
    learned = learning.MASKS[mask](text).is_answer
    return plots.plot_talk(tokens, speakers, learned, [each[0]["content"] for each in ASKED], said_with(mask))


def said_of_mask(mask):
    n = sum(learning.MASKS[mask](text).is_answer)
    shown = "；".join(
        f"{asked[0]['content']} 它写 {''.join(plots.SHORT.get(each, each) for each in words)}"
        for asked, words in zip(ASKED, said_with(mask))
    )
    return f"掩码“{mask}”，{len(tokens)} 格里学 {n} 格。学过以后：{shown}"


explore(
    plot_mask,
    said_of_mask,
    mask=Knob("掩码", list(learning.MASKS), kind="buttons"),
    start={"mask": "少了结束"},
    name="19-masks",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 一个一个换，先看橙框，再看它写的第一格和“终”的位置。“错一位”是橙框整个右移一格。“全部都学”答得也对：多学了问题，生成又在“终”停住，毛病看不见，直到有一天循环没有停。若掩码只是省时间的小事，六种写的就该一样。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# 没学过的题 300 道，只看答案是不是那个数、有没有停：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output", "hide-input"]
exam = learning.exam()
for mask, model in taught.items():
    rows = learning.written(model, exam, end=chat.end)
    ended = sum(chat.end in row for row in rows) / len(rows)
    number = [sums.decode(row).startswith(sums.right(each)) for row, each in zip(rows, exam)]
    print(f"{mask}　数对 {np.mean(number):4.0%}　停了 {ended:4.0%}　最后的损失 {np.mean(losses[mask][-10:]):.3f}")

# %% [markdown]
# 损失不能横着比：各数各的格。“错一位”的第一个字没有学，要靠基座原来会的，有时对；“学反了”学会了提问。“少了结束”最常见，来历是把结束符当填充用：

# %%
show_erratum("K19-2")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。请学生先看橙框猜毛病，再看下半。常问：“真的有人画错吗？”答：nanochat（Karpathy 的一套小型对话模型代码）在 2026 年初改写数据装载时丢了整张掩码，没有报错，训练损失也差不多；补回来，综合分从 0.315 到 0.355（582 号）。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 装箱：一行放几段，不许串门
#
# 对话长短不一，一段一行要补许多填充。**装箱**（packing）把几段放进一行。两样东西要跟着改：**墙**，一段只看自己这段；**位置**，每段从 0 重新数。`best_fit` 先放长的，放进还装得下的、最满的一行：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
eight = [chat.render(each) for each in sums.talks(8, seed=3)]
lengths = [len(each.ids) for each in eight]
WAYS = ["一段一行", "装箱，有墙", "装箱，没有墙"]


def packing(way, room):
    if way == "一段一行":
        rows, room = [[i] for i in range(len(lengths))], max(lengths)
    else:
        rows = best_fit(lengths, room)
    text_of = torch.tensor([[n for n, i in enumerate(rows[0]) for _ in range(lengths[i])]])
    T = text_of.shape[1]
    if way == "装箱，没有墙":
        return rows, room, np.tril(np.ones((T, T), dtype=bool)), list(range(T))
    return rows, room, own_text(text_of)[0, 0].numpy(), places(text_of)[0].tolist()


def plot_packing(way, room):
    rows, room, may, where = packing(way, room)
    return plots.plot_packed(rows, lengths, room, may, where)


def said_of_packing(way, room):
    rows, room, may, _ = packing(way, room)
    empty = 1 - sum(lengths) / (room * len(rows))
    return f"{way}：{len(rows)} 行，每行 {room} 格，空着 {empty:.0%}；第 1 行里看得见的有 {int(may.sum())} 对"


explore(
    plot_packing,
    said_of_packing,
    way=Knob("放法", WAYS, kind="buttons"),
    room=Knob("一行几格", [40, 64, 80, 120], live=range(40, 241, 8)),
    start={"way": "装箱，没有墙", "room": 64},
    name="19-packing",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 左边灰的是填充；右边红的是串门：后一段看见了前一段。换成“有墙”，红的消失，下面的位置也都从 0 起。若墙不要紧，有没有红色，算出来的损失就该一样。（这个模型只有 64 个位置，更宽的行只画出来看。）
# :::
#
# 同样八段，同一个模型，三种放法，都不过 64 格，都数同样的 33 个词元：

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output"]
student = taught["只有回答"]
walled = packed(eight, 64, chat.end)
with torch.no_grad():
    alone = sft_loss(student, padded(eight, chat.end))
    inside = packed_loss(student, walled)
    surprise = -token_log_probs(student(walled["ids"]), walled["ids"])
    crossed = masked_mean(surprise, is_target(walled["is_answer"]))
print(f"一段一行 {alone:.4f}　装箱有墙 {inside:.4f}　没有墙 {crossed:.4f} nat/词元")

# %% [markdown] slideshow={"slide_type": "skip"}
# 有墙的与一段一行分毫不差，行数少一半。没有墙，后面的段落落在不该在的位置上，前面还多出别人的话，这个模型没有练过。若从头就没有墙地学，它也会学着无视邻居：这个小任务上看不出差别（见最后的 C25d），真的模型上有人量到 0.03 到 0.15。墙就是这几行：

# %% slideshow={"slide_type": "skip"}
assert_close(inside, alone)
show_source(own_text)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。常问：“不砌墙行不行？”答：有人这样训练，模型也学得会无视前一段；TRL（Hugging Face 的后训练库）里有人量过，最后的损失差 0.03 到 0.15（3910 号）。又问：“为什么不按长度分批？”答：也行，只是一批里就只剩差不多长的题。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## LoRA：只学一条窄的
#
# 全部微调，每个权重都要存梯度和 Adam 的两份状态。**低秩适配**（low-rank adaptation，LoRA）让 $W$ 冻住，旁边学一个低秩的乘积：
#
# $$
# W+\frac{\alpha}{r}BA
# $$
#
# 手算：$W$ 是 $4\times3$，秩 $r=1$，$\alpha=0.5$。$A$ 把三个输入并成一个数，$B$ 把它分给四个输出：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
W = torch.tensor([[1.0, 0, 2], [0, 1, 0], [2, 1, 0], [1, 1, 1]])  # [O, I]
A, B = torch.tensor([[1.0, 0, 2]]), torch.tensor([[1.0], [0], [-1], [2]])  # [r, I]、[O, r]
show_figure(
    plots.plot_lora(W.numpy(), B.numpy(), A.numpy(), 0.5),
    alt="4×3 的 W，加 0.5 乘 4×1 的 B 乘 1×3 的 A，等于合并以后的 4×3。例如左上角 1 + 0.5 × 1 × 1 = 1.5",
)

# %% [markdown] slideshow={"slide_type": "-"}
# 12 个数，学的是 4 + 3 = 7 个。矩阵越大，省得越多。

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 先猜再跑
# :class: guess answer-a
# $A$ 从高斯分布抽（本课取标准差 $1/\sqrt I$），$B$ 全是 0。训练还没有开始，模型的输出变了吗？若 $A$ 也是 0 呢？
#
# - A. 没有变；A 也是 0，就永远学不动
# - B. 变了一点；A 也是 0，就不变
# - C. 没有变；A 也是 0，照样学
# :::

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
layer = LoRALinear(torch.nn.Linear(3, 4, bias=False), rank=1, alpha=0.5)
layer.base.weight.copy_(W)
x = torch.tensor([[1.0, 1, 1]])
print("开头变了：", not torch.equal(layer(x), linear(x, W)))
for name, spread in (("高斯", 1.0), ("零", 0.0)):
    layer.A.data.normal_().mul_(spread)
    grads = torch.autograd.grad(layer(x).square().sum(), [layer.A, layer.B])
    print(f"A 是{name}：A 的梯度是零 {not grads[0].any()}，B 的梯度是零 {not grads[1].any()}")

# %% [markdown] slideshow={"slide_type": "skip"}
# $B=0$ 时先动的是 $B$；它离开 0 以后，$A$ 才有梯度。两个都是 0，谁也不动。合并以后又是一个矩阵，回答时一点不慢：

# %% slideshow={"slide_type": "skip"}
layer.A.data.copy_(A)
layer.B.data.copy_(B)
assert_close(layer(x), linear(x, W + 0.5 * B @ A))
assert_close(layer.merged()(x), layer(x))
show_source(LoRALinear.forward, LoRALinear.learned)

# %% [markdown] slideshow={"slide_type": "-"}
# 给基座每块的四个矩阵都接上（注意力的 `to_qkv`、`to_out`，前馈的 `up`、`down`），秩 4，学一样的示范。学习率各用各的：LoRA 1e-2，全部微调 3e-3：

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output", "hide-input"]
torch.manual_seed(0)
beside = learning.base()
add_lora(beside, ("to_qkv", "to_out", "up", "down"), rank=4)
n_all = sum(each.numel() for each in base.parameters())
n_learned = sum(each.numel() for each in beside.parameters() if each.requires_grad)
learning.train(lambda step: learning.rendered(sums.talks(BATCH, step)), start=beside, lr=1e-2, steps=STEPS, history=[])
merge(beside)  # 回答以前先合并
print(f"学 {n_learned:,} 个数，全部是 {n_all:,} 个；没学过的题，答对 {learning.accuracy(beside, exam):.0%}")
print(f"全部微调，答对 {learning.accuracy(student, exam):.0%}")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，左上角的 1.5 在黑板上算。常问：“省时间吗？”答：前向一样多，反向少算一部分；省的主要是显存：梯度和优化器的状态只为 A、B 存。又问：“秩要多大？”答：教一种说话的习惯，很小就够；教新的知识，常要更大，也不一定追得上全部微调。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真的东西：藏头诗
#
# [第 8 章](../2_models/08_gpt2.ipynb)的诗人读过一万首绝句，只会接着写。给它四个字和一条竖线，“春夏秋冬|”，要它四句各以一个字开头。示范不用请人写：每一首绝句，都是它自己四个首字的一份示范。提示六个词元（四个字、竖线、边界）不学，诗和收尾的边界要学。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 诗人原来读的，边界在第 0 格，诗从第 1 格起；现在诗从第 6 格起。没有微调过的它会怎样？
#
# - A. 四句多半以这四个字开头
# - B. 照写它的绝句，不理会那四个字
# - C. 把提示当成首句的前几个字，接着写完
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output", "hide-input"]
poets = {"微调以前": zoo.load("poet"), "微调以后": zoo.load("poet-acrostic")}
for name, model in poets.items():
    print(f"{name}：", *acrostic.write(model, "春夏秋冬", 2, seed=0), sep="\n　")
    for what, heads in {"诗人选的四个字": acrostic.held_out_heads(), "任意四个字": acrostic.random_heads()}.items():
        texts = acrostic.write_each(model, heads)
        found, habits = acrostic.kept(texts, heads), acrostic.habits(texts)
        print(f"　{what}：句子照办 {found.lines:.0%}，四句都照办 {found.poems:.0%}，成绝句的格式 {habits['form']:.0%}")

# %% [markdown] slideshow={"slide_type": "skip"}
# 上面每格一百首，温度 1，种子固定，没有挑过。没有微调过的，照原来的格子写：提示占去首句的前五格，首句就只剩两个字。微调过的，没读过的诗的四个首字，94% 的句子照办；词表里随手抽四个字，只有 43%，四句全照办的 2%。常见的字学到了规矩，生僻的没有。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟，先投票。常问：“照办的为什么不是十成？”答：示范里每句都照办，可是生僻字见得少：诗人选的四个字 94%，随手抽的 43%；第 23 章让它自己写、按规则打分，接着往上走。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 你来出四个字

# %% [markdown] slideshow={"slide_type": "skip"}
# 四个字随便写，两个模型换着看，用的是同一个种子：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
live_acrostic("春夏秋冬")

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 换到微调以后，停在一句的开头，看柱子：要的那个字独占大半；一句中间的柱子，又多又矮，和第 8 章的诗人一样。若它真懂了“以这个字开头”，换四个唐诗里少见的字（在词表的三千多个字以内），也该一样照办；试试看。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# 学了新规矩，旧的还在吗？没有要求、从头写起的诗，没读过的 200 首，损失是多少（句读也算）：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]


def freely(poem):  # 只有诗，前面没有四个字
    ids = acrostic.tokenizer().encode(f"{EDGE}{poem}{EDGE}")
    return Rendered(ids, [True] * len(ids))


rows = padded([freely(poem) for poem in poems("held-out")[:200]], acrostic.edge())
with torch.no_grad():
    for name, model in poets.items():
        print(f"{name}：{sft_loss(model, rows):.2f} nat/词元")

# %% [markdown] slideshow={"slide_type": "skip"}
# 瞎猜是 ln 3,167 = 8.06，7.83 差不多是全忘了。示范里没有一首是从头写起的，它就把从头写起忘了。真的 SFT 也会这样忘，常见的办法是掺一些预训练的文本，或者用 LoRA 少动一些。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，请学生出四个字，再出四个生僻的。常问：“它知道藏头诗是什么吗？”答：不知道。它学到的是：提示的第几个字，该写在第几句的开头。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 真的 SFT 用多少示范
#
# | | 几条 | 谁写的 | 说明了什么 |
# |---|---|---|---|
# | InstructGPT（2022-03） | 约 1.3 万个提示 | 约 40 位标注者 | 不止 SFT：后面还有奖励模型和 PPO |
# | Alpaca（2023-03） | 5.2 万 | 另一个模型（text-davinci-003） | 很快就像样；像样不等于对 |
# | LIMA（2023-05） | 1,000 | 750 条挑来的，250 条自己写的 | 650 亿参数的基座，一千条好的就会答；43% 不输给 GPT-4 |
# | Llama 2（2023-07） | 27,540 | 请来的标注者 | 几万条好的胜过几百万条杂的，然后停下来做 RLHF（第 20 章） |
#
# LIMA 说知识几乎都在预训练里，SFT 教的是样子。开头那个会算不会答的小模型正是这样。可是 LIMA 比的是三百个提示上人的喜好，没有比知识对不对。另一篇（The False Promise，2023-05）专门查过：照着更强的模型学，语气像了，事实没有跟上。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“那 SFT 教不了新知识吗？”答：示范里常见的教得会；示范里没有的会怎样，下面就量。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：上限锁住了什么
#
# 常听人说，SFT 的上限被示范者锁死。让示范者只对一部分，量一量；学生只学最后一块的前馈和归一化，少伤基座会的加法。三种错法，都错在十位：十位乱写，每次不同；时常忘进位，这位只出要进位的题；从来不进位，题里不用进位的占几成，他就对几成。学生回答也有两种：照概率抽，或者每步取最可能的。
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 示范者对五成，错的五成散在另外八个十位上（1 到 9 去掉对的）。每步取最可能的，学生对几成？
#
# - A. 五成，上限锁死了
# - B. 不到五成，学得不如老师
# - C. 远过五成
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
KINDS = {"十位乱写": "random", "时常忘进位": "systematic", "从来不进位": "carry"}
ceiling, SHARES = figures_of(load_record("C25b")), [0.3, 0.5, 0.7, 0.9]
reached = {kind: [ceiling[how].values[:, at] for how in ("sampled", "greedy")] for at, kind in enumerate(KINDS)}
show_figure(
    plots.plot_ceiling(SHARES, reached),
    alt="三种错法各一幅，横轴示范者写对几成，竖轴学生写对几成，虚线是与示范者一样。"
    + "。".join(
        f"{kind}：照概率抽 {'、'.join(f'{x:.0%}' for x in sampled.mean(0))}，"
        f"取最可能的 {'、'.join(f'{x:.0%}' for x in greedy.mean(0))}"
        for kind, (sampled, greedy) in reached.items()
    ),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# 先看橙线。十位乱写，最可能的总是对的，学生远远超过老师；时常忘进位，三成时几乎全错，七成时几乎全对；从来不进位的老师教出从来不进位的学生。再看蓝线：两种忘进位的贴着虚线，老师对几成，照概率抽就对几成。十位乱写的低了一截，“停在示范者那里”这句主张没有过关。多半是 200 步没有学够：对五成的那位，同一个种子走到 800 步，抽样从 38% 升到 45%（只试了一次，没有入档）。
#
# 若学到底，为什么会停在示范者那里？看一格的梯度。分数 $z$ 过 softmax 得 $s$，示范者写每个词元的概率是 $q$，许多次示范平均下来：
#
# $$
# \frac{\partial L}{\partial z}=s-q
# $$
#
# 示范者常写的被抬高，别的都被压低，**不问对错**；两样相等，梯度是 0，就停住了。手算：三个答案，85、75、其余，模型给 $(0.2,0.2,0.6)$，示范者六成写 85、四成写 75：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
s, q = torch.tensor([0.2, 0.2, 0.6]), torch.tensor([0.6, 0.4, 0.0])
z = s.log().requires_grad_()
(gradient,) = torch.autograd.grad(-(q * z.log_softmax(0)).sum(), z)
assert_close(gradient, s - q)
print("梯度", [round(x, 1) for x in gradient.tolist()], "：下降时 85 升得最多，75 也升")

# %% [markdown] slideshow={"slide_type": "skip"}
# 同一位对五成的示范者，看一道题的全部答案，一百个数一根柱子：

# %% slideshow={"slide_type": "skip"} tags=["hide-input"]
followers = {name: learning.from_demonstrator(0.5, error, steps=200) for name, error in KINDS.items()}
SUMS = ["37+48=?", "24+59=?", "21+35=?"]


@torch.no_grad()
def held_likely(model, asked):  # 0 … 99 各当整个回答的概率
    texts = [chat.answered(sums.ask(asked), str(number)) for number in range(100)]
    rows = padded(texts, chat.end)
    log_p = token_log_probs(model(rows["ids"], is_token=rows["is_token"]), rows["ids"])
    return log_p.masked_fill(~is_target(rows["is_answer"]), 0).sum(1).exp().numpy()


def both_answers(asked):
    return int(sums.right(sums.ask(asked))), int(sums.carryless(sums.ask(asked)))


def said_likely(kind, asked):
    p, (right, wrong) = held_likely(followers[kind], asked), both_answers(asked)
    return f"示范者{kind}，问 {asked}：对的 {right} {p[right]:.0%}，忘了进位的 {wrong} {p[wrong]:.0%}，最可能的是 {int(p.argmax())}"


explore(
    lambda kind, asked: plots.plot_answers(held_likely(followers[kind], asked), *both_answers(asked)),
    said_likely,
    kind=Knob("示范者", list(KINDS), kind="buttons"),
    asked=Knob("问", SUMS, kind="buttons"),
    start={"kind": "十位乱写", "asked": "37+48=?"},
    name="19-answers",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 绿的是对的，红的是忘了进位的，灰的是别的。十位乱写时，灰的隔十个一根，绿的仍最高。时常忘进位，问 37+48，红绿两根几乎一样高：谁高出一点，取最可能的就永远是谁。从来不进位，红的 99%，绿的 0。若学到的是“对的规则”，红的就该消失。
#
# 再看时常忘进位的 21+35：5 有 55%，4 有 38%，56 几乎是 0。这位没有出过不进位的题，学生在那样的题上只对 6%。只学一块，也没有保住基座会的加法。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# 卡片里“随机的错、固定的错、不会进位”依次就是上面三种，“底子”就是基座：

# %% slideshow={"slide_type": "skip"}
show_claim("C25b")

# %% [markdown] slideshow={"slide_type": "skip"}
# 我们事先定的是抽样和取最可能的都停在示范者上下 5 个百分点，两样都没有做到。“上限锁死”要拆开说：

# %% slideshow={"slide_type": "skip"}
show_erratum("K19-1")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，先投票。常问：“真的模型里，错是散的还是一致的？”答：两样都有；人共有的误解是一致的，取最可能的也救不了。又问：“十位乱写的，抽样为什么反而低？”答：没有学够，800 步就近了；取最可能的不怕这一点偏差。又问：“怎样越过去？”答：让模型自己多写几个，用规则打分，对的多学：第 23 章的 GRPO 从这里对五成的学生接着走。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：没见过的问法
#
# 没学过的同类题；只在卷子上见过的问法，“27加15等于几？”；三位数；谁也没有教过的问法，“请27再加15。”。它答对多少？它有多大把握（最可能的那个回答，整个的概率）？
#
# :::{admonition} 先猜再跑
# :class: guess answer-a
# 三位数的题，示范里一道也没有。它会怎样？
#
# - A. 照样给一个数，多半是错的
# - B. 不回答，或者写一串乱码
# - C. 会算两位，就会算三位
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
shift = figures_of(load_record("C25"))
ASKINGS = ["训练过的题", "没见过的数", "卷子上的问法", "三位数", "新的问法"]
show_figure(
    plots.plot_reached({"答对": shift["right"].values, "它的把握": shift["sure"].values}, ASKINGS, label="比例"),
    alt="五种题各两根柱子，点是种子。"
    + "；".join(
        f"{name} 答对 {right:.0%}，把握 {sure:.0%}"
        for name, right, sure in zip(ASKINGS, shift["right"].mean, shift["sure"].mean)
    ),
)

# %% [markdown] slideshow={"slide_type": "-"}
# 没见过的数会，卷子上的问法也会：示范里没有，可是基座读过。三位数几乎一道不对，把握还有九成；新的问法也差不多。**它不知道自己不知道**：示范里人人都答，没有人说过“不会”。

# %% slideshow={"slide_type": "skip"}
show_claim("C25")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：“这就是幻觉吗？”答：是最简单的一种：示范里从来没有“不知道”，它就没有学过不答。真的模型里还有别的来源。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：常见误区
#
# :::{admonition} 1. “SFT 换了一种损失”
# :class: pitfall
# 没有。记号全打上，就是预训练的损失。换的是数据的样子，和数哪几格。
# :::
#
# :::{admonition} 2. “问题不进损失，模型就没有学问题”
# :class: pitfall
# 问题的每一格都在左边供它看，梯度也从答案流回那里。只是不要求它写得出问题。
# :::
#
# :::{admonition} 3. “只学回答总是最好”
# :class: pitfall
# 多数时候是。问题很长、回答很短、示范又少时，连问题一起学有时反而好，像是少了些过拟合（2024-05，arXiv:2405.14394）。
# :::
#
# :::{admonition} 4. “验证损失一升就该停”
# :class: pitfall
# InstructGPT 一遍以后验证损失就升，还是训练了 16 遍，人更喜欢（见最后的考据）。看你要的是什么，就量什么。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，先让学生说哪句对。常问：“那多轮对话里，前面的回答学不学？”答：一般都学；有的只学最后一条。前面的回答若是别的模型写的，质量差，就不学。
# :::

# %% [markdown]
# ## 往后看
#
# - **从第 8 章来**：模型、损失、采样都没有变。
# - **到第 20 章去**：不给答案，只说好坏，怎样学？先要有会回答的模型，就是这一章的。
# - **第 23 章**：从对五成的学生出发，越过示范者；藏头诗也接着写。

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 七题，连小问约 46 分钟：三题心算，四题修程序，每题后面跟着一个小问。把 `...` 换成你的答案，运行 `check`；在网页上，心算题可以直接填。它认得常见的错。

# %%
exercise("19-sft-1")

# %%
answer = ...  # 一个整数

check("19-sft-1", answer)

# %%
next_answer = ...  # 小问：一个整数

check("19-sft-1-next", next_answer)

# %%
exercise("19-sft-2")


# %%
def my_prompt(messages): ...


check("19-sft-2", my_prompt)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("19-sft-2-next", next_answer)

# %%
exercise("19-sft-3")


# %%
def my_labels(ids, begins, lengths): ...


check("19-sft-3", my_labels)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("19-sft-3-next", next_answer)

# %%
exercise("19-sft-4")


# %%
def my_mean(pieces): ...


check("19-sft-4", my_mean)

# %%
next_answer = ...  # 小问：一个数

check("19-sft-4-next", next_answer)

# %%
exercise("19-sft-5")

# %%
answer = ...  # 一个整数

check("19-sft-5", answer)

# %%
next_answer = ...  # 小问：一个整数

check("19-sft-5-next", next_answer)

# %%
exercise("19-sft-6")


# %%
def my_unmerge(merged, A, B, alpha): ...


check("19-sft-6", my_unmerge)

# %%
next_answer = ...  # 小问：0 到 1 的数，或百分数

check("19-sft-6-next", next_answer)

# %%
exercise("19-sft-7")

# %%
answer = ...  # 一个整数

check("19-sft-7", answer)

# %%
next_answer = ...  # 小问："A"、"B" 或 "C"

check("19-sft-7-next", next_answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. SFT 是预训练的损失加一张掩码：只数助手写的字和它的结束符。
# 2. 抬头由我们写，结束符要它学；填充由长度说，不由编号说。
# 3. 先加总，最后除以词数；装箱要砌墙，位置每段从 0 数。
# 4. LoRA：$W$ 冻住，学 $\frac{\alpha}{r}BA$；$B$ 从 0 起，可以合并，可以拆。
# 5. 学到底时，照概率抽，学生与示范者一样；取最可能的，看错得散不散。没见过的，它照样肯定地答。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。请学生不看屏幕说出第 2 句。常问：“下一步是什么？”答：第 20 章，不给答案，只给分数。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **论文**：Ouyang 等，InstructGPT（2022-03，arXiv:2203.02155），3.2 节数据，3.5 节训练；Touvron 等，Llama 2（2023-07，arXiv:2307.09288），3.1 节说损失只在回答上。
# - **多少示范**：Zhou 等，LIMA（2023-05，arXiv:2305.11206）；Gudibande 等，The False Promise of Imitating Proprietary LLMs（2023-05，arXiv:2305.15717）。
# - **LoRA**：Hu 等（2021-06，arXiv:2106.09685），先看 4.1 节；Kalajdzievski，rsLoRA（2023-12，arXiv:2312.03732）。
# - **装箱**：Krell 等（2021-07，arXiv:2107.02027）。
# - **只学回答吗**：Shi 等，Instruction Tuning With Loss Over Instructions（2024-05，arXiv:2405.14394）。
# - **提问**（GitHub）：huggingface/trl 的 3091 号（结束符学不到）、3067 号（装箱串门）；karpathy/nanochat 的 582 号（掩码丢了）；pytorch/torchtune 的 1875 号（平均的平均）。
#
# 下一章：不给答案，只给分数。

# %% [markdown]
# ## 证据与考据
#
# ### 每张掩码教会了什么
#
# 正文里每张掩码只学了一遍；这里三个种子，不叫停，让它写 24 个词元。没有过的是两样：错一位，答对并停下 46.7%，不是料想的两成以下；全部都学，接着替人提问的，三个种子是 24%、95%、77%，不是都过九成。只学结束、学反了，都如料想，一道也不对：

# %%
show_claim("C25c")

# %% [markdown]
# ### 没有墙地学，差多少
#
# 正文里的模型是一段一行学的。下面三种放法各从头学一遍，再在没见过的对话上量：

# %%
show_claim("C25d")

# %% [markdown]
# “空位”就是填充。没有墙比有墙，损失多 0.001；有墙比各占一行，差不到 0.001。填充和运算如主张所说，省了；没有墙的坏处没有量到。对话短，题又互不相干，邻居帮不上也害不了多少。

# %% [markdown]
# ### 平均与换行
#
# 平均的平均：

# %%
show_erratum("K19-3")

# %% [markdown]
# 换行算谁的：

# %%
show_erratum("K19-4")

# %% [markdown]
# ### LoRA 的两处细节
#
# $A$ 抽多宽：

# %%
show_erratum("K19-5")

# %% [markdown]
# 秩加倍，$\alpha$ 改不改：

# %%
show_erratum("K19-6")

# %% [markdown]
# ### 训练几遍

# %%
show_erratum("K19-7")
