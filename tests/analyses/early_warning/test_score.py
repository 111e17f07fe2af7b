import math

import numpy as np
import pytest
from scipy import stats

from analyses.early_warning.break_dates import Dates
from analyses.early_warning.score import (
    HORIZON,
    RuleOutcome,
    poisson_rate,
    rule_outcome,
    score,
    score_dating,
    wilson_share,
)
from analyses.early_warning.tables import dating_table
from tests._helpers.made_recordings import breaks_at, run


def breakpoint_after(delay, lag=0):
    """What a rule did whose alarm came `delay` after the first crossing, and that `lag` before the lasting one."""
    return RuleOutcome("breakpoint", delay, delay - lag, 0)


def test_outcomes_by_hand():
    broken = run(pgd=breaks_at(200))
    assert rule_outcome(broken, [210, 250]) == RuleOutcome("breakpoint", 10, 10, 0)
    assert rule_outcome(broken, [200 - HORIZON, 210]) == RuleOutcome("breakpoint", -HORIZON, -HORIZON, 0)
    assert rule_outcome(broken, [20, 199 - HORIZON, 203]) == RuleOutcome("breakpoint", 3, 3, 2)
    assert rule_outcome(broken, [20]) == RuleOutcome("breakpoint", None, None, 1)
    assert rule_outcome(run(), [20, 90]) == RuleOutcome("healthy", None, None, 2)


def test_delays_are_counted_from_either_crossing():
    wavering = run(pgd=lambda i: 0.0 if i in (190, 195) or i >= 200 else 0.5)
    assert rule_outcome(wavering, [193]) == RuleOutcome("breakpoint", 3, -7, 0)
    # What is near goes by the first crossing.
    assert rule_outcome(wavering, [189 - HORIZON, 190 - HORIZON]) == RuleOutcome(
        "breakpoint", -HORIZON, -HORIZON - 10, 1
    )


def test_scores_by_hand():
    outcomes = [
        *(breakpoint_after(delay, 4) for delay in (-10, 0, 2, 4, 6, 8, 10, 12, 14)),
        RuleOutcome("breakpoint", None, None, 1),
        *[RuleOutcome("healthy", None, None, 0)] * 19,
        RuleOutcome("healthy", None, None, 2),
        RuleOutcome("gradual", None, None, 1),
        RuleOutcome("diverged", None, None, 0),
        RuleOutcome("unclear", None, None, 50),
    ]
    found = score(outcomes)
    assert (found.breakpoints, found.healthy, found.other) == (10, 20, 2)
    assert found.missed.value == pytest.approx(0.1)
    assert (found.first.median.value, found.sustained.median.value) == (6, 2)
    assert found.first.median.low <= 6 <= found.first.median.high
    assert found.first.median.low - found.sustained.median.low == pytest.approx(4)
    # Eight tenths of the way from 12... of nine values: 12 + 0.2 * 2.
    assert found.first.ninety.value == pytest.approx(12.4)
    assert found.sustained.ninety.value == pytest.approx(8.4)
    assert found.lead.value == pytest.approx(0.1)
    assert found.false.value == pytest.approx(0.1)
    assert found.other_false.value == pytest.approx(0.5)
    assert found.premature.value == pytest.approx(0.1)


def test_the_dating_by_hand():
    # The truth's crossings are 190 and 200.
    dates = [
        Dates(190, 200, 185, 205, 240),  # right
        Dates(193, 199, 192, 200, 240),  # 3 late, 1 early; the interval covers the lasting one alone
        Dates(186, 202, 184, 198, 240),  # 4 early, 2 late; it covers the first one alone
        Dates(100, 101, 95, 110, 112),  # another break
        None,
    ]
    runs = [run(pgd=lambda i: 0.0 if i in (190, 195) or i >= 200 else 0.5, dates=found) for found in dates]
    first, sustained = score_dating([*runs, run(dates=Dates(1, 2, 1, 2, 3))])
    assert (first.date, sustained.date) == ("first", "sustained")
    for found, error, size, ninety, covered in (
        (first, -2, 3.5, 4 + 0.7 * 86, 2 / 4),  # errors 0, 3, -4, -90
        (sustained, -0.5, 1.5, 2 + 0.7 * 97, 2 / 4),  # 0, -1, 2, -99
    ):
        assert (found.breakpoints, found.dated.value) == (5, pytest.approx(4 / 5))
        assert (found.error.value, found.size.value) == (error, size)
        assert found.size_ninety.value == pytest.approx(ninety)
        assert found.size.low <= size <= found.size.high
        assert found.covered.value == pytest.approx(covered)
        assert (found.covered.low, found.covered.high) == (wilson_share(2, 4).low, wilson_share(2, 4).high)
    table = dating_table(runs).set_index("date")
    assert table.loc["sustained", "error_size_90"] == pytest.approx(2 + 0.7 * 97)
    assert table.loc["first", "covered_high"] == wilson_share(2, 4).high


def test_no_date_is_nan():
    first, _ = score_dating([run(pgd=breaks_at(200)), run()])
    assert (first.breakpoints, first.dated.value) == (1, 0)
    assert math.isnan(first.error.value)
    assert math.isnan(first.covered.low)


def test_nothing_to_score_is_nan():
    found = score([])
    assert math.isnan(found.missed.value)
    assert math.isnan(found.first.median.low)
    assert math.isnan(found.false.high)


def test_the_wilson_interval_by_its_formula():
    n, p, z = 20, 0.15, stats.norm.ppf(0.975)
    centre, reach = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = wilson_share(3, 20)
    assert (found.low, found.high) == pytest.approx([(centre + s * reach) / (1 + z**2 / n) for s in (-1, 1)])


@pytest.mark.parametrize("events", [0, 1, 7])
def test_the_poisson_interval_leaves_2_5_percent_on_each_side(events):
    found = poisson_rate(events, 4)
    assert stats.poisson.cdf(events, 4 * found.high) == pytest.approx(0.025)
    if events:
        assert stats.poisson.sf(events - 1, 4 * found.low) == pytest.approx(0.025)
    else:
        assert found.low == 0


def test_the_interval_of_the_median_narrows_with_more_runs():
    draws = np.random.default_rng(0).normal(5, 10, 400).round().astype(int)
    few, many = (score([breakpoint_after(int(d)) for d in draws[:n]]).first.median for n in (10, 400))
    assert many.high - many.low < few.high - few.low
