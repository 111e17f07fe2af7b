"""Stand-ins for memorisation, by hand."""

import numpy as np

from analyses.memorisation.rank_correlations import forgetting, inconsistency, variance


def test_proxies_by_hand():
    correct = np.array([[0, 1, 0, 1], [1, 0, 0, 1], [0, 1, 0, 1], [1, 0, 0, 1]], dtype=bool)
    assert forgetting(correct).tolist() == [1, 2, 4, 0]
    assert variance(correct).tolist() == [0.25, 0.25, 0, 0]
    mask = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]], dtype=bool)
    assert inconsistency(mask, correct).tolist() == [0, 0, 1, 0]
