"""Accuracy over adversarial training, for typical and atypical images apart (F1 of the spec).

The study trains at three quarters of the radius that it evaluates at (see `analyses.memorisation.plan`), so that
"robust" asks for more than was trained; half the radius asks for less. At the full radius the balls around planted
harmful images and around those that they threaten overlap, and no network can fit both; so claims about fitting are
judged at the radius of training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.measurement import RunMeasurement
from analyses.core.plan import evenly
from analyses.core.runner import StudyRunner
from cotoolkit.data import load, planted_truth
from cotoolkit.data.image_set import as_float
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.plotting.style import BLUE, PAGE, VERMILION
from cotoolkit.runs.checkpoints import trained_series
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from figures.benign_at.data import PLANTED_PLANS, planted_plan
from figures.elements import new_figure, percent, seed_band
from figures.recipe import Recipe

PROTOCOL = "pgd-10"
GROUPS = {"typical": (BLUE, "s"), "atypical": (VERMILION, "o")}
TRAINED = "robust_trained"
EVENTS = {
    "clean": "clean accuracy",
    "robust_small": "under PGD-10, at ε/2",
    TRAINED: "PGD-10, at 3ε/4 as trained",
    "robust": "under PGD-10, at ε",
}
PARTS = {"train": "-", "test": "--"}

_SETTINGS = PLANTED_PLANS["digits"].groups["planted adversarial"].settings
COURSE_PLANS = {
    scale: planted_plan(scale, "course", {"watched": {"keep": evenly(_SETTINGS, 2000, 8)}}) for scale in PLANTED_PLANS
}
"""Plain adversarial training with weights kept over its course."""


def accuracy_course(run: RunFolder, *, radii: Mapping[str, float]) -> pd.DataFrame:
    """Accuracies at the kept iterations of a run on planted data, typical (common) and atypical (rare) images apart.

    Args:
        run: a finished run.
        radii: of the attack, by column, in the unit of the pixels.

    Returns:
        Columns iteration, part (train, test), group, clean, and one per radius.
    """
    config = run.config()
    splits = load(config.data, config.seed)
    threat = config.threat
    attacks = {name: (threat.scaled(radius / threat.epsilon), PROTOCOL) for name, radius in radii.items()}
    kept = run.kept()
    rows = []
    for iteration, model in zip(kept, trained_series(run, kept), strict=True):
        for part, data in (("train", splits.train), ("test", splits.test)):
            images, common = as_float(data.images), planted_truth(data.images).of_kind("common")
            right = {
                name: run_protocol(model, images, data.labels, where, protocol).correct.numpy()
                for name, (where, protocol) in {"clean": (threat, "clean"), **attacks}.items()
            }
            for group, members in (("typical", common), ("atypical", np.logical_not(common))):
                shares = {name: float(correct[members].mean()) for name, correct in right.items()}
                rows.append({"iteration": iteration, "part": part, "group": group, **shares})
    return pd.DataFrame(rows)


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per seed, iteration, part and group."""
    plan, radii = COURSE_PLANS[scale], PLANTED_PLANS[scale].radii["planted"]
    runner.train(plan.study())
    wanted = [
        RunMeasurement(
            r.config, accuracy_course, {"seed": r.seed}, {"radii": {TRAINED: r.config.threat.epsilon, **radii}}
        )
        for r in plan.runs()
    ]
    return runner.measure(wanted).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """A panel per event."""
    figure, axes = new_figure(PAGE, 2.4, 1, len(EVENTS), sharey=True)
    for axis, (event, title) in zip(axes, EVENTS.items(), strict=True):
        for group, (colour, marker) in GROUPS.items():
            for part, line in PARTS.items():
                rows = data[(data["group"] == group) & (data["part"] == part)]
                look: dict[str, Any] = {"colour": colour, "line": line, "marker": marker, "label": f"{group}, {part}"}
                seed_band(axis, rows, "iteration", event, **look)
        axis.set(xlabel="iteration", title=title, ylim=(-0.03, 1.03))
    percent(axes[0], "accuracy")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, handlelength=3.4)
    return figure


def _gap(robust: pd.DataFrame) -> pd.Series[float]:
    atypical, typical = (robust["train", group] - robust["test", group] for group in ("atypical", "typical"))
    return atypical - typical


def robust_at_the_end(data: pd.DataFrame) -> pd.DataFrame:
    """Robust accuracy at the radius of training, at its end: a row per seed, columns part and group."""
    last: pd.DataFrame = data[data["iteration"] == data["iteration"].max()]
    return last.pivot_table(index="seed", columns=["part", "group"], values=TRAINED)


_SOURCE = "ours: F1 [R], after finding (a)"

_PGD = "PGD-10 accuracy at the radius of training"

FITTED: ClaimRow[pd.DataFrame] = claim(
    "fitted", "Atypical training images are fitted robustly at the radius of training",
    f"{_PGD} on all atypical training images at the end",
    above=0.5, source=_SOURCE, value=lambda robust: robust["train", "atypical"],
)  # fmt: skip

CLAIMS = ClaimTable(
    (
        FITTED,
        claim(
            "not_carried_over",
            "Robustness at the radius of training carries over from training to test images less for atypical than for "
            "typical ones",
            f"{_PGD}, all training minus all test images: atypical minus typical",
            above=0.0, source=_SOURCE, premises=[FITTED], value=_gap,
        ),
    ),
    read=robust_at_the_end,
)  # fmt: skip
"""Atypical images are fitted robustly, and stay fragile in the test set."""


RECIPE = Recipe(
    name="benign_at/course",
    shows="Clean and robust accuracy over adversarial training, of typical and of atypical images",
    item="Accuracy over training, on planted data; the paper's own figure could not be read",
    studies={scale: (plan.study(),) for scale, plan in COURSE_PLANS.items()},
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
