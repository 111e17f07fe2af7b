"""The recent past of a network: a few copies of its weights on the CPU, the closer together the younger they are."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Moment(NamedTuple):
    """A network after `iteration` updates: its state dict's tensors, on the CPU."""

    iteration: int
    weights: dict[str, Tensor]


class Bracket(NamedTuple):
    """The moments around a break, among those kept.

    Attributes:
        before: the last intact one before `first`.
        first: the first broken one.
        sustained: the first from which on all are broken.
    """

    before: Moment
    first: Moment
    sustained: Moment


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Copies of parameters and buffers, on the CPU."""
    state = {name: value.detach() for name, value in network.state_dict().items() if isinstance(value, Tensor)}
    return {name: value.to("cpu", copy=True) for name, value in state.items()}


def put_back(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Inverse of `weights_of`, in place, so that optimisers and wrappers keep what they hold."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name in weights:
                value.copy_(weights[name])


class History:
    """Moments since the last good one, or since the start, thinned so that the gaps grow with age.

    Args:
        capacity: moments kept at most, the good one included; at least 3.
    """

    def __init__(self, capacity: int = 10) -> None:
        self.capacity = capacity
        self.moments: list[Moment] = []

    def restart(self, good: Moment) -> None:
        """Forget all but a good moment."""
        self.moments = [good]

    def add(self, moment: Moment) -> None:
        """Keep one more. Beyond the capacity the one that leaves the least gap^2 / age goes: gaps ~ sqrt(age)."""
        self.moments.append(moment)
        if len(self.moments) <= self.capacity:
            return
        at = [kept.iteration for kept in self.moments]
        # Never the good moment, nor the two youngest.
        loss = {i: (at[i + 1] - at[i - 1]) ** 2 / (at[-1] - at[i - 1]) for i in range(1, len(at) - 2)}
        del self.moments[min(loss, key=loss.__getitem__)]

    def bracket(self, present: Moment, broken: Callable[[Moment], bool]) -> Bracket:
        """Where the moments kept say that robustness broke.

        Args:
            present: known to be broken.
            broken: judges a moment; asked about each but the first one, which counts as intact.
        """
        line = [moment for moment in self.moments if moment.iteration < present.iteration] + [present]
        states = [False, *map(broken, line[1:-1]), True]
        first = states.index(True)
        last_intact = len(states) - 1 - states[::-1].index(False)
        return Bracket(line[first - 1], line[first], line[last_intact + 1])


class Good(NamedTuple):
    """What a rescue goes back to.

    Attributes:
        moment: weights that a probe found robust.
        optimizer: the state of the optimiser then, on the CPU, by the numbers of its parameters; None without one.
    """

    moment: Moment
    optimizer: dict[int, Any] | None

    @classmethod
    def of(cls, moment: Moment, optimizer: torch.optim.Optimizer | None) -> Good:
        """A copy of the optimiser's state beside a moment."""
        return cls(moment, None if optimizer is None else _on_cpu(optimizer.state_dict()["state"]))

    def put_back(self, network: nn.Module, optimizer: torch.optim.Optimizer | None) -> None:
        """Into the network and the optimiser, whose learning rate and other settings stay as they are now."""
        put_back(network, self.moment.weights)
        if optimizer is not None and self.optimizer is not None:
            # A copy: on the CPU the optimiser would go on writing to this very state.
            optimizer.load_state_dict({**optimizer.state_dict(), "state": copy.deepcopy(self.optimizer)})


def _on_cpu(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, Mapping):
        return {key: _on_cpu(value) for key, value in state.items()}
    return state
