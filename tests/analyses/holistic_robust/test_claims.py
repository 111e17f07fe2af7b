"""Claims on hand-made tables."""

import pandas as pd
import pytest

from analyses.holistic_robust.claims import judge_holistic, outcome
from analyses.holistic_robust.plan import PLAIN, PLANS, name_on_share
from tests._helpers.onsets import HR, onset_rows

NO_WEIGHTS = pd.DataFrame({"arm": [], "seed": [], "offset": [], "signal": [], "value": []})


def onset_results(onsets, weights):
    tables = {"onsets": onsets, "weights": weights}
    return judge_holistic(PLANS["digits"].part("onset"), tables)["catastrophic overfitting"]


END = 480


@pytest.mark.parametrize(
    ("hr", "permuted", "norm_matched", "wording"),
    [
        ([400, 410, 425, 430, 435, END], [300, 290, 310, 305, 295, 299], [200, 210, 200, 190, 220, 199], "delays"),
        (
            [400, 410, 425, 430, 435, END], [400, 411, 424, 431, 436, END], [200, 210, 200, 190, 220, 199],
            "explained by effective batch or step size",
        ),
        (
            [400, 410, 425, 430, 435, 440], [300, 290, 310, 305, 295, 299], [END, 476, 479, 478, 477, 475],
            "explained by effective batch or step size",
        ),
        ([252, 249, 262, 251, 258, 253], [250] * 6, [250] * 6, "no effect shown"),
        ([150, 140, 160, 145, 155, 149], [250] * 6, [250] * 6, "hastens"),
        ([400, 410, 425], [300, 290, 310], [200, 210, 200], "not judged (too few seeds)"),
        ([400, 410, 425, 430, END], [300] * 5, [200] * 5, "not judged (too few seeds)"),
    ],
    ids=["beats both", "as permuted", "norm-matched is later", "as FGSM", "earlier", "three seeds", "five seeds"],
)  # fmt: skip
def test_the_outcome_is_worded_as_decided_in_advance(hr, permuted, norm_matched, wording):
    plain = [250, 255, 260, 252, 257, 251][: len(hr)]
    onsets = onset_rows({PLAIN: plain, HR: hr, "permuted": permuted, "norm_matched": norm_matched})
    onsets.loc[onsets["arm"] == HR, "pgd-50"] = 0.4
    results = onset_results(onsets, NO_WEIGHTS)
    assert outcome(results) == wording
    by_key = {one.claim.key: one for one in results}
    assert "delays_inverse" not in by_key  # no such arm
    assert by_key["abnormal_lose_weight"].found.n == 0
    assert by_key["value_stops_bounding"].found.mean < -1.5


def test_a_delay_is_censored_at_the_end_and_tested_by_log_rank():
    times = {PLAIN: [250, 255, 260, 252, 257, 262], HR: [END] * 6, "permuted": [300] * 6, "norm_matched": [200] * 6}
    onsets = onset_rows(times)
    onsets.loc[onsets["arm"] == HR, "pgd-50"] = 0.4
    (delay, *_) = onset_results(onsets, NO_WEIGHTS)
    assert delay.by == "log-rank test"
    assert delay.found.mean == pytest.approx(END - 256)
    assert delay.verdict == "holds"


@pytest.mark.parametrize(
    ("plain", "robust", "premise"),
    [
        ([END] * 14, 0.4, '"training with FGSM overfits catastrophically" does not hold (0 [0, '),
        ([END] * 6, 0.4, '"training with FGSM overfits catastrophically" is not established with 6 seeds (0 [0, '),
        ([250] * 6, 0.1, f'"training with {HR} is robust in most seeds'),
    ],
    ids=["FGSM does not break", "FGSM may not break", "HR does not train"],
)
def test_a_delay_is_not_asked_for_where_nothing_breaks_or_nothing_is_learned(plain, robust, premise):
    n = len(plain)
    onsets = onset_rows({PLAIN: plain, HR: [END] * n, "permuted": [300] * n, "norm_matched": [200] * n})
    onsets.loc[onsets["arm"] == HR, "pgd-50"] = robust
    results = onset_results(onsets, NO_WEIGHTS)
    assert results[0].verdict == "untestable"
    assert results[0].premise.startswith(premise)
    assert outcome(results) == "not testable here"


@pytest.mark.parametrize(
    ("plain", "hr", "verdict"), [(250, 400, "holds"), (END, 400, "holds"), (250, END, "untestable")]
)
def test_abnormal_weight_is_read_before_the_break_of_hr_whatever_fgsm_does(plain, hr, verdict):
    seeds = range(12)
    times = {PLAIN: [plain] * 12, HR: [hr] * 12, "permuted": [300] * 12, "norm_matched": [200] * 12}
    onsets = onset_rows(times)
    rows = [
        (HR, seed, offset, signal, value + 0.01 * seed * (signal == "abnormal_weight") if offset < 0 else 9.0)
        for seed in seeds
        for offset in (-50, -10, 0, 10)
        for signal, value in (("abnormal_weight", 0.1), ("abnormal_share", 0.3))
    ]
    weights = pd.DataFrame(rows, columns=["arm", "seed", "offset", "signal", "value"])
    found = {one.claim.key: one for one in onset_results(onsets, weights)}
    assert found["abnormal_lose_weight"].found.mean == pytest.approx(-0.145)
    assert found["abnormal_lose_weight"].verdict == verdict
    assert found["value_stops_bounding"].verdict == verdict


def overfitting(best_minus_last=0.05, behind=0.0):
    """Judged, of five seeds: how much AT overfits, and by how much HR fits the training images worse."""
    rows = [
        {"arm": name_on_share(share, r), "share": share, "r": r, "seed": seed, "G1": gap * (0.9 + 0.05 * seed)}
        | {
            "G2": 0.1,
            "G5": radius / share * (0.9 + 0.05 * seed),
            "G4": best_minus_last + 0.001 * seed if r == 0 else 0.0,
            "train_accuracy": 0.9 - 0.001 * seed - (behind if r else 0.0),
            "test_accuracy": 0.5 + 0.001 * seed,
            "G3_slope": 1.0,
            "train_points": 100,
            "G6": 1.0,
            "G6_seen": -1.0,
        }
        for share in (0.25, 1.0)
        for r, gap, radius in ((None, 0.2, 0.01), (0.0, 2.0, 0.1), (0.05, 1.0, 0.1), (0.2, 0.5, 0.05))
        for seed in range(5)
    ]
    return pd.DataFrame(rows)


def judged(ends):
    plan = PLANS["digits"].part("overfitting")
    return {one.claim.key: one for one in judge_holistic(plan, {"ends": ends})["robust overfitting"]}


def test_overfitting_is_judged_at_the_smallest_share_and_the_largest_radius():
    found = judged(overfitting())
    assert found["at_overfits_more"].found.mean == pytest.approx(1.9)
    assert found["hr_smaller_gap"].found.mean == pytest.approx(-1.5)
    measure = "robust gap G1 of HR (r=0.2) minus that of AT, nats, 25% of the data"
    assert found["hr_smaller_gap"].claim.measure == measure
    assert found["hr_smaller_radius"].found.mean == pytest.approx(-0.2)
    assert found["radius_falls_with_data"].found.mean == pytest.approx(1)
    assert found["hr_smaller_gap"].verdict == found["hr_keeps_its_best"].verdict == "holds"
    few = judged(overfitting().query("share < 1"))
    assert set(found) - set(few) == {"radius_falls_with_data"}


def test_without_robust_overfitting_there_is_none_to_protect_against():
    found = judged(overfitting(best_minus_last=0.0))
    of_overfitting = {key for key in found if key.startswith(("at_overfits", "hr_"))}
    assert {key for key, one in found.items() if one.verdict == "untestable"} == of_overfitting
    assert 'by at least 3 points" does not hold (0.002' in found["hr_smaller_gap"].premise


def test_a_smaller_gap_for_fitting_less_is_no_protection():
    found = judged(overfitting(behind=0.1))
    assert {key for key, one in found.items() if one.verdict == "untestable"} == {"hr_smaller_gap", "hr_smaller_radius"}


@pytest.mark.parametrize(("learned", "verdict"), [(0.9, "holds"), (0.15, "untestable")])
def test_poison_is_judged_by_the_right_alpha_where_at_learns(learned, verdict):
    arms = {"AT": 0.5, "HR α=0.05": 0.1, "HR α=0.25": 0.4, "trim 0.25": 0.7}
    rows = [
        {"arm": arm, "seed": seed, "accuracy": accuracy + 0.001 * seed * place, "clean_accuracy": learned}
        | {"poison_weight": 0.4, "poison_share": 0.25 + 0.01 * seed}
        for place, (arm, accuracy) in enumerate(arms.items())
        for seed in range(5)
    ]
    found = judge_holistic(PLANS["digits"].part("poison"), {"wrong_labels": pd.DataFrame(rows)})["poison"]
    means = {one.claim.key: one.found.mean for one in found}
    expected = {"alpha_resists_poison": -0.096, "alpha_weighs_poison_up": 0.13, "trimming_resists_better": 0.302}
    assert means == pytest.approx(expected, abs=1e-9)
    assert found[1].verdict == found[2].verdict == verdict
