"""A batch of pairs as a matrix: both softmaxes, and the gradients of CLIP's and SigLIP's losses, cell by cell.

    similarity_widget(cosines, pictures, captions, again=(0, 7))

The reader's browser computes it (js/similarity.js); tests/widgets/test_similarity.py holds that equal to
foundations/contrastive.py and torch's gradients.
"""

import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from PIL import Image

from course_lib.widgets.figure import CourseWidget, data_uri, source
from course_lib.widgets.style import CMAPS, to_png, use_style

MAX_PAIRS = 10


class Similarity(CourseWidget):
    """N pictures against N captions. See `similarity_widget`."""

    module = "similarity"
    _esm = source("similarity")

    similarities = traitlets.List().tag(sync=True)  # [N][N], picture by caption
    pictures = traitlets.List().tag(sync=True)  # data URIs
    texts = traitlets.List().tag(sync=True)
    again = traitlets.List().tag(sync=True)  # [i, j]: on the reader's word pair j is pair i once more
    tau = traitlets.Float().tag(sync=True)
    bias = traitlets.Float().tag(sync=True)


def similarity_widget(
    similarities: Float[np.ndarray, "N N"],
    pictures: UInt8[np.ndarray, "N H W 3"],
    texts: Sequence[str],
    *,
    again: tuple[int, int] = (0, -1),
    tau: float = 0.1,
    bias: float = -10.0,
    name: str = "11-similarity",
) -> Similarity:
    """The reader turns τ, picks a cell, and makes one caption stand twice in the batch, a false negative.

    similarities: cosines, row i picture i, column j text j; again: (i, j), pair j may become pair i once more;
    tau: temperature at the start, 0.01 … 1; bias: of the sigmoid, -20 … 0.
    Raises ValueError unless there are N pictures and N texts for [N N] similarities with N from 2 to 10, for a τ or a
    bias out of range, and if `again` names one pair twice or none of the batch.
    """
    similarities = np.asarray(similarities, dtype=float)
    N = len(similarities)
    if similarities.shape != (N, N) or not 2 <= N <= MAX_PAIRS or len(pictures) != N or len(texts) != N:
        raise ValueError(
            f"similarities {similarities.shape}, {len(pictures)} pictures and {len(texts)} texts; "
            f"give [N N], N and N, N from 2 to {MAX_PAIRS}"
        )
    if not 0.01 <= tau <= 1 or not -20 <= bias <= 0:
        raise ValueError(f"tau ({tau}) must lie in 0.01 … 1 and bias ({bias}) in -20 … 0")
    if not all(-N <= pair < N for pair in again) or again[0] % N == again[1] % N:
        raise ValueError(f"again {again} must name two of the {N} pairs")
    use_style()
    return Similarity(
        first_frame=to_png(plot_rows(similarities, pictures, texts, tau), dpi=100),
        alt=(
            f"{N} 张图对 {N} 句话的矩阵，τ = {tau:g}，格子里是按行的 softmax；对角线是配好的对，"
            f"各占 {'、'.join(f'{share:.2f}' for share in np.diag(row_softmax(similarities / tau)))}"
        ),
        name=name,
        similarities=similarities.tolist(),
        pictures=[data_uri(_png(picture)) for picture in pictures],
        texts=list(texts),
        again=[pair % N for pair in again],
        tau=float(tau),
        bias=float(bias),
    )


def row_softmax(logits: Float[np.ndarray, "N N"]) -> Float[np.ndarray, "N N"]:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def plot_rows(
    similarities: Float[np.ndarray, "N N"], pictures: UInt8[np.ndarray, "N H W 3"], texts: Sequence[str], tau: float
) -> Figure:
    """The still form: each picture's softmax over the captions."""
    N = len(similarities)
    figure, axis = plt.subplots(figsize=(7.2, 4.4))
    shares = row_softmax(similarities / tau)
    axis.imshow(shares, cmap=CMAPS["weight"], vmin=0, vmax=1)
    for i, j in np.ndindex(N, N):
        axis.text(
            j, i, f"{shares[i, j]:.2f}", ha="center", va="center", fontsize=10, color="w" if shares[i, j] > 0.6 else "k"
        )
    for i, picture in enumerate(pictures):
        place = axis.inset_axes((-1.5, i - 0.45, 0.9, 0.9), transform=axis.transData)
        place.imshow(picture)
        place.axis("off")
    axis.set(xticks=range(N), yticks=[], xticklabels=range(1, N + 1), title=f"每张图把 1 分给 {N} 句，τ = {tau:g}")
    listed = "\n".join(f"{j + 1}. {text}" for j, text in enumerate(texts))
    axis.text(1.04, 0.5, listed, transform=axis.transAxes, va="center", fontsize=11, linespacing=1.7)
    return figure


def _png(picture: UInt8[np.ndarray, "H W 3"]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, format="png", optimize=True)
    return out.getvalue()
