"""SORA (ICML 2026): PertAlign and the linearity coefficient around the break, and the rule that reads them.

Definitions, the rule (means of the first and the last quarter of a sliding window differ by at least 0.5) and the 0.98
were read in SORA's code. The length of its window was not found: 64 values (ours, as in `monitor.early_warning`), which
are 128 iterations here. SORA's attack starts from noise, these runs' from the image, where gradients of points that are
classified with confidence are small: so the coefficient, a ratio to them, can be far above 1. That the rule warns in
time, and only of breaks, is a hypothesis of ours.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from analyses.core.judging.premises import MOST
from analyses.core.judging.seed_measures import SeedShare
from analyses.early_warning.scoring.rules import PUBLISHED, statistic_series
from cotoolkit.monitor.early_warning import Level
from cotoolkit.plotting.style import GREY, PAGE, VERMILION
from figures.elements import mark_breakpoint, new_figure, seed_bands
from figures.field.breakpoint_statistics import (
    ARM_LOOKS,
    STUDIES,
    aligned,
    breakpoints,
    collect_statistics,
    in_every_seed,
)
from figures.recipe import Recipe

SOURCE = "ours: hypothesis on a signal that was read in SORA's code"

RULE = PUBLISHED["SORA 2026: PertAlign falls by 0.5 within a window"]

SPACING = 8
"""Iterations that are drawn as one."""

NEAR = 16
"""Iterations on each side of the break whose means are compared; the four nearest to it are left out (ours)."""

FULL_STEP = 0.98
"""Coefficient up from which SORA takes the full step; the mean over steps has the weight 0.05 for the newest."""


def trace(data: pd.DataFrame, arm: str, seed: int, signal: str) -> pd.DataFrame:
    """A recorded signal of a run: columns iteration and the signal's name.

    Args:
        data: the table of the figure.
        arm: "breaks" or "intact".
        seed: of the run.
        signal: "pert_align" or "linearity".

    Returns:
        A row per iteration.
    """
    rows = data[(data["arm"] == arm) & (data["seed"] == seed) & (data["statistic"] == signal)]
    return rows[["iteration", "value"]].rename(columns={"value": signal}).sort_values("iteration")


def alarms(data: pd.DataFrame, arm: str) -> dict[int, list[int]]:
    """Iterations at which SORA's rule fires, by seed.

    Args:
        data: the table of the figure.
        arm: "breaks" or "intact".

    Returns:
        Iterations, ascending.
    """
    found = {}
    for seed in sorted(data["seed"].unique().tolist()):
        known = trace(data, arm, seed, RULE.signal)
        series = statistic_series(known, RULE.signal, RULE.direction, RULE.statistic)
        raised = series.alarms(RULE.threshold, int(known["iteration"].max()))
        found[seed] = [alarm.start for alarm in raised]
    return found


def draw(data: pd.DataFrame) -> Figure:
    """Both signals against iterations since the break; triangles on the axis where the rule fires first."""
    figure, axes = new_figure(PAGE, 2.5, 1, 2, sharex=True)
    shown = in_every_seed(aligned(data, ("pert_align", "linearity"), SPACING))
    at = breakpoints(data)
    for axis, signal, title in zip(
        axes, ("pert_align", "linearity"), ("PertAlign", "linearity coefficient λ"), strict=True
    ):
        seed_bands(axis, shown[shown["statistic"] == signal], "arm", ARM_LOOKS, "offset", "value")
        mark_breakpoint(axis, 0)
        axis.set(title=title, xlabel="iterations since the break")
    first = [fired[0] - at[seed] for seed, fired in alarms(data, "breaks").items() if fired and seed in at]
    low, high = axes[0].get_ylim()
    axes[0].plot(
        first, [low] * len(first), "^", color=VERMILION, mec="black", mew=0.5, ms=5, clip_on=False, ls="",
        label="rule fires first", zorder=5,
    )  # fmt: skip
    axes[0].set(ylabel="mean cosine", ylim=(low, high))
    axes[1].axhline(FULL_STEP, color=GREY, lw=0.7)
    axes[1].annotate("full step", (1, FULL_STEP), (0, 2), xycoords=("axes fraction", "data"), ha="right", fontsize=6.5,
                     textcoords="offset points")  # fmt: skip
    axes[1].set(ylabel="mean ⟨sign g, g′⟩ / ‖g‖₁", yscale="symlog", ylim=(-0.3, None))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def means_around(data: pd.DataFrame, signal: str) -> pd.DataFrame:
    """Means of a signal over the iterations just before and just behind the break; a row per seed that broke.

    Args:
        data: the table of the figure.
        signal: "pert_align" or "linearity".

    Returns:
        Columns before and after; the index is the seed.
    """
    found = {}
    for seed, at in breakpoints(data).items():
        known = trace(data, "breaks", seed, signal)
        away = known["iteration"] - at
        before, after = away.between(-NEAR - 4, -5), away.between(5, NEAR + 4)
        found[seed] = {"before": known.loc[before, signal].mean(), "after": known.loc[after, signal].mean()}
    return pd.DataFrame.from_dict(found, orient="index", columns=["before", "after"])


def lead(data: pd.DataFrame) -> pd.Series:
    """Iterations from the rule's first alarm to the break, by seed; nan where it never fires."""
    at = breakpoints(data)
    fired = alarms(data, "breaks")
    return pd.Series({seed: at[seed] - fired[seed][0] if fired[seed] else float("nan") for seed in at})


def smoothed_before(data: pd.DataFrame) -> pd.Series:
    """SORA's running mean of the linearity coefficient at the break, by seed."""
    found = {}
    for seed, at in breakpoints(data).items():
        known = trace(data, "breaks", seed, "linearity")
        level, last = Level(0.05), float("nan")
        for value in known.loc[known["iteration"] < at, "linearity"].dropna():
            last = level.update(value)
        found[seed] = last
    return pd.Series(found)


def _fall(data: pd.DataFrame, signal: str) -> pd.Series[float]:
    """Mean of a signal before the breakpoint minus after it, by seed."""
    means = means_around(data, signal)
    return means["before"] - means["after"]


def _fires_alone(data: pd.DataFrame) -> SeedShare:
    """Seeds without a break in which the rule fires all the same."""
    broken = breakpoints(data, "intact")
    return SeedShare([bool(fired) for seed, fired in alarms(data, "intact").items() if seed not in broken])


MEANS = f"mean of {NEAR} iterations before the break minus after it, on training batches"

CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        claim(
            "align_falls", "PertAlign falls at the break", f"PertAlign: {MEANS}", above=0.2, source=SOURCE,
            value=lambda data: _fall(data, "pert_align"),
            premises=(
                claim(
                    "room", "PertAlign is high enough before the break to fall by that", "PertAlign before the break",
                    above=0.2, value=lambda data: means_around(data, "pert_align")["before"],
                ),
            ),
        ),
        claim(
            "linearity_falls", "The linearity coefficient falls at the break", f"linearity coefficient: {MEANS}",
            above=0.2, source=SOURCE, value=lambda data: _fall(data, "linearity"),
        ),
        claim(
            "fires", "SORA's rule notices the break", "share of broken seeds in which it fires", above=MOST,
            source="ours: hypothesis on a rule that was read in SORA's code",
            value=lambda data: SeedShare(lead(data).notna()),
        ),
        claim(
            "in_time", "SORA's rule fires before the break, or with it",
            "share of broken seeds in which it fires no later than at the breakpoint", above=MOST,
            source="ours: hypothesis; nobody reports how early the rule is",
            value=lambda data: SeedShare(lead(data) >= 0),
        ),
        claim(
            "silent", "SORA's rule is silent without a break", "share of intact seeds in which it fires", below=MOST,
            source="ours: hypothesis; nobody reports false alarms", value=_fires_alone,
        ),
        claim(
            "curved_already", "Before the break the loss is too curved for SORA's full step already",
            "running mean of the linearity coefficient at the break, on training batches", below=FULL_STEP, null=1.0,
            source="ours: hypothesis; 0.98 read in SORA's code", value=smoothed_before,
        ),
    ),
    read=lambda data: data,
)  # fmt: skip
"""Both signals fall; the rule fires in time, and only where there is a break."""


RECIPE = Recipe(
    name="field/pertalign_timeline",
    shows="PertAlign and the linearity coefficient against iterations since the break, and when SORA's rule fires",
    item="SORA 2026: PertAlign around the break",
    studies=STUDIES,
    collect=collect_statistics,
    draw=draw,
    claims=CLAIMS,
)
