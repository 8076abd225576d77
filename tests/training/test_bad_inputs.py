"""What a reader can plausibly hand in by mistake is answered with the numbers and the mend, one line a case."""

import math
import re

import pytest
import torch
from torch import nn

from course_lib.chapters.ch09_gpt3 import scaling
from course_lib.chapters.ch09_gpt3.in_context_zoo import train_on_tasks
from course_lib.decoding import generation, sampling
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import Llama, LlamaConfig, LlamaReader
from course_lib.training import checkpoint, loop
from course_lib.training.engine import Settings, train
from course_lib.training.pieces import Packed

IDS = torch.tensor([[1, 2, 3]])
NAN = math.nan


def gpt() -> GPT2:
    return GPT2(GPT2Config(n_vocab=11, context=8, d_model=8, n_layers=1, n_heads=2))


def reader() -> LlamaReader:
    return LlamaReader(Llama(LlamaConfig(n_vocab=11, d_model=8, n_heads=2, n_kv_heads=1, d_hidden=8)), 16)


def small_loop(model=None, **more):
    return loop.train(model or gpt(), [IDS] * 3, **{"steps": 3, "lr": 1e-3} | more)


def engine(batches=lambda step: IDS, **more):
    given = {name: more.pop(name) for name in ("stop", "path", "every", "evaluate", "evaluate_every") if name in more}
    return train(gpt(), batches, Settings(**{"steps": 3, "lr": 1e-3} | more), **given)


def nothing(model):
    return {}


def beams(**more):
    return generation.beam_search(reader(), IDS, 3, **{"end": 1} | more)


def one_row() -> torch.Tensor:
    return torch.zeros(1, 5)


CHANCE = torch.Generator()
CASES = [
    (lambda tmp: small_loop(lr=1e30), FloatingPointError, "the loss is nan at step 1; lower lr (1e+30)"),
    (lambda tmp: small_loop(lr=NAN), ValueError, "Invalid learning rate: nan"),
    (lambda tmp: small_loop(clip=-1), ValueError, "clip (-1) must be above 0"),
    (lambda tmp: small_loop(clip=NAN), ValueError, "clip (nan) must be above 0"),
    (lambda tmp: small_loop(steps=2.0), TypeError, "steps is 2.0; a whole number"),
    (lambda tmp: small_loop(steps=-1), ValueError, "steps (-1) must be at least 1"),
    (
        lambda tmp: small_loop(nn.Linear(2, 2), loss=lambda model, batch: model.weight.sum() * NAN),
        FloatingPointError,
        "the loss is nan at step 0",
    ),
    (lambda tmp: loop.warmup_cosine(50, 100, warmup=5), ValueError, "warmup (5) must be between 0 and 1"),
    (lambda tmp: loop.warmup_cosine(0, 100, warmup=-1), ValueError, "warmup (-1) must be"),
    (lambda tmp: engine(warmup=5.0), ValueError, "warmup (5.0) must be"),
    (lambda tmp: engine(clip=-1), ValueError, "clip (-1) must be above 0"),
    (lambda tmp: engine(lr=-1), ValueError, "Invalid learning rate: -1"),
    (lambda tmp: engine(steps=3.0), TypeError, "steps is 3.0"),
    (lambda tmp: engine(accumulate=0), ValueError, "accumulate (0) must be at least 1"),
    (lambda tmp: engine(stop=-1), ValueError, "stop (-1) must be at least 1"),
    (lambda tmp: engine(path=tmp / "e", every=0), ValueError, "every (0) must be at least 1"),
    (lambda tmp: engine(evaluate=nothing, evaluate_every=0), ValueError, "evaluate_every (0) must be at least 1"),
    (lambda tmp: engine(lambda step: None), TypeError, "batch is None; it must be a tensor [B ...]"),
    (lambda tmp: engine(lambda step: {"ids": IDS, "n": 3}), TypeError, "batch['n'] is 3; it must be"),
    (lambda tmp: engine(lambda step: (IDS, IDS[0])), ValueError, "disagree in rows: [0] 1, [1] 3"),
    (lambda tmp: Packed(torch.zeros(5), torch.tensor([2, 2])), ValueError, "2 lengths add up to 4, not to 5"),
    (
        lambda tmp: [checkpoint.save(tmp / "c", {"a": torch.zeros(2)}, {}), engine(path=tmp / "c")],
        ValueError,
        "c says no settings",
    ),
    (lambda tmp: checkpoint.save(tmp / "c", {"a": None}, {}), TypeError, "a must be a tensor"),
    (lambda tmp: generation.greedy(reader(), IDS, 2.0), TypeError, "n_new is 2.0; a whole number"),
    (lambda tmp: generation.greedy(reader(), IDS, 2, end=-1), ValueError, "end (-1) must be at least 0"),
    (lambda tmp: beams(end=-1), ValueError, "end (-1) must be at least 0"),
    (lambda tmp: beams(end=99), ValueError, "end (99) must be below the vocabulary's 11"),
    (lambda tmp: beams(alpha=NAN), ValueError, "alpha (nan) must be a number"),
    (lambda tmp: beams(n_beams=2.5), TypeError, "n_beams is 2.5"),
    (lambda tmp: sampling.said_in(torch.tensor([[-1]]), 5), ValueError, "ids hold -1"),
    (lambda tmp: sampling.choose(torch.zeros(1, 0), generator=CHANCE), ValueError, "logits (1, 0) must be [B V]"),
    (lambda tmp: sampling.choose(torch.zeros(5), generator=CHANCE, top_k=2), ValueError, "logits (5,) must be [B V]"),
    (lambda tmp: sampling.penalise(one_row(), one_row() == 0, math.inf), ValueError, "repetition_penalty (inf)"),
    (lambda tmp: scaling.fit_power_law([1, 2, 3], [1, 2, math.inf]), ValueError, "must be above 0 and finite"),
    (lambda tmp: scaling.fit_power_law([1, 2, NAN], [1, 2, 3]), ValueError, "must be above 0 and finite"),
    (lambda tmp: train_on_tasks("huge"), ValueError, "size ('huge') must be one of small, medium, large"),
]


@pytest.mark.parametrize(("call", "kind", "says"), CASES, ids=[f"{i}-{case[2]}" for i, case in enumerate(CASES)])
def test_it_is_refused(call, kind, says, tmp_path):
    torch.manual_seed(0)
    with pytest.raises(kind, match=re.escape(says)):
        call(tmp_path)
