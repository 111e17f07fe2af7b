"""The whole study on runs of a few steps: every arm trains and is measured, in two rounds where something breaks."""

import pandas as pd
import pytest

from analyses.core.plan import ArmGroup
from analyses.local_ball import diagnostics, study
from analyses.local_ball.measures import around_onset, attacked
from analyses.local_ball.outcomes import with_attacks
from analyses.local_ball.plan import PLANS, LocalBallPlan
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.evaluation import worst_of_three
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.runs.checkpoints import evaluation_points, trained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.run import run
from tests._helpers.runners import InProcessRunner

SETTINGS = {
    "data": {"name": "digits", "train_size": 96, "test_size": 20, "holdout": 20},
    "model": {"name": "small_cnn", "width": 2},
    "epsilon": 0.1,
    "epochs": 1,
    "batch_size": 32,
    "monitor": {"interval": 0, "points": 20, "steps": 2},
    "evaluation": ("clean", "fgsm", "pgd-50"),
}
LAPTOP = PLANS["laptop"].group.arms
TINY = LocalBallPlan(
    name="local-ball",
    question="does anything break in a few steps?",
    scale="custom",
    groups={"digits": ArmGroup(settings=SETTINGS, seeds=(0,), arms={**LAPTOP, "n_fgsm x2": LAPTOP["n_fgsm x1"]})},
    points=10,
).only([arm for arm in LAPTOP if "rho=" not in arm or arm == "lbt rho=2"])


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local-ball")
    return InProcessRunner(root=folder / "runs", folder=folder / "out", jobs=1, device="cpu")


def test_the_whole_study(runner, monkeypatch):
    monkeypatch.setattr(study, "DIAGNOSED_ARMS", ("fgsm", "lbt"))
    monkeypatch.setattr(worst_of_three, "PROTOCOL", "pgd-3")
    monkeypatch.setattr(worst_of_three, "QUERIES", 5)
    monkeypatch.setattr(worst_of_three, "MARGIN_STEPS", 3)
    monkeypatch.setattr(diagnostics, "SEARCH_STEPS", 2)
    found = study.STUDY.run(TINY, runner)
    outcomes, measures = found.tables["outcomes"], found.tables["measures"]
    assert list(outcomes["arm"]) == list(TINY.group.arms)
    assert (outcomes["robust"] <= outcomes["pgd-50"]).all()
    assert outcomes["robust"].between(0, 1).all()
    assert outcomes.set_index("arm").loc["lbt", "cost"] == 4  # units, in one epoch
    assert {"kappa_worst", "search_own", "strength_gap", "reach", "profile", "attacked_margin"} <= set(
        measures["statistic"]
    )
    assert set(measures.loc[measures["statistic"] == "reach", "arm"]) == {"fgsm", "lbt"}
    assert set(found.claims) == {"cost", "centre", "onset"}
    assert all(result.verdict == "shown" for group in found.claims.values() for result in group)  # one seed


def test_the_onset_of_a_run_with_kept_weights(runner):
    broken = pd.DataFrame([{"group": "digits", "seed": 0, "breakpoint": 2, "iterations": 3}])
    second = TINY.around_breakpoints(broken, ["fgsm"])
    runner.train(second)
    table = around_onset(RunFolder.of(runner.root, second.runs()[0]), breakpoint_iteration=2, points=10)
    assert table["offset"].unique().tolist() == [0]
    assert table[table["statistic"] == "profile"]["place"].tolist() == pytest.approx([t / 10 for t in range(11)])
    assert 0 <= table.set_index("statistic").loc["needed_median", "value"] <= 1


def test_a_wider_run_is_attacked_at_the_study_s_radius(runner):
    wide = {"method": {"name": "pgd", "steps": 3}, "epsilon": 0.15}
    config = TINY.group.model_copy(update={"arms": {"pgd-3 wide": wide}}).config("pgd-3 wide", 0)
    folder = run(config, runner.root, device="cpu")
    measured = attacked(folder, epsilon=TINY.epsilon, points=TINY.points).assign(arm="pgd-3 wide", seed=0)
    points = evaluation_points(config).first(TINY.points)
    expected = run_protocol(trained(folder), points.images, points.labels, ThreatModel(0.1), "pgd-50").accuracy.value
    values = measured.set_index("statistic")["value"]
    assert values["attacked_pgd"] == pytest.approx(expected)
    assert values["attacked_robust"] <= values[["attacked_pgd", "attacked_margin", "attacked_square"]].min()
    found = pd.DataFrame({"arm": ["lbt", "pgd-3 wide"], "seed": [0, 0], "pgd-50": [0.3, 0.1]})
    joined = with_attacks(found, measured)
    assert joined["pgd-50"].isna().tolist() == [True, False]  # the other one was not attacked
    assert joined["hidden"].iloc[1] == pytest.approx(expected - values["attacked_robust"], abs=1e-6)
