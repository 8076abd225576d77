"""What models cost that train together: memory by kind, and the operations of a piece of work. Counted, not sampled.

Weights, gradients, Adam's two means and its counter, and activations: what a forward pass keeps for its gradient.
Temporary tensors are not counted, nor what an allocator holds back.  Chapters 21 to 23.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib.models.gpt2 import GPT2Config
from course_lib.training.step import Update

CONFIGS = (  # small, wide, and as the zoo's poet, whose vocabulary is most of it
    GPT2Config(n_vocab=256, context=128, d_model=64, n_layers=2),
    GPT2Config(n_vocab=1000, context=128, d_model=192, n_layers=4),
    GPT2Config(n_vocab=3349, context=128, d_model=120, n_layers=3),
)
KINDS = ("weights", "gradients", "Adam", "activations")


def in_megabytes(*tensors: Tensor) -> float:
    return sum(each.numel() * each.element_size() for each in tensors) / 1e6


def kept(forward: Callable[[], Tensor], weights: list[nn.Parameter]) -> float:
    """Megabytes that a forward pass keeps for its gradient, each storage once, without the weights themselves."""
    sizes, known = {}, {each.untyped_storage().data_ptr() for each in weights}
    held = []  # else a freed tensor's address is taken again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            held.append(tensor)
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(sizes.values()) / 1e6


def memory(models: list[nn.Module], update: Update, forward: Callable[[], Tensor]) -> list[float]:
    """Megabytes of each of KINDS, after an update: what learns and what does not, each once."""
    every = [*{id(p): p for model in models for p in model.parameters()}.values()]
    learns = [p for p in every if p.requires_grad]
    state = [each for p in learns for each in update.optimizer.state[p].values()]
    return [in_megabytes(*every), in_megabytes(*learns), in_megabytes(*state), kept(forward, every)]


def operations(work: Callable[[], object]) -> float:
    """10⁹ multiplications and additions of matrix products."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9
