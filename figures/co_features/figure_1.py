"""Figure 1: robust and clean accuracy of FGSM training against the strength of the injected feature, by radius."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import CHANCE, MOST, PREMISE
from analyses.core.judging.seed_measures import OnsetDifference, SeedShare
from analyses.core.runner import StudyRunner
from cotoolkit.core.numbers import format_number
from cotoolkit.plotting.style import CYCLE, DASHES, MARKERS, PAGE
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.grid_cells import (
    SHARE,
    Cell,
    GridCells,
    breaks,
    grid_cells,
    is_robust,
    is_safe,
    once_robust,
)
from figures.co_features.setups.grid_points import window
from figures.co_features.setups.setup import SETUPS, Setup, setup_of
from figures.elements import new_figure, percent, seed_band
from figures.recipe import Comparison, Recipe, table_of

DIGITISED = Path(__file__).parent / "digitised.csv"
"""The paper's figure, read off its picture: accuracies in percent by epsilon and beta, both in 1/255.

The error is about half a point, and 1.5 points for robust accuracies between 1 and 3 %. Each is the mean over (most
likely) three seeds. Values that another line hides are missing.
"""

FEWEST_ON_A_LINE = 3
"""Strengths that a line joins; fewer are no course."""

DEAD = 0.05
"""Robust accuracy in the window of the paper's figure: its cells there lie below 5 %."""


def _study(setup: Setup) -> Study:
    cells = [setup.arm(beta, epsilon=epsilon) for epsilon in setup.epsilons for beta in setup.betas]
    return setup.study("figure-1", cells)


STUDIES: dict[Scale, tuple[Study, ...]] = {scale: (_study(setup),) for scale, setup in SETUPS.items()}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per radius, strength and seed; beside them the paper's numbers (series "paper", digitised)."""
    table = table_of(runner, STUDIES[scale])
    robust = table[SETUPS[scale].accuracy]
    ends = [RunFolder(runner.root / run).result()["iterations"] for run in table["run"]]
    ours = table[["epsilon", "beta", "seed", "clean", "breakpoint"]].assign(
        robust=robust, iterations=ends, series="ours"
    )
    printed = pd.read_csv(DIGITISED)
    paper = printed.assign(epsilon=printed["epsilon"] / 255, beta=printed["beta"] / 255, series="paper")
    paper[["robust", "clean"]] /= 100
    return pd.concat([ours.assign(series="ours"), paper], ignore_index=True).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """Ours above, a point per seed, and the paper's below; strengths are in units of the radius, to compare them."""
    figure, axes = new_figure(PAGE, 4.4, 2, 2, sharey=True, sharex="row")
    attacked = {"ours": setup_of(data).attacked, "paper": "PGD accuracy"}
    for row, (series, title) in zip(axes, (("ours", "ours"), ("paper", "paper (digitised)")), strict=True):
        cells = data[data["series"] == series].assign(strength=data["beta"] / data["epsilon"])
        names = {"robust": attacked[series], "clean": "clean accuracy"}
        for axis, (measure, name) in zip(row, names.items(), strict=True):
            for index, (epsilon, line) in enumerate(cells.groupby("epsilon")):
                label, marker = f"ε = {format_number(cast('float', epsilon))}", MARKERS[index]
                if line["strength"].nunique() < FEWEST_ON_A_LINE:
                    axis.plot(line["strength"], line[measure], marker, color=CYCLE[index], alpha=0.6, label=label)
                    continue
                look: dict[str, Any] = {"colour": CYCLE[index], "line": DASHES[index], "marker": marker}
                look |= {"label": label, "ms": 3 if series == "ours" else 1.5, "dots": series == "ours"}
                seed_band(axis, line, "strength", measure, **look)
            percent(axis)
            axis.set(title=f"{name}, {title}", xlabel="strength of the feature, β / ε", ylim=(-0.03, 1.03))
        row[0].legend(loc="lower right")
        row[0].set(ylabel="accuracy (%)")
    axes[1][0].set(xlim=(-0.1, 4.5))
    return figure


def _ours(data: pd.DataFrame) -> GridCells:
    return grid_cells(data[data["series"] == "ours"], ("epsilon", "beta"))


def _words(cells: GridCells) -> dict[str, object]:
    """The strengths and radii that claims name: the strength below the setup's, the largest, and the outer radii."""
    setup = cells.setup
    return {
        **cells.words,
        "weak": format_number(_weak(setup)),
        "most": format_number(max(setup.betas)),
        "smallest": format_number(min(setup.epsilons)),
        "largest": format_number(max(setup.epsilons)),
    }


def _weak(setup: Setup) -> float:
    return max(beta for beta in setup.betas if beta < setup.beta)


def _without(cells: GridCells) -> Cell:
    return cells.setup.epsilon, 0.0


def _with(cells: GridCells) -> Cell:
    return cells.setup.epsilon, cells.setup.beta


def _outermost(cells: GridCells, beta: float | None = None) -> Cell:
    """The cell at the largest radius, by default with the strongest feature."""
    return max(cells.setup.epsilons), max(cells.setup.betas) if beta is None else beta


def _onsets(cells: GridCells, cell: Cell) -> tuple[pd.Series[float], pd.Series[bool]]:
    """When the runs of a cell broke, or ended without a break, and whether they broke."""
    broke = cells.of(cell, "breakpoint")
    return broke.fillna(cells.of(cell, "iterations")), broke.notna()


def _injected(setup: Setup, epsilon: float) -> list[Cell]:
    """All strengths above 0 at a radius."""
    return [(epsilon, beta) for beta in setup.betas if beta > 0]


def _wider(cells: GridCells) -> SeedShare:
    """Seeds in which more strengths break at the largest radius than at the smallest."""
    smallest, largest = (
        sum(cells.broke(cell).astype(int) for cell in _injected(cells.setup, epsilon))
        for epsilon in (min(cells.setup.epsilons), max(cells.setup.epsilons))
    )
    return SeedShare(largest > smallest)


FIGURE, DERIVED = "paper [F]: Figure 1", "ours: derived [D] from Figure 1"

PLAIN = "FGSM training without the feature"
SAFE = (is_robust(PLAIN, _without), is_safe(PLAIN, _without))
BREAKS = breaks("FGSM training with the feature", _with)
OUTERMOST: tuple[ClaimRow[GridCells], ...] = (
    claim(
        "weaker", "The strong feature is weaker than the radius, so that alone it cannot classify robustly",
        "β / ε, β {most} at ε {largest}", below=1.0, source=PREMISE,
        value=lambda n: np.full(len(n.of(_outermost(n))), max(n.setup.betas) / max(n.setup.epsilons)),
    ),
    breaks(f"{PLAIN} at the largest radius", lambda n: _outermost(n, 0.0)),
    once_robust("FGSM training with the strong feature at the largest radius", _outermost),
)  # fmt: skip
ENDS_KNOWN = {"iterations"}
"""What claims on the time of breaks need in the table: how long the runs were."""

STRONGER, RADII = {"a stronger feature"}, {"several radii"}
"""What other claims need in the grid; without, they would compare a cell with itself."""


def _has(cells: GridCells) -> set[str]:
    """Of what claims need, what the table and its setup have."""
    setup = cells.setup
    stronger = STRONGER if max(setup.betas) > setup.beta else set()
    return (set(cells.runs.columns) & ENDS_KNOWN) | stronger | (RADII if len(setup.epsilons) > 1 else set())


CLAIMS: ClaimTable[GridCells] = ClaimTable(
    (
        claim(
            "P1", "The feature makes FGSM training break at a radius that is safe without it",
            f"{SHARE} at ε {{setup.radius}}, β {{setup.strength}}", above=MOST, source=FIGURE,
            value=lambda n: n.share(_with(n)), premises=SAFE,
        ),
        claim(
            "dead", "In the window of strengths PGD accuracy ends below 5 % in seeds that break",
            "{pgd} at ε {setup.radius}, β {setup.strength}, of seeds that break", below=DEAD, null=CHANCE,
            source=FIGURE, value=lambda n: n.of(_with(n)).where(n.broke(_with(n))), premises=(SAFE[0], BREAKS),
        ),
        claim(
            "P4", "A feature that is strong enough gives robustness again",
            "{pgd} at ε {setup.radius}: β {most} minus β {setup.strength}", above=0.2, source=FIGURE, needs=STRONGER,
            value=lambda n: n.gain((n.setup.epsilon, max(n.setup.betas)), _with(n)), premises=(BREAKS,),
        ),
        claim(
            "smallest", "At the smallest radius fewer than half of the seeds break at any strength of the feature",
            f"{SHARE} at ε {{smallest}}, at one strength or more", below=MOST, source=FIGURE, needs=RADII,
            value=lambda n: n.share(*_injected(n.setup, min(n.setup.epsilons))),
            premises=(is_robust(f"{PLAIN} at the smallest radius", lambda n: (min(n.setup.epsilons), 0.0)), BREAKS),
        ),
        claim(
            "prevents", "Where FGSM training breaks without the feature, a strong feature prevents it",
            f"{SHARE} at ε {{largest}}: no feature minus β {{most}}", above=0.0, source=DERIVED,
            value=lambda n: n.difference([_outermost(n, 0.0)], [_outermost(n)]), premises=OUTERMOST,
        ),
        claim(
            "later", "Where FGSM training breaks without the feature, a strong feature puts it off",
            "breakpoint in iterations at ε {largest}, restricted mean: β {most} minus no feature", above=0.0,
            source=DERIVED, premises=OUTERMOST, needs=ENDS_KNOWN,
            value=lambda n: OnsetDifference(*_onsets(n, _outermost(n)), *_onsets(n, _outermost(n, 0.0))),
        ),
        claim(
            "widens", "More strengths break FGSM training at the largest radius than at the smallest",
            "share of seeds in which more strengths break at ε {largest} than at ε {smallest}", above=MOST,
            source=DERIVED, value=_wider, premises=(BREAKS,), needs=RADII,
        ),
        claim(
            "jump", "Clean accuracy jumps between the last strength that is safe and one that breaks FGSM training",
            "clean accuracy on {setup.test_images} test images, ε {setup.radius}: β {setup.strength} minus {weak}",
            above=0.0, source=DERIVED, value=lambda n: n.gain(_with(n), (n.setup.epsilon, _weak(n.setup)), "clean"),
            premises=(
                BREAKS, is_safe("FGSM training with the weaker feature", lambda n: (n.setup.epsilon, _weak(n.setup)))
            ),
        ),
    ),
    read=_ours,
    words=_words,
    arms=_has,
)  # fmt: skip
"""P1 and P4 of the spec, and the signs of catastrophic overfitting that the figure shows."""


def compare(data: pd.DataFrame) -> list[Comparison]:
    """Where the window begins and ends, in units of the radius, in seeds that do not break without the feature."""
    cells = _ours(data)
    setup = cells.setup
    found = pd.DataFrame({beta: cells.broke((setup.epsilon, beta)) for beta in setup.betas})
    found = found[~found[0.0]]
    if found.empty:
        return []
    edges = window(found) / setup.epsilon
    other = "" if setup.scale == "paper" else "; other data and network than the paper's"
    broken = "ours by the breakpoint, the paper's by a PGD accuracy below 5 %"
    remark = f"{broken}; grid of {found.shape[1]} strengths at scale {setup.scale}{other}"
    source = "[F] Figure 1, derived from digitised values"
    return [
        Comparison("smallest broken β/ε", "1.5 (ε 4/255), 1.33 (ε 6/255)", source, edges["start"], remark),
        Comparison("largest broken β/ε", "2 (ε 4/255), 2.2 (ε 6/255)", source, edges["end"], remark),
    ]


RECIPE = Recipe(
    name="co_features/figure_1",
    shows="Accuracy of FGSM training against the strength of an injected feature, by radius",
    item="The paper's figure 1, both panels",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
    compare=compare,
)
