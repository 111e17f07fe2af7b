"""Claims on made-up tables."""

import numpy as np
import pandas as pd
import pytest

from analyses.local_ball.claims import judge_local_ball
from analyses.local_ball.plan import AFTER, BEFORE, PLANS
from analyses.local_ball.results import LocalBallResults


def read(plan, tables):
    return LocalBallResults(plan, tables["outcomes"], tables["measures"])


def made_up(plan, robust, escaped=lambda arm, seed: True, needed=0.3, hidden=0.0):
    rows = [
        {
            "arm": arm, "seed": seed, "units": 4.0, "cost": cost, "breakpoint": np.nan if escaped(arm, seed) else 100,
            "onset": 1.0 if escaped(arm, seed) else 0.5 + 0.01 * seed, "escaped": escaped(arm, seed), "clean": 0.9,
            "fgsm": 0.8, "robust": robust(arm) + 0.0001 * seed * (cost + 1), "pgd-50": 0.9, "hidden": hidden,
        }
        for cost, arm in enumerate(plan.group.arms)
        for seed in plan.group.seeds
    ]  # fmt: skip
    measures = [
        {"arm": "fgsm", "seed": seed, "offset": offset, "statistic": "needed_median", "place": np.nan, "value": needed}
        for seed in plan.group.seeds
        for offset in (BEFORE, AFTER)
    ]
    return {"outcomes": pd.DataFrame(rows), "measures": pd.DataFrame(measures)}


def test_claims_follow_the_tables():
    plan = PLANS["digits"]
    above = plan.sweep()

    def escaped(arm, seed):
        return above.get(arm, 0.0) > 0.3

    found = judge_local_ball(plan, made_up(plan, lambda arm: 0.9 if arm == "lbt" else 0.5, escaped))
    verdicts = {result.claim.key: result.verdict for group in found.values() for result in group}
    assert verdicts["adversary_beats_clean"] == "holds"
    assert verdicts["weak_matches_strong"] == "holds"
    assert verdicts["delays_break"] == "holds"
    assert verdicts["threshold_after"] == "holds"  # 0.375 against 0.3
    assert verdicts["if_and_only_if"] == "holds"
    assert verdicts["clipping_helps"] == "undecided"  # both m = 0 arms break alike: a difference of 0
    assert verdicts["step_is_gamed"] == "shown"  # not measured here
    assert verdicts["escape_is_real"] == "holds"  # all have the robust accuracy of PGD-3
    assert verdicts["not_masked"] == "holds"
    hollow = made_up(plan, lambda arm: 0.1 if arm in above else 0.5, escaped, needed=1.0, hidden=0.5)
    opposite = judge_local_ball(plan, hollow)
    verdicts = {result.claim.key: result.verdict for group in opposite.values() for result in group}
    assert verdicts["adversary_beats_clean"] == "fails"
    assert verdicts["threshold_after"] == "fails"
    assert verdicts["if_and_only_if"] == "fails"
    assert verdicts["escape_is_real"] == "fails"
    assert verdicts["not_masked"] == "fails"


def test_a_sweep_that_never_escapes_is_not_near():
    plan = PLANS["digits"]
    numbers = read(plan, made_up(plan, lambda arm: 0.5, lambda arm, seed: False, needed=1.9))
    assert np.isinf(numbers.radius()).all()
    assert numbers.near(AFTER, 0.25).tolist() == [False] * len(plan.group.seeds)
    unbroken = read(plan, made_up(plan, lambda arm: 0.5))
    assert unbroken.radius().isna().all()  # FGSM does not break: there is nothing to escape
    assert unbroken.near(AFTER, 0.25).empty


def test_where_nothing_breaks_nothing_is_delayed_and_where_nothing_is_robust_nothing_is_better():
    plan = PLANS["digits"]
    results = [one for group in judge_local_ball(plan, made_up(plan, lambda arm: 0.1)).values() for one in group]
    found = {one.claim.key: one for one in results}
    of_breaks = {"delays_break", "threshold_after", "if_and_only_if", "clipping_helps", "steps_help"}
    of_robustness = {"above_pgd", "weak_matches_strong", "adversary_beats_clean", "global_term_needed"}
    assert {found[key].verdict for key in of_breaks | of_robustness | {"escape_is_real"}} == {"untestable"}
    assert found["delays_break"].premise.startswith('"FGSM training overfits catastrophically" is not est')
    assert "robust" in found["above_pgd"].premise


def test_a_delay_counts_runs_without_a_breakpoint_to_their_end():
    plan = PLANS["digits"]
    table = made_up(plan, lambda arm: 0.5, lambda arm, seed: arm == "lbt" and seed > 0)
    found = read(plan, table).later("lbt", "fgsm")
    assert found.by == "log-rank test"
    assert found.found.mean == pytest.approx(np.mean([0.5, *[1.0] * 9]) - np.mean(0.5 + 0.01 * np.arange(10)))
    assert found.side(0) == "above"


def test_a_smaller_plan_asks_fewer_claims():
    plan = PLANS["laptop"]
    found = judge_local_ball(plan, made_up(plan, lambda arm: 0.5))
    keys = {result.claim.key for group in found.values() for result in group}
    assert "weak_matches_strong" not in keys
    assert {"above_pgd", "adversary_beats_clean", "if_and_only_if"} <= keys
