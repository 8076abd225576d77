"""One look for every figure of the course: font, sizes, colours, and the way a figure becomes a small PNG.

    use_style()                      # once a notebook; lesson.start() does it
    ax.plot(x, y, color=COLORS["Q"])

The palette keeps its members apart for readers who see no red, no green or no blue: tests/widgets/test_style.py
measures it.
"""

import io
import re
from functools import cache
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from PIL import Image

FONT = Path(__file__).parents[1] / "fonts" / "CourseSans-SC.otf"
DPI = 120
FULL = (6.4, 3.6)  # inches; 768 x 432 pixels at DPI, readable at half that width
WIDE = (7.6, 3.2)
SQUARE = (4.6, 4.4)

COLORS = {
    # attention
    "Q": "#0961C4",
    "K": "#C46904",
    "V": "#01A360",
    # what a token carries
    "text": "#3B444D",
    "image": "#A865C5",
    "video": "#068C98",
    "resampler": "#EA1F8D",
    # who speaks (tints, to be written on)
    "system": "#E4E7EB",
    "user": "#D6E6F8",
    "assistant": "#FBE3C8",
    "prompt": "#D6E6F8",
    "answer": "#FBE3C8",
    # how a policy was trained
    "PPO": "#0961C4",
    "DPO": "#C46904",
    "GRPO": "#01A360",
    "SFT": "#6B6E72",
    "optimum": "#000000",
    # where a position comes from
    "none": "#6B6E72",
    "learned": "#A865C5",
    "sinusoidal": "#C46904",
    "rope": "#0961C4",
    "alibi": "#01A360",
    # how RoPE is stretched
    "PI": "#C46904",
    "NTK": "#01A360",
    "YaRN": "#EA1F8D",
    "llama3": "#068C98",
    # signs
    "seen": "#D6E6F8",
    "unseen": "#C8102E",
    "good": "#01A360",
    "bad": "#C8102E",
    "ink": "#1F2933",
    "muted": "#5F6B76",
    "grid": "#E1E5EA",
    "paper": "#FFFFFF",
}
LINE_STYLES = {"optimum": "--", "SFT": ":", "none": ":"}
CMAPS = {"amount": "cividis", "signed": "RdBu_r", "weight": "Blues", "phase": "twilight"}

_CYCLE = [COLORS[name] for name in ("Q", "K", "V", "image", "SFT", "resampler")]


def use_style() -> None:
    """Register the course's font and set matplotlib's defaults. Idempotent.

    Raises FileNotFoundError if the font is missing from the installation.
    """
    if not FONT.exists():
        raise FileNotFoundError(f"the course's font is not at {FONT}; reinstall course-lib")
    family = font_manager.FontProperties(fname=FONT).get_name()
    if family not in {font.name for font in font_manager.fontManager.ttflist}:
        font_manager.fontManager.addfont(FONT)
    matplotlib.rcParams.update(
        {
            # Chinese first: a string with $…$ gets no fallback font for what stands outside the formula
            "font.family": [family, "DejaVu Sans"],
            "mathtext.fontset": "cm",
            "axes.unicode_minus": False,
            "font.size": 13,
            "axes.titlesize": 14,
            "axes.labelsize": 13,
            "xtick.labelsize": 12,
            "ytick.labelsize": 12,
            "legend.fontsize": 12,
            "figure.figsize": FULL,
            "figure.dpi": DPI,
            "savefig.dpi": DPI,
            "figure.facecolor": COLORS["paper"],
            "savefig.facecolor": COLORS["paper"],
            "figure.constrained_layout.use": True,
            "text.color": COLORS["ink"],
            "axes.labelcolor": COLORS["ink"],
            "axes.edgecolor": COLORS["muted"],
            "xtick.color": COLORS["muted"],
            "ytick.color": COLORS["muted"],
            "xtick.labelcolor": COLORS["ink"],
            "ytick.labelcolor": COLORS["ink"],
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,  # over a heat map it is noise; a curve asks for it with ax.grid()
            "grid.color": COLORS["grid"],
            "grid.linewidth": 0.8,
            "axes.titlelocation": "left",
            "axes.prop_cycle": cycler(color=_CYCLE),
            "lines.linewidth": 2.2,
            "lines.markersize": 6,
            "legend.frameon": False,
            "image.cmap": CMAPS["amount"],
            "image.interpolation": "nearest",
            "svg.fonttype": "path",
            "svg.hashsalt": "course",
        }
    )


def to_png(figure: Figure, *, dpi: int = DPI) -> bytes:
    """The figure as a PNG of 64 colours without metadata: the same figure gives the same bytes. Closes the figure.

    Raises TypeError if it is handed something else than a matplotlib Figure.
    """
    if not isinstance(figure, Figure):
        raise TypeError(
            f"expected a matplotlib Figure, got {type(figure).__name__}; let the drawing function return it"
        )
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=dpi, metadata={"Software": None})
    plt.close(figure)
    with Image.open(full) as image:
        image.convert("RGB").quantize(64, kmeans=1).save(small, format="png", optimize=True)
    return small.getvalue()


@cache
def _glyphs(path: str) -> frozenset[int]:
    return frozenset(FT2Font(path).get_charmap())


def missing_glyphs(text: str) -> set[str]:
    """Characters of `text` that a figure would show as an empty box (tofu).

    A string without a formula falls back from the course's font to DejaVu Sans; one with $…$ does not, and inside
    the dollars Chinese never shows.
    """
    course = _glyphs(str(FONT))
    formulas = re.findall(r"(?<!\\)\$(.*?)(?<!\\)\$", text, flags=re.DOTALL)
    outside = re.sub(r"(?<!\\)\$.*?(?<!\\)\$", "", text, flags=re.DOTALL)
    known = course if formulas else course | _glyphs(font_manager.findfont("DejaVu Sans"))
    tofu = {char for char in outside if ord(char) not in known and char.isprintable()}
    return tofu | {char for formula in formulas for char in formula if "\u2e80" <= char <= "\uffef"}
