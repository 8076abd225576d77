"""What readers and authors plausibly hand to PPO, DPO and GRPO by mistake: refused with the numbers and the mend."""

from copy import deepcopy

import pytest
import torch

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining import dapo, dpo, dr_grpo, gae, grpo, gspo, hinge, ipo, kl, label_noise, ppo

T, NAN, INF = torch.tensor, float("nan"), float("inf")
LP, OLD = -torch.rand(2, 3), -torch.rand(2, 3)
GRAD = LP.clone().requires_grad_()
ONES = torch.ones(2, 3, dtype=torch.bool)
EMPTY = T([[True, True, False], [False, False, False]])
IDS_MASK = torch.ones(2, 4, dtype=torch.bool)
NONE = ~ONES
SCORES, ADV = T([1.0, -1.0]), T([1.0, -1.0])
D = T([0.1, 0.2])
MODEL = GPT2(GPT2Config(n_vocab=5, context=4, d_model=4, n_layers=1, n_heads=1))
FROZEN = deepcopy(MODEL).requires_grad_(False)
BATCH = {"ids": torch.zeros(2, 4).long(), "is_token": IDS_MASK, "is_answer": IDS_MASK, "old": OLD, "advantages": ADV}


def penalised(scores=SCORES, old=OLD, reference=LP, mask=ONES, beta=0.1):
    return ppo.penalised_rewards(scores, old, reference, mask, beta=beta)


CASES = [
    # references that move
    (lambda: kl.log_ratio(LP, GRAD), ValueError, r"reference asks for gradients.*torch.no_grad\(\).*detach"),
    (lambda: ppo.policy_loss(LP, GRAD, LP, ONES), ValueError, "old asks for gradients"),
    (lambda: ppo.policy_loss(LP, OLD, GRAD, ONES), ValueError, "advantages asks for gradients"),
    (lambda: ppo.value_loss(LP, GRAD, LP, ONES), ValueError, "old asks for gradients"),
    (lambda: ppo.value_loss(LP, OLD, GRAD, ONES), ValueError, "returns asks for gradients"),
    (lambda: penalised(old=GRAD), ValueError, "old asks for gradients"),
    (lambda: penalised(scores=SCORES.clone().requires_grad_()), ValueError, "scores asks for gradients"),
    (lambda: gae.gae(LP, GRAD, ONES), ValueError, "values asks for gradients"),
    (lambda: gae.gae(GRAD, LP, ONES), ValueError, "rewards asks for gradients"),
    (lambda: grpo.kl_penalty(LP, GRAD, beta=0.1), ValueError, "reference asks for gradients"),
    (lambda: grpo.kl_penalty(LP, OLD, beta=0.1, old=GRAD), ValueError, "old asks for gradients"),
    (lambda: gspo.gspo_loss(LP, GRAD, ADV, ONES), ValueError, "old asks for gradients"),
    (lambda: ppo.FourModels(MODEL, MODEL, FROZEN, FROZEN), ValueError, "same object; give a copy"),
    (
        lambda: ppo.FourModels(MODEL, ppo.Critic(MODEL), deepcopy(MODEL), FROZEN),
        ValueError,
        r"the reference model's embedding.weight could learn; write reference.requires_grad_\(False\)",
    ),
    # shapes and kinds
    (lambda: kl.exact_kl(LP, OLD[:1]), ValueError, r"logits \(2, 3\), reference \(1, 3\) must be of one shape"),
    (lambda: kl.exact_kl(LP, T([[1, 2, 3]])), TypeError, r"reference is torch.int64; write reference.float\(\)"),
    (lambda: kl.log_ratio(LP, [0.0]), TypeError, "reference is of type list"),
    (lambda: ppo.policy_loss(LP, OLD[:, :2], LP, ONES), ValueError, r"log_probs \(2, 3\), old \(2, 2\) must be of one"),
    (lambda: ppo.policy_loss(LP, OLD, ADV, ONES), ValueError, r"log_ratio \(2, 3\), advantages \(2,\) must be of one"),
    (lambda: ppo.policy_loss(LP, OLD, LP, IDS_MASK), ValueError, r"mask \(2, 4\) must be of one shape.*is_target"),
    (lambda: ppo.policy_loss(LP, OLD, LP, ONES.long()), TypeError, "mask must be boolean.*try mask > 0"),
    (lambda: ppo.value_loss(LP[..., None], LP, LP, ONES), ValueError, r"values \(2, 3, 1\), old \(2, 3\), returns"),
    (lambda: penalised(scores=T([1.0])), ValueError, r"scores \(1,\) must be one for each of the 2 rows"),
    (lambda: penalised(mask=IDS_MASK), ValueError, r"mask \(2, 4\) must be of one shape.*is_target"),
    (lambda: gae.gae(LP, LP[:1], ONES), ValueError, r"rewards \(2, 3\), values \(1, 3\) must be of one shape"),
    (lambda: gae.gae(LP, LP, ONES.float()), TypeError, "mask must be boolean"),
    (lambda: gae.gae(LP, LP, ONES, is_last=ONES[:1]), ValueError, r"mask \(1, 3\) must be of one shape"),
    (lambda: gae.gae(LP, LP, ONES, value_after=T(0.0)), ValueError, r"value_after \(\), row \(2,\) must be of one"),
    (
        lambda: grpo.grpo_loss(LP, OLD, LP, ONES),
        ValueError,
        r"advantages \(2, 3\) must be \[B\], one for each of the 2",
    ),
    (lambda: grpo.grpo_loss(LP, OLD, ADV[None], ONES), ValueError, r"advantages \(1, 2\) must be \[B\]"),
    (lambda: gspo.gspo_loss(LP, OLD, LP, ONES), ValueError, r"advantages \(2, 3\) must be \[B\]"),
    (lambda: grpo.grpo_loss(LP, OLD, ADV, ONES, penalty=LP[:, :1]), ValueError, r"penalty \(2, 1\) must be of one"),
    (lambda: grpo.group_advantages(SCORES), ValueError, r"rewards \(2,\) must be \[P G\] with G >= 2"),
    (lambda: dpo.dpo_loss(D, D[:1]), ValueError, r"chosen \(2,\), rejected \(1,\) must be of one shape"),
    (lambda: dpo.dpo_loss(LP, OLD), ValueError, r"chosen \(2, 3\) must be \[N\], one log-ratio for each answer"),
    (lambda: dpo.dpo_loss(D[:0], D[:0]), ValueError, r"chosen \(0,\) must be \[N\].*N at least 1"),
    # numbers that are none
    (lambda: penalised(scores=T([1.0, NAN])), ValueError, r"scores\[1\] is nan; look at what made it, or leave it out"),
    (lambda: penalised(scores=T([INF, 1.0])), ValueError, r"scores\[0\] is inf"),
    (lambda: penalised(reference=LP.new_full((2, 3), -INF)), ValueError, r"log-ratio to the reference\[0, 0\] is inf"),
    (lambda: gae.gae(T([[NAN]]), T([[0.0]]), ONES[:1, :1]), ValueError, r"rewards\[0, 0\] is nan"),
    (lambda: gae.gae(T([[0.0]]), T([[INF]]), ONES[:1, :1]), ValueError, r"values\[0, 0\] is inf"),
    (lambda: grpo.group_advantages(T([[0.0, NAN]])), ValueError, r"rewards\[0, 1\] is nan"),
    (lambda: dr_grpo.dr_advantages(T([[0.0, INF]])), ValueError, r"rewards\[0, 1\] is inf"),
    (lambda: grpo.grpo_loss(LP, OLD, T([0.0, NAN]), ONES), ValueError, r"advantages\[1, 0\] is nan"),
    (lambda: grpo.group_advantages(T([[0, 1]])), TypeError, r"rewards is torch.int64; write rewards.float\(\) first"),
    # nothing to learn from
    (lambda: penalised(mask=EMPTY), ValueError, r"rows \[1\] have no token of an answer; leave them out"),
    (lambda: grpo.grpo_loss(LP, OLD, ADV, EMPTY), ValueError, r"rows \[1\] have no token of an answer"),
    (lambda: gspo.gspo_loss(LP, OLD, ADV, EMPTY), ValueError, r"rows \[1\] have no token of an answer"),
    (lambda: dapo.dapo_loss(LP, OLD, ADV, NONE), ValueError, "none of the 6 places is True"),
    (lambda: ppo.policy_loss(LP, OLD, LP, NONE), ValueError, "none of the 6 places is True"),
    (
        lambda: gae.whiten(LP, T([[True, False, False]] * 1 + [[False] * 3])),
        ValueError,
        "1 places are True; .* at least 2",
    ),
    (lambda: grpo.group_advantages(T([[1.0], [2.0]])), ValueError, r"\(2, 1\) must be \[P G\] with G >= 2: one answer"),
    # settings
    (lambda: penalised(beta=-0.1), ValueError, r"beta \(-0.1\) must lie in 0 … inf"),
    (lambda: penalised(beta=NAN), ValueError, r"beta \(nan\) must lie in 0 … inf"),
    (lambda: gae.gae(LP, LP, ONES, gamma=1.1), ValueError, r"gamma \(1.1\) must lie in 0 … 1"),
    (lambda: gae.gae(LP, LP, ONES, lam=-0.1), ValueError, r"lam \(-0.1\) must lie in 0 … 1"),
    (lambda: ppo.policy_loss(LP, OLD, LP, ONES, clip=-0.2), ValueError, r"low \(-0.2\) must lie in 0 … inf"),
    (lambda: dapo.dapo_loss(LP, OLD, ADV, ONES, high=NAN), ValueError, r"high \(nan\) must lie in 0 … inf"),
    (lambda: ppo.value_loss(LP, OLD, LP, ONES, clip=-1), ValueError, r"clip \(-1\) must lie in 0 … inf"),
    (
        lambda: grpo.kl_penalty(LP, OLD, beta=0),
        ValueError,
        r"beta \(0\) must be above 0; without a penalty leave it out",
    ),
    (lambda: grpo.kl_penalty(LP, OLD, beta=NAN), ValueError, r"beta \(nan\) must be above 0"),
    (
        lambda: grpo.on_answers(MODEL, BATCH, loss=grpo.grpo_loss, beta=0.04),
        ValueError,
        "beta is 0.04, but the batch has no reference; add the frozen model's log-probabilities",
    ),
    (lambda: grpo.on_answers(MODEL, BATCH, loss=grpo.grpo_loss, beta=-1), ValueError, r"beta \(-1\) must lie in"),
    (
        lambda: grpo.on_answers(MODEL, BATCH, loss=grpo.grpo_loss, temperature=0),
        ValueError,
        r"temperature \(0\) must be",
    ),
    (lambda: dr_grpo.dr_grpo_loss(LP, OLD, ADV, ONES, limit=2), ValueError, "an answer has 3 tokens, the limit is 2"),
    (lambda: dr_grpo.dr_grpo_loss(LP, OLD, ADV, ONES, limit=0), ValueError, r"limit \(0\) must be at least 1"),
    (
        lambda: dapo.overlong_penalty(T([3]), limit=4, buffer=5),
        ValueError,
        r"buffer \(5\) must be at most the limit \(4\)",
    ),
    (lambda: dapo.overlong_penalty(T([3]), limit=4, buffer=0), ValueError, r"buffer \(0\) must be at least 1"),
    (lambda: dpo.dpo_loss(D, D, beta=0), ValueError, r"beta \(0\) must be above 0 and finite"),
    (lambda: ipo.ipo_loss(D, D, beta=-1), ValueError, r"beta \(-1\) must be above 0"),
    (lambda: hinge.hinge_loss(D, D, beta=NAN), ValueError, r"beta \(nan\) must be above 0"),
    (lambda: dpo.implicit_rewards(D, beta=INF), ValueError, r"beta \(inf\) must be above 0 and finite"),
    (lambda: label_noise.robust_loss(D, D, flipped=0.5), ValueError, r"flipped \(0.5\) .* below 0.5; .* swap chosen"),
    (lambda: label_noise.cautious_loss(D, D, flipped=-0.1), ValueError, r"flipped \(-0.1\) must be at least 0"),
    (lambda: label_noise.robust_loss(D, D, flipped=NAN), ValueError, r"flipped \(nan\)"),
]


@pytest.mark.parametrize(("slip", "error", "message"), CASES)
def test_a_slip_is_refused_with_its_mend(as_readers_have_it, slip, error, message):
    with pytest.raises(error, match=message):
        slip()


def test_a_dapo_row_without_tokens_is_left_out():
    """A truncated answer that is masked away: the others count as before."""
    mask = T([[True, True, False], [False, False, False]])
    whole = dapo.dapo_loss(LP, OLD, ADV, mask)
    torch.testing.assert_close(whole, dapo.dapo_loss(LP[:1], OLD[:1], ADV[:1], mask[:1]))


def test_no_penalty_needs_no_reference():
    loss, figures = grpo.on_answers(MODEL, BATCH, loss=grpo.grpo_loss)
    assert loss.requires_grad and figures == {}
    penalised(beta=0)
