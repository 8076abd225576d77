"""What one head computes for one token, as a folded table of its real numbers: q · k, the softmax, the sum of v.

T tokens · Dh width of a head
"""

from collections.abc import Sequence
from html import escape

from jaxtyping import Float
from torch import Tensor

SHOWN = 3  # of a vector's numbers


def head_table(
    words: Sequence[str],
    q: Float[Tensor, " Dh"],
    k: Float[Tensor, "T Dh"],
    v: Float[Tensor, "T Dh"],
    *,
    title: str,
) -> str:
    """HTML. words: what the T tokens say, the last one asks; q: its query; title: of the fold, Chinese."""
    width = len(q)
    scores = k @ q / width**0.5
    weights = scores.softmax(-1)
    rows = [
        (escape(word), _numbers(key), _number(score), _number(weight), _numbers(value))
        for word, key, score, weight, value in zip(words, k, scores, weights, v, strict=True)
    ]
    head = ("看谁", "k", f"q·k/√{width}", "softmax 后的权重", "v")
    body = "".join(_row(row) for row in rows)
    return (
        f'<details class="course-card"><summary>{escape(title)}</summary>'
        f"<p>“{escape(words[-1])}”的 q = {_numbers(q)}。每个向量有 {width} 个数，写前 {SHOWN} 个。</p>"
        f'<table class="course-table"><thead>{_row(head, "th")}</thead><tbody>{body}</tbody></table>'
        f"<p>权重 × v，加起来：{_numbers(weights @ v)}。这就是这个头交出去的 {width} 个数。</p></details>"
    )


def _numbers(vector: Float[Tensor, " Dh"]) -> str:
    return "(" + ", ".join(map(_number, vector[:SHOWN])) + ", …)"


def _number(x: Float[Tensor, ""]) -> str:
    return f"{x:.2f}".replace("-", "−")


def _row(cells: Sequence[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"
