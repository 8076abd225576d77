"""How BLIP-2's Q-Former is trained first: three losses of one batch (Li et al. 2023, arXiv:2301.12597, section 3.1).

B pairs · L words
    ITC   contrast against the batch alone: images that are not learned from leave room for a large one, so no queue
    ITM   match or no match, over B pairs and 2 B hard negatives, as BLIP has it
    ITG   the next word of the caption: BLIP's LM, with the queries between image and words
The smoothing is the released code's (blip2_qformer.py, Qformer.py: 0.1 in ITC and ITG); the paper does not name it.
Stage 2 has one loss, `caption_loss(describer, …, smoothing=0)`.
Read first: blip2.py, blip_pretrain.py.  Chapter 13.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from course_lib.foundations.checks import check_within
from course_lib.foundations.contrastive import check_pairs
from course_lib.foundations.hard_negatives import hard_negatives
from course_lib.models.blip2 import Stage1, similarities
from course_lib.models.blip_pretrain import Losses, caption_loss, match_loss


def stage1_losses(
    model: Stage1,
    images: Float[Tensor, "B C H W"],
    ids: Int[Tensor, "B L"],
    is_token: Bool[Tensor, "B L"] | None = None,
    *,
    same: Bool[Tensor, "B B"] | None = None,
    smoothing: float = 0.1,
    generator: torch.Generator | None = None,
) -> Losses:
    """ITC, ITM and ITG, in this order; the paper adds them up.

    same: [i, j] True where caption j fits image i, too; it is then no negative of ITM.
    Raises ValueError for a batch of one pair, and unless there are as many images as captions.
    """
    check_within("smoothing", smoothing, 0, 1)
    if len(images) != len(ids) or len(ids) < 2:
        raise ValueError(f"{len(images)} images and {len(ids)} captions; as many of both are needed, at least 2")
    seen = model.look(images)
    logits = similarities(model.image_features(seen), model.text_features(ids, is_token)) / model.temperature
    other_image = hard_negatives(logits.mT, None if same is None else same.mT, generator)
    other_text = hard_negatives(logits, same, generator)
    return Losses(
        contrast_loss(logits, smoothing),
        match_loss(model, seen, ids, is_token, other_image, other_text),
        caption_loss(model, seen, ids, is_token, smoothing=smoothing),
    )


def contrast_loss(logits: Float[Tensor, "B B"], smoothing: float = 0.1) -> Float[Tensor, ""]:
    """clip_loss, but so much of each target is shared out among all."""
    check_pairs(logits)
    own = torch.arange(len(logits), device=logits.device)
    return sum(cross_entropy(each, own, label_smoothing=smoothing) for each in (logits, logits.mT)) / 2
