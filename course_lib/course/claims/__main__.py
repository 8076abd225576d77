"""Command line: `python -m course_lib.course.claims list | run ID… [--quick] | run --stale [--jobs N] | show ID`."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any

from course_lib.console import speak_chinese
from course_lib.course import claims
from course_lib.course.claims.jobs import in_processes


def main(arguments: list[str] | None = None) -> int:
    speak_chinese()
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.course.claims", description="主张与证据：列出、运行、查看"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="所有主张、结论，记录是否过期")
    run = commands.add_parser("run", help="运行实验并写入记录")
    run.add_argument("ids", nargs="*", metavar="ID")
    run.add_argument("--quick", action="store_true", help="快速版，只显示，不写记录")
    run.add_argument(
        "--stale",
        action="store_true",
        help="所有缺失或过期的记录：代码变了先重现一个种子，一致就留下记录；只有文字或判据变了就只重新判断",
    )
    run.add_argument("--jobs", type=int, default=1, metavar="N", help="同时运行几个实验，每个一个进程、一个线程")
    commands.add_parser("show", help="显示记录").add_argument("id", metavar="ID")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "list":
            _list()
        elif chosen.command == "show":
            print(claims.show(chosen.id))
        elif bool(chosen.ids) == chosen.stale or (chosen.quick and chosen.stale):
            parser.error("run 需要主张编号，或者 --stale（二者选一；--stale 没有快速版）")
        elif chosen.jobs < 1:
            parser.error(f"--jobs {chosen.jobs}：至少 1")
        else:
            return _run(chosen.ids, chosen.quick, chosen.jobs)
    except (KeyError, FileNotFoundError, ValueError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("已中断；完成的种子已保存，再次运行会接着算。", file=sys.stderr)
        return 130
    return 0


def _list() -> None:
    for claim_id, claim in claims.registry().items():
        try:
            verdict = claims.outcome_text(claims.load_record(claim_id))
            state = "过期" if claims.is_stale(claim_id) else "最新"
        except FileNotFoundError:
            verdict, state = "—", "无记录"
        print(f"{claim_id:<5} 第 {claim.chapter} 章  {verdict}（{state}）  {claim.title}")


def _run(ids: list[str], quick: bool, jobs: int) -> int:
    """Run and show what comes of it, one claim after the other as they end; 2 if one of several at once failed."""
    if ids:
        work, names = partial(claims.run, quick=quick), list(map(claims.known_id, ids))
    else:
        work, names = claims.refresh, list(filter(claims.is_stale, claims.experiment_files()))
    if jobs == 1:
        for name in names:
            _show(work(name))
        return 0
    failed = []
    for number, (name, outcome) in enumerate(in_processes(partial(work, progress="lines"), names, jobs), 1):
        print(f"── {number}/{len(names)}", end="  ")
        if isinstance(outcome, Exception):
            failed.append(name)
            print(f"{name}：{type(outcome).__name__}: {outcome}", end="\n\n", flush=True)
        else:
            _show(outcome)
    if failed:
        print(f"没有完成：{'、'.join(failed)}", file=sys.stderr)
    return 2 if failed else 0


def _show(record: dict[str, Any]) -> None:
    how = record["code"][-1]
    print(claims.render_text(record))
    if "reproduced" in how:
        print(f"{how['date']} 用种子 {how['reproduced']} 重现了记录，数字一个未变")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
