"""Which number type trains fastest on this machine: asked of it, never assumed.

A CPU without bf16 instructions multiplies bf16 matrices up to ten times slower than fp32 ones.  Chapter 07.
"""

import time
from functools import cache

import torch
from torch import Tensor

SIZE = 512
WORTH_IT = 1.5  # bf16 products must be this many times faster: casting costs time too


def best_dtype(device: torch.device | str = "cpu") -> torch.dtype:
    """bf16 or fp16 on a GPU, as it can; on a CPU bf16 where it is measured to be faster, else fp32."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if cpu_gain() >= WORTH_IT else torch.float32


@cache
def cpu_gain() -> float:
    """How many times faster this CPU makes a 512³ product in bf16 than in fp32; measured once, about 50 ms."""
    chance = torch.Generator().manual_seed(0)
    a, b = (torch.randn(SIZE, SIZE, generator=chance) for _ in range(2))
    return product_seconds(a, b) / product_seconds(a.bfloat16(), b.bfloat16())


def product_seconds(a: Tensor, b: Tensor, repeats: int = 5) -> float:
    """The shortest of several products, after one to warm up."""
    a @ b
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - began)
    return min(times)
