"""The policy as it was: the model that PPO, DPO and GRPO measure their KL from (Ouyang et al. 2022, section 3.5).

A copy that shares no number with the policy, asks for no gradients and drops nothing out, whatever is done to the
policy or to what holds them both. It costs the weights once more, and no optimiser's state.
Read first: nothing.  Chapters 20 to 23.
"""

import copy
from typing import Any

import torch
from torch import nn


class Reference(nn.Module):
    """reference(...) is what policy(...) would have said at the moment of copying, in eval mode."""

    def __init__(self, policy: nn.Module):
        super().__init__()
        self.model = copy.deepcopy(policy).requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.model(*args, **kwargs)

    def train(self, mode: bool = True) -> "Reference":
        """Stays in eval mode: dropout in the reference would be taken for a change of the policy."""
        return super().train(False)
