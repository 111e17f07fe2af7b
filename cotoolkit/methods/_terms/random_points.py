"""Random points around the images of a batch: where regularisers of the local loss look."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

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
