"""Optimisers: how a gradient becomes an update of the weights, and the state that a snapshot has to keep.

The arithmetic is that of `torch.optim` in its functional form, to the bit. Its classes are not constructed: the first
one loads torch's compiler, which takes longer than a short run trains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt, Lt
from pydantic import PlainSerializer, PlainValidator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd
from typing_extensions import override

from cotoolkit.core.registry import STRICT, Registered, Registry

Share = Annotated[float, Ge(0), Lt(1)]

State = dict[str, Tensor]
"""Of one parameter: the tensors that its next update depends on, by name; empty before the first one."""


class Optimizer(Registered):
    """A rule of updates. Learning rate, weight decay and schedule belong to the run."""

    momentum: float
    """What a schedule cycles: the momentum of SGD, the first beta of Adam."""

    def update(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        states: Sequence[State],
        rate: float,
        momentum: float,
        decay: float,
    ) -> None:
        """Change parameters and their states in place.

        Args:
            parameters: those that have a gradient.
            gradients: one for each.
            states: one for each.
            rate: learning rate of this step.
            momentum: of this step.
            decay: weight decay.
        """
        raise AssertionError(f"{type(self).__name__} defines no update")


OPTIMIZERS = Registry[Optimizer]("optimizer")

OptimizerField = Annotated[Optimizer, PlainValidator(OPTIMIZERS.parse), PlainSerializer(OPTIMIZERS.dump)]
"""An optimiser inside a pydantic model: given by name, by mapping or as an instance."""


@OPTIMIZERS.register("sgd", "SGD")
@dataclass(frozen=True, config=STRICT)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum; weight decay is added to the gradient.

    Args:
        momentum: 0 for none.
        nesterov: look ahead along the momentum.
    """

    momentum: Share = 0.9
    nesterov: bool = False

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")

    @override
    def update(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        states: Sequence[State],
        rate: float,
        momentum: float,
        decay: float,
    ) -> None:
        buffers = [state.get("momentum_buffer") for state in states]
        sgd(
            list(parameters),
            list(gradients),
            buffers,
            weight_decay=decay,
            momentum=momentum,
            lr=rate,
            dampening=0,
            nesterov=self.nesterov,
            maximize=False,
        )
        for state, buffer in zip(states, buffers, strict=True):
            if buffer is not None:
                state["momentum_buffer"] = buffer


@OPTIMIZERS.register("adam", "Adam")
@dataclass(frozen=True, config=STRICT)
class Adam(Optimizer):
    """Adam (Kingma & Ba, ICLR 2015); weight decay is added to the gradient.

    Args:
        beta1: decay of the running mean of gradients.
        beta2: decay of the running mean of their squares.
        eps: added to the root of the latter.
    """

    beta1: Share = 0.9
    beta2: Share = 0.999
    eps: Annotated[float, Gt(0)] = 1e-8

    decoupled: ClassVar[bool] = False

    @property
    def momentum(self) -> float:  # type: ignore[override] # read only here
        """The first beta."""
        return self.beta1

    @override
    def update(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        states: Sequence[State],
        rate: float,
        momentum: float,
        decay: float,
    ) -> None:
        for state, parameter in zip(states, parameters, strict=True):
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        adam(
            list(parameters),
            list(gradients),
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=momentum,
            beta2=self.beta2,
            lr=rate,
            weight_decay=decay,
            eps=self.eps,
            maximize=False,
            decoupled_weight_decay=self.decoupled,
        )


@OPTIMIZERS.register("adamw", "AdamW")
@dataclass(frozen=True, config=STRICT)
class AdamW(Adam):
    """Adam with decoupled weight decay: weights shrink by rate * decay a step (Loshchilov & Hutter, ICLR 2019)."""

    decoupled: ClassVar[bool] = True


class Updates:
    """An optimiser at work on a module's parameters.

    Args:
        rule: the optimiser.
        module: whose parameters change; frozen ones stay out.
        weight_decay: of the parameters that decay.
        decay_norm_and_bias: let parameters of at most one dimension decay too: biases, and the scales of norm layers.
    """

    def __init__(self, rule: Optimizer, module: nn.Module, weight_decay: float, decay_norm_and_bias: bool) -> None:
        self.rule = rule
        self.parameters = dict(module.named_parameters())
        self.decays = {
            name: weight_decay if decay_norm_and_bias or parameter.ndim > 1 else 0.0
            for name, parameter in self.parameters.items()
        }
        self.states: dict[str, State] = {name: {} for name in self.parameters}

    def step(self, loss: Tensor, rate: float, momentum: float) -> None:
        """One backward pass of the loss, one update of all parameters that it reaches."""
        for parameter in self.parameters.values():
            parameter.grad = None
        loss.backward()
        reached = {name: p.grad for name, p in self.parameters.items() if p.grad is not None}
        with torch.no_grad():
            for decay in sorted({self.decays[name] for name in reached}):
                names = [name for name in reached if self.decays[name] == decay]
                self.rule.update(
                    [self.parameters[name] for name in names],
                    [reached[name] for name in names],
                    [self.states[name] for name in names],
                    rate,
                    momentum,
                    decay,
                )

    def state(self) -> dict[str, Tensor]:
        """Copies of all states' tensors by SLOT/PARAMETER."""
        return {
            f"{slot}/{name}": tensor.clone() for name, state in self.states.items() for slot, tensor in state.items()
        }

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        self.states = {name: {} for name in self.parameters}
        for key, tensor in tensors.items():
            slot, _, name = key.partition("/")
            # In the parameter's memory format and on its device; a count of steps stays a number on the CPU.
            like: Any = tensor if slot == "step" else self.parameters[name]
            self.states[name][slot] = torch.empty_like(like, requires_grad=False).copy_(tensor)
