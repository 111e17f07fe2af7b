"""Networks for tests of memory formats: one whose gradient depends on it, and a user's own ones that arrive so."""

import torch
import torch.nn.functional as F
from torch import nn


class Drift(torch.autograd.Function):
    """The identity; multiplies the gradient by 1 + error where it comes in channels_last."""

    @staticmethod
    def forward(ctx, weight, error):
        ctx.factor = 1 + error if weight.stride(1) < weight.stride(2) else 1.0
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factor, None


class Drifting(nn.Conv2d):
    """A convolution whose weight gradient is wrong in channels_last, as a faulty kernel's would be."""

    def __init__(self, *arguments, error, **keywords):
        super().__init__(*arguments, **keywords)
        self.error = error

    def forward(self, images):
        return self._conv_forward(images, Drift.apply(self.weight, self.error), self.bias)


def drifting(error, channels=3, classes=10):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.ReLU(),
        Drifting(6, classes, 3, padding=1, error=error),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


class Narrow(nn.Module):
    """A strided 1 x 1 convolution of 4 channels, which must not be trained in channels_last."""

    def __init__(self, channels, classes):
        super().__init__()
        self.stem = nn.Conv2d(channels, 4, 3, padding=1)
        self.shortcut = nn.Conv2d(4, 8, 1, 2)
        self.head = nn.Linear(8, classes)

    def forward(self, images):
        return self.head(F.relu(self.shortcut(F.relu(self.stem(images)))).mean((2, 3)))


def narrow(shape, classes):
    return Narrow(shape[0], classes)


def narrow_last(shape, classes):
    return narrow(shape, classes).to(memory_format=torch.channels_last)


def drifting_last(shape, classes):
    return drifting(1.0, shape[0], classes).to(memory_format=torch.channels_last)


def right_last(shape, classes):
    return drifting(0.0, shape[0], classes).to(memory_format=torch.channels_last)
