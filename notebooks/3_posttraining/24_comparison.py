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
# # 24 PPO、DPO、GRPO
#
# 这里用两句话提出本章的谜：一个具体的现象，一个问号。
#
# **学完能做什么**
#
# - 这里写三到五件读者学完能做的事，每件一个动词开头

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。先说谜，不说答案。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown]
# **先修**：这里写要先读哪几章、各用到什么，并给链接。
#
# **阅读** 约 7 分钟，练习另加 10 分钟。**运行** 实测约 10 秒（2 核 CPU，不需要网络）。

# %% [markdown]
# :::{admonition} 符号
# :class: dropdown
# 这里列出本章的符号，一个符号只有一个意思。
#
# | 符号 | 意思 | 形状 |
# |---|---|---|
# | x | 样本：几个数 | [N] |
# :::

# %% slideshow={"slide_type": "skip"}
import torch
from torch.testing import assert_close

from course_lib.chapters.ch24_comparison import figures as plots
from course_lib.lesson import check, exercise, show_figure, start
from course_lib.widgets import Knob, explore

start("24")
x = torch.tensor([1.0, 2.0, 3.0, 6.0])  # 换成本章的输入，[N] = [4]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题
#
# 这里提出一个问题：先运行，再解释。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
print(f"{len(x)} 个数，平均 {x.mean():g}")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。请一位听众先说结果，再翻到输出。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 先猜再跑
#
# 每个重要的输出之前有一问，答案能从前文推出来；读者先选，输出才出现，然后解释。
#
# :::{admonition} 先猜再跑
# :class: guess answer-b
# 每个数都乘 2，平均变成多少？
#
# - A. 不变
# - B. 2 倍
# - C. 4 倍
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
print(f"乘 2 以后，平均 {(2 * x).mean():g}")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。先举手投票，再翻到输出。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown]
# 答案是 B。这里解释刚才的输出，并引出下一问。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算
#
# 这里在小到能用眼睛核对的数上走一遍：(1 + 2 + 3 + 6) / 4 = 3。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
by_hand = torch.tensor((1 + 2 + 3 + 6) / 4)
print(f"手算 {by_hand:g}")

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。板书，每个数写出来。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 同一件事，在 course_lib 里
#
# 这里用库里的实现再算一遍，与手算逐数比较；短的源码用 `show_source` 展示。

# %% slideshow={"slide_type": "fragment"}
assert_close(x.mean(), by_hand)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整张图
#
# 这里是整个模型的一张图：每个形状、残差和归一化都在图上，拿一个例子从输入读到输出。

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
show_figure(
    plots.plot_whole({"输入": "[4]", "求和": "[]", "平均": "[]"}),
    alt="三个方框从左到右：输入，形状 [4]；求和，形状 []；平均，形状 []",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2 分钟。从输入读到输出，每个形状念一遍。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 整段码
#
# 这里是装好的一段实现，不超过 60 行，在本页运行，并与库里的逐数相等。


# %% slideshow={"slide_type": "fragment"}
def whole(x):
    total = 0
    for each in x:  # [N]
        total = total + each
    return total / len(x)


assert_close(whole(x), x.mean())

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。对着图，指出每一行是哪个方框。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 看见它
#
# 这里是承载本章想法的那张图，读者能把它弄坏。

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
explore(
    lambda last: plots.plot_mean([*x[:3].tolist(), last]),
    lambda last: f"四根柱子，最后一根高 {last}；横线在平均数 {(6 + last) / 4:g}",
    last=Knob("最后一个数", [0, 6, 30]),
    start={"last": 6},
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 这里一句话说看哪里；再一句话说，如果想法是错的，图会是什么样子。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 2.5 分钟。先说看哪里，再拖动。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 在真实的东西上看
#
# 这里把同一个想法用在真实的东西上：照片、手写数字、唐诗、表情符号，或公开模型的配置。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：第一个主张
#
# 这里一句话说主张，再说怎样会被推翻；`run_claim` 现场跑小的，`show_claim` 给出记录。
# 玩具结果旁边写明：真实规模下知道什么，出处在哪里，结果对什么敏感。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1.5 分钟。先问怎样会被推翻，再给结论。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：第二个主张
#
# 主线上至多两个主张，其余的放到最后的“证据与考据”。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：常见误区
#
# 这里写两三个误区，每个由一个单元格算出来。
#
# :::{admonition} 1. 这里写误区的原话
# :class: pitfall
# 这里说错在哪里。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 边界：说法不一的地方
#
# 主线上至多两条考据，只放读者不看就会弄错的；用 `show_erratum`，并把争的是哪句话写全。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 1 分钟。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 往后看
#
# 这里说下一个模型改了什么、为什么改，并给链接。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 三道样题，约 10 分钟；换成本章的题：问相邻的情形，至少两道是修程序。把 `...` 换成你的答案，运行 `check`。

# %%
exercise("24-comparison-1")

# %%
answer = ...  # 一个整数

check("24-comparison-1", answer)

# %%
exercise("24-comparison-2")


# %%
def shares(counts): ...


check("24-comparison-2", shares)

# %%
exercise("24-comparison-3")


# %%
def centred(x):
    return x - x.mean(dim=-1, keepdim=True)


check("24-comparison-3", centred)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 这里写五句话，合上页面还该记得的。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 0.5 分钟。常问：这里写听众常问的一问，和一两句回答。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - 这里列论文、公开代码和讲得更深的文章，各说一句读它的什么。

# %% [markdown]
# ## 证据与考据
#
# 这里放其余的主张、能给出不同结论的快速运行，和其余的考据。
