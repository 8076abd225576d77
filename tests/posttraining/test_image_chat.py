"""Chats with images: one token a feature, none of them learned, and the loss of every word of every answer."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from course_lib.data.world.instructions import instructions, tell, write_up
from course_lib.data.world.scenes import scatter
from course_lib.models.clip import ImageConfig, ImageTower
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.models.llava import Llava, LlavaConfig
from course_lib.posttraining.chat import Chat, Rendered
from course_lib.posttraining.image_chat import image_sft_loss, put_images, with_images
from course_lib.posttraining.sft import n_targets, padded, shortened

LETTERS = sorted(
    {
        letter
        for i in range(200)
        for kind in ("conversation", "description", "reasoning")
        for m in write_up(kind, tell(scatter(0, i)), 0, i)
        for letter in m["role"] + m["content"]
    }
    | set("systemrassistant\n")
)
START, END, IMAGE = (len(LETTERS) + i for i in range(3))
CHAT = Chat(with_images(lambda text: [LETTERS.index(letter) for letter in text], IMAGE), START, END)
SCENES = [scatter(0, i) for i in range(6)]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    tower = ImageTower(ImageConfig(height=8, width=8, patch=4, d_model=8, n_heads=2))
    return Llava(LlavaConfig(image_id=IMAGE), tower, Llama(LlamaConfig(n_vocab=IMAGE + 1, d_model=16))).double()


def test_the_image_takes_its_place_and_the_answers_keep_their_marks():
    for _, messages in instructions(SCENES, 0):
        plain = CHAT.render(messages)
        text = put_images(plain, [4], IMAGE)
        assert text.ids.count(IMAGE) == 4 and len(text.ids) == len(plain.ids) + 3
        assert not any(mine for i, mine in zip(text.ids, text.is_answer) if i == IMAGE)
        words = [i for i, mine in zip(text.ids, text.is_answer) if mine]
        answers = [m["content"] for m in messages if m["role"] == "assistant"]
        assert words == [i for said in answers for i in [*CHAT.plain(said), END]]


def test_several_images_in_several_turns():
    messages = [
        {"role": "user", "content": "<image><image>有几个圆形？"},
        {"role": "assistant", "content": "有2个圆形。"},
        {"role": "user", "content": "有几个圆形？\n<image>"},
        {"role": "assistant", "content": "有0个圆形。"},
    ]
    text = put_images(CHAT.render(messages), [1, 2, 3], IMAGE)
    places = [place for place, i in enumerate(text.ids) if i == IMAGE]
    assert len(places) == 6 and places[:3] == list(range(places[0], places[0] + 3))
    assert sum(text.is_answer) == 2 * (len("有2个圆形。") + 1)


def batch(chats) -> dict[str, torch.Tensor]:
    images = torch.randn(len(chats), 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return padded([put_images(CHAT.render(messages), [4], IMAGE) for _, messages in chats], 0) | {"images": images}


def test_the_loss_is_the_surprise_by_every_word_of_every_answer(model):
    """Worked out chat by chat, token by token, without batch, mask or shift."""
    chats = instructions(SCENES, 0)
    whole = batch(chats)
    surprises = []
    for i, (_, messages) in enumerate(chats):
        ids, is_answer = put_images(CHAT.render(messages), [4], IMAGE)
        logits = model(torch.tensor([ids]), whole["images"][i : i + 1])[0]
        for t, mine in enumerate(is_answer):
            if mine:
                surprises.append(cross_entropy(logits[t - 1], torch.tensor(ids[t])))
    assert len(surprises) == n_targets(whole)
    assert float((image_sft_loss(model, whole) - torch.stack(surprises).mean()).abs()) < 1e-12


def test_image_tokens_get_no_gradient_as_words_and_their_features_do(model):
    """The row of the image's id in the table is never read; the projector learns from the answers alone."""
    model.zero_grad()
    image_sft_loss(model, batch(instructions(SCENES, 0))).backward()
    assert not model.lm.embedding.weight.grad[IMAGE].any()
    assert all(parameter.grad.any() for parameter in model.projector.parameters())
    model.zero_grad()
    other = batch(instructions(SCENES, 0))
    other["is_answer"] = torch.zeros_like(other["is_answer"])
    other["is_answer"][:, 1] = True  # the first letter of user, before every image
    image_sft_loss(model, other).backward()
    assert not model.projector.layers[0].weight.grad.any()


def test_a_chat_cut_through_its_image_is_refused_where_it_is_read(model):
    messages = [{"role": "user", "content": "有几个圆形？"}, {"role": "assistant", "content": "有0个圆形。"}]
    messages += [{"role": "user", "content": "<image>"}, {"role": "assistant", "content": "有0个圆形。"}]
    text = put_images(CHAT.render(messages), [4], IMAGE)
    cut = padded([shortened(text, text.ids.index(IMAGE) + 2)], 0) | {"images": torch.zeros(1, 3, 8, 8).double()}
    with pytest.raises(ValueError, match=r"2 image tokens .* 4 features; text 0 begins or ends inside its image"):
        image_sft_loss(model, cut)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: put_images(Rendered([1, IMAGE], [False, True]), [2], IMAGE), "token 1 is an image in an answer; show"),
        (lambda: put_images(Rendered([1, IMAGE], [False] * 2), [], IMAGE), "1 placeholders .* 0 images; write one"),
        (lambda: put_images(Rendered([1, 2], [False] * 2), [3], IMAGE), "0 placeholders .* 1 images"),
        (lambda: with_images(lambda text: [7, IMAGE], IMAGE)("a<image>"), "'a' is encoded with .*, the id of <image>"),
    ],
)
def test_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_another_sign():
    assert with_images(lambda text: [len(text)], 99, sign="<|image_pad|>")("ab<|image_pad|><|image_pad|>c") == [
        2,
        99,
        99,
        1,
    ]
