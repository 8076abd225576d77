"""What readers plausibly hand to the rooms of SFT and reward models by mistake: each is refused in the room's words."""

import pytest
import torch

from course_lib.foundations.gpt2_bpe import GPT2Tokenizer
from course_lib.foundations.tokenizer import CharTokenizer
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config
from course_lib.posttraining import log_probs
from course_lib.posttraining.chat import Chat, Rendered, chatml
from course_lib.posttraining.lora import LoRALinear, add_lora, merge
from course_lib.posttraining.packing import best_fit, own_text, packed, packed_logits, places
from course_lib.posttraining.reward_model import RewardModel, accuracy, bradley_terry, off_centre, reward_loss
from course_lib.posttraining.sft import padded, sft_loss, shortened

R, T = torch.randn, torch.tensor
IDS = T([[1, 2, 3], [4, 0, 0]])
ANSWER = T([[False, True, True], [False, True, False]])
EMPTY = T([[False, True, True], [True, False, False]])
CHAT = Chat(CharTokenizer("<>\nadeimnrstuy").encode, 0, 1)
MODEL = GPT2(GPT2Config(n_vocab=5))
JUDGE = RewardModel(MODEL)
TEXT, SILENT = Rendered([1, 2, 3, 4], [False, False, True, True]), Rendered([1, 2], [True, False])
PAIR = {name: padded([TEXT], 0) for name in ("chosen", "rejected")}
LAYER = torch.nn.Linear(6, 4)
NAN, INF = torch.nan, torch.inf


def said(role, content):
    return [{"role": role, "content": content}]


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
    # conversations
    (lambda: chatml([]), ValueError, r"messages is \[\]; give a list of at least one"),
    (lambda: chatml(said("user", "a")[0]), ValueError, "give a list of at least one message"),
    (lambda: chatml("a"), ValueError, "give a list of at least one message"),
    (lambda: chatml(said("assitant", "a")), ValueError, "role of message 0 'assitant'; known: system, user, assistant"),
    (lambda: chatml([{"from": "user", "value": "a"}]), ValueError, "message 0 is .*give {'role'"),
    (lambda: chatml(said("user", "a") + said("user", None)), TypeError, "content of message 1 is of type NoneType"),
    (lambda: CHAT.render(said("user", "a>")), ValueError, "'a>' holds the sign 0 or 1; encode messages without"),
    (lambda: CHAT.prompt(said("user", "<")), ValueError, "holds the sign"),
    (lambda: Chat.of(GPT2Tokenizer([])), ValueError, r"no <\|im_start\|> and no <\|im_end\|>; it has .*endoftext"),
    # batches
    (lambda: shortened(TEXT, 2), ValueError, "4 tokens cut to 2: .* its first word of an answer is token 3; leave it"),
    (lambda: shortened(Rendered([1, 2], [False, False]), 2), ValueError, "it has no answer at all"),
    (lambda: shortened(TEXT, 0), ValueError, r"longest \(0\) must be at least 1"),
    (lambda: padded([], 0), ValueError, r"texts \[\] of 0 have no word"),
    (lambda: padded([TEXT, SILENT], 0), ValueError, r"texts \[1\] of 2 have no word of an answer to learn"),
    (lambda: padded([Rendered([1, 2], [True])], 0), ValueError, "text 0 has 2 ids and 1 marks"),
    (lambda: padded([TEXT], None), TypeError, "pad is None; a whole number is needed"),
    (lambda: sft_loss(MODEL, padded([TEXT], 0) | {"is_answer": torch.ones(1, 4)}), TypeError, "must be boolean"),
    # scores
    (lambda: bradley_terry(R(3), R(2)), ValueError, r"\(3,\), 'rejected': \(2,\)} must all be \[B\]"),
    (lambda: bradley_terry(R(3), R(3), R(1).abs()), ValueError, r"'margin': \(1,\)} must all be \[B\]"),
    (lambda: bradley_terry(R(3, 1), R(3, 1)), ValueError, "one number a pair, at least one pair"),
    (lambda: bradley_terry(R(0), R(0)), ValueError, "at least one pair"),
    (lambda: bradley_terry(T([1, NAN]), R(2)), ValueError, r"chosen of pairs \[1\] is \[nan\]; .* finite number"),
    (lambda: accuracy(R(2), T([-INF, 1])), ValueError, r"rejected of pairs \[0\] is \[-inf\]"),
    (lambda: off_centre(R(2), T([INF, 1])), ValueError, r"rejected of pairs \[0\] is \[inf\]"),
    (lambda: bradley_terry(R(2), R(2), T([0.5, -0.5])), ValueError, "a margin of -0.5 asks for the rejected answer"),
    (lambda: bradley_terry(R(2), R(2), T([0.5, NAN])), ValueError, r"margin of pairs \[1\] is \[nan\]"),
    (lambda: JUDGE(IDS, ANSWER & False), ValueError, r"rows \[0, 1\] have no token of an answer to read the score at"),
    (lambda: JUDGE(IDS, ANSWER.long()), TypeError, "is_answer must be boolean"),
    (
        lambda: reward_loss(JUDGE, PAIR, centring=-0.1),
        ValueError,
        r"at least 0; 0.01 is usual",
    ),
    (lambda: reward_loss(JUDGE, PAIR, centring=NAN), ValueError, r"centring \(nan\) must be at least 0"),
    # packing
    (lambda: best_fit([3, 9], 8), ValueError, "text 1 has 9 tokens; 1 to 8 fit a row; shorten it or leave it out"),
    (lambda: best_fit([3, 0], 8), ValueError, "text 1 has 0 tokens"),
    (lambda: best_fit([3], 0), ValueError, r"room \(0\) must be at least 1"),
    (lambda: packed([], 8, 0), ValueError, "none of 0 texts has a word of an answer"),
    (lambda: packed([SILENT], 8, 0), ValueError, "none of 1 texts has a word of an answer to learn"),
    (lambda: own_text(T([[0, 1, 0]])), ValueError, r"row 0 of text_of is \[0, 1, 0\]; a text must lie in one piece"),
    (lambda: places(T([[0, 0], [2, 1]])), ValueError, r"row 1 of text_of is \[2, 1\]"),
    (lambda: places(T([0, 1])), ValueError, r"text_of \(2,\) of torch.int64 must be whole numbers \[B T\]"),
    (lambda: places(T([[0.0, 1]])), ValueError, "whole numbers"),
    (lambda: packed_logits(GPT3(GPT3Config(n_vocab=5)), IDS, 0 * IDS), TypeError, "GPT2 and Llama, not for GPT3; use"),
    (lambda: packed_logits(MODEL, IDS, T([[0, 0]])), ValueError, "positions"),
    # LoRA
    (lambda: LoRALinear(LAYER, 5), ValueError, r"rank \(5\) is above 4, the most that a matrix \(4, 6\) has"),
    (lambda: LoRALinear(LAYER, 0), ValueError, r"rank \(0\) must be at least 1"),
    (lambda: LoRALinear(LAYER, 2, alpha=0), ValueError, r"alpha \(0\) must be above 0 .* rank = 2 scales nothing"),
    (lambda: LoRALinear(LAYER, 2, alpha=NAN), ValueError, "must be above 0"),
    (lambda: LoRALinear(LAYER, 2, alpha=INF), ValueError, "finite"),
    (
        lambda: add_lora(MODEL, ["to_q"], 2),
        ValueError,
        r"no Linear is named \['to_q'\]; .* has \['down', 'to_out'",
    ),
    (lambda: add_lora(MODEL, [], 2), ValueError, "no Linear is named"),
    (
        lambda: add_lora(torch.nn.Sequential(LoRALinear(LAYER, 2)), ["base"], 2),
        ValueError,
        "has LoRA already; merge",
    ),
    (lambda: merge(MODEL), ValueError, "the model has no LoRA to merge; call add_lora first"),
]


@pytest.mark.usefixtures("as_readers_have_it")
@pytest.mark.parametrize("call, error, words", CASES)
def test_refused_in_the_rooms_own_words(call, error, words):
    with pytest.raises(error, match=words):
        call()
