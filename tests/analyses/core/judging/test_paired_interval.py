"""The exact interval of paired shares: by enumeration of all that so many pairs can show."""

import numpy as np
import pytest
from scipy import stats

from analyses.core.judging.paired_interval import paired_interval

CELLS = [(a, b) for a in np.linspace(0, 1, 11) for b in np.linspace(0, 1 - a, 6)]
"""Shares of pairs with the event in the first only, and in the second only."""


@pytest.mark.parametrize("pairs", range(5, 21))
def test_it_covers_the_difference_at_least_as_often_as_it_says(pairs):
    counts = [(a, b, pairs - a - b) for a in range(pairs + 1) for b in range(pairs + 1 - a)]
    low, high = np.array([paired_interval(a, b, pairs) for a, b, _ in counts]).T
    for first, second in CELLS:
        likely = stats.multinomial.pmf(counts, pairs, [first, second, 1 - first - second])
        inside = (low <= first - second + 1e-9) & (first - second - 1e-9 <= high)
        assert likely[inside].sum() >= 0.949


def test_its_ends_where_they_can_be_written_down():
    """Six of six: (1 + d) / 2 to the sixth is 2.5 %; none of ten: d has gone unseen ten times, but for one in forty."""
    assert paired_interval(6, 0, 6) == pytest.approx((2 * 0.025 ** (1 / 6) - 1, 1.0), abs=1 / 200)
    low, high = paired_interval(0, 0, 10)
    assert high == -low
    assert 0 < high - (1 - 0.025**0.1) < 0.02


def test_it_has_room_on_both_sides_of_the_estimate():
    """Given how many pairs differ, the upper end would be the estimate, 0.9."""
    low, high = paired_interval(9, 0, 10)
    assert low < 0.9 < high
    assert (-high, -low) == paired_interval(0, 9, 10)
