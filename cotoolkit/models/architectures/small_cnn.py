"""A small convolutional network, enough to see catastrophic overfitting on digits in a minute on a CPU."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.core.errors import ModelError
from cotoolkit.core.numbers import Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.models.activation import Activation, activation
from cotoolkit.models.registry import MODELS, ModelSpec, Shape


@MODELS.register("small_cnn")
@dataclass(frozen=True, config=STRICT)
class SmallCNN(ModelSpec):
    """Three 3 x 3 convolutions, one max-pool, and a hidden layer of 64; for small images.

    On 8 x 8: conv(w), conv(2w), pool, conv(2w), linear(64), linear(classes). On larger images more pools, each with a
    convolution after it, bring the grid down to 8 x 8 or less (7 x 7 on 28 x 28), so that the linear layer stays small.

    Attributes:
        width: channels w of the first convolution; the others have 2w.
        activation: after every layer but the last.
    """

    width: Annotated[Whole, Gt(0)] = 16
    activation: Activation = "relu"

    @override
    def build(self, shape: Shape, classes: int) -> nn.Module:
        """The network for images of at least 2 x 2 pixels.

        Args:
            shape: (C, H, W) of the images.
            classes: number of classes.

        Returns:
            The network, in train mode: images (B, C, H, W) to logits (B, classes).

        Raises:
            ModelError: the images are smaller.
        """
        channels, height, width = shape
        if min(height, width) < 2:
            raise ModelError(f"small_cnn needs images of at least 2 x 2 pixels; these have {height} x {width}")
        layers = [
            *(nn.Conv2d(channels, self.width, 3, padding=1), activation(self.activation)),
            *(nn.Conv2d(self.width, 2 * self.width, 3, padding=1), activation(self.activation)),
        ]
        while True:
            layers += [nn.MaxPool2d(2), nn.Conv2d(2 * self.width, 2 * self.width, 3, padding=1)]
            layers.append(activation(self.activation))
            height, width = height // 2, width // 2
            if max(height, width) <= 8 or min(height, width) < 2:
                break
        return nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(2 * self.width * height * width, 64),
            activation(self.activation),
            nn.Linear(64, classes),
        )
