"""How BLIP is trained first: three losses of one batch (Li et al. 2022, arXiv:2201.12086, section 3.2).

B pairs · L tokens of a text · K rows in each queue · E shared width
    ITC   contrast, against the batch and the queues; targets softened by a slow copy of the model, the teacher
    ITM   match or no match, over B pairs and 2 B hard negatives, drawn from the batch by ITC's similarities
    LM    the next word of the caption, with label smoothing
The image is looked at once for all three; the text runs three times. Numbers of the released pre-training
(blip_pretrain.py, med.py): queues of 57,600, momentum 0.995, alpha 0.4, temperature from 0.07 within 0.001 … 0.5,
smoothing 0.1. There alpha rises from 0 to 0.4 over the first two epochs: give it to `forward`.
Read first: blip.py, foundations/momentum.py, foundations/hard_negatives.py.  Chapter 12.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from course_lib.foundations.checks import check_count, check_within
from course_lib.foundations.hard_negatives import hard_negatives
from course_lib.foundations.momentum import FeatureQueue, follow, soft_nce, soft_targets
from course_lib.models.blip import BLIP, BLIPConfig, Retriever


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """n_queue: rows in each queue; 0: the batch alone. temperature: at the start; it is learned."""

    blip: BLIPConfig
    n_queue: int = 1024
    momentum: float = 0.995
    alpha: float = 0.4
    temperature: float = 0.07
    smoothing: float = 0.1

    def __post_init__(self):
        check_count("n_queue", self.n_queue)
        for name in ("momentum", "alpha", "smoothing"):
            check_within(name, getattr(self, name), 0, 1)
        check_within("temperature", self.temperature, *TEMPERATURES)


TEMPERATURES = (0.001, 0.5)


class Losses(NamedTuple):
    """The paper adds the three up."""

    itc: Tensor
    itm: Tensor
    lm: Tensor


class Pretraining(nn.Module):
    """A BLIP, its teacher and two queues: what a training step needs. `.blip` is what stays."""

    def __init__(self, config: PretrainConfig):
        super().__init__()
        self.config = config
        self.blip = BLIP(config.blip)
        self.teacher = Retriever(config.blip).requires_grad_(False)
        follow(self.teacher, self.blip, momentum=0)
        self.temperature = nn.Parameter(torch.tensor(config.temperature))
        self.image_queue = FeatureQueue(config.n_queue, config.blip.d_shared)
        self.text_queue = FeatureQueue(config.n_queue, config.blip.d_shared)

    def forward(
        self,
        images: Float[Tensor, "B C H W"],
        ids: Int[Tensor, "B L"],
        is_token: Bool[Tensor, "B L"] | None = None,
        *,
        same: Bool[Tensor, "B B"] | None = None,
        alpha: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Losses:
        """The three losses. Each call moves the teacher on and fills the queues: once a step.

        same: [i, j] True where caption j fits image i, too; it is then no negative of ITM. alpha: the config's.
        Raises ValueError for a batch of one pair, and unless there are as many images as captions.
        """
        if len(images) != len(ids) or len(ids) < 2:
            raise ValueError(f"{len(images)} images and {len(ids)} captions; as many of both are needed, at least 2")
        blip, n = self.blip, len(ids)
        with torch.no_grad():
            self.temperature.clamp_(*TEMPERATURES)
        seen = blip.look(images)
        lm = caption_loss(blip, seen, ids, is_token, smoothing=self.config.smoothing)
        image_to_text, text_to_image, itc = self.contrast(images, seen, ids, is_token, alpha)
        other_image = hard_negatives(text_to_image[:, :n], None if same is None else same.mT, generator)
        other_text = hard_negatives(image_to_text[:, :n], same, generator)
        itm = match_loss(blip, seen, ids, is_token, other_image, other_text)
        return Losses(itc, itm, lm)

    def contrast(self, images, seen, ids, is_token, alpha) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [B B+K] of images over texts and of texts over images, and ITC; the first B columns are the batch.

        Rows are the student's features, columns the teacher's: no gradient reaches what a column was made of.
        """
        alpha = self.config.alpha if alpha is None else alpha
        image, text = unit(self.blip.image_features(seen)), unit(self.blip.text_features(ids, is_token))
        with torch.no_grad():
            follow(self.teacher, self.blip, self.config.momentum)
            slow_image = unit(self.teacher.image_features(self.teacher.look(images)))
            slow_text = unit(self.teacher.text_features(ids, is_token))
            all_images = torch.cat([slow_image, self.image_queue.rows()]).mT
            all_texts = torch.cat([slow_text, self.text_queue.rows()]).mT
            target_texts = soft_targets(slow_image @ all_texts / self.temperature, alpha)
            target_images = soft_targets(slow_text @ all_images / self.temperature, alpha)
        image_to_text = image @ all_texts / self.temperature
        text_to_image = text @ all_images / self.temperature
        self.image_queue.push(slow_image)
        self.text_queue.push(slow_text)
        loss = (soft_nce(image_to_text, target_texts) + soft_nce(text_to_image, target_images)) / 2
        return image_to_text, text_to_image, loss


def match_loss(
    model: nn.Module,
    seen: Float[Tensor, "B T Dv"],
    ids: Int[Tensor, "B L"],
    is_token: Bool[Tensor, "B L"] | None,
    other_image: Int[Tensor, " B"],
    other_text: Int[Tensor, " B"],
) -> Float[Tensor, ""]:
    """ITM over 3 B pairs: each text with its image, with another image, and another text with each image.

    model: with `matches`, as Retriever has it.
    """
    own = torch.arange(len(ids), device=ids.device)
    image, text = torch.cat([own, other_image, own]), torch.cat([own, own, other_text])
    logits = model.matches(seen[image], ids[text], None if is_token is None else is_token[text])
    return cross_entropy(logits, (image == text).long())


def caption_loss(
    model: nn.Module,
    seen: Float[Tensor, "B T Dv"],
    ids: Int[Tensor, "B L"],
    is_token: Bool[Tensor, "B L"] | None = None,
    *,
    n_prompt: int = 1,
    smoothing: float = 0.1,
) -> Float[Tensor, ""]:
    """LM: mean cross-entropy of every token after the first n_prompt, padding left out.

    model: with `next_words`, as Captioner has it.
    smoothing: so much of each target is shared out among all words. Raises ValueError where no word is left.
    """
    check_count("n_prompt", n_prompt, 1)
    logits = model.next_words(seen, ids, is_token)[:, n_prompt - 1 : -1]
    counts = torch.ones_like(ids, dtype=torch.bool) if is_token is None else is_token
    counts, targets = counts[:, n_prompt:], ids[:, n_prompt:]
    if not counts.any():
        raise ValueError(f"the captions have no word after their first {n_prompt} tokens; there is nothing to predict")
    return cross_entropy(logits[counts], targets[counts], label_smoothing=smoothing)


def unit(features: Float[Tensor, "B E"]) -> Float[Tensor, "B E"]:
    return normalize(features, dim=-1)
