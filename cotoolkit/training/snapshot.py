"""A moment of training, in memory or flat for a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


def copied_tensors(tensors: Mapping[str, Tensor], device: torch.device | None = None) -> dict[str, Tensor]:
    """Copies that further training does not change.

    Args:
        tensors: by name.
        device: of the copies; None leaves them where the tensors are.

    Returns:
        Detached copies by name.
    """
    return {name: tensor.detach().to(device, copy=True) for name, tensor in tensors.items()}


@dataclass(frozen=True)
class Snapshot:
    """Everything that the iterations after it depend on, besides the configuration.

    Attributes:
        iteration: updates done.
        model: the network's state dict.
        optimizer: the optimiser's state.
        memory: what the method remembers.
    """

    iteration: int
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    memory: dict[str, Tensor]

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Flat, for a file: `model/...`, `optimizer/...` and `memory/...` behind a prefix."""
        parts = {"model": self.model, "optimizer": self.optimizer, "memory": self.memory}
        return {f"{prefix}{part}/{name}": tensor for part, named in parts.items() for name, tensor in named.items()}

    @classmethod
    def from_tensors(cls, iteration: int, tensors: dict[str, Tensor], prefix: str) -> Snapshot:
        """Inverse of `tensors`.

        Args:
            iteration: of the snapshot.
            tensors: from a file; others may be among them.
            prefix: as it was given to `tensors`.

        Returns:
            The snapshot.
        """

        def below(part: str) -> dict[str, Tensor]:
            start = f"{prefix}{part}/"
            return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}

        return cls(iteration, below("model"), below("optimizer"), below("memory"))
