"""LLaVA (Liu et al. 2023, Visual Instruction Tuning, arXiv:2304.08485) and LLaVA-1.5 (2023, arXiv:2310.03744).

B texts · T tokens, those of images with them · I images · N patches · D width of the tower · E width of the language
model · V vocabulary
A CLIP tower looks at the image; its patches, as they stand before its last block and without the class token, are
projected to the width of the language model and stand in the text where the image's tokens are (splice.py). The first
LLaVA projects by one matrix, 1.5 by two layers with a GELU between. Stage 1 trains the projector alone, stage 2 the
projector and the language model; the tower never learns:
    model.learn("projector")          model.learn("projector", "lm")
Read first: clip.py, llama.py, splice.py.  Chapter 15.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.foundations.checks import check_count, check_counts, check_known
from course_lib.foundations.gelu import gelu
from course_lib.foundations.kv_cache import KVCache
from course_lib.models.blip3 import check_vocabulary
from course_lib.models.llama import LlamaReader
from course_lib.models.splice import Count, splice

Images = Float[Tensor, "I C H W"] | Sequence | None  # a Sequence where a picture has several views: llava_next.py


@dataclass(frozen=True, kw_only=True)
class LlavaConfig:
    """image_id: the token that stands for one feature of an image.
    layer: after which of the tower's blocks its patches are read, from behind: -1 the last, -2 the one before it.
    projector_layers: 1 is LLaVA, 2 is 1.5 (its code writes mlp2x_gelu)."""

    image_id: int
    layer: int = -2
    projector_layers: int = 2

    def __post_init__(self):
        check_count("image_id", self.image_id)
        check_counts(1, projector_layers=self.projector_layers)
        check_count("layer", self.layer, None)


class Projector(nn.Module):
    """[… D] -> [… E]: a matrix, and as many more of E × E as there are layers, a GELU in front of each."""

    def __init__(self, d_in: int, d_out: int, n_layers: int = 2):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(d_in if i == 0 else d_out, d_out) for i in range(n_layers))
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Float[Tensor, "*rest D"]) -> Float[Tensor, "*rest E"]:
        x = self.layers[0](x)
        for layer in self.layers[1:]:
            x = layer(gelu(x))
        return x


class Llava(nn.Module):
    """(ids, images) -> logits [B T V] of the next token at every place.

    tower: clip.ImageTower, or any with its config, embed and encoder and a class token in front, such as ViT.
    lm: Llama, GPT2, or any with their embed, run, to_vocab and new_caches.
    """

    def __init__(self, config: LlavaConfig, tower: nn.Module, lm: nn.Module):
        super().__init__()
        check_vocabulary(config.image_id, lm.config.n_vocab)
        check_tower(config, tower)
        self.config, self.tower, self.lm = config, tower, lm
        self.projector = Projector(tower.config.d_model, lm.config.d_model, config.projector_layers)

    def forward(
        self,
        ids: Int[Tensor, "B T"],
        images: Images = None,
        *,
        is_token: Bool[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B T V"]:
        """images: of all texts, in reading order; what `tokens` takes. is_token: False on padding, on either side.

        Raises ValueError unless ids have as many image tokens as the images have features: see splice.py.
        """
        return self.lm.to_vocab(self.hidden(ids, self.tokens(images), is_token=is_token))

    def tokens(self, images: Float[Tensor, "I C H W"] | None) -> list[Float[Tensor, "_ E"]]:
        """What the language model reads of each image."""
        return [] if images is None else list(self.projector(self.look(images)))

    def look(self, images: Float[Tensor, "I C H W"]) -> Float[Tensor, "I N D"]:
        """What the tower says of every patch. A frozen tower's may be computed once for a whole training."""
        x = self.tower.embed(images)
        for block in self.tower.encoder.blocks[: len(self.tower.encoder.blocks) + 1 + self.config.layer]:
            x = block(x)
        return x[:, 1:]

    def hidden(
        self,
        ids: Int[Tensor, "B T"],
        tokens: Sequence[Float[Tensor, "_ E"]],
        *,
        is_token: Bool[Tensor, "B S"] | None = None,
        caches: list[KVCache] | None = None,
    ) -> Float[Tensor, "B T E"]:
        """What lm.to_vocab reads. tokens: of each image, from `tokens`, or from `projector` on what was looked at."""
        x = splice(self.lm.embed(ids), ids, tokens, self.config.image_id)
        return self.lm.run(x, is_token=is_token, caches=caches)

    def counts(self, images: Float[Tensor, "I C H W"] | None = None) -> list[Count]:
        """How many tokens each image takes in the text, without looking at it."""
        side = self.tower.config
        rows, columns = side.height // side.patch, side.width // side.patch
        told = f"({side.height}/{side.patch})·({side.width}/{side.patch}) = {rows}·{columns} = {rows * columns}"
        return [Count(rows * columns, told)] * (0 if images is None else len(images))

    def learn(self, *parts: str) -> nn.Module:
        """From now on these parts learn, "tower", "projector", "lm", and no others."""
        known = dict.fromkeys(name.split(".")[0] for name, _ in self.named_parameters())
        for part in parts:
            check_known("part", part, known)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.split(".")[0] in parts)
        return self


class LlavaReader(LlamaReader):
    """A model in the middle of its texts, for decoding/: `reader(ids)` gives the logits of the next tokens.

    The first ids are the prompts, image tokens and all. capacity: tokens that there is room for, images with them.
    images: as the model takes them. is_token: of the prompts, False on its padding, which must be on the left.
    """

    @torch.inference_mode()
    def __init__(self, model: Llava, capacity: int, images: Images = None, is_token: Bool[Tensor, "B T"] | None = None):
        super().__init__(model.lm, capacity, is_token)
        self.llava, self.tokens = model, model.tokens(images)

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """An image token is never next. Raises ValueError where the caches are full, and what splice raises."""
        held = self.caches[0].length
        is_token = None if self.is_token is None else self.is_token[:, : held + ids.shape[-1]]
        x = self.llava.hidden(ids, [] if held else self.tokens, is_token=is_token, caches=self.caches)
        logits = self.model.to_vocab(x[:, -1])
        logits[:, self.llava.config.image_id] = -torch.inf
        return logits


def check_tower(config: LlavaConfig, tower: nn.Module) -> None:
    """Raise unless the tower has a class token in front, which is left out, and the layer asked for."""
    if not hasattr(tower, "cls") or not hasattr(tower, "embed"):
        raise TypeError(
            f"the tower, {type(tower).__name__}, has no class token in front of its patches; give an ImageTower or ViT"
        )
    n = tower.config.n_layers
    if not -n - 1 <= config.layer <= -1:
        raise ValueError(
            f"layer ({config.layer}) must lie in {-n - 1} … -1: counted from behind, -1 is after the last of "
            f"{n} blocks, {-n - 1} before the first"
        )
