"""Claims on made-up tables."""

import numpy as np
import pandas as pd
import pytest

from analyses.local_ball.claims import judge_local_ball
from analyses.local_ball.plan import AFTER, BEFORE, PLANS
from analyses.local_ball.results import LocalBallResults


def read(plan, tables):
    return LocalBallResults(plan, tables["outcomes"], tables["measures"])


def made_up(plan, robust, escaped=lambda arm, seed: True, needed=0.3, hidden=None):
    rows = [
        {
            "arm": arm, "seed": seed, "units": 4.0, "cost": cost, "breakpoint": np.nan if escaped(arm, seed) else 100,
            "onset": 1.0 if escaped(arm, seed) else 0.5 + 0.01 * seed, "escaped": escaped(arm, seed), "clean": 0.9,
            "fgsm": 0.8, "robust": robust(arm) + 0.0001 * seed * (cost + 1), "pgd-50": 0.9,
            "hidden": (hidden or {}).get(arm, 0.0),
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
    hollow = made_up(plan, lambda arm: 0.1 if arm in above else 0.5, escaped, needed=1.0, hidden={"lbt": 0.5})
    opposite = judge_local_ball(plan, hollow)
    verdicts = {result.claim.key: result.verdict for group in opposite.values() for result in group}
    assert verdicts["adversary_beats_clean"] == "fails"
    assert verdicts["threshold_after"] == "fails"
    assert verdicts["if_and_only_if"] == "fails"
    assert verdicts["escape_is_real"] == "fails"
    assert verdicts["not_masked"] == "fails"


def test_masking_is_what_pgd_does_not_have_too():
    """Three attacks find 10 points more than one run of PGD-50 on PGD's own network: no gradient is hidden there."""
    plan = PLANS["digits"]
    for own, verdict in ((0.1, "holds"), (0.12, "holds"), (0.2, "fails")):
        tables = made_up(plan, lambda arm: 0.5, hidden={"pgd-2": 0.1, "lbt": own})
        found = {one.claim.key: one for group in judge_local_ball(plan, tables).values() for one in group}
        assert found["not_masked"].verdict == verdict
        assert "than on pgd-2" in found["not_masked"].claim.statement
    broken = judge_local_ball(plan, made_up(plan, lambda arm: 0.0 if arm == "pgd-2" else 0.5))
    found = {one.claim.key: one for group in broken.values() for one in group}
    assert found["not_masked"].verdict == "untestable"  # a network that nothing holds out on hides nothing either
    tables["outcomes"].loc[lambda rows: (rows["arm"] == "pgd-2") & (rows["seed"] < 3), ["robust", "hidden"]] = 0.0
    found = {one.claim.key: one for group in judge_local_ball(plan, tables).values() for one in group}
    assert found["not_masked"].found.n == 7  # of ten seeds
    without = plan.only([arm for arm in plan.group.arms if arm != "pgd-2"])
    keys = {one.claim.key for group in judge_local_ball(without, tables).values() for one in group}
    assert "not_masked" not in keys


def test_curves_are_compared_where_both_are_curves():
    plan = PLANS["digits"].only(["fgsm", "lbt m=0", "lbt", "pgd-2", "n_fgsm x1", "n_fgsm x2", "gradalign"])
    cost = {"lbt m=0": 72, "lbt": 96, "pgd-2": 72, "n_fgsm x1": 48, "n_fgsm x2": 96, "gradalign": 84}
    tables = made_up(plan, lambda arm: 0.5)
    outcomes = tables["outcomes"]
    robust = outcomes["arm"].map({"lbt": 0.7, "gradalign": 0.4}).fillna(0.3)
    tables["outcomes"] = outcomes.assign(cost=outcomes["arm"].map(cost).fillna(1.0), robust=robust)
    assert read(plan, tables).area("PGD").isna().all()  # they share the cost 72 alone
    found = {one.claim.key: one for one in judge_local_ball(plan, tables)["cost"]}
    assert "above_pgd" not in found
    assert found["above_n_fgsm"].found.mean == pytest.approx(0.2)  # from 0 at 72 to 0.4 at 96
    assert found["above_gradalign"].found.mean == pytest.approx(0.1)  # 0.5 halfway, above 0.4
    assert found["above_gradalign"].claim.statement.startswith("At the cost of GradAlign ")


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
    assert "above_trades" not in keys  # of one arm, which is no curve
    assert {"above_pgd", "above_gradalign", "adversary_beats_clean", "if_and_only_if"} <= keys
