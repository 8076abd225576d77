"""What readers plausibly hand to the rooms of SFT and reward models by mistake: each is refused in the room's words."""

import pytest
import torch

from course_lib.posttraining import log_probs

R, T = torch.randn, torch.tensor
IDS = T([[1, 2, 3], [4, 0, 0]])
ANSWER = T([[False, True, True], [False, True, False]])
EMPTY = T([[False, True, True], [True, False, False]])

CASES = [
    (lambda: log_probs.token_log_probs(R(2, 3, 5), IDS[:, :2]), ValueError, r"\(2, 3, 5\) and ids \(2, 2\) must be"),
    (lambda: log_probs.token_log_probs(R(2, 5), IDS), ValueError, r"must be \[B T V\] and \[B T\], T >= 2"),
    (lambda: log_probs.token_log_probs(R(2, 1, 5), IDS[:, :1]), ValueError, "T >= 2"),
    (lambda: log_probs.token_log_probs(R(2, 3, 4), IDS), ValueError, "ids run from 0 to 4, but the logits know 0 to 3"),
    (lambda: log_probs.token_log_probs(R(2, 3, 5), IDS - 100), ValueError, "ids run from -100 to -96"),
    (lambda: log_probs.token_log_probs(IDS[..., None], IDS), TypeError, r"write logits.float\(\) first"),
    (lambda: log_probs.is_target(ANSWER.long()), TypeError, "is_answer must be boolean.*try is_answer > 0"),
    (
        lambda: log_probs.is_target(ANSWER[0]),
        ValueError,
        r"\[B T\]; for one text alone write is_answer\[None\]",
    ),
    (lambda: log_probs.answer_log_probs(R(2, 2), EMPTY), ValueError, r"rows \[1\] have no token of an answer"),
    (lambda: log_probs.row_means(R(2, 3), EMPTY & ANSWER), ValueError, r"rows \[1\] have no token"),
    (lambda: log_probs.masked_mean(R(2, 2), ANSWER), ValueError, r"\(2, 2\) and mask \(2, 3\).*is_target"),
    (lambda: log_probs.masked_mean(R(2, 3), ANSWER & False), ValueError, "none of the 6 places is True"),
    (lambda: log_probs.masked_mean(R(2, 3), ANSWER.float()), TypeError, "mask must be boolean.*try mask > 0"),
    (lambda: log_probs.masked_mean(IDS, ANSWER), TypeError, r"values is torch.int64; write values.float\(\) first"),
    (lambda: log_probs.entropies(IDS), TypeError, r"write logits.float\(\) first"),
]


@pytest.mark.usefixtures("as_readers_have_it")
@pytest.mark.parametrize("call, error, words", CASES)
def test_refused_in_the_rooms_own_words(call, error, words):
    with pytest.raises(error, match=words):
        call()
