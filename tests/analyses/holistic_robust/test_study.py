"""The study on tiny runs, and its parts on hand-made tables."""

import numpy as np
import pandas as pd
import pytest
import torch
from analyses.holistic_robust.paper import PAPER_CLAIMS

from analyses.core.plan import at_scale
from analyses.core.runner import StudyRunner
from analyses.holistic_robust.answers import onset_claims, outcome
from analyses.holistic_robust.losses import sample_losses
from analyses.holistic_robust.page import report_of
from analyses.holistic_robust.plots import survival
from analyses.holistic_robust.settings import PLAIN, PLANS, Onset, Overfitting, Plan, Poisoned, hr_name
from analyses.holistic_robust.study import run_plan
from analyses.holistic_robust.tables import arm_table
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.evaluation.protocol import evaluate
from cotoolkit.pages import write_report
from tests._helpers.networks import conv_net
from tests._helpers.small import SMALL

TINY = {**{k: v for k, v in SMALL.items() if k != "epochs"}, "evaluation": ("clean", "fgsm", "pgd-2"), "batch_size": 32}
PLAN = Plan(
    scale="custom",
    overfitting=Overfitting(
        settings={**TINY, "data": {"name": "digits", "test_size": 60}},
        seeds=(0,),
        iterations=8,
        train_size=128,
        shares=(0.5, 1.0),
        radii=(0.0, 0.2),
        inner={"name": "fgsm"},
        looks=2,
    ),
    poisoned=Poisoned(settings={**TINY, "epochs": 1}, seeds=(0,), inner={"name": "fgsm"}),
    onset=Onset(
        settings={**TINY, "epochs": 1},
        seeds=(0,),
        laws=((0, 0), (0.2, 0)),
        controls=("permuted", "norm_matched"),
    ),
    points=64,
    repetitions=50,
)


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    root = tmp_path_factory.mktemp("holistic")
    return run_plan(PLAN, StudyRunner(root / "runs", root / "out", jobs=1, device="cpu"))


def test_from_training_to_the_page(findings, tmp_path):
    gaps, ends = findings.gaps, findings.ends
    assert len(gaps) == 2 * 3 * 2  # shares, arms, looks
    assert len(ends) == 6
    assert set(gaps["iteration"]) == {4, 8}
    assert (ends["G4"] >= 0).all()
    assert (gaps["G5"] >= 0).all()
    assert set(ends["train_points"]) == {64}
    assert len(findings.poison) == len(PLAN.poisoned.arms())
    assert findings.poison["poison_share"].between(0.05, 0.5).all()
    assert len(findings.onsets) == 4
    assert not findings.onsets["broke"].any()
    claims = findings.claims()
    assert set(claims) == {"robust overfitting", "poison", "catastrophic overfitting"}
    page = write_report(report_of(findings), tmp_path).read_text()
    assert "as it has to be reported" in page
    assert "the inner maximum is exact or over-estimated" in page
    made = {key for part in claims.values() for key in (one.claim.key for one in part)}
    for claim in PAPER_CLAIMS:
        assert set(claim.keys) <= made


def test_runs_measured_twice_are_read_from_disk(findings):
    row = findings.ends.iloc[0]
    course = findings.gaps[(findings.gaps["arm"] == row["arm"]) & (findings.gaps["seed"] == row["seed"])]
    assert row["G1"] == course.set_index("iteration").at[8, "G1"]


def test_losses_agree_with_the_evaluation():
    model = conv_net().train()
    images, labels = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 4
    threat = ThreatModel(0.02)
    found = sample_losses(model, images, labels, threat, seed=5)
    assert model.training
    assert torch.equal(found.survived, evaluate(model, images, labels, threat, "pgd-20", seed=5).correct)
    assert torch.equal(found.correct, evaluate(model, images, labels, threat, "clean").correct)
    assert (found.robust >= torch.maximum(found.clean, found.fgsm)).all()
    step = 1e-3
    tiny = sample_losses(model, images, labels, ThreatModel(step, box="none"))
    torch.testing.assert_close(tiny.fgsm - tiny.clean, step * tiny.gradient, rtol=0.05, atol=1e-5)


def onset_rows(times):
    """Arms by name: their times; 480 is the end of training."""
    return pd.DataFrame(
        {
            "arm": arm,
            "seed": seed,
            "verdict": "",
            "broke": time < 480,
            "time": time,
            "iterations": 480,
            "clean": 0.9,
            "fgsm": 0.9,
            "pgd-50": 0.1,
            "value_fgsm": 0.5,
            "mean_robust": 2.0 + 0.1 * seed,
            "run": "",
        }
        for arm, row in times.items()
        for seed, time in enumerate(row)
    )


ONSET = Onset(settings={}, seeds=(0, 1, 2), laws=((0, 0), (0.2, 0)), controls=("permuted", "norm_matched"))
HR = hr_name(0.2, 0)


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
    results = onset_claims(onsets, weights, ONSET)
    assert outcome(results) == wording
    by_key = {one.claim.key: one for one in results}
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
    found = {one.claim.key: one for one in onset_claims(onsets, weights, ONSET)}["abnormal_lose_weight"]
    assert found.found.mean == pytest.approx(-0.19)
    assert found.verdict == "holds"


def test_arms_are_counted_with_censoring():
    table = arm_table(
        onset_rows({PLAIN: [250, 260, 270], HR: [400, 480, 480], "permuted": [300] * 3, "norm_matched": [480] * 3}),
        ONSET,
    ).set_index("arm")
    assert table["broke"].to_dict() == {PLAIN: 3, HR: 1, "permuted": 3, "norm_matched": 0}
    assert table.at[PLAIN, "onset"] == 260
    assert table.at[PLAIN, "log_rank_p"] < 0.05
    assert np.isnan(table.at[HR, "log_rank_p"])


def test_survival_curves_end_where_training_ends():
    onsets = onset_rows({PLAIN: [250, 260, 270], HR: [400, 480, 480], "permuted": [300] * 3, "norm_matched": [480] * 3})
    figure, axes = survival(onsets, ONSET)
    figure.draw_without_rendering()
    for line in axes[0].lines:
        assert line.get_xdata()[-1] == 480
    assert [line.get_ydata()[-1] for line in axes[0].lines] == pytest.approx([0, 2 / 3], abs=0.02)


def test_every_share_takes_the_same_updates_and_keeps_the_same_iterations():
    for scale in ("smoke", "laptop"):
        plan = at_scale(PLANS, scale).overfitting
        for arm in plan.arms():
            config = plan.config(arm, 0)
            share = 1.0 if config.data.subset is None else config.data.subset.share
            per_epoch = int(plan.train_size * share) // config.batch_size
            assert per_epoch * config.epochs == plan.iterations
            assert config.keep == plan.looked_at()
            assert config.keep[-1] == plan.iterations
        seeds = at_scale(PLANS, scale).onset.seeds
        assert len(seeds) >= 3
    with pytest.raises(ConfigError, match="has no scale 'paper'"):
        at_scale(PLANS, "paper")


def test_controls_match_the_arm_they_are_compared_with():
    arms = at_scale(PLANS, "smoke").onset.arms()
    assert arms[PLAIN]["method"] == {"name": "holistic_robust", "inner": {"name": "fgsm"}, "r": 0, "alpha": 0}
    for name in ("permuted", "norm_matched", "small_batch", "inverse", "exponential", "cvar"):
        assert (arms[name]["method"]["r"], arms[name]["method"]["alpha"]) == (0.2, 0)
    assert arms["drop"]["method"]["alpha"] == 0.05
