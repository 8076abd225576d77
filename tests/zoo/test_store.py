"""A model is trained once, kept, found again, and never taken for another."""

import signal
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from course_lib import zoo
from course_lib.training.engine import Settings
from course_lib.zoo import code, store
from course_lib.zoo.__main__ import main


def never(step: int):
    raise AssertionError("trained again")


def test_it_is_trained_once_and_then_loaded(home, recipe, use):
    assert zoo.where("sum") is None
    trained = zoo.load("sum", progress=False)
    assert recipe.loss(trained, recipe.batches(5)) < 0.01 and not trained.training
    assert [file.suffix for file in (home / "home" / "zoo").iterdir()] == [".safetensors"]
    use(replace(recipe, batches=never))
    again = zoo.load("sum", progress=False)
    assert torch.equal(again.weight, trained.weight)


def test_other_settings_or_seed_are_another_model(home, recipe, use):
    zoo.load("sum", progress=False)
    for other in (replace(recipe, seed=1), replace(recipe, settings=Settings(steps=99, lr=0.2))):
        use(other)
        assert zoo.where("sum") is None


def test_an_interrupted_training_goes_on_at_the_next_call(home, recipe, use):
    straight = recipe.untrained()
    recipe.train(straight)

    def pressing(step: int):
        if step == 40:
            signal.raise_signal(signal.SIGINT)
        return recipe.batches(step)

    use(replace(recipe, batches=pressing))
    with pytest.raises(KeyboardInterrupt, match="sum: 41 of 150 steps done and kept"):
        zoo.load("sum", progress=False)
    steps = []
    use(replace(recipe, batches=lambda step: steps.append(step) or recipe.batches(step)))
    assert torch.equal(zoo.load("sum", progress=False).weight, straight.weight)
    assert steps[0] == 41


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


def test_the_hash_follows_code_not_comments(tmp_path, monkeypatch):
    root = tmp_path / "course_lib"
    (root / "zoo" / "recipes").mkdir(parents=True)
    (root / "models").mkdir()
    recipe, model = root / "zoo" / "recipes" / "it.py", root / "models" / "it.py"
    recipe.write_text("from course_lib.models import it\nx = it.y\n", encoding="utf-8")
    model.write_text('"""Text."""\ny = 1\n', encoding="utf-8")
    monkeypatch.setattr(code, "ROOT", root)
    first = code.code_hash(recipe)
    model.write_text('"""Other text."""\n# a comment\ny  =  1\n', encoding="utf-8")
    assert code.code_hash(recipe) == first
    assert code.code_hash(recipe, "more") != first
    model.write_text('"""Text."""\ny = 2\n', encoding="utf-8")
    assert code.code_hash(recipe) != first


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
