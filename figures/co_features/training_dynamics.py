"""Training with and without the injected feature: accuracies and curvature of the loss by iteration.

That the paper has such a figure, and that curvature grows in two phases, is recollected ([M] in the spec): tested here
as hypotheses of ours. The jumps of accuracy at the break follow from the abstract's "shortcut" [P] and Figure 1 [F].
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.watched import beside_break, courses, watched_study
from figures.co_features.world import WORLDS
from figures.elements import band, mark_breakpoint, percent, sheet
from figures.recipe import Recipe
from figures.style import BLUE, GREY, PAGE, SKY, VERMILION

ARMS = {
    "fgsm_with": ("FGSM with the feature", VERMILION, "-"),
    "fgsm_without": ("FGSM without", GREY, "-."),
    "pgd_with": ("PGD with the feature", BLUE, "--"),
    "pgd_without": ("PGD without", SKY, ":"),
}

STUDIES: dict[Scale, tuple[Study, ...]] = {scale: (watched_study(world),) for scale, world in WORLDS.items()}

HYPOTHESIS = "ours: hypothesis, recollected [M], P8"


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm, seed and kept iteration."""
    columns = ["arm", "seed", "iteration", "clean", "fgsm", "pgd", "curvature", "breakpoint", "before", "after"]
    found = courses(WORLDS[scale], runner)
    return found.loc[found["kept"], columns].reset_index(drop=True).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Accuracy of FGSM training and of PGD training, and the curvature of all."""
    figure, axes = sheet(PAGE, 2.6, 1, 3)
    for axis, arm, title in zip(axes, ("fgsm_with", "pgd_with"), ("FGSM training", "PGD training"), strict=False):
        of_arm = data[data["arm"] == arm]
        for measure, label, line in (("clean", "clean", ":"), ("fgsm", "under FGSM", "-"), ("pgd", "PGD-10", "--")):
            colour = {"clean": GREY, "fgsm": VERMILION, "pgd": BLUE}[measure]
            _by_seed(axis, of_arm, measure, colour, line, label)
        percent(axis, "accuracy")
        axis.set(
            title=f"{title}, with the feature", xlabel="iteration", ylim=(-0.03, 1.13), yticks=np.arange(0, 1.1, 0.2)
        )
    axes[1].legend(loc="lower right")
    for arm, (label, colour, line) in ARMS.items():
        of_arm = data[(data["arm"] == arm) & (data["curvature"] > 0)]
        if arm == "fgsm_with":
            _by_seed(axes[2], of_arm, "curvature", colour, line, label)
        else:
            band(axes[2], of_arm, "iteration", "curvature", colour=colour, line=line, label=label)
    axes[2].set(title="curvature", xlabel="iteration", ylabel="top eigenvalue of the Hessian", yscale="log")
    axes[2].set_ylim(top=10 * data["curvature"].max())  # room for the mark of the break
    figure.legend(*axes[2].get_legend_handles_labels(), loc="outside lower right", ncols=4)
    breaks = sorted(data.loc[data["arm"] == "fgsm_with", "breakpoint"].dropna().unique())
    for axis in (axes[0], axes[2]):
        for index, one in enumerate(breaks):
            mark_breakpoint(axis, one, named=index == len(breaks) - 1)
    return figure


def _by_seed(axis: Axes, data: pd.DataFrame, measure: str, colour: str, line: str, label: str) -> None:
    """One line per seed: means over seeds that break at different times would show no break."""
    for index, (_, run) in enumerate(data.groupby("seed")):
        axis.plot(run["iteration"], run[measure], color=colour, ls=line, lw=0.9, label=label if index == 0 else None)


def _ratio(data: pd.DataFrame, arm: str, side: str, other: str, other_side: str) -> np.ndarray:
    """Decimal logarithm of one curvature over another, per seed with a break."""
    above, below = (beside_break(data, name, "curvature", where) for name, where in ((arm, side), (other, other_side)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios: np.ndarray = np.log10(above / below)
    return ratios


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """P8 and P9; thresholds are ours. "Before" and "after" are kept iterations on both sides of the break."""
    factor, first = "log10 of a ratio of curvatures", sorted(data["iteration"].unique())[1]
    data = data.assign(early=data["before"].where(data["before"].isna(), first))
    rises = [
        check(
            Claim(
                f"early_{arm}", f"with the feature, curvature rises before the break: {ARMS[arm][0]}",
                f"{factor}: before the break over {ARMS[arm][0].split()[0]}'s first kept iteration", "above", 0.0, 0.0,
                HYPOTHESIS,
            ),
            _ratio(data, arm, "before", arm, "early"),
        )
        for arm in ("fgsm_with", "pgd_with")
    ]  # fmt: skip
    higher = [
        check(
            Claim(
                f"higher_{method}", f"it is higher on injected data than on the data as they are: {method.upper()}",
                f"{factor}: with over without the feature, before the break", "above", 0.0, 0.0, HYPOTHESIS,
            ),
            _ratio(data, f"{method}_with", "before", f"{method}_without", "before"),
        )
        for method in ("fgsm", "pgd")
    ]  # fmt: skip
    return [
        *rises,
        *higher,
        check(
            Claim(
                "explodes", "curvature of FGSM training explodes at the break", f"{factor}: FGSM, after over before",
                "above", float(np.log10(2)), 0.0, HYPOTHESIS,
            ),
            _ratio(data, "fgsm_with", "after", "fgsm_with", "before"),
        ),
        check(
            Claim(
                "tenfold", "after the break it is at least ten times that of PGD training",
                f"{factor}: FGSM over PGD at the same iteration", "above", 1.0, 0.0,
                "ours: hypothesis, recollected [M], P8; the factor is the spec's",
            ),
            _ratio(data, "fgsm_with", "after", "pgd_with", "after"),
        ),
        check(
            Claim(
                "fgsm_jump", "FGSM accuracy jumps at the break", "FGSM accuracy: after less before", "above", 0.1, 0.0,
                "ours: test of the shortcut, P9",
            ),
            beside_break(data, "fgsm_with", "fgsm", "after") - beside_break(data, "fgsm_with", "fgsm", "before"),
        ),
        check(
            Claim(
                "clean_jump", "clean accuracy jumps at the break", "clean accuracy: after less before", "above", 0.0,
                0.0, "ours: test of the shortcut, P9; the paper's figure 1 [F] shows it over β, not over time",
            ),
            beside_break(data, "fgsm_with", "clean", "after") - beside_break(data, "fgsm_with", "clean", "before"),
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="co_features/training_dynamics",
    shows="Accuracy and curvature through training: FGSM breaks on injected data, PGD does not",
    item="training dynamics (recollected [M]; number not found)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
