"""Roll-outs beside transformers' generate, on one GPT-2: prompts padded on the left, answers that end or are cut."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from course_lib.hub import load_gpt2
from course_lib.posttraining.rollout import left_padded, roll_out

V, END = 23, 4
PROMPTS = [[3, END, 9, 1, 7], [5, 2], [11, 6, 6], [END]]
PROMPT, IS_TOKEN = left_padded(PROMPTS, END)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """transformers' model in float64 with random weights, and ours read from its files."""
    folder = tmp_path_factory.mktemp("gpt2")
    sizes = dict(vocab_size=V, n_positions=32, n_embd=24, n_layer=2, n_head=3, bos_token_id=0, eos_token_id=END)
    torch.manual_seed(36)
    theirs = GPT2LMHeadModel(GPT2Config(**sizes)).double().eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    theirs.save_pretrained(folder)
    return theirs, load_gpt2(folder, dtype=torch.float64)


def test_transformers_holds_our_answers_as_likely_as_we_do(pair, agree):
    theirs, ours = pair
    rolled = roll_out(
        ours, PROMPT, is_token=IS_TOKEN, n=4, limit=12, end=END, temperature=0.8,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    positions = (rolled.is_token.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = theirs(rolled.ids, attention_mask=rolled.is_token.long(), position_ids=positions).logits
    said = (logits[:, :-1] / 0.8).log_softmax(-1).gather(2, rolled.ids[:, 1:, None])[..., 0]
    mask = rolled.is_answer[:, 1:]
    assert rolled.is_cut.any() and not rolled.is_cut.all()
    agree(rolled.log_probs[mask], said[mask])


def test_without_chance_both_write_the_same(pair):
    """At a temperature that leaves only the likeliest word: ids to the last, with what fills rows that have ended."""
    theirs, ours = pair
    with torch.no_grad():
        wanted = theirs.generate(
            PROMPT, attention_mask=IS_TOKEN.long(), do_sample=False, max_new_tokens=20, eos_token_id=END,
            pad_token_id=END, num_return_sequences=1,
        )  # fmt: skip
    rolled = roll_out(
        ours, PROMPT, is_token=IS_TOKEN, n=2, limit=20, end=END, temperature=1e-4,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert torch.equal(rolled.ids, wanted.repeat_interleave(2, dim=0))
    ends = wanted[:, PROMPT.shape[1] :].eq(END).any(1)
    assert torch.equal(rolled.is_cut, ~ends.repeat_interleave(2))
    assert len({len(answer) for answer in rolled.answers()}) > 2


def test_words_are_drawn_as_often_as_transformers_draws_them(pair):
    """First words of 4,000 answers, by ours and by generate: two samples of one law, by the chi-square test."""
    from scipy.stats import chi2_contingency

    theirs, ours = pair
    rolled = roll_out(
        ours, PROMPT[:1], is_token=IS_TOKEN[:1], n=4000, limit=1, end=END, temperature=1.5,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = theirs.generate(
            PROMPT[:1], attention_mask=IS_TOKEN[:1].long(), do_sample=True, temperature=1.5, top_k=0, max_new_tokens=1,
            num_return_sequences=4000, eos_token_id=END, pad_token_id=END,
        )  # fmt: skip
    counts = torch.stack([each[:, -1].bincount(minlength=V) for each in (rolled.ids, drawn)])
    counts = counts[:, counts.sum(0) > 10]
    assert counts.shape[1] > 3 and chi2_contingency(counts).pvalue > 1e-3
