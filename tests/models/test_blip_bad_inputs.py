"""What readers and authors plausibly hand to BLIP by mistake: each is refused in the room's own words."""

import pytest
import torch

from course_lib.decoding.generation import greedy
from course_lib.foundations import bert, hard_negatives, momentum
from course_lib.models.blip import BLIP, BLIPConfig, CaptionReader, TextConfig
from course_lib.models.blip_pretrain import PretrainConfig, Pretraining, caption_loss, match_loss
from course_lib.models.vit import ViTConfig

R, T = torch.randn, torch.tensor
VIT = ViTConfig(height=8, width=12, patch=4, d_model=12, n_heads=3)
CONFIG = BLIPConfig(image=VIT, text=TextConfig(n_vocab=11, context=5, d_model=8, n_heads=2), d_shared=4)
OTHER = BLIPConfig(image=VIT, text=CONFIG.text, d_shared=5)
MODEL, STEP = BLIP(CONFIG), Pretraining(PretrainConfig(blip=CONFIG, n_queue=4))
IDS, SEEN, IMAGES = T([[1, 2, 3], [1, 4, 0]]), R(2, 7, 12), R(2, 3, 8, 12)
HOLE = T([[True, True, True], [False, True, True]])
EMPTY = T([[True, True, True], [False, False, False]])
ONES = T([[True, False, False], [True, False, False]])
YES = torch.ones(2, 2, dtype=torch.bool)

CASES = [
    # texts
    (lambda: MODEL.text_features(T([[]]).long()), ValueError, r"ids \(1, 0\) must be \[B T\], T at least 1"),
    (lambda: MODEL.text_features(T([1, 2])), ValueError, r"ids \(2,\) must be \[B T\]"),
    (lambda: MODEL.text_features(IDS[:0]), ValueError, r"ids \(0, 3\) must be \[B T\]"),
    (lambda: MODEL.text_features([[1, 2]]), TypeError, "ids is of type list"),
    (lambda: MODEL.text_features(IDS.float()), TypeError, "ids must be integers"),
    (lambda: MODEL.text_features(IDS + 8), ValueError, r"ids from 8 to 12 do not fit a vocabulary of 11"),
    (lambda: MODEL.text_features(IDS.repeat(1, 2)), ValueError, r"6 tokens, the context holds 5; cut the text"),
    (lambda: MODEL.matches(SEEN, IDS.repeat(1, 2)), ValueError, r"6 tokens, the context holds 5"),
    (lambda: MODEL.next_words(SEEN, IDS.repeat(1, 2)), ValueError, r"6 tokens, the context holds 5"),
    (lambda: MODEL.text_features(IDS, EMPTY), ValueError, r"text 1 begins with padding, or is empty"),
    (lambda: MODEL.matches(SEEN, IDS, HOLE), ValueError, r"text 1 begins with padding, or is empty; pad behind it"),
    (lambda: MODEL.next_words(SEEN, IDS, EMPTY), ValueError, r"text 1 begins with padding, or is empty"),
    (lambda: MODEL.text_features(IDS, HOLE[:1]), ValueError, r"is_token \(1, 3\) must have the shape of .* \(2, 3\)"),
    (lambda: MODEL.text_features(IDS, (IDS > 0).long()), TypeError, r"is_token must be boolean.*try is_token > 0"),
    # images, and what was seen of them
    (lambda: MODEL.look(R(2, 3, 12, 8)), ValueError, r"8×12"),
    (lambda: MODEL.look(R(2, 1, 8, 12)), ValueError, r"3"),
    (lambda: MODEL.look(R(3, 8, 12)), ValueError, r"\(3, 8, 12\)"),
    (lambda: MODEL.matches(IMAGES, IDS), ValueError, r"context \(2, 3, 8, 12\) must be \[B S Dv\] with Dv = 12"),
    (lambda: MODEL.matches(R(2, 7, 8), IDS), ValueError, r"context \(2, 7, 8\) must be \[B S Dv\] with Dv = 12"),
    (lambda: MODEL.matches(SEEN[:1], IDS), ValueError, "2 rows of x but 1 contexts; each row reads its own"),
    (lambda: MODEL.next_words(SEEN, IDS[:1]), ValueError, "1 rows of x but 2 contexts"),
    # captions
    (lambda: greedy(CaptionReader(MODEL, IMAGES), IDS[:, :1], 6), ValueError, r"6 tokens, the context holds 5"),
    (lambda: CaptionReader(MODEL, IMAGES)(IDS[:1]), ValueError, "1 rows of x but 2 contexts"),
    (lambda: caption_loss(MODEL, SEEN, IDS[:, :1]), ValueError, r"no word after their first 1 tokens"),
    (lambda: caption_loss(MODEL, SEEN, IDS, ONES), ValueError, r"no word after their first 1 tokens"),
    (lambda: caption_loss(MODEL, SEEN, IDS, n_prompt=3), ValueError, r"no word after their first 3 tokens"),
    (lambda: caption_loss(MODEL, SEEN, IDS, n_prompt=0), ValueError, r"n_prompt \(0\) must be at least 1"),
    # the joint step
    (lambda: STEP(IMAGES[:1], IDS[:1]), ValueError, r"1 images and 1 captions; .* at least 2"),
    (lambda: STEP(IMAGES, IDS[:1]), ValueError, r"2 images and 1 captions; as many of both are needed"),
    (lambda: STEP(IMAGES, IDS, alpha=1.5), ValueError, r"alpha \(1.5\) must lie in 0 … 1"),
    (lambda: STEP(IMAGES, IDS, same=YES), ValueError, r"all 2 columns are the same as row 0; .* two different pairs"),
    (lambda: STEP(IMAGES, IDS, same=YES[:1]), ValueError, r"same \(.*\) must have the shape of the logits, \(2, 2\)"),
    (
        lambda: Pretraining(PretrainConfig(blip=OTHER), MODEL),
        ValueError,
        "built with BLIPConfig.* and config",
    ),
    (lambda: PretrainConfig(blip=CONFIG, momentum=1.2), ValueError, r"momentum \(1.2\) must lie in 0 … 1"),
    (lambda: PretrainConfig(blip=CONFIG, n_queue=-1), ValueError, r"n_queue \(-1\) must be at least 0"),
    (lambda: PretrainConfig(blip=CONFIG, temperature=0), ValueError, r"temperature \(0\) must lie in 0.001 … 0.5"),
    (lambda: PretrainConfig(blip=CONFIG, smoothing=2), ValueError, r"smoothing \(2\) must lie in 0 … 1"),
    # parts
    (lambda: hard_negatives.hard_negatives(R(1, 1)), ValueError, "a batch of one pair has nothing to be told apart"),
    (lambda: hard_negatives.hard_negatives(R(2, 3)), ValueError, r"logits \(2, 3\) must be square"),
    (lambda: momentum.soft_nce(R(2, 3), R(2, 2)), ValueError, r"logits \(2, 3\) and targets \(2, 2\) must be \[N M\]"),
    (lambda: momentum.soft_nce(R(3, 2), R(3, 2)), ValueError, r"logits \(3, 2\)"),
    (lambda: momentum.soft_targets(R(2, 3), -0.1), ValueError, r"alpha \(-0.1\)"),
    (lambda: momentum.follow(MODEL, STEP, 0.5), ValueError, r"the student has no image.* the teacher is its copy"),
    (lambda: momentum.follow(MODEL, MODEL, 2), ValueError, r"momentum \(2\) must lie in 0 … 1"),
    (lambda: momentum.FeatureQueue(-1, 3), ValueError, r"capacity \(-1\)"),
    (lambda: bert.CrossAttention(8, 3, 5), ValueError, r"n_heads \(3\) must divide d_model \(8\)"),
    (lambda: bert.CrossAttention(8, 2, 0), ValueError, r"d_context \(0\)"),
    (lambda: bert.CrossAttention(8, 2, 5)(R(2, 3, 8), R(2, 4, 5), YES), ValueError, r"may_attend \(2, 2\) does not"),
    (lambda: bert.CrossAttention(8, 2, 5)(R(3, 8), R(2, 4, 5)), ValueError, r"x \(3, 8\).*\[B T D\]"),
    (lambda: bert.BertEmbeddings(11, 0, 8), ValueError, r"context \(0\) must be at least 1"),
    (lambda: TextConfig(n_vocab=11, enc=11), ValueError, r"enc \(11\) is not in the vocabulary \(0 to 10\)"),
    (lambda: TextConfig(n_vocab=11, dec=-1), ValueError, r"dec \(-1\) is not in the vocabulary"),
    (lambda: TextConfig(n_vocab=11, d_model=10), ValueError, r"n_heads \(4\) must divide d_model \(10\)"),
    (lambda: TextConfig(n_vocab=11, n_layers=0), ValueError, r"n_layers \(0\)"),
    (lambda: TextConfig(n_vocab=11, d_hidden=0), ValueError, r"d_hidden \(0\)"),
    (
        lambda: BLIPConfig(image=ViTConfig(n_classes=3), text=TextConfig(n_vocab=11)),
        ValueError,
        r"image.n_classes \(3\) must be 0: texts read features",
    ),
    (lambda: BLIPConfig(image=VIT, text=CONFIG.text, d_shared=0), ValueError, r"d_shared \(0\)"),
]


@pytest.mark.parametrize(("call", "error", "says"), CASES, ids=[str(i) for i in range(len(CASES))])
def test_refused(call, error, says, as_readers_have_it):
    with pytest.raises(error, match=says):
        call()


def test_a_refused_step_leaves_teacher_and_queues_as_they_were(as_readers_have_it):
    """Captions past the context or without a word, one pair alone, other images: nothing has moved."""
    step = Pretraining(PretrainConfig(blip=CONFIG, n_queue=4))
    with torch.no_grad():
        for parameter in step.blip.parameters():
            parameter += 1
    before = {name: tensor.clone() for name, tensor in step.state_dict().items()}
    long, wordless, other = IDS.repeat(1, 2), IDS[:, :1], R(2, 3, 8, 8)
    for images, ids in ((IMAGES[:1], IDS[:1]), (IMAGES, long), (other, IDS), (IMAGES, wordless)):
        with pytest.raises(ValueError):
            step(images, ids)
        assert all(torch.equal(tensor, before[name]) for name, tensor in step.state_dict().items()), ids.shape


def test_a_negative_that_is_the_pair_would_be_a_positive():
    """match_loss takes what it is given: equal indices are labelled as a match."""
    own = torch.arange(2)
    with torch.no_grad():
        assert torch.isfinite(match_loss(MODEL, SEEN, IDS, None, own, own))
