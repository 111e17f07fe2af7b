import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.core.claims import Claim, ClaimTable, check, claim, judge_claims, verdict_table, with_sources
from analyses.core.statistics import bootstrap, estimate, holm, paired_p, slope

ABOVE = Claim("key", "it is large", "share", "above", 0.5, 0.0)
BELOW = Claim("key", "it is small", "share", "below", 0.5, 1.0)


def test_estimate_is_scipys_t_interval():
    values = np.random.default_rng(0).normal(size=7)
    found = estimate([*values, np.nan])
    expected = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    assert found == pytest.approx((values.mean(), *expected, 7))


def test_estimates_from_too_few_values_have_no_interval():
    assert estimate([]).n == 0
    assert estimate([2.0]).mean == 2
    assert np.isnan(estimate([2.0]).low)


def test_bootstrap_covers_the_mean_about_as_often_as_it_says():
    draws = np.random.default_rng(1)
    hits = sum(e.low < 1 < e.high for e in (bootstrap(draws.exponential(size=60)) for _ in range(60)))
    assert hits >= 50  # 95 % of 60 is 57; 3.5 standard deviations below


def test_bootstrap_of_equal_values_is_that_value():
    assert bootstrap([0.25] * 5) == (0.25, 0.25, 0.25, 5)


def test_slope_is_the_least_squares_one():
    x, noise = np.arange(20.0), np.random.default_rng(2).normal(size=20)
    found = slope(x, 3 * x + noise)
    assert found.mean == pytest.approx(np.polyfit(x, 3 * x + noise, 1)[0])
    assert found.low < found.mean < found.high
    assert np.isnan(slope([1, 1, 1], [1, 2, 3]).mean)


def test_holm_is_monotone_and_keeps_nan():
    found = holm([0.04, np.nan, 0.001, 0.03])
    assert found[[0, 2, 3]].tolist() == pytest.approx([0.06, 0.003, 0.06])
    assert np.isnan(found[1])


def test_paired_p():
    assert paired_p([0.1, 0.2, 0.15]) == pytest.approx(stats.ttest_1samp([0.1, 0.2, 0.15], 0).pvalue)
    assert paired_p([1.0, 1.0]) == 0
    assert paired_p([0.0, 0.0]) == 1
    assert np.isnan(paired_p([1.0]))


@pytest.mark.parametrize(
    ("claim", "values", "verdict"),
    [
        (ABOVE, [0.8, 0.82, 0.81], "holds"),
        (ABOVE, [0.2, 0.21, 0.19], "fails"),
        (ABOVE, [0.4, 0.6, 0.5], "undecided"),
        (ABOVE, [0.9], "undecided"),
        (ABOVE, [0.9, 0.9], "undecided"),  # two that agree are no interval
        (BELOW, [0.2, 0.21, 0.19], "holds"),
        (BELOW, [0.8, 0.82, 0.81], "fails"),
    ],
)
def test_a_claim_holds_or_fails_when_its_interval_lies_on_one_side(claim, values, verdict):
    assert check(claim, values).verdict == verdict


def test_effects_count_from_the_null():
    found = check(BELOW, [0.2, 0.3, 0.1])
    assert found.effect == pytest.approx(-0.8)
    assert found.standardised == pytest.approx(-8.0)
    assert np.isinf(check(ABOVE, [1.0, 1.0]).standardised)


def test_trends_say_where_they_lead():
    rising = {64: [0.1, 0.12], 128: [0.2, 0.22], 256: [0.3, 0.32]}
    result = check(ABOVE, rising[256], rising)
    assert result.trend.mean == pytest.approx(0.1)
    assert result.heading == "towards the claim"
    assert check(BELOW, rising[256], rising).heading == "away from it"
    assert check(ABOVE, [0.1, 0.2], {64: [0.1, 0.2], 128: [0.2, 0.1]}).heading == "flat"
    assert check(ABOVE, [0.1]).heading == "unknown"


def test_the_table_has_a_row_per_claim():
    table = verdict_table([check(ABOVE, [0.8, 0.82, 0.81]), check(BELOW, [0.8])])
    assert table["verdict"].tolist() == ["holds", "undecided"]
    assert table["holm_p"].iloc[0] == pytest.approx(stats.ttest_1samp([0.8, 0.82, 0.81], 0.5).pvalue)
    assert table["expected"].tolist() == ["above 0.5", "below 0.5"]


ROWS = (
    claim("rises", "it rises by {word}", "slope", value=lambda n: n["slope"], above=0.5, source="[P]"),
    claim("falls", "it falls", "slope", value=lambda n: -n["slope"], below=0.0, null=1.0, needs=("other",)),
    claim("unknown", "nobody measured it", "slope", value=lambda n: [np.nan] * 3, below=0.0),
)
NUMBERS = {"slope": np.array([0.9, 1.0, 1.1])}


def test_a_row_has_one_threshold():
    assert (ROWS[0].claim.side, ROWS[0].claim.threshold, ROWS[0].claim.null) == ("above", 0.5, 0.0)
    assert (ROWS[1].claim.side, ROWS[1].claim.threshold, ROWS[1].claim.null) == ("below", 0.0, 1.0)
    for ends in ({}, {"above": 0.0, "below": 0.0}):
        with pytest.raises(ValueError, match="either above= or below="):
            claim("key", "statement", "measure", value=lambda n: n, **ends)


def test_rows_are_judged_in_order():
    found = judge_claims(ROWS, NUMBERS, words={"word": "much"})
    assert [(result.claim.key, result.verdict) for result in found] == [
        ("rises", "holds"),
        ("falls", "holds"),
        ("unknown", "undecided"),
    ]
    assert found[0].claim.statement == "it rises by much"
    assert judge_claims(ROWS, NUMBERS)[0].claim.statement == "it rises by {word}"


def test_rows_without_their_arms_or_numbers_are_left_out():
    assert [one.claim.key for one in judge_claims(ROWS, NUMBERS, arms=["fgsm"], only_known=True)] == ["rises"]
    assert [one.claim.key for one in judge_claims(ROWS, NUMBERS, arms=["other"])] == ["rises", "falls", "unknown"]


def test_a_table_of_claims_reads_its_numbers_from_data():
    table = ClaimTable(ROWS, lambda data: {"slope": data["y"]}, only_known=True, arms=lambda n: ["other"])
    assert [one.verdict for one in table(pd.DataFrame({"y": [0.1, 0.12, 0.11]}))] == ["fails", "holds"]


def test_sources_are_reworded_and_nothing_else():
    (row,) = with_sources(ROWS, {"rises": "paper [P]: abstract"})
    assert row.claim.source == "paper [P]: abstract"
    assert (row.claim.statement, row.value) == (ROWS[0].claim.statement, ROWS[0].value)
    with pytest.raises(KeyError):
        with_sources(ROWS, {"missing": ""})
