"""Band filters: which frequencies of an image survive.

Used on data, or as a layer inside the model (`InterventionLayer`), where the paper puts its low-pass filter: between
the input normalisation and the network, at training and test, on clean and adversarial inputs (known from the released
code). The filters act per channel and keep or drop the constant part as a whole, so they commute with the
normalisation up to its offset.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import field
from typing import Annotated

import torch
from pydantic import AllowInfNan, Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, Whole
from cotoolkit.core.registry import STRICT
from interventions.base import INTERVENTIONS, Intervention
from interventions.frequency import Domain, Shape, dct2, idct2, keep_frequencies

Radius = Annotated[NonNegative, AllowInfNan(False)]
"""A distance from zero frequency, in the units of `frequency_radius`."""


@dataclass(frozen=True, config=STRICT)
class FrequencyFilter(Intervention):
    """Base of the filters that keep the frequencies whose radius passes.

    Args:
        domain: `dct` or `dft`.
        shape: `square` shells max(|p|, |q|) or `radial` shells sqrt(p^2 + q^2).
    """

    domain: Domain = field(default="dct", kw_only=True)
    shape: Shape = field(default="square", kw_only=True)

    @abstractmethod
    def passes(self, radius: Tensor) -> Tensor:
        """Which radii survive: any shape, bool."""

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        return keep_frequencies(images, self.passes, self.domain, self.shape), labels


@INTERVENTIONS.register("low_pass")
@dataclass(frozen=True, config=STRICT)
class LowPass(FrequencyFilter):
    """Keep the radii below `bandwidth`; with the defaults the b x b coefficients p < b and q < b.

    The paper's filter as intended (known from the released code, whose own filter differs on batches: see
    `ReleasedRowLowPass`; which of the two made the published curves is unknown). At b = 32 the identity on 32 x 32.

    >>> LowPass(1)(torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]]))[0]  # the mean alone
    tensor([[[[0.5000, 0.5000],
              [0.5000, 0.5000]]]])

    Args:
        bandwidth: the first radius that is removed.
    """

    bandwidth: Radius = 16.0

    @override
    def passes(self, radius: Tensor) -> Tensor:
        return radius < self.bandwidth


@INTERVENTIONS.register("high_pass")
@dataclass(frozen=True, config=STRICT)
class HighPass(FrequencyFilter):
    """Keep the radii from `bandwidth` on: what `LowPass` of the same bandwidth removes.

    Args:
        bandwidth: the first radius that is kept.
    """

    bandwidth: Radius = 16.0

    @override
    def passes(self, radius: Tensor) -> Tensor:
        return radius >= self.bandwidth


@dataclass(frozen=True, config=STRICT)
class _Band(FrequencyFilter):
    """Base of the filters with two edges, `low` <= radius < `high`.

    Args:
        low: the first radius of the band.
        high: the first radius above it.
    """

    low: Radius
    high: Radius

    @model_validator(mode="after")
    def _ordered(self) -> _Band:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, not {self.low} and {self.high}")
        return self

    def _inside(self, radius: Tensor) -> Tensor:
        return (radius >= self.low) & (radius < self.high)


@INTERVENTIONS.register("band_pass")
@dataclass(frozen=True, config=STRICT)
class BandPass(_Band):
    """Keep the radii with `low` <= radius < `high`."""

    @override
    def passes(self, radius: Tensor) -> Tensor:
        return self._inside(radius)


@INTERVENTIONS.register("band_stop")
@dataclass(frozen=True, config=STRICT)
class BandStop(_Band):
    """Remove the radii with `low` <= radius < `high`: what `BandPass` of the same band keeps."""

    @override
    def passes(self, radius: Tensor) -> Tensor:
        return ~self._inside(radius)


@INTERVENTIONS.register("released_row_low_pass")
@dataclass(frozen=True, config=STRICT)
class ReleasedRowLowPass(Intervention):
    """The low-pass filter as the paper's released code computes it on a batch: a fault, kept for comparison.

    The mask meant for (row, column) of the DCT hits (channel, row): `bandwidth` rows of coefficients survive with all
    their columns, and of the channels only the first `bandwidth`, so that 2 erases the third colour channel. Known from
    the released code; whether the paper's curves were made with it is unknown.

    Args:
        bandwidth: rows, and channels, that survive.
    """

    bandwidth: Annotated[Whole, Field(ge=0)] = 16

    @override
    def apply(
        self, images: Tensor, labels: Tensor | None, generator: torch.Generator | None, classes: int | None
    ) -> tuple[Tensor, Tensor | None]:
        spectrum = dct2(images)
        kept = torch.zeros_like(spectrum)
        kept[:, : self.bandwidth, : self.bandwidth] = spectrum[:, : self.bandwidth, : self.bandwidth]
        return idct2(kept).to(images.dtype), labels
