"""Command line: `python -m course_lib.course.claims list | run ID… [--quick] | run --stale | show ID`."""

from __future__ import annotations

import argparse
import sys

from course_lib.course import claims


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course_lib.course.claims", description="主张与证据：列出、运行、查看"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="所有主张、结论，记录是否过期")
    run = commands.add_parser("run", help="运行实验并写入记录")
    run.add_argument("ids", nargs="*", metavar="ID")
    run.add_argument("--quick", action="store_true", help="快速版，只显示，不写记录")
    run.add_argument("--stale", action="store_true", help="所有缺失或过期的记录；只有文字或判据变了就只重新判断")
    commands.add_parser("show", help="显示记录").add_argument("id", metavar="ID")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "list":
            _list()
        elif chosen.command == "show":
            print(claims.show(chosen.id))
        elif bool(chosen.ids) == chosen.stale or (chosen.quick and chosen.stale):
            parser.error("run 需要主张编号，或者 --stale（二者选一；--stale 没有快速版）")
        else:
            _run(chosen.ids, chosen.quick)
    except (KeyError, FileNotFoundError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("已中断；完成的种子已保存，再次运行会接着算。", file=sys.stderr)
        return 130
    return 0


def _list() -> None:
    for claim_id, claim in claims.registry().items():
        try:
            verdict = claims.OUTCOMES[claims.load_record(claim_id)["verdict"]]
            state = "过期" if claims.is_stale(claim_id) else "最新"
        except FileNotFoundError:
            verdict, state = "—", "无记录"
        print(f"{claim_id:<5} 第 {claim.chapter} 章  {verdict}（{state}）  {claim.title}")


def _run(ids: list[str], quick: bool) -> None:
    files = claims.experiment_files()
    if not ids:
        for claim_id in filter(claims.is_stale, files):
            print(claims.render_text(claims.refresh(claim_id)), end="\n\n")
    for claim_id in map(claims.known_id, ids):
        print(claims.render_text(claims.run(claim_id, quick=quick)), end="\n\n")


if __name__ == "__main__":
    sys.exit(main())
