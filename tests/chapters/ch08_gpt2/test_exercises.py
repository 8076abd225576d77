"""Chapter 08's exercises: any correct way passes, and the values agree with the rooms."""

import math
from dataclasses import replace

import torch
from torch.nn.functional import layer_norm

from course_lib.chapters.ch08_gpt2.leaks import MASKS, moved, read
from course_lib.course.exercises import get_exercise, judge
from course_lib.decoding.sampling import keep_top_p, log_probs
from course_lib.models.gpt2 import GPT2, SIZES, Block, GPT2Config, n_parameters


def test_the_nucleus_in_the_head_is_that_of_the_room():
    probs = torch.tensor([[0.5, 0.2, 0.15, 0.1, 0.05]], dtype=torch.float64)
    kept = log_probs(probs.log(), top_p=0.8).exp()[0]
    assert abs(kept[0].item() - get_exercise("08-gpt2-1").solution) < 1e-9
    heated = keep_top_p(probs.log() / 2, 0.8).isfinite().sum()
    assert int(heated) == get_exercise("08-gpt2-1-next").solution


def test_min_p_by_probabilities_passes():
    def my_min_p(logits, share):
        probs = logits.softmax(-1)
        out = logits.clone()
        for row, kept in zip(probs, out):
            kept[row < share * row.max()] = -math.inf
        return out

    assert judge(get_exercise("08-gpt2-2"), my_min_p).passed
    probs = torch.tensor([0.5, 0.3, 0.15, 0.05])
    kept = {tau: int((p >= 0.2 * p.max()).sum()) for tau in (1, 2) for p in [probs ** (1 / tau)]}
    assert kept == {1: 3, 2: get_exercise("08-gpt2-2-next").solution}


def test_the_room_s_block_passes_the_repair():
    config = GPT2Config(n_vocab=5, d_model=8, n_layers=1, n_heads=2)
    room = Block(config).double()

    def my_block(x, attention, feedforward):
        room.attention.forward = lambda x, *_: attention(x)
        room.feedforward.forward = feedforward
        for norm in (room.norm_attention, room.norm_feedforward):
            norm.forward = lambda x: layer_norm(x, x.shape[-1:])
        return room(x)

    assert judge(get_exercise("08-gpt2-3"), my_block).passed


def test_a_mask_one_too_far_sees_as_many_tokens_ahead_as_there_are_layers():
    for n_layers in (1, 2, 5):
        torch.manual_seed(0)
        model = GPT2(GPT2Config(n_vocab=11, context=16, d_model=16, n_layers=n_layers, n_heads=2))
        ids = torch.randint(11, (10,))
        lit = moved(lambda ids, model=model: read(model, ids, MASKS["错一格"]), ids, 11)
        assert get_exercise("08-gpt2-4").solution(lit) == n_layers
    assert get_exercise("08-gpt2-4-next").solution == 12


def test_the_furthest_look_by_two_loops_passes():
    def furthest(moved):
        T, seen = len(moved), 0
        for ahead in range(1, T):
            if any(moved[i + ahead, i] for i in range(T - ahead)):
                seen = ahead
        return seen

    assert judge(get_exercise("08-gpt2-4"), furthest).passed


def test_a_penalty_by_sign_passes_and_a_constant_changes_its_outcome():
    def my_penalty(logits, said, penalty):
        return torch.where(said, logits * penalty ** (-logits.sign()), logits)

    assert judge(get_exercise("08-gpt2-5"), my_penalty).passed
    said = torch.tensor([[True, False]])
    before, after = (my_penalty(torch.tensor([[1.0 + c, c]]), said, 2.0).softmax(-1)[0, 0] for c in (0, 10))
    assert after < before


def test_twelve_layers_more_by_the_formula_of_the_room():
    small = SIZES["gpt2"]
    deeper = n_parameters(replace(small, n_layers=24)) - n_parameters(small)
    assert get_exercise("08-gpt2-6").solution == deeper
    wide = [n_parameters(replace(small, d_model=D, n_layers=n)) for D in (768, 1536) for n in (12, 6)]
    assert 3.9 < (wide[2] - wide[3]) / (wide[0] - wide[1]) < 4.1
