"""Small networks for tests: a linear one whose attacks have closed forms, and ones with every kind of layer state."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """Two-class logits (0, w.x): the loss of label 1 falls along w, that of label 0 rises."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        score = images.flatten(1) @ self.weight.flatten()
        return torch.stack([torch.zeros_like(score), score], 1)


def conv_net(channels: int = 1, classes: int = 4, *, norm: bool = True) -> nn.Sequential:
    """A smooth 6x6 network with BatchNorm and dropout."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.BatchNorm2d(8) if norm else nn.Identity(),
        nn.Softplus(),
        nn.Dropout(0.0),
        nn.Flatten(),
        nn.Linear(8 * 36, classes),
    )


class PassCounter(nn.Module):
    """Counts the batches that go forward through a network, and those whose gradient reaches its output.

    Two batches in one call, concatenated, count two.

    Args:
        network: what is counted.
        batch_size: images in a batch; None takes each call for one batch.
    """

    def __init__(self, network: nn.Module, batch_size: int | None = None) -> None:
        super().__init__()
        self.network = network
        self.batch_size = batch_size
        self.forwards = 0.0
        self.backwards = 0.0

    def forward(self, images: Tensor) -> Tensor:
        batches = len(images) / (self.batch_size or len(images))
        self.forwards += batches
        logits: Tensor = self.network(images)
        if logits.requires_grad:
            logits.register_hook(lambda _: self._count(batches))
        return logits

    def _count(self, batches: float) -> None:
        self.backwards += batches


class InPlace(nn.Module):
    """Normalises its images in place, as some networks do."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.head = nn.Linear(channels * height * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(images.sub_(0.5).flatten(1))
        return scores
