"""What a roll-out says of its own words is what a full forward pass says of them."""

import pytest
import torch

from course_lib.decoding.sampling import sample
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config
from course_lib.models.llama import Llama, LlamaConfig, LlamaReader
from course_lib.posttraining.log_probs import token_log_probs
from course_lib.posttraining.rollout import fastest_reader, left_padded, roll_out, write_answers

V, END = 7, 2
MODELS = {
    "GPT-2": lambda: GPT2(GPT2Config(n_vocab=V, context=24, d_model=24, n_heads=3)),
    "GPT-3": lambda: GPT3(GPT3Config(n_vocab=V, context=24, d_model=24, n_heads=3, window=5)),
    "Llama": lambda: Llama(LlamaConfig(n_vocab=V, n_kv_heads=2)),
    "MLA": lambda: Llama(DeepSeekConfig(n_vocab=V)),
}
PROMPTS = [[3, END, 4], [5], [1, 6, 6, 0, 3], [END]]
PROMPT, IS_TOKEN = left_padded(PROMPTS, END)  # the pad is the end, and a token of prompts as well
KNOBS = dict(n=3, limit=12, end=END, temperature=0.7)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(name: str = "GPT-2") -> torch.nn.Module:
    """All weights random, so that answers end at different places."""
    torch.manual_seed(3)
    model = MODELS[name]()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture(scope="module")
def written():
    model = build().double()
    return model, roll_out(model, PROMPT, is_token=IS_TOKEN, generator=chance(), **KNOBS)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("name", MODELS)
def test_log_probs_are_those_of_a_full_forward_pass(name, dtype, bound):
    """Prompts of four lengths, three answers each, dropped from the batch as they end, at a temperature."""
    model = build(name).to(dtype)
    rolled = roll_out(model, PROMPT, is_token=IS_TOKEN, generator=chance(), **KNOBS)
    logits = model(rolled.ids, is_token=rolled.is_token)
    full = token_log_probs(logits / KNOBS["temperature"], rolled.ids).masked_fill(~rolled.is_answer[:, 1:], 0)
    assert rolled.log_probs.dtype == dtype
    torch.testing.assert_close(rolled.log_probs, full.detach(), atol=bound, rtol=0)
    lengths = rolled.is_answer.sum(1)
    assert lengths.unique().numel() > 3 and (rolled.log_probs.count_nonzero(1) == lengths).all()


def test_rows_hold_prompt_answer_and_end(written):
    _, rolled = written
    S = PROMPT.shape[1]
    assert len(rolled.ids) == 12 and rolled.ids.shape[1] == S + int(rolled.is_answer.sum(1).max())
    assert torch.equal(rolled.ids[:, :S], PROMPT.repeat_interleave(3, dim=0))
    assert torch.equal(rolled.is_token[:, :S], IS_TOKEN.repeat_interleave(3, dim=0))
    assert not rolled.is_answer[:, :S].any() and torch.equal(rolled.is_token[:, S:], rolled.is_answer[:, S:])
    assert rolled.is_cut.any() and not rolled.is_cut.all()
    for ids, mask, cut, answer in zip(rolled.ids[:, S:], rolled.is_answer[:, S:], rolled.is_cut, rolled.answers()):
        length = int(mask.sum())
        assert mask[:length].all() and ids[length:].eq(END).all()
        assert END not in answer and ((cut and length == KNOBS["limit"]) or ids[length - 1] == END)
        assert answer == ids[: length - (not cut)].tolist()


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_cut_is_what_has_not_ended_at_the_limit(written, limit):
    """Some of the rows that are still read then have ended, and are not cut."""
    rolled = roll_out(written[0], PROMPT, is_token=IS_TOKEN, generator=chance(), **{**KNOBS, "limit": limit})
    assert torch.equal(rolled.is_cut, ~((rolled.ids == END) & rolled.is_answer).any(1))
    assert rolled.is_cut.any() and not rolled.is_cut.all()


def test_it_writes_what_sampling_writes():
    """One answer a prompt, without an end: word for word the house's `sample`, by the fast and the readable reader."""
    model = build()
    for reader in (fastest_reader, LlamaReader):
        rolled = write_answers(
            reader(model, 17, IS_TOKEN),
            PROMPT,
            is_token=IS_TOKEN,
            limit=9,
            end=None,
            temperature=0.7,
            generator=chance(),
        )
        words = sample(LlamaReader(model, 17, IS_TOKEN), PROMPT, 9, temperature=0.7, generator=chance())
        assert torch.equal(rolled.ids[:, 5:], words)
        assert not rolled.is_cut.any() and rolled.is_answer[:, 5:].all()
        assert rolled.answers() == words.tolist()


def test_a_training_goes_on_where_the_generator_was_kept(written):
    """The same words from the state kept, and no other chance is used."""
    model, first = written
    generator, outside = chance(), torch.get_rng_state()
    again = roll_out(model, PROMPT, is_token=IS_TOKEN, generator=generator, **KNOBS)
    assert torch.equal(again.ids, first.ids) and torch.equal(again.log_probs, first.log_probs)
    kept = generator.get_state()
    second = roll_out(model, PROMPT, is_token=IS_TOKEN, generator=generator, **KNOBS)
    generator.set_state(kept)
    resumed = roll_out(model, PROMPT, is_token=IS_TOKEN, generator=generator, **KNOBS)
    assert torch.equal(resumed.ids, second.ids) and not torch.equal(second.ids, first.ids)
    assert torch.equal(torch.get_rng_state(), outside)


class Counting:
    """A reader that notes how many rows and tokens it is given."""

    def __init__(self, reader):
        self.reader, self.read = reader, []

    def __call__(self, ids):
        self.read.append(tuple(ids.shape))
        return self.reader(ids)

    def reorder(self, rows):
        self.reader.reorder(rows)


def test_prompts_are_read_once_and_what_has_ended_no_more(written):
    model, _ = written
    reader = Counting(fastest_reader(model, 17, IS_TOKEN))
    rolled = write_answers(reader, PROMPT, is_token=IS_TOKEN, generator=chance(), **KNOBS)
    assert reader.read[0] == (4, 5) and all(length == 1 for _, length in reader.read[1:])
    lengths, held = rolled.is_answer.sum(1), 12
    for t, (rows, _) in enumerate(reader.read[1:], start=1):
        going_on = int((lengths > t).sum())
        held = going_on if 2 * going_on <= held else held
        assert rows == held
    assert held < 12


def test_the_ratio_to_the_policy_that_wrote_is_1_and_has_a_gradient(written):
    """What PPO and GRPO do first with a roll-out; tensors of inference mode would refuse."""
    model, rolled = written
    new = token_log_probs(model(rolled.ids, is_token=rolled.is_token) / KNOBS["temperature"], rolled.ids)
    mask = rolled.is_answer[:, 1:]
    ratio = (new - rolled.log_probs).exp()[mask]
    torch.testing.assert_close(ratio, torch.ones_like(ratio), atol=1e-10, rtol=0)
    (ratio * rolled.log_probs[mask]).sum().backward()
    assert model.embedding.weight.grad.abs().max() > 0 and not rolled.log_probs.requires_grad
    model.zero_grad()


def test_weights_are_those_of_the_moment():
    model = build().double()
    before = roll_out(model, PROMPT, is_token=IS_TOKEN, generator=chance(), **KNOBS)
    with torch.no_grad():
        model.embedding.weight.mul_(0.5)
    after = roll_out(model, PROMPT, is_token=IS_TOKEN, generator=chance(), **KNOBS)
    assert not torch.equal(before.log_probs, after.log_probs)


def test_each_policy_is_read_by_the_fastest_reader_that_can():
    readers = {name: type(fastest_reader(build(name), 9)).__name__ for name in MODELS}
    assert readers == {"GPT-2": "FastGPTReader", "GPT-3": "LlamaReader", "Llama": "FastReader", "MLA": "FastReader"}
    rolled = roll_out(build("Llama").bfloat16(), PROMPT, is_token=IS_TOKEN, generator=chance(), **KNOBS)
    assert rolled.log_probs.dtype == torch.bfloat16  # FastReader has no 16 bits, LlamaReader has


def test_dropout_is_refused_in_training_mode_alone():
    model = GPT2(GPT2Config(n_vocab=V, context=24, dropout=0.1))
    with pytest.raises(ValueError, match=r"training mode with dropout 0.1.*call policy.eval\(\)"):
        roll_out(model, PROMPT, is_token=IS_TOKEN, generator=chance(), **KNOBS)
    roll_out(model.eval(), PROMPT, is_token=IS_TOKEN, generator=chance(), **KNOBS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(temperature=0), r"temperature \(0\) must be above 0"),
        (dict(temperature=float("nan")), r"temperature \(nan\)"),
        (dict(n=0), r"n \(0\) must be at least 1"),
        (dict(limit=0), r"must be at least 1"),
        (dict(limit=40), r"capacity \(45\) must be 1 to 24"),
        (dict(is_token=IS_TOKEN.flip(1)), "ends in padding; pad on the left"),
        (dict(is_token=IS_TOKEN[:, 1:]), r"is_token \(4, 4\) must be \(4, 5\), as the prompts are"),
    ],
)
def test_what_cannot_be_rolled_out_is_refused(as_readers_have_it, wrong, message):
    with pytest.raises(ValueError, match=message):
        roll_out(build(), PROMPT, generator=chance(), **{"is_token": IS_TOKEN, **KNOBS, **wrong})


def test_prompts_are_padded_on_the_left():
    assert PROMPT.tolist()[1] == [END] * 4 + [5] and IS_TOKEN.sum(1).tolist() == [3, 1, 5, 1]
    assert all(row[mask].tolist() == prompt for row, mask, prompt in zip(PROMPT, IS_TOKEN, PROMPTS))
    with pytest.raises(ValueError, match=r"prompts \[1\] of 2 are empty"):
        left_padded([[1], []], 0)
