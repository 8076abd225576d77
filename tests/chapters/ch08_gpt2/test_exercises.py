"""Chapter 08's exercises: any correct way passes, and the values agree with the rooms."""

import torch

from course_lib.chapters.ch08_gpt2.leaks import MASKS, moved, read
from course_lib.course.exercises import get_exercise, judge
from course_lib.decoding.sampling import log_probs
from course_lib.models.gpt2 import GPT2, GPT2Config


def test_the_nucleus_in_the_head_is_that_of_the_room():
    probs = torch.tensor([[0.5, 0.2, 0.15, 0.1, 0.05]], dtype=torch.float64)
    kept = log_probs(probs.log(), top_p=0.8).exp()[0]
    assert abs(kept[0].item() - get_exercise("08-gpt2-1").solution) < 1e-9
    assert int((kept > 0).sum()) == 3


def test_top_p_by_a_loop_passes():
    def my_top_p(logits, p):
        out = torch.full_like(logits, -torch.inf)
        for row, kept in zip(logits, out):
            total = 0.0
            for i in row.argsort(descending=True).tolist():
                kept[i] = row[i]
                total += row.softmax(-1)[i].item()
                if total >= p:
                    break
        return out

    assert judge(get_exercise("08-gpt2-2"), my_top_p).passed


def test_a_mask_one_too_far_sees_as_many_tokens_ahead_as_there_are_layers():
    for n_layers in (1, 2, 5):
        torch.manual_seed(0)
        model = GPT2(GPT2Config(n_vocab=11, context=16, d_model=16, n_layers=n_layers, n_heads=2))
        ids = torch.randint(11, (10,))
        lit = moved(lambda ids, model=model: read(model, ids, MASKS["错一格"]), ids, 11)
        farthest = max(j - i for j, i in lit.nonzero().tolist())
        assert farthest == n_layers
    assert get_exercise("08-gpt2-3").solution == 12


def test_counting_leaks_by_two_loops_passes():
    def count_leaks(moved):
        return sum(bool(moved[j, i]) for j in range(len(moved)) for i in range(j))

    assert judge(get_exercise("08-gpt2-4"), count_leaks).passed


def test_a_penalty_by_sign_passes():
    def my_penalty(logits, said, penalty):
        return torch.where(said, logits * penalty ** (-logits.sign()), logits)

    assert judge(get_exercise("08-gpt2-5"), my_penalty).passed
