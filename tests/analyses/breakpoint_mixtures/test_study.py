"""The whole chain on small runs, with a breakpoint that is declared instead of found: is everything measured?"""

from pathlib import Path

import pandas as pd
import pytest
import torch

from analyses.breakpoint_mixtures import study
from analyses.breakpoint_mixtures.answers import answers
from analyses.breakpoint_mixtures.arms import AFTER, BEFORE, METHODS, OFFSETS, SHUFFLED, Plan, World
from analyses.breakpoint_mixtures.changes import changes
from analyses.breakpoint_mixtures.checkpoints import NORM_MATCHED, OTHERS, load_networks
from analyses.breakpoint_mixtures.measure import Unit
from analyses.breakpoint_mixtures.page import report_of
from analyses.breakpoint_mixtures.study import run_plan, why_left_out
from analyses.core.runner import RunCallbacks, StudyRunner
from cotoolkit.core.errors import RunError
from cotoolkit.pages import write_report
from cotoolkit.runs.checkpoints import evaluation_points
from cotoolkit.training.trainer import run
from tests._helpers.small import SMALL

BREAK, LAST = 34, 100
SETTINGS = {
    **SMALL,
    "epochs": 20,
    "evaluation": ["clean"],
    "box": "none",
    "monitor": {"interval": 1000, "points": 20, "steps": 1, "trace_every": 8},
    "intervention": {"name": "inject", "carrier": "paired", "beta": 0.1},
}
PLAN = Plan(scale="custom", worlds=(World(name="w", why="declared", settings=SETTINGS, seeds=(0,)),), points=16)
UNIT = Unit(PLAN, "w", 0, BREAK, LAST)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    breaks = pd.DataFrame([{"world": "w", "seed": 0, "breakpoint": BREAK, "iterations": LAST}])
    for config in PLAN.second_round(breaks).runs():
        run(config, root, device="cpu")
    return root


def test_seeds_that_cannot_be_used_are_named(root):
    row = {"world": "w", "seed": 0, "breakpoint": BREAK, "iterations": LAST, "verdict": ""}
    assert why_left_out(PLAN, root, row) == "pgd ended as not robust"  # after a hundred iterations
    assert why_left_out(PLAN, root, {**row, "breakpoint": 20}) == (
        "iterations -32 to +64 around the break are not all within training"
    )
    assert why_left_out(PLAN, root, {**row, "breakpoint": pd.NA, "verdict": "robust"}) == "FGSM did not break (robust)"


def test_networks_stand_at_the_same_iterations(root):
    networks = load_networks(PLAN, root, "w", 0, BREAK, LAST)
    arms = {place.arm for place in networks.places.values()}
    assert arms == {"start", *METHODS, SHUFFLED, NORM_MATCHED}
    offsets = {place.offset for place in networks.places.values() if place.arm == "fgsm"}
    assert offsets == {offset for offset in OFFSETS if 0 < BREAK + offset < LAST}
    assert {p.offset for p in networks.places.values() if p.arm == "pgd"} == {None, *(o for o in OTHERS if o > -BREAK)}
    start = networks.models[networks.start].state_dict()
    for name in ("fgsm", "pgd"):
        moved = networks.at(name, BEFORE).state_dict()
        assert not torch.equal(start["0.weight"], moved["0.weight"])
    before, after = networks.at("fgsm", BEFORE), networks.at("fgsm", AFTER)
    control = networks.at(NORM_MATCHED, AFTER)
    for name, weight in before.state_dict().items():
        if name.endswith("weight"):
            sizes = [float((net.state_dict()[name] - weight).norm()) for net in (after, control)]
            assert sizes[0] == pytest.approx(sizes[1], rel=1e-4)


def test_changes_of_the_images_have_one_norm():
    points = evaluation_points(PLAN.config("w", "fgsm", 0)).first(12)
    found = changes(points, seed=0)
    norms = [(images - points.images).flatten(1).norm(dim=1) for images in found.values()]
    for norm in norms:
        assert torch.allclose(norm, norms[0], rtol=1e-3)
    again = changes(points, seed=0)
    assert all(torch.equal(found[name], again[name]) for name in found)


def test_everything_is_measured_kept_and_shown(root, tmp_path):
    ended = []
    runner = StudyRunner(root, tmp_path, jobs=1, callbacks=RunCallbacks(on_measured=lambda *what: ended.append(what)))
    table = runner.measure([UNIT])
    assert ended == [("w, seed 0", 1, 1)]
    assert set(table["part"]) == {"mixtures", "features", "gain", "accuracy", "edit"}
    for part, rows in table.groupby("part"):
        assert rows["value"].notna().mean() > 0.8, part
    known = {result.claim.key: result for result in answers(table, "w")}
    in_shares = {
        "fast",
        "mixture_keeps_pace",
        "low_rank",
        "random_graft_harmless",
        "weights_carry_it",
        "removal_restores",
    }
    assert {key for key, result in known.items() if result.found.n == 0} <= in_shares  # of a fall there need not be
    same = runner.measure([UNIT])
    assert len(ended) == 1  # what is there is read
    assert same.equals(table)
    breaks = pd.DataFrame([{"world": "w", "seed": 0, "breakpoint": BREAK, "iterations": LAST}])
    page = write_report(report_of(study.Findings(PLAN, breaks, same, {})), tmp_path / "out")
    names = {file.name for file in page.parent.iterdir()}
    assert {"report.html", "courses.png", "layers.svg", "grafts.png", "claims-w.csv", "measures.parquet"} <= names
    text = page.read_text()
    assert "W world, seeds 1" in text


def test_a_study_whose_runs_fail_says_why_in_one_line(tmp_path):
    settings = {**SETTINGS, "data": {"name": "folder:nowhere"}, "model": {"name": "mlp"}}
    plan = Plan(scale="custom", worlds=(World(name="w", why="", settings=settings, seeds=(0,)),))
    with pytest.raises(RunError, match=r"^1 of 1 runs failed; \S+: .*nowhere"):
        run_plan(plan, StudyRunner(tmp_path, tmp_path / "out", jobs=1, device="cpu"))
