"""Does the feature break training with one l2 step, too? The radius, the strengths and the feature's scale are ours.

That the paper has an l2 version is recollected; its radii, strengths and features were not found (open point 9 of the
spec). Here the features have Euclidean norm 1, and the radius is half that of the l2 ball around the L-inf ball.
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from analyses.core.judging.premises import MOST, breaking
from cotoolkit.plotting.style import METHOD_STYLES, PAGE
from figures.co_features.setups.grid_cells import SHARE, Cell, CellOf, GridCells, grid_claims, is_robust, is_safe
from figures.co_features.setups.grid_points import GridPoint, GridRuns
from figures.co_features.setups.setup import Setup, inject, setup_of
from figures.elements import new_figure, percent, seed_band
from figures.recipe import Recipe

PIXELS = {"digits": 64, "fashion_mnist": 784, "cifar10": 3072, "cifar100": 3072}
"""Entries of an image, by data set."""

STRENGTHS = (0.0, 0.6, 1.0)
"""Of the feature, in radii."""


def radius(setup: Setup) -> float:
    """Half of the radius of the l2 ball around the setup's L-inf ball, to three digits."""
    return float(f"{setup.epsilon * math.sqrt(PIXELS[setup.base['data']['name']]) / 2:.3g}")


def _grid(setup: Setup) -> list[GridPoint]:
    epsilon = radius(setup)
    found = []
    for strength in STRENGTHS:
        feature = inject(round(strength * epsilon, 6))
        feature["carrier"] = {"name": "paired", "norm": "l2"}
        for name, method in (("fgsm", "fgsm"), ("pgd", setup.pgd)):
            label = {"method": name, "beta": feature["beta"], "epsilon": epsilon}
            found.append(GridPoint(label, setup.arm(method=method, epsilon=epsilon, norm="l2", intervention=feature)))
    return found


RUNS = GridRuns("l2", _grid)


def draw(data: pd.DataFrame) -> Figure:
    """Robust and clean accuracy against the strength."""
    figure, axes = new_figure(PAGE, 2.5, 1, 2, sharey=True)
    shown = data.assign(strength=data["beta"] / data["epsilon"])
    titles = {"robust": setup_of(data).attacked, "clean": "clean accuracy"}
    for axis, (measure, title) in zip(axes, titles.items(), strict=True):
        for method, rows in shown.groupby("method"):
            name, colour, line = METHOD_STYLES[str(method)]
            seed_band(axis, rows, "strength", measure, colour=colour, line=line, marker="o", label=name, dots=True)
        axis.set(title=title, xlabel="strength of the feature, β / ε (both l2)", ylim=(-0.03, 1.03))
    axes[1].legend(loc="lower right")
    percent(axes[0], "accuracy")
    return figure


def _without(method: str) -> CellOf:
    return lambda cells: (method, 0.0)


def _injected(method: str, cells: GridCells) -> list[Cell]:
    """All strengths above 0."""
    return [(method, beta) for beta in cells.runs.index.unique("beta") if beta > 0]


SOURCE = "ours: hypothesis, recollected [M], 4.2 (other norms)"
MEASURED = f"{SHARE} at l2 radius {{radius:g}}, at one strength or more"
SAFE = (
    is_robust("FGSM training without the feature", _without("fgsm")),
    is_safe("FGSM training without the feature", _without("fgsm")),
)

CLAIMS: ClaimTable[GridCells] = grid_claims(
    (
        claim(
            "P1", "The feature breaks training with one l2 step, at strengths up to the radius", MEASURED, above=MOST,
            source=SOURCE, value=lambda n: n.share(*_injected("fgsm", n)), premises=SAFE,
        ),
        claim(
            "P5", "Training with several l2 steps breaks in fewer than half of the seeds where one step breaks",
            f"{MEASURED}, PGD training", below=MOST, source=SOURCE, value=lambda n: n.share(*_injected("pgd", n)),
            premises=(
                is_robust("PGD training without the feature", _without("pgd")),
                breaking("Training with one l2 step", MEASURED, lambda n: n.broke(*_injected("fgsm", n))),
            ),
        ),
    ),
    by=("method", "beta"),
    words=lambda n: {"radius": radius(n.setup)},
)  # fmt: skip
"""P1 and P5 in l2."""


RECIPE = Recipe(
    name="co_features/l2",
    shows="Accuracy against the strength of features of Euclidean norm 1, with l2 perturbations",
    item="Other norms (recollected, appendix)",
    studies=RUNS.studies,
    collect=RUNS.collect,
    draw=draw,
    claims=CLAIMS,
)
