"""How images in [0, 1] become what a network takes: the range of its pixels, and their mean and standard deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.core.user_code import describe
from cotoolkit.data.image_set import as_float

ROUNDING = 1e-5
"""How far outside the bounds, as a share of their distance, a pixel may be by rounding; it is then brought back."""

FAR_OUT = 0.5
"""How far, as a share of the width of their bounds, images may leave these where they are meant to."""

UNMISTAKABLE = 1.5
"""Distance of bounds (0..255, -1..1) from which images that stay in [0, 1] are taken for a mistake."""

A_LITTLE = 0.1
"""How far, as a share of that width, resizing, compression and noise take pixels out."""

LEVELS = ((100, 255), (4095, 65535))
"""Between which greatest values pixels are taken for levels of 8 or 16 bits; images that are dark stay below."""

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


def in_unit(images: Tensor, where: str, bounds: Bounds, *, leave: bool = False) -> Tensor:
    """Images in [0, 1].

    Args:
        images: (N, C, H, W), uint8, or floats in the bounds.
        where: they come from, for messages.
        bounds: least and greatest value of a pixel.
        leave: they may leave the bounds, as data with an injected feature do.

    Returns:
        (N, C, H, W) float32.

    Raises:
        DataError: another shape or type, pixels that are not finite, or outside the bounds.
    """
    if images.ndim != 4 or images.numel() == 0:
        raise DataError(f"{where}: images have shape {tuple(images.shape)}; give (N, C, H, W)")
    if images.dtype == torch.uint8:
        if images.max() == 1:
            raise DataError(
                f"{where}: uint8 pixels are 0 and 1 of 255 levels; if they are meant as black and white, "
                "give floats: images.float()"
            )
        return as_float(images)
    if not images.is_floating_point():
        kind = str(images.dtype).removeprefix("torch.")
        raise DataError(f"{where}: images are {kind}; give uint8 pixel levels, or floats in the bounds")
    broken = int((~images.isfinite()).flatten(1).any(1).sum())
    if broken:
        raise DataError(f"{where}: {broken} of {len(images)} images have pixels that are nan or infinite; mend them")
    low, high = bounds
    least, greatest = (float(value) for value in torch.aminmax(images))
    slack = ROUNDING * (high - low) + torch.finfo(torch.float32).eps * max(abs(low), abs(high))
    slack = FAR_OUT * (high - low) if leave else slack
    if least < low - slack or greatest > high + slack:
        raise DataError(
            f"{where}: pixels run from {least:.4g} to {greatest:.4g}, outside the bounds {low:g} to {high:g}; "
            + _hint(least, greatest, bounds)
        )
    if high - low >= UNMISTAKABLE and least >= 0 and greatest <= 1:
        raise DataError(
            f"{where}: pixels run from {least:.4g} to {greatest:.4g}, as in [0, 1] and not as in the bounds {low:g} to "
            f"{high:g}; give them in the bounds, or as uint8"
        )
    if leave:
        return images.float() if bounds == (0.0, 1.0) else (images.float() - low) / (high - low)
    return (
        images if bounds == (0.0, 1.0) and least >= 0 and greatest <= 1 else ((images - low) / (high - low)).clamp(0, 1)
    )


def _hint(least: float, greatest: float, bounds: Bounds) -> str:
    """What to do about pixels outside the bounds, by how far they run."""
    (low, high), width = bounds, bounds[1] - bounds[0]
    if least >= low - A_LITTLE * width and greatest <= high + A_LITTLE * width:
        hint = f"where resizing or noise took them out a little, clip them, images.clamp({low:g}, {high:g})"
    elif least >= 0 and greatest > 0:
        hint = _of_levels(greatest, bounds)
    else:
        hint = (
            "give images before normalisation (images * std + mean undoes it), and state its mean and std with the "
            "model; or state other bounds"
        )
    near = least >= low - FAR_OUT * width and greatest <= high + FAR_OUT * width
    return f'{hint}; where an added feature takes them out, the box "none"' if near else hint


def _of_levels(greatest: float, bounds: Bounds) -> str:
    """What to do about pixels that run from 0 to another value than the bounds say."""
    top = next((top for least, top in LEVELS if least < greatest <= top), None)
    stated = f"state 0,{top} if" if top else "state the least and the greatest value that a pixel can have if"
    there = f"divide the images by {top or 'that greatest value'}"
    there += "" if bounds == (0.0, 1.0) else f" and map them to {bounds[0]:g} to {bounds[1]:g}"
    return f"{stated} that is what the model takes, or {there}"
