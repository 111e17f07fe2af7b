"""How much of a perturbation is the injected feature, along training and across the break.

The measures r and s are the spec's ([D], [H]): the quantitative form of the paper's pictures of perturbations before
and after the break, which are recollected [M].
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.watched import beside_break, courses, watched_study
from figures.co_features.world import WORLDS
from figures.elements import mark_breakpoint, percent, sheet, zero_line
from figures.recipe import Recipe
from figures.style import BLUE, PAGE, VERMILION

STUDIES: dict[Scale, tuple[Study, ...]] = {scale: (watched_study(world),) for scale, world in WORLDS.items()}

ABOVE_RANDOM = 0.2
"""s well above random, whose mean is 0 (ours)."""

ABOUT_RANDOM = 0.1
"""s about random (ours)."""

LIKE_RANDOM = 1.5
"""r over that of random signs, below which it counts as random (ours)."""

SOURCE = "ours: test of the shortcut, P9 (measure of the spec, [D][H])"


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm with the feature, seed and iteration."""
    found = courses(WORLDS[scale], runner)
    columns = ["arm", "seed", "iteration", "kept", "breakpoint", "before", "after", "random"]
    parts = [f"{attack}_{part}" for attack in ("fgsm", "pgd") for part in ("inside", "cancelled")]
    with_feature = found["arm"].isin(["fgsm_with", "pgd_with"])
    return found.loc[with_feature, columns + parts].reset_index(drop=True).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Energy in the span above, cancelling below; FGSM training left, PGD training right; one line per seed."""
    figure, axes = sheet(PAGE, 3.6, 2, 2, sharex=True, sharey="row")
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
        for index, (_, run) in enumerate(runs.groupby("seed")):
            named = f"perturbation of {label}" if index == 0 else None
            axis.plot(run["iteration"], run[f"{attack}_{part}"], color=colour, ls=line, lw=0.9, label=named)


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """The feature is attacked before the break and not after it."""
    random = float(data["random"].iloc[0])
    before, after = (beside_break(data, "fgsm_with", "fgsm_cancelled", side) for side in ("before", "after"))
    share_before, share_after = (beside_break(data, "fgsm_with", "fgsm_inside", side) for side in ("before", "after"))
    return [
        check(
            Claim(
                "cancels", "before the break FGSM cancels the own feature", "s of FGSM before the break (random: 0)",
                "above", ABOVE_RANDOM, 0.0, SOURCE,
            ),
            before,
        ),
        check(
            Claim("forgets", "after it, it does not", "s of FGSM after the break", "below", ABOUT_RANDOM, 0.0, SOURCE),
            after,
        ),
        check(
            Claim("falls", "s falls at the break", "s of FGSM: after less before", "below", 0.0, 0.0, SOURCE),
            after - before,
        ),
        check(
            Claim(
                "inside_before", "before the break FGSM lies in the span of the features more than random signs",
                "r of FGSM before the break, over rank / d", "above", LIKE_RANDOM, 1.0, SOURCE,
            ),
            share_before / random,
        ),
        check(
            Claim(
                "inside_after", "after it, no more than random signs", "r of FGSM after the break, over rank / d",
                "below", LIKE_RANDOM, 1.0, SOURCE,
            ),
            share_after / random,
        ),
        check(
            Claim(
                "pgd_keeps", "PGD training goes on being attacked through the feature",
                "s of FGSM on PGD-trained networks at the iteration after the break", "above", ABOVE_RANDOM, 0.0,
                SOURCE,
            ),
            beside_break(data, "pgd_with", "fgsm_cancelled", "after"),
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="co_features/feature_share",
    shows="How much of a perturbation cancels the injected feature, through training and across the break",
    item="perturbations before and after the break, in numbers (spec's measures [D][H])",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
