"""A CLIP that ranks, in the page, the captions that the reader writes for a picture that the reader composes.

    live_clip(model, tokens, ["左上角有一个红色的圆形。", …], end=tokens.index("…"), name="clip-shapes", …)

js/net_vision.js computes, js/live_clip.js shows; tests/site/test_live_vision.py holds them equal to models/clip.py. The
pictures are the drawn world's own, all that hold one thing, in one image.
"""

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from einops import rearrange
from jaxtyping import UInt8
from matplotlib.figure import Figure
from PIL import Image

from course_lib.data.world.captions import ZH
from course_lib.data.world.render import render, render_batch, to_model
from course_lib.data.world.scenes import COLOURS, KINDS, POSITIONS, at_position
from course_lib.foundations.contrastive import similarities
from course_lib.models.clip import CLIP
from course_lib.widgets.figure import data_uri, source
from course_lib.widgets.live_model import LiveModel, pack
from course_lib.widgets.style import COLORS, to_png, use_style

WORD = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+)*|[^\sa-z0-9]")  # an English word, or a single character


def read_caption(text: str, tokens: Sequence[str], *, start: Sequence[int], end: int) -> list[int]:
    """start, a token for each word in lower case, end. Raises ValueError that names the words that no token says."""
    known = {each: i for i, each in enumerate(tokens)}
    words = WORD.findall(text.lower())
    if unknown := [word for word in dict.fromkeys(words) if word not in known]:
        raise ValueError(f"no token says {', '.join(unknown)}; write {text!r} without")
    return [*start, *(known[word] for word in words), end]


def atlas(height: int, width: int, places: Sequence[str] = POSITIONS) -> UInt8[np.ndarray, "R C 3"]:
    """All pictures of one thing: a row for each colour and kind, a column for each of the places."""
    scenes = [
        at_position(colour, kind, place, width=width, height=height)
        for colour in COLOURS
        for kind in KINDS
        for place in places
    ]
    return rearrange(render_batch(scenes), "(r c) H W C -> (r H) (c W) C", c=len(places))


@torch.no_grad()
def rank(
    model: CLIP, picture: UInt8[np.ndarray, "H W 3"], captions: Sequence[str], ids: Sequence[Sequence[int]]
) -> list[dict[str, Any]]:
    """Captions, the likeliest first: {"text", "cosine", "prob"}, a softmax over them at the model's temperature."""
    seen = model.image_features(torch.from_numpy(to_model(picture[None])))
    read = torch.cat([model.text_features(torch.tensor([list(each)])) for each in ids])
    cosines = similarities(seen, read)[0]
    probs = (cosines * model.scale()).softmax(-1)
    order = sorted(range(len(captions)), key=lambda i: -float(probs[i]))
    return [
        {"text": captions[i], "cosine": float(f"{cosines[i]:.6g}"), "prob": float(f"{probs[i]:.6g}")} for i in order
    ]


def plot_ranked(picture: UInt8[np.ndarray, "H W 3"], ranked: Sequence[dict[str, Any]]) -> Figure:
    """The still form: the picture, and the captions with their shares."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 2.9), width_ratios=[1, 1.3])
    left.imshow(picture)
    left.set(xticks=[], yticks=[], title="模型看到的图")
    right.barh(range(len(ranked)), [100 * each["prob"] for each in ranked], color=COLORS["Q"], height=0.35)
    for i, each in enumerate(ranked):
        right.text(0, i - 0.25, each["text"], va="bottom", fontsize=11)
        right.text(100 * each["prob"] + 1, i, f"{each['prob']:.0%}", va="center", fontsize=10, color=COLORS["muted"])
    right.set(
        xlabel="占（%）",
        title="哪句像",
        yticks=[],
        xlim=(0, 108),
        xticks=range(0, 101, 25),
        ylim=(len(ranked) - 0.4, -0.9),
    )
    return figure


class LiveCLIP(LiveModel):
    """A CLIP that ranks captions. See `live_clip`."""

    module = "live_clip"
    _esm = source("live_clip")

    menus = traitlets.List().tag(sync=True)  # [{"label", "texts"}]: colours, kinds, positions
    chosen = traitlets.List().tag(sync=True)  # index in each
    size = traitlets.List().tag(sync=True)  # [height, width] of a picture
    atlas = traitlets.Unicode().tag(sync=True)
    captions = traitlets.Unicode().tag(sync=True)  # a line each
    ends = traitlets.Dict().tag(sync=True)  # {"start": tokens before each caption, "end": the token after it}
    still = traitlets.List().tag(sync=True)


def live_clip(
    model: CLIP,
    tokens: Sequence[str],
    captions: Sequence[str],
    *,
    end: int,
    start: Sequence[int] = (),
    name: str,
    what: str,
    licence: str,
    about: str = "按运行，模型就在这一页里读这张图和这些句子。中文、英文都行，一行一句。",
    scene: tuple[str, str, str] = ("red", "circle", "top left"),
    places: Sequence[str] = POSITIONS,
) -> LiveCLIP:
    """The reader chooses colour, shape and place, writes captions, and sees the model's softmax over them.

    tokens: what each token says; captions: at the start; start, end: tokens around each; name: of the picture and of
    the weights' file; what, licence: as `pack` takes them; about: Chinese; scene: (colour, kind, position) to begin;
    places: that the reader may choose.
    Raises what `pack` and `at_position` raise, and ValueError for no caption, for one that no tokens say, for one
    longer than the model's context, and for a scene that lies in none of the places.
    """
    if not captions:
        raise ValueError("captions is empty; give the reader at least one to begin with")
    if scene[2] not in places:
        raise ValueError(f"the scene lies at {scene[2]!r}, and places has {', '.join(places)}; add it there")
    menus = {"颜色": tuple(COLOURS), "形状": KINDS, "位置": tuple(places)}
    ids = [read_caption(text, tokens, start=start, end=end) for text in captions]
    context = model.config.text.context
    for text, each in zip(captions, ids):
        if len(each) > context:
            raise ValueError(f"{text!r} takes {len(each)} tokens, the model's context holds {context}")
    height, width = model.config.image.height, model.config.image.width
    model = model.eval()
    picture = render(at_position(*scene, width=width, height=height))
    still = rank(model, picture, captions, ids)
    use_style()
    image = io.BytesIO()
    Image.fromarray(atlas(height, width, places)).save(image, format="png", optimize=True)
    best = still[0]
    return LiveCLIP(
        packed=pack(model, tokens, what=what, licence=licence),
        first_frame=to_png(plot_ranked(picture, still), dpi=100),
        alt=f"{about}画里是{'，'.join(ZH[part] for part in scene)}；{len(captions)} 句里排第一的是“{best['text']}”，"
        f"占 {best['prob']:.0%}。",
        name=name,
        about=about,
        menus=[{"label": label, "texts": [ZH[key] for key in keys]} for label, keys in menus.items()],
        chosen=[keys.index(part) for keys, part in zip(menus.values(), scene)],
        size=[height, width],
        atlas=data_uri(image.getvalue()),
        captions="\n".join(captions),
        ends={"start": list(start), "end": end},
        still=still,
    )
