"""What the page trains is what the rooms train: every method, step by step, on the same draws."""

import json
import math
from dataclasses import asdict
from itertools import islice

import pytest
import torch

from course_lib.posttraining.dpo import dpo_loss
from course_lib.toys.drawn_preferences import draw_pairs, pair_table
from course_lib.toys.three_answers import World, three_answers
from course_lib.widgets.figure import MIME
from course_lib.widgets.live_triangle import lacks, live_triangle
from course_lib.widgets.page_random import random_numbers
from course_lib.widgets.triangle_paths import METHODS, Settings, draw, path

STEPS = 40
CASES = {
    "exact": [{}, {"rate": 1.0}],
    "REINFORCE": [{"baseline": each, "n": n} for each, n in (("none", 2), ("mean", 5), ("others", 16))],
    "PPO": [{}, {"epochs": 1}, {"clip": math.inf, "rate": 1.0}, {"whiten": False, "rate": 2.0, "clip": 0.05}],
    "DPO": [{}, {"pairs": 40, "dpo_rate": 2.0}, {"missing": 2}, {"flipped": 0.3}],
    "GRPO": [
        {},
        {"std": False},
        {"reweigh": True, "rate": 1.0},
        {"group": 2, "n": 7, "epochs": 1},
        {"clip": math.inf, "rate": 1.0},
        {"n": 2, "group": 16, "clip": 0.05, "rate": 1.0},
    ],
}
ALL = [(method, case) for method, cases in CASES.items() for case in cases]


def uneven():
    probs = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    return World(probs.log(), torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64), 0.8)


def as_json(world, settings):
    state = asdict(settings) | {"clip": None if math.isinf(settings.clip) else settings.clip}
    return json.dumps(
        [{"reference": world.reference.tolist(), "reward": world.reward.tolist(), "beta": world.beta}, state]
    )


@pytest.mark.parametrize(("method", "case"), ALL, ids=lambda each: each if isinstance(each, str) else str(each))
@pytest.mark.parametrize("world", [three_answers(), uneven()], ids=["three", "uneven"])
def test_every_step_is_the_rooms(run_js, method, case, world):
    settings = Settings(**case)
    start = torch.tensor([0.6, 0.1, 0.3], dtype=torch.float64).log()
    given = list(islice(random_numbers(7), 20_000))
    wanted = path(method, world, settings, steps=STEPS, start=start, numbers=iter(given))
    ours = run_js(
        "live_triangle",
        f"(() => {{ const [world, settings] = {as_json(world, settings)}; const given = {given}; let i = 0;"
        f"return widget.maths.path('{method}', world, settings, {STEPS}, {start.tolist()}, () => given[i++]); }})()",
    )
    torch.testing.assert_close(torch.tensor(ours, dtype=torch.float64), wanted, rtol=0, atol=1e-6)
    assert float((wanted[-1] - wanted[0]).abs().max()) > 1e-2, "it moved"


def test_the_cases_reach_what_the_settings_change():
    """Two settings that give one path would leave a branch of the page unseen."""
    for method, cases in CASES.items():
        ends = [path(method, three_answers(), Settings(**case), steps=STEPS)[-1] for case in cases]
        for i, one in enumerate(ends):
            assert all(not torch.allclose(one, other, rtol=0, atol=1e-5) for other in ends[:i]), (method, cases[i])


def test_the_page_has_the_methods_and_the_optimum_of_the_rooms(run_js):
    assert run_js("live_triangle", "widget.maths.names") == list(METHODS)
    world = uneven()
    got = run_js("live_triangle", f"widget.maths.bestOf({as_json(world, Settings())}[0])")
    torch.testing.assert_close(torch.tensor(got, dtype=torch.float64), world.best)


@pytest.mark.parametrize("seed", [0, 1, 9999, 2**31])
def test_random_numbers_are_the_pages(run_js, seed):
    script = (
        f"(() => {{ const next = widget.maths.randomNumbers({seed}); return Array.from({{ length: 50 }}, next); }})()"
    )
    assert run_js("live_triangle", script) == list(islice(random_numbers(seed), 50))


def test_draws_follow_the_probabilities():
    probs = torch.tensor([0.15, 0.55, 0.3], dtype=torch.float64)
    shares = draw(probs, 20_000, random_numbers(0)).bincount(minlength=3) / 20_000
    torch.testing.assert_close(shares.double(), probs, rtol=0, atol=0.015)
    assert draw(probs, 4, iter([0.0, 0.15, 0.699999, 0.999999999])).tolist() == [0, 1, 1, 2]


def test_a_draw_of_0_never_gives_what_has_no_probability(run_js):
    """The first place of the table of pairs is (0, 0): a random number of 0 must pass over it."""
    world, settings = uneven(), Settings(pairs=3)
    wanted = path("DPO", world, settings, steps=1, numbers=iter([0.0, 0.0, 0.5]))
    ours = run_js(
        "live_triangle",
        f"(() => {{ const [world, settings] = {as_json(world, settings)}; const given = [0, 0, 0.5]; let i = 0;"
        "return widget.maths.path('DPO', world, settings, 1, world.reference, () => given[i++]); })()",
    )
    torch.testing.assert_close(torch.tensor(ours, dtype=torch.float64), wanted, rtol=0, atol=1e-9)
    assert draw(torch.tensor([0.0, 0.4, 0.6]), 1, iter([0.0])).tolist() == [1]


def tail(method, steps=300, **case):
    world = three_answers()
    return float(lacks(path(method, world, Settings(**case), steps=steps), world)[-steps // 4 :].mean())


@pytest.mark.parametrize(
    ("method", "case"), [("exact", {}), ("exact", {"rate": 1.0}), ("DPO", {}), ("DPO", {"dpo_rate": 20.0})]
)
def test_the_exact_gradient_and_dpo_without_noise_arrive(method, case):
    assert tail(method, **case) < 1e-3


def test_what_keeps_a_method_away_does_so_and_switched_off_lets_it_arrive():
    assert tail("DPO", missing=0) > 0.05 and tail("DPO", flipped=0.2) > 0.01 and tail("DPO", pairs=100) > 0.01
    assert tail("DPO", pairs=100_000) < 1e-3
    assert tail("PPO") > 5e-3 and tail("PPO", whiten=False) < 1e-3
    free = {"std": False, "reweigh": True, "group": 32, "n": 256}
    assert tail("GRPO", **free) < 1e-3
    for cause in ({"std": True}, {"reweigh": False}, {"group": 4}):
        assert tail("GRPO", **free | cause) > 0.01, cause
    noisy = {"rate": 1.0, "n": 4}
    assert tail("REINFORCE", baseline="none", **noisy) > 0.01 and tail("REINFORCE", baseline="mean", **noisy) < 1e-3


def test_the_clip_keeps_no_method_away_here_and_holds_a_whitened_one_still():
    free = {"std": False, "reweigh": True, "group": 32, "n": 256, "rate": 1.0}
    assert tail("GRPO", clip=0.05, **free) < 1e-3 and tail("PPO", whiten=False, clip=0.05, rate=2.0) < 1e-3
    assert tail("PPO", clip=0.05) < tail("PPO", clip=0.2) < tail("PPO", clip=math.inf)


def test_drawn_pairs_are_learned_by_dpos_own_loss():
    """A step on counted pairs is one on dpo_loss of the pairs one by one."""
    world, settings = uneven(), Settings(pairs=50)
    table = pair_table(world.reward, world.reference.exp())
    places = draw(table.flatten(), 50, random_numbers(3))
    logits = world.reference.clone().requires_grad_()
    d = logits.log_softmax(0) - world.reference
    dpo_loss(d[places // 3], d[places % 3], beta=world.beta).backward()
    got = path("DPO", world, settings, steps=1, numbers=random_numbers(3))[1]
    wanted = (world.reference - settings.dpo_rate * logits.grad).log_softmax(0)
    torch.testing.assert_close(got, wanted)
    assert draw_pairs(table, 5, torch.Generator().manual_seed(0)).shape == (5, 2)


def test_the_payload_and_the_words_say_what_is_computed(publish):
    made = live_triangle(("exact", "GRPO"), n=16, clip=math.inf, steps=60)
    state = made._repr_mimebundle_()[0][MIME]["state"]
    assert [each["method"] for each in state["methods"]] == ["exact", "GRPO"]
    assert state["settings"]["n"] == 16 and state["settings"]["clip"] is None
    assert "好 0.457，中 0.505，差 0.037" in made.first_alt and "精确梯度 从 0.505 到" in made.first_alt
    json.dumps(state, allow_nan=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"methods": ()}, "no method"),
        ({"methods": ("TRPO",)}, "unknown method 'TRPO'"),
        ({"names": ("好", "差")}, "3 of each"),
        ({"n": 1}, "n"),
        ({"group": 1}, "group"),
        ({"rate": 0.0}, "rate"),
        ({"flipped": 2.0}, "flipped"),
        ({"baseline": "best"}, "baseline"),
        ({"missing": 3}, "missing"),
        ({"methods": ("GRPO",), "n": 2, "group": 2, "rate": 9.0}, "GRPO holds no numbers any more from step"),
    ],
)
def test_slips_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        live_triangle(**call)
