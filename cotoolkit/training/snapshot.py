"""A moment of training, in memory or flat for a file."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Snapshot:
    """Everything that the iterations after it depend on, besides the configuration.

    Attributes:
        iteration: updates done.
        model: the network's state dict.
        optimizer: the optimiser's state.
    """

    iteration: int
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Flat, for a file: `model/...` and `optimizer/...` behind a prefix."""
        parts = {"model": self.model, "optimizer": self.optimizer}
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

        return cls(iteration, below("model"), below("optimizer"))
