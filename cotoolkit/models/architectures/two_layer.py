"""A network of one hidden layer."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.core.numbers import Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.models.activation import Activation
from cotoolkit.models.architectures.mlp import MLP
from cotoolkit.models.registry import MODELS, ModelSpec, Shape


@MODELS.register("two_layer")
@dataclass(frozen=True, config=STRICT)
class TwoLayer(ModelSpec):
    """One hidden layer, x -> A act(W x + b) + c: the network that proofs are about.

    Attributes:
        width: hidden units.
        activation: of the hidden units.
    """

    width: Annotated[Whole, Gt(0)] = 512
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
        return MLP(hidden=(self.width,), activation=self.activation).build(shape, classes)
