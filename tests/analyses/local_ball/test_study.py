"""The whole study on runs of a few steps: every arm trains, is measured, and stands on the page."""

import pandas as pd
import pytest

from analyses.core.runner import Lab
from analyses.local_ball import diagnostics, masking, page, study
from analyses.local_ball.measure import Attacked, Onset
from analyses.local_ball.outcomes import outcomes
from analyses.local_ball.plots import loss_profile
from analyses.local_ball.settings import Plan
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.evaluation.protocol import evaluate
from cotoolkit.pages import write_report
from cotoolkit.runs.checkpoints import evaluation_points, trained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.run import run

TINY = Plan(
    scale="custom",
    why="nothing breaks in a few steps",
    settings={
        "data": {"name": "digits", "train_size": 96, "test_size": 20, "holdout": 20},
        "model": {"name": "small_cnn", "width": 2},
        "epsilon": 0.1,
        "epochs": 1,
        "batch_size": 32,
        "monitor": {"interval": 0, "points": 20, "steps": 2},
        "evaluation": ("clean", "fgsm", "pgd-50"),
    },
    seeds=(0,),
    rhos=(0.5, 2.0),
    full=False,
    points=10,
)


class HereLab(Lab):
    """Trains and measures in this process: starting others takes longer than what they would do."""

    def train(self, study):
        for config in study.runs():
            run(config, self.root, device="cpu")
        return study.write_table(self.root)

    def measure(self, wanted):
        return pd.concat([one.measure(self.root) for one in wanted], ignore_index=True)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local-ball")
    return HereLab(root=folder / "runs", folder=folder / "out", jobs=1, device="cpu")


def test_the_whole_study(lab, monkeypatch):
    monkeypatch.setattr(study, "INSPECTED", ("fgsm", "lbt"))
    monkeypatch.setattr(masking, "QUERIES", 5)
    monkeypatch.setattr(masking, "MARGIN_STEPS", 3)
    monkeypatch.setattr(diagnostics, "SEARCH_STEPS", 2)
    found = study.run_plan(TINY, lab)
    assert set(found.outcomes["arm"]) == set(TINY.arms())
    assert (found.outcomes["robust"] <= found.outcomes["pgd-50"]).all()
    assert found.outcomes["robust"].between(0, 1).all()
    assert found.outcomes.set_index("arm").loc["lbt", "cost"] == 4  # units, in one epoch
    statistics = set(found.measures["statistic"])
    assert {"kappa_worst", "search_own", "strength_gap", "reach", "profile", "attacked_margin"} <= statistics
    assert all(result.verdict == "undecided" for group in found.claims().values() for result in group)  # one seed
    text = write_report(page.report_of(found), lab.folder).read_text()
    assert "reconstructed" in text
    assert (lab.folder / "radius.png").exists()
    assert not (lab.folder / "profile.png").exists()  # nothing broke
    claims = pd.read_csv(lab.folder / "claims.csv")
    assert set(claims["question"]) == {"cost", "centre", "onset"}


def test_the_onset_of_a_run_with_kept_weights(lab):
    lab.train(TINY.second_round({0: 2}, 3))
    table = Onset(TINY, 0, 2, 3).measure(lab.root)
    assert table["offset"].unique().tolist() == [0]
    assert table[table["statistic"] == "profile"]["place"].tolist() == pytest.approx([t / 10 for t in range(11)])
    assert 0 <= table.set_index("statistic").loc["needed_median", "value"] <= 1
    seen = study.Findings(TINY, outcomes(TINY, TINY.first_round().write_table(lab.root)), table, {})
    _, axes = loss_profile(seen.numbers)
    assert len(axes[0].lines) == 1  # the onset itself


def test_a_wider_run_is_attacked_at_the_study_s_radius(lab):
    plan = TINY.model_copy(update={"full": True})
    config = plan.config("pgd-3 wide", 0)
    assert config.epsilon == pytest.approx(0.15)
    run(config, lab.root, device="cpu")
    measured = Attacked(plan, "pgd-3 wide", 0).measure(lab.root)
    points = evaluation_points(config).first(plan.points)
    model = trained(RunFolder.of(lab.root, config))
    expected = evaluate(model, points.images, points.labels, ThreatModel(0.1), "pgd-50").accuracy.value
    values = measured.set_index("statistic")["value"]
    assert values["attacked_pgd"] == pytest.approx(expected)
    assert values["attacked_robust"] <= values[["attacked_pgd", "attacked_margin", "attacked_square"]].min()
    found = pd.DataFrame({"arm": ["lbt", "pgd-3 wide"], "seed": [0, 0], "pgd-50": [0.3, 0.1]})
    joined = study.with_attacks(found, measured)
    assert joined["pgd-50"].isna().tolist() == [True, False]  # the other one was not attacked
    assert joined["hidden"].iloc[1] == pytest.approx(expected - values["attacked_robust"], abs=1e-6)
