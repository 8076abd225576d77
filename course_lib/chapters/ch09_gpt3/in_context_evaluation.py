"""In-context learning, measured: how often the next answer is right after k examples. No weight is touched.

N sequences · E examples · T tokens · V vocabulary
Zero-, one- and few-shot differ only in what stands in front of the question (Brown et al. 2020, arXiv:2005.14165,
figure 2.1).  Chapter 09.
"""

import hashlib
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn


@torch.inference_mode()
def right_by_shots(model: nn.Module, ids: Int[Tensor, "N T"], example: int) -> Bool[Tensor, "N E"]:
    """Whether the answer that ends each example of `example` tokens is the model's first choice, given those before.

    A model that looks back only answers every question of a sequence at once: column k is the k-shot question.
    """
    if ids.shape[1] % example:
        raise ValueError(f"{ids.shape[1]} tokens are no whole number of examples of {example}; cut the sequences")
    guesses = model(ids[:, :-1]).argmax(-1)
    return (guesses == ids[:, 1:])[:, example - 2 :: example]


@torch.inference_mode()
def answer(model: nn.Module, shots: Int[Tensor, "B K"], question: Int[Tensor, "B Q"]) -> Int[Tensor, " B"]:
    """The model's first choice after the examples (K = 0: none) and the question."""
    return model(torch.cat([shots, question], dim=1))[:, -1].argmax(-1)


def accuracy_by_shots(
    model: nn.Module, ids: Int[Tensor, "N T"], example: int, shots: Sequence[int], batch: int = 1000
) -> list[float]:
    """Share of right answers after as many examples as `shots` says. The model is left in the mode it was in."""
    training = model.training
    model.eval()
    right = torch.cat([right_by_shots(model, part, example) for part in ids.split(batch)])
    model.train(training)
    return right[:, list(shots)].float().mean(0).tolist()


def fingerprint(model: nn.Module) -> str:
    """Hash of every bit of every weight and buffer: the same if and only if nothing has changed."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
