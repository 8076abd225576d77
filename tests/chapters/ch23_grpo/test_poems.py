"""Chapter 23's poet: GRPO on rules moves it, and the zoo's recipe is the same GRPO."""

import pytest
import torch

from course_lib.chapters.ch23_grpo import poems, poet_grpo
from course_lib.chapters.ch23_grpo.recipe import RECIPES
from course_lib.posttraining.reference import Reference
from course_lib.toys.aligned_poet import without_dropout
from course_lib.toys.poet_policy import train_grpo
from course_lib.toys.rhymes import poem_rewards
from course_lib.training import engine


def test_the_poets_themselves_are_what_the_settings_say():
    own = poems.poets_own()
    assert own["form"] == 1 and 0.75 < own["rhyme"] < 0.85 and own["copied"] < 0.01


def test_a_learned_poet_differs_and_its_start_does_not():
    before = [each.clone() for each in poems.reference().parameters()]
    policy, run = poems.learned(1, rounds=2, P=2, G=3)
    assert set(run.figures) == {"score", "rhyme", "tone", "variety", "kl"} and len(run.history) == 2
    assert all(torch.equal(*pair) for pair in zip(before, poems.reference().parameters()))
    assert not all(torch.equal(*pair) for pair in zip(before, policy.parameters()))
    found = poems.shown(policy, n=8)
    assert found["reward"] == pytest.approx(found["form"] * (found["rhyme"] + found["tone"] + found["variety"]))
    assert found["kl"] > 0


def test_poems_stand_beside_each_other_with_what_they_earn():
    rows = poems.told_apart(poems.reference(), 3, 7)
    for before, after, earned, same in rows:
        assert before == after and earned == same == poem_rewards(**poems.REWARDED)([after], [None])[0].item()
        assert 0 <= earned <= 3


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_the_recipes_loss_is_grpo_of_what_is_written_now(beta, monkeypatch):
    """Two updates of the engine with the loss that writes, and of the on-policy loop on the same poems."""
    monkeypatch.setattr(poet_grpo, "BETA", beta)
    (recipe,) = RECIPES
    one, other = recipe.untrained(), recipe.untrained()
    settings = engine.Settings(steps=2, lr=1e-3, weight_decay=0)
    losses = engine.train(one, recipe.batches, settings, loss=recipe.loss, progress=False).history

    seeded = torch.Generator.manual_seed
    steps = iter(range(2))

    class Draw(torch.Generator):
        def manual_seed(self, seed):
            return seeded(self, 1_009 * next(steps))

    monkeypatch.setattr(torch, "Generator", Draw)
    run = train_grpo(
        other,
        Reference(without_dropout(poems.reference())),
        poem_rewards(**poems.REWARDED),
        settings,
        poet_grpo.WRITING,
        beta=beta,
        progress=False,
    )
    assert run.history == pytest.approx(losses, abs=1e-6)
    for mine, theirs in zip(one.parameters(), other.parameters()):
        torch.testing.assert_close(mine, theirs)


def test_a_batch_is_its_round_and_its_beginnings():
    batch = poet_grpo.batches(5)
    assert batch["step"].tolist() == [5] * 8 and batch["beginning"].tolist() == list(range(8))
