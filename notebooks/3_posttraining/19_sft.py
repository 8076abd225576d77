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
# 预训练的模型只会续写：你问一道题，它接着出下一道。怎样让它照着指令做，又怎样不让它把不该学的也学去？
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
# **阅读** 约 44 分钟，练习另加 46 分钟。**运行** 实测约 60 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
#
# | 符号 | 意思 | 形状或大小 |
# |---|---|---|
# | $T$ | 一行有几个词元 | |
# | $V$ | 词表的大小 | 本章算术题 |
# | $p_t$ | 模型给第 $t$ 个词元的概率，只看它左边的 | 0 到 1 |
# | $M$ | 要学的格 | $T$ 格里的几格 |
# | $N$ | 要学的格有几个 | |
# | $L$ | 损失，nat 每词元 | 一个数 |
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
from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.sampling import sample
from course_lib.lesson import check, exercise, show_claim, show_erratum, show_figure, show_source, start
from course_lib.posttraining.chat import Rendered, chatml
from course_lib.posttraining.log_probs import is_target, masked_mean, token_log_probs
from course_lib.posttraining.lora import LoRALinear, add_lora
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
# 一个小 GPT-2（`sums-base`，10 万参数）读过许多张加法卷子：有的写好了答案，有的只有题目。没有读过一句对话。问它一道题，不给别的：
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 题目是“27+15=?”。卷子上，问号后面从来都是下一道题。它会接着写什么？
#
# - A. 42
# - B. 下一道题
# - C. 42，再说一句话
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
base = learning.base()


def goes_on(model, text, n_new, seed=0):  # 接着写 n_new 个词元
    ids = torch.tensor([sums.chat().encode(text)])
    reader = FastGPTReader(model, ids.shape[1] + n_new)
    return sums.decode(sample(reader, ids, n_new, generator=torch.Generator().manual_seed(seed))[0].tolist())


for seed in range(3):
    print("27+15=? →", goes_on(base, "27+15=?", 14, seed))
for seed in range(3):
    print("27+15=  →", goes_on(base, "27+15=", 14, seed))

# %% [markdown] slideshow={"slide_type": "-"}
# 第二组去掉了问号，它就写出了 42：**它会算，只是不知道你在问它**。续写卷子，出下一道题也没有错。
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
# 模型只读一行词元。谁在说话，要写进去：这就是**对话模板**（chat template）。Qwen 等用的一种叫 ChatML。每条消息先是**抬头**（谁说话），再是内容，最后是结束符：

# %% slideshow={"slide_type": "-"} tags=["nbval-check-output"]
talk = [
    {"role": "user", "content": "27+15=?"},
    {"role": "assistant", "content": "42"},
    {"role": "user", "content": "再加31等于几？"},
    {"role": "assistant", "content": "73"},
]
print(chatml(talk))

# %% [markdown] slideshow={"slide_type": "-"}
# `<|im_start|>` 和 `<|im_end|>` 不是几个字母，各是词表里一个专用的词元，用户打不出来。下面一格一个词元，写作“始”“终”；蓝底是用户的，黄底是助手的，橙框是**要学的**：

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
#
# :::{admonition} 先猜再跑
# :class: guess answer-c
# 第 $t$ 格由它左边的那一格去猜。“4”是谁猜的？
#
# - A. 用户说的“?”
# - B. 助手抬头里的“助手”
# - C. 助手抬头末尾的换行
# :::

# %% slideshow={"slide_type": "fragment"} tags=["nbval-check-output"]
for at in [at for at, mine in enumerate(text.is_answer) if mine]:
    print(f"第 {at:2} 格 {tokens[at]!r:14} 由第 {at - 1:2} 格 {tokens[at - 1]!r} 去猜")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟，请学生在黑板上框出要学的格。常问：“结束符后面的换行算谁的？”答：本课谁的也不算；有的训练模板算助手的，见最后的考据。又问：“用户在话里写 <|im_end|> 会怎样？”答：要当普通字母编码，否则他就能冒充助手。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# 房间里就这几行。`header` 给抬头，`plain` 编码内容，并且不许内容里混进两个记号：

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
# 房间里把它写成两步。`token_log_probs` 从分数 $[行, T, V]$ 取出真的下一个词元的 $\ln p$，得 $[行, T-1]$：第一格没有谁去猜。掩码是照词元写的 $[行, T]$，也要去掉第一格，`is_target` 做的就是这件事。错一位的毛病多半出在这里。

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
# 从左上往下，再往右，再往下。橙线是掩码走的路：

# %% slideshow={"slide_type": "-"} tags=["hide-input"]
NAMES = {"user": "用户", "assistant": "助手"}
show_figure(
    plot_whole(
        base.config, [f"{NAMES[each['role']]}：{each['content']}" for each in talk], tokens, speakers, text.is_answer
    ),
    alt=f"SFT 的全图。左：四条消息过对话模板，成 {len(tokens)} 个词元和一张掩码。中：基座 GPT-2，查词、加位置 [1, {len(tokens)}, 64]，"
    "每块先 LayerNorm、因果自注意力、残差相加，再 LayerNorm、前馈、残差相加，重复两次，LayerNorm，过词表。"
    f"右：去掉最后一格，log-softmax，取出真的下一个词元，用掩码挑出 {sum(text.is_answer)} 个，平均取负。"
    "下：预训练、SFT、奖励模型、PPO 和 GRPO，或者 DPO",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 中间一列与第 8 章的 GPT-2 相同，没有新的层。新的只有左边的模板和右边的橙框。若 SFT 是另一种模型，中间就该有不同。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟，一格一格报形状。常问：“底下一排为什么要先 SFT？”答：后面的办法靠模型自己写出答案再打分；不先学会答，写出来的都是下一道题，没有分可打。
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


def batch_of(texts, pad):  # 右边补齐：编号、是不是词元、要不要学，各 [行, T]
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
# 与 `course_lib` 逐数比较，再照着 2,560 段示范走 40 步：

# %% slideshow={"slide_type": "skip"} tags=["nbval-check-output"]
signs = chat.encode, chat.start, chat.end
few = [*sums.talks(8, seed=1)]
ours, theirs = batch_of([render(each, *signs) for each in few], chat.end), padded([chat.render(each) for each in few], 0)
assert_close(loss_of(base, *ours), sft_loss(base, theirs))
pupil = learning.base()
adam = torch.optim.AdamW(pupil.parameters(), lr=3e-3)
for step in range(41):
    batch = batch_of([render(each, *signs) for each in sums.talks(64, seed=step)], chat.end)
    loss = step_of(pupil, adam, batch)
    if step % 10 == 0:
        print(f"第 {step:2} 步 损失 {loss:.3f} nat 每词元；46+38=? → {sums.decode(answer_of(pupil, talk[:0] + sums.ask('46+38=?'), *signs))}")
assert answer_of(pupil, talk[:3], *signs) == learning.written(pupil, [talk[:3]], end=chat.end)[0]

# %% [markdown] slideshow={"slide_type": "skip"}
# 真正的训练还让学习率先升后降；下面用课程的 `learning.train`，150 步。
