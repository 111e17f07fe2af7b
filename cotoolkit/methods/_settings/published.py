"""Constants that were published for a few radii, at any radius."""

from __future__ import annotations

import bisect
from collections.abc import Mapping


def published_value(table: Mapping[float, float], epsilon: float) -> float:
    """A constant at a radius: straight lines between the published ones, constant beyond the first and the last.

    >>> published_value({8: 1.5, 12: 5.0, 16: 8.5}, 10 / 255), published_value({8: 1.5, 12: 5.0, 16: 8.5}, 1 / 255)
    (3.25, 1.5)

    Args:
        table: the published values, by radius in steps of 1/255; the radii rise.
        epsilon: radius in [0, 1] pixel units.

    Returns:
        The value; at a published radius the published one, however the radius was rounded.
    """
    radii, level = list(table), round(255 * epsilon, 4)
    after = bisect.bisect(radii, level)
    if after in (0, len(radii)):
        return float(table[radii[min(after, len(radii) - 1)]])
    low, high = radii[after - 1], radii[after]
    return table[low] + (table[high] - table[low]) * (level - low) / (high - low)
