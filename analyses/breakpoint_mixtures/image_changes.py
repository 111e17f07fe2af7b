"""What is done to images to see which layers take it up."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.core.seeding import generator
from cotoolkit.data.points import Points
from interventions.carriers import Paired
from interventions.frequency import dct2, frequency_radius, idct2

BANDS = {"low": (0.0, 1 / 3), "mid": (1 / 3, 2 / 3), "high": (2 / 3, 1.01)}
"""Spatial frequencies in units of the highest: DCT index (square shells) over the last index."""

SIZE = 8 / 255
"""Root mean square change per entry: small, so that few ReLUs switch."""


def paired_carriers(points: Points) -> Tensor:
    """The paired carrier of every class. (classes, C, H, W)."""
    channels, height, width = points.images.shape[1:]
    return Paired().vectors(points.classes, (channels, height, width), torch.float32, points.images.device)


def changed_images(points: Points, seed: int) -> dict[str, Tensor]:
    """Changed images by the name of the change; all changes have one l2 norm.

    "carrier" adds the paired carrier of the label; "scrambled" the same with random signs of its DCT coefficients, one
    draw for all classes, so that its spectrum and the relations between classes stay; "low", "mid" and "high" add noise
    in one band of spatial frequencies.

    Args:
        points: B test images with labels.
        seed: of the signs and the noise.

    Returns:
        (B, C, H, W) each.
    """
    images, draws = points.images, generator(seed, "probe", 2)
    vectors = paired_carriers(points)
    signs = (torch.randint(0, 2, vectors.shape[1:], generator=draws) * 2.0 - 1).to(images)
    changed = {"carrier": vectors[points.labels], "scrambled": idct2(dct2(vectors) * signs)[points.labels]}
    height, width = images.shape[-2:]
    radius = frequency_radius(height, width, device=images.device) / (max(height, width) - 1)
    for name, (low, high) in BANDS.items():
        noise = torch.randn(images.shape, generator=draws, dtype=torch.float32).to(images)
        changed[name] = idct2(noise * ((radius >= low) & (radius < high)))
    norm = SIZE * images[0].numel() ** 0.5
    return {name: images + norm * change / _norms(change) for name, change in changed.items()}


def _norms(images: Tensor) -> Tensor:
    norms: Tensor = images.flatten(1).norm(dim=1)[:, None, None, None]
    return norms
