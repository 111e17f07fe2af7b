"""What units are made of, where the dictionary is known: one atom each, and a dense mixture of all others.

A_ij = <w_i, M_j> are the coefficients. D0 to D6 name the definitions. The two thresholds are choices [M], though purity
above one half is the criterion of a follow-up paper too [S].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from analyses.purification.synthetic_world.synthetic_data import SyntheticWorld

ALIVE = 0.2
"""A unit lives if its norm exceeds this share of the 95th percentile of norms [M]."""

PURE = 0.5
"""A living unit is pure if its top coefficient exceeds this share of its norm [S for the value, of a follow-up]."""


@dataclass(frozen=True)
class DictionaryUnits:
    """Every unit of S networks in the dictionary's coordinates; all (S, m) unless said otherwise.

    Attributes:
        coefficients: A, (S, m, d).
        norm: n_i = ||w_i||.
        alive: D0.
        top: j(i), the atom of the largest |A_ij|.
        alpha: A_{i, j(i)}, with its sign.
        pure: D0.
        residual: A with each unit's own top entry zeroed, (S, m, d); D1.
        mixture: <r_i, w*> / (d - 1), the mean label-aligned coefficient of a residual; D2 times |alpha_i|.
        epsilon: the mixture relative to |alpha_i|; D2.
        mass: <r_i, w*/||w*||>^2 / alpha_i^2, the mixture's energy relative to the feature's; D3.
        density: |<r_i, w*/||w*||>| / ||r_i||, in [0, 1]: how much of the residual is that one dense direction; D3.
        participation: (sum_j A_ij^2)^2 / sum_j A_ij^4, from 1 (one atom) to d (uniform); D5.
        hoyer: Hoyer's sparsity, from 0 (uniform) to 1 (one atom); D5.
        consistent: whether alpha_i has the sign of w*_{j(i)}; D6.
    """

    coefficients: Tensor
    norm: Tensor
    alive: Tensor
    top: Tensor
    alpha: Tensor
    pure: Tensor
    residual: Tensor
    mixture: Tensor
    epsilon: Tensor
    mass: Tensor
    density: Tensor
    participation: Tensor
    hoyer: Tensor
    consistent: Tensor


def units(weights: Tensor, world: SyntheticWorld) -> DictionaryUnits:
    """Take every unit apart.

    Args:
        weights: (S, m, d).
        world: whose dictionary they are seen in.

    Returns:
        All that is known of the units, mostly (S, m).
    """
    a = weights @ world.dictionary
    d = a.shape[-1]
    norm = weights.norm(dim=-1)
    tiny = torch.finfo(a.dtype).tiny
    alive = norm > ALIVE * norm.quantile(0.95, dim=-1, keepdim=True)
    top = a.abs().argmax(dim=-1)
    alpha = a.gather(-1, top[..., None]).squeeze(-1)
    residual = a.scatter(-1, top[..., None], 0.0)
    aligned = (residual @ world.signs[..., None]).squeeze(-1)  # ||w*|| = sqrt(d)
    squares = a.square()
    return DictionaryUnits(
        coefficients=a,
        norm=norm,
        alive=alive,
        top=top,
        alpha=alpha,
        pure=alive & (alpha.abs() > PURE * norm),
        residual=residual,
        mixture=aligned / (d - 1),
        epsilon=aligned / ((d - 1) * alpha.abs()),
        mass=aligned.square() / (d * alpha.square()),
        density=aligned.abs() / (math.sqrt(d) * residual.norm(dim=-1).clamp_min(tiny)),
        participation=squares.sum(-1).square() / squares.square().sum(-1),
        hoyer=(math.sqrt(d) - a.abs().sum(-1) / norm) / (math.sqrt(d) - 1),
        consistent=alpha.sign() == world.signs.gather(-1, top),
    )


def unit_statistics(found: DictionaryUnits, k: int) -> dict[str, Tensor]:
    """Statistics of each network; means are over pure units, and nan where there is none.

    alive and pure_of_alive are fractions; top_over_norm is |alpha_i| / ||w_i||; density_over_null is in units of
    sqrt(2 / (pi d)), what a random residual has; epsilon_over_k_d is in units of k / d, the theory's order [D].

    Args:
        found: the units.
        k: sparsity of the world.

    Returns:
        By name, (S,) each.
    """
    d = found.coefficients.shape[-1]
    pure = found.pure

    def over_pure(values: Tensor) -> Tensor:
        return torch.where(pure, values, 0.0).sum(-1) / pure.sum(-1)

    epsilon, alpha, density = over_pure(found.epsilon), over_pure(found.alpha.abs()), over_pure(found.density)
    cosine, size = accumulated(found)
    return {
        "alive": found.alive.float().mean(-1),
        "pure_of_alive": pure.sum(-1) / found.alive.sum(-1),
        "top_over_norm": over_pure(found.alpha.abs() / found.norm),
        "residual_ratio": over_pure(found.residual.norm(dim=-1) / found.alpha.abs()),
        "alpha": alpha,
        "mixture": over_pure(found.mixture),
        "epsilon": epsilon,
        "epsilon_over_k_d": epsilon * d / k,
        "epsilon_positive": over_pure((found.epsilon > 0).float()),
        "epsilon_all": (found.mixture.mean(-1) / found.alpha.abs().mean(-1)),
        "mass": over_pure(found.mass),
        "density": density,
        "density_over_null": density / math.sqrt(2 / (math.pi * d)),
        "accumulated_cosine": cosine,
        "accumulated_size": size,
        "participation": over_pure(found.participation),
        "hoyer": over_pure(found.hoyer),
        "coverage": atom_coverage(found),
        "sign_consistent": over_pure(found.consistent.float()),
    }


def accumulated(found: DictionaryUnits) -> tuple[Tensor, Tensor]:
    """The mixture of the whole layer, V = sum of the pure units' residuals; D4.

    Returns:
        cos(V, w*) and ||V|| / sum_i |alpha_i|, (S,) each; nan without a pure unit.
    """
    d = found.coefficients.shape[-1]
    size = torch.where(found.pure[..., None], found.residual, 0.0).sum(-2).norm(dim=-1)
    aligned = torch.where(found.pure, found.mixture, 0.0).sum(-1) * (d - 1)  # <V, w*>
    return aligned / (math.sqrt(d) * size), size / torch.where(found.pure, found.alpha.abs(), 0.0).sum(-1)


def atom_coverage(found: DictionaryUnits) -> Tensor:
    """Fraction of atoms that at least one pure unit has on top, (S,); D6."""
    counts = torch.zeros(found.coefficients.shape[0], found.coefficients.shape[-1], device=found.norm.device)
    return (counts.scatter_add(-1, found.top, found.pure.float()) > 0).float().mean(-1)
