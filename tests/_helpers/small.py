"""Small runs for tests: digits, a narrow network, a second or two."""

import torch
from torch import nn

from cotoolkit.config import RunConfig
from cotoolkit.studies.overrides import apply

SMALL = {
    "data": {"name": "digits", "train_size": 320, "test_size": 60},
    "model": {"name": "small_cnn", "width": 4},
    "epsilon": 0.1,
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 0.1,
    "monitor": {"interval": 5, "points": 40, "steps": 3, "trace_every": 1},
    "evaluation": ["clean", "pgd-3"],
}


def small(**settings) -> RunConfig:
    """`SMALL` with settings put in; dots are written as double underscores."""
    return RunConfig.parse(apply(SMALL, {name.replace("__", "."): value for name, value in settings.items()}))


def colours(train: bool):
    """A user's own data set: 32x32 colour noise with labels."""
    draws = torch.Generator().manual_seed(int(train))
    return torch.rand(128, 3, 32, 32, generator=draws), torch.arange(128) % 4


class FrozenViews(nn.Module):
    """A user's own model with two customs of such models: a frozen layer, and view() instead of flatten()."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.frozen = nn.Conv2d(channels, 3, 3, padding=1).requires_grad_(False)
        self.trained = nn.Linear(3 * 64, classes)

    def forward(self, images):
        return self.trained(self.frozen(images).view(len(images), -1))


def frozen_views(shape, classes):
    return FrozenViews(shape[0], classes)
