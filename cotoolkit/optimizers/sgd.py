"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from pydantic.dataclasses import dataclass
from torch.optim.sgd import sgd
from typing_extensions import override

from cotoolkit.core.registry import STRICT
from cotoolkit.optimizers.base import OPTIMIZERS, Decay, Optimizer, ParameterGroup


@OPTIMIZERS.register("sgd", "SGD")
@dataclass(frozen=True, config=STRICT)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum; weight decay is added to the gradient.

    >>> OPTIMIZERS.parse({"name": "sgd", "nesterov": True})
    SGD(momentum=0.9, nesterov=True)

    Args:
        momentum: 0 for none.
        nesterov: look ahead along the momentum.
    """

    momentum: Decay = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")

    @override
    def update(self, group: ParameterGroup, rate: float, momentum: float) -> None:
        buffers = [state.get("momentum_buffer") for state in group.states]
        sgd(
            group.parameters,
            group.gradients,
            buffers,
            weight_decay=group.weight_decay,
            momentum=momentum,
            lr=rate,
            dampening=0,
            nesterov=self.nesterov,
            maximize=False,
        )
        for state, buffer in zip(group.states, buffers, strict=True):
            if buffer is not None:
                state["momentum_buffer"] = buffer
