"""Statistics against other ways to compute them."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from analyses.core.statistics import rank_correlation


def test_rank_correlation_against_a_bootstrap():
    rng = np.random.default_rng(3)
    x = rng.normal(size=300)
    y = x + rng.normal(size=300)
    found = rank_correlation(x, y)

    def spearman(a, b):
        return rank_correlation(a, b).mean

    other = bootstrap((x, y), spearman, paired=True, vectorized=False, n_resamples=400, rng=rng).confidence_interval
    assert found.low == pytest.approx(other.low, abs=0.03)
    assert found.high == pytest.approx(other.high, abs=0.03)
    assert np.isnan(rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]).mean)
    assert rank_correlation([1, 2, 3, 4, np.nan], [2, 4, 6, 8, 0]).mean == 1
