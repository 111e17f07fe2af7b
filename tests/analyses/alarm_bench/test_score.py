import math

import numpy as np
import pytest
from scipy import stats

from analyses.alarm_bench.score import HORIZON, Outcome, outcome, rate, score, share
from tests.analyses.alarm_bench.made import breaks_at, run


def test_outcomes_by_hand():
    broken = run(pgd=breaks_at(200))
    assert outcome(broken, [210, 250]) == Outcome("collapse", 10, 0)
    assert outcome(broken, [200 - HORIZON, 210]) == Outcome("collapse", -HORIZON, 0)
    assert outcome(broken, [20, 199 - HORIZON, 203]) == Outcome("collapse", 3, 2)
    assert outcome(broken, [20]) == Outcome("collapse", None, 1)
    assert outcome(run(), [20, 90]) == Outcome("healthy", None, 2)


def test_scores_by_hand():
    outcomes = [
        *(Outcome("collapse", delay, 0) for delay in (-10, 0, 2, 4, 6, 8, 10, 12, 14)),
        Outcome("collapse", None, 1),
        *[Outcome("healthy", None, 0)] * 19,
        Outcome("healthy", None, 2),
        Outcome("gradual", None, 1),
        Outcome("diverged", None, 0),
        Outcome("unclear", None, 50),
    ]
    found = score(outcomes)
    assert (found.collapses, found.healthy, found.other) == (10, 20, 2)
    assert found.missed.value == pytest.approx(0.1)
    assert found.median.value == 6
    assert found.median.low <= 6 <= found.median.high
    assert found.ninety.value == pytest.approx(12.4)  # eight tenths of the way from 12... of nine values: 12 + 0.2 * 2
    assert found.lead.value == pytest.approx(0.1)
    assert found.false.value == pytest.approx(0.1)
    assert found.other_false.value == pytest.approx(0.5)
    assert found.premature.value == pytest.approx(0.1)


def test_nothing_to_score_is_nan():
    found = score([])
    assert math.isnan(found.missed.value)
    assert math.isnan(found.median.low)
    assert math.isnan(found.false.high)


def test_the_wilson_interval_by_its_formula():
    n, p, z = 20, 0.15, stats.norm.ppf(0.975)
    centre, reach = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = share(3, 20)
    assert (found.low, found.high) == pytest.approx([(centre + s * reach) / (1 + z**2 / n) for s in (-1, 1)])


@pytest.mark.parametrize("events", [0, 1, 7])
def test_the_poisson_interval_leaves_2_5_percent_on_each_side(events):
    found = rate(events, 4)
    assert stats.poisson.cdf(events, 4 * found.high) == pytest.approx(0.025)
    if events:
        assert stats.poisson.sf(events - 1, 4 * found.low) == pytest.approx(0.025)
    else:
        assert found.low == 0


def test_the_interval_of_the_median_narrows_with_more_runs():
    draws = np.random.default_rng(0).normal(5, 10, 400).round().astype(int)
    few, many = (score([Outcome("collapse", int(d), 0) for d in draws[:n]]).median for n in (10, 400))
    assert many.high - many.low < few.high - few.low
