"""Wide residual networks, WRN-depth-width. Source: Zagoruyko & Komodakis, BMVC 2016, without dropout."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from pydantic import field_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.models.activation import Activation, activation
from cotoolkit.models.registry import MODELS, ModelSpec, Shape


class WideBlock(nn.Module):
    """Batch norm, activation, convolution, twice, plus the shortcut.

    A shortcut convolution, where the number of channels changes, sees the normalised input.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, act: Activation) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.act1 = activation(act)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act2 = activation(act)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        normal = self.act1(self.bn1(x))
        out = self.conv2(self.act2(self.bn2(self.conv1(normal))))
        summed: Tensor = out + (x if self.shortcut is None else self.shortcut(normal))
        return summed


@MODELS.register("wide_resnet", "WideResNet", "wrn")
@dataclass(frozen=True, config=STRICT)
class WideResNet(ModelSpec):
    """Three stages of (depth - 4) / 6 blocks with 16, 32, 64 times `width` channels.

    WRN-28-10 for 10 classes of 3 x 32 x 32 has 36,479,194 parameters. Convolutions start from the normal distribution
    of He et al. (2015), fan out; the mean over the last grid (8 x 8 there) makes it work on images of any size.

    Attributes:
        depth: layers, 6 n + 4.
        width: the factor by which it is wider than a thin residual network.
        activation: after every batch norm.
    """

    depth: Whole = 28
    width: Annotated[Whole, Gt(0)] = 10
    activation: Activation = "relu"

    @field_validator("depth")
    @classmethod
    def _six_n_plus_four(cls, depth: int) -> int:
        if depth < 10 or depth % 6 != 4:
            raise ValueError(f"must be 6 n + 4 (10, 16, 22, 28, 34), not {depth}")
        return depth

    @override
    def build(self, shape: Shape, classes: int) -> nn.Module:
        """The network for images of any size and number of channels.

        Args:
            shape: (C, H, W) of the images, any.
            classes: number of classes.

        Returns:
            The network, in train mode: images (B, C, H, W) to logits (B, classes).
        """
        blocks, inputs = [], 16
        for stage in range(3):
            outputs = 16 * self.width * 2**stage
            for block in range((self.depth - 4) // 6):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(WideBlock(inputs, outputs, stride, self.activation))
                inputs = outputs
        network = nn.Sequential(
            nn.Conv2d(shape[0], 16, 3, padding=1, bias=False),
            *blocks,
            nn.BatchNorm2d(inputs),
            activation(self.activation),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(inputs, classes),
        )
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        return network
