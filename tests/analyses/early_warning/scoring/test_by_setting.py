import math

import numpy as np
import pytest
from scipy import stats

from analyses.early_warning.scoring.by_setting import design_effect, percentiles, rate, share


def test_the_design_effect_by_hand():
    # Two settings of four runs: mean 3/8; residuals 3 - 1.5 and 0 - 1.5; variance 2/1 * 4.5 / 64 against 15/64/8.
    hits, settings = [1, 1, 1, 0, 0, 0, 0, 0], ["a"] * 4 + ["b"] * 4
    assert design_effect(hits, settings, binomial=True) == pytest.approx((2 * 4.5 / 64) / (3 / 8 * 5 / 8 / 8))
    assert design_effect(hits, settings, binomial=False) == pytest.approx((2 * 4.5 / 64) / (3 / 8 / 8))
    # Settings that are more alike than chance, nothing, everything and one setting say nothing.
    assert design_effect([1, 0, 1, 0], ["a", "a", "b", "b"], binomial=True) == 1
    assert design_effect([0] * 4, ["a", "a", "b", "b"], binomial=True) == 1
    assert design_effect([1] * 4, ["a", "a", "b", "b"], binomial=True) == 1
    assert design_effect([1, 0], ["a", "a"], binomial=True) == 1


def test_shares_of_independent_runs_have_the_exact_interval():
    settings = [str(i) for i in range(40)]
    found = share([i < 6 for i in range(40)], settings)
    exact = stats.binomtest(6, 40).proportion_ci(method="exact")
    # With settings of one run each the effect is k / (k - 1).
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.004)
    assert found.value == 6 / 40


def test_where_settings_hang_together_the_interval_is_that_of_fewer_runs():
    hits = [True] * 10 + [False] * 90
    together = share(hits, [str(i // 10) for i in range(100)])
    apart = share(hits, [str(i % 10) for i in range(100)])
    assert together.value == apart.value == 0.1
    assert together.high - together.low > 2 * (apart.high - apart.low)


@pytest.mark.parametrize(("hits", "end"), [(False, "high"), (True, "low")])
def test_nothing_and_everything_have_the_exact_bound(hits, end):
    found = share([hits] * 100, ["a", "b"] * 50)
    bound = 1 - 0.025 ** (1 / 100)
    assert getattr(found, end) == pytest.approx(bound if end == "high" else 1 - bound)
    assert (found.low if end == "high" else found.high) == (0 if end == "high" else 1)


@pytest.mark.parametrize("events", [0, 1, 7])
def test_the_poisson_interval_leaves_2_5_percent_on_each_side(events):
    found = rate([events, 0, 0, 0], ["one"] * 4)
    assert stats.poisson.cdf(events, 4 * found.high) == pytest.approx(0.025)
    if events:
        assert stats.poisson.sf(events - 1, 4 * found.low) == pytest.approx(0.025)
    else:
        assert found.low == 0


def test_a_rate_from_one_setting_of_ten_is_less_sure():
    events = [1] * 5 + [0] * 45
    together, apart = rate(events, [str(i // 5) for i in range(50)]), rate(events, [str(i) for i in range(50)])
    assert together.value == apart.value == 0.1
    assert together.high > 1.5 * apart.high


def test_the_cluster_bootstrap_draws_settings():
    draws = np.random.default_rng(0).normal(5, 10, 400)
    few, many = (percentiles(draws[:n].tolist(), [str(i) for i in range(n)], (50,))[0] for n in (10, 400))
    assert few.low < few.value < few.high
    assert many.high - many.low < few.high - few.low
    # Forty runs that are ten times four equal ones are no surer than ten.
    copies = np.repeat(draws[:10], 4).tolist()
    grouped = percentiles(copies, [str(i // 4) for i in range(40)], (50,))[0]
    assert (grouped.low, grouped.high) == pytest.approx((few.low, few.high), abs=4)
    # A single setting: its runs are drawn.
    alone = percentiles(draws.tolist(), ["a"] * 400, (50, 90))
    assert alone[0].low < alone[0].value < alone[0].high < alone[1].low


def test_nothing_is_nan():
    assert math.isnan(share([], []).value)
    assert math.isnan(rate([], []).high)
    assert [math.isnan(found.low) for found in percentiles([], [], (50, 90))] == [True, True]
