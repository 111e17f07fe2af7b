"""Figure 1: robust and clean accuracy of FGSM training against the strength of the injected feature, by radius."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from analyses.core.statistics import estimate
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.world import WORLDS, World, world_of
from figures.elements import band, percent, sheet
from figures.recipe import Comparison, Recipe, table_of
from figures.style import CYCLE, DASHES, MARKERS, PAGE

DIGITISED = Path(__file__).parent / "digitised.csv"
"""The paper's figure, read off its picture: accuracies in percent by epsilon and beta, both in 1/255.

The error is about half a point, and 1.5 points for robust accuracies between 1 and 3 %. Each is the mean over (most
likely) three seeds. Values that another line hides are missing.
"""

DEAD = 0.05
"""Robust accuracy below which a cell counts as broken (the paper's cells in the window lie below 5 %)."""


def _study(world: World) -> Study:
    cells = [world.arm(beta, epsilon=epsilon) for epsilon in world.epsilons for beta in world.betas]
    return world.study("figure-1", cells)


STUDIES: dict[Scale, tuple[Study, ...]] = {scale: (_study(world),) for scale, world in WORLDS.items()}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per radius, strength and seed; beside them the paper's numbers (series "paper", digitised)."""
    table = table_of(runner, STUDIES[scale])
    robust = table[WORLDS[scale].accuracy]
    ours = table[["epsilon", "beta", "seed", "clean", "breakpoint"]].assign(robust=robust, series="ours")
    printed = pd.read_csv(DIGITISED)
    paper = printed.assign(epsilon=printed["epsilon"] / 255, beta=printed["beta"] / 255, series="paper")
    paper[["robust", "clean"]] /= 100
    return pd.concat([ours, paper], ignore_index=True).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Ours above, the paper's below; strengths in units of the radius, so that the two can be compared."""
    figure, axes = sheet(PAGE, 4.2, 2, 2, sharey=True, sharex=True)
    for row, (series, title) in zip(axes, (("ours", "ours"), ("paper", "paper (digitised)")), strict=True):
        cells = data[data["series"] == series].assign(strength=data["beta"] / data["epsilon"])
        for axis, measure in zip(row, ("robust", "clean"), strict=True):
            for index, (epsilon, line) in enumerate(cells.groupby("epsilon")):
                radius = cast("float", epsilon)
                shown = f"{radius:g}" if series == "ours" else f"{radius * 255:.0f}/255"
                look = {"colour": CYCLE[index], "line": DASHES[index], "marker": MARKERS[index], "markevery": 1}
                look |= {"label": f"ε = {shown}", "ms": 3 if series == "ours" else 1.5}
                band(axis, line, "strength", measure, **look)
            percent(axis)
            axis.set(title=f"{measure} accuracy, {title}", ylim=(-0.03, 1.03))
        row[0].legend(loc="lower right")
        row[0].set(ylabel="accuracy (%)")
    for axis in axes[1]:
        axis.set(xlabel="strength of the feature, β / ε", xlim=(-0.1, 4.5))
    return figure


def _cells(data: pd.DataFrame, measure: str = "robust") -> pd.DataFrame:
    """Our measure: rows are seeds, columns (epsilon, beta)."""
    return data[data["series"] == "ours"].pivot_table(index="seed", columns=["epsilon", "beta"], values=measure)


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """P1 and P4 of the spec, and the signs of collapse that the figure shows."""
    world, robust, clean = world_of(data), _cells(data), _cells(data, "clean")
    epsilon, beta, most = world.epsilon, world.beta, max(world.betas)
    weak = max(one for one in world.betas if one < beta)
    dead = (robust < DEAD).T.groupby(level="epsilon").sum().T
    source, derived = "paper [F]: Figure 1", "ours: derived [D] from Figure 1"
    return [
        check(
            Claim(
                "P1", "the feature induces collapse at a radius that is safe without it",
                f"robust accuracy at ε {epsilon:g}: β 0 less β {beta:g}", "above", 0.2, 0.0, source,
            ),
            robust[epsilon, 0.0] - robust[epsilon, beta],
        ),
        check(
            Claim(
                "dead", "in the window robust accuracy is below 5 %", f"robust accuracy at ε {epsilon:g}, β {beta:g}",
                "below", DEAD, 0.0, source,
            ),
            robust[epsilon, beta],
        ),
        check(
            Claim(
                "P4", "a feature that is strong enough gives robustness again",
                f"robust accuracy at ε {epsilon:g}: β {most:g} less β {beta:g}", "above", 0.2, 0.0, source,
            ),
            robust[epsilon, most] - robust[epsilon, beta],
        ),
        check(
            Claim(
                "smallest", "at the smallest radius there is no collapse",
                f"least robust accuracy over β at ε {min(world.epsilons):g}", "above", 0.2, 0.0, source,
            ),
            robust[min(world.epsilons)].T.min(),
        ),
        check(
            Claim(
                "widens", "the window widens with the radius",
                "broken strengths at the largest radius less those at the smallest", "above", 0.0, 0.0, derived,
            ),
            (dead[max(world.epsilons)] - dead[min(world.epsilons)]).astype(float),
        ),
        check(
            Claim(
                "jump", "collapse announces itself by a jump of clean accuracy",
                f"clean accuracy at ε {epsilon:g}: β {beta:g} less β {weak:g}", "above", 0.0, 0.0, derived,
            ),
            clean[epsilon, beta] - clean[epsilon, weak],
        ),
    ]  # fmt: skip


def compare(data: pd.DataFrame) -> list[Comparison]:
    """Where the window begins and ends, in units of the radius."""
    world, robust = world_of(data), _cells(data)
    found = robust[world.epsilon] < DEAD
    betas = np.array(found.columns, dtype=float) / world.epsilon
    first = [betas[row].min() if row.any() else np.nan for row in found.to_numpy()]
    last = [betas[row].max() if row.any() else np.nan for row in found.to_numpy()]
    remark = f"grid of {len(betas)} strengths at scale {world.scale}; other data and network than the paper's"
    source = "[F] Figure 1, derived from digitised values"
    return [
        Comparison("smallest broken β/ε", "1.5 (ε 4/255), 1.33 (ε 6/255)", source, estimate(first), remark),
        Comparison("largest broken β/ε", "2 (ε 4/255), 2.2 (ε 6/255)", source, estimate(last), remark),
    ]


RECIPE = Recipe(
    name="co_features/figure_1",
    shows="An injected feature breaks FGSM training in a window of strengths, and saves it beyond",
    item="Figure 1 (both panels)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
    compare=compare,
)
