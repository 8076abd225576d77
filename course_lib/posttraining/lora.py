"""LoRA: a matrix stays as it is, and what is learned beside it has low rank (Hu et al. 2021, arXiv:2106.09685, section
4.1).

x [… I] · r rank · O outputs
    y = x Wᵀ + (α / r) · x Aᵀ Bᵀ         A [r I] starts Gaussian, B [O r] at 0: at first nothing is changed
    W + (α / r) B A                      merged: one matrix again, as fast as before
r (I + O) numbers are learned in place of I O.
    add_lora(model, ("to_qkv", "to_out"), rank=8)
    update = Update(model, settings, loss=sft_loss, weigh=n_targets)
    beside = merge(model)                unmerge(model, beside) takes it back, to the bit
Read first: nothing.  Chapter 19.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from course_lib.foundations.checks import check_count


class LoRALinear(nn.Module):
    """base: the Linear beside which is learned; it is frozen. alpha: rank unless given, which scales by 1.

    The paper leaves A's spread open; with 1/sqrt(I) the numbers of A x are as large as those of x. Raises ValueError
    for a rank above what a matrix of this shape has, and for alpha not above 0.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float | None = None):
        super().__init__()
        check_rank(base, rank, alpha)
        self.base, self.scale = base.requires_grad_(False), 1.0 if alpha is None else alpha / rank
        self.in_features, self.out_features = base.in_features, base.out_features
        self.A = nn.Parameter(torch.randn_like(base.weight[:rank]) * base.in_features**-0.5)
        self.B = nn.Parameter(torch.zeros_like(base.weight[:, :rank]))

    def forward(self, x: Float[Tensor, "*rows I"]) -> Float[Tensor, "*rows O"]:
        return self.base(x) + self.scale * linear(linear(x, self.A), self.B)

    def learned(self) -> Float[Tensor, "O I"]:
        """(α / r) B A: what is added to the matrix, of rank r at most."""
        return self.scale * self.B @ self.A

    def merged(self) -> nn.Linear:
        """One Linear that does the same, frozen; its weights are its own."""
        one = nn.Linear(self.in_features, self.out_features, bias=self.base.bias is not None)
        one = one.to(self.base.weight).requires_grad_(False)
        one.weight.copy_(self.base.weight + self.learned())
        if one.bias is not None:
            one.bias.copy_(self.base.bias)
        return one


def add_lora(model: nn.Module, names: Iterable[str], rank: int, alpha: float | None = None) -> list[str]:
    """Freeze a model, and let low-rank products be learned beside its Linears of these names; returns their full names.

    names: last parts, such as "to_qkv" for blocks.0.attention.to_qkv. Raises ValueError for a name that no Linear has,
    and where LoRA is there already.
    """
    if any(isinstance(module, LoRALinear) for module in model.modules()):
        raise ValueError("the model has LoRA already; merge it first")
    names, linears = set(names), {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    there = {name.rpartition(".")[2] for name in linears}
    if not names or names - there:
        raise ValueError(f"no Linear is named {sorted(names - there)}; the model has {sorted(there)}")
    chosen = {name: part for name, part in linears.items() if name.rpartition(".")[2] in names}
    for part in chosen.values():
        check_rank(part, rank, alpha)
    model.requires_grad_(False)
    unmerge(model, {name: LoRALinear(part, rank, alpha) for name, part in chosen.items()})
    return list(chosen)


def merge(model: nn.Module) -> dict[str, LoRALinear]:
    """Put one Linear in place of each matrix and what was learned beside it; returns what was there, to take it back.

    Raises ValueError for a model without LoRA.
    """
    beside = {name: part for name, part in model.named_modules() if isinstance(part, LoRALinear)}
    if not beside:
        raise ValueError("the model has no LoRA to merge; call add_lora first")
    for name, part in beside.items():
        model.set_submodule(name, part.merged())
    return beside


def unmerge(model: nn.Module, beside: dict[str, LoRALinear]) -> None:
    """Undo `merge`: matrices as they were, and what was learned beside them. beside: what merge returned."""
    for name, part in beside.items():
        model.set_submodule(name, part)


def check_rank(base: nn.Linear, rank: int, alpha: float | None) -> None:
    """Raise ValueError unless the matrix can have that rank, and alpha, where given, is above 0 and finite."""
    check_count("rank", rank, 1)
    if rank > (most := min(base.weight.shape)):
        raise ValueError(f"rank ({rank}) is above {most}, the most that a matrix {tuple(base.weight.shape)} has")
    if alpha is not None and not 0 < alpha < float("inf"):
        raise ValueError(f"alpha ({alpha}) must be above 0 and finite; alpha = rank = {rank} scales nothing")
