"""The sampling knobs against transformers' logits processors, alone and in the order of its generate."""

import pytest
import torch
from transformers.generation.logits_process import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from course_lib.decoding.sampling import keep_top_k, keep_top_p, log_probs, penalise, said_in

V = 101


def random_logits(seed: int, spread: float = 3.0) -> torch.Tensor:
    return torch.randn(7, V, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * spread


@pytest.mark.parametrize("k", [1, 2, 40, V, V + 50])
def test_top_k(k):
    for seed in range(10):
        logits = random_logits(seed)
        assert torch.equal(keep_top_k(logits, k), TopKLogitsWarper(k)(None, logits))


def test_top_k_keeps_ties_as_they_do():
    logits = torch.tensor([[1.0, 3.0, 2.0, 2.0, 2.0, 0.0]])
    assert torch.equal(keep_top_k(logits, 2), TopKLogitsWarper(2)(None, logits))
    assert int(keep_top_k(logits, 2).isfinite().sum()) == 4


@pytest.mark.parametrize("p", [1e-6, 0.1, 0.5, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_top_p(p, spread):
    for seed in range(20):
        logits = random_logits(seed, spread)
        assert torch.equal(keep_top_p(logits, p), TopPLogitsWarper(p)(None, logits))


@pytest.mark.parametrize("penalty", [0.7, 1.0, 1.2, 5.0])
def test_repetition_penalty(penalty):
    for seed in range(10):
        logits = random_logits(seed)
        ids = torch.randint(V, (7, 30), generator=torch.Generator().manual_seed(seed))
        theirs = RepetitionPenaltyLogitsProcessor(penalty)(ids, logits.clone())
        torch.testing.assert_close(penalise(logits, said_in(ids, V), penalty), theirs, atol=1e-14, rtol=0)


@pytest.mark.parametrize("temperature", [0.05, 0.7, 1.0, 3.0])
@pytest.mark.parametrize("top_k", [None, 5, 60])
@pytest.mark.parametrize("top_p", [None, 0.3, 0.95])
def test_all_knobs_in_the_order_of_generate(temperature, top_k, top_p, agree):
    for seed in range(5):
        logits = random_logits(seed)
        theirs = TemperatureLogitsWarper(temperature)(None, logits)
        if top_k is not None:
            theirs = TopKLogitsWarper(top_k)(None, theirs)
        if top_p is not None:
            theirs = TopPLogitsWarper(top_p)(None, theirs)
        ours = log_probs(logits, temperature=temperature, top_k=top_k, top_p=top_p)
        assert torch.equal(ours.isfinite(), theirs.isfinite())
        agree(ours.exp(), theirs.softmax(-1))
