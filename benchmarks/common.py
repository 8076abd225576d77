"""What the benchmarks share: the machine in words, interleaved timing, medians, and results kept as JSON."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, str | int]:
    """Processor, versions and threads; nothing that names a place or a person."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    said = [line.split(":") for line in info.splitlines() if ":" in line]
    about = {name.strip(): value.strip() for name, value in reversed(said)}
    cpu = "{model name} (family {cpu family}, model {model})".format_map(about) if "cpu family" in about else None
    found = {
        "cpu": cpu or about.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "avx512_bf16": "avx512_bf16" in info,
        "amx_bf16": "amx_bf16" in info,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "clock": "processor seconds" if torch.get_num_threads() == 1 else "wall seconds",
    }
    try:
        import transformers

        found["transformers"] = transformers.__version__
    except ImportError:
        pass
    return found


def seconds(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each piece of work, round after round in turns, so that a slow moment meets all alike. Every other
    round goes backwards, since what came before leaves caches and memory to what comes next.

    With one thread processor seconds, which do not count what other processes take; with more, wall seconds.
    One more round goes before, to warm up, and is not counted.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    found: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):
        for name, run in list(work.items())[:: -1 if turn % 2 else 1]:
            start = clock()
            run()
            if turn:
                found[name].append(clock() - start)
    return found


def rate(times: list[float], amount: float) -> dict[str, float]:
    """Amount a second: the median of the rounds, the slowest and the fastest."""
    return {
        "median": round(amount / statistics.median(times), 1),
        "low": round(amount / max(times), 1),
        "high": round(amount / min(times), 1),
    }


def three_digits(number: float) -> float:
    """Rounded to three digits, wherever they begin: a small share on a fast machine does not become 0."""
    return float(f"{number:.3g}")


def times_as_fast(ours: list[float], theirs: list[float]) -> float:
    """Median over the rounds of their seconds / our seconds."""
    return round(statistics.median(their / our for our, their in zip(ours, theirs, strict=True)), 2)


def beside_transformers(
    ways: Mapping[str, Callable[[], object]], n_tokens: int, rounds: int
) -> tuple[dict, dict[str, list[float]]]:
    """Ways to write the same n_tokens, in turns: what a row says of "ours", "readable" and "transformers", and the
    seconds of all ways, of others that are timed with them too."""
    said: dict = {}
    times = seconds({who: lambda who=who, way=way: said.update({who: way()}) for who, way in ways.items()}, rounds)
    row = {
        "tokens_per_second": {who: rate(times[who], n_tokens) for who in ("ours", "readable", "transformers")},
        "times_as_fast": {who: times_as_fast(times[who], times["transformers"]) for who in ("ours", "readable")},
        "same_tokens": round(float((said["ours"] == said["transformers"]).double().mean()), 4),
    }
    return row, times


def stepper(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """A training step as a function: loss(), backward, clipping, AdamW."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1)

    def step() -> None:
        loss().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def arguments(doc: str) -> argparse.Namespace:
    """--quick: tiny sizes, for the tests. --out: where the JSON goes; quick runs keep none unless asked."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round; kept only with --out")
    parser.add_argument("--out", type=Path, help="the JSON file; benchmarks/results/<name>.json unless quick")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    found = parser.parse_args()
    if found.quick:
        found.rounds = 1
    torch.set_num_threads(found.threads)
    return found


def keep(result: Mapping, name: str, options: argparse.Namespace) -> None:
    path = options.out or (None if options.quick else RESULTS / f"{name}.json")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
