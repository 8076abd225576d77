"""C10b and C10e: what counts as aligned, and that each bug is the bug that it is called."""

import pytest
import torch

from course_lib.chapters.ch06_transformer.experiments import c10b_alignment as c10b
from course_lib.chapters.ch06_transformer.experiments import c10e_leaks as c10e
from course_lib.chapters.ch06_transformer.numerals import END_ID, START_ID, encode, number_pair, pairs

BATCH = [number_pair(1024), number_pair(300)]


def test_true_places_are_those_of_the_pairs():
    says = c10b.true_places(BATCH, 5, 7)
    assert says[0, 1].nonzero().flatten().tolist() == [2]  # 零
    assert says[0, 0].nonzero().flatten().tolist() == [0, 1]  # 一千
    assert not says[0, 4].any() and not says[1, 1:].any()  # END; the silent zeros of 三百


def test_a_map_on_the_true_places_is_right_and_one_beside_them_is_not():
    says = c10b.true_places(BATCH, 5, 7)
    right = says.double()[None, :, None]
    assert c10b.alignment(right, says).tolist() == [[1.0]]
    assert c10b.alignment(right.roll(3, -1), says).item() < 0.5
    both = torch.cat([right, right.roll(3, -1)], dim=2)
    assert c10b.alignment(both, says).shape == (1, 2)
    assert c10b.alignment(both, says)[0, 0] == 1


def test_baselines_are_between_none_and_all():
    batch = pairs(0, "held out", 300)
    says = c10b.true_places(batch, 12, 20)
    assert 0.1 < c10b.uniform(batch) < c10b.diagonal(batch, says) < 0.95
    guesses = torch.rand(1, 300, 1, 12, 20, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([len(pair.source) + 1 for pair in batch])
    guesses = guesses * (torch.arange(20) < lengths[:, None])[None, :, None, None]
    assert c10b.alignment(guesses, says).item() == pytest.approx(c10b.uniform(batch), abs=0.03)


@pytest.mark.parametrize("bug", c10e.BUGS)
def test_every_suspect_starts_from_the_same_weights(bug):
    healthy, suspect = c10e.build("healthy", 3).state_dict(), c10e.build(bug, 3).state_dict()
    assert all(torch.equal(suspect[name], healthy[name]) for name in healthy)


def test_only_the_suspect_without_a_mask_moves_with_the_future_and_only_the_one_that_reads_itself_ignores_the_source():
    test = pairs(0, "held out", 40, max_digits=4, percent_dates=0)
    models = {bug: c10e.build(bug, 0).eval() for bug in c10e.BUGS}
    assert {bug for bug, model in models.items() if c10e.moved_by_the_future(model, test) > 1e-5} == {"no_mask"}
    assert {bug for bug, model in models.items() if c10e.moved_by_the_source(model, test) < 1e-5} == {"from_itself"}


def test_what_is_read_and_expected():
    _, target = encode([number_pair(12)])
    one, two, end = target[0].tolist()
    assert end == END_ID
    wanted = {
        "healthy": ([START_ID, one, two], [one, two, end]),
        "no_shift": ([one, two, end], [one, two, end]),
        "no_mask": ([START_ID, one, two], [one, two, end]),
        "double_shift": ([START_ID, one], [two, end]),
    }
    for bug, (read, expected) in wanted.items():
        got = c10e.read_and_expected(bug, target)
        assert [ids[0].tolist() for ids in got] == [read, expected]


def test_a_perfect_writer_writes_every_number():
    test = pairs(0, "held out", 20, max_digits=4, percent_dates=0)
    _, target = encode(test)

    def model(source, written, is_token):
        t = min(written.shape[1] - 1, target.shape[1] - 1)
        return torch.nn.functional.one_hot(target[:, t], 14).float()[:, None]

    assert c10e.write_freely(model, test) == [pair.target for pair in test]
