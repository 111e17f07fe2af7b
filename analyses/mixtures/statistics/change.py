"""What training did to each unit: how large and how dense the change is, its angle, and the part that is mixture."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from analyses.mixtures.units.hidden_units import unit_length

RANDOM_PARTICIPATION = 1 / 3
RANDOM_ENTRIES = 0.4446
"""Of independent Gaussian entries: E[x^2]^2 / E[x^4], and the share of entries with the largest 90 % of the energy."""


class ReferenceSplit(NamedTuple):
    """Units as multiples of a reference plus a rest: w_i = beta_i r_i + v_i, v_i orthogonal to r_i.

    Attributes:
        beta: (n_units,); 0 where the reference is zero.
        rest: v, (n_units, n_in): the weight mixture relative to the reference.
        ratio: q_i = ||v_i|| / ||beta_i r_i|| = |tan theta_i|, (n_units,), in [0, inf]; nan for zeros.
        pure: cos^2 theta_i, the share of a unit's energy that the reference explains, (n_units,), in [0, 1].
    """

    beta: Tensor
    rest: Tensor
    ratio: Tensor
    pure: Tensor

    @property
    def rest_per_length(self) -> Tensor:
        """v_i / ||w_i||, (n_units, n_in): the removed parts of unit-normalised weights."""
        explained = 1 - self.pure
        return unit_length(self.rest) * explained.clamp(min=0).sqrt()[:, None]


def split_by_reference(units: Tensor, reference: Tensor) -> ReferenceSplit:
    """Write each unit as a multiple of its reference and a rest.

    With clean units and their robust descendants as reference this is the principle of feature purification as its
    authors state it in talks: ||beta_i r_i|| > ||v_i|| for most units [S], which is exactly theta_i < 45 degrees, up to
    sign [D].

    Args:
        units: (n_units, n_in).
        reference: the same shape: lineage, matched units, or the best atom of a dictionary.

    Returns:
        Multiples, rests and how large these are, unit by unit.
    """
    direction = unit_length(reference)
    along = (units * direction).sum(1)
    rest = units - along[:, None] * direction
    lengths = reference.norm(dim=1)
    beta = torch.where(lengths > 0, along / lengths, torch.zeros_like(along))
    energy, dense = along.square(), rest.square().sum(1)
    total = energy + dense
    pure = torch.where(total > 0, energy / total, torch.zeros_like(total))
    return ReferenceSplit(beta, rest, dense.sqrt() / along.abs(), pure)


def unit_angles(first: Tensor, second: Tensor) -> Tensor:
    """Angle between each unit and the unit of the same index, in degrees; 90 where either is zero.

    Kept with its sign: w and -w are 180 degrees apart. By the half-angle formula, which is exact near 0, too.

    Args:
        first: (n_units, n_in).
        second: the same shape.

    Returns:
        (n_units,), degrees in [0, 180].
    """
    first, second = unit_length(first), unit_length(second)
    found = 2 * torch.atan2((first - second).norm(dim=1), (first + second).norm(dim=1)).rad2deg()
    return torch.where(first.any(1) & second.any(1), found, 90.0)


def relative_size(change: Tensor, start: Tensor) -> float:
    """Frobenius norm of the change over that of where it started.

    Args:
        change: (n_units, n_in).
        start: the same shape.

    Returns:
        A number from 0.
    """
    return float(change.norm() / start.norm())


def participation(values: Tensor) -> Tensor:
    """Participation ratio over the last axis, (sum x^2)^2 / sum x^4: 1 for one entry, n for n equal ones; 0 / 0 is nan.

    Shapes: (..., n) -> (...,).
    """
    energy = unit_length(values).square()  # in units of the length, so that small weights do not underflow
    return energy.sum(-1).square() / energy.square().sum(-1)


def hoyer(values: Tensor) -> Tensor:
    """Hoyer sparsity over the last axis, (sqrt n - |x|_1 / |x|_2) / (sqrt n - 1): 1 for one entry, 0 for equal ones.

    nan for a single entry or all zeros. Shapes: (..., n) -> (...,).

    Source: Hoyer, JMLR 2004.
    """
    root = math.sqrt(values.shape[-1])
    return (root - values.abs().sum(-1) / values.norm(dim=-1)) / (root - 1) if root > 1 else values[..., 0] * math.nan


def entries_with(change: Tensor, energy: float = 0.9) -> float:
    """Smallest share of the entries that carries this share of the energy, in (0, 1]; nan where nothing changed.

    Up to a millionth, so that round-off does not decide where equal entries carry it exactly.

    Args:
        change: (n_units, n_in).
        energy: the share that is asked for, in (0, 1].

    Returns:
        A share of the entries.
    """
    carried = change.flatten().square().sort(descending=True).values.cpu().double().cumsum(0)
    if carried[-1] == 0:
        return math.nan
    needed = int((carried < (energy - 1e-6) * carried[-1]).sum()) + 1
    return needed / len(carried)
