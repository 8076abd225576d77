"""A prompt read once for its whole group: what each row says by itself, to the last digit, gradients too."""

from functools import partial

import pytest
import torch

from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.posttraining.dpo import answer_scores, dpo_loss, on_pairs
from course_lib.posttraining.grpo import grpo_loss, on_answers
from course_lib.posttraining.ipo import ipo_loss
from course_lib.posttraining.paired import neighbours, on_neighbours
from course_lib.posttraining.rollout import left_padded, roll_out
from course_lib.posttraining.shared_prefix import SharedPrefix, group_mask, n_shared

V, END, G = 7, 2, 3
MODELS = {
    "GPT-2": lambda: GPT2(GPT2Config(n_vocab=V, context=24, d_model=24, n_heads=3)),
    "Llama": lambda: Llama(LlamaConfig(n_vocab=V, n_kv_heads=2)),
    "MLA": lambda: Llama(DeepSeekConfig(n_vocab=V)),
}
PROMPT, IS_TOKEN = left_padded([[3, END, 4], [5], [1, 6, 6, 0, 3], [END]], END)  # the pad is a token of prompts, too


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(3)
    model = MODELS[name]().double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def written(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    rolled = roll_out(model, PROMPT, is_token=IS_TOKEN, n=G, limit=8, end=END, generator=draw)
    advantages, reference = torch.randn(12, dtype=torch.float64, generator=draw), rolled.log_probs - 0.1
    return rolled.batch(advantages=advantages, reference=reference)


def same_gradients(ours: torch.Tensor, plain: torch.Tensor, model: torch.nn.Module) -> None:
    weights = list(model.parameters())
    for one, other in zip(*(torch.autograd.grad(each, weights) for each in (ours, plain))):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)
        assert other.abs().max() > 0


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_gradients_are_those_of_rows_by_themselves(name):
    """Prompts of four lengths, answers of many."""
    model, batch = build(name), written(build(name))
    told = {"is_token": batch["is_token"]}
    shared, plain = SharedPrefix(model, G)(batch["ids"], **told), model(batch["ids"], **told)
    there = batch["is_token"]
    torch.testing.assert_close(shared[there], plain[there], atol=1e-10, rtol=0)
    loss = partial(on_answers, loss=grpo_loss, beta=0.1)
    same_gradients(loss(SharedPrefix(model, G), batch)[0], loss(model, batch)[0], model)


def test_it_reads_the_shared_part_once(monkeypatch):
    """5 tokens and three answers of 8 in one row, not three rows of 13."""
    model, seen = build("GPT-2"), []
    batch = written(model)
    monkeypatch.setattr(model, "embed", lambda ids: seen.append(tuple(ids.shape)) or GPT2.embed(model, ids))
    SharedPrefix(model, G)(batch["ids"], is_token=batch["is_token"])
    assert seen == [(4, 5 + G * 8)] and batch["ids"].shape == (12, 13)


def test_rows_that_are_all_alike_share_all():
    model, ids = build("GPT-2"), torch.tensor([[1, 2, 3]] * 4)
    told = {"is_token": torch.ones_like(ids, dtype=torch.bool)}
    torch.testing.assert_close(SharedPrefix(model, 2)(ids, **told), model(ids, **told), atol=1e-10, rtol=0)


def test_what_is_shared_is_what_all_rows_of_each_group_have():
    ids = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5], [9, 9, 3, 4], [9, 9, 4, 4]])
    there = torch.ones_like(ids, dtype=torch.bool)
    assert [n_shared(ids, there, n) for n in (1, 2, 4)] == [4, 2, 0]
    there[3, 1] = False  # padding in the place of a token with the same id
    assert n_shared(ids, there, 2) == 1


def test_nobody_looks_into_another_answer():
    assert group_mask(2, 2, 2).int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]


@pytest.mark.parametrize(("loss", "per_token"), [(dpo_loss, False), (ipo_loss, True)])
def test_pairs_as_neighbours_have_the_loss_of_pairs(loss, per_token):
    model, other = build("GPT-2"), build("GPT-2")
    torch.nn.init.normal_(other.embedding.weight)
    prompts, chosen, rejected = [[3, END, 4], [5]], [[1, END], [3, 3, 3, END]], [[6], [END]]
    together = neighbours(prompts, chosen, rejected, END)
    assert together["ids"].tolist() == [
        [3, END, 4, 1, END, END, END],
        [3, END, 4, 6, END, END, END],
        [END, END, 5, 3, 3, 3, END],
        [END, END, 5, END, END, END, END],
    ]
    assert together["is_answer"].sum(1).tolist() == [2, 1, 4, 1]
    with torch.no_grad():
        together["reference"] = answer_scores(other, together, per_token=per_token)
    apart = {side: {k: each[i::2] for k, each in together.items()} for i, side in enumerate(("chosen", "rejected"))}
    ours, figures = on_neighbours(SharedPrefix(model, 2), together, loss=loss, per_token=per_token)
    plain, wanted = on_pairs(model, apart, loss=loss, per_token=per_token)
    assert figures == pytest.approx(wanted) and ours.item() == pytest.approx(plain.item(), abs=1e-12)
    same_gradients(ours, plain, model)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SharedPrefix(GPT3(GPT3Config(n_vocab=V)), 2), TypeError, "for GPT2 and Llama, not for GPT3"),
        (lambda: SharedPrefix(build("GPT-2"), 0), ValueError, r"n \(0\) must be at least 1"),
        (
            lambda: SharedPrefix(build("GPT-2"), 5)(PROMPT, is_token=IS_TOKEN),
            ValueError,
            "4 rows are no groups of 5; give all answers to a prompt together",
        ),
        (lambda: neighbours([[1]], [[2]], [], 0), ValueError, "1 prompts, 1 chosen and 0 rejected; give one of each"),
        (
            lambda: on_neighbours(
                build("GPT-2"),
                dict(ids=PROMPT[:3], is_token=IS_TOKEN[:3], is_answer=IS_TOKEN[:3], reference=torch.zeros(3).double()),
                loss=dpo_loss,
            ),
            ValueError,
            "3 rows are no pairs; cut the batch between pairs",
        ),
    ],
)
def test_what_cannot_be_shared_is_refused(as_readers_have_it, call, error, message):
    with pytest.raises(error, match=message):
        call()
