"""Fully connected networks of any depth."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Annotated

from annotated_types import Gt
from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.core.numbers import Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.models.activation import Activation, activation
from cotoolkit.models.registry import MODELS, ModelSpec, Shape


@MODELS.register("mlp")
@dataclass(frozen=True, config=STRICT)
class MLP(ModelSpec):
    """Linear layers with an activation between them.

    Attributes:
        hidden: units of each hidden layer; none makes a linear classifier.
        activation: after every layer but the last.
    """

    hidden: tuple[Annotated[Whole, Gt(0)], ...] = (256, 256)
    activation: Activation = "relu"

    @override
    def build(self, shape: Shape, classes: int) -> nn.Module:
        """The network for images of any shape.

        Args:
            shape: (C, H, W) of the images, any.
            classes: number of classes.

        Returns:
            The network, in train mode: images (B, C, H, W) to logits (B, classes).
        """
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise((prod(shape), *self.hidden)):
            layers += [nn.Linear(inputs, outputs), activation(self.activation)]
        return nn.Sequential(*layers, nn.Linear((prod(shape), *self.hidden)[-1], classes))
