"""Random points around images: where regularisers of the local loss look, and where attacks on a divergence start."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from cotoolkit.methods.batch import Batch

Noise = Literal["ball", "ball_and_box"]
"""Where random points lie: anywhere in the ball, or also in the pixel box, clipped as an attack's perturbations are."""


def random_points(batch: Batch, noise: Noise) -> Tensor:
    """One uniform point of every image's ball, drawn by the batch's generator.

    Args:
        batch: images and threat model.
        noise: whether the points keep to the pixel box.

    Returns:
        (B, C, H, W).
    """
    threat = batch.threat if noise == "ball_and_box" else replace(batch.threat, box="none")
    return batch.images + threat.random_start(batch.images, batch.generator)


def gaussian_start(images: Tensor, scale: float, generator: torch.Generator) -> Tensor:
    """Normal noise around the images, not clipped; its numbers do not depend on the device of `images`.

    Args:
        images: (B, C, H, W).
        scale: standard deviation in pixel units.
        generator: of the draws.

    Returns:
        (B, C, H, W) float32.
    """
    noise = torch.randn(images.shape, generator=generator, device=generator.device, dtype=torch.float32)
    return noise.mul_(scale).to(images.device)
