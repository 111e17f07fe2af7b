"""How many directions a matrix of weights lives in.

A direction warning: to remove a direction that all units share RAISES the effective rank of the weights, while other
work reports robust networks of low rank [S]. So look at the weights, at the weights without their top direction, and at
the update, apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class WeightSpectrum(NamedTuple):
    """Numbers of a matrix with singular values sigma_i and p_i = sigma_i^2 / sum sigma^2; nan for a matrix of zeros.

    Attributes:
        stable_rank: ||W||_F^2 / ||W||_2^2 = 1 / top1, in [1, rank].
        effective_rank: exp(-sum p log p), in [1, rank].
        participation: 1 / sum p^2, in [1, rank].
        top1: p_1, in (0, 1].
    """

    stable_rank: float
    effective_rank: float
    participation: float
    top1: float


def energies(matrix: Tensor) -> Tensor:
    """p_i, largest first. Shapes: (n_units, n_in) -> (min(n_units, n_in),), sums to 1."""
    values = torch.linalg.svdvals(matrix)
    squares = (values / values[0]).square()
    shares: Tensor = squares / squares.sum()
    return shares


def weight_spectrum(matrix: Tensor) -> WeightSpectrum:
    """Shapes: (n_units, n_in) -> four numbers."""
    return _numbers(energies(matrix))


def deflated_spectrum(matrix: Tensor) -> WeightSpectrum:
    """Of the matrix minus its best approximation of rank 1. Shapes: (n_units, n_in).

    nan for a matrix of rank 1: what rounding leaves of it says nothing.
    """
    shares = energies(matrix)
    rounding = (max(matrix.shape) * torch.finfo(matrix.dtype).eps) ** 2
    rest = shares[1:]
    return _numbers(rest / rest.sum() if rest.sum() > rounding * len(rest) else rest[:0])


def _numbers(p: Tensor) -> WeightSpectrum:
    if len(p) == 0:
        return WeightSpectrum(*[float("nan")] * 4)
    entropy = torch.special.entr(p).sum()
    return WeightSpectrum(float(1 / p[0]), float(entropy.exp()), float(1 / p.square().sum()), float(p[0]))
