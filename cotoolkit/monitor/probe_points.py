"""The held-out points that a monitor probes: drawn from what the user gives, and checked."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.attacks.threat_model import Box
from cotoolkit.core.errors import DataError
from cotoolkit.core.seeding import generator


def held_out(
    points: tuple[Tensor, Tensor], bounds: tuple[float, float], box: Box, count: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Random points, as images in [0, 1] with labels.

    Args:
        points: images (N, C, H, W) floating point in `bounds`, and labels (N,) of whole numbers.
        bounds: range of the images.
        box: with "none", images may leave their range.
        count: points to draw at most.
        seed: of the draw.

    Raises:
        DataError: what the message says.
    """
    if not (isinstance(points, tuple | list) and len(points) == 2 and all(isinstance(part, Tensor) for part in points)):
        raise DataError("points: give a pair of tensors, images (N, C, H, W) and labels (N,)")
    images, labels = points
    if len(images) != len(labels) or len(images) == 0:
        raise DataError(f"points: {len(images)} images and {len(labels)} labels; the monitor needs one label per image")
    if labels.dim() != 1 or labels.is_floating_point():
        raise DataError(f"points: labels must be whole numbers (N,), not {labels.dtype} {tuple(labels.shape)}")
    if not images.is_floating_point():
        raise DataError(f"points: images must be floating point in {list(bounds)}, not {images.dtype}; divide by 255")
    chosen = torch.randperm(len(images), generator=generator(seed, "probe", 1))[:count].to(images.device)
    low, high = bounds
    images = ((images[chosen].detach().float() - low) / (high - low)).contiguous()
    found = images.min().item(), images.max().item()
    if box != "none" and not (found[0] >= -1e-6 and found[1] <= 1 + 1e-6):  # not: nan is outside as well
        shown = [round(low + (high - low) * value, 4) for value in found]
        raise DataError(
            f"points: images reach from {shown[0]} to {shown[1]}, outside {list(bounds)}; give images before their "
            'normalisation, with its mean and std; or bounds; or box="none" if they are meant to leave the range'
        )
    return images, labels[chosen].long()
