"""A weight that sleeps until what it weighs leaps: the adaptive schedule of ELLE-A."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Switch(NamedTuple):
    """On where an error exceeds the mean of all earlier ones by some of their standard deviations, else fading.

    The first three errors only count. What is remembered are four numbers: the weight, and of the errors seen their
    number, mean and sum of squared deviations (Welford's way, so that none has to be kept).

    >>> switch, memory = Switch(on=100.0), Switch.memory()
    >>> [switch.turned(memory, torch.tensor(error)).item() for error in (1.0, 3.0, 2.0, 3.7, 2.0)]
    [0.0, 0.0, 0.0, 100.0, 99.0]

    Attributes:
        on: the weight where it is switched on.
        sensitivity: standard deviations above the mean that switch it on.
        decay: factor of the weight in every other step.
    """

    on: float
    sensitivity: float = 2.0
    decay: float = 0.99

    @staticmethod
    def memory() -> dict[str, Tensor]:
        """What is remembered, at its start: weight 0, no errors."""
        zero = torch.zeros((), dtype=torch.float64)
        return {f"switch/{name}": zero.clone() for name in ("weight", "seen", "mean", "scatter")}

    def turned(self, memory: dict[str, Tensor], error: Tensor) -> Tensor:
        """Take note of an error.

        Args:
            memory: of the method; changed.
            error: a scalar.

        Returns:
            The weight from now on, a scalar in double precision.
        """
        value = error.detach().to(memory["switch/weight"])
        weight, seen, mean, scatter = (memory[f"switch/{name}"] for name in ("weight", "seen", "mean", "scatter"))
        deviation = (scatter / seen.clamp_min(1)).sqrt()
        leaps = (seen > 2) & (value > mean + self.sensitivity * deviation)
        weight = torch.where(leaps, self.on, self.decay * weight)
        moved = mean + (value - mean) / (seen + 1)
        memory["switch/weight"], memory["switch/seen"], memory["switch/mean"] = weight, seen + 1, moved
        memory["switch/scatter"] = scatter + (value - mean) * (value - moved)
        return weight
