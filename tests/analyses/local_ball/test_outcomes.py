"""Thresholds and areas by hand, and claims on made-up tables."""

import numpy as np
import pandas as pd
import pytest

from analyses.core.runner import at_scale
from analyses.local_ball.answers import Numbers, claims_of
from analyses.local_ball.outcomes import area_between, escape_radius, predicted_right
from analyses.local_ball.settings import AFTER, BEFORE, PLANS, RIVALS, kept_iterations
from cotoolkit.core.errors import ConfigError

RHOS = [0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0]


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        ([0, 0, 0, 1, 1, 1, 1], 0.375),
        ([1, 1, 1, 1, 1, 1, 1], 0.025),
        ([0, 0, 0, 0, 0, 0, 0], np.inf),
        ([0, 0, 0, 1, 1, 1, 0], 0.375),  # one run on the wrong side
        ([0, 1, 0, 1, 1, 1, 1], (0.075 + 0.375) / 2),  # two thresholds are equally good
    ],
)
def test_escape_radius(escaped, expected):
    assert escape_radius(RHOS, [bool(one) for one in escaped]) == pytest.approx(expected)
    shuffled = [3, 0, 6, 1, 5, 2, 4]
    again = escape_radius([RHOS[i] for i in shuffled], [bool(escaped[i]) for i in shuffled])
    assert again == pytest.approx(expected)


def test_predicted_right():
    assert predicted_right([0.1, 0.5, 1.0], [False, True, True], 0.3) == 1
    assert predicted_right([0.1, 0.5, 1.0], [False, True, False], 0.3) == pytest.approx(2 / 3)
    assert predicted_right([0.1, 0.5], [True, True], 0.0) == 1


def test_areas_by_hand():
    assert area_between([1, 3], [0, 2], [1, 3], [1, 1]) == pytest.approx(0)
    assert area_between([3, 1], [2, 0], [2, 2.5], [0, 0]) == pytest.approx(
        1.25
    )  # heights 1 and 1.5; order is no matter
    assert area_between([1, 2], [0, 1], [2], [0.25]) == pytest.approx(0.75)
    assert np.isnan(area_between([1, 2], [0, 1], [3, 4], [0, 1]))
    assert area_between([1, 1, 2], [0, 1, 1], [1, 2], [0, 0]) == pytest.approx(1)  # the better of two of one cost


def test_plans_are_what_the_study_needs():
    for scale, plan in PLANS.items():
        assert at_scale(PLANS, scale) is plan
        arms = plan.arms()
        assert plan.sweep()["lbt"] == plan.rho
        assert len(plan.seeds) >= 3
        costs = {arm: plan.config(arm, 0).method.cost_per_step() for arm in arms}
        assert costs["lbt"] == costs["pgd-3"]  # 4 units: the rival of equal cost
        identities = {plan.config(arm, 0).identity for arm in arms}
        assert len(identities) == len(arms)
        assert RIVALS["PGD"][0] in arms
    assert at_scale(PLANS, "smoke").config("pgd-3 wide", 0).epsilon == pytest.approx(0.375)
    with pytest.raises(ConfigError, match="choose from smoke, laptop"):
        at_scale(PLANS, "paper")


def test_kept_iterations_are_within_the_run():
    assert kept_iterations(20, 60) == (4, 12, 20, 28, 36, 52)


def made_up(plan, robust, escaped=lambda arm, seed: True, needed=0.3, hidden=0.0):
    rows = [
        {
            "arm": arm, "seed": seed, "units": 4.0, "cost": cost, "breakpoint": np.nan if escaped(arm, seed) else 100,
            "onset": 1.0 if escaped(arm, seed) else 0.5, "escaped": escaped(arm, seed),
            "clean": 0.9, "fgsm": 0.8, "robust": robust(arm) + 0.001 * seed, "pgd-50": 0.9, "hidden": hidden,
        }
        for cost, arm in enumerate(plan.arms())
        for seed in plan.seeds
    ]  # fmt: skip
    measures = [
        {"arm": "fgsm", "seed": seed, "offset": offset, "statistic": "needed_median", "place": np.nan, "value": needed}
        for seed in plan.seeds
        for offset in (BEFORE, AFTER)
    ]
    return Numbers(plan, pd.DataFrame(rows), pd.DataFrame(measures))


def test_claims_follow_the_tables():
    plan = at_scale(PLANS, "smoke")
    above = plan.sweep()

    def escaped(arm, seed):
        return above.get(arm, 0.0) > 0.3

    found = claims_of(made_up(plan, lambda arm: 0.9 if arm == "lbt" else 0.5, escaped))
    verdicts = {result.claim.key: result.verdict for group in found.values() for result in group}
    assert verdicts["adversary_beats_clean"] == "holds"
    assert verdicts["weak_matches_strong"] == "holds"
    assert verdicts["delays_break"] == "holds"
    assert verdicts["threshold_after"] == "holds"  # 0.375 against 0.3
    assert verdicts["if_and_only_if"] == "holds"
    assert verdicts["clipping_helps"] == "undecided"  # both m = 0 arms break alike: a difference of 0
    assert verdicts["step_is_gamed"] == "undecided"  # not measured here
    assert verdicts["escape_is_real"] == "holds"  # all have the robust accuracy of PGD-3
    assert verdicts["not_masked"] == "holds"
    hollow = made_up(plan, lambda arm: 0.1 if arm in above else 0.5, escaped, needed=1.0, hidden=0.5)
    opposite = claims_of(hollow)
    verdicts = {result.claim.key: result.verdict for group in opposite.values() for result in group}
    assert verdicts["adversary_beats_clean"] == "fails"
    assert verdicts["threshold_after"] == "fails"
    assert verdicts["if_and_only_if"] == "fails"
    assert verdicts["escape_is_real"] == "fails"
    assert verdicts["not_masked"] == "fails"


def test_a_sweep_that_never_escapes_counts_as_far():
    plan = at_scale(PLANS, "smoke")
    numbers = made_up(plan, lambda arm: 0.5, lambda arm, seed: False)
    assert np.isinf(numbers.radius()).all()
    np.testing.assert_allclose(numbers.miss(AFTER), 2.0 - 0.3)
    unbroken = made_up(plan, lambda arm: 0.5)
    assert unbroken.radius().isna().all()  # FGSM does not break: there is nothing to escape


def test_a_smaller_plan_asks_fewer_claims():
    plan = at_scale(PLANS, "laptop")
    found = claims_of(made_up(plan, lambda arm: 0.5))
    keys = {result.claim.key for group in found.values() for result in group}
    assert "weak_matches_strong" not in keys
    assert {"above_pgd", "adversary_beats_clean", "if_and_only_if"} <= keys
