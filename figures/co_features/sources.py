"""Data of these recipes: labels that say nothing about the images, and enlarged digits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from cotoolkit.data import DATASETS


def unrelated_digits(train: bool) -> tuple[Tensor, Tensor]:
    """Digits with shuffled labels."""
    return _unrelated("digits", train)


def unrelated_fashion_mnist(train: bool) -> tuple[Tensor, Tensor]:
    """Fashion-MNIST with shuffled labels."""
    return _unrelated("fashion_mnist", train)


def unrelated_cifar10(train: bool) -> tuple[Tensor, Tensor]:
    """CIFAR-10 with shuffled labels."""
    return _unrelated("cifar10", train)


def _unrelated(name: str, train: bool) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) uint8 and their labels in another order, the same every time: class shares are kept."""
    parts = DATASETS[name]().read(download=False)
    chosen = parts[0] if train else parts[1]
    order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0 if train else 1))
    return chosen.images, chosen.labels[order]


def digits16(train: bool) -> tuple[Tensor, Tensor]:
    """Digits enlarged to 16 x 16 pixels, bilinear; images (N, 1, 16, 16) uint8."""
    parts = DATASETS["digits"]().read(download=False)
    chosen = parts[0] if train else parts[1]
    large = interpolate(chosen.images.float(), scale_factor=2, mode="bilinear", align_corners=False)
    return large.round().to(torch.uint8), chosen.labels
