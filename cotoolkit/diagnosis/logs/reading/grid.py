"""On which grid of counts accuracies lie, of which follows how many points were measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST_VALUES, ENOUGH_VALUES = 8, 500
"""Different accuracies that it takes to see on which grid of counts they lie, and that are looked at."""


def grid_of(values: Sequence[float] | np.ndarray) -> int | None:
    """The fewest points whose counts give all these shares, to the digits that they have.

    Args:
        values: shares in [0, 1].

    Returns:
        At most 10,000; None where the values lie on no such grid, as means over unequal batches do.

    >>> grid_of([0.25, 0.5, 0.125, 0.75, 0.375, 0.984375, 0.015625, 0.328125])
    64
    """
    known = np.unique(np.asarray(values, dtype=float))
    known = known[~np.isnan(known)][:: max(len(known) // ENOUGH_VALUES, 1)]
    digits = max(_digits(value) for value in known)
    grid = 10**digits
    # Coarser grids: a value lies on one by accident with probability points / grid.
    for points in range(20, min(grid // 4, 10_000) + 1) if len(known) >= LEAST_VALUES else ():
        if (np.abs(known * points - np.round(known * points)) <= 0.5005 * points / grid + 1e-9).all():
            return points
    return grid if 20 <= grid <= 10_000 else None


def _digits(value: float) -> int:
    text = f"{value:.8f}".rstrip("0")
    return len(text.partition(".")[2])
