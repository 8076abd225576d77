"""PPO, GRPO and their siblings: what the clip does, whose tokens weigh how much, and gradients against exact ones."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.dapo import dapo_loss, overlong_penalty
from course_lib.posttraining.dpo import answer_scores, dpo_loss, on_pairs
from course_lib.posttraining.dr_grpo import dr_advantages, dr_grpo_loss
from course_lib.posttraining.gae import whiten
from course_lib.posttraining.grpo import group_advantages, grpo_loss, kl_penalty, on_answers, teaches
from course_lib.posttraining.gspo import gspo_loss
from course_lib.posttraining.kl import exact_kl, k3
from course_lib.posttraining.log_probs import is_last, is_target, row_sums, token_log_probs
from course_lib.posttraining.ppo import (
    Critic,
    FourModels,
    clip_figures,
    judge,
    penalised_rewards,
    policy_loss,
    ppo_loss,
    surrogate,
    value_loss,
)
from course_lib.posttraining.sft import n_targets
from course_lib.training.step import Settings, Update

SEEDS, SHARES = st.integers(0, 2**32), st.floats(0, 1)
ALL = {
    "grpo": grpo_loss,
    "dr_grpo": partial(dr_grpo_loss, limit=7),
    "dapo": dapo_loss,
    "gspo": gspo_loss,
}


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(one, other, bound: float = 1e-12) -> None:
    torch.testing.assert_close(one, torch.as_tensor(other, dtype=one.dtype).broadcast_to(one.shape), atol=bound, rtol=0)


def ragged(seed: int, rows: int = 4, n: int = 7) -> torch.Tensor:
    """A prompt of some length, then 1 or more tokens of an answer, then padding."""
    draw = torch.Generator().manual_seed(seed)
    first = torch.randint(0, n, (rows, 1), generator=draw)
    length = torch.randint(1, n + 1, (rows, 1), generator=draw)
    places = torch.arange(n)
    return (places >= first) & (places < first + length)


# the clip


@given(SEEDS, st.floats(0, 0.5), st.floats(0, 0.5))
def test_the_surrogate_case_by_case(seed, low, high):
    """Value and slope in the ratio for both signs: flat only beyond the far end of the advantage's own direction."""
    d = (0.6 * normal(seed, 40)).requires_grad_()
    advantages = normal(seed + 1, 40)
    found = surrogate(d, advantages, low, high)
    (slope,) = torch.autograd.grad(found.sum(), d)
    for at, a, value, by_d in zip(d.detach().exp().tolist(), advantages.tolist(), found.tolist(), slope.tolist()):
        if a > 0 and at > 1 + high:
            expected, gradient = (1 + high) * a, 0.0
        elif a < 0 and at < 1 - low:
            expected, gradient = (1 - low) * a, 0.0
        else:
            expected, gradient = at * a, at * a
        assert value == pytest.approx(expected, abs=1e-12) and by_d == pytest.approx(gradient, abs=1e-12)
        assert value <= at * a + 1e-12  # a lower bound, never a promise


@given(SEEDS)
def test_at_the_old_policy_it_is_the_policy_gradient(seed):
    """Ratio 1: the loss is - mean A, its gradient - mean A ∇log π; what the clip's width is does not matter."""
    mask = ragged(seed)
    log_probs, advantages = normal(seed, 4, 7).requires_grad_(), normal(seed + 1, 4, 7)
    expected = -(advantages * mask) / mask.sum()
    for clip in (0.0, 0.2, torch.inf):
        loss = policy_loss(log_probs, log_probs.detach(), advantages, mask, clip=clip)
        close(loss, float(expected.sum()))
        if clip:  # with 0 the ratio stands at the edge itself, where torch shares the gradient out
            close(torch.autograd.grad(loss, log_probs)[0], expected)


@given(SEEDS)
def test_a_loss_of_zero_still_teaches(seed):
    """On fresh answers GRPO's loss is - mean of the advantages = 0; its gradient is not."""
    log_probs, mask = normal(seed, 8, 7).requires_grad_(), ragged(seed, 8)
    advantages = group_advantages(normal(seed + 1, 2, 4))
    for name in ("grpo", "gspo"):
        loss = ALL[name](log_probs, log_probs.detach(), advantages, mask)
        close(loss, 0.0)
        assert torch.autograd.grad(loss, log_probs)[0].abs().max() > 0.01


def test_the_clip_does_not_hold_the_ratio():
    """One token, pulled by all others of the same weight: its ratio leaves 1 ± ε, though its own gradient is 0."""
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    old = logits.log_softmax(-1).detach()
    advantages = torch.tensor([[1.0, -0.5, -0.5]]).double()
    mask = torch.ones(1, 3, dtype=torch.bool)
    for _ in range(300):
        log_probs = logits.log_softmax(-1)
        loss = policy_loss(log_probs[None], old[None], advantages, mask, clip=0.2)
        (gradient,) = torch.autograd.grad(loss, logits)
        with torch.no_grad():
            logits -= 0.3 * gradient
    figures = clip_figures(log_probs.detach()[None], old[None], advantages, mask, low=0.2, high=0.2)
    ratio = (log_probs.detach() - old).exp()
    assert ratio[0] > 1.25 and figures["clipped"] == 1.0 and gradient.abs().max() == 0
    close(ratio.mean(), figures["ratio"])
    assert figures["moved"] == pytest.approx(float((old.exp() * (old - log_probs.detach())).sum()), abs=1e-12)


# PPO's rewards, values and models


@given(SEEDS, SHARES)
def test_the_score_comes_at_the_last_token_and_kl_at_every_one(seed, beta):
    mask, scores = ragged(seed), normal(seed, 4)
    old, reference = normal(seed + 1, 4, 7), normal(seed + 2, 4, 7)
    found = penalised_rewards(scores, old, reference, mask, beta=beta)
    assert (found[~mask] == 0).all()
    for row in range(4):
        places = mask[row].nonzero()[:, 0].tolist()
        for t in places:
            expected = -beta * float(old[row, t] - reference[row, t]) + (float(scores[row]) if t == places[-1] else 0)
            assert float(found[row, t]) == pytest.approx(expected, abs=1e-12)
    assert is_last(mask).sum(1).tolist() == [1] * 4
    close(row_sums(found, mask), scores - beta * row_sums(old - reference, mask), 1e-11)


@given(SEEDS)
def test_judged_returns_are_what_was_brought_with_lambda_1(seed):
    """Whatever the critic says: it is taught the rewards to come, and its advantages are theirs less its own word."""
    mask = torch.ones(4, 7, dtype=torch.bool)
    given = normal(seed, 4), normal(seed + 1, 4, 7), normal(seed + 2, 4, 7)
    for values in (normal(seed + 3, 4, 7), torch.zeros(4, 7, dtype=torch.float64)):
        judged = judge(*given, values, mask, beta=0.3, lam=1.0)
        to_come = judged.rewards.flip(1).cumsum(1).flip(1)
        close(judged.returns, to_come, 1e-11)
        close(judged.advantages, whiten(to_come - values, mask), 1e-9)


@given(SEEDS)
def test_clipped_values_never_cost_less_and_inside_the_clip_nothing_changes(seed):
    mask = ragged(seed)
    old, returns = normal(seed, 4, 7), normal(seed + 1, 4, 7)
    near, far = old + 0.1 * torch.tanh(normal(seed + 2, 4, 7)), old + 3 * normal(seed + 3, 4, 7)
    plain = [value_loss(values, old, returns, mask, clip=torch.inf) for values in (near, far)]
    close(plain[0], float(((near - returns)[mask] ** 2).mean()) / 2)
    close(value_loss(near, old, returns, mask, clip=0.2), float(plain[0]))
    assert value_loss(far, old, returns, mask, clip=0.2) >= plain[1]


def test_values_that_went_past_the_clip_are_not_pushed_further():
    """Beyond old + clip and still short of the return: no gradient. Overshot: the gradient comes back."""
    old, mask = torch.zeros(1, 1).double(), torch.ones(1, 1, dtype=torch.bool)
    for at, to, expected in ((0.5, 2.0, 0.0), (0.5, 0.3, 0.2), (0.1, 2.0, -1.9), (-0.5, -2.0, 0.0)):
        values = torch.tensor([[at]], dtype=torch.float64, requires_grad=True)
        loss = value_loss(values, old, torch.tensor([[to]], dtype=torch.float64), mask, clip=0.2)
        close(torch.autograd.grad(loss, values)[0], expected)


# groups


@given(SEEDS, st.integers(2, 6), st.integers(1, 4))
def test_advantages_of_a_group(seed, size, groups):
    """Mean 0, std just under 1; a prompt's difficulty and a reward's scale fall out; nothing crosses groups."""
    rewards = normal(seed, groups, size)
    found = group_advantages(rewards).view(groups, size)
    close(found.mean(1), 0.0)
    std = rewards.std(1)
    close(found.std(1), std / (std + 1e-4))
    close(group_advantages(rewards + 5).view(groups, size), found, 1e-10)
    close(group_advantages(1e6 * rewards).view(groups, size), group_advantages(1e7 * rewards).view(groups, size), 1e-3)
    others = torch.cat([rewards[:1], normal(seed + 1, 3, size)])
    close(group_advantages(others)[:size], found[0])


@pytest.mark.parametrize("reward", [0.1, 0.7, 1.0, -3.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_rewards_teach_nothing_exactly(reward, dtype):
    """Not a rounding error over 1e-4."""
    rewards = torch.full((2, 7), reward, dtype=dtype)
    rewards[1, 3] += 1
    assert teaches(rewards).tolist() == [False, True]
    assert (group_advantages(rewards)[:7] == 0).all() and (dr_advantages(rewards)[:7] == 0).all()


@given(SEEDS, st.integers(2, 6))
def test_dr_grpo_is_leave_one_out_up_to_a_factor(seed, size):
    """r - mean = (1 - 1/G) (r - mean of the others): RLOO."""
    rewards = normal(seed, 3, size)
    others = (rewards.sum(1, keepdim=True) - rewards) / (size - 1)
    close(dr_advantages(rewards).view(3, size), (1 - 1 / size) * (rewards - others))


def test_std_lifts_hard_and_easy_prompts_alike():
    """1 right of 8 and 7 right of 8 have one std, 0.354: the odd answer gets 2.47 or -2.47, of an even group 0.94."""
    rewards = torch.zeros(3, 8, dtype=torch.float64)
    rewards[0, 0], rewards[1, 1:], rewards[2, :4] = 1, 1, 1
    hard, easy, even = group_advantages(rewards).view(3, 8)
    assert [round(float(x), 2) for x in (hard[0], easy[0], even[0])] == [2.47, -2.47, 0.94]
    hard, easy, even = dr_advantages(rewards).view(3, 8)
    assert [float(x) for x in (hard[0], easy[0], even[0])] == [0.875, -0.875, 0.5]


# whose tokens weigh how much


@given(SEEDS)
def test_the_share_of_each_token(seed):
    """∂L/∂log π of token t at ratio 1 is -A_i times: 1/(B |o_i|), 1/(B · limit), 1/Σ|o|, and for GSPO 1/(B |o_i|).
    A token's penalty weighs as much."""
    mask, advantages = ragged(seed), normal(seed, 4)
    log_probs = normal(seed + 1, 4, 7).requires_grad_()
    lengths = mask.sum(1, keepdim=True).double()
    shares = {
        "grpo": 1 / (4 * lengths),
        "dr_grpo": torch.full((4, 1), 1 / (4 * 7), dtype=torch.float64),
        "dapo": 1 / lengths.sum(),
        "gspo": 1 / (4 * lengths),
    }
    for name, loss in ALL.items():
        penalty = torch.zeros(4, 7, dtype=torch.float64, requires_grad=True)
        found = loss(log_probs, log_probs.detach(), advantages, mask, penalty=penalty)
        by_log_prob, by_penalty = torch.autograd.grad(found, (log_probs, penalty))
        close(by_log_prob, -advantages[:, None] * shares[name] * mask)
        close(by_penalty, shares[name] * mask)


@given(SEEDS)
def test_one_length_makes_all_of_them_one_loss(seed):
    """As long as the limit, and near enough that nothing is clipped: grpo = dr_grpo = dapo."""
    old, mask = normal(seed, 4, 7), torch.ones(4, 7, dtype=torch.bool)
    log_probs, advantages = old + 0.01 * normal(seed + 1, 4, 7), normal(seed + 2, 4)
    found = [float(ALL[name](log_probs, old, advantages, mask)) for name in ("grpo", "dr_grpo", "dapo")]
    assert found[1:] == pytest.approx([found[0]] * 2, abs=1e-12)


@pytest.mark.parametrize("name", ALL)
@given(SEEDS)
def test_what_stands_outside_the_answers_plays_no_part(name, seed):
    mask, advantages = ragged(seed), normal(seed, 4)
    log_probs, old = normal(seed + 1, 4, 7), normal(seed + 2, 4, 7)
    penalty = kl_penalty(log_probs, normal(seed + 3, 4, 7), beta=0.1)
    wild = [torch.where(mask, x, 3 + normal(seed + 4 + i, 4, 7)) for i, x in enumerate((log_probs, old, penalty))]
    found = ALL[name](log_probs, old, advantages, mask, penalty=penalty)
    close(found, float(ALL[name](wild[0], wild[1], advantages, mask, penalty=wild[2])))


@given(SEEDS)
def test_clip_higher_lets_unlikely_tokens_grow_and_nothing_else(seed):
    mask, advantages = ragged(seed), normal(seed, 4)
    old = normal(seed + 1, 4, 7)
    log_probs = (old + 0.3 * normal(seed + 2, 4, 7)).requires_grad_()
    slopes = [
        torch.autograd.grad(dapo_loss(log_probs, old, advantages, mask, high=high), log_probs)[0]
        for high in (0.2, 0.28)
    ]
    ratio = (log_probs - old).exp()
    between = mask & (advantages[:, None] > 0) & (ratio > 1.2) & (ratio < 1.28)
    assert torch.equal(slopes[0] != slopes[1], between)


@given(SEEDS)
def test_gspo_clips_all_tokens_of_an_answer_or_none(seed):
    mask, advantages = ragged(seed), normal(seed, 4)
    old = normal(seed + 1, 4, 7)
    log_probs = (old + 1e-3 * normal(seed + 2, 4, 7)).requires_grad_()
    (slopes,) = torch.autograd.grad(gspo_loss(log_probs, old, advantages, mask), log_probs)
    for row, m, a, d in zip(slopes, mask, advantages, (log_probs - old).detach()):
        s = d[m].mean().exp()
        clipped = s > 1 + 4e-4 if a > 0 else s < 1 - 3e-4
        close(row[m], 0.0 if clipped else float(-a * s / (4 * m.sum())), 1e-12)


@pytest.mark.parametrize(
    ("loss", "inside", "outside"),
    [
        (grpo_loss, (0.81, 1.19), (0.79, 1.21)),
        (dapo_loss, (0.81, 1.27), (0.79, 1.29)),
        (gspo_loss, (1 - 2.9e-4, 1 + 3.9e-4), (1 - 3.1e-4, 1 + 4.1e-4)),
    ],
)
def test_the_published_widths(loss, inside, outside):
    """An answer of one token: below 1 with A = -1, above with A = 1."""
    old, mask, advantages = torch.zeros(2, 1).double(), torch.ones(2, 1, dtype=torch.bool), torch.tensor([-1.0, 1.0])
    for ratios, learns in ((inside, True), (outside, False)):
        log_probs = torch.tensor(ratios, dtype=torch.float64).log()[:, None].requires_grad_()
        (slopes,) = torch.autograd.grad(loss(log_probs, old, advantages.double(), mask), log_probs)
        assert ((slopes != 0) == learns).all()


def test_overlong_answers_lose_up_to_one():
    lengths = torch.tensor([0, 80, 81, 90, 99, 100, 101, 500])
    found = overlong_penalty(lengths, limit=100, buffer=20)
    close(found.double(), torch.tensor([0, 0, -0.05, -0.5, -0.95, -1, -1, -1]), 1e-6)


# exact gradients: two tokens, all answers listed


def world(seed: int):
    """A policy over answers of two tokens out of 3: log-probs [9 2] of all of them, by two tables."""
    first, second = normal(seed, 3).requires_grad_(), normal(seed + 1, 3, 3).requires_grad_()
    a, b = torch.cartesian_prod(torch.arange(3), torch.arange(3)).T

    def log_probs():
        return torch.stack([first.log_softmax(-1)[a], second.log_softmax(-1)[a, b]], 1)

    return (first, second), log_probs


@given(SEEDS, SHARES)
def test_ppo_on_all_answers_is_the_gradient_of_reward_less_beta_kl(seed, beta):
    """J = E[r] - β KL(π ‖ ref), exactly: the answers weighed by π, advantages with λ = 1, any critic of the state."""
    parameters, log_probs = world(seed)
    _, frozen = world(seed + 5)
    scores, reference = normal(seed + 9, 9), frozen().detach()
    now = log_probs()
    p = now.sum(1).exp()
    objective = (p * (scores - beta * (now - reference).sum(1))).sum()
    wanted = torch.autograd.grad(objective, parameters, retain_graph=True)
    mask = torch.ones(9, 2, dtype=torch.bool)
    old = now.detach()
    values = torch.stack([normal(seed + 11, 1).expand(9), normal(seed + 12, 3).repeat_interleave(3)], 1)
    rewards = penalised_rewards(scores, old, reference, mask, beta=beta)
    advantages = rewards.flip(1).cumsum(1).flip(1) - values
    raised = surrogate(now - old, advantages, 0.2, 0.2).sum(1)
    got = torch.autograd.grad((p.detach() * raised).sum(), parameters)
    for one, other in zip(got, wanted):
        close(one, other, 1e-11)


@pytest.mark.parametrize("name", ["dr_grpo", "dapo"])
def test_many_groups_have_the_gradient_of_the_mean_reward(name):
    """Drawn: with A = r - mean of the group, the mean over groups of the loss's gradient is -(1 - 1/G) ∇E[r] / 2."""
    parameters, log_probs = world(0)
    scores, size = normal(3, 9), 4
    now = log_probs()
    wanted = torch.autograd.grad((now.sum(1).exp() * scores).sum(), parameters, retain_graph=True)
    draw = torch.Generator().manual_seed(0)
    rows = torch.multinomial(now.sum(1).exp().detach(), 200_000, replacement=True, generator=draw)
    advantages = dr_advantages(scores[rows].view(-1, size))
    mask = torch.ones(len(rows), 2, dtype=torch.bool)
    loss = {"dr_grpo": partial(dr_grpo_loss, limit=2), "dapo": dapo_loss}[name]
    got = torch.autograd.grad(loss(now[rows], now.detach()[rows], advantages, mask), parameters)
    for one, other in zip(got, wanted):
        close(one, -(1 - 1 / size) * other / 2, 4e-3)
        assert other.abs().max() > 0.05


def test_ppo_with_exact_advantages_reaches_the_optimum():
    """Updates on all answers, weighed by π_old, three epochs each: π* ∝ ref · exp(r/β) over the nine answers."""
    beta = 0.5
    parameters, log_probs = world(0)
    _, frozen = world(5)
    scores, reference = normal(9, 9), frozen().detach()
    best = reference.sum(1) + scores / beta
    mask = torch.ones(9, 2, dtype=torch.bool)
    optimizer = torch.optim.Adam(parameters, lr=0.1)
    before = float(exact_kl(log_probs().sum(1).detach(), best))
    for step in range(80):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - step / 80)
        old = log_probs().detach()
        rewards = penalised_rewards(scores, old, reference, mask, beta=beta)
        to_come = rewards.flip(1).cumsum(1).flip(1)
        p = old.sum(1).exp()
        value = (p * to_come[:, 0]).sum()
        after_first = (p * to_come[:, 1]).view(3, 3).sum(1) / p.view(3, 3).sum(1)
        advantages = to_come - torch.stack([value.expand(9), after_first.repeat_interleave(3)], 1)
        for _ in range(3):
            optimizer.zero_grad()
            loss = -(p[:, None] * surrogate(log_probs() - old, advantages, 0.2, 0.2)).sum()
            loss.backward()
            optimizer.step()
    after = float(exact_kl(log_probs().sum(1).detach(), best))
    assert before > 1 and after < before / 1000, (before, after)


# models, batches, updates


def tiny() -> GPT2:
    return GPT2(GPT2Config(n_vocab=11, context=8, d_model=8, n_layers=1, n_heads=2)).double()


def written(seed: int, rows: int = 4) -> dict[str, torch.Tensor]:
    """Left-padded prompts and answers of several lengths, some of them cut short."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 11, (rows, 8), generator=draw)
    is_token, is_answer = torch.ones(rows, 8, dtype=torch.bool), torch.zeros(rows, 8, dtype=torch.bool)
    for i in range(rows):
        is_token[i, : i % 3] = False
        is_answer[i, 3 : 5 + (seed + i) % 4] = True
        is_token[i, 5 + (seed + i) % 4 :] = False
    return {"ids": ids, "is_token": is_token, "is_answer": is_answer}


def gradients(update: Update, batch) -> list[torch.Tensor]:
    update.gradient(batch)
    found = [p.grad.clone() for p in update.model.parameters()]
    update.optimizer.zero_grad()
    return found


def test_a_batch_in_pieces_has_the_gradient_of_the_whole():
    """training/step.py: PPO and DAPO weighed by tokens, GRPO, Dr. GRPO, GSPO and DPO by rows."""
    torch.manual_seed(0)
    actor, critic, reference = tiny(), Critic(tiny()).double(), tiny().requires_grad_(False)
    batch, other = written(0), written(1)
    mask = is_target(batch["is_answer"])
    with torch.no_grad():
        old, ref = (
            token_log_probs(m(batch["ids"], is_token=batch["is_token"]), batch["ids"]) for m in (actor, reference)
        )
        values = critic(batch["ids"], is_token=batch["is_token"])[:, :-1, 0]
        pair = {
            side: {**b, "reference": answer_scores(reference, b)}
            for side, b in (("chosen", batch), ("rejected", other))
        }
        for parameter in [*actor.parameters(), *critic.parameters()]:
            parameter += 0.05 * torch.randn_like(parameter)
    judged = judge(normal(0, 4), old, ref, values, mask)
    ppo = {**batch, "old": old, "values": values, "advantages": judged.advantages, "returns": judged.returns}
    grpo = {**batch, "old": old, "reference": ref, "advantages": group_advantages(normal(0, 2, 2))}
    four = FourModels(actor, critic, reference, tiny().requires_grad_(False))
    on = partial(on_answers, beta=0.04)
    for model, loss, data, weigh in (
        (four.learners(), ppo_loss, ppo, n_targets),
        (actor, partial(on, loss=dapo_loss), grpo, n_targets),
        (actor, partial(on, loss=grpo_loss), grpo, None),
        (actor, partial(on, loss=dr_grpo_loss, limit=5), grpo, None),
        (actor, partial(on, loss=gspo_loss, low=0.2, high=0.2), grpo, None),
        (actor, partial(on_pairs, loss=dpo_loss, beta=0.3), pair, None),
    ):
        whole, pieces = (
            gradients(Update(model, Settings(steps=1, lr=0.0, accumulate=n), loss=loss, weigh=weigh), data)
            for n in (1, 3)
        )
        assert max(float(g.abs().max()) for g in whole) > 1e-4
        for one, two in zip(whole, pieces):
            close(two, one, 1e-11)


def test_the_whole_of_ppo_by_hand():
    """Judging and loss, answer by answer and token by token in plain numbers."""
    torch.manual_seed(0)
    actor, critic, reference = tiny(), Critic(tiny()).double(), tiny().requires_grad_(False)
    torch.nn.init.normal_(critic.value.weight)
    batch, scores = written(0), normal(0, 4)
    ids, is_token, mask = batch["ids"], batch["is_token"], is_target(batch["is_answer"])

    def say() -> tuple[torch.Tensor, torch.Tensor]:
        return token_log_probs(actor(ids, is_token=is_token), ids), critic(ids, is_token=is_token)[:, :-1, 0]

    with torch.no_grad():
        (old, values), ref = say(), token_log_probs(reference(ids, is_token=is_token), ids)
        for parameter in [*actor.parameters(), *critic.parameters()]:
            parameter += 0.1 * torch.randn_like(parameter)
        new, new_values = say()
    beta, gamma, lam, clip, held_within, weight = 0.3, 0.9, 0.8, 0.1, 0.15, 0.7
    advantages, returns = {}, {}
    for i in range(4):
        later, next_value = 0.0, 0.0
        places = [t for t in range(7) if batch["is_answer"][i, t + 1]]
        for t in reversed(places):
            reward = -beta * float(old[i, t] - ref[i, t]) + (float(scores[i]) if t == places[-1] else 0.0)
            later = reward + gamma * next_value - float(values[i, t]) + gamma * lam * later
            next_value = float(values[i, t])
            advantages[i, t], returns[i, t] = later, later + next_value
    white = torch.tensor(list(advantages.values()), dtype=torch.float64)
    white = dict(zip(advantages, ((white - white.mean()) / (white.var() + 1e-8).sqrt()).tolist()))
    policy, value, clipped = 0.0, 0.0, 0
    for (i, t), a in white.items():
        ratio = float((new[i, t] - old[i, t]).exp())
        plain, cut = ratio * a, min(max(ratio, 1 - clip), 1 + clip) * a
        policy, clipped = policy - min(plain, cut) / len(white), clipped + (cut < plain)
        now, before = float(new_values[i, t]), float(values[i, t])
        near = before + min(max(now - before, -held_within), held_within)
        value += max((now - returns[i, t]) ** 2, (near - returns[i, t]) ** 2) / 2 / len(white)
    judged = judge(scores, old, ref, values, mask, beta=beta, gamma=gamma, lam=lam)
    data = {**batch, "old": old, "values": values, "advantages": judged.advantages, "returns": judged.returns}
    learners = FourModels(actor, critic, reference, tiny().requires_grad_(False)).learners()
    loss, figures = ppo_loss(learners, data, clip=clip, value_clip=held_within, value_weight=weight)
    close(loss.detach(), policy + weight * value, 1e-11)
    expected = {"policy": policy, "value": value, "clipped": clipped / len(white)}
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-11) and clipped > 2


def test_figures_say_what_happened():
    torch.manual_seed(0)
    actor, reference = tiny(), tiny().requires_grad_(False)
    batch, other = written(0), written(1)
    pair = {s: {**b, "reference": answer_scores(reference, b)} for s, b in (("chosen", batch), ("rejected", other))}
    _, figures = on_pairs(actor, pair, loss=dpo_loss)
    d = [answer_scores(actor, b).detach() - answer_scores(reference, b) for b in (batch, other)]
    assert figures["chosen"] == pytest.approx(float(d[0].mean())) and figures["rejected"] == pytest.approx(
        float(d[1].mean())
    )
    assert figures["accuracy"] == float((d[0] > d[1]).double().mean())
    per_token = answer_scores(actor, batch, per_token=True) * batch["is_answer"].sum(1)
    close(per_token.detach(), answer_scores(actor, batch).detach())
    logits = actor(batch["ids"], is_token=batch["is_token"])
    log_probs = token_log_probs(logits, batch["ids"]).detach()
    ref = token_log_probs(reference(batch["ids"], is_token=batch["is_token"]), batch["ids"])
    given = {**batch, "old": log_probs, "reference": ref, "advantages": group_advantages(normal(0, 2, 2))}
    mask = is_target(batch["is_answer"])
    loss, figures = on_answers(actor, given, loss=grpo_loss, beta=0.04)
    weighed, _ = on_answers(actor, given, loss=grpo_loss, beta=0.04, reweigh=True)
    close(weighed.detach(), loss.detach())  # at ratio 1 the gradients differ, the values do not
    slopes = [torch.autograd.grad(x, actor.embedding.weight)[0] for x in (loss, weighed)]
    assert (slopes[0] - slopes[1]).abs().max() > 1e-5
    expected = torch.stack([k3((x - y)[m]).mean() for x, y, m in zip(log_probs, ref, mask)]).mean()
    assert figures["kl"] == pytest.approx(float(expected))


@pytest.mark.parametrize(("loss", "weigh"), [(grpo_loss, None), (dapo_loss, n_targets)])
def test_the_logged_kl_of_pieces_is_that_of_the_whole(loss, weigh):
    """Answers of different lengths: a mean over tokens is weighed by tokens, a mean over answers by answers."""
    found = []
    for n_pieces in (1, 4):
        actor, batch = tiny().double(), written(0)
        log_probs = token_log_probs(actor(batch["ids"], is_token=batch["is_token"]), batch["ids"]).detach()
        batch |= {"old": log_probs, "reference": log_probs - 0.3 * torch.arange(len(log_probs))[:, None]}
        batch["advantages"] = group_advantages(normal(0, 2, 2))
        objective = partial(on_answers, loss=loss, beta=0.04)
        settings = Settings(steps=1, lr=1e-3, accumulate=n_pieces)
        found.append(Update(actor, settings, loss=objective, weigh=weigh)(batch)[1]["kl"])
    assert found[0] == pytest.approx(found[1], rel=1e-6) and found[0] > 0.01  # Update logs in fp32


def test_the_critic_speaks_at_every_token_and_starts_at_zero():
    critic, batch = Critic(tiny()).double(), written(0)
    values = critic(batch["ids"], is_token=batch["is_token"])
    assert values.shape == (4, 8, 1) and (values == 0).all()
    torch.nn.init.normal_(critic.value.weight)
    ids = batch["ids"].clone()
    before = critic(ids)
    ids[:, 5] = (ids[:, 5] + 1) % 11
    moved = (critic(ids) - before).abs().amax((0, 2)) > 1e-9
    assert moved.tolist() == [False] * 5 + [True] * 3
    left = torch.arange(8)[None] >= 3
    close(critic(ids[:1], is_token=left)[:, 3:], critic(ids[:1, 3:]), 1e-10)
