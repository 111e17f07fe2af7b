"""Directions that all units of a layer share: the "accumulated mixture", found without knowing the data's features."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from analyses.mixtures.units.hidden_units import unit_length

ROUNDING = 1e-6
"""Random grams are float32: shares of random rows that differ by less do not differ."""


class TopShare(NamedTuple):
    """How far rows share one direction, against rows of the same lengths in random directions.

    Attributes:
        share: sigma_1^2 / sum sigma^2, in (0, 1].
        null: its mean over random rows.
        z: (share - null) in standard deviations of the random rows; nan where these do not differ, such as for one row.
    """

    share: float
    null: float
    z: float


def common_direction(units: Tensor) -> Tensor:
    """u1: the top right singular vector of the unit-normalised units.

    Its sign is such that the units' coefficients sum to a positive number.

    Shapes: (n_units, n_in) -> (n_in,), length 1.
    """
    return _top_direction(unit_length(units))


def removed_direction(removed: Tensor) -> Tensor:
    """u2: the top right singular vector of the removed parts v_i / ||w_i||, signed as `common_direction`.

    Shapes: (n_units, n_in) -> (n_in,), length 1.
    """
    return _top_direction(removed)


def coefficients(units: Tensor, direction: Tensor) -> Tensor:
    """<w_i / ||w_i||, u>: how much of a direction each unit carries.

    Args:
        units: (n_units, n_in).
        direction: u, (n_in,), of length 1.

    Returns:
        (n_units,), in [-1, 1].
    """
    return unit_length(units) @ direction


def energy_share(units: Tensor, direction: Tensor) -> float:
    """S_u: mean energy of unit-normalised units along a direction, in [0, 1]; random units have 1 / n_in.

    Args:
        units: (n_units, n_in).
        direction: (n_in,), of length 1.

    Returns:
        A share.
    """
    return float(coefficients(units, direction).square().mean())


def same_sign(units: Tensor, direction: Tensor) -> float:
    """Share of units on the larger side of a direction, in [0.5, 1].

    Args:
        units: (n_units, n_in).
        direction: (n_in,), of length 1.

    Returns:
        A share.
    """
    positive = float((coefficients(units, direction) > 0).float().mean())
    return max(positive, 1 - positive)


def random_same_sign(n_units: int) -> float:
    """Expected `same_sign` of units whose side is a coin toss each.

    >>> random_same_sign(2)  # (1 + 1/2 + 1/2 + 1) / 4
    0.75
    """
    counts = torch.arange(n_units + 1, dtype=torch.float64)
    n = torch.tensor(float(n_units), dtype=torch.float64)
    chance = (torch.lgamma(n + 1) - torch.lgamma(counts + 1) - torch.lgamma(n - counts + 1) - n * math.log(2)).exp()
    return round(float((chance * torch.maximum(counts, n - counts) / n).sum()), 12)


def random_grams(n_units: int, n_in: int, generator: torch.Generator, draws: int = 50) -> Tensor:
    """Inner products of random directions, drawn once for all networks with a layer of this shape.

    Scaled by the lengths of rows they are the inner products of rows turned in random directions, each its own.

    Args:
        n_units: rows of a draw.
        n_in: entries of a row.
        generator: CPU generator of the rows.
        draws: how many.

    Returns:
        (draws, n_units, n_units), on the CPU.
    """
    rows = (unit_length(torch.randn(n_units, n_in, generator=generator, dtype=torch.float32)) for _ in range(draws))
    return torch.stack([row @ row.T for row in rows])


def top_share(rows: Tensor, grams: Tensor) -> TopShare:
    """Share of the energy of rows in their top direction, with the null of the same rows, each randomly rotated.

    Args:
        rows: (n, n_in), of any lengths.
        grams: (draws, n, n), of `random_grams`.

    Returns:
        Share, null and their difference in standard deviations; all nan for rows of zeros.
    """
    rows = rows.cpu().double()
    lengths = rows.norm(dim=1)
    energy = float(lengths.square().sum())
    if energy == 0:
        return TopShare(math.nan, math.nan, math.nan)
    # one draw at a time: wide layers have large grams
    tops = [torch.linalg.eigvalsh(gram.double() * lengths[:, None] * lengths)[-1] for gram in grams]
    null = torch.stack(tops) / energy
    share = float(torch.linalg.eigvalsh(rows @ rows.T)[-1]) / energy
    mean, spread = float(null.mean()), float(null.std())
    return TopShare(share, mean, (share - mean) / spread if spread > ROUNDING else math.nan)


def _top_direction(rows: Tensor) -> Tensor:
    direction: Tensor = torch.linalg.svd(rows, full_matrices=False).Vh[0]
    return -direction if float((rows @ direction).sum()) < 0 else direction
