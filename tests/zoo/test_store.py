"""A model is trained once, kept, found again, and never taken for another."""

import signal
from dataclasses import replace
from datetime import date
from functools import partial

import pytest
import torch
from safetensors import safe_open

from course_lib import zoo
from course_lib.training import checkpoint
from course_lib.training.engine import Settings
from course_lib.zoo import store
from course_lib.zoo.__main__ import main


def conftest_loss(model, batch):
    """What the toy of conftest.py minimises."""
    return (model(batch) - 3 * batch.sum(-1, keepdim=True)).square().mean()


def never(step: int):
    raise AssertionError("trained again")


def test_it_is_trained_once_and_then_loaded(home, recipe, before_step):
    assert zoo.where("sum") is None
    trained = zoo.load("sum", progress=False)
    assert recipe.loss(trained, recipe.batches(5)) < 0.01 and not trained.training
    assert [file.suffix for file in (home / "home" / "zoo").iterdir()] == [".safetensors"]
    before_step(never)
    again = zoo.load("sum", progress=False)
    assert torch.equal(again.weight, trained.weight)


def test_other_settings_or_seed_are_another_model(home, recipe, use):
    zoo.load("sum", progress=False)
    for other in (replace(recipe, seed=1), replace(recipe, settings=Settings(steps=99, lr=0.2))):
        use(other)
        assert zoo.where("sum") is None


def test_an_interrupted_training_goes_on_at_the_next_call(home, recipe, before_step):
    straight = recipe.untrained()
    recipe.train(straight)
    steps = []

    def press_once(step: int):
        steps.append(step)
        if steps.count(40) == 1 and step == 40:
            signal.raise_signal(signal.SIGINT)

    before_step(press_once)
    with pytest.raises(KeyboardInterrupt, match="sum: 41 of 150 steps done and kept"):
        zoo.load("sum", progress=False)
    assert torch.equal(zoo.load("sum", progress=False).weight, straight.weight)
    assert steps[:151] == [*range(150), 1000]  # nothing twice; 1000 is what measure draws


def test_a_shipped_model_is_rounded_checked_and_preferred(home, recipe, use):
    model, _ = store.make(recipe, progress=False)
    file = store.ship(recipe, model)
    assert zoo.where("sum") == file
    with safe_open(file, framework="pt") as opened:
        assert {opened.get_tensor(name).dtype for name in opened.keys()} == {torch.float16}  # noqa: SIM118
    loaded = zoo.load("sum")
    assert loaded.weight.dtype == torch.float32
    assert torch.equal(loaded.weight, model.weight.half().float())
    use(replace(recipe, seed=1))
    with pytest.raises(ValueError, match="other settings: seed = 0 there and 1 here"):
        zoo.load("sum")


def test_too_poor_and_too_large_models_do_not_ship(home, recipe, monkeypatch):
    with pytest.raises(ValueError, match=r"closeness is -.*, at least -0\.01 expected; train it anew"):
        store.ship(recipe, recipe.untrained())
    model, _ = store.make(recipe, progress=False)
    monkeypatch.setattr(store, "LARGEST_SHIPPED", 5)
    with pytest.raises(ValueError, match="sum has 6 bytes, at most 5 ship"):
        store.ship(recipe, model)
    assert not store.shipped_path(recipe).exists()


def test_a_training_that_does_not_reach_its_figures_is_not_kept(home, recipe, use):
    use(replace(recipe, at_least={"closeness": 1.0}))
    with pytest.raises(ValueError, match=r"at least 1\.0 expected"):
        zoo.load("sum", progress=False)
    assert zoo.where("sum") is None


@pytest.mark.parametrize("moment", ["check", "write"])
def test_hours_of_training_outlive_a_death_before_the_weights_are_written(home, recipe, use, monkeypatch, moment):
    """A full disk, a kill: the next call only checks and writes."""

    def die(*args):
        raise OSError("disk full")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="disk full"):
        owner, name = {"check": (zoo.Recipe, "check"), "write": (store, "write_weights")}[moment]
        patched.setattr(owner, name, die)
        zoo.load("sum", progress=False)
    use(replace(recipe, batches=never))
    zoo.load("sum", progress=False)
    assert [file.name for file in (home / "home" / "zoo").iterdir()] == [zoo.where("sum").name]


def test_a_training_that_was_too_poor_says_what_to_delete(home, recipe, use):
    poor = replace(recipe, at_least={"closeness": 1.0})
    use(poor)
    with pytest.raises(ValueError, match="after you have deleted") as error:
        zoo.load("sum", progress=False)
    assert str(store.unfinished_path(poor)) in str(error.value) and store.unfinished_path(poor).exists()


def test_what_ships_is_checked_as_it_ships(home, recipe):
    """A figure that only the unrounded weights reach."""
    model, _ = store.make(recipe, progress=False)
    exact = model.weight.detach().clone()
    assert not torch.equal(exact, exact.half().float())
    picky = replace(
        recipe, measure=lambda model: {"exact": float(torch.equal(model.weight, exact))}, at_least={"exact": 1.0}
    )
    picky.check(model)
    with pytest.raises(ValueError, match=r"exact is 0\.0"):
        store.ship(picky, model)
    assert not store.shipped_path(picky).exists()


@pytest.mark.parametrize("steps", ["0", "-5"])
def test_no_steps_are_refused_in_one_line(home, capsys, steps):
    assert main(["train", "sum", "--steps", steps]) == 2
    assert capsys.readouterr().err == f"stop ({steps}) must be at least 1\n"


def test_a_disk_that_cannot_be_written_is_told_in_one_line(home, capsys, monkeypatch):
    monkeypatch.setenv("COURSE_HOME", "/dev/null/home")
    assert main(["train", "sum", "--steps", "1"]) == 2
    assert "/dev/null" in capsys.readouterr().err


def test_a_figure_that_is_no_number_is_too_poor(recipe):
    with pytest.raises(ValueError, match="closeness is nan"):
        replace(recipe, measure=lambda model: {"closeness": float("nan")}).check(recipe.untrained())
    with pytest.raises(ValueError, match="closeness is None"):
        replace(recipe, measure=lambda model: {}).check(recipe.untrained())


def test_building_leaves_chance_as_it_was(recipe):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = recipe.untrained(), recipe.untrained()
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unknown_name_is_answered_with_the_known_ones(home):
    with pytest.raises(KeyError, match="no recipe 'summ'; there are sum"):
        zoo.load("summ")


@pytest.mark.parametrize("part", ["build", "batches", "loss", "weigh", "measure"])
def test_another_way_to_make_it_is_another_model(home, recipe, use, part):
    zoo.load("sum", progress=False)
    before = recipe.code()
    use(other := replace(recipe, **{part: lambda *given: None}))
    assert other.code() != before and zoo.where("sum") is None


def test_the_size_that_a_recipe_is_built_in_counts(recipe):
    sizes = [replace(recipe, build=partial(torch.nn.Linear, size, 1)).code() for size in (2, 3, 2)]
    assert sizes[0] == sizes[2] != sizes[1]


def test_a_shipped_model_names_its_code_and_its_first_losses(home, recipe, use):
    assert store.is_stale(recipe)
    model, _ = store.make(recipe, progress=False)
    _, header = checkpoint.read(store.ship(recipe, model))
    history = recipe.train(recipe.untrained(), progress=False).history
    assert header["first_losses"] == pytest.approx(history[:20], rel=1e-5) and len(header["first_losses"]) == 20
    assert header["code"] == [{"code": recipe.code(), "date": date.today().isoformat()}]
    assert not store.is_stale(recipe)
    for other in (replace(recipe, loss=same_loss), replace(recipe, seed=1)):
        assert store.is_stale(other)


def same_loss(model, batch):
    """The same number by other words."""
    return conftest_loss(model, batch) * 1.0


def other_loss(model, batch):
    return conftest_loss(model, batch) * 1.001


def other_measure(model):
    return {"closeness": -1e-9}


def test_code_that_trains_the_same_is_written_beside_the_old_and_the_tensors_stay(home, recipe, use):
    model, _ = store.make(recipe, progress=False)
    file = store.ship(recipe, model)
    before, old = checkpoint.read(file)
    restated = replace(recipe, loss=same_loss)
    use(restated)
    assert store.restamp(restated) == file
    after, new = checkpoint.read(file)
    assert new["code"] == [*old["code"], {"code": restated.code(), "date": date.today().isoformat(), "reproduced": 20}]
    assert new | {"code": old["code"]} == old
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert not store.is_stale(restated) and not store.is_stale(recipe)
    assert zoo.load("sum").weight is not None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"loss": other_loss}, r"the loss of step 0 was .* and is .*; train it anew: .* train sum --ship"),
        ({"measure": other_measure}, r"closeness was .* and is -1e-09; train it anew"),
        ({"seed": 1}, r"made with other settings: seed = 0 there and 1 here"),
    ],
)
def test_code_that_trains_otherwise_is_not_stamped(home, recipe, change, told):
    model, _ = store.make(recipe, progress=False)
    before = store.ship(recipe, model).read_bytes()
    with pytest.raises(ValueError, match=told):
        store.restamp(replace(recipe, **change))
    assert store.shipped_path(recipe).read_bytes() == before


def test_a_loss_tampered_in_its_last_digit_is_refused(home, recipe):
    model, _ = store.make(recipe, progress=False)
    file = store.ship(recipe, model)
    tensors, header = checkpoint.read(file)
    header["first_losses"][7] = float(f"{header['first_losses'][7] * (1 + 1e-5):.5e}")
    checkpoint.save(file, tensors, header)
    with pytest.raises(ValueError, match="the loss of step 7 was"):
        store.restamp(recipe)


def test_what_was_shipped_before_losses_were_kept_is_stale_and_trained_anew(home, recipe, capsys):
    model, _ = store.make(recipe, progress=False)
    file = store.ship(recipe, model)
    tensors, header = checkpoint.read(file)
    del header["code"], header["first_losses"]
    checkpoint.save(file, tensors, header)
    assert store.is_stale(recipe) and zoo.load("sum") is not None
    assert main(["restamp"]) == 2
    assert "without the losses of its first steps" in capsys.readouterr().err
    assert main(["train", "--stale", "--ship"]) == 0
    assert not store.is_stale(recipe) and "first_losses" in checkpoint.read(file)[1]
    capsys.readouterr()
    assert main(["train", "--stale", "--ship"]) == 0
    assert capsys.readouterr().out == ""


def test_stale_models_are_restamped_where_they_can_be(home, recipe, use, before_step):
    store.ship(recipe, store.make(recipe, progress=False)[0])
    use(replace(recipe, loss=same_loss))
    steps = []
    before_step(steps.append)
    assert main(["train", "--stale", "--ship"]) == 0
    assert steps == [*range(20), 1000]


@pytest.mark.parametrize(
    "usage", ["train", "train sum --stale --ship", "train --stale", "train --stale --ship --steps 3"]
)
def test_bad_usage_is_refused(home, usage):
    with pytest.raises(SystemExit, match="2"):
        main(usage.split())


def test_the_command_line(home, capsys):
    assert main(["list"]) == 0
    assert "尚未训练" in capsys.readouterr().out
    assert main(["train", "sum", "--steps", "20"]) == 0
    assert "20 / 150 步" in capsys.readouterr().out
    assert main(["train", "sum", "--ship"]) == 0
    assert main(["list"]) == 0
    assert "随课程发布" in capsys.readouterr().out
    assert main(["check"]) == 0
    assert main(["check", "--retrain"]) == 0
    assert main(["check", "nothing"]) == 2
    assert "no recipe 'nothing'" in capsys.readouterr().err
