"""Features of images in the places of their tokens: how LLaVA, Qwen-VL and all after them let a text hold a picture.

B texts · T tokens of a text · D width of the language model · n features of an image
In the text stands one token, `token`, for every feature of the image, side by side, so that ids and vectors have the
same length, and masks, labels and caches need no second bookkeeping. Features and tokens are matched in reading order.
    expanded([5, 9, 6], [3], token=9) == [5, 9, 9, 9, 6]      one placeholder an image -> one token a feature
    splice(x, ids, features, token=9)                         x where ids are words, features where they are images
(The first LLaVA kept one placeholder and put the features in between: blip3.py shows that way.)
Read first: llama.py.  Chapter 15.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.foundations.checks import check_counts, check_tensor


class Count(NamedTuple):
    """How many tokens an image, or a video, takes, and the formula that says why: `24·24 = 576`."""

    n: int
    formula: str
    what: str = "image"


def splice(
    x: Float[Tensor, "B T D"],
    ids: Int[Tensor, "B T"],
    features: Sequence[Float[Tensor, "_ D"]],
    token: int,
    what: str = "image",
) -> Float[Tensor, "B T D"]:
    """x, but for the places where ids is `token`: there stand the features. what: how errors call them, such as video.

    Raises ValueError, with both counts and the mend, unless each image has one token a feature, side by side.
    """
    check_places(ids, [len(each) for each in features], token, what)
    if not len(features):
        return x
    return x.masked_scatter((ids == token)[..., None], torch.cat(list(features)).to(x.dtype))


def expanded(ids: Sequence[int], sizes: Sequence[int], token: int, what: str = "image") -> list[int]:
    """One text with one placeholder an image -> one token a feature. sizes: how many each image has, in order."""
    return [i for i, n in zip(ids, slots(ids, sizes, token, what)) for _ in range(n)]


def slots(ids: Sequence[int], sizes: Sequence[int], token: int, what: str = "image") -> list[int]:
    """How many places each id takes: as many as its image has features, or one.

    Raises ValueError unless there is one placeholder an image, and each image has a feature.
    """
    check_counts(1, **{f"size of {what} {i}": size for i, size in enumerate(sizes)})
    n_places = sum(i == token for i in ids)
    if n_places != len(sizes):
        raise ValueError(
            f"the text has {n_places} placeholders (token {token}) and there are {len(sizes)} {what}s; "
            f"write one placeholder for each {what}, tiles and all"
        )
    rest = iter(sizes)
    return [next(rest) if i == token else 1 for i in ids]


def check_places(ids: Int[Tensor, "B T"], sizes: Sequence[int], token: int, what: str = "image") -> None:
    """Raise ValueError unless `splice` can put images of these sizes into ids."""
    check_tensor("ids", ids)
    places = (ids == token).nonzero()
    if len(places) != sum(sizes):
        raise ValueError(
            f"the texts have {len(places)} {what} tokens (id {token}), and their {len(sizes)} {what}s have "
            f"{sum(sizes)} features; {mend(ids, len(places), sizes, token, what)}"
        )
    sizes = torch.tensor([size for size in sizes if size], dtype=torch.long, device=ids.device)
    ends = sizes.cumsum(dim=0)
    first, last = places[ends - sizes], places[ends - 1]
    for i in ((first[:, 0] != last[:, 0]) | (last[:, 1] - first[:, 1] != sizes - 1)).nonzero()[:, 0].tolist():
        (row, column), (end_row, end_column) = first[i].tolist(), last[i].tolist()
        if row != end_row:
            raise ValueError(
                f"{what} {i} has {int(sizes[i])} features; its tokens begin in text {row} and end in text {end_row}: "
                f"one text lacks {what} tokens that another has too many; count them text by text, "
                f"or give the {what}s in the order of the texts"
            )
        raise ValueError(
            f"{what} {i} has {int(sizes[i])} features; its tokens in text {row}, from {column} to {end_column}, have "
            f"other tokens between them; keep the tokens of one {what} side by side, or give the {what}s in their order"
        )


def mend(ids: Int[Tensor, "B T"], n_places: int, sizes: Sequence[int], token: int, what: str) -> str:
    """What to do where tokens and features are not as many."""
    told = ", ".join(map(str, sizes[:4])) + (", …" if len(sizes) > 4 else "")
    if not len(sizes):
        return f"give the {what}s, or take their tokens out of the text"
    if not n_places:
        return f"say where they go: one token for each feature, as expanded(ids, [{told}], {token}) writes them"
    if n_places == len(sizes):
        return f"each {what} has one placeholder only: write expanded(ids, [{told}], {token})"
    cut = ((ids[:, -1] == token) | (ids[:, 0] == token)).nonzero()[:, 0].tolist() if ids.shape[1] else []
    if n_places < sum(sizes) and cut:
        return (
            f"text {cut[0]} begins or ends inside its {what}: was it cut to {ids.shape[1]} tokens? Cut words and keep "
            f"{what} tokens whole ({told}), or leave the text out"
        )
    return f"write as many tokens as each {what} has features ({told}): expanded(ids, [{told}], {token})"
