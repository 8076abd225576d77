"""Several models that write in the page by turns, on the same words and the same seed: before training and after.

    live_versions({"微调前": ("poet", before, "…"), "微调后": ("poet-sft", after, "…")}, texts, prompt="春夏秋冬", ...)

js/live_text.js shows them; each model's weights are asked for when the reader first lets it write.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from course_lib.models.gpt2 import GPT2
from course_lib.widgets.figure import publishing
from course_lib.widgets.live_figure import plot_versions
from course_lib.widgets.live_model import LiveText, pack, spell, still_frame, weights_script
from course_lib.widgets.style import to_png, use_style


class LiveVersions(LiveText):
    """Language models of one vocabulary, of which the reader chooses. See `live_versions`."""

    label = traitlets.Unicode().tag(sync=True)  # of the first model, as the reader sees it
    others = traitlets.List().tag(sync=True)  # [{"label", "file", "still"}], with a kernel also "header", "weights"
    after = traitlets.List().tag(sync=True)  # tokens between the reader's words and the text
    heads = traitlets.Int().tag(sync=True)  # so many characters are asked for, each to begin a line; 0: any text

    def __init__(self, *, name: str, file_name: str, scripts: Sequence[str], **traits: Any) -> None:
        """name: of the picture; file_name: of the first model's weights; scripts: of the others' weights, one each; the
        rest as LiveModel takes it."""
        super().__init__(name=file_name, **traits)
        self.name, self.scripts = name, scripts

    def payload(self) -> dict[str, Any]:
        files = [other["file"] for other in self.others]
        return super().payload() | {
            "others": [{"file": file, "script": script} for file, script in zip(files, self.scripts)]
        }


def live_versions(
    models: Mapping[str, tuple[str, GPT2, str]],
    texts: Sequence[str],
    *,
    name: str,
    licence: str,
    about: str,
    prompt: str,
    start: Sequence[int] = (),
    after: Sequence[int] = (),
    end: Sequence[int] = (),
    breaks: Sequence[str] = (),
    lines: int = 4,
    heads: int = 0,
    seed: int = 0,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
) -> LiveVersions:
    """As live_model.live_text, for several models of one vocabulary and one shape: the first is at work at the start.

    models: label in Chinese -> name of the weights' file, model, a sentence on it; after: tokens between the reader's
    words and the text; heads: how many characters the words must have, each to begin a line, 0 for any text.
    Raises what live_text raises, and ValueError for fewer than two models, for models that differ in shape, and for a
    prompt of other than `heads` characters.
    """
    configs = {label: model.config for label, (_, model, _) in models.items()}
    if len(configs) < 2 or len(set(configs.values())) > 1:
        raise ValueError(f"models {list(configs)} must be at least two of one shape; their configs are {configs}")
    words = spell(prompt, texts)
    if heads and len(words) != heads:
        raise ValueError(f"prompt {prompt!r} has {len(words)} characters; give {heads}, one for each line")
    ids = [*start, *words, *after]
    context = next(iter(configs.values())).context
    if not 0 < len(ids) < context:
        raise ValueError(f"the prompt has {len(ids)} tokens; give 1 to {context - 1}")
    knobs = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
    }
    held, packs, scripts = [], [], []
    for label, (file_name, model, what) in models.items():
        packs.append(pack(model, texts, what=what, licence=licence))
        file, script = weights_script(file_name, *packs[-1])
        scripts.append(script)
        still = still_frame(model, texts, ids, end=end, seed=seed, knobs=knobs)
        held.append({"label": label, "file": file, "still": still})
    if not publishing():
        for each, (header, data) in zip(held, packs):
            each |= {"header": header, "weights": data}
    written = "；".join(f"{each['label']}：“{''.join(each['still']['tokens'][len(ids) :]).strip()}”" for each in held)
    use_style()
    return LiveVersions(
        packed=packs[0],
        file_name=next(iter(models.values()))[0],
        scripts=scripts[1:],
        first_frame=to_png(plot_versions({each["label"]: each["still"] for each in held}, breaks), dpi=100),
        alt=f"{about}给的是“{prompt}”。{written}。",
        name=name,
        label=held[0]["label"],
        others=held[1:],
        still=held[0]["still"],
        about=about,
        prompt=prompt,
        start=list(start),
        after=list(after),
        end=list(end),
        breaks=list(breaks),
        lines=lines,
        heads=heads,
        seed=seed,
        knobs=knobs,
    )
