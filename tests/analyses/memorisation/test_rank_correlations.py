"""Stand-ins for memorisation, by hand."""

import numpy as np
import pytest

from analyses.memorisation.rank_correlations import forgetting, inconsistency, variance
from cotoolkit.core.errors import ConfigError


def test_proxies_by_hand():
    correct = np.array([[0, 1, 0, 1], [1, 0, 0, 1], [0, 1, 0, 1], [1, 0, 0, 1]], dtype=bool)
    assert forgetting(correct).tolist() == [1, 2, 4, 0]
    assert variance(correct).tolist() == [0.25, 0.25, 0, 0]
    mask = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]], dtype=bool)
    assert inconsistency(mask, correct).tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("proxy", [forgetting, variance, lambda none: inconsistency(none, none)])
def test_nothing_is_said_of_no_models(proxy):
    with pytest.raises(ConfigError, match=r"correctness has no rows: give one for each (checkpoint|model)"):
        proxy(np.zeros((0, 3)))
