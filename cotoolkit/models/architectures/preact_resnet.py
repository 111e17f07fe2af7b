"""PreActResNet-18 as the fast-adversarial-training literature has it.

Source: Wong, Rice & Kolter, ICLR 2020, released code; also used by GradAlign, N-FGSM and Ortiz-Jimenez et al. It
differs from the original (He et al., 2016) in one point: the shortcut convolution sees the raw input of the block, not
the normalised one. The layers have the names of that code, so that its checkpoints can be loaded.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.models.activation import Activation, activation
from cotoolkit.models.registry import MODELS, ModelSpec, Shape


class Block(nn.Module):
    """Batch norm, activation, convolution, twice, plus the shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, act: Activation) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.act1 = activation(act)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act2 = activation(act)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Sequential()  # the identity
        if stride != 1 or inputs != outputs:
            self.shortcut.append(nn.Conv2d(inputs, outputs, 1, stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        out = self.conv1(self.act1(self.bn1(x)))
        out = self.conv2(self.act2(self.bn2(out)))
        summed: Tensor = out + self.shortcut(x)
        return summed


class PreActResNet(nn.Module):
    """A convolution, four stages of two blocks, batch norm, mean over the grid, linear."""

    def __init__(self, channels: int, classes: int, width: int, act: Activation) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.layer1 = nn.Sequential(Block(width, width, 1, act), Block(width, width, 1, act))
        self.layer2 = nn.Sequential(Block(width, 2 * width, 2, act), Block(2 * width, 2 * width, 1, act))
        self.layer3 = nn.Sequential(Block(2 * width, 4 * width, 2, act), Block(4 * width, 4 * width, 1, act))
        self.layer4 = nn.Sequential(Block(4 * width, 8 * width, 2, act), Block(8 * width, 8 * width, 1, act))
        self.bn = nn.BatchNorm2d(8 * width)
        self.act = activation(act)
        self.linear = nn.Linear(8 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, classes)."""
        features = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(images)))))
        logits: Tensor = self.linear(self.act(self.bn(features)).mean((2, 3)))
        return logits


@MODELS.register("preact_resnet18", "PreActResNet18", "preactresnet18")
@dataclass(frozen=True, config=STRICT)
class PreActResNet18(ModelSpec):
    """Four stages of two blocks with w, 2w, 4w, 8w channels; weights start as torch initialises its layers.

    For 10 classes of 3 x 32 x 32 at width 64 it has 11,172,170 parameters. The mean over the last grid (4 x 4 there)
    makes it work on images of any size.

    Attributes:
        width: channels w of the first stage.
        activation: after every batch norm.
    """

    width: Annotated[Whole, Gt(0)] = 64
    activation: Activation = "relu"

    @override
    def build(self, shape: Shape, classes: int) -> nn.Module:
        """The network for images of any size and number of channels.

        Args:
            shape: (C, H, W) of the images, any.
            classes: number of classes.

        Returns:
            The network, in train mode: images (B, C, H, W) to logits (B, classes).
        """
        return PreActResNet(shape[0], classes, self.width, self.activation)
