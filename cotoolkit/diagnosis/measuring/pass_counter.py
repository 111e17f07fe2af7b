"""The network as the measurements see it: its passes counted, its gradient always there."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PassCounter(nn.Module):
    """A network that counts the images sent through it, and the gradients that come back through its output.

    Where the network cuts the path from its input to its output (rounding to whole numbers, `detach`), the gradient is
    zero, which is what an attack finds there, instead of an error.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.forwards = 0
        self.backwards = 0

    def forward(self, images: Tensor) -> Tensor:
        """The network's output."""
        logits: Tensor = self.network(images)
        self.forwards += len(images)
        if torch.is_grad_enabled() and images.requires_grad:
            logits = logits + 0 * images.flatten(1).sum(1, keepdim=True)
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)
