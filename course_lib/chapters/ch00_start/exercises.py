"""Exercises of chapter 00: shapes of arrays, blind baselines, boxes, rewards, the map."""

import re

from course_lib.course.exercises.core import Exercise, Mistake
from course_lib.course.outline import events, months
from course_lib.data.world.boxes import smart_resize


def _to_thousand(box, width, height):
    x1, y1, x2, y2 = box
    shares = (x1 / width, y1 / height, x2 / width, y2 / height)
    return [min(999, int(share * 1000)) for share in shares]


def _swapped_sides(box, width, height):
    return _to_thousand(box, height, width)


def _nearest(box, width, height):
    return [round(value / side * 1000) for value, side in zip(box, (width, height, width, height))]


def _uncut(box, width, height):
    return [int(value / side * 1000) for value, side in zip(box, (width, height, width, height))]


def _of_the_resized(box, width, height):
    return _to_thousand(box, *smart_resize(width, height))


def _y_first(box, width, height):
    x1, y1, x2, y2 = _to_thousand(box, width, height)
    return [y1, x1, y2, x2]


def _box_cases(rng):
    cases = [([0, 0, 50, 20], 100, 40), ([30.0, 10.0, 100.0, 40.0], 100, 40)]
    for width, height in ((640, 427), (333, 777)):
        x1, y1 = float(rng.uniform(0, width / 2)), float(rng.uniform(0, height / 2))
        cases += [([x1, y1, x1 + width / 3, y1 + height / 4], width, height), ([x1, y1, width, height], width, height)]
    return cases


def _iou(a, b, *, cut=True, plus=0, union=lambda one, other, shared: one + other - shared):
    wide = min(a[2], b[2]) - max(a[0], b[0]) + plus
    tall = min(a[3], b[3]) - max(a[1], b[1]) + plus
    shared = max(0, wide) * max(0, tall) if cut else wide * tall
    areas = [(box[2] - box[0] + plus) * (box[3] - box[1] + plus) for box in (a, b)]
    return shared / union(*areas, shared)


def _two_boxes(rng):
    def box():
        x1, y1 = rng.uniform(0, 60, size=2)
        return [float(x1), float(y1), float(x1 + rng.uniform(5, 40)), float(y1 + rng.uniform(5, 40))]

    unlike = [([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]), ([0.0, 0.0, 2.0, 2.0], [5.0, 6.0, 7.0, 9.0])]
    return unlike + [(box(), box()) for _ in range(4)]


def _numbers(answer):
    return re.findall(r"\d+", answer)


def _answers(rng):
    n = int(rng.integers(2, 9))
    return [
        (f"有 {n} 个", n),
        (f"{n}", n),
        (f"有 {n}{n} 个", n),
        (f"1{n}", n),
        ("没有", n),
        ("0、1、2、3、4、5、6、7、8、9", n),
        (f"{n} 个，或者 {n + 1} 个", n),
        (f"不是 {n + 1} 个，是 {n} 个", n),
    ]


_BY_NAME = {event.name: event for event in events()}
_FIRST, _LAST = _BY_NAME["ViT"], _BY_NAME["Qwen2.5-VL"]
_APART = months(_LAST.date) - months(_FIRST.date)

EXERCISES = [
    Exercise(
        id="00-start-1",
        title="试一次：图片数组的形状",
        level=1,
        minutes=2,
        task=(
            "一张图宽 64、高 48 像素，每个像素有红、绿、蓝三个数。`render` 返回一个数组。\n"
            "它的形状是什么？写成三个整数。"
        ),
        stub="answer = ...  # 三个整数，写成 (?, ?, ?)",
        solution=(48, 64, 3),
        mistakes=[
            Mistake(
                "width_first",
                (64, 48, 3),
                "宽和高写反了。数组先数行，再数列：行数是高，列数是宽。说“宽 × 高”的是人，说“高 × 宽”的是数组。",
            ),
            Mistake(
                "channels_first",
                (3, 48, 64),
                "这是模型要的次序 [3, H, W]。`render` 给的是图片的次序 [H, W, 3]，`to_model` 负责换过去。",
            ),
            Mistake("no_channels", (48, 64), "少了颜色。每个像素有三个数，最后还有一根长度为 3 的轴。"),
            Mistake("flat", (9216,), "9216 是数的总个数，48 × 64 × 3。形状要把三根轴分开写。"),
        ],
        hints=["一张表格有几行几列，先说行。", "行数就是图的高。", "最后一根轴是三种颜色。"],
        passes="以后每一章都会把张量的形状写在旁边，次序总是先行后列。",
        next="八张这样的图叠成一批，形状是什么？",
    ),
    Exercise(
        id="00-start-2",
        title="心算：扣掉瞎猜",
        level=1,
        minutes=4,
        task=(
            "100 道计数题，正确答案里 70 道是 0，20 道是 1，10 道是 2。\n"
            "一个模型答对 76 道。永远答 0 的瞎子也能答对一些。\n"
            "瞎子答错的题里，这个模型多答对了几分之几？写成小数。"
            "（假定瞎子答对的题，它也都答对。）"
        ),
        stub="answer = ...  # 一个小数",
        solution=0.2,
        mistakes=[
            Mistake("raw", 0.76, "0.76 是总的正确率，里面有 0.70 不看图也能得到。先减去它。"),
            Mistake("difference", 0.06, "0.06 是多对的题占全部题的比例。瞎子只留下 30 道，要除以 0.30。"),
            Mistake("over_blind", 0.0857, "你除以了瞎子答对的 70 道。那些题它本来就会，能多对的只有瞎子答错的 30 道。"),
            Mistake(
                "uniform",
                0.64,
                "你把瞎子当成在三个答案里掷骰子，0.33。聪明的瞎子永远答最常见的那个，0.70。",
            ),
        ],
        hints=["永远答 0，能对几道？", "76 道里，多出来的是几道？", "最多能多出来几道？两个数相除。"],
        passes="76 分听上去不错，能算在看图头上的只有五分之一。以后看到一个正确率，先问瞎子能得多少。",
        next="换成答案均匀的题：0、1、2 各占三分之一，同样 76 道，这个比例是多少？",
        tolerance=0.02,
    ),
    Exercise(
        id="00-start-3",
        title="把框写成千分数",
        level=2,
        minutes=8,
        task=(
            "写 `to_thousand(box, width, height)`：`box` 是原图像素里的 [x1, y1, x2, y2]，\n"
            "返回四个整数，每个是它在那条边上落进第几个千分格，从 0 到 999。\n"
            "正好在右边界或下边界上的数，算最后一格。"
        ),
        stub="def to_thousand(box, width, height):\n    ...",
        solution=_to_thousand,
        mistakes=[
            Mistake("swapped_sides", _swapped_sides, "边除错了：x 要除以宽，y 要除以高。图不是正方形时就看得出来。"),
            Mistake(
                "nearest",
                _nearest,
                "你四舍五入了：右边界会变成 1000，而 [0, 1000) 里没有 1000。落进哪一格用向下取整，再把 1000 收进 999。",
            ),
            Mistake("uncut", _uncut, "右边界得到了 1000。[0, 1000) 的最后一格是 999，要收一下。"),
            Mistake(
                "resized",
                _of_the_resized,
                "你除以了缩放后的边长，框却是原图的像素。先确认一个框说的是哪张图，再决定除以谁。",
            ),
            Mistake("y_first", _y_first, "次序反了：要 x1, y1, x2, y2，你返回的是先 y 后 x。"),
        ],
        hints=[
            "x / width 是 0 到 1 之间的一个比例。",
            "乘 1000，向下取整：int(...) 就够了。",
            "比例恰好为 1 时会得到 1000，用 min(999, …) 收住。",
        ],
        cases=_box_cases,
        passes="Qwen-VL 和 Qwen2-VL 就是这样写框的：图缩放多少，这四个数都不变。",
        next="写出反方向的函数。来回一趟最多差几个像素？（看 from_thousand 的说明）",
    ),
    Exercise(
        id="00-start-4",
        title="两个框有多像",
        level=2,
        minutes=8,
        task=(
            "写 `iou(a, b)`：两个框 [x1, y1, x2, y2] 的交并比，交集的面积除以并集的面积。\n"
            "两个框不相交时是 0。坐标是连续的，宽是 x2 − x1。"
        ),
        stub="def iou(a, b):\n    ...",
        solution=lambda a, b: _iou(a, b),
        mistakes=[
            Mistake(
                "no_cut",
                lambda a, b: _iou(a, b, cut=False),
                "不相交的框算出了面积：宽和高都是负数，乘起来成了正数。交集的宽、高要先与 0 取大。",
            ),
            Mistake(
                "twice",
                lambda a, b: _iou(a, b, union=lambda one, other, shared: one + other),
                "并集没有减去交集：重叠的那块数了两遍。两个完全相同的框应当得 1，你得到 0.5。",
            ),
            Mistake(
                "smaller",
                lambda a, b: _iou(a, b, union=lambda one, other, shared: min(one, other)),
                "你除以了小框的面积。那样一个大得没边的框套住它也能得满分，要除以并集。",
            ),
            Mistake(
                "plus_one",
                lambda a, b: _iou(a, b, plus=1),
                "宽多加了 1。那是把坐标当成像素编号的老写法，这里的坐标是连续的边界。",
            ),
        ],
        hints=[
            "交集的左边界是两个 x1 里大的那个，右边界是两个 x2 里小的那个。",
            "max(0, 右 − 左) 乘 max(0, 下 − 上)。",
            "并集 = 面积 a + 面积 b − 交集。",
        ],
        cases=_two_boxes,
        passes="这个数在 0 到 1 之间，不需要人来打分。第 25 章拿它当强化学习的奖励。",
        next="两个框不相交时，IoU 总是 0，离得多远都一样。拿它当奖励，会有什么麻烦？",
    ),
    Exercise(
        id="00-start-5",
        title="写一个骗不过去的奖励",
        level=3,
        minutes=8,
        task=(
            "写 `count_reward(answer, target)`：`answer` 是模型写的一段话，`target` 是正确的个数。\n"
            "话里恰好只有一个阿拉伯数字组成的数，而且等于 `target`，得 1.0；否则得 0.0。"
        ),
        stub="def count_reward(answer, target):\n    ...",
        solution=lambda answer, target: float(_numbers(answer) == [str(target)]),
        mistakes=[
            Mistake(
                "substring",
                lambda answer, target: float(str(target) in answer),
                "“13 个”里也有 3。在字符串里找子串，会把 13 判成 3；把所有数字都写一遍也能得满分。",
            ),
            Mistake(
                "any_number",
                lambda answer, target: float(str(target) in _numbers(answer)),
                "模型很快会学会把 0 到 9 全写一遍：每道题都得满分，一张图也不用看。题目要求恰好一个数。",
            ),
            Mistake(
                "first",
                lambda answer, target: float(_numbers(answer)[:1] == [str(target)]),
                "你只看了第一个数。“3 个，或者 4 个”也拿到了分：模型学会先报一个，再留条后路。",
            ),
            Mistake(
                "last",
                lambda answer, target: float(_numbers(answer)[-1:] == [str(target)]),
                "你只看了最后一个数。前面猜多少次都不扣分。",
            ),
        ],
        hints=[
            "先把话里所有的数找出来：re.findall(r'\\d+', answer)。",
            "找出来的列表应当恰好是 [str(target)]。",
            "比较的结果是 True 或 False，用 float 变成 1.0 或 0.0。",
        ],
        cases=_answers,
        passes="同样一张图，奖励写得松一点，强化学习就会钻进那条缝里（第 21、25 章）。",
        next="“不是 4 个，是 3 个”在你的规则下得 0 分。要不要给它分？给了，会放进来什么？",
    ),
    Exercise(
        id="00-start-6",
        title="读图：从 ViT 到 Qwen2.5-VL",
        level=1,
        minutes=3,
        task=("看时间线的实心点（报告的月份）。从 ViT 到 Qwen2.5-VL 过了几个月？\n2020-10 到 2020-11 算一个月。"),
        stub="answer = ...  # 一个整数",
        solution=_APART,
        mistakes=[
            Mistake(
                "weights",
                months(_LAST.weights) - months(_FIRST.date),
                "你用了空心点：那是 Qwen2.5-VL 的权重，比报告早一个月。",
            ),
            Mistake("both_ends", _APART + 1, "两头都数了。从十月到十一月算一个月，所以是相减，不再加一。"),
            Mistake(
                "conference",
                months(_LAST.date) - months("2021-05"),
                "你从 2021 年 5 月的会议数起。论文 2020 年 10 月就公开了，见考据 K00-1。",
            ),
            Mistake(
                "from_clip",
                months(_LAST.date) - months(_BY_NAME["CLIP"].date),
                "你从 CLIP 数起。ViT 在它左边，2020 年 10 月。",
            ),
        ],
        hints=["找到“图与文”那一行最左边的实心点。", "2020-10 到 2024-10 是 48 个月。", "再加上 2024-10 到 2025-02。"],
        passes="四年多一点：从“图也能切成词”到能看视频、报秒数的模型。",
        next="同一行里，哪两个相邻的实心点隔得最久？",
    ),
]
