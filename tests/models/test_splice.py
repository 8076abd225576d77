"""Features in the places of image tokens: where they go, and every way in which the counts can be wrong."""

from itertools import chain

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.models.splice import expanded, slots, splice

T = torch.tensor
IMAGE = 9
TEXTS = st.lists(st.lists(st.integers(1, 4) | st.integers(10, 15), max_size=6), min_size=1, max_size=4)
# 1 … 4 is an image with so many features, 10 … 15 a word


def in_one_row(texts: list[list[int]]) -> tuple[torch.Tensor, list[int]]:
    """Texts as ids, padded with 0, and the sizes of their images in reading order."""
    sizes = [[i for i in text if i < 10] for text in texts]
    rows = [expanded([IMAGE if i < 10 else i for i in text], own, IMAGE) for text, own in zip(texts, sizes)]
    longest = max(len(row) for row in rows)
    return T([row + [0] * (longest - len(row)) for row in rows], dtype=torch.long), list(chain(*sizes))


@given(TEXTS)
def test_every_feature_lands_in_reading_order_and_no_word_is_touched(texts):
    ids, sizes = in_one_row(texts)
    x = -torch.rand(*ids.shape, 2)
    features = torch.arange(2.0 * sum(sizes)).view(-1, 2)
    mixed = splice(x, ids, list(features.split(sizes)), IMAGE)
    assert torch.equal(mixed[ids == IMAGE], features)
    assert torch.equal(mixed[ids != IMAGE], x[ids != IMAGE])


@given(TEXTS)
def test_no_feature_can_be_lost_or_too_many(texts):
    ids, sizes = in_one_row(texts)
    features = list(torch.zeros(sum(sizes), 2).split(sizes))
    for wrong in ([*features, torch.zeros(1, 2)], features[:-1]):
        if len(wrong) != len(features) or sizes:
            n = sum(len(each) for each in wrong)
            if n != sum(sizes):
                with pytest.raises(ValueError, match=rf"have {sum(sizes)} image tokens \(id 9\).* have {n} features"):
                    splice(torch.zeros(*ids.shape, 2), ids, wrong, IMAGE)


def test_gradients_go_to_words_and_features_and_to_nothing_that_was_replaced():
    x, features = torch.zeros(1, 3, 2, requires_grad=True), torch.zeros(2, 2, requires_grad=True)
    splice(x, T([[1, 9, 9]]), [features], IMAGE).sum().backward()
    assert torch.equal(x.grad, T([[[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]])) and torch.equal(
        features.grad, torch.ones(2, 2)
    )


def test_features_take_the_type_of_the_words():
    assert splice(torch.zeros(1, 1, 2).bfloat16(), T([[9]]), [torch.ones(1, 2)], IMAGE).dtype == torch.bfloat16


def test_a_text_is_expanded():
    assert expanded([5, 9, 6, 9], [3, 1], 9) == [5, 9, 9, 9, 6, 9] and slots([5, 9, 6, 9], [3, 1], 9) == [1, 3, 1, 1]
    assert expanded([5, 6], [], 9) == [5, 6]


def put(ids: list[list[int]], *sizes: int, what: str = "image"):
    rows = T(ids)
    return splice(torch.zeros(*rows.shape, 2), rows, [torch.zeros(size, 2) for size in sizes], IMAGE, what)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: put([[1, 9, 9]]), ValueError, "2 image tokens .* 0 images have 0 features; give the images, or take"),
        (lambda: put([[1, 2]], 3), ValueError, r"0 image tokens .* 3 features; say where they go.*\(ids, \[3\], 9\)"),
        (lambda: put([[1, 9, 9]], 3, 4), ValueError, r"each image has one placeholder only: .*\(ids, \[3, 4\], 9\)"),
        (lambda: put([[1, 9, 9]], 3), ValueError, "text 0 begins or ends inside its image: was it cut to 3 tokens"),
        (lambda: put([[9, 9, 1]], 3), ValueError, "text 0 begins or ends inside its image"),
        (lambda: put([[1, 9, 9, 2]], 3), ValueError, r"2 image tokens .* 3 features; write as many .* \(3\): expanded"),
        (lambda: put([[9, 9, 9, 9]], 3), ValueError, "4 image tokens .* 3 features; write as many tokens"),
        (lambda: put([[1, 9, 9]], 1, 1, 1, 1, 1, what="video"), ValueError, r"5 videos .* \(1, 1, 1, 1, …\)"),
        (
            lambda: put([[1, 9, 9], [9, 9, 1]], 3, 1),
            ValueError,
            "image 0 has 3 features; its tokens begin in text 0 and",
        ),
        (lambda: put([[1, 9, 1], [1, 1, 9]], 2), ValueError, "image 0 .* begin in text 0 and end in text 1"),
        (lambda: put([[9, 1, 9]], 2), ValueError, "image 0 .* in text 0, from 0 to 2, have other tokens between them"),
        (lambda: put([[9, 9, 1, 9]], 1, 2), ValueError, "image 1 .* text 0, from 1 to 3, .* in their order"),
        (lambda: splice(torch.zeros(1, 1, 2), [[9]], [], 9), TypeError, "ids is of type list"),
        (lambda: expanded([1, 9], [], 9), ValueError, r"1 placeholders \(token 9\) and there are 0 images; write one"),
        (lambda: expanded([1], [4], 9), ValueError, r"0 placeholders .* 1 images"),
        (lambda: expanded([9], [0], 9), ValueError, r"size of image 0 \(0\) must be at least 1"),
        (lambda: expanded([9], [1.5], 9), TypeError, "size of image 0 is 1.5; a whole number"),
    ],
)
def test_is_refused_with_its_mend(call, error, says, as_readers_have_it):
    with pytest.raises(error, match=says):
        call()
