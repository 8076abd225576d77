"""Every benchmark runs at tiny sizes, and what is stored has the layout that chapters and benchmarks/README.md read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RESULTS = BENCHMARKS / "results"
NAMES = ("decoding", "generation", "training", "vision", "multimodal", "posttraining", "posttraining_curves")


def is_rate(found: dict) -> bool:
    return set(found) == {"median", "low", "high"} and 0 < found["low"] <= found["median"] <= found["high"]


def check_machine(result: dict) -> None:
    machine = result["machine"]
    assert {"cpu", "cores", "threads", "python", "torch", "transformers"} <= set(machine)
    assert not any("/" in str(value) for value in machine.values()), "a path or an address of a machine"


def check_against(rows: list[dict], *names: str) -> None:
    for row in rows:
        assert set(names) <= set(row)
        assert set(row["tokens_per_second"]) == {"ours", "readable", "transformers"}
        assert all(is_rate(found) for found in row["tokens_per_second"].values())
        assert set(row["times_as_fast"]) == {"ours", "readable"}


def check_decoding(result: dict) -> None:
    check_against(result["against_transformers"], "model", "design", "batch", "same_tokens", "share_of_reading")
    assert {row["design"] for row in result["against_transformers"]} == {"MHA", "GQA", "MQA", "MLA"}
    for found in result["over_context"]:
        assert set(found["tokens_per_second"]) == set(found["cached_numbers"]) == {"MHA", "GQA", "MQA", "MLA"}
        for rates in found["tokens_per_second"].values():
            assert len(rates) == len(found["contexts"]) and all(is_rate(rate) for rate in rates)


def check_generation(result: dict) -> None:
    check_against(result["against_transformers"], "model", "way", "batch", "same_tokens")
    assert {row["way"] for row in result["against_transformers"]} == {"greedy", "sampling"}


def check_training(result: dict) -> None:
    peers = {"nanogpt_style", "nanogpt_tanh", "transformers", "torch_encoder"}
    for row in result["steps"]:
        assert row["parameters"] > 0 and set(row["best_over_their_fp32"]) == peers
        for kind, found in row["tokens_per_second"].items():
            assert set(found) == {"ours", *peers} and all(is_rate(each) for each in found.values())
            assert set(row["times_as_fast"][kind]) == peers and 0 < row["share_of_peak"][kind] < 1


def check_vision(result: dict) -> None:
    peers = ({"vit_pytorch_style", "torch_encoder"}, {"vit_pytorch_style", "open_clip_style"})
    for row, names in zip(result["steps"], peers, strict=True):
        names = names | {"transformers"}
        assert row["parameters"] > 0 and set(row["best_over_their_fp32"]) == names
        for kind, found in row["images_per_second"].items():
            assert set(found) == {"ours", *names} and all(is_rate(each) for each in found.values())
            assert set(row["times_as_fast"][kind]) == names
    assert {row["processor"] for row in result["preparing"]} == {"ViT", "CLIP", "SigLIP"}
    for row in result["preparing"]:
        assert set(row["images_per_second"]) == {"ours", "transformers"} and row["times_as_fast"] > 0


def check_multimodal(result: dict) -> None:
    check_against(result["against_transformers"], "model", "way", "batch", "same_tokens")
    names = [row["model"].split()[0] for row in result["steps"]]
    assert set(names) == {"LLaVA", "Qwen2-VL", "Qwen2.5-VL"}
    assert [row["model"] for row in result["steps"]] == [row["model"] for row in result["against_transformers"]]
    for row in result["steps"]:
        assert set(row["texts_per_second"]) == {"ours", "transformers"} and row["times_as_fast"] > 0
        assert all(is_rate(each) for each in row["texts_per_second"].values()) and row["parameters"] > 0


def check_posttraining(result: dict) -> None:
    for row in result["steps"]:
        parts = ("step", "roll_out", "update") if row["way"] in ("GRPO", "PPO") else ("step",)
        assert tuple(row["milliseconds"]) == tuple(row["times_as_fast"]) == parts
        for part in parts:
            assert all(is_rate(row["milliseconds"][part][who]) for who in ("ours", "trl"))
            assert is_rate(row["times_as_fast"][part])
        assert is_rate(row["best_over_their_best"])
        shares = [row["share_of_peak"], *([row["share_of_roll_out"]] if len(parts) > 1 else [])]
        assert all(0 < share[who] < 1 for share in shares for who in ("ours", "trl"))
    models = {row["model"] for row in result["steps"]}
    for model in models:
        ways = [row["way"] for row in result["steps"] if row["model"] == model and row["type"] == "fp32"]
        assert ways == ["SFT", "DPO", "GRPO", "PPO"]
    assert models == set(result["settings"]["tasks"])


def check_posttraining_curves(result: dict) -> None:
    assert [row["way"] for row in result["rewards"]] == ["GRPO", "DPO"]
    for row in result["rewards"]:
        for who in ("ours", "trl"):
            assert len(row[who]["end"]) == result["settings"]["seeds"][row["way"]] and all(
                0 <= end <= 1 for end in row[who]["end"]
            )
            assert len(row[who]["curve"]) == result["settings"]["steps"]
        assert row["within"] >= 0


CHECKS = {
    "decoding": check_decoding,
    "generation": check_generation,
    "training": check_training,
    "vision": check_vision,
    "multimodal": check_multimodal,
    "posttraining": check_posttraining,
    "posttraining_curves": check_posttraining_curves,
}
UNITS = {"vision": "images/s", "posttraining": "step ms", "posttraining_curves": "standard errors"}


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_at_tiny_sizes(name, tmp_path):
    out = tmp_path / "result.json"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=BENCHMARKS.parent, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert UNITS.get(name, "tokens/s") in done.stdout
    result = json.loads(out.read_text(encoding="utf-8"))
    check_machine(result)
    CHECKS[name](result)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_has_the_layout_that_is_read(name):
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    check_machine(result)
    CHECKS[name](result)


def test_stored_decoding_was_measured_in_full_and_never_slower():
    result = json.loads((RESULTS / "decoding.json").read_text(encoding="utf-8"))
    rows = result["against_transformers"]
    assert {(row["model"], row["batch"]) for row in rows} == {(m, b) for m in ("L4 d128", "L2 d64") for b in (1, 64)}
    assert min(row["times_as_fast"]["ours"] for row in rows) >= 1
    assert min(row["times_as_fast"]["ours"] for row in rows if row["batch"] == 1) >= 2
    assert min(row["same_tokens"] for row in rows) >= 0.99
    for found in result["over_context"]:  # a longer context costs more, and MHA keeps most
        assert found["contexts"] == sorted(found["contexts"]) and found["contexts"][-1] >= 2048
        for rates in found["tokens_per_second"].values():
            assert rates[-1]["median"] < rates[0]["median"]


def test_stored_training_and_generation_were_measured_in_full():
    training, generation = (
        json.loads((RESULTS / f"{n}.json").read_text(encoding="utf-8")) for n in ("training", "generation")
    )
    assert [row["parameters"] > 5_000_000 for row in training["steps"]] == [False, True]
    assert {row["batch"] for row in generation["against_transformers"]} == {1, 64}
    assert min(row["times_as_fast"]["ours"] for row in generation["against_transformers"]) >= 1


def test_stored_vision_was_measured_in_full_and_never_slower():
    result = json.loads((RESULTS / "vision.json").read_text(encoding="utf-8"))
    assert [row["parameters"] > 800_000 for row in result["steps"]] == [True, True]
    for row in result["steps"]:
        assert row["batch"] == 128 and min(row["times_as_fast"]["fp32"].values()) >= 1
    assert len(result["preparing"]) == 9 and min(row["times_as_fast"] for row in result["preparing"]) >= 1


def test_stored_posttraining_was_measured_in_full_and_never_slower():
    """In the fastest type of each side; fp32 alone is bound by the same products on both."""
    result = json.loads((RESULTS / "posttraining.json").read_text(encoding="utf-8"))
    assert {row["model"] for row in result["steps"]} == {"L4 d128", "L2 d64"}
    assert min(row["best_over_their_best"]["median"] for row in result["steps"]) >= 1
    for row in result["steps"]:
        if row["way"] in ("GRPO", "PPO"):
            assert row["times_as_fast"]["roll_out"]["median"] >= 1


def test_our_trainers_reach_the_rewards_of_trl():
    """Within the seeds' spread; DPO, whose batches are the same, along the whole curve."""
    result = json.loads((RESULTS / "posttraining_curves.json").read_text(encoding="utf-8"))
    grpo, dpo = result["rewards"]
    assert min(result["settings"]["seeds"].values()) >= 3 and max(grpo["within"], dpo["within"]) < 2.5
    assert dpo["ours"]["curve"] == pytest.approx(dpo["trl"]["curve"], abs=2e-3)
    for row in (grpo, dpo):
        assert min(min(row[who]["end"]) for who in ("ours", "trl")) > result["settings"]["before"] + 0.05


def test_the_tables_are_those_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import tables

    text = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    assert tables.filled(text) == text, "run python benchmarks/tables.py"
    assert "| L4 d128 | GQA | 64 |" in text


def test_stored_answers_are_transformers_own_and_twice_as_fast():
    rows = json.loads((RESULTS / "multimodal.json").read_text(encoding="utf-8"))["against_transformers"]
    assert min(row["times_as_fast"]["ours"] for row in rows) >= 2 and {row["batch"] for row in rows} == {1}
    assert min(row["same_tokens"] for row in rows) >= 0.99
