"""The Gaussian start of TRADES and MART, next to the image."""

from __future__ import annotations

import torch
from torch import Tensor


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
