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
# # 00 导读：从这里开始
#
# 一个会看图的模型说“红色的圆在左边”。你怎么知道它看了图？
#
# **学完能做什么**
#
# - 会用这门课：运行、重启、做练习、在课堂和网页上看同一章
# - 看到一个正确率，先问不看图能得多少，并能自己量出来
# - 说出 25 章各在什么时候、谁用到谁，以及一个日期是报告的还是权重的
# - 认得全课程共用的数据世界，会把一个框在三种坐标之间换来换去

# %% [markdown]
# **先修**：会一点 Python 就够。没用过 Jupyter 也没关系，下一格就讲。
#
# **阅读** 约 45 分钟，练习另加 30 分钟。**运行** 实测约 10 秒（2 核 CPU，不需要网络）。
#
# ## 先学会用这一页
#
# 这一页由一格一格的**单元格**（cell）组成，有的是文字，有的是代码。在 JupyterLab 里：
#
# | 要做的事 | 怎么做 |
# |---|---|
# | 运行一格，跳到下一格 | 点一下它，按 <kbd>Shift</kbd>+<kbd>Enter</kbd> |
# | 看它跑完没有 | 左边的方括号：`[*]` 正在跑，`[3]` 是第三个跑完的，`[ ]` 还没跑 |
# | 停下来 | 菜单 内核 → 中断内核，或者工具栏的 ■ |
# | 全部重来 | 菜单 内核 → 重启内核并运行所有单元格 |
#
# 从上往下，一格一格跑。网页版没有代码要跑，输出已经在那里，图上的旋钮照样能动。
#
# 现在试一下：点下面这一格，按 <kbd>Shift</kbd>+<kbd>Enter</kbd>。它把工具拿进来，什么也不打印。每一章都以 `start` 开头：
# 它设好字体和随机种子，所以你看到的数和这里印的一样。

# %% slideshow={"slide_type": "skip"}
from collections import Counter

import numpy as np
from numpy.testing import assert_allclose

from course_lib.course import outline as course_map
from course_lib.course.claims import figures_of, load_record
from course_lib.chapters.ch00_start.experiments.c00_blind_guess import KINDS, NAMES
from course_lib.data.world import boxes, noise, preferences, questions, rewards, video
from course_lib.data.real import pictures as real
from course_lib.data.world.captions import ZH, caption
from course_lib.data.world.render import render
from course_lib.data.world.scenes import on_grid, scatter, with_text
from course_lib.lesson import (
    check,
    device_report,
    exercise,
    run_claim,
    show_claim,
    show_erratum,
    show_figure,
    show_source,
    start,
)
from course_lib.chapters.ch00_start import world_figures as pictures
from course_lib.chapters.ch00_start import figures as plots
from course_lib.widgets import Knob, explore

start("00")

# %% [markdown]
# :::{admonition} 出了错怎么办
# :class: pitfall
# - 红色的 `NameError: name '…' is not defined`：前面有一格没跑。菜单 运行 → 运行所选单元格上方的所有单元格。
# - 改乱了：重启内核并运行所有单元格。**练习进度不会丢**，它存在你的用户目录里，不在笔记本里。
# - `ModuleNotFoundError: No module named 'course_lib'`：内核不是课程的环境。在仓库里用 `make lab` 打开，右上角内核应是 Python 3 (ipykernel)。
# - 别的错：先读**最后一行**，它说是什么错；再往上找标着 `---->` 的那行，它说错在哪里。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一个问题：它看了图吗
#
# 下面有四张图和四个问题。一个“模型”全答了。


# %% tags=["nbval-check-output"] slideshow={"slide_type": "skip"}
def question_about(world, index, kind="count"):
    """第 world 个世界的第 index 个场景，和关于它的一个问题。"""
    scene = scatter(world, index, width=64, height=64, n_shapes=(2, 4))
    query = questions.sample_queries(scene, world, index, kinds=(kind,))[0]
    return scene, *questions.question_and_answer(scene, query)


def model(question):
    return "0"


four = [question_about(0, index) for index in (7, 8, 9, 11)]
for _, question, answer in four:
    print(f"{question} 模型：{model(question)} 正确答案：{answer}")

# %% slideshow={"slide_type": "fragment"}
show_figure(
    pictures.plot_contact_sheet([render(scene, 2) for scene, _, _ in four], [question for _, question, _ in four]),
    alt="四张深色的图，各有两到四个彩色图形。图下是问题："
    + "；".join(f"{question}答案是 {answer}" for _, question, answer in four),
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 同一个模型，一千道题
#
# 看一眼 `model` 的代码：它从来不看图，连问题都不看。
#
# :::{admonition} 先猜再跑
# :class: guess
# 数图形的题，答案从 0 到 4。这个模型在一千道题上能对多少？
# A. 约两成　B. 约四成　C. 六成以上
# :::

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
thousand = [question_about(1, index) for index in range(1000)]
right = sum(model(question) == answer for _, question, answer in thousand)
print(f"一千道计数题，答对 {right} 道")
print("正确答案的分布：", dict(sorted(Counter(answer for _, _, answer in thousand).items())))

# %% [markdown] slideshow={"slide_type": "fragment"}
# 答案是 C。题目常常问画面里没有的东西，正确答案就是 0。**六成的分数里，没有一分来自看图。**
#
# 这就是每一章都要防的事：一个数字看上去像证据，其实不是。防它的办法叫**对照**（control）：
# 把你以为起作用的东西拿掉，看数字掉不掉。

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。先让学生投票。常见问题：“真实的数据集也这样吗？”答：是。VQA 的第一版就因此重做：同一个问题配两张答案不同的图
# （Goyal 等，2017，arXiv:1612.00837）。第 25 章训练自己的 VLM 时，三条线一起画：真图、换图、没有图。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 手算：瞎子能得多少
#
# 六道题，答案是 0、0、1、0、2、0。瞎子（blind baseline）只许永远答同一个答案，它会选最常见的那个：
#
# $$
# \text{瞎子的正确率}=\max_a\frac{\#\{i:a_i=a\}}{n}=\frac{4}{6}\approx 0.67
# $$
#
# $a_i$ 是第 $i$ 题的正确答案，$n$ 是题数，$\#$ 数个数。一个模型得 $s$ 分，瞎子得 $b$ 分，能算在看图头上的是 $(s-b)/(1-b)$。

# %% tags=["nbval-check-output"]
answers = ["0", "0", "1", "0", "2", "0"]
most_common, times = Counter(answers).most_common(1)[0]
blind = times / len(answers)
assert_allclose(blind, 4 / 6)
print(f"永远答 {most_common}：{blind:.2f}")
for score in (blind, 0.80, 1.00):
    print(f"模型得 {score:.2f}：看图的部分 {(score - blind) / (1 - blind):.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 换图：不用拆开模型，也能看出来
#
# 造一个真的看图的模型：它直接读场景。然后给两个模型**换图**，题目不变，图换成下一张。
#
# :::{admonition} 先猜再跑
# :class: guess
# 换图以后，瞎子的分数变多少？看图的那个呢？
# :::


# %% tags=["nbval-check-output"]
def seeing_model(scene, query):
    try:
        return questions.answer(scene, query)
    except ValueError:  # 问的东西这张图里没有，或者不止一个
        return None


scenes = [scatter(2, index, width=64, height=64, n_shapes=(2, 4)) for index in range(1001)]
queries = [questions.sample_queries(scene, 2, index, kinds=("count",))[0] for index, scene in enumerate(scenes[:1000])]
truth = [questions.answer(scene, query) for scene, query in zip(scenes, queries)]

for name, shown in [("真图", scenes[:1000]), ("换图", scenes[1:])]:
    seeing = np.mean([seeing_model(scene, query) == right for scene, query, right in zip(shown, queries, truth)])
    print(f"{name}：看图的模型 {seeing:.0%}，瞎子 {np.mean([right == 0 for right in truth]):.0%}")

# %% [markdown] slideshow={"slide_type": "fragment"}
# 瞎子一动不动，看图的掉了下来。**换了图分数不掉，就是没看。** 到第 25 章，你会这样检查自己训练的模型。
#
# 顺便看到：看图的模型换了图，还能碰对一半，因为许多题的答案本来就是 0。它比瞎子还低：瞎子专挑最常见的答。

# %% [markdown]
# 正确答案从哪里来？不是人标的，是场景自己说的。下面就是读场景的那个函数，课程里的每个**房间**（一个短小的模块）都可以这样摊开来看。
# 左上角的文件名告诉你去哪里找它。

# %%
show_source(questions.answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 证据：各类问题，瞎子各得多少（C00）
#
# :::{admonition} 问题与预测
# :class: evidence
# 在一批场景上数出每类问题最常见的答案，换一批场景去答。预测：计数和比较远高于掷骰子；“在左边吗”只有一半，因为左右是对称的。
# 如果计数和比较都不到掷骰子的两倍，这条主张就被推翻。
# :::
#
# 课程里的结论都写成这样的**主张**（claim）：一个问题、一个可能失败的实验、几个随机种子、一个裁决。先跑快速形式：

# %%
run_claim("C00")

# %% [markdown]
# 刚才是在这台机器上现跑的，每类 300 个场景。下面是存好的完整记录，每类 3,000 个场景、3 个种子，图就从记录里画：

# %%
show_claim("C00")

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
record = figures_of(load_record("C00"))
bars = {
    "最常见的答案": (record["blind"].mean, record["blind"].std),
    "掷骰子": (record["thrown"].mean, record["thrown"].std),
}
show_figure(
    plots.plot_blind([NAMES[kind] for kind in KINDS], bars),
    alt="六类问题，不看图的正确率与掷骰子的正确率："
    + "；".join(
        f"{NAMES[kind]} {blind:.0%} 对 {thrown:.0%}"
        for kind, blind, thrown in zip(KINDS, record["blind"].mean, record["thrown"].mean)
    ),
)

# %% [markdown] slideshow={"slide_type": "fragment"}
# :::{admonition} 看什么
# :class: look
# 上面两行的橙色条比灰色条长出一大截，下面四行一样长。每张图旁边都有这样一个框：看哪里，以及想法错了图会怎样。
# 这里如果想法错了，六行都会一样长。
# :::
#
# 所以后面的章节问“它看懂了吗”，用的是位置、颜色、关系这些题，或者把瞎子的分数扣掉。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 数据世界：一个场景，万种问法
#
# 全课程只用一个数据世界：画布上的彩色图形。没有文件要下载，每个样本由“种子 + 编号”现算。先有**符号场景**，别的都从它算出来。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
scene = scatter(seed=0, index=65, width=96, height=64, n_shapes=(3, 3))
for shape in scene.shapes:
    print(
        f"{shape.size:6s} {shape.colour:6s} {shape.kind:6s} 中心 ({shape.x:5.2f}, {shape.y:5.2f})，半径 {shape.radius:5.2f} 像素"
    )
print(caption(scene, "zh"))
print(caption(scene, "en"))
print("数组的形状 [高, 宽, 颜色]：", render(scene).shape, "，放大 4 倍：", render(scene, 4).shape)

# %% [markdown] slideshow={"slide_type": "slide"}
# 同一个场景可以画成任意大小；分辨率和长宽比也可以换。第 17 章讲原生分辨率时，用的就是这些。

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
sizes = [(32, 32), (64, 64), (128, 48), (48, 96)]
gallery = [scatter(0, 3, width=width, height=height, n_shapes=(2, 3)) for width, height in sizes]
show_figure(
    pictures.plot_contact_sheet(
        [render(each) for each in gallery], [f"{w}×{h} {caption(each)}" for (w, h), each in zip(sizes, gallery)]
    ),
    alt="四张大小和长宽比不同的图，32×32、64×64、128×48、48×96，每张两三个图形，图下是中文说明",
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 看见它：转动种子
#
# 换种子，图就换；换个数，图就挤。白框是真值，由场景算出，不是人画的。


# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
def a_world(seed, n):
    return scatter(seed, width=120, height=80, n_shapes=(n, n), sizes=("small", "medium") if n < 5 else ("small",))


def draw_world(seed, n):
    scene = a_world(seed, n)
    names = [ZH[shape.colour] + ZH[shape.kind] for shape in scene.shapes]
    return pictures.plot_boxes(render(scene, 4), boxes.boxes_of(scene) * 4, names)


def describe_world(seed, n):
    return f"种子 {seed}，{n} 个图形：{caption(a_world(seed, n))}"


explore(
    draw_world,
    describe_world,
    seed=Knob("种子", range(8), live=range(200)),
    n=Knob("几个图形", [1, 3, 6, 9], kind="buttons", live=range(1, 10)),
    start={"n": 3},
    name="00-start-world",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 框总是紧贴图形，三角形和圆环也一样；转回原来的种子，图一个像素都不变。如果框是估出来的，尖角处会留缝；
# 如果随机数没有种子，转回来就不是原来那张。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 七类问题，答案都能核对
#
# 颜色、形状、计数、位置、关系、比较，再加一类读图里的字。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
written = with_text(scene, "K7", seed=0, height=12)  # 在空处写上字，给“文字”题用
for kind in questions.QUERY_KINDS:
    query = questions.sample_queries(written, 4, kinds=(kind,))[0]
    question, answer = questions.question_and_answer(written, query)
    print(f"{kind:10s} {question}　{answer}")

# %% slideshow={"slide_type": "slide"}
show_figure(
    pictures.plot_contact_sheet(
        [render(scene, 4), render(written, 4)], [caption(scene), caption(written)], n_columns=2
    ),
    alt="同一个场景两次：左边三个图形，右边多了白色的字 K7。图下是各自的中文说明",
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 一个框，三种写法
#
# 说“它在哪里”要四个数：$(x_1,y_1,x_2,y_2)$，左上角和右下角。$x$ 向右，$y$ 向下，原点在左上角。麻烦在于**以谁为单位**：
#
# | 写法 | 单位 | 谁在用 |
# |---|---|---|
# | 原图像素 | 原图的像素 | 标注工具 |
# | [0, 1000) | 每条边的千分之一，整数 | Qwen-VL、Qwen2-VL |
# | 缩放后像素 | 模型真正看到的那张图的像素 | Qwen2.5-VL |
#
# 模型看到的不是原图：它先把两条边缩放到 28 的倍数。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
street = scatter(0, 65, width=300, height=200, n_shapes=(3, 3))
width, height = boxes.smart_resize(street.width, street.height)
box = boxes.boxes_of(street)[1]
print(f"图形：{ZH[street.shapes[1].colour]}{ZH[street.shapes[1].kind]}；原图 300×200，模型看到 {width}×{height}")
print("原图像素　", np.round(box, 1).tolist())
print("[0, 1000)", boxes.to_thousand(box, 300, 200).tolist())
print("缩放后像素", np.round(boxes.resize_boxes(box, (300, 200), (width, height)), 1).tolist())

# %% [markdown]
# 来回换一次，千分数最多错半格，也就是边长的 1/2000：

# %% tags=["nbval-check-output"]
there_and_back = boxes.from_thousand(boxes.to_thousand(box, 300, 200), 300, 200)
print(
    f"来回的误差 {np.abs(there_and_back - box).max():.2f} 像素，上界 {300 / 2000:.2f}；交并比 {boxes.iou(box, there_and_back):.3f}"
)
assert np.abs(there_and_back - box).max() <= 300 / 2000 + 1e-9

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 看见它：图缩放了，哪几个数跟着变
#
# :::{admonition} 先猜再跑
# :class: guess
# 图从 300×200 缩到 112×84，三种写法里哪一种的四个数不变？把错的单位当成缩放后的像素来画，框会去哪里？
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
SIZES = [(112, 84), (196, 140), (308, 196), (308, 308), (504, 336)]
READINGS = ["读对了", "当成原图像素", "当成千分数"]
thousand_box = boxes.to_thousand(box, street.width, street.height)


def in_three_units(size):
    return box, thousand_box, boxes.resize_boxes(box, (street.width, street.height), size)


def mistaken(size, reading):
    """模型写的是缩放后的像素；读的人以为是别的单位，换算到这张图上再画。"""
    said = in_three_units(size)[2]
    if reading == "当成原图像素":
        return boxes.resize_boxes(said, (street.width, street.height), size)
    if reading == "当成千分数":
        return said / 1000 * np.array([*size, *size])
    return said


def draw_units(size, reading):
    original, thousandths, resized = in_three_units(size)
    drawn = mistaken(size, reading)
    lines = [
        f"原图像素（300×200）：{np.round(original).astype(int).tolist()}",
        f"[0, 1000)：{thousandths.tolist()}",
        f"缩放后像素（{size[0]}×{size[1]}）：{np.round(resized).astype(int).tolist()}",
        f"绿：真值；红虚线：{reading}，交并比 {boxes.iou(resized, drawn):.2f}",
    ]
    at = np.arange(size[1])[:, None] * 400 // size[1], np.arange(size[0])[None] * 600 // size[0]
    return plots.plot_resized(render(street, 2)[at], resized, drawn, lines, largest=(504, 336))


def describe_units(size, reading):
    shared = boxes.iou(in_three_units(size)[2], mistaken(size, reading))
    return f"图缩放到 {size[0]}×{size[1]}，千分数仍是 {thousand_box.tolist()}；{reading}时，画出的框与真值的交并比 {shared:.2f}"


explore(
    draw_units,
    describe_units,
    size=Knob("缩放到", SIZES, texts=[f"{w}×{h}" for w, h in SIZES]),
    reading=Knob("读的人", READINGS, kind="buttons"),
    start={"size": (196, 140)},
    name="00-start-boxes",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 拖动大小，只有中间那行千分数不变，连压扁成正方形也不变。点“当成原图像素”：图缩得越小，红框越往左上角跑；恰好 308×196 时几乎看不出错，
# 所以这个错常常躲过测试。如果三种写法真的可以混用，红框应当总压在绿框上。
# :::

# %% [markdown] slideshow={"slide_type": "notes"}
# :::{admonition} 讲者备注
# :class: dropdown
# 停 3 分钟。问：为什么 Qwen2.5-VL 要放弃千分数？答：绝对像素保留了真实的大小，训练时图的尺寸就是原生的；代价是读的人必须知道缩放到了多大。
# :::

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 短视频：每一帧都知道是第几秒
#
# 第 18 章要模型说出“第几秒”。视频也是符号的：图形匀速移动，在已知的时刻出现、消失或变色，按任意帧率取帧。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
film = video.random_video(0, 0, width=64, height=64, seconds=4, event="changes colour")
frames, seconds = video.render_video(film, fps=2)
question, answer = video.question_of(film, film.events[0])
print(question, answer, "　帧的时刻（秒）：", seconds.tolist(), "　形状 [T, H, W, 3]：", frames.shape)

# %% slideshow={"slide_type": "fragment"}
show_figure(
    pictures.plot_video_strip(frames, seconds, events=[event.second for event in film.events]),
    alt=f"八帧，每隔 0.5 秒一帧，下面是时间轴。一个图形匀速移动，在第 {film.events[0].second:g} 秒变色，那里有一个红色的标记",
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 脏数据、偏好、奖励
#
# 第 12 章要清洗网上的说明，第 20–23 章要偏好对和奖励。这里坏在哪里、谁被翻转过，都是已知的，所以清洗得好不好可以数出来。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
some = [on_grid(5, index, n_shapes=(2, 2)) for index in range(30)]
web = noise.noisy_captions(some, seed=6, rate=60)
for name, kind in [("颜色", "colour"), ("遗漏", "missing"), ("杂讯", "junk")]:
    example = next(each for each in web if each.noise == kind)
    print(f"噪声（{name}）网上写：{example.text}　应是：{example.clean}")
pairs = preferences.preference_pairs(some, seed=7, flip_rate=30, kinds=("colour", "count"))
for pair in (next(each for each in pairs if not each.flipped), next(each for each in pairs if each.flipped)):
    print(f"偏好 {pair.prompt}　选 {pair.chosen}，不选 {pair.rejected}{'　（标反了）' if pair.flipped else ''}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 可验证的奖励：不问人，也不问模型
#
# 奖励是一条规则，读一段话，给 0 到 1 的分。

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
for said in ("图里有 3 个", "三个", "我觉得很多", "3 个，也可能 4 个"):
    print(f"计数奖励（正确答案 3）：{said}　{rewards.count_reward(said, 3)}")
target = boxes.to_thousand(box, 300, 200)
for name, shift in [("正中", 0), ("偏左 20 格", 20), ("偏左 100 格", 100)]:
    said = boxes.box_text(target - np.array([shift, 0, shift, 0]))
    print(f"框的奖励：{said}　{name}　{rewards.box_reward(said, target):.2f}")

# %% [markdown]
# 注意第四句：“3 个，也可能 4 个”也得了满分。规则只读第一个数。这样的缝，强化学习会自己找到；练习 00-start-5 让你把它堵上。

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 也有真实的输入
#
# scikit-learn 自带两张照片和 1,797 个手写数字，安装时就有，不用下载。第 04 章的注意力看的就是照片的小块，第 10 章的 ViT 也用手写数字。

# %% slideshow={"slide_type": "fragment"}
show_figure(
    pictures.plot_photographs(
        [real.photograph(name, width=320) for name in real.PHOTOGRAPHS], ["china.jpg", "flower.jpg"]
    ),
    alt="两张照片：一座中式寺庙的屋檐，一朵橙红色的大丽花",
)

# %% slideshow={"slide_type": "skip"}
digit_pictures, digit_labels = real.digits()
show_figure(
    pictures.plot_digits(digit_pictures[:10], digit_labels[:10]), alt="十个 8×8 的手写数字，从 0 到 9，标签写在上面"
)

# %% [markdown]
# 形状世界适合在几秒里检验一个机制：对齐、定位、计数、外推。它不能告诉你一个模型在真实照片上有多好：没有纹理，没有光照，语言只有几种句式。
# 每条主张的最后都写着“这个规模看不到什么”。完整的说明在[数据集卡片](../../book/dataset-card.md)。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 地图：二十五章，九年
#
# 实心点是论文或报告第一次公开的月份，空心点是公开权重的月份（只在两者不同月时画出）。名字后面是第几章，小字是报告的年月。

# %% slideshow={"slide_type": "fragment"}
events = course_map.events()
show_figure(
    plots.plot_timeline(events, course_map.lanes()),
    alt="时间线，五行：基础、语言模型、图与文、多模态对话、后训练。按报告的月份："
    + "，".join(f"{event.date} {event.name}" for event in events)
    + "。权重月份不同的："
    + "，".join(f"{event.name} {event.weights}" for event in events if event.weights),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# :::{admonition} 看什么
# :class: look
# 2023 年以前，五行各走各的；2023 年开始，几行的点挤在一起：图像塔、语言模型、对齐的办法都有了，拼起来就是多模态对话。
# 若各行互不相干，点会均匀散开。Qwen2-VL 和 Qwen2.5-VL 的空心点在实心点左边：先放权重，后发报告。GPT-2 反过来，最大的权重晚了九个月。
# :::

# %% [markdown]
# 日期会骗人。课件写“ViT 2021”，论文却是 2020 年的。差几个月要紧吗？要紧：前因会跑到后果后面去。

# %%
show_erratum("K00-1")

# %% [markdown]
# 这就是一条**考据**：课件、论文、公开代码三种说法并列，再算一遍看谁对。数字是刚刚算的。还有两条，也是关于日期的：

# %%
show_erratum("K00-2")

# %%
show_erratum("K00-3")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 谁用到谁
#
# 模型从一章传到下一章：第 10 章的 ViT 是第 11 章 CLIP 的图像塔，CLIP 的图像塔又装进第 13–18 章；第 08 章的 GPT 是第 15 章的语言模型；
# 第 17 章的 VLM 在第 25 章被对齐。
#
# :::{admonition} 先猜再跑
# :class: guess
# 第 10 章的 ViT 写错一行，后面最多有几章会跟着坏？A. 1　B. 3　C. 9
# :::

# %% slideshow={"slide_type": "fragment"} tags=["hide-input"]
SHORT = [
    "词向量",
    "位置编码",
    "RoPE",
    "注意力",
    "KV缓存",
    "完整T",
    "GPT-1",
    "GPT-2",
    "GPT-3",
    "ViT",
    "CLIP",
    "BLIP",
    "BLIP-2",
    "BLIP-3",
    "LLaVA",
    "Qwen-VL",
    "Qwen2",
    "Qwen2.5",
    "SFT",
    "RL基础",
    "PPO",
    "DPO",
    "GRPO",
    "对比",
    "毕业",
]
titles = {f"{number:02d}": title for number, title in enumerate(SHORT, 1)}
OFTEN = ["01", "02", "03", "04", "06", "08", "10", "11", "12", "15", "17", "19", "20", "24", "25"]


def draw_uses(chapter):
    before, after = course_map.needs(chapter), course_map.needed_by(chapter)
    return plots.plot_uses(titles, course_map.uses(), chapter, before, after)


def describe_uses(chapter):
    before, after = (sorted(found) for found in (course_map.needs(chapter), course_map.needed_by(chapter)))
    return f"第 {chapter} 章 {titles[chapter]}：要用到 {'、'.join(before) or '不用别的章'}；会用到它的有 {len(after)} 章：{'、'.join(after) or '没有'}"


explore(
    draw_uses,
    describe_uses,
    chapter=Knob("第几章", OFTEN, kind="select", live=list(titles)),
    start={"chapter": "10"},
    name="00-start-uses",
)

# %% [markdown]
# :::{admonition} 看什么
# :class: look
# 橙色是会跟着坏的章，蓝色是它依赖的章。换到第 25 章，几乎全图变蓝：毕业项目用到前面的大部分。换到第 24 章，右边什么也不亮。
# 若课程只是一串互不相干的话题，点哪一章都不会亮。
# :::
#
# 答案是 C。后面的章节还在陆续开放，箭头是整门课的设计；开放了哪些，看网站首页。

# %% tags=["nbval-check-output"]
for chapter in ("10", "08", "03"):
    after = sorted(course_map.needed_by(chapter))
    print(f"第 {chapter} 章之后，{len(after)} 章用到它：{'、'.join(after)}")
for use in course_map.uses():
    if use.earlier == "10":
        print(f"第 {use.later} 章从第 10 章拿走：{use.what}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 自检：这台机器行不行
#
# 下面这张表现场测一遍：处理器、版本、中文字体，以及一次矩阵乘有多快。每章的运行时间按这个速度估出来。

# %% slideshow={"slide_type": "fragment"}
device_report()

# %% [markdown]
# - **没有显卡**：正常。全课程按两个 CPU 核设计。
# - **中文字体一行是 ✗**：图里的字会变成方框。在仓库里重新运行 `make lab`。
# - **bf16 比 fp32 慢**：这个 CPU 没有相应的指令，课程默认用 fp32，不受影响。
# - **时间翻倍**：多半是别的程序在占用处理器，关掉它们再跑一次这一格。

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 一章怎样走
#
# 1. **一个问题**：先跑一个失败，或者一个怪现象
# 2. **先猜再跑**：选一个答案，再按运行；猜错的地方记得最牢
# 3. **手算**：在两三个数上算完，再看 `course_lib` 里的同一件事
# 4. **看见它**：一张能转动的图
# 5. **证据**：一条可能被推翻的主张
# 6. **边界**：误区、考据、下一章改了什么
#
# 最后是练习、五句小结、延伸阅读。你刚才已经走过一遍。

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 三个地方，同一章
#
# | | 怎么打开 | 能做什么 |
# |---|---|---|
# | JupyterLab | `make lab` | 改代码，旋钮由内核现画，做练习 |
# | 课堂 | `make slides` | 每章一份幻灯片，图还能动；按 <kbd>S</kbd> 看讲者备注，按 <kbd>Esc</kbd> 看全部 |
# | 网站 | `make site` | 不装任何东西，图也能动；<kbd>Ctrl</kbd>+<kbd>K</kbd> 搜索，可以下载这一章 |
#
# 练习只在 JupyterLab 里能判。进度存在你的用户目录里，重启、重装都在；想看，运行 `from course_lib.lesson import progress` 再写 `progress()`。
# 想换地方存，设环境变量 `COURSE_HOME`。

# %% [markdown] slideshow={"slide_type": "slide"}
# ### 练习认得你的错
#
# 先一起做一道。题目在框里，提示和解答折叠着。

# %% slideshow={"slide_type": "fragment"}
exercise("00-start-1")

# %% [markdown]
# 故意交一个常见的错答案，看它说什么：

# %% tags=["nbval-check-output"] slideshow={"slide_type": "fragment"}
check("00-start-1", (64, 48, 3))

# %% [markdown]
# 它没有说“错了”，而是说错在哪里。现在轮到你：把下面的 `...` 换成正确的形状，再运行。

# %%
answer = ...  # 三个整数，写成 (?, ?, ?)

check("00-start-1", answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 常见误区
#
# :::{admonition} 1. “单元格从上往下显示，所以也是从上往下跑的”
# :class: pitfall
# 内核只认**你运行的次序**。改了上面一格却没有重跑，下面用的还是旧值。拿不准就重启内核并运行所有单元格。
# :::

# %% tags=["nbval-check-output"]
learning_rate = 0.1
steps = [learning_rate * k for k in (1, 2, 3)]
learning_rate = 0.5  # 好比回到上面改了一格
print("改了 learning_rate，没有重跑 steps：", [round(step, 1) for step in steps])

# %% [markdown]
# :::{admonition} 2. “宽 × 高，数组也是宽在前”
# :class: pitfall
# 人说 300×200，数组是 [200, 300, 3]。写 `image[x, y]` 取到的是另一个像素，图是正方形时还不报错。
# :::

# %% tags=["nbval-check-output"]
square = scatter(0, 100, width=200, height=200, n_shapes=(1, 1), kinds=("circle",))
picture, x, y = render(square), int(square.shapes[0].x), int(square.shapes[0].y)
print(f"{ZH[square.shapes[0].colour]}圆形的中心在 x = {x}，y = {y}")
print(f"image[y, x] = {picture[y, x].tolist()}，image[x, y] = {picture[x, y].tolist()}")

# %% [markdown]
# :::{admonition} 3. “[0, 1000) 就是乘一千再四舍五入”
# :class: pitfall
# 右边界会变成 1000，而里面没有 1000。要向下取整，再收进 999。
# :::

# %% tags=["nbval-check-output"]
edge = np.array([0, 0, 300, 200])
print(
    "四舍五入：",
    np.round(edge / [300, 200, 300, 200] * 1000).astype(int).tolist(),
    "　course_lib：",
    boxes.to_thousand(edge, 300, 200).tolist(),
)

# %% [markdown]
# :::{admonition} 4. “同一个种子，就是同一批数据”
# :class: pitfall
# 要种子和**编号**都一样，参数也一样。改了画布大小或图形个数，就是另一个世界了。反过来，单独取第 17 个，和先取前 16 个再取它，是同一个。
# :::

# %% tags=["nbval-check-output"]
first_twenty = [scatter(0, index) for index in range(20)]
assert scatter(0, 17) == first_twenty[17]  # 单独取，和排着队取，是同一个场景
print("第 17 个：", caption(scatter(0, 17)))
print("参数不同：", caption(scatter(0, 17, n_shapes=(2, 2))))

# %% [markdown]
# :::{admonition} 5. “正确率 80%，所以它会数数”
# :class: pitfall
# 先问瞎子得多少。下面两个模型都得 80%，一个只会答 0，另一个真的在数。
# :::

# %% tags=["nbval-check-output"]
for name, zeros in (("八成答案是 0 的题", 0.8), ("答案均匀的五选一", 0.2)):
    print(f"{name}：瞎子 {zeros:.0%}，得 80% 的模型里看图的部分 {(0.8 - zeros) / (1 - zeros):.0%}")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 练习
#
# 还有五题，约 30 分钟：一题心算，三题写代码，一题读图。把 `...` 换成你的答案，运行 `check`。
# 卡住了先打开一条提示，别急着看解答。

# %%
exercise("00-start-2")

# %%
answer = ...  # 一个小数

check("00-start-2", answer)

# %%
exercise("00-start-3")


# %%
def to_thousand(box, width, height): ...


check("00-start-3", to_thousand)

# %%
exercise("00-start-4")


# %%
def iou(a, b): ...


check("00-start-4", iou)

# %%
exercise("00-start-5")


# %%
def count_reward(answer, target): ...


check("00-start-5", count_reward)

# %%
exercise("00-start-6")

# %%
answer = ...  # 一个整数

check("00-start-6", answer)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 小结
#
# :::{admonition} 五句话
# :class: summary
# 1. 看到一个正确率，先问瞎子得多少；换了图分数不掉，就是没看。
# 2. 一切从符号场景算出来：图、说明、问答、框、视频、奖励，所以每个标签都能核对。
# 3. 一个框有三种单位；千分数不随缩放变，像素要说清是哪张图的。
# 4. 日期要说清是报告的还是权重的；本课程按报告，权重另画空心点。
# 5. 先猜再跑，手算再看房间，结论要有可能失败的实验。
# :::

# %% [markdown]
# ## 延伸阅读
#
# - **瞎子基线**：Goyal 等，[Making the V in VQA Matter](https://arxiv.org/abs/1612.00837)（2017）。看它怎样给同一个问题配两张答案不同的图。
# - **换个分布再考**：Agrawal 等，[Don't Just Assume; Look and Answer](https://arxiv.org/abs/1712.00377)（2018）。训练和测试的答案分布故意不同，靠猜的模型就露馅。
# - **合成的看图问答**：Johnson 等，[CLEVR](https://arxiv.org/abs/1612.06890)（2016）。三维的图形世界，比这里的真实，也更慢。
# - **框的两种单位**：Qwen-VL（[arXiv:2308.12966](https://arxiv.org/abs/2308.12966) §2.3）与 Qwen2.5-VL（[arXiv:2502.13923](https://arxiv.org/abs/2502.13923) §2.1）。
# - **这里的约定**：[数据集卡片](../../book/dataset-card.md)与[术语表](../../book/glossary.md)。
#
# 下一章：[01 词的表示](01_embedding.ipynb)。在看图之前，先看一个词怎样变成一串数。
