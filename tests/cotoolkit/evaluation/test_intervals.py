import math

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import binomtest

from cotoolkit.evaluation.intervals import NORMAL_QUANTILE, sign_test, wilson

NUMBERS = (1, 2, 3, 7, 10, 64, 128, 359, 1000, 10_000, 1_000_003)


def test_the_quantile_is_that_of_the_normal_distribution():
    assert ndtri(0.975) == pytest.approx(NORMAL_QUANTILE, rel=1e-15)


@pytest.mark.parametrize("points", NUMBERS)
def test_wilson_agrees_with_scipy(points):
    for hits in {0, points, *np.linspace(0, points, 41).round().astype(int).tolist(), 1, points - 1}:
        ends = binomtest(hits, points).proportion_ci(method="wilson")
        assert wilson(hits, points) == pytest.approx((ends.low, ends.high), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("points", NUMBERS)
def test_wilson_ends_where_shares_end(points):
    assert wilson(0, points)[0] == 0
    assert wilson(points, points)[1] == 1
    assert all(0 < end < 1 for end in (wilson(0, points)[1], wilson(points, points)[0]))


def test_the_sign_test_agrees_with_scipy():
    for gained in (0, 1, 2, 5, 31, 64, 128, 1000, 5000):
        for lost in (0, 1, 2, 5, 31, 64, 128, 1000, 5000):
            if gained + lost:
                expected = binomtest(gained, gained + lost, alternative="greater").pvalue
                assert sign_test(gained, lost) == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_the_sign_test_is_the_share_of_the_equally_likely_outcomes():
    for gained in range(12):
        for lost in range(12):
            number = gained + lost
            outcomes = sum(math.comb(number, hits) for hits in range(gained, number + 1))
            assert sign_test(gained, lost) == pytest.approx(outcomes / 2**number, rel=1e-13)
