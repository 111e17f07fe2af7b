"""The uncertainty of counts and means: Wilson's interval, the bootstrap and the sign test.

Without scipy.stats, whose import takes a second; torch is imported for the bootstrap alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import probability, real_array, whole_number

if TYPE_CHECKING:
    from torch import Tensor

NORMAL_QUANTILE = 1.959963984540054
"""Quantile of the standard normal distribution at 0.975, for 95 % intervals."""

RESAMPLES = 1000
"""Draws of the bootstrap."""


def wilson(hits: int, points: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927); its ends are exactly 0 without hits, and exactly 1 without misses.

    Args:
        hits: 0 to `points`.
        points: 1 or more.

    Returns:
        Lower and upper end, in [0, 1].

    Raises:
        ConfigError: other numbers.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    hits, points = _counts(hits, points)
    z, share = NORMAL_QUANTILE, hits / points
    scale = 2 * (points + z**2)
    centre = (2 * points * share + z**2) / scale
    reach = z / scale * math.sqrt(4 * points * share * (1 - share) + z**2)
    return centre - reach if hits else 0.0, centre + reach if hits < points else 1.0


def exact_bounds(hits: int, points: int, error: float) -> tuple[float, float]:
    """Bounds of a share, each of which is wrong with probability `error` at most (Clopper & Pearson, 1934).

    Args:
        hits: 0 to `points`.
        points: 1 or more.
        error: in (0, 0.5).

    Returns:
        Lower and upper bound, in [0, 1].

    Raises:
        ConfigError: other numbers.

    >>> [round(end, 3) for end in exact_bounds(0, 10, 0.05)]  # 1 - 0.05 ** (1 / 10)
    [0.0, 0.259]
    """
    from scipy.special import betaincinv

    hits, points = _counts(hits, points)
    error = probability(error, "error", 0.5)
    low = float(betaincinv(hits, points - hits + 1, error)) if hits else 0.0
    high = float(betaincinv(hits + 1, points - hits, 1 - error)) if hits < points else 1.0
    return low, high


def bootstrap_mean(values: Tensor) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of a mean; equal values always give equal ends.

    Args:
        values: (N,), N >= 1, finite.

    Returns:
        Lower and upper end, in units of the values.

    Raises:
        ConfigError: other values.

    >>> import torch
    >>> bootstrap_mean(torch.full((5,), 0.25, dtype=torch.float64))
    (0.25, 0.25)
    """
    import torch

    known = torch.from_numpy(real_array(values, "values", 1))
    if len(known) == 0:
        raise ConfigError("values: give at least one")
    draws = torch.Generator().manual_seed(0)
    means = known[torch.randint(len(known), (RESAMPLES, len(known)), generator=draws, device=draws.device)].mean(1)
    low, high = means.quantile(means.new_tensor([0.025, 0.975])).tolist()
    return low, high


def sign_test(gained: int, lost: int) -> float:
    """One-sided p-value of the sign test: how likely `gained` or more of `gained + lost` differences are by fair coin.

    Args:
        gained: differences in the direction asked about.
        lost: differences in the other.

    Returns:
        In [0, 1]; 1 where nothing was gained.

    Raises:
        ConfigError: other numbers than counts.

    >>> sign_test(4, 1)  # (5 + 1) / 2**5
    0.1875
    """
    gained, lost = whole_number(gained, "gained"), whole_number(lost, "lost")
    number = gained + lost
    ways, tail = math.comb(number, gained), 0
    for heads in range(gained, number + 1):  # exact, and without SciPy, which a training would import for this alone
        tail += ways
        ways = ways * (number - heads) // (heads + 1)
    return float(tail / 2**number)


def _counts(hits: Any, points: Any) -> tuple[int, int]:
    found, among = whole_number(hits, "hits"), whole_number(points, "points", 1)
    if found > among:
        raise ConfigError(f"hits: {found} of {among} points; give at most as many hits as points")
    return found, among
