"""Chapter 24's exercises: any correct way passes, and the values are counted."""

import torch

from course_lib.course.exercises import get_exercise, judge


def test_the_products_are_counted_one_by_one():
    assert get_exercise("24-comparison-1").solution == sum(1 for _ in range(3) for _ in range(5) for _ in range(4))


def test_shares_by_one_norm_pass():
    assert judge(get_exercise("24-comparison-2"), lambda counts: counts / torch.linalg.norm(counts, ord=1)).passed


def test_centring_by_a_product_passes():
    def centred(x):
        T = len(x)
        return (torch.eye(T, dtype=x.dtype) - torch.full((T, T), 1 / T, dtype=x.dtype)) @ x

    assert judge(get_exercise("24-comparison-3"), centred).passed
