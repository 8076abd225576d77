"""Decoding at speed for models that see: what LlavaReader and Qwen2VLReader read, on fast_reader.py's layers.

B texts · T tokens of the prompts · P pairs of a head
Pictures and videos are looked at once and spliced into the prompts; all that follows is text. In Qwen2-VL the prompts
turn by time, row and column, and the text after them by one number, which is the same on all three axes: its angles
are worked out once, for as many tokens as there is room for.
Read first: fast_reader.py, models/llava.py, models/qwen2_vl.py.  Chapters 15 and 17.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from course_lib.decoding.fast_reader import FastReader
from course_lib.foundations.axial import AxialRotation, three_axes
from course_lib.foundations.native import Seen
from course_lib.models.llava import Images, Llava
from course_lib.models.qwen2_vl import Qwen2VL
from course_lib.models.splice import splice


class FastLlavaReader(FastReader):
    """A Llava around a Llama in the middle of its texts, as LlavaReader is, and with its arguments."""

    @torch.inference_mode()
    def __init__(self, model: Llava, capacity: int, images: Images = None, is_token: Bool[Tensor, "B T"] | None = None):
        super().__init__(model.lm, capacity, is_token)
        self.embedding, self.image_id, self.tokens = self.spliced, model.config.image_id, model.tokens(images)
        self.words = model.lm.embedding

    def spliced(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        return splice(self.words(ids), ids, [] if self.length else self.tokens, self.image_id)

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """An image token is never next. Raises ValueError where the cache is full, and what splice raises."""
        logits = super().__call__(ids)
        logits[:, self.image_id] = -torch.inf
        return logits


class FastQwen2VLReader(FastReader):
    """A Qwen2VL, of Qwen2-VL or 2.5, in the middle of its texts, as Qwen2VLReader is, and with its arguments."""

    def __init__(
        self, model: Qwen2VL, capacity: int, seen: Sequence[Seen] = (), is_token: Bool[Tensor, "B T"] | None = None
    ):
        super().__init__(model.lm, capacity, is_token)
        self.whole, self.seen, self.is_token = model, seen, is_token
        self.never = [model.config.image_id, model.config.video_id]

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """A placeholder is never next. Raises ValueError where the cache is full, and what the model raises."""
        if not self.length:
            x, positions = self.whole.embed(ids, self.seen), self.whole.positions(ids, self.seen, self.is_token)
            following = positions.amax(dim=(0, 2))[:, None] + 1 + torch.arange(max(0, self.capacity - ids.shape[1]))
            self.turns = torch.cat([self.turns_at(positions), self.turns_at(following.expand(3, -1, -1))], dim=1)
            self.embedding = lambda ids: x
        logits = super().__call__(ids)
        self.embedding = self.whole.lm.embedding
        logits[:, self.never] = -torch.inf
        return logits

    def turns_at(self, positions: Int[Tensor, "3 B T"]) -> Complex[Tensor, "B T 1 P"]:
        text, weight = self.whole.config.text, self.whole.lm.embedding.weight
        axes = three_axes(text.d_head, text.sections, text.rope_base)
        angles = AxialRotation(positions, *axes, weight.dtype).angles.movedim(1, 2)
        return torch.polar(torch.ones_like(angles), angles).to(weight.device, weight.dtype.to_complex())

    def _turn(self, start: int, end: int) -> Complex[Tensor, "B T 1 P"]:
        return self.turns[:, start:end]

    @torch.inference_mode()
    def reorder(self, rows: Int[Tensor, " rows"]) -> None:
        """Go on with copies of these rows, for beam search."""
        super().reorder(rows)
        self.turns = self.turns[rows]
