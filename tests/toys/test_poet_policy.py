"""GRPO and PPO on poems learn what is rewarded, and a run that was broken off goes on to the bit."""

import copy
import signal

import pytest
import torch

from course_lib import zoo
from course_lib.data.real.poems import tokenizer
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.dapo import dapo_loss
from course_lib.posttraining.ppo import Critic
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rewards import Rewards
from course_lib.posttraining.sft import n_targets
from course_lib.toys.aligned_poet import without_dropout
from course_lib.toys.poet_policy import Writing, train_grpo, train_ppo
from course_lib.training import checkpoint
from course_lib.training.step import Settings

# of the characters those whose number is even: what a model that has read nothing does half of the time
EVEN = Rewards({"even": (1.0, lambda text, _: sum(ord(character) % 2 == 0 for character in text) / len(text))})
# a poem of five takes 24 characters with its marks, and the zoo's poet writes more of seven
SHORT_POEMS = Rewards({"five": (1.0, lambda text, _: float(len(text) == 24))})
FAST = Settings(steps=24, lr=2e-3, weight_decay=0.0)
SHORT = Settings(steps=8, lr=0.02, weight_decay=0.0)
WRITING = Writing(P=4, G=4, epochs=2, length=2)


def tiny() -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(n_vocab=tokenizer().n_vocab, context=40, d_model=12, n_layers=1, n_heads=2))


def critic_of(actor: GPT2) -> Critic:
    torch.manual_seed(1)
    return Critic(copy.deepcopy(actor))


def grpo(policy: GPT2, settings: Settings, rewards: Rewards = EVEN, *, reference: GPT2 | None = None, **more):
    return train_grpo(policy, Reference(reference or policy), rewards, settings, WRITING, progress=False, **more)


def ppo(policy: GPT2, settings: Settings, rewards: Rewards = EVEN, *, reference: GPT2 | None = None, **more):
    before = Reference(reference or policy)
    return train_ppo(policy, critic_of(policy), before, rewards, settings, WRITING, beta=0.01, progress=False, **more)


@pytest.mark.parametrize(
    "how", [grpo, ppo, lambda *a, **more: grpo(*a, loss=dapo_loss, weigh=n_targets, beta=0.001, **more)]
)
def test_what_is_rewarded_grows(how):
    run = how(without_dropout(zoo.load("poet")), FAST, SHORT_POEMS)
    score = run.figures["score"]
    assert score == run.figures["five"]
    assert sum(score[-6:]) / 6 > sum(score[:4]) / 4 + 0.3, score
    assert score[::2] == score[1::2] and len(set(score)) > 2, "two updates on each writing"


def test_beta_holds_the_policy():
    held = grpo(without_dropout(zoo.load("poet")), FAST, SHORT_POEMS, beta=5.0).figures
    assert sum(held["five"][-6:]) / 6 < sum(held["five"][:4]) / 4 + 0.2
    assert held["kl"][0] < 1e-3


@pytest.mark.parametrize("how", [ppo, lambda *a, **more: grpo(*a, beta=0.1, **more)])
def test_a_run_that_was_broken_off_goes_on_to_the_bit(how, tmp_path):
    """With the reference of its start, whatever reference it is given then."""
    whole, path = tiny(), tmp_path / "run.safetensors"
    expected = how(whole, SHORT, reference=tiny())

    def interrupt(_) -> dict[str, float]:
        if not interrupted:
            interrupted.append(True)
            signal.raise_signal(signal.SIGINT)
        return {}

    interrupted, parts = [], tiny()
    with pytest.raises(KeyboardInterrupt, match="4 of 8"):  # heard in the round after the evaluation
        how(parts, SHORT, reference=tiny(), path=path, evaluate=interrupt, evaluate_every=1)
    with torch.no_grad():
        for parameter in parts.parameters():
            parameter.zero_()
    run = how(parts, SHORT, reference=parts, path=path)
    assert run.history == expected.history and run.figures == expected.figures
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters()))


def test_what_a_round_begins_with_does_not_depend_on_the_parts():
    whole, halves = Writing(P=4, seed=3), Writing(P=4, parts=2, seed=3)
    assert halves.begun(5, 0) + halves.begun(5, 1) == whole.begun(5, 0) != whole.begun(6, 0)
    assert len(set(halves.begun(5, 0) + halves.begun(5, 1))) == 4
    with pytest.raises(ValueError, match=r"P \(4\) must be a multiple of parts \(3\)"):
        Writing(P=4, parts=3)


def test_what_is_rewarded_grows_in_parts_too():
    policy, writing = without_dropout(zoo.load("poet")), Writing(P=4, G=4, epochs=2, parts=2, length=2)
    score = train_grpo(policy, Reference(policy), SHORT_POEMS, FAST, writing, progress=False).figures["score"]
    assert sum(score[-6:]) / 6 > sum(score[:4]) / 4 + 0.3, score


def test_a_rule_that_fails_stops_the_run_before_it_learns_and_it_goes_on_when_mended(tmp_path):
    path, calls = tmp_path / "run.safetensors", []

    def failing(text: str, _) -> float:
        calls.append(text)
        return float("nan") if len(calls) > 16 else EVEN.rules["even"][1](text, _)

    with pytest.raises(ValueError, match="even says nan"):
        grpo(tiny(), SHORT, Rewards({"even": (1.0, failing)}), path=path)
    assert len(checkpoint.read(path)[1]["history"]) == 2
    assert grpo(tiny(), SHORT, path=path).history == grpo(tiny(), SHORT).history


def test_a_poet_with_dropout_is_refused():
    torch.manual_seed(0)
    config = GPT2Config(n_vocab=tokenizer().n_vocab, context=40, d_model=12, n_layers=1, n_heads=2, dropout=0.1)
    with pytest.raises(ValueError, match="dropout"):
        grpo(GPT2(config), SHORT)


def test_the_reference_stands_still():
    reference = Reference(tiny())
    before = copy.deepcopy(reference.state_dict())
    train_grpo(tiny(), reference, EVEN, SHORT, WRITING, beta=0.1, progress=False)
    assert all(torch.equal(each, before[name]) for name, each in reference.state_dict().items())
