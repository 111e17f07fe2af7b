"""Other adversarial training on the data that break FGSM: PGD, N-FGSM with two sizes of noise, GradAlign.

That they prevent catastrophic overfitting is recollected (P5, P6). GradAlign's published law for its weight ends at
16/255, so on digits, whose radii are larger, the two weights are ours.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import CHANCE, ROBUST
from cotoolkit.plotting.style import BLUE, GREEN, MARKERS, ORANGE, PAGE, PURPLE, SKY, VERMILION
from figures.co_features.setups.grid_cells import SHARE, CellOf, GridCells, breaks, grid_claims, once_robust
from figures.co_features.setups.grid_points import GridPoint, GridRuns, few_betas
from figures.co_features.setups.setup import Setup, setup_of
from figures.elements import SHARES, category_axis, new_figure, percent, seed_band, seed_points
from figures.recipe import Recipe

WEIGHTS = (0.2, 1.0)
"""Of GradAlign."""

LOOKS = {
    "fgsm": ("FGSM", VERMILION, "-"),
    "n_fgsm k=1": ("N-FGSM, k = 1", SKY, ":"),
    "n_fgsm k=2": ("N-FGSM, k = 2", GREEN, "-."),
    f"gradalign {WEIGHTS[0]:g}": (f"GradAlign, {WEIGHTS[0]:g}", ORANGE, ""),
    f"gradalign {WEIGHTS[1]:g}": (f"GradAlign, {WEIGHTS[1]:g}", PURPLE, ""),
    "pgd": ("PGD", BLUE, "--"),
}
"""Arms: how they are written, their colour, their line; no line where one strength alone was trained."""


def _grid(setup: Setup) -> list[GridPoint]:
    """GradAlign, the dearest, has the setup's strength alone; FGSM has those that it shares with Figure 1."""
    found = [
        GridPoint({"arm": "fgsm", "beta": beta, "epsilon": setup.epsilon}, setup.arm(beta))
        for beta in few_betas(setup, 0, 2 / 3, 1, 5 / 3)
    ]
    for beta in (0.0, setup.beta):
        methods = {
            "pgd": setup.pgd,
            **{f"n_fgsm k={k}": {"name": "n_fgsm", "k": float(k)} for k in (1, 2)},
        }
        if beta == setup.beta:
            methods |= {f"gradalign {weight:g}": {"name": "gradalign", "weight": weight} for weight in WEIGHTS}
        for name, method in methods.items():
            label: dict[str, str | float] = {"arm": name, "beta": beta, "epsilon": setup.epsilon}
            found.append(GridPoint(label, setup.arm(beta, method=method)))
    return found


RUNS = GridRuns("methods", _grid)


def draw(data: pd.DataFrame) -> Figure:
    """Robust and clean accuracy against the strength; on the right all arms where FGSM breaks."""
    figure, (robust, clean, inside) = new_figure(PAGE, 2.6, 1, 3, sharey=True)
    shown = data.assign(strength=data["beta"] / data["epsilon"])
    beta = setup_of(data).beta
    for index, (arm, (name, colour, line)) in enumerate(LOOKS.items()):
        rows = shown[shown["arm"] == arm]
        if line:
            look: dict[str, Any] = {
                "colour": colour,
                "line": line,
                "marker": MARKERS[index],
                "label": name,
                "dots": True,
            }
            seed_band(robust, rows, "strength", "robust", **look)
            seed_band(clean, rows, "strength", "clean", **look)
        values = rows.loc[rows["beta"] == beta, "robust"].tolist()
        seed_points(inside, index, values, colour, marker=MARKERS[index], within=SHARES)
    attacked = setup_of(data).attacked
    for axis, title in ((robust, attacked), (clean, "clean accuracy")):
        axis.set(title=title, xlabel="strength of the feature, β / ε", ylim=(-0.03, 1.03))
    clean.legend(loc="lower left")
    percent(robust, "accuracy")
    category_axis(inside, [name for name, *_ in LOOKS.values()], turned=True)
    inside.set(title=f"{attacked}, β / ε = {beta / data['epsilon'].iloc[0]:.2g}")
    return figure


AT = f"{SHARE} at ε {{setup.radius}}, β {{setup.strength}}"
LIGHT, HEAVY = (f"gradalign {weight:g}" for weight in WEIGHTS)
P5, P6 = (f"ours: hypothesis, recollected [M], {key}" for key in ("P5", "P6"))


def _with(arm: str) -> CellOf:
    return lambda cells: (arm, cells.setup.beta)


def _rarer(
    key: str, statement: str, arm: str, source: str, *, than: str = "fgsm", fragile: str = "FGSM training"
) -> ClaimRow[GridCells]:
    """An arm breaks in fewer seeds than a fragile one."""
    names = {arm: LOOKS[arm][0] for arm in (arm, than)}
    return claim(
        key, statement, f"{AT}: {names[than]} minus {names[arm]}", above=0.0, source=source,
        value=lambda n: n.difference([_with(than)(n)], [_with(arm)(n)]),
        premises=(breaks(fragile, _with(than)), once_robust(names[arm], _with(arm))),
    )  # fmt: skip


CLAIMS: ClaimTable[GridCells] = grid_claims(
    (
        _rarer("P5", "PGD training breaks in fewer seeds than FGSM training on data with the feature", "pgd", P5),
        claim(
            "pgd_keeps", "The feature costs PGD training little of its robustness",
            "{pgd} at ε {setup.radius}, PGD training: β 0 minus β {setup.strength}", below=0.2, source=P5,
            value=lambda n: n.gain(("pgd", 0.0), _with("pgd")(n)),
            premises=(
                claim(
                    "room", "PGD training without the feature has more robustness to lose than that", "{pgd}",
                    above=ROBUST + 0.2, null=CHANCE, value=lambda n: n.of(("pgd", 0.0)),
                ),
            ),
        ),
        _rarer("P6_n_fgsm", "N-FGSM with k = 2 breaks in fewer seeds than FGSM training", "n_fgsm k=2", P6),
        _rarer(
            "P6_k", "N-FGSM breaks in fewer seeds with more noise", "n_fgsm k=2", P6, than="n_fgsm k=1",
            fragile="N-FGSM with k = 1",
        ),
        _rarer(
            "P6_gradalign", f"GradAlign with the weight {WEIGHTS[1]:g} breaks in fewer seeds than FGSM training", HEAVY,
            P6,
        ),
        _rarer(
            "P6_weight", "GradAlign breaks in fewer seeds with a larger weight", HEAVY, P6, than=LIGHT,
            fragile=f"GradAlign with the weight {WEIGHTS[0]:g}",
        ),
    ),
    by=("arm", "beta"),
)  # fmt: skip
"""P5 and P6, paired by seed."""


RECIPE = Recipe(
    name="co_features/methods",
    shows="Accuracy of PGD, N-FGSM and GradAlign training beside FGSM on data with the feature",
    item="Other adversarial training methods (predictions P5 and P6, recollected)",
    studies=RUNS.studies,
    collect=RUNS.collect,
    draw=draw,
    claims=CLAIMS,
)
