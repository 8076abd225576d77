"""Chapter 04's exercises: any correct way passes, and the values agree with the rooms."""

import math

import torch
from torch.nn.functional import scaled_dot_product_attention

from course_lib.course.exercises import get_exercise, judge
from course_lib.foundations.attention import attention_weights


def test_the_weight_in_the_head_is_that_of_the_room():
    q = torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    k = torch.zeros(3, 4, dtype=torch.float64)
    k[2, 0] = 4 * math.log(2)
    assert abs(attention_weights(q, k)[0, 2].item() - get_exercise("04-attention-1").solution) < 1e-12


def test_attention_of_torch_passes_in_both_precisions():
    def by_torch(q, k, v, may_attend):
        return scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=may_attend)[0]

    exercise = get_exercise("04-attention-2")
    assert judge(exercise, by_torch).passed
    assert judge(exercise, lambda q, k, v, m: by_torch(q.float(), k.float(), v.float(), m)).passed


def test_the_wrong_view_shows_a_head_that_many_tokens():
    x = torch.arange(6 * 8).view(1, 6, 8)
    first_head = x.view(1, 4, 6, 2)[0, 0]
    assert len({number // 8 for number in first_head.flatten().tolist()}) == get_exercise("04-attention-3").solution
    in_the_picture = x.view(1, 2, 6, 4)[0, 0]
    assert len({number // 8 for number in in_the_picture.flatten().tolist()}) == 3


def test_splitting_by_view_and_transpose_passes():
    def split_heads(x, n_heads):
        return x.view(*x.shape[:2], n_heads, -1).transpose(1, 2)

    assert judge(get_exercise("04-attention-4"), split_heads).passed


def test_a_causal_mask_by_comparing_places_passes():
    def my_causal(T, S):
        return torch.tensor([[s <= S - T + t for s in range(S)] for t in range(T)])

    assert judge(get_exercise("04-attention-5"), my_causal).passed
