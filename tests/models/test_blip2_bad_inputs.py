"""What readers and authors plausibly hand to BLIP-2 by mistake: each is refused in the room's own words."""

import pytest
import torch

from course_lib.decoding.generation import greedy
from course_lib.foundations.qformer_masks import MASKS, influence
from course_lib.models.blip2 import Describer, DescribingReader, QFormer, QFormerConfig, Retriever, Stage1
from course_lib.models.blip2_pretrain import stage1_losses
from course_lib.models.blip_pretrain import caption_loss
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.opt import OPT
from course_lib.models.vit import ViT, ViTConfig

T = torch.tensor
VIT = ViT(ViTConfig(height=8, width=8, patch=4, d_model=12, n_heads=3))
CONFIG = QFormerConfig(n_vocab=9, context=6, dec=8, n_queries=3, d_image=12, d_model=16)
STAGE1 = Stage1(VIT, CONFIG, d_shared=6)
DESCRIBER = Describer(VIT, QFormer(CONFIG).without_text(), GPT2(GPT2Config(n_vocab=9, context=10, d_model=8)))
IMAGES, IDS = torch.zeros(2, 3, 8, 8), T([[1, 2, 3], [4, 5, 6]])
SEEN = torch.zeros(2, 5, 12)
ALL = torch.ones(2, 3) > 0


def padded(*rows: list[int]) -> torch.Tensor:
    return T(rows) > 0


def reader(images=IMAGES, capacity=5, is_token=None) -> DescribingReader:
    return DescribingReader(DESCRIBER, images, capacity, is_token)


CASES = [
    (lambda: QFormerConfig(n_queries=0), ValueError, r"n_queries \(0\) must be at least 1"),
    (lambda: QFormerConfig(cross_every=0), ValueError, r"cross_every \(0\) must be at least 1"),
    (lambda: QFormerConfig(n_vocab=-1), ValueError, r"n_vocab \(-1\) must be at least 0"),
    (lambda: QFormerConfig(n_vocab=5, dec=5), ValueError, r"dec \(5\) is not in the vocabulary \(0 to 4\)"),
    (lambda: QFormerConfig(dec=0), ValueError, r"dec \(0\) is not in the vocabulary"),
    (lambda: QFormerConfig(n_heads=3), ValueError, r"n_heads \(3\) must divide d_model \(64\); try n_heads=2"),
    (lambda: QFormerConfig(d_hidden=1.5), TypeError, "d_hidden is 1.5"),
    (lambda: Retriever(VIT, QFormerConfig()), ValueError, r"n_vocab \(0\) must be at least 1: in stage 1"),
    (lambda: Retriever(VIT, CONFIG, d_shared=0), ValueError, r"d_shared \(0\) must be at least 1"),
    (lambda: Stage1(VIT, CONFIG, temperature=0.0), ValueError, r"temperature \(0.0\) must be positive"),
    (lambda: Describer(VIT, STAGE1.qformer, DESCRIBER.lm), ValueError, r"give qformer.without_text\(\)"),
    (lambda: STAGE1.look(IMAGES[0]), ValueError, r"write images\[None\]"),
    (lambda: STAGE1.look(torch.zeros(2, 3, 12, 8)), ValueError, "images are 12×8 pixels, .* 8×8; resize"),
    (lambda: STAGE1.image_features(torch.zeros(2, 5, 16)), ValueError, r"context \(2, 5, 16\) must be .* Dv = 12"),
    (lambda: STAGE1.text_features(T([1, 2])), ValueError, r"ids \(2,\) must be \[B L\]"),
    (lambda: STAGE1.text_features(IDS[:, :0]), ValueError, "an empty text has a first token too"),
    (lambda: STAGE1.text_features(IDS.repeat(1, 3)), ValueError, "9 tokens, but only positions 0 to 5 have a vector"),
    (lambda: STAGE1.text_features(IDS + 9), ValueError, "ids from 10 to 15 do not fit a vocabulary of 9"),
    (lambda: STAGE1.text_features(None), TypeError, "ids is of type NoneType"),
    (lambda: STAGE1.text_features(IDS, padded([0, 1, 1], [1, 1, 1])), ValueError, "text 0 begins with padding"),
    (lambda: STAGE1.text_features(IDS, ALL[:1]), ValueError, r"is_token \(1, 3\) must have the shape of the ids"),
    (lambda: STAGE1.text_features(IDS, ALL.long()), TypeError, "torch.int64; try is_token > 0"),
    (lambda: STAGE1.matches(SEEN[:1], IDS), ValueError, "1 images but 2 texts; row i of both belong together"),
    (lambda: STAGE1.matches(SEEN, IDS, padded([1, 1, 0], [0, 0, 0])), ValueError, "text 1 begins with padding, or is"),
    (lambda: STAGE1.matches(SEEN, IDS[:, :0]), ValueError, "an empty text has a first token too"),
    (lambda: STAGE1.next_words(SEEN, IDS.repeat(1, 3)), ValueError, "9 tokens, but only positions 0 to 5"),
    (lambda: STAGE1.next_words(SEEN, IDS, may_attend=MASKS["ITG"](3, 4)), ValueError, r"may_attend \(7, 7\) does not"),
    (lambda: STAGE1.next_words(SEEN, IDS, may_attend=torch.ones(6, 6)), TypeError, "may_attend must be boolean"),
    (lambda: DESCRIBER.qformer.read(IDS), ValueError, "this Q-Former reads no text"),
    (lambda: stage1_losses(STAGE1, IMAGES[:1], IDS[:1]), ValueError, "1 images and 1 captions; .* at least 2"),
    (lambda: stage1_losses(STAGE1, IMAGES, IDS[:1]), ValueError, "2 images and 1 captions; as many of both"),
    (lambda: stage1_losses(STAGE1, IMAGES, IDS[:, :1]), ValueError, "no word after their first 1 tokens"),
    (lambda: stage1_losses(STAGE1, IMAGES, IDS, smoothing=2), ValueError, r"smoothing \(2\) must lie in 0 … 1"),
    (lambda: stage1_losses(STAGE1, IMAGES, IDS, same=torch.ones(2, 2) > 0), ValueError, "a batch needs two different"),
    (lambda: caption_loss(DESCRIBER, SEEN, IDS[:, :1]), ValueError, "no word after their first 1 tokens"),
    (lambda: DESCRIBER.next_words(SEEN, IDS[:, :0]), ValueError, "begin each text with a start token"),
    (lambda: DESCRIBER.next_words(SEEN[:1], IDS), ValueError, "1 images but 2 texts"),
    (lambda: DESCRIBER.next_words(SEEN, IDS, padded([0, 1, 1], [1, 1, 1])), ValueError, "text 0 begins with padding"),
    (lambda: DESCRIBER.next_words(SEEN, IDS.repeat(1, 3)), ValueError, "12 tokens, but only positions 0 to 9"),
    (lambda: reader()(IDS[:1]), ValueError, "2 images but 1 texts"),
    (lambda: reader(is_token=padded([1, 1, 0], [1, 1, 1])), ValueError, "row 0 .* ends in padding; pad on the left"),
    (lambda: greedy(reader(capacity=4), IDS, 3), ValueError, "the cache holds 7 of 7 tokens and 1 more do not fit"),
    (lambda: greedy(reader(capacity=9), IDS, 9), ValueError, "11 tokens, but only positions 0 to 9 have a vector"),
    (lambda: OPT(GPT2Config(n_vocab=9, context=5, d_model=8))(IDS.repeat(1, 2)), ValueError, "6 tokens, but .* 0 to 4"),
    (lambda: MASKS["ITC"](-1, 3), ValueError, r"n_queries \(-1\) must be at least 0"),
    (lambda: MASKS["ITM"](3, 2.0), TypeError, "n_words is 2.0; a whole number"),
    (lambda: influence(STAGE1.qformer.ask(SEEN), SEEN), ValueError, r"write x.requires_grad_\(\) for each input"),
    (lambda: influence(SEEN, SEEN), ValueError, "no gradients are kept"),
]


@pytest.mark.parametrize(("call", "error", "says"), CASES)
def test_is_refused_by_the_room(call, error, says, as_readers_have_it):
    with pytest.raises(error, match=says):
        call()
