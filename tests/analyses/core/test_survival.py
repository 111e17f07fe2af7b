import numpy as np
import pandas as pd
import pytest
import torch

from analyses.core.survival import kaplan_meier, log_rank
from cotoolkit.core.errors import ConfigError


def test_kaplan_meier_by_hand():
    # 5 runs; events at 3 and 6, one censored at 4, two at the end, 10
    found = kaplan_meier([3, 4, 6, 10, 10], [True, False, True, False, False])
    assert found.times.tolist() == [0, 3, 4, 6, 10]
    assert found.share == pytest.approx([1, 0.8, 0.8, 0.8 * 2 / 3, 0.8 * 2 / 3])
    inside = np.isfinite(found.low)
    assert (found.low[inside] <= found.share[inside]).all()
    assert (found.share[inside] <= found.high[inside]).all()
    assert kaplan_meier([10, 10], [False, False]).share.tolist() == [1, 1]


def test_log_rank_by_its_definition():
    times, happened = np.array([1.0, 2, 3, 4, 9, 9]), np.array([1, 1, 1, 1, 0, 0], bool)
    group = np.array([0, 0, 1, 0, 1, 1])
    observed = expected = variance = 0.0
    for time in times[happened]:
        at_risk, own = (times >= time).sum(), ((times >= time) & (group == 0)).sum()
        share = own / at_risk
        observed += (group[times == time] == 0).sum()
        expected += share
        variance += share * (1 - share)
    z = (observed - expected) / np.sqrt(variance)
    from scipy.stats import norm

    first, second = group == 0, group == 1
    found = log_rank(times[first], happened[first], times[second], happened[second])
    assert found == pytest.approx((-z, 2 * norm.sf(abs(z))))  # fewer events than expected are above 0
    assert np.isnan(log_rank([1, 2], [False, False], [3], [False])).all()


@pytest.mark.parametrize(
    ("times", "happened"),
    [
        ([1, 2], [True]),
        ([1, 2], [0, 2]),
        ([1, 2], [1.0, np.nan]),
        ([1, np.nan], [True, False]),
        ([1, np.inf], [True, False]),
        ([-1, 2], [True, False]),
        ([[1, 2]], [[True, False]]),
        ([], []),
        (["a"], [True]),
    ],
    ids=["short", "two", "nan", "nan-time", "infinite", "negative", "matrix", "empty", "text"],
)
def test_the_domain_is_checked(times, happened):
    for ask in (lambda: kaplan_meier(times, happened), lambda: log_rank([1], [1], times, happened)):
        with pytest.raises(ConfigError) as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_every_kind_of_values_gives_the_same():
    times, happened = [3, 4, 6, 10, 10], [1, 0, 1, 0, 0]
    expected = kaplan_meier(times, np.array(happened, dtype=bool))
    for kind in (list, np.array, torch.tensor, pd.Series):
        np.testing.assert_array_equal(kaplan_meier(kind(times), kind(happened)).share, expected.share)
