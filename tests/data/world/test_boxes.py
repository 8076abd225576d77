"""Boxes and rewards: round trips, IoU's laws, and rules that read answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.world.boxes import (
    box_text,
    boxes_of,
    from_thousand,
    iou,
    iou_table,
    parse_boxes,
    resize_boxes,
    smart_resize,
    to_thousand,
)
from course_lib.data.world.rewards import (
    box_reward,
    count_reward,
    exact_match,
    first_number,
    format_reward,
    inside_answer,
    seconds_reward,
)
from course_lib.data.world.scenes import scatter, with_text

SIDE = st.integers(1, 3000)
THOUSAND = st.lists(st.integers(0, 999), min_size=4, max_size=4).map(np.array)


@st.composite
def box(draw):
    x = sorted(draw(st.lists(st.floats(0, 500), min_size=2, max_size=2)))
    y = sorted(draw(st.lists(st.floats(0, 500), min_size=2, max_size=2)))
    return np.array([x[0], y[0], x[1], y[1]])


@given(numbers=THOUSAND, width=SIDE, height=SIDE)
def test_thousand_to_pixels_and_back_is_exact(numbers, width, height):
    np.testing.assert_array_equal(to_thousand(from_thousand(numbers, width, height), width, height), numbers)


@given(index=st.integers(0, 10_000), width=st.integers(48, 400), height=st.integers(48, 400))
def test_pixels_to_thousand_and_back_is_close(index, width, height):
    boxes = boxes_of(scatter(0, index, width=width, height=height, sizes=("small",)))
    back = from_thousand(to_thousand(boxes, width, height), width, height)
    assert (abs(back - boxes) <= np.array([width, height] * 2) / 2000 + 1e-9).all()
    assert (iou(back, boxes) > 0.95).all()


@given(a=box(), old=st.tuples(SIDE, SIDE), new=st.tuples(SIDE, SIDE))
def test_resizing_boxes_round_trips_and_keeps_thousandths(a, old, new):
    there = resize_boxes(a, old, new)
    np.testing.assert_allclose(resize_boxes(there, new, old), a, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(there / ([*new] * 2), a / ([*old] * 2), rtol=1e-12, atol=1e-12)


@given(a=box(), b=box(), shift=st.integers(-50, 50))
def test_iou_laws(a, b, shift):
    value = float(iou(a, b))
    assert 0 <= value <= 1 and value == float(iou(b, a))
    if min(a[2] - a[0], a[3] - a[1]) > 1e-3:
        assert float(iou(a, a)) == 1
        assert float(iou(a + shift, b + shift)) == pytest.approx(value, abs=1e-6)


def test_iou_by_hand_and_by_counting_pixels():
    assert iou(np.array([0, 0, 2, 2]), np.array([1, 1, 3, 3])) == pytest.approx(1 / 7)
    assert iou(np.array([0, 0, 1, 1]), np.array([1, 0, 2, 1])) == 0
    assert iou(np.array([3, 3, 1, 1]), np.array([3, 3, 1, 1])) == 0  # corners swapped: empty
    rng = np.random.default_rng(0)
    for _ in range(20):
        corners = np.sort(rng.integers(0, 20, (2, 2, 2)), axis=1)
        masks = np.zeros((2, 20, 20), bool)
        for mask, ((x1, y1), (x2, y2)) in zip(masks, corners, strict=True):
            mask[y1:y2, x1:x2] = True
        union = (masks[0] | masks[1]).sum()
        expected = (masks[0] & masks[1]).sum() / union if union else 0
        assert iou(*corners.reshape(2, 4)) == pytest.approx(expected)


def test_iou_table_holds_every_pair():
    a, b = boxes_of(scatter(0, 3, n_shapes=(3, 3))), boxes_of(scatter(0, 4, n_shapes=(2, 2)))
    table = iou_table(a, b)
    assert table.shape == (3, 2) and table[2, 1] == iou(a[2], b[1])


def test_labels_have_boxes_too():
    scene = with_text(scatter(0, 1, width=96, height=96, n_shapes=(2, 2)), "A7", 0, height=14)
    x1, y1, x2, y2 = boxes_of(scene)[2]
    assert (x2 - x1, y2 - y1) == (22, 18)


# facts of the released processor, worked out by hand: rounding, shrinking to the pixel limit, growing to it
@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ((224, 224), {}, (224, 224)),
        ((640, 427), {}, (644, 420)),
        ((10, 10), {}, (56, 56)),
        ((2000, 1000), {}, (1400, 700)),
        ((1000, 1000), {"max_pixels": 28 * 28 * 100}, (280, 280)),
        ((5, 500), {}, (28, 504)),
    ],
)
def test_smart_resize(size, limits, expected):
    assert smart_resize(*size, **limits) == expected


@given(width=st.integers(1, 5000), height=st.integers(1, 5000))
def test_smart_resize_keeps_its_bounds(width, height):
    if max(width, height) > 200 * min(width, height):
        with pytest.raises(ValueError, match="aspect ratio"):
            smart_resize(width, height)
        return
    W, H = smart_resize(width, height)
    assert W % 28 == 0 and H % 28 == 0 and W * H >= 56 * 56
    assert W * H <= 14 * 14 * 4 * 1280 or 28 in (W, H)


@given(numbers=THOUSAND)
def test_written_boxes_are_read_back(numbers):
    text = f"这里 {box_text(numbers, '红色圆形')} 和 {box_text(numbers[::-1])}"
    np.testing.assert_array_equal(parse_boxes(text), [numbers, numbers[::-1]])
    assert box_reward(text, numbers) == float(iou(numbers, numbers))


def test_bad_boxes_are_named():
    with pytest.raises(ValueError, match="1000"):
        from_thousand(np.array([0, 0, 10, 1000]), 32, 32)
    with pytest.raises(ValueError, match="0×5"):
        to_thousand(np.zeros((1, 4)), 0, 5)
    assert parse_boxes("no box").shape == (0, 4)


@pytest.mark.parametrize(
    ("answer", "target", "reward"),
    [
        (" 红色。", "红色", 1),
        ("Red", "red", 1),
        ("Ａ7", "a7", 1),
        ("红", "红色", 0),
        ("", "red", 0),
        ("top  left", "top left", 1),
    ],
)
def test_exact_match(answer, target, reward):
    assert exact_match(answer, target) == reward and isinstance(exact_match(answer, target), float)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[
            ("有3个", 3),
            ("三个", 3),
            ("两个圆形", 2),
            ("十二", 12),
            ("二十", 20),
            ("二十三个", 23),
            ("十", 10),
            ("零", 0),
        ],
        *[("Three.", 3), ("about 2.5 s", 2.5), ("-1", -1), ("none", None), ("", None), ("十十", None), ("一百", 100)],
    ],
)
def test_first_number(text, number):
    assert first_number(text) == number


def test_count_and_seconds():
    assert count_reward("有三个圆形", 3) == 1 and count_reward("3 or 4", 4) == 0 and count_reward("很多", 3) == 0
    assert seconds_reward("第 2.5 秒", 2.5) == 1 and seconds_reward("2.25", 2.5) == 0.5
    assert seconds_reward("3", 2.5) == 0 and seconds_reward("?", 2.5) == 0
    with pytest.raises(ValueError, match="tolerance"):
        seconds_reward("3", 2.5, tolerance=0)


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        ("<think>数一数</think><answer>3</answer>", 1),
        ("<think>a\nb</think>\n<answer>3</answer>\n", 1),
        ("<answer>3</answer>", 0),
        ("<think>a</think><answer>3</answer>。", 0),
        ("<think>a</think><answer>3</answer><answer>4</answer>", 0),
        ("<answer>3</answer><think>a</think>", 0),
    ],
)
def test_format(text, reward):
    assert format_reward(text) == reward


def test_inside_answer():
    assert inside_answer("<think>4</think><answer> 3 </answer>") == "3" and inside_answer("3") == "3"


@given(text=st.text(max_size=60))
def test_rewards_never_raise_and_stay_in_range(text):
    rewards = [
        exact_match(text, "红色"),
        count_reward(text, 3),
        seconds_reward(text, 1.0),
        box_reward(text, [0, 0, 10, 10]),
        box_reward(f"<box>{text}</box>", [0, 0, 10, 10]),
        format_reward(text),
    ]
    assert all(isinstance(r, float) and 0 <= r <= 1 for r in rewards)


@given(text=st.text(alphabet="零一二两三十〇九百12.-", max_size=12))
def test_odd_numerals_never_raise(text):
    first_number(text)
