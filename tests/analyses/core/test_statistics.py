"""Statistics against other ways to compute them."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from analyses.core.statistics import bootstrap, estimate, holm, paired_p, rank_correlation, slope
from cotoolkit.core.errors import ConfigError


def test_rank_correlation_against_a_bootstrap():
    rng = np.random.default_rng(3)
    x = rng.normal(size=300)
    y = x + rng.normal(size=300)
    found = rank_correlation(x, y)

    def spearman(a, b):
        return rank_correlation(a, b).mean

    other = stats.bootstrap(
        (x, y), spearman, paired=True, vectorized=False, n_resamples=400, rng=rng
    ).confidence_interval
    assert found.low == pytest.approx(other.low, abs=0.03)
    assert found.high == pytest.approx(other.high, abs=0.03)
    assert np.isnan(rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]).mean)


@pytest.mark.parametrize(("order", "expected"), [([2, 4, 6, 8, 0], 1), ([8, 6, 4, 2, 0], -1)])
def test_ranks_that_all_agree_have_no_interval(order, expected):
    found = rank_correlation([1, 2, 3, 4, np.nan], order)
    assert (found.mean, found.n) == (expected, 4)
    assert np.isnan([found.low, found.high]).all()
    assert str(found) == f"{expected} (n = 4)"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: estimate([[1.0, 2.0]]),
        lambda: estimate(["1", "2"]),
        lambda: bootstrap(3.0),
        lambda: paired_p([[0.1]]),
        lambda: slope([1, 2, 3], [1, 2]),
        lambda: rank_correlation([1, 2, 3, 4], [1, 2, 3]),
        lambda: rank_correlation([1, 2, 3, 4], [1j, 2, 3, 4]),
        lambda: holm([0.5, 1.5]),
        lambda: holm([-0.1]),
        lambda: holm(0.5),
    ],
)
def test_the_domain_is_checked(ask):
    with pytest.raises(ConfigError) as caught:
        ask()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, pd.Series], ids=["list", "numpy", "torch", "pandas"])
def test_every_kind_of_values_gives_the_same(kind):
    x, y = [1.0, 2.0, 3.0, np.nan, 4.0, 7.0], [2.0, 1.0, 4.0, 9.0, 5.0, 6.0]
    assert estimate(kind(x)) == estimate(x)
    assert slope(kind(x), kind(y)) == slope(x, y)
    assert rank_correlation(kind(x), kind(y)) == rank_correlation(x, y)
    assert holm(kind([0.25, 0.5, 0.75])).tolist() == holm([0.25, 0.5, 0.75]).tolist()
