"""A trained model that others use but do not own: it is frozen, and its weights are kept where it was made.

Chapters 13 and 14.
"""

from typing import Any

from torch import nn


class Borrowed(nn.Module):
    """Stands for a frozen model: has all that it has, but no parameters and nothing in state_dict.

    So a model around it trains and stores its own weights alone. It stays on the device where it was.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.held = (model.requires_grad_(False).eval(),)  # a tuple: nn.Module does not look inside

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.held[0], name)
