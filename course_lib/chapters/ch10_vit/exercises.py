"""Exercises of chapter 10, ViT: counting tokens, cutting patches, rows of positions, and how far a head looks.

The pictures are never square, so that height and width cannot be taken for each other.
"""

import torch
from torch.nn import functional as F

from course_lib.course.exercises.core import Exercise, Mistake


def cut_into_patches(images, patch):
    B, C, H, W = images.shape
    cells = images.reshape(B, C, H // patch, patch, W // patch, patch)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(B, -1, C * patch * patch)


def _stripes(images, patch):
    B, C, H, W = images.shape
    return images.reshape(B, (H // patch) * (W // patch), C * patch * patch)


def _cut(order):
    """As `cut_into_patches`, with the axes (B C h P w Q) in another order."""

    def cut(images, patch):
        B, C, H, W = images.shape
        cells = images.reshape(B, C, H // patch, patch, W // patch, patch)
        return cells.permute(*order).reshape(B, (H // patch) * (W // patch), C * patch * patch)

    return cut


def _height_for_width(images, patch):
    B, C, H, W = images.shape
    cells = images.reshape(B, C, W // patch, patch, H // patch, patch)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(B, -1, C * patch * patch)


def _stretched(images, patch):
    """Split as (P, h) where (h, P) is meant: a patch of every h-th row."""
    B, C, H, W = images.shape
    cells = images.reshape(B, C, patch, H // patch, patch, W // patch)
    return cells.permute(0, 3, 5, 1, 2, 4).reshape(B, -1, C * patch * patch)


def _unfolded_and_reshaped(images, patch):
    numbers = F.unfold(images, patch, stride=patch)
    return numbers.reshape(numbers.mT.shape)


def _pixel_after_pixel(images, patch):
    return images.permute(0, 2, 3, 1).reshape(len(images), -1, images.shape[1] * patch * patch)


def _stripes_by_channel(images, patch):
    B, C, H, W = images.shape
    stripes = images.reshape(B, C, (H // patch) * (W // patch), patch * patch)
    return stripes.transpose(1, 2).flatten(2)


def _one_pixel_on(images, patch):
    """Corners at 0, 1, 2, … where 0, P, 2P, … are meant: as many patches, and they overlap."""
    windows = images.unfold(2, patch, 1).unfold(3, patch, 1)  # [B, C, H-P+1, W-P+1, P, P]
    cells = windows[:, :, : images.shape[2] // patch, : images.shape[3] // patch]
    return cells.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


def _unflattened(images, patch):
    return cut_into_patches(images, patch).unflatten(2, (images.shape[1], patch, patch))


def _picture_cases(rng):
    shapes = ((1, 1, 2, 4, 2), (1, 2, 4, 2, 2), (2, 3, 6, 4, 2), (2, 3, 6, 9, 3))
    return [(torch.from_numpy(rng.normal(size=shape)), patch) for *shape, patch in shapes]


def resized(positions, old, new, *, mode="bilinear", turned=False, align=False):
    """Rows of a class token and of a grid `old` -> those of a grid `new`."""
    h, w = old[::-1] if turned else old
    grid = positions[1:].T.reshape(1, -1, h, w)
    more = {} if mode == "nearest" else {"align_corners": align}
    grid = F.interpolate(grid, size=tuple(new), mode=mode, **more)
    return torch.cat([positions[:1], grid.flatten(2)[0].T])


def resize_positions(positions, old, new):
    grid = positions[1:].T.reshape(1, -1, *old)
    grid = F.interpolate(grid, size=tuple(new), mode="bilinear", align_corners=False)
    return torch.cat([positions[:1], grid[0].flatten(1).T])


def _resized_in_a_line(positions, old, new):
    line = F.interpolate(positions[1:].T[None], size=new[0] * new[1], mode="linear", align_corners=False)
    return torch.cat([positions[:1], line[0].T])


def _not_turned_back(positions, old, new):
    grid = F.interpolate(positions[1:].T.reshape(1, -1, *old), size=tuple(new), mode="bilinear", align_corners=False)
    return torch.cat([positions[:1], grid.reshape(-1, positions.shape[1])])


def _grid_of_the_first_rows(positions, old, new):
    moved = resize_positions(torch.cat([positions[:1], positions[:-1]]), old, new)
    return torch.cat([positions[:1], moved[1:]])


def _columns_first(positions, old, new):
    """Rows laid out as [D, w, h]: the picture turned over."""
    grid = positions[1:].reshape(*old, -1).permute(2, 1, 0)[None]
    grid = F.interpolate(grid, size=tuple(new), mode="bilinear", align_corners=False)
    return torch.cat([positions[:1], grid[0].flatten(1).T])


def _flattened_by_columns(positions, old, new):
    grid = F.interpolate(positions[1:].T.reshape(1, -1, *old), size=tuple(new), mode="bilinear", align_corners=False)
    return torch.cat([positions[:1], grid[0].mT.flatten(1).T])


def _other_cls(row):
    """The class token's row made of the resized ones by `row`."""

    def resize(positions, old, new):
        moved = resize_positions(positions, old, new)[1:]
        return torch.cat([row(moved), moved])

    return resize


def _width_behind(positions, old, new):
    """[1, h, w, D] handed over as it is: h is taken for channels, w and D are resized."""
    grid = positions[1:].reshape(1, *old, -1)
    grid = F.interpolate(grid, size=tuple(new), mode="bilinear", align_corners=False)
    return torch.cat([positions[:1], grid.reshape(-1, positions.shape[1])])


def _not_transposed(positions, old, new):
    grid = positions[1:].reshape(1, -1, *old)
    grid = F.interpolate(grid, size=tuple(new), mode="bilinear", align_corners=False)
    return torch.cat([positions[:1], grid[0].flatten(1).T])


def _cls_last(positions, old, new):
    moved = resize_positions(positions, old, new)
    return torch.cat([moved[1:], moved[:1]])


def _cls_at_the_end_taken(positions, old, new):
    turned = torch.cat([positions[-1:], positions[:-1]])
    return resize_positions(turned, old, new)


def _position_cases(rng):
    sizes = ((2, (1, 2), (1, 4)), (3, (2, 3), (4, 6)), (2, (3, 2), (2, 5)), (4, (2, 4), (3, 3)))
    return [(torch.from_numpy(rng.normal(size=(1 + old[0] * old[1], D))), old, new) for D, old, new in sizes]


def embed(patches, cls, positions):
    tokens = torch.cat([cls.expand(patches.shape[0], 1, -1), patches], dim=1)
    return tokens + positions


def _positions_before_cls(patches, cls, positions):
    x = patches + positions[: patches.shape[1]]
    return torch.cat([cls.expand(len(patches), 1, -1), x], dim=1)


def _cls_without_position(patches, cls, positions):
    return torch.cat([cls.expand(len(patches), 1, -1), patches + positions[1:]], dim=1)


def _positions_twice(patches, cls, positions):
    return embed(patches + positions[1:], cls, positions)


def _one_cls_for_the_batch(patches, cls, positions):
    return torch.cat([cls[None, None], patches], dim=1) + positions


def _cls_behind(patches, cls, positions):
    return torch.cat([patches, cls.expand(len(patches), 1, -1)], dim=1) + positions


def _last_row_for_cls(patches, cls, positions):
    x = patches + positions[:-1]
    return torch.cat([(cls + positions[-1]).expand(len(patches), 1, -1), x], dim=1)


def _embed_cases(rng):
    def numbers(*shape):
        return torch.from_numpy(rng.normal(size=shape))

    return [(numbers(B, N, D), numbers(D), numbers(N + 1, D)) for B, N, D in ((1, 1, 2), (1, 2, 3), (2, 4, 3))]


def mean_distance(weights, grid):
    h, w = grid
    spots = torch.cartesian_prod(torch.arange(h), torch.arange(w)).to(weights)
    apart = torch.cdist(spots, spots)
    seen = weights[:, 1:, 1:]
    seen = seen / seen.sum(-1, keepdim=True)
    return (seen * apart).sum(-1).mean(-1)


def _distances(h, w, like, p=2.0):
    spots = torch.cartesian_prod(torch.arange(h), torch.arange(w)).to(like)
    return torch.cdist(spots, spots, p=p)


def _share(weights):
    return weights / weights.sum(-1, keepdim=True)


def _per_query_of(weights, apart):
    return (_share(weights[:, 1:, 1:]) * apart).sum(-1)


def _per_query(weights, grid):
    return _per_query_of(weights, _distances(*grid, weights))


def _without_itself(weights, grid):
    seen = weights[:, 1:, 1:]
    return (_share(seen * (1 - torch.eye(seen.shape[-1]).to(seen))) * _distances(*grid, weights)).sum(-1).mean(-1)


def _to_the_favourite(weights, grid):
    apart = _distances(*grid, weights)
    return apart[torch.arange(len(apart)), weights[:, 1:, 1:].argmax(-1)].mean(-1)


def _all_queries_in_one(weights, grid):
    seen = weights[:, 1:, 1:]
    return (seen * _distances(*grid, weights)).sum((-1, -2)) / seen.sum((-1, -2))


def _over_heads(weights, grid):
    return _per_query(weights, grid).mean(0)


def _attention_cases(rng):
    cases = []
    for heads, grid in ((1, (1, 2)), (2, (2, 3)), (3, (4, 2)), (2, (3, 5))):
        T = 1 + grid[0] * grid[1]
        cases.append((torch.from_numpy(rng.normal(scale=2.0, size=(heads, T, T))).softmax(-1), grid))
    return cases


EXERCISES = [
    Exercise(
        id="10-vit-1",
        title="数词元",
        level=1,
        minutes=3,
        task="一张高 240、宽 320 的彩图，图像块的边长是 16。进编码器的一共有多少个词元？",
        stub="answer = ...  # 一个整数",
        solution=301,
        mistakes=[
            Mistake("no_cls", 300, "300 是图像块的个数。前面还有一个 CLS。"),
            Mistake("one_side", 4800, "240·320 ÷ 16 只除了一次。块有两条边：除以 16²。"),
            Mistake("with_cls_one_side", 4801, "240·320 ÷ 16 只除了一次。块有两条边：除以 16²，再加 CLS。"),
            Mistake("added", 35, "15 行 20 列，是相乘，不是相加。"),
            Mistake("added_and_cls", 36, "15 行 20 列，是相乘，不是相加。CLS 加得对。"),
            Mistake("usual", 197, "197 是 224×224 的答案。这张图的高和宽不一样。"),
            Mistake("square", 226, "你把宽也当成了 240。高 15 块，宽 20 块。"),
            Mistake("wide_square", 401, "你把高也当成了 320。高 15 块，宽 20 块。"),
            Mistake("channels", 901, "颜色不另算词元：三个通道在同一块里，一块 768 个数。"),
            Mistake("channels_no_cls", 900, "颜色不另算词元：三个通道在同一块里。还要加上 CLS。"),
            Mistake("name", 16, "/16 是块的边长，不是块数。"),
            Mistake("pixels", 76_800, "76,800 是像素数。一个词元是一块，不是一个像素。"),
            Mistake("pixels_and_cls", 76_801, "76,800 是像素数。一个词元是一块，不是一个像素。CLS 加得对。"),
            Mistake("numbers", 768, "768 是一块里有几个数：3·16²。问的是几块，再加 CLS。"),
            Mistake("two_more", 302, "块有 300 个，另外只有一个 CLS：末尾没有别的词元。"),
        ],
        hints=["竖着切几块？横着切几块？", "竖 240÷16，横 320÷16；还有一个词元不是块。"],
        passes="(240 ÷ 16)·(320 ÷ 16) + 1。通道在块里，不增加词元。",
        tolerance=0.0,
        follow_up=Exercise(
            id="10-vit-1-next",
            level=1,
            minutes=2,
            kind="choice",
            task="还是这张图，块的边长减半，改成 8。一个头的注意力表大约变成几倍？",
            choices={"A": "2 倍", "B": "4 倍", "C": "8 倍", "D": "16 倍"},
            solution="D",
            mistakes=[
                Mistake("side", "A", "边长减半，块数是 4 倍，不是 2 倍。"),
                Mistake("tokens", "B", "4 倍是词元数。注意力表有 T 行 T 列。"),
                Mistake("cube", "C", "词元变 4 倍，表的行和列都变 4 倍：4 × 4。"),
            ],
            passes="1,201² ÷ 301² ≈ 15.9。块的边长减半，词元 4 倍，注意力表 16 倍。",
        ),
    ),
    Exercise(
        id="10-vit-2",
        title="修：切出来的是条纹",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`my_patchify(images, patch)`：images [B, C, H, W]，返回 [B, N, C·P²]。"
            "块从左上角起一行一行排；一块里的数按 [C, P, P] 排。\n找出错误，改好它。"
        ),
        program=(
            "def my_patchify(images, patch):\n"
            "    B, C, H, W = images.shape\n"
            "    return images.reshape(B, (H // patch) * (W // patch), C * patch * patch)"
        ),
        symptom="形状全对，训练损失也在降，只是总比别人高。第一块里的数不是左上角的小方块，而是第一个通道最上面的一条横纹。",
        solution=cut_into_patches,
        mistakes=[
            Mistake(
                "stripes",
                _stripes,
                "还是条纹：reshape 只改形状，不搬数。一块里的几行在内存里不相邻，要先拆维再换序。",
            ),
            Mistake(
                "channels_between",
                _cut((0, 2, 1, 4, 3, 5)),
                "通道夹在 h 和 w 中间：一块里混进了邻块的颜色。h、w 都要挪到 C 的前面。",
            ),
            Mistake(
                "channels_last",
                _cut((0, 2, 4, 3, 5, 1)),
                "块切对了，块里的数排成了 [P, P, C]。题目要 [C, P, P]：通道在最前。",
            ),
            Mistake("columns_first", _cut((0, 4, 2, 1, 3, 5)), "块的次序成了一列一列。要一行一行：先 h 后 w。"),
            Mistake("turned_inside", _cut((0, 2, 4, 1, 5, 3)), "每一块都转置了：块里先是列、后是行。"),
            Mistake("both_turned", _cut((0, 4, 2, 1, 5, 3)), "整张图转置了：高和宽处处对调。"),
            Mistake(
                "height_for_width",
                _height_for_width,
                "拆维时高和宽写反了。正方形的图看不出来，所以要用不方的图试。",
            ),
            Mistake(
                "numbers_first",
                lambda images, patch: F.unfold(images, patch, stride=patch),
                "unfold 给出 [B, C·P², N]。再把后两维对调。",
            ),
            Mistake(
                "unfolded_and_reshaped",
                _unfolded_and_reshaped,
                "unfold 给出 [B, C·P², N]，你用 reshape 把它改成 [B, N, C·P²]：形状对了，数没有对调。用 .mT。",
            ),
            Mistake(
                "no_stride",
                lambda images, patch: F.unfold(images, patch).mT,
                "窗口一步只走了一个像素，块互相重叠，块数也多了。要 stride=patch。",
            ),
            Mistake(
                "channels_outside",
                _cut((0, 1, 2, 4, 3, 5)),
                "块切对了，通道却还在最外面：reshape 以后，一块里只有一种颜色，混进了别的块。h、w 要挪到 C 的前面。",
            ),
            Mistake(
                "stretched",
                _stretched,
                "H 要拆成 (H/P, P)，你拆成了 (P, H/P)：一块里的行隔得很开，不是相邻的。",
            ),
            Mistake(
                "pixel_after_pixel",
                _pixel_after_pixel,
                "只把通道挪到了最后，再 reshape：还是横条，不是方块。先把 H 和 W 各拆成两维。",
            ),
            Mistake(
                "stripes_by_channel",
                _stripes_by_channel,
                "通道分开了，每个通道里还是横条：H、W 也要拆成 (H/P, P) 和 (W/P, P) 再换序。",
            ),
            Mistake("one_pixel_on", _one_pixel_on, "下一块从 P 格以外开始，你只挪了一个像素：起点是 i·P 和 j·P。"),
            Mistake("unflattened", _unflattened, "块切对了，还没有摊平：最后三维合成一维 C·P²。"),
        ],
        hints=[
            "先把 H 拆成 (H/P, P)，W 拆成 (W/P, P)，得六维。",
            "六维是 B、C、h、P、w、P。谁应当在前面？",
            "permute(0, 2, 4, 1, 3, 5)，再 reshape。",
        ],
        cases=_picture_cases,
        passes="先拆维，再换序，最后合并。不方的图、每个数都不同，才试得出来。",
        follow_up=Exercise(
            id="10-vit-2-next",
            level=2,
            minutes=2,
            kind="choice",
            task="有人写了切和拼两个函数，都只用 reshape。拿 8×8 的灰度图、2×2 的块来试，下面哪一个测试能查出错误？",
            choices={
                "A": "输出的形状是不是 [B, N, C·P²]",
                "B": "切了再拼，是不是原图",
                "C": "只改第一行第一个像素，是不是只有第 0 块变",
                "D": "只改第二行第一个像素，是不是只有第 0 块变",
            },
            solution="D",
            mistakes=[
                Mistake("shape", "A", "条纹的形状也对，症状里说过了。"),
                Mistake("round_trip", "B", "两个都错，错得一样：reshape 再 reshape 回去，就是原图。"),
                Mistake("first", "C", "它是内存里的第一个数，条纹的第 0 块也从它开始，查不出来。"),
            ],
            passes="第二行第一个像素在内存里排第 8，条纹把它放进第 2 块；它本该在第 0 块。",
        ),
    ),
    Exercise(
        id="10-vit-3",
        title="换了分辨率，位置怎么办",
        level=3,
        minutes=7,
        task=(
            "位置表 `positions` [1+h·w, D]，第 0 行是 CLS 的，其余按行排，`old` = (h, w)。"
            "图变大了，网格成了 `new` = (h′, w′)。\n"
            "写 `my_resize(positions, old, new)`：CLS 的一行原样留在最前，其余看成 h×w 的图，"
            '用 `F.interpolate(…, mode="bilinear", align_corners=False)` 放缩。返回 [1+h′·w′, D]。'
            "（`F` 是 `torch.nn.functional`。）"
        ),
        stub="def my_resize(positions, old, new):\n    ...",
        solution=resize_positions,
        mistakes=[
            Mistake(
                "in_a_line",
                _resized_in_a_line,
                "你沿着序列插值，把一行的末尾和下一行的开头混在一起了。要先摆回 h×w 的网格。",
            ),
            Mistake(
                "not_transposed",
                _not_transposed,
                "reshape 之前没有转置：[h·w, D] 直接变成 [D, h, w]，不同通道的数混在一起。",
            ),
            Mistake("turned", lambda p, old, new: resized(p, old, new, turned=True), "旧网格的高和宽写反了。"),
            Mistake(
                "new_turned",
                lambda p, old, new: resized(p, old, new[::-1]),
                "新网格的高和宽写反了。行数对，次序不对。",
            ),
            Mistake("nearest", lambda p, old, new: resized(p, old, new, mode="nearest"), "你用了最近邻。要双线性。"),
            Mistake(
                "corners",
                lambda p, old, new: resized(p, old, new, align=True),
                "你用了 align_corners=True，四角被钉住。要 False。",
            ),
            Mistake(
                "bicubic", lambda p, old, new: resized(p, old, new, mode="bicubic"), "你用了双三次。题目要双线性。"
            ),
            Mistake(
                "not_turned_back",
                _not_turned_back,
                "放缩以后是 [D, h′, w′]，直接 reshape 会把不同通道的数混在一起。先摊平，再转置。",
            ),
            Mistake(
                "columns_first",
                _columns_first,
                "你把网格摆成了 [D, w, h]，行和列对调了。permute(2, 0, 1) 才是 [D, h, w]。",
            ),
            Mistake(
                "width_behind",
                _width_behind,
                "interpolate 放缩最后两维。你给的是 [1, h, w, D]，它放缩了 w 和 D。先把 D 挪到第二维。",
            ),
            Mistake(
                "first_rows",
                _grid_of_the_first_rows,
                "网格里混进了 CLS 的一行，最后一块却丢了：网格是 positions[1:]，不是 positions[:-1]。",
            ),
            Mistake(
                "flattened_by_columns",
                _flattened_by_columns,
                "放缩对了，摊平时却是一列一列。要按行排：[D, h′, w′] 直接 flatten(1)。",
            ),
            Mistake(
                "cls_averaged",
                _other_cls(lambda moved: moved.mean(0, keepdim=True)),
                "CLS 的一行成了各块的平均。它原样留下：positions[:1]。",
            ),
            Mistake(
                "cls_zero",
                _other_cls(lambda moved: torch.zeros_like(moved[:1])),
                "CLS 的一行成了 0。它原样留下：positions[:1]。",
            ),
            Mistake(
                "batched",
                lambda p, old, new: resize_positions(p, old, new)[None],
                "多了一维 batch：返回 [1 + h′·w′, D]，不是 [1, 1 + h′·w′, D]。",
            ),
            Mistake("cls_last", _cls_last, "CLS 的一行跑到了最后。它留在第 0 行。"),
            Mistake("cls_from_the_end", _cls_at_the_end_taken, "你把最后一行当成了 CLS 的。CLS 是第 0 行。"),
            Mistake(
                "no_cls",
                lambda p, old, new: resize_positions(p, old, new)[1:],
                "CLS 的一行丢了：要返回 1 + h′·w′ 行。",
            ),
        ],
        hints=[
            "先把第 0 行放在一边。",
            "positions[1:] 转置成 [D, h·w]，再 reshape 成 [1, D, h, w]。",
            "放缩以后摊平、转回 [h′·w′, D]，和第 0 行拼起来。",
        ],
        cases=_position_cases,
        passes="CLS 不在网格里，不参加插值；其余按二维放缩。之后还要微调：插出来的位置，模型没有见过。",
        follow_up=Exercise(
            id="10-vit-3-next",
            level=1,
            minutes=2,
            task="ViT-B/16 在 224×224 上预训练，在 384×384 上微调，块的边长不变。微调时进编码器几个词元？",
            stub="answer = ...  # 一个整数",
            solution=577,
            mistakes=[
                Mistake("no_cls", 576, "24×24 = 576 个块，还有 CLS。"),
                Mistake("as_before_no_cls", 196, "196 是 224 的块数。384 ÷ 16 = 24，还有 CLS。"),
                Mistake("two_more", 578, "24×24 = 576 个块，只加一个 CLS。"),
                Mistake("as_before", 197, "197 是 224 的。384 ÷ 16 = 24。"),
                Mistake("by_the_side", 338, "边长变成 1.71 倍，块数变成 1.71² 倍。"),
            ],
            hints=["384 ÷ 16 = 24。"],
            passes="196 个块位置放缩成 576 个，CLS 的一行不动，共 577 行。",
            tolerance=0.0,
        ),
    ),
    Exercise(
        id="10-vit-4",
        title="修：装上公开的权重，答案全乱",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`my_embed(patches, cls, positions)`：patches [B, N, D]，cls [D]，positions [N+1, D]，第 0 行是 CLS 的。\n"
            "按论文的式 1 返回 [B, N+1, D]：CLS 在最前，再给每个词元加上自己的位置。找出错误，改好它。"
        ),
        program=(
            "def my_embed(patches, cls, positions):\n"
            "    x = patches + positions[: patches.shape[1]]\n"
            "    return torch.cat([cls.expand(len(patches), 1, -1), x], dim=1)"
        ),
        symptom="从头训练时一切正常。装上公开的 ViT-B/16，没有报错，形状全对，分类却差了一大截。",
        solution=embed,
        mistakes=[
            Mistake(
                "positions_first",
                _positions_before_cls,
                "还是原来的错：先加了位置，块拿到的是前一格的，CLS 没有拿到。先拼，再加。",
            ),
            Mistake(
                "cls_without",
                _cls_without_position,
                "块的位置对了，CLS 还没有：第 0 行是它的。",
            ),
            Mistake(
                "behind_with_its_own",
                lambda patches, cls, positions: embed(patches, cls, positions).roll(-1, 1),
                "每个词元的位置都对，CLS 却排到了最后。分类头读第 0 行：CLS 在最前。",
            ),
            Mistake(
                "no_cls",
                lambda patches, cls, positions: patches + positions[1:],
                "CLS 没有拼上去：要返回 N+1 行。",
            ),
            Mistake("twice", _positions_twice, "块的位置加了两遍。先拼，再加一次。"),
            Mistake(
                "one_row_for_all",
                lambda patches, cls, positions: embed(patches, cls, positions[:1]),
                "每个词元都加了第 0 行。第 i 个词元加第 i 行：加整张表。",
            ),
            Mistake(
                "one_cls",
                _one_cls_for_the_batch,
                "CLS 只有一份，图有 B 张：拼之前要用 expand 复制成 [B, 1, D]。",
            ),
            Mistake("cls_behind", _cls_behind, "CLS 拼到了最后，于是每个块又都错了一格。CLS 在最前。"),
            Mistake("last_row", _last_row_for_cls, "你把位置表的最后一行给了 CLS。它的是第 0 行。"),
            Mistake(
                "added",
                lambda patches, cls, positions: (
                    torch.cat([cls.expand(len(patches), 1, -1), patches + cls], dim=1) + positions
                ),
                "CLS 是另外一个词元，拼上去就好，不要加到每个块上。",
            ),
            Mistake(
                "no_positions",
                lambda patches, cls, positions: torch.cat([cls.expand(len(patches), 1, -1), patches], dim=1),
                "位置没有加。",
            ),
            Mistake(
                "positions_alone",
                lambda patches, cls, positions: torch.cat(
                    [(cls + positions[0]).expand(len(patches), 1, -1), patches + positions[:-1]], dim=1
                ),
                "CLS 对了，块却取了第 0 到 N−1 行。块的位置是第 1 到 N 行。",
            ),
        ],
        hints=[
            "positions 有 N+1 行，被加上的只有 N 行。少了哪一行？",
            "第 0 个块加的是哪一行？应当是哪一行？",
            "先 torch.cat 成 [B, N+1, D]，再加整张 positions。",
        ],
        cases=_embed_cases,
        passes="先拼 CLS，再加整张表，N+1 对 N+1。",
        follow_up=Exercise(
            id="10-vit-4-next",
            level=2,
            minutes=1,
            kind="choice",
            task="在改好的程序里，把位置表的第 0 行加进 cls，再把第 0 行清零。输出会变吗？",
            choices={"A": "不变", "B": "CLS 那一行变，别的不变", "C": "全都变"},
            solution="A",
            mistakes=[
                Mistake("cls", "B", "CLS 的词元是 cls + positions[0]。把一个数从左边挪到右边，和不变。"),
                Mistake("all", "C", "每个词元的输入都没有变，后面也就不会变。"),
            ],
            passes="并进 CLS，一个数也不变，公开的权重也一样；不能做的是把这一行直接丢掉。",
        ),
    ),
    Exercise(
        id="10-vit-5",
        title="一个头看多远",
        level=3,
        minutes=7,
        task=(
            "论文图 7 量每个头的**平均注意力距离**。`weights` [头数, T, T] 是一层的权重，T = 1 + h·w，第 0 个是 CLS；"
            "`grid` = (h, w)，块按行排。\n"
            "写 `my_distance(weights, grid)`，返回 [头数]：去掉 CLS 的行和列，每行重新归一；"
            "对每个查询块，按权重平均它到各块的直线距离（左右或上下相邻是 1，到自己是 0，也算在内）；再对查询块平均。"
        ),
        stub="def my_distance(weights, grid):\n    ...",
        solution=mean_distance,
        mistakes=[
            Mistake(
                "not_renormalised",
                lambda weights, grid: (weights[:, 1:, 1:] * _distances(*grid, weights)).sum(-1).mean(-1),
                "去掉 CLS 以后没有重新归一：看 CLS 越多，距离就被算得越短。",
            ),
            Mistake(
                "over_queries",
                lambda weights, grid: (
                    (weights[:, 1:, 1:] / weights[:, 1:, 1:].sum(-2, keepdim=True) * _distances(*grid, weights))
                    .sum(-1)
                    .mean(-1)
                ),
                "归一化归错了方向：每一行（一个查询）的权重之和是 1，用 sum(-1)。",
            ),
            Mistake(
                "turned",
                lambda weights, grid: _per_query(weights, grid[::-1]).mean(-1),
                "网格的高和宽写反了：块的坐标错了。",
            ),
            Mistake(
                "streets",
                lambda weights, grid: _per_query_of(weights, _distances(*grid, weights, p=1.0)).mean(-1),
                "你用的是横竖相加的距离。题目要直线距离。",
            ),
            Mistake(
                "squared",
                lambda weights, grid: _per_query_of(weights, _distances(*grid, weights) ** 2).mean(-1),
                "没有开平方。",
            ),
            Mistake(
                "last_is_cls",
                lambda weights, grid: (_share(weights[:, :-1, :-1]) * _distances(*grid, weights)).sum(-1).mean(-1),
                "你去掉了最后一行一列。CLS 是第 0 个。",
            ),
            Mistake(
                "from_cls",
                lambda weights, grid: (_share(weights[:, 0, 1:]) * _distances(*grid, weights).mean(0)).sum(-1),
                "你只用了 CLS 那一行。CLS 不在网格里，没有位置：用块看块的权重 weights[:, 1:, 1:]。",
            ),
            Mistake(
                "cls_at_no_distance",
                lambda weights, grid: (
                    (weights[:, 1:, 1:] * _distances(*grid, weights)).sum((-1, -2)) / weights.shape[-1]
                ),
                "你把 CLS 当作距离 0 留在平均里。题目要去掉它的行和列，再重新归一。",
            ),
            Mistake(
                "root_last",
                lambda weights, grid: _per_query_of(weights, _distances(*grid, weights) ** 2).sqrt().mean(-1),
                "先平均平方再开方，远的块占得太多。每一对先开方，再平均。",
            ),
            Mistake(
                "averaged_over_keys",
                lambda weights, grid: _per_query(weights, grid).mean(-1) / (grid[0] * grid[1]),
                "按权重平均已经是求和：权重之和是 1，不要再除以块数。",
            ),
            Mistake(
                "summed_over_queries",
                lambda weights, grid: _per_query(weights, grid).sum(-1),
                "最后一步要对查询块平均，你求了和。",
            ),
            Mistake(
                "softmax_again",
                lambda weights, grid: (weights[:, 1:, 1:].softmax(-1) * _distances(*grid, weights)).sum(-1).mean(-1),
                "重新归一是除以这一行的和，不是再做一次 softmax：权重已经是 softmax 的结果。",
            ),
            Mistake(
                "all_in_one",
                _all_queries_in_one,
                "你把全部权重加起来一次归一：少看 CLS 的查询占了更大的份。要每行各自归一，再对查询块平均。",
            ),
            Mistake(
                "without_itself",
                _without_itself,
                "你把看自己的权重去掉了。自己到自己距离 0，也要算在平均里。",
            ),
            Mistake(
                "chess",
                lambda weights, grid: _per_query_of(weights, _distances(*grid, weights, p=torch.inf)).mean(-1),
                "你取了横竖两个距离里大的一个。题目要直线距离：√(横² + 竖²)。",
            ),
            Mistake(
                "favourite",
                _to_the_favourite,
                "你只量了权重最大的一块。要按权重对所有的块平均。",
            ),
            Mistake(
                "unweighted",
                lambda weights, grid: _distances(*grid, weights).mean().expand(len(weights)),
                "这只是块与块之间的平均距离，没有用到权重。",
            ),
            Mistake(
                "one_number",
                lambda weights, grid: _per_query(weights, grid).mean(),
                "你连头也平均了。每个头一个数，返回 [头数]。",
            ),
            Mistake("per_query", _per_query, "还差一步：对查询块平均，每个头一个数。"),
            Mistake("over_heads", _over_heads, "你对头平均了。要对查询块平均，留下 [头数]。"),
            Mistake(
                "in_the_line",
                lambda weights, grid: _per_query(weights, (1, grid[0] * grid[1])).mean(-1),
                "你量的是编号之差。上下相邻的两块，编号差 w，距离却是 1。",
            ),
        ],
        hints=[
            "第 i 块在第 i // w 行、第 i % w 列。",
            "torch.cdist(坐标, 坐标) 给出 [h·w, h·w] 的距离。",
            "seen = weights[:, 1:, 1:]；seen / seen.sum(-1, keepdim=True)；乘距离，求和，平均。",
        ],
        cases=_attention_cases,
        passes="有的头只看邻居，有的头一开始就看全图：卷积做不到后一件。",
        follow_up=Exercise(
            id="10-vit-5-next",
            level=1,
            minutes=1,
            task="一层 3×3 的卷积，一个位置最远看到离自己多远的格子（直线距离）？保留两位小数。",
            stub="answer = ...  # 一个数",
            solution=2**0.5,
            mistakes=[
                Mistake("straight", 1, "还有四个角：横一格、竖一格。"),
                Mistake("window", 3, "3 是窗口的宽。从中心量起。"),
                Mistake("half", 1.5, "1.5 是窗口宽的一半。要量到格子的中心：角上是 √(1² + 1²)。"),
                Mistake("streets", 2, "2 是横竖相加。直线距离是 √(1² + 1²)。"),
                Mistake("corners", 2 * 2**0.5, "这是角到角。从中心那一格量起，是它的一半。"),
                Mistake("edge", 1.5 * 2**0.5, "量到了窗口的外角。要量到角上那一格的中心。"),
            ],
            passes="√2 ≈ 1.41。要看得更远，卷积只能一层一层叠。",
        ),
    ),
    Exercise(
        id="10-vit-6",
        title="块变小，参数变多还是变少",
        level=2,
        minutes=4,
        task=(
            "ViT-B/16（224×224，$C=3$，$D=768$）的块改成 8×8，别的不变。参数总数变了多少？给出准确的整数，变少写负数。"
        ),
        stub="answer = ...  # 一个整数",
        solution=9216,
        mistakes=[
            Mistake("positions", 451_584, "位置表多了 588 行，这一半对。投影层变小了，也要算。"),
            Mistake("projection", -442_368, "投影层少了 442,368 个权重，这一半对。位置表变长了，也要算。"),
            Mistake("same", 0, "投影层变小，位置表变长，只是几乎抵消。"),
            Mistake("turned_round", -9216, "大小对，正负反了：位置表多出来的比投影层少掉的多一点。"),
            Mistake("blocks", 4 * 85_054_464, "块里的矩阵只看 D，与图像块的大小无关。"),
            Mistake("one_channel", 304_128, "投影层忘了三个通道：一块是 3·P² 个数。"),
            Mistake("new_projection", 147_456, "这是新的投影层一共多大。问的是变了多少：两处都要减去原来的。"),
            Mistake("whole_table_no_cls", 784 * 768, "这是新的块位置一共多大。问的是变了多少：两处都要减去原来的。"),
            Mistake("whole_table", 785 * 768, "这是新的位置表一共多大。问的是变了多少：两处都要减去原来的。"),
            Mistake("rows", 12, "行数差得对：投影层少 576 行，位置表多 588 行。一行有 768 个数。"),
            Mistake("side", 433_152, "投影层的一块是 3·P² 个数，你用了 3·P。"),
            Mistake("positions_less", -451_584, "块变小，块数变多：位置表变长。投影层也要算。"),
            Mistake("projection_more", 442_368, "一块里的数少了：投影层变小，少 442,368。位置表变长，也要算。"),
            Mistake("both_more", 893_952, "两处一增一减：投影层变小，位置表变长。"),
            Mistake("cls_twice", 9216 + 768, "CLS 只有一个，块变多它不变。"),
        ],
        hints=[
            "哪两样东西与 P 有关？",
            "投影层：3·P²·768 个权重。位置表：(N+1)·768。",
            "投影层 3·(64 − 256)·768，位置表 (784 − 196)·768。",
        ],
        passes="投影层少 442,368，位置表多 451,584，几乎抵消；注意力表却约 16 倍，整个编码器的乘法约 4.5 倍。",
        tolerance=0.0,
        follow_up=Exercise(
            id="10-vit-6-next",
            level=1,
            minutes=1,
            kind="choice",
            task="ViT-B/32 比 B/16 多了一百多万参数。多在哪里？",
            choices={"A": "位置表", "B": "投影层", "C": "编码器的块", "D": "CLS"},
            solution="B",
            mistakes=[
                Mistake("positions", "A", "/32 的块少，位置表短了。"),
                Mistake("blocks", "C", "编码器只看 D 和层数，两个一样。"),
                Mistake("cls", "D", "CLS 只有 D 个数。"),
            ],
            passes="一块 3·32² = 3,072 个数，投影层是 3,072×768。块的边长加倍，投影层的权重是原来的 4 倍。",
        ),
    ),
]
