"""On what methods are compared, by scale: data, network, schedule, radii and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from analyses.core.plan import ConfigData
from cotoolkit.core.errors import ConfigError
from cotoolkit.studies.scale import DIGITS_SEEDS, SMOKE_SEEDS, Scale

CIFAR10 = {"name": "cifar10", "augment": "crop_flip", "holdout": 1000}
"""As all of the literature has it, but for the images that are held out to choose the best epoch."""


class SharedSettings(BaseModel):
    """What all methods have in common.

    Attributes:
        name: short; empty where a scale has one only.
        why: it was chosen.
        base: configuration data.
        radii: of training and of the attacks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    why: str
    base: ConfigData
    radii: tuple[float, ...]


class ComparisonScale(BaseModel):
    """A comparison at one scale.

    Attributes:
        settings: what is trained, each with every method.
        seeds: of every method.
        points: of the test set that are attacked; None means all.
        methods: fields of methods whose defaults mean nothing there, by name.
        autoattack: whether AutoAttack is run unasked, where it is installed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: tuple[SharedSettings, ...]
    seeds: tuple[int, ...]
    points: int | None
    methods: Mapping[str, dict[str, Any]] = {}
    autoattack: bool = False


_DIGITS_CONSTANTS: dict[str, dict[str, Any]] = {
    "aaer": {"lambda2": 2.75, "lambda3": 0.75},  # of 32/255, the last published
    "atas": {"limits": "relative"},
    "cure": {"weight": 1.0},
    "elle": {"weight": 300.0},
    "elle_a": {"weight": 300.0},
    "gradalign": {"weight": 1.0},  # ours, without a search
    "lap": {"beta": 0.1},
    "liet": {"weight": 20.0, "smoothing": 0.4, "least": 0.0, "most": 1.0, "every": 10},  # of 16/255, the last published
    "llr": {"weight": 10.0},
}
"""Of methods whose published constants end below the radius of digits. Weights without a remark are ours: of three to
six values, factors of ten apart at most, that with which a run of seed 100, of no comparison, was most robust."""

_DIGITS = ComparisonScale(
    settings=(
        SharedSettings(
            why="an injected feature breaks nine in ten runs of FGSM at a radius that is safe without it (induced)",
            base={
                "data": {"name": "digits"},
                "model": {"name": "small_cnn"},
                "intervention": {"name": "inject", "carrier": "paired", "beta": 0.15},
                "box": "none",  # injected images leave [0, 1]
                "epochs": 24,
                "batch_size": 64,
                "learning_rate": 0.1,
                "schedule": {"kind": "cyclic", "peak": 0.3, "epsilon_warmup": 6},
                "monitor": {"interval": 60},
                "evaluation": ("clean", "fgsm", "pgd-10"),
            },
            radii=(0.25,),
        ),
    ),
    seeds=DIGITS_SEEDS,
    points=None,
    methods=_DIGITS_CONSTANTS,
)

_LAPTOP = ComparisonScale(
    settings=(
        SharedSettings(
            why="one convolution of 16 filters, the smallest network known to break FGSM training on natural images "
            "(Andriushchenko & Flammarion, 2020; radii ours)",
            base={
                "data": CIFAR10,
                "normalise": "none",
                "model": {"name": "single_layer_cnn", "width": 16},
                "optimizer": "adam",
                "learning_rate": 0.003,
                "schedule": {"peak": 0.4},
                "epochs": 30,
                "batch_size": 128,
                "monitor": {"interval": 100, "points": 512},
                "evaluation": ("clean", "fgsm"),
            },
            radii=(8 / 255, 10 / 255, 16 / 255),
        ),
    ),
    seeds=(0, 1, 2),
    points=1000,
)

_PAPER = ComparisonScale(
    settings=(
        SharedSettings(
            name="30 epochs",
            why="the short recipe of Wong et al. and GradAlign, with PreActResNet-18",
            base={
                "data": CIFAR10,
                "model": {"name": "preact_resnet18"},
                "learning_rate": 0.2,
                "epochs": 30,
                "batch_size": 128,
                "monitor": {"interval": 382},  # an epoch
                "evaluation": ("clean", "fgsm"),
            },
            radii=(8 / 255, 16 / 255),
        ),
        SharedSettings(
            name="100 epochs",
            why="FastAT Benchmark's length, batches, one rise and fall of the rate to 0.1 (its peak at 30 % is torch's "
            "default), 1,000 images held out; PreActResNet-18 in place of its ResNet-18, without its label smoothing "
            "and weight averaging, which are methods here",
            base={
                "data": CIFAR10,
                "model": {"name": "preact_resnet18"},
                "learning_rate": 0.1,
                "schedule": {"peak": 0.3},
                "epochs": 100,
                "batch_size": 128,
                "monitor": {"interval": 382},
                "evaluation": ("clean", "fgsm"),
            },
            radii=(8 / 255, 16 / 255),
        ),
    ),
    seeds=(0, 1, 2),
    points=1000,
    autoattack=True,
)

SCALES: dict[Scale, ComparisonScale] = {
    "smoke": _DIGITS.model_copy(update={"seeds": SMOKE_SEEDS}),
    "digits": _DIGITS,
    "laptop": _LAPTOP,
    "paper": _PAPER,
}
"""By what the numbers may be taken for."""


def comparison_scale(scale: str) -> tuple[Scale, ComparisonScale]:
    """The comparison at a scale.

    Args:
        scale: as the user named it.

    Returns:
        The scale and its settings.

    Raises:
        ConfigError: there is no such scale.
    """
    for known, found in SCALES.items():
        if known == scale:
            return known, found
    raise ConfigError(f"methods are not compared at scale {scale!r}; choose from {', '.join(SCALES)}")
