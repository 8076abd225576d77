"""Writes the tables of benchmarks/README.md from benchmarks/results: `python benchmarks/tables.py`."""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent


def load(name: str) -> dict:
    return json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def medians(found: dict, names: tuple[str, ...]) -> list[str]:
    return [f"{found[name]['median']:,.0f}" for name in names]


def against(result: dict, what: str) -> str:
    names = ("ours", "readable", "transformers")
    rows = [
        [row["model"], row[what], str(row["batch"]), *medians(row["tokens_per_second"], names)]
        + [f"{row['times_as_fast'][name]:.2f}" for name in names[:2]]
        + ([f"{row['share_of_reading']:.0%}"] if "share_of_reading" in row else [])
        for row in result["against_transformers"]
    ]
    head = ["model", what, "batch", "ours", "readable", "transformers", "ours ×", "readable ×", "bare reading"]
    return table(head[: len(rows[0])], rows)


def over_context(result: dict) -> str:
    head = ["batch", "design", "numbers kept a token", *(f"{n:,}" for n in result["over_context"][0]["contexts"])]
    rows = [
        [str(found["batch"]), name, f"{found['cached_numbers'][name]:,}", *(f"{one['median']:,.0f}" for one in each)]
        for found in result["over_context"]
        for name, each in found["tokens_per_second"].items()
    ]
    return table(head, rows)


def steps(result: dict) -> str:
    names = ("ours", "nanogpt_style", "nanogpt_tanh", "torch_encoder", "transformers")
    rows = [
        [row["model"], kind, *medians(found, names)]
        + [f"{row['times_as_fast'][kind][name]:.2f}" for name in names[1:]]
        + [f"{row['share_of_peak'][kind]:.0%}"]
        for row in result["steps"]
        for kind, found in row["tokens_per_second"].items()
    ]
    head = ["model", "type", "ours", "nanoGPT style", "its tanh", "nn.TransformerEncoder", "transformers"]
    return table([*head, "× nanoGPT style", "× its tanh", "× Encoder", "× transformers", "share of peak"], rows)


def best(result: dict) -> str:
    names = ("nanogpt_style", "torch_encoder", "transformers")
    rows = [[row["model"], *(f"{row['best_over_their_fp32'][n]:.2f}" for n in names)] for row in result["steps"]]
    return table(
        ["ours in the fastest type, against fp32 of", "nanoGPT style", "nn.TransformerEncoder", "transformers"], rows
    )


PEERS = {
    "vit_pytorch_style": "vit-pytorch style",
    "open_clip_style": "open_clip style",
    "torch_encoder": "nn.TransformerEncoder",
    "transformers": "transformers",
}


def vision_steps(row: dict) -> str:
    names = tuple(row["best_over_their_fp32"])
    rows = [
        [kind, *medians(found, ("ours", *names)), *(f"{row['times_as_fast'][kind][name]:.2f}" for name in names)]
        for kind, found in row["images_per_second"].items()
    ]
    best = ["our fastest × their fp32", *[""] * (len(names) + 1)]
    rows.append([*best, *(f"{row['best_over_their_fp32'][name]:.2f}" for name in names)])
    titles = [PEERS[name] for name in names]
    return f"{row['model']}\n\n" + table(["type", "ours", *titles, *(f"× {title}" for title in titles)], rows)


def preparing(result: dict) -> str:
    rows = [
        [
            row["processor"],
            row["picture"],
            *medians(row["images_per_second"], ("ours", "transformers")),
            f"{row['times_as_fast']:.2f}",
        ]
        for row in result["preparing"]
    ]
    return table(["processor", "picture", "ours", "transformers", "×"], rows)


def posttraining(result: dict) -> str:
    """A row for each model, way and type; in brackets the least and the most of the rounds."""

    def ratio(found: dict | None) -> str:
        return "" if found is None else f"{found['median']:.2f} ({found['low']:.2f} to {found['high']:.2f})"

    def pair(found: dict, form: str) -> str:
        return " / ".join(format(found[who], form) for who in ("ours", "trl"))

    rows = [
        [row["model"], row["way"], row["type"]]
        + [f"{row['milliseconds']['step'][who]['median']:,.0f}" for who in ("ours", "trl")]
        + [ratio(row["times_as_fast"].get(part)) for part in ("step", "roll_out", "update")]
        + [
            pair(row["share_of_roll_out"], ".0%") if "share_of_roll_out" in row else "",
            pair(row["share_of_peak"], ".0%"),
        ]
        + [ratio(row["best_over_their_best"])]
        for row in result["steps"]
    ]
    head = ["model", "way", "type", "ours, ms", "TRL, ms", "× a step", "× roll-out", "× update"]
    return table([*head, "roll-out's share", "share of peak", "our best × their best"], rows)


def learning(result: dict) -> str:
    rows = [
        [row["model"], f"{row['parameters']:,}", f"{row['batch']} × {row['tokens']}"]
        + [f"{row['texts_per_second'][who]['median']:,.1f}" for who in ("ours", "transformers")]
        + [f"{row['times_as_fast']:.2f}"]
        for row in result["steps"]
    ]
    return table(["model", "parameters", "texts × tokens", "ours", "transformers", "ours ×"], rows)


def curves(result: dict) -> str:
    """A row for each way: rewards at the end, mean and seeds; the curves at a quarter, a half and the end."""
    rows = []
    for row in result["rewards"]:
        for who, name in (("ours", "ours"), ("trl", "TRL")):
            ends, curve = row[who]["end"], row[who]["curve"]
            at = (curve[len(curve) // 4 - 1], curve[len(curve) // 2 - 1], curve[-1])
            several = (", ".join(f"{each:.3f}" for each in one) for one in (ends, at))
            apart = f"{row['within']:.2f}" if who == "ours" else ""
            rows.append([row["way"], name, f"{sum(ends) / len(ends):.3f}", *several, apart])
    head = ["way", "who", "reward at the end", "each seed", "curve at ¼, ½, end", "apart, standard errors"]
    return table(head, rows)


def about(result: dict) -> str:
    machine = result["machine"]
    return (
        f"{machine['cpu']}, {machine['cores']} virtual cores, {machine['threads']} thread; torch {machine['torch']}, "
        f"transformers {machine['transformers']}; {machine['clock']}, {result['settings']['rounds']} rounds."
    )


def parts() -> dict[str, str]:
    names = ("decoding", "generation", "training", "vision", "multimodal", "posttraining", "posttraining_curves")
    decoding, generation, training, vision, seeing, aligned, learned = map(load, names)
    return {
        "decoding": "\n\n".join((about(decoding), against(decoding, "design"), over_context(decoding))),
        "generation": "\n\n".join((about(generation), against(generation, "way"))),
        "training": "\n\n".join(
            (
                f"{about(training)} A 512³ product in bf16 is {training['settings']['bf16_gain']} times as fast as in "
                "fp32 here.",
                steps(training),
                best(training),
            )
        ),
        "vision": "\n\n".join((about(vision), *map(vision_steps, vision["steps"]), preparing(vision))),
        "multimodal": "\n\n".join((about(seeing), against(seeing, "way"), learning(seeing))),
        "posttraining": "\n\n".join((f"{about(aligned)} TRL {aligned['settings']['trl']}.", posttraining(aligned))),
        "curves": curves(learned),
    }


def filled(text: str) -> str:
    """README's text with every table as the results give it."""
    for name, part in parts().items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text, n = re.subn(pattern, lambda found, part=part: f"{found[1]}\n{part}\n\n{found[2]}", text, flags=re.DOTALL)
        if n != 1:
            raise ValueError(f"README.md must have <!-- {name} --> … <!-- /{name} --> once, found {n}")
    return text


if __name__ == "__main__":
    readme = HERE / "README.md"
    readme.write_text(filled(readme.read_text(encoding="utf-8")), encoding="utf-8")
