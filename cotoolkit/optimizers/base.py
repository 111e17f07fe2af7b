"""What an optimiser is, and an optimiser at work: updates of a module's parameters, and the state a snapshot keeps.

The arithmetic is that of `torch.optim` in its functional form, to the bit. Its classes are not constructed: the first
one loads torch's compiler, which takes longer than a short run trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import torch
from annotated_types import Ge, Lt
from pydantic import PlainSerializer, PlainValidator
from torch import Tensor, nn

from cotoolkit.core.registry import Registered, Registry

Decay = Annotated[float, Ge(0), Lt(1)]
"""What a running mean keeps of itself from one step to the next."""

State = dict[str, Tensor]
"""Type of a parameter's state: the tensors that its next update depends on, by name; empty before the first one."""


class ParameterGroup(NamedTuple):
    """Parameters that are updated alike.

    Attributes:
        parameters: those that have a gradient.
        gradients: one for each.
        states: one for each.
        weight_decay: of all of them.
    """

    parameters: list[Tensor]
    gradients: list[Tensor]
    states: list[State]
    weight_decay: float


class Optimizer(Registered):
    """A rule of updates. Learning rate, weight decay and schedule belong to the run."""

    momentum: float
    """What a schedule cycles: the momentum of SGD, the first beta of Adam."""

    def update(self, group: ParameterGroup, rate: float, momentum: float) -> None:
        """Change the parameters of a group and their states in place.

        Args:
            group: the parameters.
            rate: learning rate of this step.
            momentum: of this step.
        """
        raise AssertionError(f"{type(self).__name__} defines no update")


OPTIMIZERS = Registry[Optimizer]("optimizer")
"""Every optimiser by name."""

OptimizerField = Annotated[Optimizer, PlainValidator(OPTIMIZERS.parse), PlainSerializer(OPTIMIZERS.dump)]
"""An optimiser inside a pydantic model: given by name, by mapping or as an instance."""


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
        """One backward pass of a loss, one update of all parameters that it reaches.

        Args:
            loss: a scalar with its graph.
            rate: learning rate of this step.
            momentum: of this step.
        """
        for parameter in self.parameters.values():
            parameter.grad = None
        loss.backward()
        reached = {name: p.grad for name, p in self.parameters.items() if p.grad is not None}
        with torch.no_grad():
            for decay in sorted({self.decays[name] for name in reached}):
                names = [name for name in reached if self.decays[name] == decay]
                group = ParameterGroup(
                    [self.parameters[name] for name in names],
                    [reached[name] for name in names],
                    [self.states[name] for name in names],
                    decay,
                )
                self.rule.update(group, rate, momentum)

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
