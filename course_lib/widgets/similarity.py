"""A batch of pairs as a matrix: both softmaxes, and the gradients of CLIP's and SigLIP's losses, cell by cell.

Gradients are shown times 2N (CLIP) and times N (SigLIP), so that they lie in -2 … 2 and -1 … 1 for any N; a view's
colours have one scale, whatever τ is.

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
VIEWS = ("相似度 s", "按行 softmax", "按列 softmax", "CLIP 的梯度 × 2N", "sigmoid", "sigmoid 的梯度 × N")
SCALES = dict(zip(VIEWS, (1, 1, 1, 2, 1, 1)))  # the largest number that a cell can hold


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
    view = traitlets.Unicode().tag(sync=True)
    pairwise = traitlets.Bool().tag(sync=True)


def similarity_widget(
    similarities: Float[np.ndarray, "N N"],
    pictures: UInt8[np.ndarray, "N H W 3"],
    texts: Sequence[str],
    *,
    again: tuple[int, int] = (0, -1),
    tau: float = 0.1,
    bias: float = -10.0,
    view: str = "按行 softmax",
    pairwise: bool = True,
    name: str = "11-similarity",
) -> Similarity:
    """The reader turns τ, picks a cell, and makes one caption stand twice in the batch, a false negative.

    similarities: cosines, row i picture i, column j text j; again: (i, j), pair j may become pair i once more;
    tau: temperature at the start, 0.01 … 1; bias: of the sigmoid, -20 … 0; view: what the cells hold at the start, one
    of VIEWS; pairwise: whether SigLIP's sigmoids, their bias and their loss are there as well.
    Raises ValueError unless there are N pictures and N texts for [N N] similarities with N from 2 to 10, for a τ or a
    bias out of range, for an unknown view, and if `again` names one pair twice or none of the batch.
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
    if view not in VIEWS[: None if pairwise else 4]:
        raise ValueError(f"view {view!r} is none of {', '.join(VIEWS[: None if pairwise else 4])}")
    if not all(-N <= pair < N for pair in again) or again[0] % N == again[1] % N:
        raise ValueError(f"again {again} must name two of the {N} pairs")
    values = cells(view, similarities, tau, bias)
    at = f"τ = {tau:g}" + (f"，b = {bias:g}" if view.startswith("sigmoid") else "")
    use_style()
    return Similarity(
        first_frame=to_png(plot_cells(values, pictures, texts, view, at), dpi=100),
        alt=(
            f"{N} 张图对 {N} 句话的矩阵，{at}，格子里是{view}；对角线是配好的对，"
            f"各是 {'、'.join(f'{value:.2f}' for value in np.diag(values))}"
        ),
        name=name,
        similarities=similarities.tolist(),
        pictures=[data_uri(_png(picture)) for picture in pictures],
        texts=list(texts),
        again=[pair % N for pair in again],
        tau=float(tau),
        bias=float(bias),
        view=view,
        pairwise=pairwise,
    )


def row_softmax(logits: Float[np.ndarray, "N N"]) -> Float[np.ndarray, "N N"]:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def cells(view: str, similarities: Float[np.ndarray, "N N"], tau: float, bias: float) -> Float[np.ndarray, "N N"]:
    """What the cells of a view hold."""
    z = similarities / tau
    right = np.eye(len(z))
    rows, columns = row_softmax(z), row_softmax(z.T).T
    yes = 1 / (1 + np.exp(-z - bias))
    return dict(zip(VIEWS, (similarities, rows, columns, rows + columns - 2 * right, yes, yes - right)))[view]


def plot_cells(
    values: Float[np.ndarray, "N N"],
    pictures: UInt8[np.ndarray, "N H W 3"],
    texts: Sequence[str],
    view: str,
    at: str,
) -> Figure:
    """The still form, blue above 0 as in the page. at: temperature and bias, in words."""
    N, most = len(values), SCALES[view]
    figure, axis = plt.subplots(figsize=(7.2, 4.4))
    signed = values.min() < 0
    colours = plt.get_cmap(CMAPS["signed"]).reversed() if signed else CMAPS["weight"]
    axis.imshow(values, cmap=colours, vmin=-most if signed else 0, vmax=most)
    for i, j in np.ndindex(N, N):
        colour = "w" if abs(values[i, j]) > 0.6 * most else "k"
        axis.text(j, i, f"{values[i, j]:.2f}".replace("-", "−"), ha="center", va="center", fontsize=10, color=colour)
    for i, picture in enumerate(pictures):
        place = axis.inset_axes((-1.5, i - 0.45, 0.9, 0.9), transform=axis.transData)
        place.imshow(picture)
        place.axis("off")
    axis.set(xticks=range(N), yticks=[], xticklabels=range(1, N + 1), title=f"{view}，{at}")
    listed = "\n".join(f"{j + 1}. {text}" for j, text in enumerate(texts))
    axis.text(1.04, 0.5, listed, transform=axis.transAxes, va="center", fontsize=11, linespacing=1.7)
    return figure


def _png(picture: UInt8[np.ndarray, "H W 3"]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, format="png", optimize=True)
    return out.getvalue()
