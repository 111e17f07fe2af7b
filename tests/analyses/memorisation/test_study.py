"""The whole study on tiny runs, in this process: what it trains, freezes, measures, claims and draws."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analyses.memorisation.paper import PAPER_CLAIMS
from typing_extensions import override

from analyses.core.plan import at_scale
from analyses.core.runner import StudyRunner
from analyses.memorisation.arms import halves, iterations
from analyses.memorisation.measure import Correct
from analyses.memorisation.page import report_of
from analyses.memorisation.settings import CIFAR100, INDUCED, PLANS, PLANTED, Plan, weighted
from analyses.memorisation.study import run_plan, run_study
from cotoolkit.core.errors import ConfigError
from cotoolkit.data import load, planted_truth
from cotoolkit.pages import write_report
from cotoolkit.training.run import run


class InProcess(StudyRunner):
    """A runner without processes."""

    @override
    def train(self, study):
        for config in study.runs():
            run(config, self.root, device="cpu")
        return study.write_table(self.root)

    @override
    def measure(self, wanted):
        return pd.concat([one.measure(self.root) for one in wanted], ignore_index=True)


def tiny():
    """Planted data and digits, everything small; CIFAR-100 is not there."""
    world = PLANTED.model_copy(
        update={
            "data": {**PLANTED.data, "test_size": 500},
            "settings": {**PLANTED.settings, "model": {"name": "mlp", "hidden": [32]}},
            "standard": {**PLANTED.standard, "epochs": 2},
            "adversarial": {**PLANTED.adversarial, "epochs": 1, "method": {"name": "pgd", "steps": 1}},
            "halves": 4,
            "robust_halves": 4,
            "seeds": 2,
        }
    )
    dynamics = INDUCED.model_copy(
        update={
            "settings": {**INDUCED.settings, "epochs": 2, "evaluation": ["clean", "pgd-10"]},
            "methods": {"plain": {"name": "fgsm"}, "weights": weighted(start=0.25)},
            "seeds": 1,
            "points": 64,
            "world": None,
        }
    )
    return Plan(scale="custom", worlds=(world, CIFAR100), dynamics=dynamics)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COTOOLKIT_DATA", raising=False)
        folder = tmp_path_factory.mktemp("study")
        runner = InProcess(folder / "runs", folder / "out", jobs=1, device="cpu")
        return runner, run_plan(tiny(), runner)


def test_tables_have_a_row_per_image(found):
    runner, findings = found
    tables = findings.worlds["planted"]
    assert len(tables.images) == 2000
    assert (tables.images["atypical"] == (tables.images["truth"] != "common")).all()
    assert {"mem_standard_clean", "mem_adversarial_clean", "mem_adversarial_robust"} < set(tables.images.columns)
    assert tables.images["mem_standard_clean"].between(-1, 1).all()
    assert len(tables.tests) == 500
    assert sorted(tables.proxies["proxy"]) == ["early_loss", "forgetting", "inconsistency", "variance"]
    assert tables.rare_area == []  # 16 models make one estimate
    assert list(findings.skipped) == ["cifar100"]
    assert "COTOOLKIT_DATA" in findings.skipped["cifar100"]
    assert len(tables.noise) == 4
    assert [len(values) for values in tables.influence.values()] == [2, 2, 2]
    assert (runner.folder / "sets" / "planted-atypical.npy").exists()


def test_runs_do_without_what_they_should(found):
    runner, findings = found
    tables = findings.worlds["planted"]
    counts = tables.removed.pivot_table(index="arm", columns="seed", values="images")
    assert (counts.loc["without harmful"] == 100).all()
    assert (counts.loc["without atypical"] == counts.loc["without typical"]).all()
    kept = ~np.load(runner.folder / "sets" / "planted-without-atypical-1.npy")
    assert kept.sum() == counts.loc["without atypical", 1]
    truth = planted_truth(load(tiny().worlds[0].config("standard", {}).data, 0).train.images)
    assert not truth.of_kind("common")[kept].any()
    assert not set(truth.cluster[kept]) & set(truth.cluster[~kept])  # whole sub-clusters


def test_every_arm_is_measured_on_every_seed(found):
    _, findings = found
    table = findings.worlds["planted"].accuracies
    arms = {"all", "weights", "permuted", "scaled", "opposite", "discrimination", "dom", "static", "oracle"}
    assert arms < set(table["arm"])
    robust = table[(table["kind"] == "adversarial") & (table["group"] == "all")]
    assert (robust.groupby(["arm", "event"])["seed"].nunique() == 2).all()
    assert set(table.loc[table["kind"] == "standard", "event"]) == {"clean"}


def test_the_course_follows_the_kept_iterations(found):
    _, findings = found
    last = int(findings.onsets["last"].iloc[0])
    assert findings.course.groupby("arm")["iteration"].max().eq(last // 16 * 16).all()
    assert findings.course["flagged_pgd"].between(0, 1).all()
    flagged = findings.onsets.set_index("arm")["flagged_at_start"]
    assert np.isnan(flagged["plain"])
    assert 0 <= flagged["weights"] <= 1


def test_claims_have_different_keys_and_serve_the_papers_table(found):
    _, findings = found
    keys = [result.claim.key for part in findings.claims().values() for result in part]
    assert len(keys) == len(set(keys))
    smoke = {key for claim in PAPER_CLAIMS for key in claim.keys if not key.startswith("h_")}
    assert smoke <= set(keys)


def test_the_page_is_written(found, tmp_path):
    _, findings = found
    page = write_report(report_of(findings), tmp_path).read_text()
    assert "BAT-style" in page
    for name in ("claims", "histograms", "finding-a-planted", "finding-b-planted", "flags-planted", "onsets"):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000


def test_halves_are_complements_with_seeds_of_their_own():
    arms = halves(PLANTED, "standard")
    assert [arm.config.seed for arm in arms] == list(range(64))
    first, second = (load(arm.config.data, arm.config.seed).train for arm in arms[:2])
    assert len(first) == len(second) == 1000
    rows = {image.numpy().tobytes() for image in first.images}
    assert not rows & {image.numpy().tobytes() for image in second.images}
    assert iterations(arms[0].config) == 300


def test_scales(tmp_path):
    assert set(PLANS) == {"smoke", "laptop"}
    for plan in PLANS.values():
        for world in plan.worlds:
            world.config("standard", {})
            world.config("adversarial", {})
    with pytest.raises(ConfigError, match="choose from smoke, laptop"):
        run_study("paper", StudyRunner(tmp_path, tmp_path))
    assert at_scale(PLANS, "smoke").worlds[0] is PLANTED


def test_titles_and_protocols_tell_measurements_apart(found):
    runner, findings = found
    arm = halves(findings.plan.worlds[0], "standard")[0]
    plain = Correct(arm.config, arm.tags, {})
    assert isinstance(plain.path(runner.root, runner.folder), Path)
    other = Correct(arm.config, arm.tags, {}, train=True)
    assert plain.path(runner.root, runner.folder) != other.path(runner.root, runner.folder)
