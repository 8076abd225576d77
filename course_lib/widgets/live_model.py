"""A model of the course that runs in the reader's browser: its weights as one script, its first frame, its widget.

    live_text(model, texts, prompt="春", name="poet", ...)      # any GPT2; poet.py has the course's own

js/net.js computes, js/live_text.js shows; tests/site/test_live_models.py holds them equal to models/gpt2.py and
decoding/sampling.py. live_vit.py and live_clip.py have the models that see. On a page without a kernel the weights are
a script of their own beside the pages, which is asked for when the reader presses 运行; with a kernel they come as
bytes.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
import traitlets
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.decoding.fast_gpt import FastGPTReader
from course_lib.decoding.sampling import log_probs, penalise, said_in, sample
from course_lib.foundations.attention import attention_weights, causal_mask
from course_lib.models.clip import CLIP
from course_lib.models.gpt2 import GPT2
from course_lib.models.vit import ViT
from course_lib.widgets.figure import CourseWidget, publishing, source
from course_lib.widgets.live_figure import plot_next_token
from course_lib.widgets.style import to_png, use_style

SHOWN = 10  # candidates for the next token


# what net.js and net_vision.js compute, and how many texts each takes with it: one a token, or one a class
N_TEXTS: dict[type[nn.Module], Callable[[Any], int]] = {
    GPT2: lambda config: config.n_vocab,
    ViT: lambda config: config.n_classes,
    CLIP: lambda config: config.text.n_vocab,
}


def pack(model: nn.Module, texts: Sequence[str], *, what: str, licence: str) -> tuple[dict[str, Any], bytes]:
    """Header and bytes of a model, as js/net.js unpacks them: fp16, little end first, one tensor after the other.

    texts: what each token, or each class of a ViT, says; what: a sentence on the model; licence: of its weights.
    Raises TypeError for another model, ValueError unless there are as many texts as tokens or classes, and for weights
    that fp16 cannot hold.
    """
    kind = type(model)
    if kind not in N_TEXTS:
        raise TypeError(f"the page computes {', '.join(each.__name__ for each in N_TEXTS)}, got {kind.__name__}")
    if len(texts) != (wanted := N_TEXTS[kind](model.config)):
        raise ValueError(f"{len(texts)} texts for the {wanted} of the model; give one a token, or one a class")
    tensors, parts, offset = {}, [], 0
    for name, tensor in model.state_dict().items():
        half = tensor.detach().cpu().half()
        if not half.isfinite().all():
            raise ValueError(f"{name} holds {tensor.abs().max():.3g}, more than fp16's 65504")
        tensors[name] = [offset, list(tensor.shape)]
        offset += tensor.numel()
        parts.append(half.numpy().astype("<f2").tobytes())
    header = {"what": what, "licence": licence, "kind": kind.__name__, "config": asdict(model.config)}
    return header | {"texts": list(texts), "tensors": tensors}, b"".join(parts)


def weights_script(name: str, header: Mapping[str, Any], data: bytes) -> tuple[str, str]:
    """The weights as a classic script: (its file's name, which has a hash of what it holds; its text)."""
    held = json.dumps({"header": header, "data": base64.b64encode(data).decode()}, ensure_ascii=False)
    file = f"{name}-{hashlib.sha256(held.encode()).hexdigest()[:8]}.js"
    return file, f"(globalThis.courseModels ||= {{}})[{json.dumps(file)}] = {held};\n"


@torch.no_grad()
def attention_maps(model: GPT2, ids: Int[Tensor, "B T"]) -> Float[Tensor, "n B H T T"]:
    """What every head of every layer looks at: row t holds the weights of token t over the tokens up to it."""
    made: list[Tensor] = []
    hooks = [
        block.attention.to_qkv.register_forward_hook(lambda module, inputs, output: made.append(output))
        for block in model.blocks
    ]
    try:
        model(ids)
    finally:
        for hook in hooks:
            hook.remove()
    q, k, _ = rearrange(torch.stack(made), "n B T (three H Dh) -> three n B H T Dh", three=3, H=model.config.n_heads)
    return attention_weights(q, k, causal_mask(ids.shape[1]))


@torch.no_grad()
def distributions(
    model: GPT2, ids: Int[Tensor, "1 T"], *, repetition_penalty: float = 1.0, **knobs: Any
) -> tuple[Float[Tensor, " V"], Float[Tensor, " V"]]:
    """Probabilities of the next token: as the model gives them, and after the knobs of decoding.sampling."""
    logits = model(ids)[:, -1]
    turned = penalise(logits, said_in(ids, logits.shape[-1]), repetition_penalty)
    return logits.softmax(-1)[0], log_probs(turned, **knobs).exp()[0]


def spell(text: str, texts: Sequence[str]) -> list[int]:
    """The text as tokens, the longest that fits each time: what the tokenizer of a character vocabulary does.

    Raises ValueError that names what no token says.
    """
    ids, found, unknown = {each: i for i, each in enumerate(texts)}, [], []
    longest, at = max(map(len, texts)), 0
    while at < len(text):
        piece = next((text[at : at + n] for n in range(longest, 0, -1) if text[at : at + n] in ids), None)
        if piece is None:
            unknown.append(text[at])
        else:
            found.append(ids[piece])
        at += len(piece or text[at])
    if unknown:
        raise ValueError(f"no token says {''.join(dict.fromkeys(unknown))!r}; write the text without it")
    return found


def still_frame(
    model: GPT2, texts: Sequence[str], prompt: Sequence[int], *, end: Sequence[int], seed: int, knobs: Mapping[str, Any]
) -> dict[str, Any]:
    """What the widget shows before the reader runs it: a text drawn by the room, and the moment after the prompt."""
    ids = torch.tensor([list(prompt)])
    left = model.config.context - len(prompt)
    reader, chance = FastGPTReader(model, model.config.context), torch.Generator().manual_seed(seed)
    said = sample(reader, ids, left, generator=chance, **knobs)[0].tolist()
    said = said[: next((i for i, token in enumerate(said) if token in end), left)]
    before, after = (each.tolist() for each in distributions(model, ids, **knobs))
    order = sorted(range(len(before)), key=lambda token: (-after[token], -before[token]))[:SHOWN]
    return {
        "tokens": [texts[token] for token in [*prompt, *said]],
        "n_prompt": len(prompt),
        "at": len(prompt) - 1,
        "next": [[token, texts[token], _short(before[token]), _short(after[token])] for token in order],
        "rest": [_short(1 - sum(each[token] for token in order)) for each in (before, after)],
        "taken": said[0] if said else None,
        "attention": [
            [[_short(weight) for weight in head[-1].tolist()] for head in layer[0]]
            for layer in attention_maps(model, ids)
        ],
    }


def _short(share: float) -> float:
    return float(f"{max(share, 0):.6g}")


class LiveModel(CourseWidget):
    """A widget with a model's weights: beside the pages on the site, as bytes with a kernel."""

    local_only = ("header", "weights")

    about = traitlets.Unicode().tag(sync=True)  # Chinese: what the reader can do
    file = traitlets.Unicode().tag(sync=True)  # of the weights, beside the site's pages
    header = traitlets.Dict().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)

    def __init__(self, *, packed: tuple[dict[str, Any], bytes], name: str, **traits: Any) -> None:
        """packed: as `pack` gives it; name: also of the weights' file; the rest as CourseWidget takes it."""
        header, data = packed
        file, self.script = weights_script(name, header, data)
        local = {} if publishing() else {"header": header, "weights": data}
        super().__init__(name=name, file=file, **local, **traits)

    def payload(self) -> dict[str, Any]:
        """What a page without a kernel needs, and the script that publishing lays beside the pages."""
        return super().payload() | {"weights": {"file": self.file, "script": self.script}}


class LiveText(LiveModel):
    """A language model that writes in the page. See `live_text`."""

    module = "live_text"
    _esm = source("live_text")

    prompt = traitlets.Unicode().tag(sync=True)
    start = traitlets.List().tag(sync=True)
    end = traitlets.List().tag(sync=True)
    breaks = traitlets.List().tag(sync=True)
    lines = traitlets.Int().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)
    knobs = traitlets.Dict().tag(sync=True)
    still = traitlets.Dict().tag(sync=True)


def live_text(
    model: GPT2,
    texts: Sequence[str],
    *,
    name: str,
    what: str,
    licence: str,
    about: str,
    prompt: str,
    start: Sequence[int] = (),
    end: Sequence[int] = (),
    breaks: Sequence[str] = (),
    lines: int = 4,
    seed: int = 0,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
) -> LiveText:
    """The model writes on from the reader's words, in the page: its next-token distribution and every head on view.

    texts: what each token says; name: of the picture and of the weights' file; what, licence: as `pack` takes them;
    about: Chinese, what the reader can do; start: tokens before the reader's words; end: tokens that end a text;
    breaks: texts after which a line ends on the screen; lines: the most lines of a text; the rest: knobs at the
    start, in steps of 0.05.
    Raises what `pack` and `decoding.sampling` raise, and ValueError for a prompt that no tokens say or that fills the
    context.
    """
    ids = [*start, *spell(prompt, texts)]
    if not 0 < len(ids) < model.config.context:
        raise ValueError(f"the prompt has {len(ids)} tokens; give 1 to {model.config.context - 1}")
    knobs = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
    }
    still = still_frame(model, texts, ids, end=end, seed=seed, knobs=knobs)
    use_style()
    written = "".join(still["tokens"][len(start) :])
    likeliest = "，".join(f"{text.strip() or '换行'} {before:.0%}" for _, text, before, _ in still["next"][:3])
    return LiveText(
        packed=pack(model, texts, what=what, licence=licence),
        first_frame=to_png(plot_next_token(still, breaks), dpi=100),
        alt=f"{about}模型从“{prompt}”写下去：“{written.strip()}”。读完“{prompt}”，它给下一个的概率最大的是：{likeliest}。",
        name=name,
        about=about,
        prompt=prompt,
        start=list(start),
        end=list(end),
        breaks=list(breaks),
        lines=lines,
        seed=seed,
        knobs=knobs,
        still=still,
    )
