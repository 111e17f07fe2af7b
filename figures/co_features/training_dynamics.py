"""Training with and without the injected feature: accuracies and curvature of the loss by iteration.

That the paper has such a figure, and that curvature grows in two phases, is recollected ([M] in the spec): tested here
as hypotheses of ours. The jumps of accuracy at the break follow from the abstract's "shortcut" [P] and Figure 1 [F].
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import CHANCE, ROBUST
from analyses.core.runner import StudyRunner
from cotoolkit.plotting.style import BLUE, GREY, PAGE, SKY, VERMILION
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.around_breakpoint import (
    IMAGES,
    POINTS,
    beside_breakpoint,
    kept_study,
    run_courses,
)
from figures.co_features.setups.setup import SETUPS
from figures.elements import mark_breakpoint, new_figure, percent, seed_band, seed_lines
from figures.recipe import Recipe

ARMS = {
    "fgsm_with": ("FGSM with the feature", VERMILION, "-"),
    "fgsm_without": ("FGSM without", GREY, "-."),
    "pgd_with": ("PGD with the feature", BLUE, "--"),
    "pgd_without": ("PGD without", SKY, ":"),
}

STUDIES: dict[Scale, tuple[Study, ...]] = {scale: (kept_study(setup),) for scale, setup in SETUPS.items()}

HYPOTHESIS = "ours: hypothesis, recollected [M], P8"


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm, seed and kept iteration."""
    columns = ["arm", "seed", "iteration", "clean", "fgsm", "pgd", "curvature", "breakpoint", "before", "after"]
    found = run_courses(SETUPS[scale], runner)
    return found.loc[found["kept"], columns].reset_index(drop=True).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Accuracy of FGSM training and of PGD training, and the curvature of all."""
    figure, axes = new_figure(PAGE, 2.6, 1, 3)
    for axis, arm, title in zip(axes, ("fgsm_with", "pgd_with"), ("FGSM training", "PGD training"), strict=False):
        of_arm = data[data["arm"] == arm]
        for measure, label, line in (("clean", "clean", ":"), ("fgsm", "under FGSM", "-"), ("pgd", "PGD-10", "--")):
            colour = {"clean": GREY, "fgsm": VERMILION, "pgd": BLUE}[measure]
            seed_lines(axis, of_arm, "iteration", measure, colour=colour, ls=line, lw=0.9, label=label)
        percent(axis, "accuracy")
        axis.set(
            title=f"{title}, with the feature", xlabel="iteration", ylim=(-0.03, 1.13), yticks=np.arange(0, 1.1, 0.2)
        )
    axes[1].legend(loc="lower right")
    for arm, (label, colour, line) in ARMS.items():
        of_arm = data[(data["arm"] == arm) & (data["curvature"] > 0)]
        if arm == "fgsm_with":
            seed_lines(axes[2], of_arm, "iteration", "curvature", colour=colour, ls=line, lw=0.9, label=label)
        else:
            seed_band(axes[2], of_arm, "iteration", "curvature", colour=colour, line=line, label=label)
    axes[2].set(title="curvature", xlabel="iteration", ylabel="top eigenvalue of the Hessian", yscale="log")
    axes[2].set_ylim(top=10 * data["curvature"].max())  # room for the mark of the break
    figure.legend(*axes[2].get_legend_handles_labels(), loc="outside lower right", ncols=4)
    breaks = sorted(data.loc[data["arm"] == "fgsm_with", "breakpoint"].dropna().unique())
    for axis in (axes[0], axes[2]):
        for index, one in enumerate(breaks):
            mark_breakpoint(axis, one, named=index == len(breaks) - 1)
    return figure


def _ratio(data: pd.DataFrame, arm: str, side: str, other: str, other_side: str) -> np.ndarray:
    """Decimal logarithm of one curvature over another, per seed with a break."""
    above, below = (
        beside_breakpoint(data, name, "curvature", where) for name, where in ((arm, side), (other, other_side))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios: np.ndarray = np.log10(above / below)
    return ratios


def _jump(data: pd.DataFrame, measure: str) -> np.ndarray:
    """A measure of FGSM training after its breakpoint, minus before."""
    before, after = (beside_breakpoint(data, "fgsm_with", measure, side) for side in ("before", "after"))
    jump: np.ndarray = after - before
    return jump


FACTOR = f"log10 of a ratio of curvatures on {IMAGES} training images"
ON = f"on {POINTS} test images"

ROBUST_BEFORE: ClaimRow[pd.DataFrame] = claim(
    "robust_before", "Before the break FGSM training is robust", f"PGD-10 accuracy {ON} before the break", above=ROBUST,
    null=CHANCE, value=lambda data: beside_breakpoint(data, "fgsm_with", "pgd", "before"),
)  # fmt: skip


def _higher(method: str) -> ClaimRow[pd.DataFrame]:
    return claim(
        f"higher_{method}", f"{method.upper()} training: curvature is higher with the feature than without it",
        f"{FACTOR}: with over without the feature, before the break", above=0.0, source=HYPOTHESIS,
        value=lambda data: _ratio(data, f"{method}_with", "before", f"{method}_without", "before"),
        premises=(ROBUST_BEFORE,),
    )  # fmt: skip


CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        _higher("fgsm"),
        _higher("pgd"),
        claim(
            "explodes", "Curvature of FGSM training at least doubles at the break", f"{FACTOR}: after over before",
            above=float(np.log10(2)), source=HYPOTHESIS,
            value=lambda data: _ratio(data, "fgsm_with", "after", "fgsm_with", "before"), premises=(ROBUST_BEFORE,),
        ),
        claim(
            "tenfold", "After the break curvature of FGSM training is at least ten times that of PGD training",
            f"{FACTOR}: FGSM over PGD at the same iteration", above=1.0,
            source="ours: hypothesis, recollected [M], P8; the factor is ours",
            value=lambda data: _ratio(data, "fgsm_with", "after", "pgd_with", "after"), premises=(ROBUST_BEFORE,),
        ),
        claim(
            "fgsm_jump", "FGSM accuracy jumps at the break", f"FGSM accuracy {ON}: after minus before", above=0.1,
            source="ours: test of the shortcut, P9", value=lambda data: _jump(data, "fgsm"),
            premises=(
                ROBUST_BEFORE,
                claim(
                    "room", "Before the break FGSM accuracy leaves room for the jump", f"FGSM accuracy {ON}",
                    below=0.9, value=lambda data: beside_breakpoint(data, "fgsm_with", "fgsm", "before"),
                ),
            ),
        ),
        claim(
            "clean_jump", "Clean accuracy jumps at the break", f"clean accuracy {ON}: after minus before", above=0.0,
            source="ours: test of the shortcut, P9; the paper's figure 1 [F] shows it over β, not over time",
            value=lambda data: _jump(data, "clean"),
            premises=(
                ROBUST_BEFORE,
                claim(
                    "room", "Before the break there are errors on clean images", f"clean accuracy {ON}", below=0.99,
                    value=lambda data: beside_breakpoint(data, "fgsm_with", "clean", "before"),
                ),
            ),
        ),
    ),
    read=lambda data: data,
)  # fmt: skip
"""P8 and P9; thresholds are ours. "Before" and "after" are kept iterations on both sides of the breakpoint.

That curvature rises from the first iterations to the break is no claim: a network at its start has next to none, with
the feature or without.
"""


RECIPE = Recipe(
    name="co_features/training_dynamics",
    shows="Accuracy and curvature through FGSM training and PGD training on data with the feature",
    item="Training dynamics (recollected; its number in the paper was not found)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
