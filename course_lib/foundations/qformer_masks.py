"""Who sees whom where learned queries and the words of a text go through one self-attention: BLIP-2's three masks
(Li et al. 2023, arXiv:2301.12597, figure 2), and a meter that finds what a model really lets through.

Q queries, which come first · L words · S = Q + L · True: the row may attend to the column
                queries see            words see
    unimodal    queries                words                                        contrast, ITC
    both_ways   queries, words         queries, words                               matching, ITM
    causal      queries                queries, and words up to themselves          writing, ITG
Read first: attention.py.  Chapter 13.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.foundations.attention import causal_mask
from course_lib.foundations.checks import check_counts


def unimodal_mask(n_queries: int, n_words: int) -> Bool[Tensor, "S S"]:
    """Two worlds: were words to see queries, contrast could be won without looking at the image's features alone."""
    Q = check_sizes(n_queries, n_words)
    mask = torch.zeros(Q + n_words, Q + n_words, dtype=torch.bool)
    mask[:Q, :Q] = mask[Q:, Q:] = True
    return mask


def both_ways_mask(n_queries: int, n_words: int) -> Bool[Tensor, "S S"]:
    """Everyone sees everyone."""
    S = check_sizes(n_queries, n_words) + n_words
    return torch.ones(S, S, dtype=torch.bool)


def causal_text_mask(n_queries: int, n_words: int) -> Bool[Tensor, "S S"]:
    """Queries are a prefix that sees itself alone; words see it, and each other backwards."""
    Q = check_sizes(n_queries, n_words)
    mask = causal_mask(Q + n_words)
    mask[:Q, :Q] = True
    return mask


MASKS = {"ITC": unimodal_mask, "ITM": both_ways_mask, "ITG": causal_text_mask}


def with_padding(mask: Bool[Tensor, "S S"], is_token: Bool[Tensor, "B L"] | None) -> Bool[Tensor, "..."]:
    """[B 1 S S]: the same for every text, but nobody sees its padding. None: no padding, the mask as it is."""
    if is_token is None:
        return mask
    n_queries = len(mask) - is_token.shape[1]
    there = torch.cat([is_token.new_ones(len(is_token), n_queries), is_token], dim=1)
    return mask.to(is_token.device) & there[:, None, None, :]


def influence(out: Float[Tensor, "B T D"], *inputs: Float[Tensor, "B _ _"]) -> Float[Tensor, "T N"]:
    """How much each place of `out` changes with each place of the inputs: the length of a gradient.

    Row t: the gradient of out[:, t] along one fixed random direction, its length at every place of the inputs. Taken
    on the model's own graph, so it sees what the model does, whatever its masks say: 0 where nothing gets through.
    inputs: tensors that require gradients and that `out` was computed from; their places stand side by side.
    """
    chance = torch.Generator().manual_seed(0)
    direction = torch.randn(out.shape[-1], generator=chance, dtype=torch.float64).to(out)
    rows = []
    for place in range(out.shape[1]):
        along = (out[:, place] @ direction).sum()
        found = torch.autograd.grad(along, inputs, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([gradient.square().sum(dim=(0, 2)).sqrt() for gradient in found]))
    return torch.stack(rows)


def check_sizes(n_queries: int, n_words: int) -> int:
    """n_queries; raises unless both are whole numbers, not negative."""
    check_counts(0, n_queries=n_queries, n_words=n_words)
    return n_queries
