"""How often the right one comes first: image → text and text → image.

N pairs · picture i and text i belong together.  Chapter 11.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def ranks(similarities: Float[Tensor, "Q G"], right: Int[Tensor, " Q"]) -> Int[Tensor, " Q"]:
    """1 + how many of the gallery lie at least as near to a query as its right answer; of equals it comes last.

    right: column of each query's answer. So a model that says the same of everything has the worst rank, not the best.
    """
    own = similarities.gather(1, right[:, None])
    return (similarities >= own).sum(1)


def recall_at(similarities: Float[Tensor, "Q G"], right: Int[Tensor, " Q"], k: int) -> float:
    """R@k: share of queries whose right answer is among the first k."""
    return (ranks(similarities, right) <= k).float().mean().item()


def retrieval_table(
    pictures: Float[Tensor, "N D"],
    texts: dict[str, Float[Tensor, "N D"]],
    rows: Int[Tensor, " Q"] | None = None,
    among: Int[Tensor, " G"] | None = None,
) -> dict[tuple[str, str], tuple[float, float]]:
    """(R@1, R@5) by (language, "i2t" or "t2i"), for features of unit length.

    rows: which pairs ask (default all). among: which pairs may be answered (default all); must hold `rows`.
    Raises ValueError if a query's answer is not among them.
    """
    everything = torch.arange(len(pictures))
    rows = everything if rows is None else rows
    among = everything if among is None else among
    where = (among[None] == rows[:, None]).int()
    if not where.any(1).all():
        raise ValueError(f"{int((where.sum(1) == 0).sum())} of {len(rows)} queries have no answer in the gallery")
    right, table = where.argmax(1), {}
    for language, written in texts.items():
        for name, asked, gallery in (("i2t", pictures, written), ("t2i", written, pictures)):
            cosines = asked[rows] @ gallery[among].mT
            table[language, name] = (recall_at(cosines, right, 1), recall_at(cosines, right, 5))
    return table
