"""The whole chain on small runs, with a breakpoint that is declared instead of found: is everything measured?"""

import functools
import pickle
from pathlib import Path

import pandas as pd
import pytest
import torch

from analyses.breakpoint_mixtures import measures as measures_module
from analyses.breakpoint_mixtures import networks as networks_module
from analyses.breakpoint_mixtures import study
from analyses.breakpoint_mixtures.image_changes import changed_images
from analyses.breakpoint_mixtures.measures import SeedMeasurement
from analyses.breakpoint_mixtures.networks import NORM_MATCHED, OTHERS, load_networks
from analyses.breakpoint_mixtures.plan import (
    AFTER,
    BEFORE,
    METHODS,
    OFFSETS,
    SHUFFLED,
    BreakpointPlan,
    BrokenSeed,
    group_with_arms,
)
from analyses.breakpoint_mixtures.results import BreakpointResults
from analyses.breakpoint_mixtures.study import STUDY, why_left_out
from analyses.core.runner import StudyRunner
from analyses.features.observed import ImageSetting
from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.runs.checkpoints import evaluation_points
from cotoolkit.training.run import run
from tests._helpers.breakpoint_measures import measures
from tests._helpers.brought_features import CHEAP
from tests._helpers.runners import InProcessRunner
from tests._helpers.small import SMALL

BREAK, LAST = 34, 100
SETTINGS = {
    **SMALL,
    "data": {"name": "digits", "train_size": 160, "test_size": 60},
    "model": {"name": "single_layer_cnn", "width": 4},
    "batch_size": 32,
    "epochs": 20,
    "learning_rate": 0.001,
    "evaluation": ["clean"],
    "box": "none",
    "monitor": {"interval": 1000, "points": 20, "steps": 1, "trace_every": 8},
    "intervention": {"name": "inject", "carrier": "paired", "beta": 0.1},
}


def plan_with(settings, seeds):
    groups = {"g": group_with_arms("declared", settings, seeds)}
    return BreakpointPlan(name="across-break", question="", scale="custom", groups=groups, points=16)


PLAN = plan_with(SETTINGS, seeds=(0, 1))
BROKEN = BrokenSeed("g", 0, BREAK, LAST)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    breakpoints = pd.DataFrame([{"group": "g", "seed": 0, "breakpoint": BREAK, "iterations": LAST}])
    for config in PLAN.second_round(breakpoints).runs():
        run(config, root, device="cpu")
    return root


class DeclaredRunner(InProcessRunner):
    """Says of seed 0 that it broke, and of no other, and that the hand-made measures were taken."""

    def train(self, study):
        rows = [{"run": run.name, "breakpoint": BREAK if run.seed == 0 else None} for run in PLAN.runs(arms=["fgsm"])]
        return pd.DataFrame(rows).assign(iterations=LAST, verdict="robust")

    def measure(self, wanted):
        assert wanted == [SeedMeasurement(PLAN, BROKEN)]
        return measures()


def test_seeds_that_cannot_be_used_are_named(root):
    assert why_left_out(PLAN, root, BROKEN) == "pgd ended as not robust"  # after a hundred small steps
    assert why_left_out(PLAN, root, BROKEN._replace(breakpoint=20)) == (
        "iterations -32 to +64 around the breakpoint are not all within training"
    )


def test_seeds_that_are_used_are_measured_and_judged(root, monkeypatch):
    runner = DeclaredRunner(root=root, folder=root)
    with pytest.raises(
        ConfigError, match=r"no seed can be used: pgd ended as not robust; FGSM did not break \(robust\)"
    ):
        STUDY.run(PLAN, runner)
    monkeypatch.setattr(study, "why_left_out", lambda *given: "")
    found = STUDY.run(PLAN, runner)
    assert found.tables["breakpoints"]["left_out"].tolist() == ["", "FGSM did not break (robust)"]
    assert set(found.tables) == {"breakpoints", "measures", "changes"}
    assert set(found.claims) == {"g"}
    monkeypatch.setattr("tests.analyses.breakpoint_mixtures.test_study.BREAK", None)
    with pytest.raises(ConfigError, match="no FGSM run has a breakpoint"):
        STUDY.run(PLAN, runner)


def test_networks_stand_at_the_same_iterations(root):
    networks = load_networks(PLAN, root, BROKEN)
    arms = {place.arm for place in networks.places.values()}
    assert arms == {"start", *METHODS, SHUFFLED, NORM_MATCHED}
    offsets = {place.offset for place in networks.places.values() if place.arm == "fgsm"}
    assert offsets == {offset for offset in OFFSETS if 0 < BREAK + offset < LAST}
    assert {p.offset for p in networks.places.values() if p.arm == "pgd"} == {None, *(o for o in OTHERS if o > -BREAK)}
    start = networks.models[networks.start].state_dict()
    for name in ("fgsm", "pgd"):
        moved = networks.at(name, BEFORE).state_dict()
        assert not torch.equal(start["convolution.weight"], moved["convolution.weight"])
    before, after = networks.at("fgsm", BEFORE), networks.at("fgsm", AFTER)
    control = networks.at(NORM_MATCHED, AFTER)
    for name, weight in before.state_dict().items():
        if name.endswith("weight"):
            sizes = [float((net.state_dict()[name] - weight).norm()) for net in (after, control)]
            assert sizes[0] == pytest.approx(sizes[1], rel=1e-4)


def test_changes_of_the_images_have_one_norm():
    points = evaluation_points(PLAN.groups["g"].config("fgsm", 0)).first(12)
    found = changed_images(points, seed=0)
    norms = [(images - points.images).flatten(1).norm(dim=1) for images in found.values()]
    for norm in norms:
        assert torch.allclose(norm, norms[0], rtol=1e-3)
    again = changed_images(points, seed=0)
    assert all(torch.equal(found[name], again[name]) for name in found)


@pytest.fixture
def few_networks(monkeypatch):
    """Fewer offsets are looked at, and their features at less cost."""
    monkeypatch.setattr(networks_module, "OFFSETS", (BEFORE, -4, 0, 4, 16, AFTER))
    monkeypatch.setattr(networks_module, "OTHERS", (BEFORE, -1, AFTER))
    monkeypatch.setattr(measures_module, "CLOSELY", (BEFORE, 0, AFTER))
    monkeypatch.setattr(measures_module, "ImageSetting", functools.partial(ImageSetting, effort=CHEAP))


@pytest.mark.usefixtures("few_networks")
def test_everything_is_measured(root, monkeypatch):
    wanted = SeedMeasurement(PLAN, BROKEN)
    assert wanted.title == "g, seed 0"
    table = pickle.loads(pickle.dumps(wanted)).measure(root)  # as another process gets it
    assert set(table["part"]) == {"mixtures", "features", "gain", "accuracy", "edit"}
    for part, rows in table.groupby("part"):
        assert rows["value"].notna().mean() > 0.8, part
    # Claims are of seeds that collapse, which this one need not do.
    monkeypatch.setattr(BreakpointResults, "collapsed", lambda self: self.jump("fgsm", "accuracy", "pgd-10").notna())
    known = {result.claim.key: result for result in STUDY.judge(PLAN, {"measures": table})["g"]}
    in_shares = {
        "fast",
        "mixture_keeps_pace",
        "low_rank",
        "random_graft_harmless",
        "weights_carry_it",
        "removal_restores",
    }
    assert {key for key, result in known.items() if result.found.n == 0} <= in_shares  # of a fall there need not be


def test_a_study_whose_runs_fail_says_why_in_one_line(tmp_path):
    plan = plan_with({**SETTINGS, "data": {"name": "folder:nowhere"}, "model": {"name": "mlp"}}, seeds=(0,))
    with pytest.raises(RunError, match=r"^1 of 1 runs failed; \S+: .*nowhere"):
        STUDY.run(plan, StudyRunner(tmp_path, tmp_path / "out", jobs=1, device="cpu"))
