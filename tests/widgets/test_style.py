"""The style's promises: no tofu, colours that stay apart for every eye, and the same bytes for the same figure."""

import io
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.font_manager import FontProperties
from PIL import Image

from course_lib.widgets.style import COLORS, FONT, missing_glyphs, to_png, use_style

GROUPS = [("Q", "K", "V", "SFT"), ("PPO", "DPO", "GRPO", "SFT", "optimum"), ("text", "image", "video", "resampler")]
# Machado, Oliveira & Fernandes 2009, severity 1.0: what remains of linear RGB without red, green or blue cones.
EYES = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour):
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / TO_XYZ.sum(1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("group", GROUPS)
def test_colours_of_a_group_stay_apart_for_every_eye(group, eye):
    seen = {name: lab(np.array(EYES[eye]) @ linear(COLORS[name])) for name in group}
    gaps = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in itertools.combinations(group, 2)}
    assert min(gaps.values()) > 15, gaps


def test_line_colours_stand_out_from_paper():
    for name in set().union(*GROUPS):
        assert 1.05 / (linear(COLORS[name]) @ TO_XYZ[1] + 0.05) >= 3, name


def test_the_signs_of_the_course():
    hue = {name: np.argmax(linear(COLORS[name])) for name in "QV"}
    assert hue == {"Q": 2, "V": 1}
    assert (COLORS["PPO"], COLORS["DPO"], COLORS["GRPO"]) == tuple(COLORS[name] for name in "QKV")


def test_chinese_is_drawn_by_the_courses_own_font():
    use_style()
    assert plt.rcParams["font.family"][0] == FontProperties(fname=FONT).get_name() == "Course Sans SC"
    assert FONT.stat().st_size <= 1_600_000
    assert "SIL OPEN FONT LICENSE" in FONT.with_name("OFL.txt").read_text("utf-8")


def test_missing_glyphs_knows_what_would_be_an_empty_box():
    assert missing_glyphs("位置编码 pos，θ₁ = 10000⁻²，qᵀk → ✓") == set()
    assert missing_glyphs("位置 𠀀") == {"𠀀"}
    assert missing_glyphs("分数 qᵀk") == set()
    assert missing_glyphs("分数 qᵀ $k$") == {"ᵀ"}, "a string with a formula falls back to no other font"
    assert missing_glyphs(r"$q_{位}$") == {"位"}, "Chinese inside a formula never shows"
    assert missing_glyphs(r"价格 \$5，位置 \$6") == set()


def test_every_glyph_that_is_promised_draws_without_a_warning(recwarn):
    use_style()
    figure, axes = plt.subplots()
    axes.set_title("旋转位置编码 qᵀk ✓ −1")
    axes.set_xlabel(r"位置 $m$，角度 $\theta_i = 10000^{-2i/d}$")
    to_png(figure)
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


def picture():
    figure, axes = plt.subplots()
    axes.plot([0, 1, 4], color=COLORS["K"])
    return figure


def test_a_figure_becomes_the_same_small_png_every_time():
    use_style()
    first, second = to_png(picture()), to_png(picture())
    assert first == second
    with Image.open(io.BytesIO(first)) as image:
        assert image.mode == "P" and len(image.getcolors()) <= 64
        assert image.info.keys().isdisjoint({"Software", "Creation Time"})
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert len(first) < 25_000


def test_a_figure_that_has_become_an_image_is_closed():
    open_before = plt.get_fignums()
    to_png(picture())
    assert plt.get_fignums() == open_before


def test_only_a_figure_becomes_a_png():
    with pytest.raises(TypeError, match="got list"):
        to_png([1, 2])
