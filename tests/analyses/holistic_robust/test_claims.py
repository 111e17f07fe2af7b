"""Claims on hand-made tables."""

import pandas as pd
import pytest

from analyses.holistic_robust.claims import judge_holistic, outcome
from analyses.holistic_robust.plan import PLAIN, PLANS, name_on_share
from tests._helpers.onsets import HR, onset_rows


def onset_results(onsets, weights):
    tables = {"onsets": onsets, "weights": weights}
    return judge_holistic(PLANS["digits"].part("onset"), tables)["catastrophic overfitting"]


@pytest.mark.parametrize(
    ("hr", "permuted", "norm_matched", "wording"),
    [
        ([400, 410, 425], [300, 290, 310], [200, 210, 200], "delays"),
        ([400, 410, 425], [400, 411, 424], [200, 210, 200], "explained by effective batch or step size"),
        ([400, 410, 425], [300, 290, 310], [480, 480, 470], "explained by effective batch or step size"),
        ([252, 249, 262], [250, 250, 250], [250, 250, 250], "no effect shown"),
        ([150, 140, 160], [250, 250, 250], [250, 250, 250], "hastens"),
    ],
)
def test_the_outcome_is_worded_as_decided_in_advance(hr, permuted, norm_matched, wording):
    onsets = onset_rows({PLAIN: [250, 255, 260], HR: hr, "permuted": permuted, "norm_matched": norm_matched})
    weights = pd.DataFrame({"arm": [], "seed": [], "offset": [], "signal": [], "value": []})
    results = onset_results(onsets, weights)
    assert outcome(results) == wording
    by_key = {one.claim.key: one for one in results}
    assert "delays_inverse" not in by_key  # no such arm
    assert by_key["abnormal_lose_weight"].found.n == 0
    assert by_key["value_stops_bounding"].found.mean == pytest.approx(-1.6)


def test_abnormal_weight_is_read_before_the_break():
    onsets = onset_rows({PLAIN: [250] * 3, HR: [400] * 3, "permuted": [300] * 3, "norm_matched": [200] * 3})
    rows = [
        (HR, seed, offset, signal, value + 0.01 * seed * (signal == "abnormal_weight") if offset < 0 else 9.0)
        for seed in range(3)
        for offset in (-50, -10, 0, 10)
        for signal, value in (("abnormal_weight", 0.1), ("abnormal_share", 0.3))
    ]
    weights = pd.DataFrame(rows, columns=["arm", "seed", "offset", "signal", "value"])
    found = {one.claim.key: one for one in onset_results(onsets, weights)}["abnormal_lose_weight"]
    assert found.found.mean == pytest.approx(-0.19)
    assert found.verdict == "holds"


def test_overfitting_is_judged_at_the_smallest_share_and_the_largest_radius():
    rows = [
        {"arm": name_on_share(share, r), "share": share, "r": r, "seed": seed, "G1": gap * (0.9 + 0.1 * seed)}
        | {
            "G2": 0.1,
            "G5": radius / share * (0.9 + 0.1 * seed),
            "G4": 0.0,
            "test_accuracy": 0.5,
            "G3_slope": 1.0,
            "G6": 1.0,
            "G6_seen": -1.0,
        }
        | {"loss_certificate": 2.0, "loss_held": 1.0}
        for share in (0.25, 1.0)
        for r, gap, radius in ((None, 0.2, 0.01), (0.0, 2.0, 0.1), (0.05, 1.0, 0.1), (0.2, 0.5, 0.05))
        for seed in range(3)
    ]
    plan = PLANS["digits"].part("overfitting")
    found = {one.claim.key: one for one in judge_holistic(plan, {"ends": pd.DataFrame(rows)})["robust overfitting"]}
    assert found["at_overfits_more"].found.mean == pytest.approx(1.9)
    assert found["hr_smaller_gap"].found.mean == pytest.approx(-1.5)
    assert found["hr_smaller_gap"].claim.measure == "G1 of HR (r=0.2) less that of AT, nats, 25% of the data"
    assert found["hr_smaller_radius"].found.mean == pytest.approx(-0.2)
    assert found["radius_falls_with_data"].found.mean == pytest.approx(1)
    few = pd.DataFrame(rows).query("share < 1")
    keys = [one.claim.key for one in judge_holistic(plan, {"ends": few})["robust overfitting"]]
    assert "radius_falls_with_data" not in keys
    assert len(keys) == len(found) - 1


def test_poison_is_judged_by_the_right_alpha():
    arms = {"AT": 0.5, "HR α=0.05": 0.1, "HR α=0.25": 0.4, "trim 0.25": 0.7}
    rows = [
        {"arm": arm, "seed": seed, "accuracy": accuracy, "poison_weight": 0.4, "poison_share": 0.25 + 0.01 * seed}
        for arm, accuracy in arms.items()
        for seed in range(3)
    ]
    found = judge_holistic(PLANS["digits"].part("poison"), {"wrong_labels": pd.DataFrame(rows)})["poison"]
    means = {one.claim.key: one.found.mean for one in found}
    expected = {"alpha_resists_poison": -0.1, "alpha_weighs_poison_up": 0.14, "trimming_resists_better": 0.3}
    assert means == pytest.approx(expected)
