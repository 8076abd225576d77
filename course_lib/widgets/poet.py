"""The course's poet at work in the page: a GPT-2 that has read the Tang quatrains writes on from the reader's words."""

from typing import Any

from course_lib import zoo
from course_lib.data.real.poems import EDGE, MARKS, poems, vocabulary
from course_lib.models.gpt2 import n_parameters
from course_lib.widgets.live_model import LiveText, live_text


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
