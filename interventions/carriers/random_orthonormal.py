"""A carrier of random directions: features without a pattern."""

from __future__ import annotations

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from typing_extensions import override

from cotoolkit.core.numbers import Whole
from cotoolkit.core.registry import STRICT
from interventions.carriers.base import CARRIERS, Carrier


@CARRIERS.register("random_orthonormal")
@dataclass(frozen=True, config=STRICT)
class RandomOrthonormal(Carrier):
    """Uniformly random mutually orthogonal directions, colour channels included; up to C H W classes.

    Orthonormal with `norm="l2"`. With `norm="linf"` orthogonal, with a largest entry of 1: they look like Gaussian
    noise and carry about 1 / 16 of the energy of a sign pattern on 3 x 32 x 32. A control of ours.

    Args:
        seed: of a CPU generator of its own.
    """

    seed: Whole = 0

    @override
    def build(self, classes: int, shape: tuple[int, int, int]) -> Tensor:
        channels, height, width = shape
        self._refuse_beyond(channels * height * width, classes, shape)
        generator = torch.Generator().manual_seed(self.seed)
        gauss = torch.randn(channels * height * width, classes, dtype=torch.float64, generator=generator, device="cpu")
        directions: Tensor
        triangle: Tensor
        directions, triangle = torch.linalg.qr(gauss)
        # With a positive diagonal of R the factorisation is unique, and Q uniform (Mezzadri 2007).
        return (directions * triangle.diagonal().sign()).mT.reshape(classes, *shape)
