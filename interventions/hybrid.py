"""Hybrid images: the low frequencies of one image with the high frequencies of another."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.registry import STRICT
from interventions.base import INTERVENTIONS, Intervention, InterventionError
from interventions.filters import Radius
from interventions.frequency import Domain, Shape, keep_frequencies


def split_bands(
    images: Tensor, bandwidth: float = 16.0, domain: Domain = "dct", shape: Shape = "square"
) -> tuple[Tensor, Tensor]:
    """Low part (radius < `bandwidth`) and the rest; they sum to the images and share no energy.

    Args:
        images: (..., H, W), floating.
        bandwidth: radius of the border.
        domain: `dct` or `dft`.
        shape: `square` or `radial` shells.

    Returns:
        The low and the high part, (..., H, W) each.

    Raises:
        InterventionError: the images are not floating.
    """
    low = keep_frequencies(images, lambda radius: radius < bandwidth, domain, shape)
    return low, images - low


def swap_high(
    first: Tensor, second: Tensor, bandwidth: float = 16.0, domain: Domain = "dct", shape: Shape = "square"
) -> tuple[Tensor, Tensor]:
    """Exchange the high frequencies (radius >= `bandwidth`) of two images or batches of the same shape.

    Args:
        first: (..., H, W), floating.
        second: of the same shape.
        bandwidth: radius of the border.
        domain: `dct` or `dft`.
        shape: `square` or `radial` shells.

    Returns:
        Two (..., H, W); each keeps the low frequencies of its own argument.

    Raises:
        InterventionError: the images are not floating, or their shapes differ.
    """
    if first.shape != second.shape:
        raise InterventionError(f"images of {tuple(first.shape)} and of {tuple(second.shape)}: give two of one shape")
    low_first, high_first = split_bands(first, bandwidth, domain, shape)
    low_second, high_second = split_bands(second, bandwidth, domain, shape)
    return low_first + high_second, low_second + high_first


@INTERVENTIONS.register("swap_frequencies")
@dataclass(frozen=True, config=STRICT)
class SwapFrequencies(Intervention):
    """Give every image one band of a partner from the same batch; the label stays with the image.

    Partners form one random cycle through the batch: nobody is its own partner, and every band is handed on exactly
    once, so the bands keep their distribution and lose only their tie to the label. A batch of one stays as it is.

    Args:
        bandwidth: border between the low and the high band.
        taken: the band that comes from the partner.
        domain: `dct` or `dft`.
        shape: `square` or `radial` shells.
    """

    random: ClassVar[bool] = True
    mixes_images: ClassVar[bool] = True

    bandwidth: Radius = 16.0
    taken: Literal["high", "low"] = "high"
    domain: Domain = field(default="dct", kw_only=True)
    shape: Shape = field(default="square", kw_only=True)

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        assert generator is not None
        order = torch.randperm(len(images), generator=generator, device=generator.device).to(images.device)
        partner = torch.empty_like(order)
        partner[order] = order.roll(1)
        low, high = split_bands(images, self.bandwidth, self.domain, self.shape)
        return (low + high[partner] if self.taken == "high" else low[partner] + high), labels
