"""Input normalisation as a layer of the model, so that attacks and data stay in [0, 1] pixel units."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.core.errors import ModelError


class Statistics(NamedTuple):
    """Mean and standard deviation per channel, in [0, 1] pixel units."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


STATISTICS = {
    "cifar10": Statistics((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)),
    "cifar100": Statistics((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "svhn": Statistics((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    "mnist": Statistics((0.1307,), (0.3081,)),
    "fashion_mnist": Statistics((0.2860,), (0.3530,)),
}
"""Statistics of the training sets, rounded as the field writes them."""


class Normalised(nn.Module):
    """`network((images - mean) / std)`, with mean and std as buffers that are saved with the weights.

    Args:
        network: from normalised images to logits.
        statistics: one number per channel, or a single one for all.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, statistics: Statistics) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(statistics.mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(statistics.std, dtype=torch.float32).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> logits (B, classes)."""
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits


def statistics_for(name: str, channels: int) -> Statistics:
    """The known statistics of a data set.

    Args:
        name: a key of `STATISTICS`.
        channels: of the images.

    Returns:
        Mean and standard deviation per channel.

    Raises:
        ModelError: no statistics under that name, or for another number of channels.
    """
    if name not in STATISTICS:
        raise ModelError(f"no normalisation {name!r}; choose from none, {', '.join(STATISTICS)}")
    if len(STATISTICS[name].mean) != channels:
        raise ModelError(
            f"normalisation {name!r} is for {len(STATISTICS[name].mean)} channels; the data has {channels}"
        )
    return STATISTICS[name]
