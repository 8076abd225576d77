"""Figures of chapter 01: one-hot vectors, embeddings, and how a text is cut into tokens. Numbers in, Figure out."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle

from course_lib.foundations.checks import check_count
from course_lib.widgets.style import CMAPS, COLORS

BYTES_IN_A_ROW = 12
MARKERS = {"颜色": ("o", "K"), "形状": ("s", "Q"), "方位": ("D", "V")}


def piece_text(token: bytes) -> tuple[str, bool]:
    """How a token is written, and whether it is UTF-8 by itself: its text (a space as ␣), or its bytes in hex."""
    try:
        return token.decode("utf-8").replace(" ", "␣"), True
    except UnicodeDecodeError:
        return token.hex(" ").upper(), False


def plot_similarities(tables: Mapping[str, np.ndarray], words: Sequence[str], split: int) -> Figure:
    """Tables of similarity side by side, a line between the first `split` words and the others.

    Args:
        tables: title -> [n n] similarities, -1 … 1.
        words: n names.
    """
    figure, axes = plt.subplots(1, len(tables), figsize=(4.1 * len(tables), 4.3), squeeze=False)
    for axis, (title, table) in zip(axes[0], tables.items()):
        picture = axis.imshow(np.asarray(table), cmap=CMAPS["signed"], vmin=-1, vmax=1)
        axis.set_xticks(range(len(words)), words, rotation=90)
        axis.set_yticks(range(len(words)), words)
        axis.axhline(split - 0.5, color=COLORS["ink"], lw=1.4)
        axis.axvline(split - 0.5, color=COLORS["ink"], lw=1.4)
        axis.set_title(title)
    figure.colorbar(picture, ax=axes[0].tolist(), shrink=0.7, label="余弦")
    return figure


def plot_lookup(ids: Sequence[int], table: np.ndarray, words: Sequence[str]) -> Figure:
    """one-hot [T V] times table [V D] gives [T D]: every row of the result is a row of the table.

    Args:
        ids: T ids; at most as many different ones as there are colours for rows.
        table: [V D] numbers to be written into the cells.
        words: V names.
    """
    table = np.asarray(table)
    selector = np.eye(len(table))[list(ids)]
    colours = {i: COLORS[name] for i, name in zip(dict.fromkeys(ids), ("K", "Q", "V", "image"))}
    parts = (
        ("one-hot [T, V]", selector, [words[i] for i in ids], list(ids), "g"),
        ("词向量表 W [V, D]", table, words, list(range(len(table))), ".1f"),
        ("结果 [T, D]", selector @ table, [words[i] for i in ids], list(ids), ".1f"),
    )
    widths = [part[1].shape[1] + 1.3 for part in parts]
    figure, axes = plt.subplots(1, 3, figsize=(7.6, 3.0), width_ratios=widths)
    for axis, (title, matrix, names, owners, form) in zip(axes, parts):
        for row, column in np.ndindex(matrix.shape):
            value = matrix[row, column]
            lit = owners[row] in colours and (form != "g" or value == 1)
            face = colours[owners[row]] if lit else COLORS["paper"]
            axis.add_patch(Rectangle((column, row), 1, 1, facecolor=face, edgecolor=COLORS["muted"], lw=1))
            ink = COLORS["paper"] if lit else COLORS["muted"]
            axis.text(column + 0.5, row + 0.5, f"{value:{form}}", ha="center", va="center", color=ink, fontsize=13)
        for row, name in enumerate(names):
            axis.text(-0.25, row + 0.5, name, ha="right", va="center", fontsize=14)
        height = max(len(table), len(ids))
        axis.set(xlim=(-0.9, matrix.shape[1] + 0.1), ylim=(height + 0.1, -0.1), aspect="equal", title=title)
        axis.axis("off")
    for axis, sign in zip(axes[1:], ("×", "=")):
        axis.text(-0.12, 0.5, sign, transform=axis.transAxes, ha="center", va="center", fontsize=20)
    return figure


def plot_words(
    points: Mapping[str, tuple[float, float]],
    groups: Mapping[str, str],
    near: Sequence[tuple[str, float]],
    chosen: str,
    title: str,
) -> Figure:
    """Words in a plane, and the words nearest to one of them.

    Args:
        points: word -> where it stands.
        groups: word -> a key of MARKERS; words without a group are plain.
            A sign that would hide another is moved aside, a line leads to where its word stands.
        near: (word, cosine), the nearest first.
        chosen: the word whose neighbours are listed.
    """
    figure, (plane, bars) = plt.subplots(1, 2, figsize=(6.8, 4.4), width_ratios=(2.4, 1))
    signs = _apart(np.array(list(points.values()), dtype=float), gap=0.46)
    for (word, (x, y)), (sign_x, sign_y) in zip(points.items(), signs):
        marker, colour = MARKERS.get(groups.get(word), (".", "muted"))
        plane.plot([x, sign_x], [y, sign_y], color=COLORS[colour], lw=0.8)
        plane.scatter(x, y, s=14, marker=marker, color=COLORS[colour])
        if word in groups:
            edge = COLORS["ink"] if word == chosen else COLORS["paper"]
            size = 430 if word == chosen else 330
            plane.scatter(
                sign_x, sign_y, s=size, marker=marker, color=COLORS[colour], edgecolors=edge, lw=1.8, zorder=3
            )
        ink = COLORS["paper"] if word in groups else COLORS["muted"]
        plane.text(sign_x, sign_y, word, ha="center", va="center_baseline", fontsize=13, color=ink, zorder=4)
    for name, (marker, colour) in MARKERS.items():
        plane.plot([], [], ls="", marker=marker, markersize=9, color=COLORS[colour], label=f"{name}字")
    plane.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=3, handletextpad=0.1, columnspacing=1)
    plane.set(xlim=(-2.9, 2.9), ylim=(-2.7, 2.7), xticks=[], yticks=[], title=title)
    names = [word for word, _ in near][::-1]
    colours = [COLORS[MARKERS.get(groups.get(word), (".", "SFT"))[1]] for word in names]
    values = [value for _, value in near][::-1]
    bars.barh(range(len(near)), values, color=colours)
    bars.set_yticks(range(len(near)), names, fontsize=15)
    for place, value in enumerate(values):
        inside = value > 0.35
        bars.text(
            value - 0.03 if inside else max(value, 0) + 0.03,
            place,
            f"{value:.2f}",
            ha="right" if inside else "left",
            va="center",
            color=COLORS["paper"] if inside else COLORS["ink"],
        )
    bars.set(xlim=(min(0, *values), 1), xlabel="余弦", title=f"离“{chosen}”最近的字")
    return figure


def plot_cut(text: str, tokens: Sequence[bytes], title: str) -> Figure:
    """A text above the tokens that make it up, byte by byte; those that are not UTF-8 by themselves are dashed.

    Args:
        text: what the tokens spell.
        tokens: in order; together the UTF-8 bytes of text.

    Raises ValueError if the tokens do not spell the text.
    """
    if b"".join(tokens) != text.encode():
        raise ValueError(f"the {len(tokens)} tokens spell {b''.join(tokens)!r}, not the text {text!r}")
    n_rows = -(-len(text.encode()) // BYTES_IN_A_ROW)
    figure, axis = plt.subplots(figsize=(6.4, 0.75 + 1.05 * n_rows))
    start = 0
    for character in text:
        for row, left, right in _segments(start, start + len(character.encode())):
            y = -1.6 * row
            axis.plot([left + 0.08, right - 0.08], [y + 0.14, y + 0.14], color=COLORS["muted"], lw=1.4)
            shown = "␣" if character == " " else character
            axis.text((left + right) / 2, y + 0.2, shown, ha="center", va="bottom", fontsize=16)
        start += len(character.encode())
    start = 0
    for token in tokens:
        name, whole = piece_text(token)
        segments = _segments(start, start + len(token))
        longest = max(segments, key=lambda each: each[2] - each[1])
        for row, left, right in segments:
            _box(axis, left, -1.6 * row - 0.62, right - left, 0.66, whole)
            if (row, left, right) == longest:
                room = (right - left) * 4.4
                size = 13 if len(name) <= room or whole else 13 * room / len(name)
                axis.text((left + right) / 2, -1.6 * row - 0.3, name, ha="center", va="center", fontsize=size)
        start += len(token)
    axis.set(xlim=(-0.1, BYTES_IN_A_ROW + 0.1), ylim=(-1.6 * (n_rows - 1) - 0.75, 0.95))
    axis.set_title(title)
    axis.axis("off")
    figure.legend(handles=_cut_legend(), loc="outside lower center", ncols=2)
    return figure


def plot_merges(tokens: Sequence[bytes], columns: int = 8) -> Figure:
    """Merged tokens in the order learnt, numbered; those that are not UTF-8 by themselves are dashed."""
    check_count("columns", columns, 1)
    n_rows = -(-len(tokens) // columns)
    figure, axis = plt.subplots(figsize=(7.6, 0.75 * n_rows + 0.7))
    for i, token in enumerate(tokens):
        name, whole = piece_text(token)
        x, y = i % columns, -(i // columns)
        _box(axis, x, y, 1, 0.74, whole)
        axis.text(x + 0.5, y + 0.27, name, ha="center", va="center", fontsize=15 if whole else 12.5)
        axis.text(x + 0.17, y + 0.55, f"{i + 1}", ha="left", va="center", fontsize=9, color=COLORS["muted"])
    axis.set(xlim=(0, columns), ylim=(-n_rows + 0.95, 0.75))
    axis.axis("off")
    figure.legend(handles=_cut_legend(), loc="outside lower center", ncols=2)
    return figure


def plot_compression(
    sizes: Sequence[int], chinese: Mapping[str, Sequence[float]], english: Mapping[str, Sequence[float]]
) -> Figure:
    """Tokens a character (Chinese) and tokens a word (English) against the size of the vocabulary.

    Args:
        sizes: [N] vocabulary sizes.
        chinese, english: what the tokenizer learnt from -> [N] tokens a character, tokens a word.
    """
    looks = {"中文": ("K", "o", "-"), "英文": ("Q", "s", "--"), "中英各半": ("V", "^", "-.")}
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.8))
    for axis, curves, label in ((axes[0], chinese, "词元 / 汉字"), (axes[1], english, "词元 / 英文词")):
        for name, values in curves.items():
            colour, marker, style = looks[name]
            axis.plot(sizes, values, style, marker=marker, markersize=5, color=COLORS[colour], label=f"用{name}训练")
        axis.axhline(1, color=COLORS["muted"], lw=1, ls=":")
        axis.set_xscale("log", base=2)
        axis.set_xticks(sizes[::2], [str(size) for size in sizes[::2]])
        axis.minorticks_off()
        axis.set(xlabel="词表大小", ylim=(0, None), title=label)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _apart(points: np.ndarray, gap: float) -> np.ndarray:
    """Places for signs [n 2] near their points, pushed from each other until `gap` lies between any two."""
    places = points + 1e-3 * np.random.default_rng(0).normal(size=points.shape)  # two points in one place must part
    for _ in range(200):
        away = places[:, None] - places[None]  # [n n 2]
        distance = np.linalg.norm(away, axis=-1) + np.eye(len(places))
        push = np.clip(gap - distance, 0, None) * (1 - np.eye(len(places)))
        if not push.any():
            break
        places = places + 0.3 * (away / distance[..., None] * push[..., None]).sum(1)
    return places


def _segments(start: int, end: int) -> list[tuple[int, int, int]]:
    """The bytes start … end-1 as (row, left, right) in rows of BYTES_IN_A_ROW."""
    rows = range(start // BYTES_IN_A_ROW, (end - 1) // BYTES_IN_A_ROW + 1)
    return [
        (row, max(start - row * BYTES_IN_A_ROW, 0), min(end - row * BYTES_IN_A_ROW, BYTES_IN_A_ROW)) for row in rows
    ]


def _look(whole: bool) -> dict[str, object]:
    if whole:
        return {"facecolor": COLORS["seen"], "edgecolor": COLORS["Q"], "lw": 1.2}
    return {"facecolor": COLORS["paper"], "edgecolor": COLORS["bad"], "lw": 1.4, "ls": "--"}


def _box(axis: plt.Axes, x: float, y: float, width: float, height: float, whole: bool) -> None:
    shape = FancyBboxPatch(
        (x + 0.07, y),
        width - 0.14,
        height,
        boxstyle="round,pad=0,rounding_size=0.08",
        mutation_aspect=1,
        **_look(whole),
    )
    axis.add_patch(shape)


def _cut_legend() -> list[Patch]:
    return [Patch(**_look(True), label="自己就是合法的 UTF-8"), Patch(**_look(False), label="半个字：单独解码得到 �")]
