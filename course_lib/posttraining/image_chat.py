"""Chats about images: the sign <image> in a message becomes the image's tokens, which nobody has to learn.

    chat = Chat(with_images(encode, image_id), start, end)                the sign is one id
    text = put_images(chat.render(messages), sizes, image_id)             … and then one id a feature
    batch = padded([text, …], pad) | {"images": images}                   of sft.py; images in the order of the texts
    loss = image_sft_loss(model, batch)                                   weigh=n_targets, as in sft.py
What is learned is what it was without images: every word of every answer, and the end after it.
Read first: chat.py, sft.py, models/splice.py.  Chapter 15.
"""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from course_lib.data.world.instructions import IMAGE
from course_lib.models.splice import slots
from course_lib.posttraining.chat import Rendered
from course_lib.posttraining.log_probs import is_target, masked_mean, token_log_probs


def with_images(encode: Callable[[str], list[int]], image_id: int, sign: str = IMAGE) -> Callable[[str], list[int]]:
    """encode, but each sign in a text is one image_id. ValueError is raised where encode itself gives that id."""

    def encoded(text: str) -> list[int]:
        ids: list[int] = []
        for i, part in enumerate(text.split(sign)):
            words = encode(part) if part else []
            if image_id in words:
                raise ValueError(
                    f"{part!r:.60} is encoded with {image_id}, the id of {sign}; give images an id that no word has"
                )
            ids += ([image_id] if i else []) + words
        return ids

    return encoded


def put_images(text: Rendered, sizes: Sequence[int], image_id: int) -> Rendered:
    """The text with one token for each feature. sizes: of its images, in their order, as model.counts tells them.

    Raises ValueError unless there is one sign for each image, and where the assistant has written one.
    """
    takes = slots(text.ids, sizes, image_id)
    for place, (i, mine) in enumerate(zip(text.ids, text.is_answer)):
        if mine and i == image_id:
            raise ValueError(f"token {place} is an image in an answer; show images in questions alone")
    ids = [i for i, n in zip(text.ids, takes) for _ in range(n)]
    return Rendered(ids, [mine for mine, n in zip(text.is_answer, takes) for _ in range(n)])


def image_sft_loss(model: nn.Module, batch: dict[str, Tensor]) -> Float[Tensor, ""]:
    """sft_loss of a model that also takes images. In nats a word, mean over all words of all answers of the batch."""
    logits = model(batch["ids"], batch["images"], is_token=batch["is_token"])
    return masked_mean(-token_log_probs(logits, batch["ids"]), is_target(batch["is_answer"]))
