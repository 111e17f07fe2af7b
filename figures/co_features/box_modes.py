"""Does the window of broken strengths move when the epsilon-ball is respected? Three orders of clamping, ours.

Injected images leave [0, 1]. The released code clamps to the ball and then to the box, which forces perturbations
larger than epsilon where the image leaves the box by more than that. A pixel leaves it by beta at most, so up to
beta = epsilon the two orders are the same projection in linf, and share their runs. Any box is another question: where
an image is black, as most of a digit is, the clamp takes away what the feature darkens.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from analyses.core.judging.premises import MOST
from cotoolkit.core.numbers import format_number
from cotoolkit.plotting.style import CYCLE, DASHES, MARKERS, PAGE
from figures.co_features.setups.grid_cells import (
    SHARE,
    CellOf,
    GridCells,
    breaks,
    grid_claims,
    is_robust,
    is_safe,
)
from figures.co_features.setups.grid_points import (
    GridPoint,
    GridRuns,
    boxed,
    few_betas,
    lines,
)
from figures.co_features.setups.setup import Setup, setup_of
from figures.elements import category_axis, new_figure, percent, seed_band, seed_points, zero_line
from figures.recipe import Recipe

MODES = {"none": "no box", "box_then_eps": "box, then ball (sound)", "eps_then_box": "ball, then box (released)"}
"""Orders of the clamps, and how they are written."""

BEYOND = 1.6
"""Largest strength, in radii: there the two orders differ."""


def _betas(setup: Setup) -> tuple[float, ...]:
    return (*few_betas(setup, 0, 2 / 3, 1), round(BEYOND * setup.epsilon, 6))


def _grid(setup: Setup) -> list[GridPoint]:
    either = "eps_then_box" if setup.base["box"] == "eps_then_box" else "box_then_eps"
    found = []
    for beta in sorted(set(_betas(setup))):
        for mode in MODES:
            box = either if mode != "none" and beta <= setup.epsilon else mode
            label: dict[str, str | float] = {"mode": mode, "beta": beta, "epsilon": setup.epsilon}
            found.append(GridPoint(label, setup.arm(beta, **boxed(setup, box))))
    return found


RUNS = GridRuns("box-modes", _grid, many_seeds=True)


def draw(data: pd.DataFrame) -> Figure:
    """Robust and clean accuracy against the strength; on the right what a box changes, by seed."""
    figure, (robust, clean, change) = new_figure(PAGE, 2.5, 1, 3)
    shown = data.assign(strength=data["beta"] / data["epsilon"])
    for index, (mode, name) in enumerate(MODES.items()):
        rows = shown[shown["mode"] == mode]
        look = {"colour": CYCLE[index], "line": DASHES[index], "marker": MARKERS[index], "label": name, "dots": True}
        seed_band(robust, rows, "strength", "robust", **look)
        seed_band(clean, rows, "strength", "clean", **look)
    attacked = setup_of(data).attacked
    for axis, title in ((robust, attacked), (clean, "clean accuracy")):
        percent(axis)
        axis.set(title=title, xlabel="strength of the feature, β / ε", ylim=(-0.03, 1.03))
    robust.set(ylabel="accuracy (%)")
    clean.legend(loc="lower left")
    table, betas = lines(data, "mode"), sorted(set(data["beta"]))
    for index, mode in enumerate(("box_then_eps", "eps_then_box"), start=1):
        for place, beta in enumerate(betas):
            difference = (table[mode][beta] - table["none"][beta]).tolist()
            seed_points(change, place + (index - 1.5) * 0.4, difference, CYCLE[index], marker=MARKERS[index])
    zero_line(change)
    category_axis(change, [f"{beta / data['epsilon'].iloc[0]:.2g}" for beta in betas])
    percent(change)
    change.set(title=f"{attacked},\nminus no box (points)", xlabel="strength of the feature, β / ε")
    return figure


def _without(mode: str) -> CellOf:
    return lambda cells: (mode, 0.0)


def _with(mode: str) -> CellOf:
    return lambda cells: (mode, cells.setup.beta)


def _weak(mode: str) -> CellOf:
    """The weakest feature."""
    return lambda cells: (mode, few_betas(cells.setup, 2 / 3)[0])


def _beyond(mode: str) -> CellOf:
    """The feature stronger than the radius."""
    return lambda cells: (mode, _betas(cells.setup)[-1])


QUESTION = "ours: open question [H]"
DERIVED = "ours: derived [D] from 1.4"
SOUND, RELEASED = "box_then_eps", "eps_then_box"
IN_SOUND = is_robust("FGSM training without the feature, box then ball", _without(SOUND))
NO_BOX = breaks("FGSM training without a box", _with("none"))

CLAIMS: ClaimTable[GridCells] = grid_claims(
    (
        claim(
            "sound", "The feature makes more seeds break where the box and the ball are both respected, too",
            f"{SHARE} at ε {{setup.radius}}, box then ball: β {{setup.strength}} minus no feature", above=0.0,
            source=QUESTION, value=lambda n: n.difference([_with(SOUND)(n)], [_without(SOUND)(n)]),
            premises=(IN_SOUND, is_safe("FGSM training without the feature, box then ball", _without(SOUND)), NO_BOX),
        ),
        claim(
            "start", "With a box a weak feature makes fewer seeds break, as the clamp takes part of it away",
            f"{SHARE} at ε {{setup.radius}}, β {{weak}}: no box minus box then ball", above=0.0, source=DERIVED,
            value=lambda n: n.difference([_weak("none")(n)], [_weak(SOUND)(n)]),
            premises=(IN_SOUND, breaks("FGSM training with the weak feature and no box", _weak("none"))),
        ),
        claim(
            "end", "With a box the window of strengths reaches at least as far as without one",
            f"{SHARE} at ε {{setup.radius}}, β {{setup.strength}}, box then ball", above=MOST, source=DERIVED,
            value=lambda n: n.share(_with(SOUND)(n)), premises=(IN_SOUND, NO_BOX),
        ),
        claim(
            "width", "Beyond ε the released order makes more seeds break than the sound one",
            f"{SHARE} at ε {{setup.radius}}, β {{beyond}}: ball then box minus box then ball", above=0.0,
            source=QUESTION, value=lambda n: n.difference([_beyond(RELEASED)(n)], [_beyond(SOUND)(n)]),
            premises=(breaks("FGSM training beyond ε with the released order", _beyond(RELEASED)),),
        ),
        claim(
            "order", "Beyond ε the released order costs robustness, as it lets larger perturbations through",
            "{pgd} at ε {setup.radius}, β {beyond}: box then ball minus ball then box", above=0.0, source=DERIVED,
            value=lambda n: n.gain(_beyond(SOUND)(n), _beyond(RELEASED)(n)),
            premises=(
                claim(
                    "room", "With the released order there is robustness left to gain", "{pgd}", below=0.95,
                    value=lambda n: n.of(_beyond(RELEASED)(n)),
                ),
            ),
        ),
    ),
    by=("mode", "beta"),
    words=lambda n: {
        "weak": format_number(few_betas(n.setup, 2 / 3)[0]),
        "beyond": format_number(_betas(n.setup)[-1]),
    },
)  # fmt: skip
"""Whether runs still break in a sound ball, and whether the window of strengths moves; all paired by seed.

The strengths at which they are judged are fixed beforehand: that of Figure 1, the one next to two thirds of it, and one
beyond ε. Up to ε the two orders are one projection and share their runs, so they are compared beyond it alone. That the
feature breaks FGSM training without a box is judged in Figure 1.
"""


RECIPE = Recipe(
    name="co_features/box_modes",
    shows="Accuracy of FGSM training against the strength of the feature, by the order of clamps to box and ball",
    item="An open question of ours: the released code clamps in an order that leaves the ε-ball",
    studies=RUNS.studies,
    collect=RUNS.collect,
    draw=draw,
    claims=CLAIMS,
)
