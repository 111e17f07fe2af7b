"""How far weights move in a stage of training, in which directions, and what is taken away from each unit.

Definitions D7-D10. For symmetric networks w and -w are different units, so angles keep the sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from analyses.purification.synthetic_world.synthetic_data import SyntheticWorld


def turning_angles(a: Tensor, b: Tensor) -> Tensor:
    """theta(a, b); D7.

    Args:
        a: units, (..., d).
        b: as many.

    Returns:
        Degrees, 0 to 180, (...).
    """
    return torch.rad2deg(torch.arccos(torch.cosine_similarity(a, b, dim=-1).clamp(-1, 1)))


def kept_and_removed(old: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    """w_i = beta_i w'_i + v_i with v_i orthogonal to w'_i: what a later stage keeps of a unit, and what it removes; D8.

    The form is the paper's [S, of a talk]; ||beta_i w'_i|| > ||v_i|| is the same as theta(w_i, w'_i) < 45 degrees [D].

    Args:
        old: w, (S, m, d).
        new: w', (S, m, d).

    Returns:
        beta, (S, m), and v, (S, m, d).
    """
    energy = new.square().sum(-1).clamp_min(torch.finfo(new.dtype).tiny)
    beta = (old * new).sum(-1) / energy
    return beta, old - beta[..., None] * new


def purification_ratio(old: Tensor, new: Tensor) -> Tensor:
    """q_i = ||v_i|| / ||beta_i w'_i|| = |tan theta(w_i, w'_i)|; below 1, most of a unit was kept; D8.

    Args:
        old: w, (S, m, d).
        new: w', (S, m, d).

    Returns:
        (S, m).
    """
    beta, removed = kept_and_removed(old, new)
    ratio: Tensor = removed.norm(dim=-1) / (beta[..., None] * new).norm(dim=-1)
    return ratio


@dataclass(frozen=True)
class DenseSpectrum:
    """Of S matrices (m, d); D9 and D10. All (S,).

    Attributes:
        top_share: sigma_1^2 / sum sigma^2.
        null_share: the top share of a Gaussian matrix of this shape, (sqrt m + sqrt d)^2 / (m d) [D].
        rank: effective rank, exp(entropy of sigma^2 / sum sigma^2).
        dense_cosine: |cos| of the top right singular vector with D_w.
    """

    top_share: Tensor
    null_share: Tensor
    rank: Tensor
    dense_cosine: Tensor


def dense_spectrum(matrices: Tensor, world: SyntheticWorld) -> DenseSpectrum:
    """Spectrum of S matrices and its relation to the dense direction.

    Args:
        matrices: (S, m, d).
        world: for the dense direction.

    Returns:
        The spectrum, (S,) each.
    """
    m, d = matrices.shape[-2:]
    energies, vectors = torch.linalg.eigh(matrices.double().mT @ matrices.double())  # ascending
    shares = energies.clamp_min(0) / energies.clamp_min(0).sum(-1, keepdim=True)
    cosine = (vectors[..., -1] * world.dense_direction).sum(-1).abs()
    null = torch.full_like(cosine, (math.sqrt(m) + math.sqrt(d)) ** 2 / (m * d))
    return DenseSpectrum(shares[..., -1], null, torch.special.entr(shares).sum(-1).exp(), cosine)


def initial_statistics(initial: Tensor, final: Tensor, alive: Tensor) -> dict[str, Tensor]:
    """Mean angle (w0, w) in degrees, and mean |cos|.

    Args:
        initial: w0, (S, m, d).
        final: w, (S, m, d).
        alive: units to look at, (S, m).

    Returns:
        By name, (S,) each.
    """
    return {
        "angle_initial": _over(alive, turning_angles(initial, final)),
        "cosine_initial": _over(alive, torch.cosine_similarity(initial, final, dim=-1).abs()),
    }


def movement_statistics(clean: Tensor, final: Tensor, alive: Tensor, world: SyntheticWorld) -> dict[str, Tensor]:
    """How a later stage moved the weights of the clean net.

    The angle is a mean in degrees over living units; within_t is their share with theta(w_i, w'_i) < t degrees, which
    at t = 45 is q_i < 1.

    Args:
        clean: w after clean training, (S, m, d).
        final: w' after training on from there.
        alive: units to look at, (S, m).
        world: for the dense direction.

    Returns:
        By name, (S,) each.
    """
    moved = turning_angles(clean, final)
    ratio = purification_ratio(clean, final)
    removed = dense_spectrum(torch.where(alive[..., None], kept_and_removed(clean, final)[1], 0.0), world)
    update = dense_spectrum(final - clean, world)
    return {
        "angle_clean": _over(alive, moved),
        **{f"within_{limit}": _over(alive, (moved < limit).float()) for limit in (15, 30, 45)},
        "ratio_median": torch.where(alive, ratio, torch.nan).nanmedian(dim=-1).values,
        "removed_top_share": removed.top_share,
        "removed_share_over_null": removed.top_share / removed.null_share,
        "removed_cosine": removed.dense_cosine,
        "update_top_share": update.top_share,
        "update_rank": update.rank,
        "update_cosine": update.dense_cosine,
    }


def _over(chosen: Tensor, values: Tensor) -> Tensor:
    return torch.where(chosen, values, 0.0).sum(-1) / chosen.sum(-1)
