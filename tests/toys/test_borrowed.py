"""A borrowed model answers as itself, and whoever borrows it neither trains nor keeps it."""

import copy

import pytest
import torch
from torch import nn

from course_lib.toys.borrowed import Borrowed


class Lender(nn.Module):
    def __init__(self):
        super().__init__()
        self.size = 3
        self.linear, self.drop = nn.Linear(3, 3), nn.Dropout(0.5)

    def features(self, x):
        return self.drop(self.linear(x))


class Around(nn.Module):
    def __init__(self, lender):
        super().__init__()
        self.lender, self.own = Borrowed(lender), nn.Linear(3, 1)

    def forward(self, x):
        return self.own(self.lender.features(x))


def test_it_has_all_that_the_model_has_but_no_weights():
    lender = Lender()
    borrowed, x = Borrowed(lender), torch.randn(2, 3)
    assert borrowed.size == 3 and torch.equal(borrowed.features(x), lender.features(x))
    assert not list(borrowed.parameters()) and not borrowed.state_dict()
    with pytest.raises(AttributeError, match="'Lender' object has no attribute 'nothing'"):
        _ = borrowed.nothing


def test_whoever_borrows_it_learns_alone():
    lender = Lender()
    model, before = Around(lender).train(), copy.deepcopy(lender.state_dict())
    assert set(model.state_dict()) == {"own.weight", "own.bias"}
    assert not any(each.training for each in lender.modules())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    model(torch.randn(2, 3)).sum().backward()
    optimizer.step()
    assert all(torch.equal(each, before[name]) for name, each in lender.state_dict().items())
    assert all(each.grad is None for each in lender.parameters())
