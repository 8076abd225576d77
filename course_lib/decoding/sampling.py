"""Choosing the next token: temperature, top-k, top-p, repetition penalty, and the draw.

B texts · V vocabulary · T tokens
The knobs, in the order in which they are turned:
    penalise      logits of tokens said before are made smaller (Keskar et al. 2019, CTRL, arXiv:1909.05858)
    temperature   logits / temperature: below 1 sharper, above 1 flatter; 0 means the largest one alone
    top_k         only the k likeliest (Fan et al. 2018, arXiv:1805.04833)
    top_p         only the likeliest whose probabilities first add up to p (Holtzman et al. 2019, arXiv:1904.09751)
What is filtered out has the logit -inf, so the softmax that follows gives it exactly 0 and renormalises the rest.
Read first: generation.py.  Chapter 08.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.decoding.generation import Reader, check_largest, written


def keep_top_k(logits: Float[Tensor, "B V"], k: int) -> Float[Tensor, "B V"]:
    """-inf for all but the k largest of each row; those equal to the k-th stay too. More than V keeps all."""
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ValueError(f"top_k ({k}) must be a whole number, at least 1; 1 is greedy, None keeps all")
    smallest_kept = logits.topk(min(k, logits.shape[-1]), dim=-1).values[:, -1:]
    return logits.masked_fill(logits < smallest_kept, -torch.inf)


def keep_top_p(logits: Float[Tensor, "B V"], p: float) -> Float[Tensor, "B V"]:
    """-inf for all but the nucleus: the fewest likeliest tokens whose probabilities add up to p or more.

    A token stays if those likelier than it have less than p together, so the likeliest always stays.
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p ({p}) must be above 0 and at most 1; 1 keeps all")
    if p == 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    probs = ordered.softmax(dim=-1)
    before = probs.cumsum(dim=-1) - probs
    dropped = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before >= p)
    return logits.masked_fill(dropped, -torch.inf)


def penalise(logits: Float[Tensor, "B V"], said: Bool[Tensor, "B V"], penalty: float) -> Float[Tensor, "B V"]:
    """Logits of tokens that were said are divided by the penalty if positive, and multiplied by it if negative.

    CTRL's formula only divides, which would *favour* a repeated token whose logit is negative; CTRL's code and
    transformers do as here. Adding a constant to all logits changes the outcome, which a softmax alone never notices.
    """
    if not 0 < penalty < float("inf"):
        raise ValueError(f"repetition_penalty ({penalty}) must be positive and finite; 1 is none, CTRL used 1.2")
    return torch.where(said, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def said_in(ids: Int[Tensor, "B T"], n_vocab: int, is_token: Bool[Tensor, "B T"] | None = None) -> Bool[Tensor, "B V"]:
    """Which tokens each row holds. is_token: False on padding, which counts as nothing said.

    Raises ValueError for an id below 0, which would count from the end.
    """
    said = torch.zeros(len(ids), n_vocab, dtype=torch.bool, device=ids.device)
    there = torch.ones_like(ids, dtype=torch.bool) if is_token is None else is_token.bool()
    if (ids[there] < 0).any():
        raise ValueError(f"ids hold {int(ids[there].min())}; hide padding with is_token, other ids are 0 or more")
    rows = torch.arange(len(ids), device=ids.device)[:, None].expand_as(ids)
    said[rows[there], ids[there]] = True
    return said


def turn_knobs(
    logits: Float[Tensor, "B V"], *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Float[Tensor, "B V"]:
    """The logits after temperature, top-k and top-p, in this order; at temperature 0 all but the largest are -inf.

    Raises ValueError for a knob out of its range, and for a row without a largest finite logit (NaN, inf, all -inf).
    """
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature ({temperature}) must be 0 (greedy) or more, and finite")
    if logits.ndim != 2 or not logits.shape[-1]:
        raise ValueError(f"logits {tuple(logits.shape)} must be [B V], a row to each text and one token or more to it")
    largest = logits.amax(dim=-1)
    check_largest(largest)
    if temperature == 0:
        kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, logits.argmax(dim=-1, keepdim=True), True)
        logits = logits.masked_fill(~kept, -torch.inf)
    elif temperature != 1:
        logits = (logits - largest[:, None]) / temperature  # a tiny temperature must not overflow
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    return logits if top_p is None else keep_top_p(logits, top_p)


def log_probs(
    logits: Float[Tensor, "B V"], *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Float[Tensor, "B V"]:
    """Log-probabilities of the distribution that `choose` draws from; -inf for what it never draws."""
    return turn_knobs(logits, temperature=temperature, top_k=top_k, top_p=top_p).log_softmax(dim=-1)


def choose(
    logits: Float[Tensor, "B V"],
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, " B"]:
    """One token a row, drawn by a race: token i arrives after a time Exponential(rate = its probability), and the
    first to arrive is chosen, which happens with just that probability. No cumulative sums, one pass over V.

    generator: where chance comes from; needed unless temperature is 0.
    """
    kept = turn_knobs(logits, temperature=temperature, top_k=top_k, top_p=top_p).float()
    if temperature == 0:
        return kept.argmax(dim=-1)
    if generator is None:
        raise ValueError("drawing needs a generator: torch.Generator().manual_seed(0), or temperature=0 to be greedy")
    patience = torch.empty_like(kept).exponential_(generator=generator)
    # time = patience / probability; a patience of 0 would let a token win that was filtered out
    return (kept - patience.clamp(min=torch.finfo(kept.dtype).tiny).log()).argmax(dim=-1)


@torch.inference_mode()
def sample(
    reader: Reader,
    prompt: Int[Tensor, "B T"],
    n_new: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float = 1.0,
    generator: torch.Generator | None = None,
    end: int | None = None,
    is_token: Bool[Tensor, "B T"] | None = None,
) -> Int[Tensor, "B {n_new}"]:
    """n_new tokens after each prompt, drawn one by one; fewer columns if every row has said `end` before.

    A row that has said `end` is filled up with `end`. is_token: False on padding of the prompt, which then is no
    repetition; the reader must know of it by itself. temperature=0 is generation.greedy.
    """
    said = None

    def draw(logits: Float[Tensor, "B V"], ids: Int[Tensor, "B T"]) -> Int[Tensor, " B"]:
        nonlocal said
        if repetition_penalty != 1:
            said = said_in(ids, logits.shape[-1], is_token) if said is None else said.scatter(-1, ids, True)
            logits = penalise(logits, said, repetition_penalty)
        return choose(logits, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator)

    return written(reader, prompt, n_new, draw, end)
