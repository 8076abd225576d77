"""Chapter 06's exercises: any correct way passes, and the values agree with the rooms."""

import torch

from course_lib.course.exercises import get_exercise, judge
from course_lib.decoding.generation import greedy
from course_lib.foundations.attention import causal_mask
from course_lib.models.transformer import SharedTransformerConfig, Transformer, Translator


def test_the_pairs_counted_in_the_head_are_those_of_the_masks():
    encoder, cross = torch.ones(6, 6, dtype=torch.bool), torch.ones(4, 6, dtype=torch.bool)
    counted = sum(int(mask.sum()) for mask in (encoder, causal_mask(4), cross))
    assert counted == get_exercise("06-transformer-1").solution


def test_shifting_by_roll_and_overwriting_passes():
    def my_shift(target, start):
        shifted = target.roll(1, dims=1)
        shifted[:, 0] = start
        return shifted

    assert judge(get_exercise("06-transformer-2"), my_shift).passed


def test_the_culprit_may_be_written_with_spaces():
    assert judge(get_exercise("06-transformer-3"), " no_shift ").passed
    assert not judge(get_exercise("06-transformer-3"), "nothing").passed


def test_greedy_of_tensors_passes():
    def my_greedy(next_logits, start, end, longest):
        written = torch.empty(0, dtype=torch.long)
        while len(written) < longest and end not in written:
            token = next_logits([start, *written.tolist()]).topk(1).indices
            written = torch.cat([written, token])
        return written

    assert judge(get_exercise("06-transformer-4"), my_greedy).passed


def test_the_exercises_greedy_is_the_rooms():
    torch.manual_seed(0)
    model = Transformer(SharedTransformerConfig(n_vocab=7)).eval().requires_grad_(False)
    solution = get_exercise("06-transformer-4").solution
    for seed in range(5):
        source = torch.randint(7, (1, 4), generator=torch.Generator().manual_seed(seed))
        mine = solution(lambda ids: model(source, torch.tensor([ids]))[0, -1], 0, 3, 9)  # noqa: B023
        room = greedy(Translator(model, source, 9), torch.zeros(1, 1, dtype=torch.long), 9, end=3)[0].tolist()
        assert mine == room


def test_a_counterexample_of_the_writing_shows_numbers_not_addresses():
    def parrot(next_logits, start, end, longest):
        return [int(next_logits([start]).argmin())] * longest

    told = judge(get_exercise("06-transformer-4"), parrot).message
    assert "号小模型，读 [0] 给出 [" in told
    assert " at 0x" not in told


def test_a_mask_that_hides_rows_and_columns_is_told_of_the_rows():
    def decoder_mask(T, n_tokens):
        real = torch.arange(T) < n_tokens[:, None]
        return torch.ones(T, T, dtype=torch.bool).tril() & real[:, :, None] & real[:, None, :]

    outcome = judge(get_exercise("06-transformer-5"), decoder_mask)
    assert outcome.mistake == "queries"
    assert "整行都遮住" in outcome.message
    assert "你遮的是" not in outcome.message


def test_a_mask_by_comparing_places_passes():
    def decoder_mask(T, n_tokens):
        return torch.tensor([[[s <= t and s < n for s in range(T)] for t in range(T)] for n in n_tokens.tolist()])

    assert judge(get_exercise("06-transformer-5"), decoder_mask).passed
