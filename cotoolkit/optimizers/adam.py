"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from pydantic.dataclasses import dataclass
from torch.optim.adam import adam
from typing_extensions import override

from cotoolkit.core.numbers import Number
from cotoolkit.core.registry import STRICT
from cotoolkit.optimizers.base import OPTIMIZERS, Decay, Optimizer, ParameterGroup


@OPTIMIZERS.register("adam", "Adam")
@dataclass(frozen=True, config=STRICT)
class Adam(Optimizer):
    """Adam (Kingma & Ba, ICLR 2015); weight decay is added to the gradient.

    >>> Adam(beta1=0.5).momentum
    0.5

    Args:
        beta1: decay of the running mean of gradients.
        beta2: decay of the running mean of their squares.
        eps: added to the root of the latter.
    """

    beta1: Decay = 0.9
    beta2: Decay = 0.999
    eps: Annotated[Number, Gt(0)] = 1e-8

    decoupled: ClassVar[bool] = False

    @property
    def momentum(self) -> float:  # type: ignore[override] # read only here
        """The first beta."""
        return self.beta1

    @override
    def update(self, group: ParameterGroup, rate: float, momentum: float) -> None:
        for state, parameter in zip(group.states, group.parameters, strict=True):
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        adam(
            group.parameters,
            group.gradients,
            [state["exp_avg"] for state in group.states],
            [state["exp_avg_sq"] for state in group.states],
            [],
            [state["step"] for state in group.states],
            amsgrad=False,
            beta1=momentum,
            beta2=self.beta2,
            lr=rate,
            weight_decay=group.weight_decay,
            eps=self.eps,
            maximize=False,
            decoupled_weight_decay=self.decoupled,
        )


@OPTIMIZERS.register("adamw", "AdamW")
@dataclass(frozen=True, config=STRICT)
class AdamW(Adam):
    """Adam with decoupled weight decay: weights shrink by rate * decay a step (Loshchilov & Hutter, ICLR 2019)."""

    decoupled: ClassVar[bool] = True
