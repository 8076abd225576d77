"""The course's poet at work in the page: a GPT-2 that has read the Tang quatrains writes on from the reader's words.

live_poet("春风")            # writes on
live_acrostic("春夏秋冬")    # before and after it was taught to begin its lines as asked
"""

from collections.abc import Mapping
from typing import Any

from course_lib import zoo
from course_lib.data.real.poems import BAR, EDGE, MARKS, poems, vocabulary
from course_lib.models.gpt2 import n_parameters
from course_lib.widgets.live_model import LiveText, live_text
from course_lib.widgets.live_versions import LiveVersions, live_versions

POETS = {"微调前": "poet", "微调后": "poet-acrostic"}


def live_poet(
    prompt: str = "春风", *, seed: int = 0, temperature: float = 0.8, top_p: float | None = 0.9, **knobs: Any
) -> LiveText:
    """`live_text` with the zoo's poet. prompt: how the poem begins; knobs: top_k, repetition_penalty.

    Raises ValueError for a prompt with a character that the training poems do not have.
    """
    model, texts = zoo.load("poet"), vocabulary()
    edge, size = texts.index(EDGE), n_parameters(model.config)
    return live_text(
        model,
        texts,
        name="poet",
        what=f"GPT-2 of {size:,} parameters, trained on {len(poems('train')):,} Tang quatrains: the zoo's poet",
        licence="MIT",
        about=f"{size / 10_000:.0f} 万参数的 GPT-2，只读过唐人绝句。按运行，它在这一页里接着你的开头写。↵ 是诗的边界。",
        prompt=prompt,
        start=[edge],
        end=[edge],
        breaks=list(dict.fromkeys(MARKS)),
        lines=5,
        seed=seed,
        temperature=temperature,
        top_p=top_p,
        **knobs,
    )


def live_acrostic(
    heads: str = "春夏秋冬",
    *,
    poets: Mapping[str, str] = POETS,
    seed: int = 0,
    temperature: float = 0.8,
    top_p: float | None = 0.9,
    **knobs: Any,
) -> LiveVersions:
    """The poet before and after SFT on 藏头, both asked alike: four characters and a bar, then a poem whose lines
    should begin with them.

    heads: four characters; poets: what the reader sees -> a model of the zoo; knobs: top_k, repetition_penalty.
    Raises ValueError for other than four characters, and for one that the training poems do not have.
    """
    texts = vocabulary()
    bar, edge = (texts.index(sign) for sign in (BAR, EDGE))
    models = {label: (name, zoo.load(name), _what(name)) for label, name in poets.items()}
    return live_versions(
        models,
        texts,
        name="acrostic",
        licence="MIT",
        about="写四个字，按运行：它在这一页里写一首诗，四句该由这四个字开头。换一个模型，它用同样的种子再写。",
        prompt=heads,
        after=[bar, edge],
        end=[edge],
        breaks=[BAR, EDGE, *dict.fromkeys(MARKS)],
        lines=6,
        heads=4,
        seed=seed,
        temperature=temperature,
        top_p=top_p,
        **knobs,
    )


def _what(name: str) -> str:
    """As live_poet says it, so that a page with both asks for the same file."""
    size, n_poems = n_parameters(zoo.load(name).config), len(poems("train"))
    more = "" if name == "poet" else f", then as the zoo's {name}"
    return f"GPT-2 of {size:,} parameters, trained on {n_poems:,} Tang quatrains{more}: the zoo's poet"
