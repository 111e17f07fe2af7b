"""Which unit of one network is which unit of another, and how alike they are."""

from __future__ import annotations

import math

import torch
from scipy.optimize import linear_sum_assignment
from scipy.special import betainc, betaincinv, gammaln
from torch import Tensor

from analyses.mixtures.units.hidden_units import unit_length


def cosines(first: Tensor, second: Tensor) -> Tensor:
    """Cosine of every unit of one network with every unit of the other.

    Args:
        first: (a, n_in).
        second: (b, n_in).

    Returns:
        (a, b), in [-1, 1]; 0 for units of length zero.
    """
    return (unit_length(first) @ unit_length(second).T).clamp(-1, 1)


def lineage_cosines(first: Tensor, second: Tensor) -> Tensor:
    """Cosine of each unit with the unit of the same index, of which it is the descendant if training started there.

    Args:
        first: (n_units, n_in).
        second: the same shape.

    Returns:
        (n_units,), in [-1, 1].
    """
    return (unit_length(first) * unit_length(second)).sum(1).clamp(-1, 1)


def match(first: Tensor, second: Tensor, *, signs: bool = True) -> Tensor:
    """The one-to-one assignment of units with the largest sum of |cosine| (Hungarian matching).

    Args:
        first: (n_units, n_in).
        second: the same shape.
        signs: match on |cosine|, so that a unit may be matched to the opposite of itself; otherwise on the cosine.

    Returns:
        Indices (n_units,): unit i of `first` is matched to unit `match[i]` of `second`.
    """
    likeness = cosines(first, second)
    cost = (likeness.abs() if signs else likeness).cpu().double().numpy()
    return torch.from_numpy(linear_sum_assignment(cost, maximize=True)[1]).to(first.device)


def matched_cosines(first: Tensor, second: Tensor, *, signs: bool = True) -> Tensor:
    """|cosine| (or the cosine, without `signs`) of each unit with its match.

    Matching picks the best, so that even unrelated networks are above 0: compare with `matched_null`.

    Args:
        first: (n_units, n_in).
        second: the same shape.
        signs: as in `match`.

    Returns:
        (n_units,).
    """
    found = lineage_cosines(first, second[match(first, second, signs=signs)])
    return found.abs() if signs else found


def matched_null(first: Tensor, second: Tensor, generator: torch.Generator, *, draws: int = 3) -> Tensor:
    """Matched cosines of units that share nothing but their entries: coordinates shuffled within each unit of `first`.

    Args:
        first: (n_units, n_in).
        second: the same shape.
        generator: CPU generator of the shuffles.
        draws: shuffles.

    Returns:
        (draws, n_units).
    """
    return torch.stack([matched_cosines(shuffled(first, generator), second) for _ in range(draws)])


def shuffled(rows: Tensor, generator: torch.Generator) -> Tensor:
    """Each row with its entries in a random order of its own.

    Args:
        rows: (n, d).
        generator: CPU generator of the orders.

    Returns:
        (n, d).
    """
    order = torch.rand(rows.shape, generator=generator, dtype=torch.float32).argsort(dim=1, stable=True).to(rows.device)
    return rows.gather(1, order)


def random_cosine(n_in: int) -> float:
    """Expected |cosine| of two random directions in n_in dimensions; sqrt(2 / (pi n_in)) for large n_in.

    Exact: Gamma(n/2) / (sqrt(pi) Gamma((n+1)/2)), since the squared cosine is Beta(1/2, (n-1)/2).

    >>> round(random_cosine(2), 4)  # 2 / pi
    0.6366
    """
    return float(math.exp(gammaln(n_in / 2) - gammaln((n_in + 1) / 2)) / math.sqrt(math.pi))


def random_angles_below(n_in: int, degrees: float) -> float:
    """Share of pairs of random directions whose angle is below so many degrees; their cosine is 1 - 2 Beta.

    >>> round(random_angles_below(3, 60), 12)  # on the sphere the cosine is uniform
    0.25

    Args:
        n_in: dimensions.
        degrees: the limit.

    Returns:
        A share.
    """
    half = (n_in - 1) / 2
    return float(betainc(half, half, (1 - math.cos(math.radians(degrees))) / 2))


def random_angle_quantile(n_in: int, q: float) -> float:
    """Quantile of the angle of two random directions, in degrees; 90 at q = 0.5.

    >>> round(random_angle_quantile(3, 0.25), 12)
    60.0

    Args:
        n_in: dimensions.
        q: in (0, 1).

    Returns:
        Degrees.
    """
    half = (n_in - 1) / 2
    return math.degrees(math.acos(1 - 2 * float(betaincinv(half, half, q))))


def off_diagonal(rows: Tensor) -> float:
    """Mean |cosine| between different units of one network; large where all share a direction. nan for a single unit.

    Shapes: (n_units, n_in) -> a number in [0, 1]; unrelated units: `random_cosine(n_in)`.

    Source: low values are the purity score of later work on feature purification [S].
    """
    n = len(rows)
    if n < 2:
        return math.nan
    likeness = cosines(rows, rows).abs()
    return float((likeness.sum() - likeness.diagonal().sum()) / (n * (n - 1)))
