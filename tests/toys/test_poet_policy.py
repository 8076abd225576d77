"""GRPO and PPO learn what is rewarded through the engine, and a run that was broken off goes on to the bit."""

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
from course_lib.training.step import Settings

# of the characters those whose number is even: what a model that has read nothing does half of the time
EVEN = Rewards({"even": (1.0, lambda text, _: sum(ord(character) % 2 == 0 for character in text) / len(text))})
# a poem of five takes 24 characters with its marks, and the zoo's poet writes more of seven
SHORT_POEMS = Rewards({"five": (1.0, lambda text, _: float(len(text) == 24))})
FAST = Settings(steps=24, lr=2e-3, weight_decay=0.0)
SHORT = Settings(steps=7, lr=0.02, weight_decay=0.0)
WRITING = Writing(P=4, G=4, updates=2, length=2)


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
    assert score[::2] == score[1::2] and len(set(score)) > 4, "two updates on each writing"


def test_beta_holds_the_policy():
    held = grpo(without_dropout(zoo.load("poet")), FAST, SHORT_POEMS, beta=5.0).figures
    assert sum(held["five"][-6:]) / 6 < sum(held["five"][:4]) / 4 + 0.2
    assert held["kl"][0] < 1e-3


@pytest.mark.parametrize("how", [grpo, ppo])
@pytest.mark.parametrize("after", [3, 4])
def test_a_run_that_was_broken_off_goes_on_to_the_bit(how, after, tmp_path):
    """After 3 updates the second one on a writing is still to come, and its answers are no longer those that the policy
    would write."""
    whole, parts, path = tiny(), tiny(), tmp_path / "run.safetensors"
    expected = how(whole, SHORT, reference=tiny())
    first, asked = Interrupting(after), dict(reference=tiny(), path=path, every=2, evaluate_every=1)
    with pytest.raises(KeyboardInterrupt, match=f"{after} of 7"):
        how(parts, SHORT, evaluate=first, **asked)
    with torch.no_grad():
        for parameter in parts.parameters():
            parameter.zero_()
    run = how(parts, SHORT, **asked)
    assert run.history == expected.history and run.figures == expected.figures
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters()))


class Interrupting:
    """An evaluation that presses Ctrl-C before update `after` ends."""

    def __init__(self, after: int):
        self.left = after - 2  # it is heard in the next update

    def __call__(self, model) -> dict[str, float]:
        if not self.left:
            signal.raise_signal(signal.SIGINT)
        self.left -= 1
        return {}


def test_a_checkpoint_in_the_middle_of_a_writing_is_refused_before_anything_is_done(tmp_path):
    with pytest.raises(ValueError, match=r"every \(3\) must be a multiple of updates \(2\)"):
        grpo(tiny(), SHORT, path=tmp_path / "run.safetensors", every=3)


def test_a_writing_of_another_step_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        grpo(tiny(), SHORT, path=path, every=2, evaluate_every=1, evaluate=Interrupting(3))
    other = tmp_path / "other.safetensors"
    grpo(tiny(), SHORT, path=other, every=2)
    other.with_suffix(".writing.safetensors").replace(path.with_suffix(".writing.safetensors"))
    with pytest.raises(ValueError, match="step 6, step 2 is needed"):
        grpo(tiny(), SHORT, path=path, every=2)


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
