import math

import pytest
import torch

from course_lib.foundations.rope import frequencies
from course_lib.foundations.rope_scaling import dynamic_ntk, llama3, ntk_aware, position_interpolation, yarn

PLAIN = frequencies(128)
METHODS = {
    "position_interpolation": lambda s: position_interpolation(128, s),
    "ntk_aware": lambda s: ntk_aware(128, s),
    "dynamic_ntk": lambda s: dynamic_ntk(128, s, n_tokens=int(4096 * s), trained_length=4096),
    "yarn": lambda s: yarn(128, s, trained_length=4096)[0],
    "llama3": lambda s: llama3(128, s, trained_length=4096, base=10000.0),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_factor_of_one_changes_nothing(name):
    torch.testing.assert_close(METHODS[name](1.0), PLAIN, atol=1e-15, rtol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_no_pair_gets_faster_and_the_order_of_the_clocks_stays(name):
    scaled = METHODS[name](4.0)
    assert (scaled <= PLAIN * (1 + 1e-12)).all() and (scaled.diff() < 0).all()


def test_interpolation_slows_all_pairs_alike():
    torch.testing.assert_close(PLAIN / position_interpolation(128, 4.0), torch.full((64,), 4.0).double())


def test_ntk_keeps_the_fastest_and_slows_the_slowest_by_the_factor():
    slowed = PLAIN / ntk_aware(128, 4.0)
    assert slowed[0] == 1 and slowed[-1].item() == pytest.approx(4)
    assert (slowed.diff() > 0).all()


def test_yarn_and_llama3_keep_pairs_with_many_turns_and_slow_those_with_less_than_one():
    turns = 4096 * PLAIN / (2 * math.pi)
    for scaled, many in ((yarn(128, 4.0, trained_length=4096)[0], 32), (METHODS["llama3"](4.0), 4)):
        slowed = PLAIN / scaled
        torch.testing.assert_close(slowed[turns > many * 1.2], torch.ones_like(slowed[turns > many * 1.2]))
        torch.testing.assert_close(slowed[turns < 0.8], torch.full_like(slowed[turns < 0.8], 4))
        between = slowed[(turns > 1.3) & (turns < many * 0.8)]
        assert len(between) and ((between > 1) & (between < 4)).all()


def test_yarns_attention_factor():
    assert yarn(128, 1.0, trained_length=4096)[1] == 1
    assert yarn(128, 16.0, trained_length=4096)[1] == pytest.approx(1.2772588722)


def test_dynamic_ntk_waits_until_the_text_is_longer_than_trained():
    short, exact, long = (dynamic_ntk(128, 2.0, n_tokens=n, trained_length=4096) for n in (10, 4096, 8192))
    assert torch.equal(short, PLAIN) and torch.equal(exact, PLAIN)
    torch.testing.assert_close(long, ntk_aware(128, 3.0))


def test_bad_numbers_are_refused():
    for stretch in METHODS.values():
        with pytest.raises(ValueError, match=r"factor \(0.5\) must be at least 1"):
            stretch(0.5)
    with pytest.raises(ValueError, match=r"d_head \(2\) must be at least 4"):
        ntk_aware(2, 4.0)
    with pytest.raises(ValueError, match=r"trained_length \(0\)"):
        yarn(8, 4.0, trained_length=0)
    with pytest.raises(ValueError, match=r"beta_fast \(1.0\) must exceed beta_slow \(32.0\)"):
        yarn(8, 4.0, trained_length=64, beta_fast=1.0, beta_slow=32.0)
    with pytest.raises(ValueError, match="high_freq_factor"):
        llama3(8, high_freq_factor=1.0)
    with pytest.raises(ValueError, match=r"d_head \(7\) must be even"):
        position_interpolation(7, 2.0)
