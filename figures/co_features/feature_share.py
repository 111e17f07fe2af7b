"""How much of a perturbation is the injected feature, along training and across the break.

The measures r and s are the spec's ([D], [H]): the quantitative form of the paper's pictures of perturbations before
and after the break, which are recollected [M].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.runner import StudyRunner
from cotoolkit.plotting.style import BLUE, PAGE, VERMILION
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.around_breakpoint import POINTS, beside_breakpoint, kept_study, run_courses
from figures.co_features.setups.setup import SETUPS
from figures.elements import mark_breakpoint, new_figure, percent, seed_lines, zero_line
from figures.recipe import Recipe

STUDIES: dict[Scale, tuple[Study, ...]] = {scale: (kept_study(setup),) for scale, setup in SETUPS.items()}

ABOVE_RANDOM = 0.2
"""s well above random, whose mean is 0 (ours)."""

ABOUT_RANDOM = 0.1
"""s about random (ours)."""

LIKE_RANDOM = 1.5
"""r over that of random signs, below which it counts as random (ours)."""

SOURCE = "ours: test of the shortcut, P9 (measure [D][H])"


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm with the feature, seed and iteration."""
    found = run_courses(SETUPS[scale], runner)
    columns = ["arm", "seed", "iteration", "kept", "breakpoint", "before", "after", "random"]
    parts = [f"{attack}_{part}" for attack in ("fgsm", "pgd") for part in ("inside", "cancelled")]
    with_feature = found["arm"].isin(["fgsm_with", "pgd_with"])
    return found.loc[with_feature, columns + parts].reset_index(drop=True).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Energy in the span above, cancelling below; FGSM training left, PGD training right; one line per seed."""
    figure, axes = new_figure(PAGE, 3.6, 2, 2, sharex=True, sharey="row")
    for column, (arm, title) in enumerate((("fgsm_with", "FGSM training"), ("pgd_with", "PGD training"))):
        runs = data[data["arm"] == arm]
        for axis, part in zip(axes[:, column], ("inside", "cancelled"), strict=True):
            _lines(axis, runs, part)
            for index, one in enumerate(sorted(runs["breakpoint"].dropna().unique(), reverse=True)):
                mark_breakpoint(axis, one, named=index == 0)
        axes[0, column].axhline(data["random"].iloc[0], color="black", lw=0.8, ls=":", label="random signs")
        zero_line(axes[1, column])
        axes[0, column].set(title=title)
        axes[1, column].set(xlabel="iteration")
        percent(axes[0, column])
    axes[0, 0].set(ylabel="energy in span V, r (%)", ylim=(0, None))
    axes[1, 0].set(ylabel="cancelling of own feature, s")
    axes[0, 1].legend(loc="upper right")
    return figure


def _lines(axis: Axes, runs: pd.DataFrame, part: str) -> None:
    for attack, label, colour, line in (("fgsm", "FGSM step", VERMILION, "-"), ("pgd", "PGD-10", BLUE, "--")):
        named = f"perturbation of {label}"
        seed_lines(axis, runs, "iteration", f"{attack}_{part}", colour=colour, ls=line, lw=0.9, label=named)


class _Results(NamedTuple):
    """Of the networks that broke at their breakpoint; `random` is r of random signs."""

    data: pd.DataFrame
    random: float

    def cancelled(self, side: str, arm: str = "fgsm_with") -> np.ndarray:
        """S of FGSM before or after the breakpoint, one number per seed that broke."""
        return beside_breakpoint(self.data, arm, "fgsm_cancelled", side)

    def inside(self, side: str) -> np.ndarray:
        """R of FGSM before or after the breakpoint, over that of random signs."""
        return beside_breakpoint(self.data, "fgsm_with", "fgsm_inside", side) / self.random


CANCELS: ClaimRow[_Results] = claim(
    "cancels", "Before the break FGSM cancels the feature of the own class",
    f"s of FGSM on {POINTS} test images before the break (random: 0)", above=ABOVE_RANDOM, source=SOURCE,
    value=lambda n: n.cancelled("before"),
)  # fmt: skip
INSIDE: ClaimRow[_Results] = claim(
    "inside_before", "Before the break FGSM lies in the span of the features more than random signs do",
    f"r of FGSM on {POINTS} test images before the break, over rank / d", above=LIKE_RANDOM, null=1.0, source=SOURCE,
    value=lambda n: n.inside("before"),
)  # fmt: skip

CLAIMS: ClaimTable[_Results] = ClaimTable(
    (
        CANCELS,
        claim(
            "not_after", "After the break FGSM does not cancel the feature any more",
            f"s of FGSM on {POINTS} test images after the break (random: 0)", below=ABOUT_RANDOM, source=SOURCE,
            value=lambda n: n.cancelled("after"), premises=(CANCELS,),
        ),
        INSIDE,
        claim(
            "inside_after", "After the break FGSM lies in the span of the features no more than random signs do",
            f"r of FGSM on {POINTS} test images after the break, over rank / d", below=LIKE_RANDOM, null=1.0,
            source=SOURCE, value=lambda n: n.inside("after"), premises=(INSIDE,),
        ),
        claim(
            "pgd_keeps", "PGD-trained networks go on being attacked through the feature",
            f"s of FGSM on {POINTS} test images, on PGD-trained networks at the iteration after the break",
            above=ABOVE_RANDOM, source=SOURCE, value=lambda n: n.cancelled("after", "pgd_with"), premises=(CANCELS,),
        ),
    ),
    read=lambda data: _Results(data, float(data["random"].iloc[0])),
)  # fmt: skip
"""The feature is attacked before the breakpoint and not after it."""


RECIPE = Recipe(
    name="co_features/feature_share",
    shows="Share of a perturbation's energy in the features' span, and how much of it cancels the own feature",
    item="Perturbations before and after the break, in numbers; the measures are ours",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
