"""A remedy at work on one run: what it measured, the moment it would go back to, the method that trains now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cotoolkit.config import RunConfig
from cotoolkit.core.distributed import broadcast_from_rank0
from cotoolkit.data import ImageSet
from cotoolkit.evaluation.protocol import Protocol, run_protocol
from cotoolkit.methods import Method
from cotoolkit.remedies import Decision, Remedy
from cotoolkit.training.preparation import probe_points
from cotoolkit.training.snapshot import Snapshot


class Treatment:
    """A remedy at work on one run; a run without one has a `Remedy` that does nothing.

    Args:
        config: of the run.
        data: that is trained on.
        device: of the run.

    Attributes:
        accuracies: PGD accuracies on training points so far.
        kept: the moment to go back to, if there is one.
        rollbacks: how many breakpoints were answered with another method.
    """

    def __init__(self, config: RunConfig, data: ImageSet, device: torch.device) -> None:
        self.config = config
        self.remedy = config.remedy or Remedy()
        self.accuracies: list[float] = []
        self.kept: Snapshot | None = None
        self.rollbacks = 0
        points = self.remedy.points
        self._points: tuple[Tensor, Tensor] | None = probe_points(config, data, points, device) if points else None

    @property
    def method(self) -> Method:
        """The method that trains now."""
        return self.config.methods[self.rollbacks]

    @property
    def rolls_back(self) -> bool:
        """Whether a breakpoint is answered by going back."""
        return self.remedy.successors() is not None

    def take_next_method(self) -> bool:
        """Go on to the next method, if one is left; whether there was."""
        left = self.rollbacks + 1 < len(self.config.methods)
        self.rollbacks += left
        return left

    def examine(self, module: nn.Module) -> Decision:
        """Measure on the training points, and decide; "keep" is for the caller to do.

        Args:
            module: the network; stays as it is.

        Returns:
            What is to be done.
        """
        assert self._points is not None
        protocol = Protocol(steps=self.remedy.steps)
        found = run_protocol(module, *self._points, self.config.threat, protocol, seed=self.config.seed)
        self.accuracies.append(broadcast_from_rank0(found.accuracy.value))
        return self.remedy.decide(self.accuracies)

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON data; the kept moment stands beside it."""
        return {
            "accuracies": self.accuracies,
            "kept_iteration": None if self.kept is None else self.kept.iteration,
            "rollbacks": self.rollbacks,
        }

    def load_state(self, state: Mapping[str, Any], tensors: dict[str, Tensor]) -> None:
        """Inverse of `state`.

        Args:
            state: of a treatment by the same remedy.
            tensors: with those of the kept moment, behind `kept/`.
        """
        self.accuracies, self.rollbacks = list(state["accuracies"]), state["rollbacks"]
        kept = state["kept_iteration"]
        self.kept = None if kept is None else Snapshot.from_tensors(kept, tensors, "kept/")
