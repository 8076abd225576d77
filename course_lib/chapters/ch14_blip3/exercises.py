"""Exercises of chapter 14, BLIP-3: tokens of a picture, where a pixel lands, what latents read, a row, its labels."""

from math import ceil

import torch

from course_lib.course.exercises.core import Exercise, Mistake


def view_of(y, x, height, width, tile, rows, columns):
    scale = min(rows * tile / height, columns * tile / width)
    top = (rows * tile - ceil(height * scale)) // 2
    left = (columns * tile - ceil(width * scale)) // 2
    row, column = (top + int(y * scale)) // tile, (left + int(x * scale)) // tile
    return 1 + row * columns + column


def _place(y, x, height, width, tile, rows, columns):
    """(row, column), as view_of has them."""
    return divmod(view_of(y, x, height, width, tile, rows, columns) - 1, columns)


def _otherwise(y, x, height, width, tile, rows, columns, *, factor=min, side=ceil, front=lambda n: n // 2, pixel=int):
    """view_of by another scale, another rounding of the sides and of the pixel, another share of the empty room."""
    s = factor(rows * tile / height, columns * tile / width)
    top, left = front(rows * tile - side(height * s)), front(columns * tile - side(width * s))
    return 1 + (top + pixel(y * s)) // tile * columns + (left + pixel(x * s)) // tile


SIDES_CUT = {"side": int}
LARGER_IN_FRONT = {"front": lambda n: (n + 1) // 2}
PIXEL_UP = {"pixel": ceil}


def _columns_first(*case):
    row, column = _place(*case)
    return 1 + column * case[-2] + row


def _times_rows(*case):
    row, column = _place(*case)
    return 1 + row * case[-2] + column


def _stretched(y, x, height, width, tile, rows, columns):
    return 1 + y * rows // height * columns + x * columns // width


def _pixels(rng):
    """One side touches, the other leaves room; as it is, twice as large, half as large. Then pixels at a tile's edge,
    where half a pixel decides: all scales are powers of two, so floats are exact."""

    def telling(factor, **other):
        """A picture `factor` times as large as its grid, and a pixel that another way puts elsewhere."""
        while True:
            rows, columns = [(2, 2), (1, 3), (3, 1), (2, 3), (3, 2)][int(rng.integers(5))]
            sides = [8 * factor * rows, 8 * factor * columns]
            sides[int(rng.integers(2))] -= int(rng.integers(1, 8))
            case = (*map(int, rng.integers(sides)), *sides, 8, rows, columns)
            if _otherwise(*case, **other) != view_of(*case):
                return case

    cases = []
    for rows, columns in ((2, 2), (1, 3), (3, 1), (2, 3), (3, 2)):
        tile = 8
        full = rows * tile, columns * tile
        short = int(rng.integers(2, 4)) * 4
        for height, width in ((full[0], max(full[1] - short, 4)), (max(full[0] - short, 4), full[1])):
            for up, down in ((1, 1), (1, 2), (2, 1)):  # as it is, twice as large, half as large
                H, W = height * down // up, width * down // up
                y, x = int(rng.integers(H)), int(rng.integers(W))
                cases.append((y, x, H, W, tile, rows, columns))
                cases.append((H - 1, x, H, W, tile, rows, columns))
    ways = (2, SIDES_CUT), (1, LARGER_IN_FRONT), (2, PIXEL_UP)
    return cases + [telling(factor, **other) for factor, other in ways for _ in range(2)]


def read_both(q, media, latents, is_media):
    keys = torch.cat([media, latents])
    may = torch.cat([is_media, torch.ones(len(latents), dtype=torch.bool)])
    scores = (q @ keys.T / q.shape[-1] ** 0.5).masked_fill(~may, -torch.inf)
    return scores.softmax(-1) @ keys


def _mixed(q, keys, may, scale=None):
    scale = q.shape[-1] ** 0.5 if scale is None else scale
    return (q @ keys.T / scale).masked_fill(~may, -torch.inf).softmax(-1) @ keys


def _values_of_media(q, media, latents, is_media):
    """The latents as keys alone: what they are given is lost."""
    keys, values = torch.cat([media, latents]), torch.cat([media, torch.zeros_like(latents)])
    may = torch.cat([is_media, torch.ones(len(latents), dtype=torch.bool)])
    return (q @ keys.T / q.shape[-1] ** 0.5).masked_fill(~may, -torch.inf).softmax(-1) @ values


def _true(n):
    return torch.ones(n, dtype=torch.bool)


def _reads(rng):
    cases = []
    for n_media, n_latents, width, kept in ((3, 2, 2, 3), (3, 2, 2, 2), (4, 2, 4, 0), (5, 3, 4, 3), (6, 2, 3, 0)):
        q, media, latents = (torch.from_numpy(rng.normal(size=(n, width))) for n in (n_latents, n_media, n_latents))
        is_media = torch.zeros(n_media, dtype=torch.bool)
        is_media[torch.from_numpy(rng.permutation(n_media)[:kept])] = True
        cases.append((q, media, latents, is_media))
    return cases


def labels_of(ids, is_token, image_id):
    before = torch.zeros_like(is_token)
    before[:, 1:] = is_token[:, :-1]
    return torch.where(is_token & before & (ids != image_id), ids, -100)


def _after_images(ids, image_id):
    """Slots right behind an image's."""
    return torch.cat([torch.zeros_like(ids[:, :1]).bool(), ids[:, :-1] == image_id], 1) & (ids != image_id)


def _rows(rng):
    """Left-padded rows: image_id in every slot of an image, 0 in the padding."""
    image_id, cases = 9, []
    parts = (([2, 0, 1], [0, 1]), ([0, 3, 2], [1, 2, 1]), ([1, 2, 1, 2], [2]), ([3, 1, 1, 2, 1], [2, 2, 2]))
    for shapes in parts:  # slots of text, of an image, of text, …
        rows = []
        for shape in shapes:
            row = []
            for at, n in enumerate(shape):
                row += [image_id] * n if at % 2 else rng.integers(1, 9, size=n).tolist()
            rows.append(row)
        S = max(map(len, rows)) + int(rng.integers(2))
        ids = torch.tensor([[0] * (S - len(row)) + row for row in rows])
        is_token = torch.tensor([[False] * (S - len(row)) + [True] * len(row) for row in rows])
        cases.append((ids, is_token, image_id))
    return cases


def put_in(ids, sizes, image_id):
    sizes = iter(sizes)
    return [each for each in ids for _ in range(next(sizes) if each == image_id else 1)]


def _sizes_at(ids, sizes, image_id):
    """How many slots each id takes."""
    sizes = iter(sizes)
    return [next(sizes) if each == image_id else 1 for each in ids]


def _gone(ids, sizes, image_id):
    return [each for each in ids if each != image_id]


def _texts(rng):
    cases = []
    for text, n in (([9, 1, 2], 1), ([1, 9, 2, 9, 3], 2), ([1, 2, 9, 9, 4], 2), ([3, 9, 1, 1, 9, 2, 9], 3)):
        sizes = (rng.permutation(4)[:n] + 2).tolist()
        cases.append((text, sizes, 9))
    return cases


EXERCISES = [
    Exercise(
        id="14-blip3-1",
        title="心算：一张长图几个词元",
        level=1,
        minutes=4,
        task=(
            "切片的边长 384，网格用公开的五种（2×1、1×2、2×2、1×3、3×1，先行后列），每幅小图采 128 个词元。\n"
            "一张图高 384、宽 1,100 像素。语言模型读到几个图像词元？"
        ),
        stub="answer = ...  # 一个整数",
        solution=512,
        tolerance=1e-6,
        mistakes=[
            Mistake("always", 128, "128 是一幅小图的。切了几片，就有几份 128，还有缩小的全图一份。"),
            Mistake("no_small", 384, "三片是 384。缩小的全图也要采 128 个，放在最前。"),
            Mistake("square", 640, "这是 2×2 的。那种网格要把图缩到宽 768，留下的像素不到 1×3 的一半。"),
            Mistake("one", 256, "你只切了一片。公开的网格里没有 1×1，何况宽 1,100 远比 384 长。"),
            Mistake("patches", 2916, "729 是一幅小图的图像块数。重采样以后每幅只剩 128 个。"),
            Mistake("three_patches", 2187, "3 × 729 是没有重采样的三片。每幅小图只留 128 个，还有缩小的全图。"),
            Mistake("from_the_other_table", 1536, "12 片那种网格表不是这里的五种，而且这张图只要三片。"),
            Mistake("small_as_one", 385, "缩小的全图也采 128 个词元，不是 1 个。"),
            Mistake("thirteen_views", 1664, "这是十三幅的。公开的五种网格里没有 12 片的，这张图只要三片。"),
            Mistake("views", 4, "4 是小图的幅数。每幅采 128 个词元。"),
            Mistake("width", 1100, "词元数不看像素数，只看切了几片。"),
        ],
        hints=["每种网格里，图最多能放多大？1×3 的宽有 1,152。", "三片，加缩小的全图。"],
        passes="1×3 里一个像素也不用丢。四幅小图，各 128 个。",
        follow_up=Exercise(
            id="14-blip3-1-next",
            level=2,
            minutes=3,
            task=(
                "同一行文字里还有第二张图，正好 384×384。文字一共 20 个词元，两个占位符算在里面。"
                "图放进去以后，这一行一共几格？"
            ),
            stub="answer = ...  # 一个整数",
            solution=914,
            tolerance=1e-6,
            mistakes=[
                Mistake("placeholders", 916, "占位符被图的词元换掉了，自己不再占格：文字只剩 18 个。"),
                Mistake("one_tile", 786, "你让第二张只切一片。公开的网格里没有 1×1，最少两片，加缩小的全图是 3 幅。"),
                Mistake("one_tile_too", 788, "第二张最少两片：没有 1×1。占位符也不再占格。"),
                Mistake("small_or_tiles", 658, "你漏了缩小的全图（每张图都有一幅），或者没有切第二张（最少两片）。"),
                Mistake("four_tiles", 1170, "384×384 的图没有切成 2×2：两片就放得下，四片空得更多。"),
                Mistake("four_tiles_too", 1172, "第二张只切两片，不是四片；占位符也不再占格，文字剩 18 个。"),
                Mistake("one_placeholder", 915, "两个占位符都换掉了，文字剩 18 个，不是 19 个。"),
                Mistake("first_only", 530, "你漏了第二张图。"),
                Mistake("images_only", 896, "这是两张图的词元。文字还有 18 格。"),
                Mistake("text_only", 20, "占位符换成图的词元以后，一行长得多。"),
                Mistake("twice", 1042, "你让两张图一样多。384×384 的图用 3 幅，不是 4 幅。"),
            ],
            passes="18 + 512 + 384。小图没有便宜多少：没有 1×1 的网格，它也要三幅。",
        ),
    ),
    Exercise(
        id="14-blip3-2",
        title="一个像素落在哪一幅",
        level=2,
        minutes=7,
        task=(
            "图高 `height`、宽 `width`，放进 `rows`×`columns` 片、每片边长 `tile` 的网格：按比例缩放到碰到两条边，"
            "居中，空白分在前后，是奇数时后面多一个像素。缩小的全图是第 0 幅，切片一行一行从 1 数起。\n"
            "写 `my_view(y, x, height, width, tile, rows, columns)`：像素 (y, x) 落在第几幅？"
            "缩放以后，图的两边向上取整，像素的坐标向下取整。"
        ),
        stub="def my_view(y, x, height, width, tile, rows, columns):\n    ...",
        solution=view_of,
        mistakes=[
            Mistake("from_zero", lambda *case: view_of(*case) - 1, "第 0 幅是缩小的全图，切片从 1 数起。"),
            Mistake("small_last", lambda *case: view_of(*case) + 1, "多数了一个：切片从 1 数起，不是从 2。"),
            Mistake("columns_first", _columns_first, "你一列一列地数。切片一行一行地数：行号 × 列数 + 列号。"),
            Mistake("times_rows", _times_rows, "行号要乘的是一行有几片（columns），不是有几行。"),
            Mistake("swapped", lambda y, x, *rest: view_of(x, y, *rest), "y 和 x 换了：y 定行，x 定列。"),
            Mistake(
                "sides_swapped",
                lambda y, x, height, width, *rest: view_of(y, x, width, height, *rest),
                "高和宽换了：先高后宽。",
            ),
            Mistake(
                "no_corner",
                lambda *case: _otherwise(*case, front=lambda n: 0),
                "图放在网格的中间，前面有空白：先加上它。",
            ),
            Mistake(
                "whole_corner", lambda *case: _otherwise(*case, front=int), "空白一半在前，一半在后；你全放在前面了。"
            ),
            Mistake("no_scale", lambda *case: _otherwise(*case, factor=lambda *_: 1), "坐标要先乘缩放的倍数。"),
            Mistake(
                "pixels_only",
                lambda *case: _otherwise(*case, factor=lambda *_: 1, front=lambda n: 0),
                "你用原来的坐标除以边长：没有缩放，也没有加前面的空白。",
            ),
            Mistake(
                "stretched",
                _stretched,
                "你把图拉满了网格，高和宽各用各的倍数。倍数只有一个，取小的那个，其余是空白。",
            ),
            Mistake(
                "largest_scale",
                lambda *case: _otherwise(*case, factor=max, front=lambda n: 0),
                "倍数要取小的：取大的，图就出了网格。",
            ),
            Mistake(
                "largest_scale_centred",
                lambda *case: _otherwise(*case, factor=max),
                "倍数要取小的：取大的，图就出了网格，前面的空白成了负数。",
            ),
            Mistake(
                "rows_for_width",
                lambda y, x, height, width, tile, rows, columns: _otherwise(
                    y,
                    x,
                    height,
                    width,
                    tile,
                    rows,
                    columns,
                    factor=lambda *_: min(columns * tile / height, rows * tile / width),
                ),
                "倍数里行和列换了：高对行数，宽对列数。",
            ),
            Mistake(
                "columns_first_too",
                lambda *case: 1 + _place(*case)[1] * case[-1] + _place(*case)[0],
                "你一列一列地数了。切片一行一行地数：行号 × 列数 + 列号。",
            ),
            Mistake(
                "sides_cut",
                lambda *case: _otherwise(*case, **SIDES_CUT),
                "图的边要向上取整。向下取整，图短了一个像素，空白跟着变，片边上的像素就到了另一片。",
            ),
            Mistake(
                "larger_in_front",
                lambda *case: _otherwise(*case, **LARGER_IN_FRONT),
                "空白是奇数时，多的一个像素在后面；你放在了前面：用 // 2。",
            ),
            Mistake("pixel_up", lambda *case: _otherwise(*case, **PIXEL_UP), "像素的坐标要向下取整，你向上取了。"),
            Mistake("row", lambda *case: 1 + _place(*case)[0], "这只是第几行。还要乘列数，加上列号。"),
            Mistake("place", lambda *case: _place(*case), "你返回了行和列。要一个数：第几幅。"),
        ],
        hints=[
            "倍数是两个比例里小的那个。",
            "前面的空白是 (网格的边 − 图的边) // 2，图的边用 math.ceil。",
            "1 + 行号 × 列数 + 列号。",
        ],
        cases=_pixels,
        passes="先缩放，再居中，再数第几片。`tiles.boxes_of` 做相反的事：从片找回图上的位置。",
        follow_up=Exercise(
            id="14-blip3-2-next",
            level=2,
            minutes=3,
            task="一张 300×1,000 的图放进 1×3 片、边长 384 的网格。网格里空白占百分之几？",
            stub="answer = ...  # 0 到 1 的数，或百分数",
            solution=0.099,
            tolerance=0.03,
            percent=True,
            mistakes=[
                Mistake("filled", 0.901, "这是有图的。问空白。"),
                Mistake("not_enlarged", 0.3218, "图会放大到碰边：高 300 变成 346，不是原来的 300×1,000 个像素。"),
                Mistake("height_only", 0.21875, "高从 300 放大到了 346：倍数是 1,152 ÷ 1,000。"),
                Mistake("width_only", 0.1319, "宽正好放满 1,152；空白在上下。"),
                Mistake("half", 0.0495, "上下各有一半，两边都算。"),
                Mistake("largest_scale", -0.111, "倍数要取小的。取大的 1.28，宽成了 1,280，出了网格，空白成了负数。"),
                Mistake("pixels", 38.4, "38.4 是空白有几行像素。问占网格的百分之几：除以网格的高 384。"),
                Mistake("none", 0.0, "形状不同，就一定有空白：384 : 1,152 是 1 : 3，图是 1 : 3.33。"),
            ],
            passes="空白只有一成，可是原图的像素只填了网格的七成：放大不会多出新的像素。",
        ),
    ),
    Exercise(
        id="14-blip3-3",
        title="修：一片空白，全是 nan",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "重采样器的一次阅读，一个头，键就是值：`q` [Q, D]，图像特征 `media` [N, D]，可学习的向量 `latents` [Q, D]。"
            "`is_media` [N] 布尔，补出来的空白是 False。分数除以 √D。\n"
            "要返回 [Q, D]，与第 14 章的重采样器一样读。找出错误，写出改好的 `my_read(q, media, latents, is_media)`。"
        ),
        program=(
            "def my_read(q, media, latents, is_media):\n"
            "    scores = q @ media.T / q.shape[-1] ** 0.5\n"
            "    scores = scores.masked_fill(~is_media, -torch.inf)\n"
            "    return scores.softmax(-1) @ media"
        ),
        symptom="多数图都正常。遇到一张细长的图，有一片整个是空白，损失就成了 nan。",
        stub="def my_read(q, media, latents, is_media):\n    ...",
        solution=read_both,
        mistakes=[
            Mistake(
                "program",
                lambda q, media, latents, is_media: _mixed(q, media, is_media),
                "键里少了可学习的向量自己。一片全空时，一个键也没有，softmax 是 0/0。",
            ),
            Mistake(
                "nan_to_zero",
                lambda q, media, latents, is_media: _mixed(q, media, is_media).nan_to_num(),
                "这样只是把 nan 抹成 0，别的片仍然读错：键应当是 [图像特征；可学习的向量]。",
            ),
            Mistake(
                "large_negative",
                lambda q, media, latents, is_media: (
                    (q @ media.T / q.shape[-1] ** 0.5).masked_fill(~is_media, -1e9).softmax(-1) @ media
                ),
                "填一个很大的负数，nan 没有了，可是全空的那片读到的是空白的平均。键里要有可学习的向量。",
            ),
            Mistake(
                "latents_where_empty",
                lambda q, media, latents, is_media: _mixed(q, media, is_media) if is_media.any() else latents,
                "不是只有全空时才读自己：向量每次都是键。",
            ),
            Mistake(
                "keys_not_values",
                lambda q, media, latents, is_media: _values_of_media(q, media, latents, is_media),
                "向量当了键，没有当值：权重分给了它，读到的却是 0。值也要拼上向量。",
            ),
            Mistake(
                "queries_as_keys",
                lambda q, media, latents, is_media: read_both(q, media, q, is_media),
                "拼进去的应当是 latents，不是 q：键和值来自向量，q 已经是另外变换过的。",
            ),
            Mistake(
                "scale_by_keys",
                lambda q, media, latents, is_media: _mixed(
                    q,
                    torch.cat([media, latents]),
                    torch.cat([is_media, _true(len(latents))]),
                    (len(media) + len(latents)) ** 0.5,
                ),
                "要除以 √D，你除以了键的个数的平方根。",
            ),
            Mistake(
                "mask_on_the_left",
                lambda q, media, latents, is_media: _mixed(
                    q, torch.cat([media, latents]), torch.cat([_true(len(latents)), is_media])
                ),
                "掩码和键的次序对不上：键是图像特征在前，掩码也要它在前。",
            ),
            Mistake(
                "keys_on_the_left",
                lambda q, media, latents, is_media: _mixed(
                    q, torch.cat([latents, media]), torch.cat([is_media, _true(len(latents))])
                ),
                "键换了次序，掩码没有跟着换。",
            ),
            Mistake(
                "padding_seen",
                lambda q, media, latents, is_media: _mixed(
                    q, torch.cat([media, latents]), _true(len(media) + len(latents))
                ),
                "空白也被读了：图像特征那一段要用 is_media 挡。",
            ),
            Mistake(
                "upside_down",
                lambda q, media, latents, is_media: _mixed(
                    q, torch.cat([media, latents]), torch.cat([~is_media, _true(len(latents))])
                ),
                "真假反了：False 才是空白。",
            ),
            Mistake(
                "all_upside_down",
                lambda q, media, latents, is_media: _mixed(
                    q, torch.cat([media, latents]), ~torch.cat([is_media, _true(len(latents))])
                ),
                "掩码整个反了：masked_fill 要填的是不许读的，前面加一个 ~。",
            ),
            Mistake(
                "two_softmaxes",
                lambda q, media, latents, is_media: (
                    _mixed(q, media, is_media).nan_to_num() + _mixed(q, latents, _true(len(latents)))
                ),
                "你用了两个 softmax 再相加。图像特征和向量要一起分一份：一个 softmax。",
            ),
            Mistake(
                "mean_of_two",
                lambda q, media, latents, is_media: (
                    (_mixed(q, media, is_media).nan_to_num() + _mixed(q, latents, _true(len(latents)))) / 2
                ),
                "两个 softmax 各占一半，还是两份。要拼在一起，一个 softmax。",
            ),
            Mistake(
                "self_then_cross",
                lambda q, media, latents, is_media: _mixed(
                    _mixed(q, latents, _true(len(latents))), media, is_media
                ).nan_to_num(),
                "这是先自注意力、后交叉注意力，Q-Former 的次序。重采样器只有一次：键拼在一起。",
            ),
            Mistake(
                "latents_only",
                lambda q, media, latents, is_media: _mixed(q, latents, _true(len(latents))),
                "图像特征没有读到。",
            ),
            Mistake(
                "plus_latents",
                lambda q, media, latents, is_media: read_both(q, media, latents, is_media) + latents,
                "残差在外面加，这里只要读到的。",
            ),
            Mistake(
                "filled_with_zero",
                lambda q, media, latents, is_media: (
                    (q @ torch.cat([media, latents]).T / q.shape[-1] ** 0.5)
                    .masked_fill(~torch.cat([is_media, _true(len(latents))]), 0)
                    .softmax(-1)
                    @ torch.cat([media, latents])
                ),
                "分数填 0 挡不住：e⁰ = 1。填 −∞。",
            ),
            Mistake(
                "not_shared_again",
                lambda q, media, latents, is_media: (
                    (q @ torch.cat([media, latents]).T / q.shape[-1] ** 0.5).softmax(-1)
                    * torch.cat([is_media, _true(len(latents))])
                    @ torch.cat([media, latents])
                ),
                "softmax 以后才清零，权重加起来不到 1。要在 softmax 以前填 −∞。",
            ),
            Mistake(
                "zeroed_features",
                lambda q, media, latents, is_media: _mixed(
                    q,
                    torch.cat([media * is_media[:, None], latents]),
                    _true(len(media) + len(latents)),
                ),
                "特征清零不等于不读：键是 0 的地方，分数是 0，还分走 e⁰ 那一份。",
            ),
            Mistake(
                "no_scale",
                lambda q, media, latents, is_media: _mixed(
                    q, torch.cat([media, latents]), torch.cat([is_media, _true(len(latents))]), 1.0
                ),
                "分数忘了除以 √D。",
            ),
            Mistake(
                "scale_by_width",
                lambda q, media, latents, is_media: _mixed(
                    q, torch.cat([media, latents]), torch.cat([is_media, _true(len(latents))]), q.shape[-1]
                ),
                "要除以 √D，你除以了 D。",
            ),
            Mistake(
                "columns",
                lambda q, media, latents, is_media: (
                    (q @ torch.cat([media, latents]).T / q.shape[-1] ** 0.5)
                    .masked_fill(~torch.cat([is_media, _true(len(latents))]), -torch.inf)
                    .softmax(0)
                    @ torch.cat([media, latents])
                ),
                "softmax 的轴错了：每个向量（每一行）分一份。",
            ),
        ],
        hints=["一片全空时，还有谁可以读？", "键是 `torch.cat([media, latents])`，掩码也要接上 Q 个 True。"],
        cases=_reads,
        passes="键是 N + Q 个。空白全挡住时，向量还读得到自己，所以没有 0/0。",
        follow_up=Exercise(
            id="14-blip3-3-next",
            level=1,
            minutes=2,
            task="一张图 5 幅，每幅 16 个特征。5 幅一起采成 20 个词元，没有空白。每个可学习的向量，一层里看几个键？",
            stub="answer = ...  # 一个整数",
            solution=100,
            tolerance=1e-6,
            mistakes=[
                Mistake("media", 80, "80 是图像特征。20 个向量自己也是键。"),
                Mistake("one_view", 36, "一起采时，5 幅的特征都在眼前：5 × 16。"),
                Mistake("own", 20, "这是各采各的：16 + 4。"),
                Mistake("own_latents", 84, "一起采有 20 个向量，不是 4 个。"),
                Mistake("pairs", 2000, "这是所有的对数。问的是一个向量看几个键。"),
                Mistake("latents", 180, "向量只有一份，20 个，不是每幅 20 个。"),
                Mistake("one_views_media", 16, "16 是一幅的特征。一起采时有 5 幅，还有 20 个向量自己。"),
                Mistake("one_more_view", 96, "一起采的键是 5 × 16 个特征和 20 个向量；16 只是一幅的特征。"),
            ],
            passes="80 + 20。各采各的时每个只看 20 个键，所以也便宜得多。",
        ),
    ),
    Exercise(
        id="14-blip3-4",
        title="修：损失很低，话很差",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`ids` [B, S]：图已经放进去，图的每一格都是 `image_id`；左边有填充，`is_token` [B, S] 在填充处是 False。\n"
            "要返回标签 [B, S]：要数的格，标签就是它自己的编号，别处 −100。（训练的代码自己会错开一位："
            "第 s 格由第 s − 1 格去猜。所以前面没有词元的格也不数。）\n"
            "找出错误，写出改好的 `my_labels(ids, is_token, image_id)`。"
        ),
        program="def my_labels(ids, is_token, image_id):\n    return ids.masked_fill(~is_token, -100)",
        symptom="损失几步就降到 0.1 以下，写出来的话却没有一句对。一行 200 格里有 180 格是图。",
        stub="def my_labels(ids, is_token, image_id):\n    ...",
        solution=labels_of,
        mistakes=[
            Mistake(
                "program",
                lambda ids, is_token, image_id: ids.masked_fill(~is_token, -100),
                "图的格也数了：图的后面还是图，谁都猜得中，损失就低了。第一个词元前面没有人，也不该数。",
            ),
            Mistake(
                "first_counted",
                lambda ids, is_token, image_id: ids.masked_fill(~is_token | (ids == image_id), -100),
                "还差一处：每行第一个词元，前面只有填充，没有谁去猜它。",
            ),
            Mistake(
                "only_the_first",
                lambda ids, is_token, image_id: torch.where(
                    labels_of(ids, is_token, -1) == -100, torch.full_like(ids, -100), ids
                ),
                "图的格还在数：图的后面还是图，谁都猜得中。",
            ),
            Mistake(
                "padding_counted",
                lambda ids, is_token, image_id: ids.masked_fill(ids == image_id, -100),
                "填充也数了。",
            ),
            Mistake(
                "slot_zero",
                lambda ids, is_token, image_id: torch.cat(
                    [
                        torch.full_like(ids[:, :1], -100),
                        ids.masked_fill(~is_token | (ids == image_id), -100)[:, 1:],
                    ],
                    1,
                ),
                "你去掉的是第 0 格。填充在左边，各行的第一个词元不在第 0 格。",
            ),
            Mistake(
                "after_image_dropped",
                lambda ids, is_token, image_id: labels_of(ids, is_token, image_id).masked_fill(
                    _after_images(ids, image_id), -100
                ),
                "图后面的第一个词要数：它正是看着图猜的。不数的是图自己的格。",
            ),
            Mistake(
                "shifted",
                lambda ids, is_token, image_id: torch.cat(
                    [labels_of(ids, is_token, image_id)[:, 1:], torch.full_like(ids[:, :1], -100)], 1
                ),
                "你自己先错开了一位，训练的代码会再错一位：猜的成了下下个。",
            ),
            Mistake(
                "shifted_too",
                lambda ids, is_token, image_id: torch.cat(
                    [
                        ids.masked_fill(~is_token | (ids == image_id), -100)[:, 1:],
                        torch.full_like(ids[:, :1], -100),
                    ],
                    1,
                ),
                "标签不要自己错开：训练的代码会做。",
            ),
            Mistake(
                "shifted_right",
                lambda ids, is_token, image_id: torch.cat(
                    [
                        torch.full_like(ids[:, :1], -100),
                        ids.masked_fill(~is_token | (ids == image_id), -100)[:, :-1],
                    ],
                    1,
                ),
                "标签往右挪了一格。标签就写在自己的格里，训练的代码会错开。",
            ),
            Mistake(
                "as_guessed",
                lambda ids, is_token, image_id: torch.cat(
                    [
                        torch.where((ids[:, 1:] != image_id) & is_token[:, :-1], ids[:, :-1], -100),
                        torch.full_like(ids[:, :1], -100),
                    ],
                    1,
                ),
                "你按“第 s 格去猜下一格”写的。标签要写在被猜的那一格。",
            ),
            Mistake(
                "zero_for_all",
                lambda ids, is_token, image_id: ids.masked_fill(~is_token | (ids == image_id), 0),
                "不数的格要写 −100。写 0，就成了要猜 0 号词；每行第一个词元也不数。",
            ),
            Mistake(
                "neighbour_of_image",
                lambda ids, is_token, image_id: ids.masked_fill(
                    ~is_token | (ids == image_id) | _after_images(ids, image_id), -100
                ),
                "图后面的第一个词要数：它正是看着图猜的。不数的是图、填充和每行的第一个。",
            ),
            Mistake(
                "images_only",
                lambda ids, is_token, image_id: torch.where(is_token & (ids == image_id), ids, -100),
                "反了：你只数了图。",
            ),
            Mistake(
                "zero",
                lambda ids, is_token, image_id: labels_of(ids, is_token, image_id).clamp(min=0),
                "不数的格要写 −100。写 0，就成了要猜 0 号词。",
            ),
            Mistake(
                "minus_one",
                lambda ids, is_token, image_id: labels_of(ids, is_token, image_id).clamp(min=-1),
                "不数的格要写 −100，损失函数约定的就是它。",
            ),
            Mistake(
                "answers_only",
                lambda ids, is_token, image_id: labels_of(ids, is_token, image_id).masked_fill(
                    (ids == image_id).flip(1).cumsum(1).flip(1) > 0, -100
                ),
                "最后一张图以前的文字也要数：预训练数全部文字。",
            ),
            Mistake(
                "mask",
                lambda ids, is_token, image_id: labels_of(ids, is_token, image_id) != -100,
                "这是哪几格要数。标签要写编号。",
            ),
            Mistake(
                "behind_is_padding",
                lambda ids, is_token, image_id: torch.where(
                    is_token & torch.cat([is_token[:, 1:], torch.zeros_like(is_token[:, :1])], 1) & (ids != image_id),
                    ids,
                    -100,
                ),
                "你看的是后一格有没有词元。要看前一格：猜它的人在前面。",
            ),
            Mistake(
                "image_everywhere",
                lambda ids, is_token, image_id: labels_of(ids, is_token, image_id).masked_fill(
                    ids == image_id, image_id
                ),
                "图的格写上了 image_id，就成了要猜占位符。图的格写 −100。",
            ),
            Mistake(
                "before_images",
                lambda ids, is_token, image_id: labels_of(ids, is_token, image_id).masked_fill(
                    torch.cat([ids[:, 1:] == image_id, torch.zeros_like(ids[:, :1]).bool()], 1), -100
                ),
                "图前面那个词也要数：它由它的前一格去猜。",
            ),
        ],
        hints=["哪些格不数？填充、图，还有一种。", "第 s − 1 格是填充时，第 s 格没有谁去猜。"],
        cases=_rows,
        passes="不数三种格：填充、图、每行的第一个。`is_guessed` 说的是同一件事，只是错开了一位。",
        follow_up=Exercise(
            id="14-blip3-4-next",
            level=1,
            minutes=2,
            task=(
                "一句话 12 个词元，第一个是“始”，第二个是占位符。图有 5 幅，每幅 8 个词元。"
                "放进去以后，一共有几格要数进损失？"
            ),
            stub="answer = ...  # 一个整数",
            solution=10,
            tolerance=1e-6,
            mistakes=[
                Mistake("first", 11, "文字是 11 个，可是“始”的前面没有谁去猜它。"),
                Mistake("placeholder", 12, "占位符换成图了，不数；“始”也不数。"),
                Mistake("row", 51, "51 是这一行的格数。图的 40 格不数。"),
                Mistake("all_guesses", 50, "50 是有人猜的格。图的 40 格不数。"),
                Mistake("image", 40, "这是图的格数，正好都不数。"),
                Mistake("after_image", 9, "图后面的第一个词要数：它看着图猜。"),
            ],
            passes="51 格里只数 10 格。图占的格多，可是不进损失，只供后面的词看。",
        ),
    ),
    Exercise(
        id="14-blip3-5",
        title="修：第二张图放错了",
        level=1,
        minutes=4,
        kind="repair",
        task=(
            "`ids` 是一列编号，`image_id` 站在每张图的位置，一张图一个。"
            "`sizes` 依次是各图的词元数（幅数 × Q），各不相同。\n"
            "要返回放进去以后的一列编号：占位符变成 `sizes` 里那么多个 `image_id`，别的不变。"
            "找出错误，写出改好的 `my_put_in(ids, sizes, image_id)`。"
        ),
        program=(
            "def my_put_in(ids, sizes, image_id):\n"
            "    row = []\n"
            "    for each in ids:\n"
            "        row += [each] * (sizes[0] if each == image_id else 1)\n"
            "    return row"
        ),
        symptom="只有一张图时都对。两张形状不同的图放在一行，报错说词元数对不上。",
        stub="def my_put_in(ids, sizes, image_id):\n    ...",
        solution=put_in,
        mistakes=[
            Mistake(
                "program",
                lambda ids, sizes, image_id: put_in(ids, [sizes[0]] * len(sizes), image_id),
                "每张图都用了第一张的词元数。第二个占位符要用 sizes[1]。",
            ),
            Mistake(
                "last",
                lambda ids, sizes, image_id: put_in(ids, [sizes[-1]] * len(sizes), image_id),
                "每张图都用了最后一张的词元数。",
            ),
            Mistake(
                "backwards",
                lambda ids, sizes, image_id: put_in(ids, sizes[::-1], image_id),
                "次序反了：第一个占位符是第一张图。",
            ),
            Mistake(
                "sum_each",
                lambda ids, sizes, image_id: put_in(ids, [sum(sizes)] * len(sizes), image_id),
                "每处都放了所有的图。一个占位符只放一张。",
            ),
            Mistake(
                "largest",
                lambda ids, sizes, image_id: put_in(ids, [max(sizes)] * len(sizes), image_id),
                "你让每张图都占最大那张的格。各放各的，不用补齐。",
            ),
            Mistake(
                "kept", lambda ids, sizes, image_id: put_in(ids, [n + 1 for n in sizes], image_id), "占位符自己不留格。"
            ),
            Mistake(
                "not_expanded",
                lambda ids, sizes, image_id: list(ids),
                "还是一张图一格。占位符要变成图的那么多个词元。",
            ),
            Mistake("gone", _gone, "占位符不见了，图也没有放进去。"),
            Mistake(
                "in_front",
                lambda ids, sizes, image_id: [image_id] * sum(sizes) + _gone(ids, sizes, image_id),
                "图都挤到了最前面。图文交错，就是图在哪里，词元就在哪里。",
            ),
            Mistake(
                "at_the_end",
                lambda ids, sizes, image_id: _gone(ids, sizes, image_id) + [image_id] * sum(sizes),
                "图都挤到了最后，前面的字看不见它。",
            ),
            Mistake(
                "by_place",
                lambda ids, sizes, image_id: [
                    each
                    for at, each in enumerate(ids)
                    for _ in range(sizes[at % len(sizes)] if each == image_id else 1)
                ],
                "你用词元的位置去取 sizes。要数的是第几个占位符。",
            ),
            Mistake(
                "nested",
                lambda ids, sizes, image_id: [
                    [each] * n if each == image_id else each for each, n in zip(ids, _sizes_at(ids, sizes, image_id))
                ],
                "图的词元成了列表里的列表。要一列平的编号：用 +=，不用 append。",
            ),
            Mistake(
                "counted_by_words",
                lambda ids, sizes, image_id: [
                    each
                    for at, each in enumerate(ids)
                    for _ in range(sizes[min(at, len(sizes) - 1)] if each == image_id else 1)
                ],
                "每个词都把计数往前推了。只有遇到占位符才推。",
            ),
            Mistake(
                "counted_past_the_end",
                lambda ids, sizes, image_id: [
                    each for at, each in enumerate(ids) for _ in range(sizes[at] if each == image_id else 1)
                ],
                "出了 sizes 的末尾：每个词都让下标加了一。只有遇到占位符才加一。",
            ),
            Mistake(
                "minus_one",
                lambda ids, sizes, image_id: put_in(ids, [n - 1 for n in sizes], image_id),
                "少了一个：占位符那一格也要换成图的词元。",
            ),
        ],
        hints=["第几个占位符，就用第几个数。", "`sizes = iter(sizes)`，遇到占位符取 `next(sizes)`。"],
        cases=_texts,
        passes="一张图一个占位符，变成几格由它切了几片决定。一行里可以有好几张，各不相同。",
        follow_up=Exercise(
            id="14-blip3-5-next",
            level=1,
            minutes=2,
            kind="choice",
            task="一张图切了 4 片，连缩小的全图 5 幅。文字里写了 5 个占位符。`BLIP3` 会怎样？",
            choices={
                "A": "五幅各放一处",
                "B": "报错：占位符 5 个，图 1 张",
                "C": "只用第一个占位符，别的留着",
            },
            stub='answer = "..."  # A、B 或 C',
            solution="B",
            mistakes=[
                Mistake("each", "A", "图是一个整体，它的几幅连在一起，放在一个占位符那里。"),
                Mistake("first", "C", "占位符和图要一样多，多一个就对不上了。"),
            ],
            passes="一张图一个占位符，切几片都一样。这是公开代码的约定，`course_lib` 也照它。",
        ),
    ),
    Exercise(
        id="14-blip3-6",
        title="心算：一起采要看几对",
        level=2,
        minutes=4,
        task=(
            "一张图 3 幅，每幅 16 个特征。要 12 个词元，两种采法：各采各的，每幅 4 个；或者三幅一起，采成 12 个。"
            "可学习的向量自己也是键。\n一起采，一层、一个头要算多少个（向量，键）对？"
        ),
        stub="answer = ...  # 一个整数",
        solution=720,
        tolerance=1e-6,
        mistakes=[
            Mistake("own", 240, "这是各采各的：3 × 4 × (16 + 4)。"),
            Mistake("media_only", 576, "向量自己也是键：每个看 48 + 12 个。"),
            Mistake("own_media", 192, "这是各采各的，还漏了向量自己。"),
            Mistake("square", 3600, "图像特征不去读谁：只有 12 个向量在读。"),
            Mistake("one_latents", 208, "词元要一样多：一起采也是 12 个向量，不是 4 个。"),
            Mistake("mixed", 624, "一起采时 12 个向量都是键，不是 4 个。"),
            Mistake("keys", 60, "60 是每个向量看的键。还要乘 12 个向量。"),
            Mistake("one_view", 80, "这是一幅的。"),
            Mistake("one_views_media", 336, "一起采时，三幅的特征都在眼前：键是 3 × 16 + 12 个。"),
            Mistake("latents_of_each", 2160, "向量只有一份，12 个，三幅一起读一遍，不是每幅一遍。"),
        ],
        hints=["一起采时，每个向量看得见三幅的特征，和所有的向量。", "12 × (48 + 12)。"],
        passes="各采各的只要 240。幅数翻几倍，一起采就比各采各的贵几倍。",
        follow_up=Exercise(
            id="14-blip3-6-next",
            level=1,
            minutes=2,
            task=(
                "幅数从 3 加到 13，各采各的每幅仍留 4 个；一起采的词元数仍与它相同。"
                "都是 13 幅时，一起采的对数是各采各的几倍？"
            ),
            stub="answer = ...  # 一个数",
            solution=13,
            tolerance=0.005,
            mistakes=[
                Mistake("three", 3, "3 倍是三幅时的。"),
                Mistake("square", 169, "各采各的也随幅数长：多一幅，就多一份。相除只剩一个 13。"),
                Mistake("same", 1, "词元一样多，看的键不一样多。"),
                Mistake("tiles", 12, "缩小的全图也是一幅：13 幅。"),
                Mistake("pairs", 13520, "这是一起采的对数。还要除以各采各的：13 × 4 × (16 + 4)。"),
                Mistake("other_own", 18.78, "你除以了三幅时的 720。两种采法都按 13 幅算。"),
                Mistake("media_only", 10.4, "一起采的键里漏了 52 个向量自己。"),
                Mistake("upside_down", 0.0769, "倒过来了：问一起采是各采各的几倍。"),
                Mistake("between", 4.3333, "13 ÷ 3 是幅数的比。问同样 13 幅时两种采法的比。"),
            ],
            passes="V·Q·(V·N + V·Q) 除以 V·Q·(N + Q)，恰好是 V。",
        ),
    ),
]
