"""How linear the loss is inside the ball: signals that take extra passes through the network."""

from __future__ import annotations

from torch import Tensor

from cotoolkit.methods.base import Cost
from cotoolkit.signals.registry import signal
from cotoolkit.signals.vectors import cosine


@signal(cost=Cost(2, 2), at_break="falls", source="Andriushchenko & Flammarion, NeurIPS 2020")
def gradient_alignment(clean_gradient: Tensor, noisy_gradient: Tensor) -> Tensor:
    """Cosine between the input gradients at x and at x + noise, (B, ...) -> (B,); nan where one is zero.

    1 where the loss is linear inside the ball; near 0 after catastrophic overfitting.
    """
    return cosine(clean_gradient, noisy_gradient)
