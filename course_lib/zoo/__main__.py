"""Command line: `python -m course_lib.zoo list | train NAME [--ship] | restamp [NAME…] | check [NAME…] [--retrain]`.

`train --stale --ship` brings all that is shipped up to today's code: restamped where 20 steps and the figures come out
the same, trained anew where they do not. Under torchrun or accelerate launch, `train` spreads the work over the
processes they start.
"""

import argparse
import sys

from course_lib.console import speak_chinese
from course_lib.training import checkpoint
from course_lib.training.distributed import STRATEGIES, join
from course_lib.zoo.core import Recipe
from course_lib.zoo.store import (
    get_recipe,
    is_stale,
    load,
    make,
    registry,
    restamp,
    ship,
    shipped_path,
    unfinished_path,
    where,
)


def main(arguments: list[str] | None = None) -> int:
    speak_chinese()
    parser = argparse.ArgumentParser(prog="python -m course_lib.zoo", description="小模型：列出、训练、检查")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="所有配方，权重在哪里，达到的指标")
    train = commands.add_parser("train", help="按配方训练并检查，存入用户缓存")
    train.add_argument("name", nargs="?", metavar="NAME")
    train.add_argument(
        "--stale", action="store_true", help="所有缺失或过期的、随课程发布的模型；能重现前 20 步就不重新训练"
    )
    train.add_argument("--ship", action="store_true", help="同时放进随课程发布的权重")
    train.add_argument("--steps", type=int, help="只做到这一步，留下检查点，下次接着训练")
    train.add_argument("--strategy", choices=STRATEGIES, help="多进程时怎样分工；默认 COURSE_STRATEGY 或 ddp")
    again = commands.add_parser("restamp", help="重现前 20 步损失和指标，一致就记下今天的代码，权重不动")
    again.add_argument("names", nargs="*", metavar="NAME", help="默认：所有过期的、随课程发布的")
    check = commands.add_parser("check", help="测量权重，低于配方的下限就报错")
    check.add_argument("names", nargs="*", metavar="NAME", help="默认：所有随课程发布的")
    check.add_argument("--retrain", action="store_true", help="从头训练后再测量，什么也不写")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "list":
            _list()
        elif chosen.command == "restamp":
            for recipe in map(get_recipe, chosen.names or _stale()):
                print(f"已写入 {restamp(recipe)}", flush=True)
        elif chosen.command == "train":
            if bool(chosen.name) == chosen.stale or (chosen.stale and (chosen.steps is not None or not chosen.ship)):
                parser.error("train 需要模型的名字，或者 --stale --ship（二者选一；--stale 没有 --steps）")
            for name in [chosen.name] if chosen.name else _stale():
                if not (chosen.stale and _restamped(get_recipe(name))):
                    _train(get_recipe(name), chosen.ship, chosen.steps, chosen.strategy)
        else:
            _check(chosen.names or [name for name, each in registry().items() if each.ship], chosen.retrain)
    except (KeyError, ValueError, FileNotFoundError, FloatingPointError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder without permission
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"已中断。{error}", file=sys.stderr)
        return 130
    return 0


def _list() -> None:
    for name, recipe in registry().items():
        file = where(name)
        if file is None:
            state = "尚未训练"
        else:
            _, header = checkpoint.read(file)
            place = "随课程发布" if file == shipped_path(recipe) else "在缓存里"
            place += "（代码已变）" if file == shipped_path(recipe) and is_stale(recipe) else ""
            state = f"{place}，{file.stat().st_size / 1e6:.2f} MB，{_told(header['figures'])}"
        print(f"{name:<16} 第 {recipe.chapter} 章  {recipe.title}（{state}）")


def _train(recipe: Recipe, to_ship: bool, steps: int | None, strategy: str | None) -> None:
    with join(strategy) as world:
        if steps is not None and steps < recipe.settings.steps:
            run = recipe.train(recipe.untrained(), world=world, path=unfinished_path(recipe), steps=steps)
            if world.rank == 0:
                done = f"{len(run.history)} / {recipe.settings.steps} 步，损失 {run.history[-1]:.4f}"
                print(f"{recipe.name}：{done}；检查点在 {unfinished_path(recipe)}")
            return
        model, figures = make(recipe, world=world)
        if world.rank == 0:
            print(f"{recipe.name}：{_told(figures)}")
            if to_ship:
                print(f"已写入 {ship(recipe, model)}")


def _check(names: list[str], retrain: bool) -> None:
    for name in names:
        recipe = get_recipe(name)
        model = recipe.untrained() if retrain else load(name)
        if retrain:
            recipe.train(model)
        print(f"{name}：{_told(recipe.check(model))}", flush=True)


def _stale() -> list[str]:
    return [name for name, recipe in registry().items() if recipe.ship and is_stale(recipe)]


def _restamped(recipe: Recipe) -> bool:
    """Whether what is shipped could be restamped; says why not."""
    try:
        print(f"已写入 {restamp(recipe)}", flush=True)
    except (ValueError, FileNotFoundError) as error:
        print(error.args[0], flush=True)
        return False
    return True


def _told(figures: dict[str, float]) -> str:
    return "，".join(f"{name} {value:.4g}" for name, value in figures.items())


if __name__ == "__main__":
    sys.exit(main())
