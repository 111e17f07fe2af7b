"""The smallest network with natural catastrophic overfitting: one convolution, one linear layer.

Source: Andriushchenko & Flammarion, NeurIPS 2020, section 4 and appendix, who show on it that single-step training can
overfit catastrophically without depth.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Annotated

from annotated_types import Gt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.errors import ModelError
from cotoolkit.core.numbers import Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.models.activation import Activation, activation
from cotoolkit.models.registry import MODELS, ModelSpec, Shape


@MODELS.register("single_layer_cnn")
@dataclass(frozen=True, config=STRICT)
class SingleLayerCNN(ModelSpec):
    """One convolution with stride 1 that keeps the size, an activation, one linear layer on all of it.

    Weights are normal with variance 2 / (k k w) in the convolution and 2 / inputs in the linear layer, biases 0: the
    initialisation of the released code, in which the convolution's variance goes by its outputs.

    Attributes:
        width: filters w.
        kernel: side k of the filters, odd.
        activation: after the convolution.
    """

    width: Annotated[Whole, Gt(0)] = 16
    kernel: Annotated[Whole, Gt(0)] = 3
    activation: Activation = "relu"

    @override
    def build(self, shape: Shape, classes: int) -> nn.Module:
        """The network for images of any shape.

        Args:
            shape: (C, H, W) of the images, any.
            classes: number of classes.

        Returns:
            The network, in train mode: images (B, C, H, W) to logits (B, classes).

        Raises:
            ModelError: the kernel is even, so that it cannot keep the size of the images.
        """
        if self.kernel % 2 == 0:
            raise ModelError(
                f"single_layer_cnn: a kernel of {self.kernel} cannot keep the images' size; choose an odd one"
            )
        channels, height, width = shape
        convolution = nn.Conv2d(channels, self.width, self.kernel, padding=self.kernel // 2)
        linear = nn.Linear(self.width * height * width, classes)
        nn.init.normal_(convolution.weight, 0, math.sqrt(2 / (self.kernel**2 * self.width)))
        nn.init.normal_(linear.weight, 0, math.sqrt(2 / linear.in_features))
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type] # it has one
        nn.init.zeros_(linear.bias)
        by_channel = linear.weight.data.view(classes, self.width, height, width)  # as it is drawn, whatever follows
        linear.weight.data = PixelsFirst()(by_channel).contiguous()
        layers = {"convolution": convolution, "activation": activation(self.activation)}
        return nn.Sequential(OrderedDict(layers | {"flatten": PixelsFirst(), "linear": linear}))


class PixelsFirst(nn.Module):
    """Images as vectors, channel by channel within each pixel: as channels_last stores them, so that nothing is copied.

    In this network the copy and its gradient take half of a training step.
    """

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, H W C)."""
        return images.permute(0, 2, 3, 1).flatten(1)
