"""The engine trains as the small loop does, goes on to the bit, and loses nothing on Ctrl-C."""

import signal

import pytest
import torch
from torch import nn

from course_lib.foundations.embedding import Embedding
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.training import loop
from course_lib.training.checkpoint import save
from course_lib.training.engine import Settings, train
from course_lib.training.pieces import cut, rows
from course_lib.training.step import decay_groups

SETTINGS = Settings(steps=12, lr=1e-2)


class Small(nn.Module):
    """A language model with dropout, so that it draws chance, and with a norm, biases and a tied table."""

    def __init__(self, dropout: float = 0.2):
        super().__init__()
        self.table = Embedding(7, 8)
        self.norm = nn.LayerNorm(8)
        self.mix = nn.Linear(8, 8)
        self.head = nn.Linear(8, 7)
        self.head.weight = self.table.weight
        self.drop = nn.Dropout(dropout)

    def forward(self, ids):
        return self.head(self.drop(self.mix(self.norm(self.table(ids))).relu()))


def small(dropout: float = 0.2) -> Small:
    torch.manual_seed(0)
    return Small(dropout)


def batches(step: int) -> torch.Tensor:
    return torch.randint(7, (8, 5), generator=torch.Generator().manual_seed(step))


def test_without_the_extras_it_is_the_small_loop():
    plain = loop.train(small(), map(batches, range(12)), steps=12, lr=1e-2, weight_decay=0.0)
    run = train(small(), batches, Settings(steps=12, lr=1e-2, weight_decay=0.0))
    assert run.history == pytest.approx(plain, rel=1e-6)


def test_stopping_and_going_on_gives_the_same_bits(tmp_path):
    path = tmp_path / "run.safetensors"
    whole_model = small()
    whole = train(whole_model, batches, SETTINGS)
    model = small()
    train(model, batches, SETTINGS, path=path, stop=5)
    torch.manual_seed(99)  # another process would be anywhere
    resumed = small()
    run = train(resumed, batches, SETTINGS, path=path)
    assert run.history == whole.history
    for name, tensor in resumed.state_dict().items():
        assert torch.equal(tensor, whole_model.state_dict()[name]), name
    # all of it is needed: without AdamW's state, or with other chance, the losses differ
    torch.manual_seed(0)
    assert train(model, batches, SETTINGS).history[0] != whole.history[5]


def test_a_finished_run_is_only_read(tmp_path):
    path = tmp_path / "run.safetensors"
    first = train(small(), batches, SETTINGS, path=path)
    assert train(small(), None, SETTINGS, path=path).history == first.history


def test_a_checkpoint_of_other_settings_or_another_model_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    train(small(), batches, SETTINGS, path=path, stop=2)
    with pytest.raises(ValueError, match=r"other settings: lr = 0\.01 there and 0\.02 here"):
        train(small(), batches, Settings(steps=12, lr=2e-2), path=path)
    other = small()
    other.mix = nn.Linear(8, 8, bias=False)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(ValueError, match=r"unknown exp_avg\.mix\.bias"):
        train(other, batches, SETTINGS, path=path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())


def gpt(**more) -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(**{"n_vocab": 7, "context": 5, "d_model": 8, "n_layers": 1, "n_heads": 2} | more))


@pytest.mark.parametrize("other", [{"n_heads": 4}, {"dropout": 0.5}])
def test_a_checkpoint_of_another_configuration_is_refused_though_the_tensors_fit(tmp_path, other):
    path = tmp_path / "run.safetensors"
    train(gpt(), batches, SETTINGS, path=path, stop=2)
    (name,) = other
    with pytest.raises(ValueError, match=rf"other settings: {name} = .* there and {other[name]} here"):
        train(gpt(**other), batches, SETTINGS, path=path)
    assert len(train(gpt(), batches, SETTINGS, path=path).history) == 12


def test_a_checkpoint_without_a_training_is_refused(tmp_path):
    save(tmp_path / "weights", {"a": torch.zeros(2)}, {"made_by": {}})
    with pytest.raises(ValueError, match=r"weights says no settings, model, history.*no training can go on from it"):
        train(small(), batches, SETTINGS, path=tmp_path / "weights")


def test_evaluating_changes_nothing_of_the_training(tmp_path):
    """Not the random numbers that follow, not at `stop` either; and figures may be tensors."""
    path = tmp_path / "run.safetensors"

    def evaluate(model):
        return {"drawn": torch.rand(()), "count": 3}

    whole = train(small(), batches, SETTINGS)
    train(small(), batches, SETTINGS, evaluate=evaluate, evaluate_every=2, path=path, stop=5)
    run = train(small(), batches, SETTINGS, evaluate=evaluate, evaluate_every=2, path=path)
    assert run.history == whole.history
    assert [step for step, _ in run.evaluations] == [2, 4, 5, 6, 8, 10, 12]
    assert all(set(map(type, said.values())) == {float} for _, said in run.evaluations)


@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_pieces_make_the_step_of_the_whole_batch(accumulate):
    whole = train(small(0), batches, SETTINGS).history
    pieces = train(small(0), batches, Settings(steps=12, lr=1e-2, accumulate=accumulate)).history
    assert pieces == pytest.approx(whole, rel=1e-5)


def padded_batches(step: int) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(step)
    return {"ids": torch.randint(1, 7, (8, 5), generator=chance), "counts": torch.rand(8, 4, generator=chance) > 0.7}


def padded_loss(model: nn.Module, batch) -> torch.Tensor:
    return loop.next_token_losses(model(batch["ids"]), batch["ids"])[batch["counts"]].mean()


def test_rows_that_count_differently_are_weighed():
    """The mean of means is not the mean."""
    settings, pieces = Settings(steps=6, lr=1e-2), Settings(steps=6, lr=1e-2, accumulate=2)
    whole = train(small(0), padded_batches, settings, loss=padded_loss).history

    def counted(batch):
        return batch["counts"].sum().item()

    weighed = train(small(0), padded_batches, pieces, loss=padded_loss, weigh=counted).history
    careless = train(small(0), padded_batches, pieces, loss=padded_loss).history
    assert weighed == pytest.approx(whole, rel=1e-5)
    assert careless != pytest.approx(whole, rel=1e-3)


def test_only_matrices_decay():
    model = small()
    decays, rests = (group["params"] for group in decay_groups(model, 0.1))
    assert [id(each) for each in decays] == [id(model.mix.weight)]
    assert {id(each) for each in (*decays, *rests)} == {id(each) for each in model.parameters()}


def test_ctrl_c_stops_between_two_steps_and_keeps_all(tmp_path):
    path = tmp_path / "run.safetensors"

    def pressing(step: int):
        if step == 4:
            signal.raise_signal(signal.SIGINT)
        return batches(step)

    whole = train(small(), batches, SETTINGS).history
    run = train(small(), pressing, SETTINGS, path=path)
    assert run.interrupted
    assert run.history == whole[:5]
    assert train(small(), batches, SETTINGS, path=path).history == whole
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_breaks_off_at_once(tmp_path):
    def pressing(step: int):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        return batches(step)

    with pytest.raises(KeyboardInterrupt):
        train(small(), pressing, SETTINGS)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_evaluation_happens_in_eval_mode_without_gradients():
    modes = []

    def evaluate(model):
        modes.append((model.training, torch.is_grad_enabled()))
        return {"accuracy": 0.5}

    model = small()
    run = train(model, batches, SETTINGS, evaluate=evaluate, evaluate_every=5)
    assert run.evaluations == [(5, {"accuracy": 0.5}), (10, {"accuracy": 0.5}), (12, {"accuracy": 0.5})]
    assert set(modes) == {(False, False)} and model.training


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    path = tmp_path / "run.safetensors"

    def nan_at_3(model, ids):
        return loop.next_token_loss(model, ids) * (float("nan") if model.steps == 3 else 1)

    model = small()

    def counting(step: int):
        model.steps = step
        return batches(step)

    with pytest.raises(FloatingPointError, match="nan at step 3; lower lr"):
        train(model, counting, SETTINGS, loss=nan_at_3, path=path, every=1)
    assert all(torch.isfinite(each).all() for each in model.parameters())


@pytest.mark.parametrize("precision", ["bf16", "auto"])
def test_in_mixed_precision_weights_stay_fp32_and_it_learns(precision):

    def constant(step):
        return torch.full((8, 5), 3)

    model = small(0)
    history = train(model, constant, Settings(steps=40, lr=3e-2, precision=precision)).history
    assert history[-1] < 0.2 * history[0]
    assert {each.dtype for each in model.parameters()} == {torch.float32}


def test_bf16_really_computes_in_bf16():
    seen = []
    model = small(0)
    model.mix.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    train(model, batches, Settings(steps=1, lr=1e-2, precision="bf16"))
    assert seen == [torch.bfloat16]


def test_a_short_run_shows_no_bar(capsys):
    train(small(), batches, SETTINGS)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["tensor", "tuple", "dict"])
def test_pieces_together_are_the_batch(kind):
    ids = torch.arange(14).view(7, 2)
    batch = {"tensor": ids, "tuple": (ids, ids[:, 0]), "dict": {"ids": ids}}[kind]
    pieces = cut(batch, 3)
    assert [rows(piece) for piece in pieces] == [3, 2, 2]
    first = {"tensor": lambda x: x, "tuple": lambda x: x[0], "dict": lambda x: x["ids"]}[kind]
    assert torch.equal(torch.cat([first(piece) for piece in pieces]), ids)


def test_refusals_name_the_numbers():
    with pytest.raises(ValueError, match=r"batch of 8 rows cannot be cut in 9"):
        train(small(), batches, Settings(steps=1, lr=1e-2, accumulate=9))
    with pytest.raises(ValueError, match=r"steps \(0\)"):
        Settings(steps=0, lr=1e-2)
    with pytest.raises(ValueError, match=r"precision \('fp8'\)"):
        Settings(steps=1, lr=1e-2, precision="fp8")
