"""One training on several processes: each takes its rows of every batch, and all of them make the same step.

    torchrun --nproc-per-node 2 -m course_lib.zoo train NAME
    accelerate launch --multi_gpu --num_processes 2 -m course_lib.zoo train NAME       (without a GPU, too)
Launchers say in the environment who is who. DDP keeps the whole model in every process and averages gradients
(Li et al. 2020, arXiv:2006.15704). FSDP keeps a part of every tensor in each and gathers a layer when it is needed
(Zhao et al. 2023, arXiv:2304.11277); COURSE_STRATEGY=fsdp or --strategy fsdp chooses it.  Chapter 07.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

STRATEGIES = ("ddp", "fsdp")
CPU = torch.device("cpu")


@dataclass(frozen=True)
class World:
    """The process `rank` of `size`, and where it computes. World() is a single process on the CPU."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU
    strategy: str = "ddp"

    def spread(self, module: nn.Module) -> nn.Module:
        """The module as every process should call it; its parameters are broadcast from rank 0, or cut in parts.

        With FSDP every entry of a ModuleList is gathered by itself, the rest together.
        """
        module.to(self.device)
        if self.size == 1:
            return module
        if self.strategy == "ddp":
            return nn.parallel.DistributedDataParallel(module)
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        for tensor in module.state_dict().values():
            dist.broadcast(tensor, src=0)
        mesh = init_device_mesh(self.device.type, (self.size,))
        for layers in [each for each in module.modules() if isinstance(each, nn.ModuleList)]:
            for layer in layers:
                fully_shard(layer, mesh=mesh)
        return fully_shard(module, mesh=mesh)

    def gradients_wait(self, module: nn.Module, last: bool):
        """Within it, backward() only adds up this process's own gradients, unless it is a step's last micro-batch."""
        waits = isinstance(module, nn.parallel.DistributedDataParallel) and not last
        return module.no_sync() if waits else nullcontext()

    @contextmanager
    def gathered(self, module: nn.Module) -> Iterator[None]:
        """Within it, every process can call parts of the module, not only the module."""
        parts = [each for each in module.modules() if hasattr(each, "unshard")]
        for part in parts:
            part.unshard()
        yield
        for part in parts:
            part.reshard()

    def total(self, *numbers: float) -> list[float]:
        """Each number summed over the processes, the same for all of them."""
        if self.size == 1:
            return list(numbers)
        together = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(together)
        return together.tolist()

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensor of every process (same shape everywhere), by rank."""
        if self.size == 1:
            return [tensor]
        mine = tensor.to(self.device)
        every = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(every, mine)
        return [each.cpu() for each in every]


def whole(tensor: Tensor) -> Tensor:
    """The full tensor, where this process holds a part of it."""
    return tensor.detach().full_tensor() if hasattr(tensor, "full_tensor") else tensor.detach()


def part(tensor: Tensor) -> tuple[Tensor, int | None]:
    """What this process holds of a tensor, and the first of its rows; None if it holds all of it.

    FSDP cuts along the rows: as many to each as fill the first processes up, the last ones may get fewer or none.
    """
    if not hasattr(tensor, "full_tensor"):
        return tensor.detach(), None
    each = -(-len(tensor) // tensor.device_mesh.size())
    return tensor.detach().to_local(), min(each * tensor.device_mesh.get_local_rank(), len(tensor))


@contextmanager
def join(strategy: str | None = None, device: str | None = None) -> Iterator[World]:
    """The world that the launcher made: one process if there was none.

    strategy: "ddp" or "fsdp"; default from COURSE_STRATEGY, else "ddp". device: default a GPU if there is one.
    Raises ValueError for another strategy.
    """
    strategy = strategy or os.environ.get("COURSE_STRATEGY", "ddp")
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy ({strategy!r}) must be one of {STRATEGIES}")
    size, rank, local = (
        int(os.environ.get(name, default)) for name, default in (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0))
    )
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    place = torch.device("cuda", local) if kind == "cuda" else torch.device(kind)
    if size == 1:
        yield World(device=place)
        return
    if kind == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield World(rank, size, place, strategy)
    finally:
        dist.destroy_process_group()
