"""How images in [0, 1] become what a network takes: the range of its pixels, and their mean and standard deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.user_code import describe

Bounds = tuple[float, float]
"""Least and greatest value of a pixel, as the model takes it before mean and std."""

PerChannel = float | Sequence[float] | Tensor
"""A number for all channels, or one for each."""

WIDE = 100
"""Width of bounds (0..255) from which a std below 1 is taken for one in other units."""


class PixelStatistics(NamedTuple):
    """Mean and std of the pixels, (C, 1, 1) or (1, 1, 1) float32 in units of the bounds."""

    mean: Tensor
    std: Tensor


def check_bounds(bounds: Bounds) -> Bounds:
    """Bounds as two floats.

    Raises:
        ConfigError: they are not two finite numbers in ascending order.
    """
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError) as failure:
        raise ConfigError(
            f"bounds are {bounds!r}; give the least and the greatest value of a pixel: (0, 255)"
        ) from failure
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"bounds are {low:g} and {high:g}; give the least and the greatest value of a pixel: 0,255")
    return low, high


def pixel_statistics(
    mean: PerChannel | None, std: PerChannel | None, channels: int, bounds: Bounds
) -> PixelStatistics | None:
    """What is taken off the pixels, and what the difference is divided by.

    Args:
        mean: in units of the bounds, with `std`; None for no normalisation.
        std: in units of the bounds, with `mean`.
        channels: of the images.
        bounds: least and greatest value of a pixel.

    Returns:
        Mean and std; None where neither is given.

    Raises:
        ConfigError: half of it was given, of another number of channels, or in other units than the bounds.
    """
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise ConfigError("mean and std go together; give both, or none where the model normalises by itself")
    low, high = bounds
    means, stds = (_numbers(name, values, channels) for name, values in (("mean", mean), ("std", std)))
    if not bool((stds > 0).all() and stds.isfinite().all()):
        raise ConfigError("std must be above 0")
    if not bool(((means >= low) & (means <= high)).all()):
        raise ConfigError(f"mean must lie in the bounds, {low:g} to {high:g}: give mean and std in their units")
    if bool((stds > high - low).any()):
        raise ConfigError(f"std is above the width of the bounds, {low:g} to {high:g}: give it in their units")
    if high - low >= WIDE and bool((stds < 1).all()):
        raise ConfigError(f"std is below 1, and pixels run from {low:g} to {high:g}: give mean and std in their units")
    return PixelStatistics(means, stds)


def _numbers(name: str, values: PerChannel, channels: int) -> Tensor:
    try:
        numbers = torch.as_tensor(values, dtype=torch.float32).detach().cpu().reshape(-1, 1, 1)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise ConfigError(f"{name}: give a number, or one for each channel ({describe(failure)})") from failure
    if len(numbers) not in (1, channels):
        raise ConfigError(f"{name} has {len(numbers)} numbers, the images have {channels} channels")
    return numbers
