from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.core.claims import ClaimTable, claim, judge_claims, with_sources
from analyses.core.judging.seed_measures import SeedShare, ShareDifference
from analyses.core.judging.verdicts import Claim, check, verdict_table
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
        (ABOVE, [0.8, 0.82, 0.81, 0.79, 0.8], "holds"),
        (ABOVE, [0.2, 0.21, 0.19, 0.2, 0.22], "fails"),
        (ABOVE, [0.4, 0.6, 0.5, 0.3, 0.7], "undecided"),
        (ABOVE, [0.8, 0.82, 0.81, 0.79], "shown"),  # too few to judge
        (ABOVE, [0.8, 0.82, 0.81, 0.79, np.nan], "shown"),
        (ABOVE, [0.9] * 5, "fact"),
        (ABOVE, [0.9, 0.9, 0.9, 0.9, 0.9, np.nan], "fact"),
        (ABOVE, [0.9, 0.9, 0.9, 0.9, 0.9 + 1e-9], "holds"),
        (ABOVE, [0.5] * 5, "undecided"),
        (ABOVE, [0.1] * 5, "fails"),
        (BELOW, [0.2, 0.21, 0.19, 0.2, 0.22], "holds"),
        (BELOW, [0.8, 0.82, 0.81, 0.79, 0.8], "fails"),
        (ABOVE, SeedShare([True] * 10), "holds"),
        (ABOVE, SeedShare([True] * 5), "shown"),  # 5 of 5 cannot show that most do
        (ABOVE, SeedShare([True] * 5 + [False]), "undecided"),  # 6 of 6 could have
        (BELOW, SeedShare([True] * 5), "shown"),
        (replace(ABOVE, threshold=0.25), SeedShare([True] * 4 + [False]), "holds"),
        (replace(BELOW, threshold=0.25), SeedShare([False] * 5), "shown"),
        (ABOVE, SeedShare([False] * 10), "fails"),
        (ABOVE, SeedShare([True] * 4), "shown"),
        (replace(ABOVE, threshold=0), ShareDifference([True] * 5, [False] * 5), "shown"),
        (replace(ABOVE, threshold=0), ShareDifference([True] * 6, [False] * 6), "holds"),
        (replace(ABOVE, threshold=0), ShareDifference([True] * 6, [True] * 6), "undecided"),
    ],
)
def test_a_claim_holds_or_fails_when_its_interval_lies_on_one_side(claim, values, verdict):
    assert check(claim, values).verdict == verdict


def test_what_is_no_test_is_shown_whatever_its_premises():
    proven = replace(ABOVE, unjudged="guaranteed by construction")
    shown = check(proven, [0.8, 0.82, 0.81, 0.79, 0.8])
    assert shown.verdict == "shown"
    assert shown.behind([check(BELOW, [0.8, 0.82, 0.81, 0.79, 0.8])]).verdict == "shown"


def test_effects_count_from_the_null():
    found = check(BELOW, [0.2, 0.3, 0.1])
    assert found.effect == pytest.approx(-0.8)


def test_trends_say_where_they_lead():
    rising = {64: [0.1, 0.12], 128: [0.2, 0.22], 256: [0.3, 0.32]}
    result = check(ABOVE, rising[256], rising)
    assert result.trend.mean == pytest.approx(0.1)
    assert result.heading == "towards the claim"
    assert check(BELOW, rising[256], rising).heading == "away from it"
    assert check(ABOVE, [0.1, 0.2], {64: [0.1, 0.2], 128: [0.2, 0.1]}).heading == "flat"
    assert check(ABOVE, [0.1]).heading == "unknown"


def test_the_table_has_a_row_per_claim():
    values = [0.8, 0.82, 0.81, 0.79, 0.8]
    table = verdict_table([check(ABOVE, values), check(BELOW, [0.8])])
    assert table["verdict"].tolist() == ["holds", "shown"]
    assert table["holm_p"].iloc[0] == pytest.approx(stats.ttest_1samp(values, 0.5).pvalue)
    assert table["by"].tolist() == ["t interval"] * 2
    assert table["expected"].tolist() == ["above 0.5", "below 0.5"]


ROWS = (
    claim("rises", "it rises by {word}", "slope", value=lambda n: n["slope"], above=0.5, source="[P]"),
    claim("falls", "it falls", "slope", value=lambda n: -n["slope"], below=0.0, null=1.0, needs=("other",)),
    claim("unknown", "nobody measured it", "slope", value=lambda n: [np.nan] * 5, below=0.0),
)
NUMBERS = {"slope": np.array([0.9, 1.0, 1.1, 0.95, 1.05])}


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
        ("unknown", "shown"),
    ]
    assert found[0].claim.statement == "it rises by much"
    assert judge_claims(ROWS, NUMBERS)[0].claim.statement == "it rises by {word}"


def test_rows_without_their_arms_or_numbers_are_left_out():
    assert [one.claim.key for one in judge_claims(ROWS, NUMBERS, arms=["fgsm"], only_known=True)] == ["rises"]
    assert [one.claim.key for one in judge_claims(ROWS, NUMBERS, arms=["other"])] == ["rises", "falls", "unknown"]


def test_a_table_of_claims_reads_its_numbers_from_data():
    table = ClaimTable(ROWS, lambda data: {"slope": data["y"]}, only_known=True, arms=lambda n: ["other"])
    assert [one.verdict for one in table(pd.DataFrame({"y": [0.1, 0.12, 0.11, 0.1, 0.13]}))] == ["fails", "holds"]


def test_sources_are_reworded_and_nothing_else():
    (row,) = with_sources(ROWS, {"rises": "paper [P]: abstract"})
    assert row.claim.source == "paper [P]: abstract"
    assert (row.claim.statement, row.value) == (ROWS[0].claim.statement, ROWS[0].value)
    with pytest.raises(KeyError):
        with_sources(ROWS, {"missing": ""})


def judged(premise, values):
    row = claim("key", "it breaks", "share", value=lambda n: values, above=0.5, premises=[premise])
    (found,) = judge_claims([row], None)
    return found


def learned(values):
    return claim("learned", "the network learned", "accuracy", value=lambda n: values, above=0.5)


def test_a_claim_is_not_testable_without_its_premise():
    good, bad = [0.8, 0.82, 0.81, 0.79, 0.8], [0.2, 0.21, 0.19, 0.2, 0.22]
    assert judged(learned(good), good).verdict == "holds"
    assert judged(learned([1.0] * 5), good).verdict == "holds"  # a premise may be a fact
    found = judged(learned(bad), good)
    assert found.verdict == "untestable"
    assert found.premise.startswith('"the network learned" does not hold (0.204 [')
    assert found.premise.endswith("], expected above 0.5)")
    unclear = judged(learned([0.4, 0.6, 0.5, 0.3, 0.7]), good)
    assert unclear.verdict == "untestable"
    assert unclear.premise.startswith('"the network learned" is not established with 5 seeds (0.5 [')
    few = judged(learned(good[:3]), good)
    assert few.verdict == "shown"
    assert few.premise.startswith('"the network learned" is not judged with 3 seeds (0.81 [')
    assert judged(learned(SeedShare([True] * 5)), good).verdict == "shown"  # so few could not establish it
    assert found.found == judged(learned(good), good).found  # the number is told all the same


def test_a_premise_that_is_not_testable_names_its_own_premise():
    row = claim("deep", "it is broken", "share", value=lambda n: [0.9, 0.8, 0.9, 0.85, 0.9], above=0.5)
    (found,) = judge_claims(
        [replace(row, premises=(replace(row, premises=(learned([0.1, 0.2, 0.1, 0.2, 0.1]),)),))], None
    )
    assert found.verdict == "untestable"
    assert found.premise.startswith('"the network learned" does not hold (')
