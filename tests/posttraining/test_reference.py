"""The reference is the policy of one moment, whatever becomes of the policy."""

import torch

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.log_probs import token_log_probs
from course_lib.posttraining.reference import Reference
from course_lib.training.loop import next_token_loss
from course_lib.training.step import Settings, Update

IDS = torch.randint(11, (4, 9), generator=torch.Generator().manual_seed(0))


def build() -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(n_vocab=11, context=12, d_model=16, n_heads=2, dropout=0.5))


def bits(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_it_says_what_the_policy_said_and_stays_to_the_bit_while_the_policy_learns():
    policy = build()
    before = policy.eval()(IDS).detach()
    reference = Reference(policy)
    kept = bits(reference)
    assert torch.equal(reference(IDS), before)
    update = Update(policy.train(), Settings(steps=5, lr=1e-2))
    for _ in range(5):
        update(IDS)
    assert torch.equal(reference(IDS), before)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in reference.state_dict().items())
    assert not torch.equal(policy.eval()(IDS), before)


def test_it_stays_too_when_an_optimiser_is_handed_both():
    """Weight decay moves what has no gradient of its own as little as momentum does."""
    policy = build()
    both = torch.nn.ModuleDict({"policy": policy, "reference": Reference(policy)})
    kept = bits(both["reference"])
    optimizer = torch.optim.AdamW(both.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(3):
        loss = next_token_loss(both["policy"], IDS) + both["reference"](IDS).square().mean()
        loss.backward()
        optimizer.step()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in both["reference"].state_dict().items())


def test_it_drops_nothing_out_even_when_what_holds_it_trains():
    policy = build()
    both = torch.nn.ModuleList([policy, Reference(policy)]).train()
    assert not Reference(policy).model.drop.training  # copied from a policy in training
    assert both[0].training and not any(module.training for module in both[1].modules())
    assert torch.equal(both[1](IDS), both[1](IDS)) and not torch.equal(both[0](IDS), both[0](IDS))
    both[1].train()
    assert not both[1].model.drop.training


def test_it_asks_for_no_gradients_and_shares_no_numbers():
    policy = build()
    next_token_loss(policy, IDS).backward()
    reference = Reference(policy)
    assert not any(p.requires_grad or p.grad is not None for p in reference.parameters())
    assert not token_log_probs(reference(IDS), IDS).requires_grad
    x = torch.zeros(2, 3, requires_grad=True)
    assert torch.nn.Linear(3, 1)(x).requires_grad and not Reference(torch.nn.Linear(3, 1))(x).requires_grad
    ours, its = ({p.data_ptr() for p in model.parameters()} for model in (policy, reference))
    assert not ours & its and all(p.requires_grad and p.grad is not None for p in policy.parameters())
