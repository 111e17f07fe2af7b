import math

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import binomtest

from cotoolkit.core.errors import ConfigError
from cotoolkit.evaluation import Accuracy
from cotoolkit.evaluation.intervals import NORMAL_QUANTILE, bootstrap_mean, exact_bounds, sign_test, wilson

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


@pytest.mark.parametrize(
    ("hits", "points"),
    [(11, 10), (-1, 10), (0.5, 10), (math.nan, 10), (True, 10), (0, 0), (3, -4), (3, 4.5), ("3", 10), ([3], 10)],
    ids=str,
)
def test_counts_that_cannot_be_are_refused(hits, points):
    for ask in (lambda: wilson(hits, points), lambda: exact_bounds(hits, points, 0.05)):
        with pytest.raises(ConfigError, match=r"hits|points"):
            ask()


def test_an_accuracy_of_nothing_is_one_line():
    with pytest.raises(ConfigError, match="points: give a whole number, 1 or more, not 0"):
        Accuracy.of(torch.zeros(0, dtype=torch.bool))


def test_counts_of_any_kind_are_the_same():
    for kind in (np.int64, np.int8, np.float32, torch.tensor, np.array, float):
        assert wilson(kind(8), kind(10)) == wilson(8, 10)
        assert sign_test(kind(4), kind(1)) == sign_test(4, 1)


@pytest.mark.parametrize("error", [0, 0.5, 1, 5, -0.1, math.nan, None, "0.05"], ids=repr)
def test_an_error_probability_is_below_a_half(error):
    with pytest.raises(ConfigError, match=r"error: give a number between 0 and 0\.5"):
        exact_bounds(3, 10, error)


def test_what_has_no_mean_or_sign_is_refused():
    for values in ([], [[1.0]], [1.0, math.nan], ["a"]):
        with pytest.raises(ConfigError, match="values"):
            bootstrap_mean(values)
    assert bootstrap_mean([0.25, 0.25]) == (0.25, 0.25)
    for gained, lost in ((-1, 2), (1.5, 2), (1, -2), (1, math.nan)):
        with pytest.raises(ConfigError, match=r"gained|lost"):
            sign_test(gained, lost)
