"""Figure 1: robust and clean accuracy of FGSM training against the strength of the injected feature, by radius."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, cast

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from analyses.core.runner import StudyRunner
from analyses.core.statistics import estimate
from cotoolkit.plotting.style import CYCLE, DASHES, MARKERS, PAGE
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.grid_points import window
from figures.co_features.setups.setup import SETUPS, Setup, setup_of
from figures.elements import new_figure, percent, seed_band
from figures.recipe import Comparison, Recipe, table_of

DIGITISED = Path(__file__).parent / "digitised.csv"
"""The paper's figure, read off its picture: accuracies in percent by epsilon and beta, both in 1/255.

The error is about half a point, and 1.5 points for robust accuracies between 1 and 3 %. Each is the mean over (most
likely) three seeds. Values that another line hides are missing.
"""

DEAD = 0.05
"""Robust accuracy below which a point counts as broken (the paper's cells in the window lie below 5 %)."""


def _study(setup: Setup) -> Study:
    cells = [setup.arm(beta, epsilon=epsilon) for epsilon in setup.epsilons for beta in setup.betas]
    return setup.study("figure-1", cells)


STUDIES: dict[Scale, tuple[Study, ...]] = {scale: (_study(setup),) for scale, setup in SETUPS.items()}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per radius, strength and seed; beside them the paper's numbers (series "paper", digitised)."""
    table = table_of(runner, STUDIES[scale])
    robust = table[SETUPS[scale].accuracy]
    ours = table[["epsilon", "beta", "seed", "clean", "breakpoint"]].assign(robust=robust, series="ours")
    printed = pd.read_csv(DIGITISED)
    paper = printed.assign(epsilon=printed["epsilon"] / 255, beta=printed["beta"] / 255, series="paper")
    paper[["robust", "clean"]] /= 100
    return pd.concat([ours, paper], ignore_index=True).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Ours above, the paper's below; strengths in units of the radius, so that the two can be compared."""
    figure, axes = new_figure(PAGE, 4.2, 2, 2, sharey=True, sharex=True)
    for row, (series, title) in zip(axes, (("ours", "ours"), ("paper", "paper (digitised)")), strict=True):
        cells = data[data["series"] == series].assign(strength=data["beta"] / data["epsilon"])
        for axis, measure in zip(row, ("robust", "clean"), strict=True):
            for index, (epsilon, line) in enumerate(cells.groupby("epsilon")):
                radius = cast("float", epsilon)
                shown = f"{radius:g}" if series == "ours" else f"{radius * 255:.0f}/255"
                look = {"colour": CYCLE[index], "line": DASHES[index], "marker": MARKERS[index], "markevery": 1}
                look |= {"label": f"ε = {shown}", "ms": 3 if series == "ours" else 1.5}
                seed_band(axis, line, "strength", measure, **look)
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


class _Results(NamedTuple):
    """Our accuracies as `_cells` gives them; `dead` counts broken strengths: rows are seeds, columns radii.

    `smallest` and `largest` are radii, `weak` is the strength below the setup's, and `most` the largest strength.
    """

    setup: Setup
    smallest: float
    largest: float
    weak: float
    most: float
    robust: pd.DataFrame
    clean: pd.DataFrame
    dead: pd.DataFrame

    def at(self, beta: float) -> pd.Series[float]:
        """Robust accuracy at a strength and the setup's radius, by seed."""
        return self.robust[self.setup.epsilon, beta]


def _read(data: pd.DataFrame) -> _Results:
    setup = setup_of(data)
    weak = max(beta for beta in setup.betas if beta < setup.beta)
    radii = min(setup.epsilons), max(setup.epsilons)
    robust, clean = _cells(data), _cells(data, "clean")
    dead = (robust < DEAD).T.groupby(level="epsilon").sum().T
    return _Results(setup, *radii, weak, max(setup.betas), robust, clean, dead)


FIGURE, DERIVED = "paper [F]: Figure 1", "ours: derived [D] from Figure 1"

CLAIMS: ClaimTable[_Results] = ClaimTable(
    (
        claim(
            "P1", "the feature induces collapse at a radius that is safe without it",
            "robust accuracy at ε {setup.epsilon:g}: β 0 less β {setup.beta:g}", above=0.2, source=FIGURE,
            value=lambda n: n.at(0.0) - n.at(n.setup.beta),
        ),
        claim(
            "dead", "in the window robust accuracy is below 5 %",
            "robust accuracy at ε {setup.epsilon:g}, β {setup.beta:g}", below=DEAD, source=FIGURE,
            value=lambda n: n.at(n.setup.beta),
        ),
        claim(
            "P4", "a feature that is strong enough gives robustness again",
            "robust accuracy at ε {setup.epsilon:g}: β {most:g} less β {setup.beta:g}", above=0.2, source=FIGURE,
            value=lambda n: n.at(n.most) - n.at(n.setup.beta),
        ),
        claim(
            "smallest", "at the smallest radius there is no collapse",
            "least robust accuracy over β at ε {smallest:g}", above=0.2, source=FIGURE,
            value=lambda n: n.robust[n.smallest].T.min(),
        ),
        claim(
            "widens", "the window widens with the radius",
            "broken strengths at the largest radius less those at the smallest", above=0.0, source=DERIVED,
            value=lambda n: n.dead[n.largest] - n.dead[n.smallest],
        ),
        claim(
            "jump", "collapse announces itself by a jump of clean accuracy",
            "clean accuracy at ε {setup.epsilon:g}: β {setup.beta:g} less β {weak:g}", above=0.0, source=DERIVED,
            value=lambda n: n.clean[n.setup.epsilon, n.setup.beta] - n.clean[n.setup.epsilon, n.weak],
        ),
    ),
    read=_read,
    words=_Results._asdict,
)  # fmt: skip
"""P1 and P4 of the spec, and the signs of catastrophic overfitting that the figure shows."""


def compare(data: pd.DataFrame) -> list[Comparison]:
    """Where the window begins and ends, in units of the radius."""
    setup, robust = setup_of(data), _cells(data)
    found = pd.DataFrame(robust[setup.epsilon]) < DEAD
    edges = window(found) / setup.epsilon
    remark = f"grid of {found.shape[1]} strengths at scale {setup.scale}; other data and network than the paper's"
    source = "[F] Figure 1, derived from digitised values"
    return [
        Comparison("smallest broken β/ε", "1.5 (ε 4/255), 1.33 (ε 6/255)", source, estimate(edges["start"]), remark),
        Comparison("largest broken β/ε", "2 (ε 4/255), 2.2 (ε 6/255)", source, estimate(edges["end"]), remark),
    ]


RECIPE = Recipe(
    name="co_features/figure_1",
    shows="An injected feature breaks FGSM training in a window of strengths, and saves it beyond",
    item="Figure 1 (both panels)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
    compare=compare,
)
