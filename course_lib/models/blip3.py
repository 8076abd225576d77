"""BLIP-3, also xGen-MM (Xue et al. 2024, arXiv:2408.08872): images and text in one row, one loss on the text.

B texts · T tokens of a text · S slots of the longest, its images put in · V views of an image (tiles.py) · N patches
Q tokens that a view becomes · D width of the tower · E width of the language model · K vocabulary
A frozen SigLIP tower sees every view; a Perceiver resampler makes Q tokens of each view on its own; a linear layer
brings them to the language model, which reads them where the text has its placeholder. Gone are BLIP-2's Q-Former, its
three losses and its one image a text.
Read first: foundations/perceiver.py, foundations/tiles.py, siglip.py, gpt2.py.  Chapter 14.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from course_lib.foundations.checks import check_count, check_tensor
from course_lib.foundations.patches import check_size
from course_lib.foundations.perceiver import PerceiverResampler
from course_lib.models.clip import ImageConfig

Texts = Sequence[Int[Tensor, " _"]] | Int[Tensor, "B T"]  # of any lengths; image_id where an image goes
Images = Sequence[Float[Tensor, "_ C H W"]]  # the views of each, in the order of their placeholders
ArePatches = Sequence[Bool[Tensor, "_ N"]] | None  # tiles.is_patch of each; None: none is empty


@dataclass(frozen=True, kw_only=True)
class BLIP3Config:
    """image_id: the token that stands where an image goes. n_latents: Q.
    n_layers, n_heads, d_head: of the sampler; released are 128 latents, 6 layers, 16 heads of 96.
    together: an image's views are sampled in one go, into Q tokens. Our control; the paper samples each on its own."""

    image_id: int
    n_latents: int = 8
    n_layers: int = 2
    n_heads: int = 4
    d_head: int | None = None
    together: bool = False

    def __post_init__(self):
        check_count("image_id", self.image_id)


class Row(NamedTuple):
    """Texts with their images put in, padded on the left. ids: image_id in every slot of an image."""

    x: Float[Tensor, "B S E"]
    ids: Int[Tensor, "B S"]
    is_token: Bool[Tensor, "B S"]


class BLIP3(nn.Module):
    """(texts, images) -> logits [B S K] of the next token at every slot.

    tower: SigLIPImageTower, or any with its config and features; frozen from now on.
    lm: GPT2, Llama, or any with their embed, run, to_vocab and new_caches.
    """

    def __init__(self, config: BLIP3Config, tower: nn.Module, lm: nn.Module):
        super().__init__()
        check_vocabulary(config.image_id, lm.config.n_vocab)
        D = tower.config.d_model
        self.config, self.lm = config, lm
        self.tower = tower.requires_grad_(False)
        self.sampler = PerceiverResampler(config.n_latents, config.n_layers, D, config.n_heads, d_head=config.d_head)
        self.to_lm = nn.Linear(D, lm.config.d_model)

    def forward(self, texts: Texts, images: Images = (), are_patches: ArePatches = None) -> Float[Tensor, "B S K"]:
        return self.lm.to_vocab(self.hidden(self.put_in(texts, self.tokens(images, are_patches))))

    def hidden(self, row: Row) -> Float[Tensor, "B S E"]:
        """What to_vocab reads."""
        return self.lm.run(row.x, is_token=None if row.is_token.all() else row.is_token)

    def tokens(self, images: Images, are_patches: ArePatches = None) -> list[Float[Tensor, "_ E"]]:
        """What the language model reads of each image: Q tokens a view, the small picture first."""
        return self.sample(self.features(images), are_patches)

    @torch.no_grad()
    def features(self, images: Images) -> list[Float[Tensor, "_ N D"]]:
        """What the tower sees in every view. It never learns, so a training may compute this once for all its steps."""
        check_images(images, self.tower.config)
        return list(self.tower.features(torch.cat(list(images))).split(lengths(images))) if len(images) else []

    def sample(
        self, features: Sequence[Float[Tensor, "_ N D"]], are_patches: ArePatches = None
    ) -> list[Float[Tensor, "_ E"]]:
        """The paper's any-resolution sampling: each view knows only of itself, whichever others the image has."""
        real = check_patches(features, are_patches)
        if not features:
            return []
        if self.config.together:
            whole = ([x.flatten(0, 1) for x in each] for each in (features, real))
            return list(self.to_lm(self.sampler(*(pad_sequence(each, batch_first=True) for each in whole))))
        sampled = self.to_lm(self.sampler(torch.cat(list(features)), torch.cat(real)))
        return [tokens.flatten(0, 1) for tokens in sampled.split(lengths(features))]

    def put_in(self, texts: Texts, tokens: Sequence[Float[Tensor, "_ E"]] = ()) -> Row:
        """Each placeholder becomes the tokens of its image, in reading order."""
        slots = check_texts(texts, tokens, self.config.image_id, getattr(self.lm.config, "context", None))
        ids = torch.cat(list(texts)).repeat_interleave(torch.cat(slots))
        x = self.lm.embed(ids[None])[0]
        if tokens:
            x = x.masked_scatter((ids == self.config.image_id)[:, None], torch.cat(list(tokens)).to(x.dtype))
        sizes = [int(each.sum()) for each in slots]
        parts = x.split(sizes), ids.split(sizes), torch.ones_like(ids, dtype=torch.bool).split(sizes)
        return Row(*(pad_sequence(part, batch_first=True, padding_side="left") for part in parts))


def text_loss(model: BLIP3, texts: Texts, tokens: Sequence[Float[Tensor, "_ E"]] = ()) -> Float[Tensor, ""]:
    """Mean surprise by the tokens of the texts, in nats: what follows an image is guessed from it, an image never is.

    tokens: model.tokens(images), or model.sample(features). Raises ValueError where no token has another before it.
    """
    row = model.put_in(texts, tokens)
    guessed = is_guessed(row, model.config.image_id)
    if not guessed.any():
        raise ValueError("no text has a token after its first slot, so there is nothing to guess; give longer texts")
    return cross_entropy(model.lm.to_vocab(model.hidden(row)[:, :-1][guessed]), row.ids[:, 1:][guessed])


def is_guessed(row: Row, image_id: int) -> Bool[Tensor, "B _"]:
    """Where slot s + 1 is a token of the text, and slot s is one to guess it from."""
    return (row.ids[:, 1:] != image_id) & row.is_token[:, :-1]


class BLIP3Reader:
    """A model in the middle of a text, for decoding/: the first ids are the prompts with their placeholders.

    capacity: slots that there is room for, prompt, its images and answer together.
    is_token: [B T] of the prompts; False on padding, which is left out.
    """

    def __init__(
        self,
        model: BLIP3,
        capacity: int,
        images: Images = (),
        are_patches: ArePatches = None,
        is_token: Bool[Tensor, "B T"] | None = None,
    ):
        self.model, self.is_prompt = model, is_token
        self.caches = model.lm.new_caches(capacity)
        with torch.inference_mode():
            self.tokens = model.tokens(images, are_patches)

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B K"]:
        """The next token's logits; the placeholder is never next. Raises ValueError where the caches are full."""
        if not self.caches[0].length:
            texts = ids if self.is_prompt is None else [row[told] for row, told in zip(ids, self.is_prompt)]
            x, _, self.is_token = self.model.put_in(texts, self.tokens)
        else:
            x = self.model.lm.embed(ids)
            self.is_token = torch.cat([self.is_token, torch.ones_like(ids, dtype=torch.bool)], dim=1)
        hidden = self.model.lm.run(x, is_token=self.is_token, caches=self.caches)
        logits = self.model.lm.to_vocab(hidden[:, -1])
        logits[:, self.model.config.image_id] = -torch.inf
        return logits

    @torch.inference_mode()
    def reorder(self, rows: Int[Tensor, " rows"]) -> None:
        """Go on with copies of these rows, for beam search."""
        for cache in self.caches:
            cache.reorder(rows)
        self.is_token = self.is_token[rows]


def lengths(parts: Sequence[Tensor]) -> list[int]:
    return [len(part) for part in parts]


def check_vocabulary(image_id: int, n_vocab: int) -> None:
    """Raise ValueError unless the placeholder is a token of the language model."""
    if image_id >= n_vocab:
        raise ValueError(
            f"image_id ({image_id}) is not in the language model's vocabulary (0 to {n_vocab - 1}); "
            f"build it with n_vocab={image_id + 1}, or give a token that no text uses"
        )


def check_images(images: Images, config: ImageConfig) -> None:
    """Raise unless each image is its views [V C H W], at least one, of the tower's size."""
    for i, views in enumerate(images):
        check_size(views, config.channels, config.height, config.width)
        if not len(views):
            raise ValueError(f"image {i} has 0 views; give at least the small picture, as tiles.views_of does")


def check_patches(features: Sequence[Tensor], are_patches: ArePatches) -> list[Bool[Tensor, "_ N"]]:
    """are_patches, or all True. Raises ValueError unless there is one [V N] for each image."""
    shapes = [tuple(x.shape[:2]) for x in features]
    if are_patches is None:
        return [torch.ones(shape, dtype=torch.bool, device=x.device) for shape, x in zip(shapes, features)]
    found = [tuple(mask.shape) for mask in are_patches]
    if found != shapes:
        raise ValueError(f"are_patches have shapes {found}; the images have {shapes}, [views, patches] of each")
    return list(are_patches)


def check_texts(texts: Texts, tokens: Sequence[Tensor], image_id: int, context: int | None) -> list[Int[Tensor, " _"]]:
    """How many slots each token of each text takes: one, or as many as its image has tokens.

    Raises ValueError for no text, an empty one, more or fewer images than placeholders, and texts past the context.
    """
    if not len(texts):
        raise ValueError("there are 0 texts; give at least one")
    sizes, slots = iter(lengths(tokens)), []
    for i, text in enumerate(texts):
        check_tensor(f"text {i}", text)
        if text.ndim != 1 or not len(text):
            raise ValueError(f"text {i} has shape {tuple(text.shape)}; [T] with T at least 1 is needed")
    n_places = sum(int((text == image_id).sum()) for text in texts)
    if n_places != len(tokens):
        raise ValueError(
            f"the texts have {n_places} placeholders (token {image_id}) and there are {len(tokens)} images; "
            "write one placeholder for each image, tiles and all"
        )
    for i, text in enumerate(texts):
        takes = [next(sizes) if told else 1 for told in (text == image_id).tolist()]
        if context is not None and sum(takes) > context:
            n_images = int((text == image_id).sum())
            raise ValueError(
                f"text {i} takes {sum(takes)} slots, {len(text) - n_images} for its text and the others for "
                f"{n_images} images; the context holds {context}: cut the text, or take fewer tiles or latents"
            )
        slots.append(torch.tensor(takes, device=text.device))
    return slots
