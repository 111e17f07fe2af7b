"""The local ball of local-ball training: all points near a centre, clipped to the threat set around the image or not.

Everything is coordinate-wise, so a ball is a pair of bounds.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError


class Ball(NamedTuple):
    """The points between two images.

    Attributes:
        low: (B, C, H, W), least value of each pixel.
        high: (B, C, H, W), largest value.
    """

    low: Tensor
    high: Tensor

    def project(self, points: Tensor) -> Tensor:
        """The nearest points of the ball, (B, C, H, W) -> the same."""
        return torch.minimum(torch.maximum(points, self.low), self.high)

    def uniform(self, generator: torch.Generator) -> Tensor:
        """Uniform draws, which do not depend on the device.

        Not the projection of the centre plus noise: at a corner of the threat set that leaves half of the pixels at
        the centre.
        """
        draws = torch.rand(self.low.shape, generator=generator, device=generator.device, dtype=torch.float32).to(
            self.low
        )
        return self.project(self.low + draws * (self.high - self.low))


def local_ball(images: Tensor, centres: Tensor, radius: float, threat: ThreatModel, *, clipped: bool) -> Ball:
    """All points within `radius` of the centres in max norm: of the threat set (clipped), or of the pixel box alone.

    A centre beyond the pixel box stretches the unclipped ball's box to itself, as data beyond the box do for
    `box_then_eps`.

    Args:
        images: (B, C, H, W), the images that the threat set surrounds.
        centres: (B, C, H, W); inside the threat set if `clipped`, else the ball may be empty.
        radius: in pixel units.
        threat: linf.
        clipped: keep to the threat set around the image.

    Returns:
        The ball, a pair of bounds (B, C, H, W).

    Raises:
        ConfigError: the threat is not linf.
    """
    if threat.norm != "linf":
        raise ConfigError(f"local balls are written for norm linf, not {threat.norm}")
    low, high = centres - radius, centres + radius
    if clipped:
        # Clamps are monotone in each pixel: the ends of the threat set are where the ends of the line go.
        endless = torch.full_like(images, torch.inf)
        low = torch.maximum(low, images + threat.project(images, -endless))
        high = torch.minimum(high, images + threat.project(images, endless))
    elif threat.box != "none":
        low = torch.maximum(low, centres.clamp(max=0))
        high = torch.minimum(high, centres.clamp(min=1))
    return Ball(low, high)
