"""Does the window of broken strengths move when the epsilon-ball is respected? Three orders of clamping, ours.

Injected images leave [0, 1]. The released code clamps to the ball and then to the box, which forces perturbations
larger than epsilon where the image leaves the box by more than that. A pixel leaves it by beta at most, so up to
beta = epsilon the two orders are the same projection in linf, and share their runs. Any box is another question: where
an image is black, as most of a digit is, the clamp takes away what the feature darkens.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from cotoolkit.plotting.style import CYCLE, DASHES, MARKERS, PAGE
from figures.co_features.setups.grid_points import (
    GridPoint,
    GridRuns,
    boxed,
    broken_runs,
    few_betas,
    lines,
    window,
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
        look = {"colour": CYCLE[index], "line": DASHES[index], "marker": MARKERS[index], "label": name}
        seed_band(robust, rows, "strength", "robust", **look)
        seed_band(clean, rows, "strength", "clean", **look)
    for axis, measure in ((robust, "robust"), (clean, "clean")):
        percent(axis)
        axis.set(title=f"{measure} accuracy", xlabel="strength of the feature, β / ε", ylim=(-0.03, 1.03))
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
    change.set(title="robust, less no box (points)", xlabel="strength of the feature, β / ε")
    return figure


class _Results(NamedTuple):
    """By order of the clamps: robust accuracy, which runs are broken, the edges of the window in radii.

    `most` is the largest strength, `strong` are those above the radius.
    """

    setup: Setup
    most: float
    strong: list[float]
    robust: dict[str, pd.DataFrame]
    found: dict[str, pd.DataFrame]
    edges: dict[str, pd.DataFrame]

    def broken(self, mode: str) -> pd.Series[float]:
        """How many strengths break, by seed."""
        return self.found[mode].sum(axis=1).astype(float)

    def count_strong(self, mode: str) -> pd.Series[float]:
        """The same for strengths above the radius."""
        return self.found[mode][self.strong].sum(axis=1).astype(float)


def _read(data: pd.DataFrame) -> _Results:
    setup, robust = setup_of(data), lines(data, "mode")
    found = {mode: broken_runs(robust[mode], robust[mode][0.0]) for mode in MODES}
    edges = {mode: window(found[mode]) / setup.epsilon for mode in MODES}
    betas = sorted(set(data["beta"]))
    return _Results(setup, betas[-1], [beta for beta in betas if beta > setup.epsilon], robust, found, edges)


def _fall(results: _Results, mode: str) -> pd.Series[float]:
    """Robust accuracy without the feature, less with it, by seed."""
    return results.robust[mode][0.0] - results.robust[mode][results.setup.beta]


def _width_change(results: _Results) -> pd.Series[float]:
    # Up to ε the two orders are one projection, so nothing can differ; where neither breaks, nothing is learnt.
    sound, released = results.count_strong("box_then_eps"), results.count_strong("eps_then_box")
    return (sound - released).abs().where(sound + released > 0)


QUESTION = "ours: open question of the spec (section 7, 3)"
DERIVED = "ours: derived [D] from 1.4"

CLAIMS: ClaimTable[_Results] = ClaimTable(
    (
        claim(
            "no_box", "without a box the feature breaks FGSM training",
            "robust accuracy at ε {setup.epsilon:g}: β 0 less β {setup.beta:g}, no box", above=0.2, source=QUESTION,
            value=lambda n: _fall(n, "none"),
        ),
        claim(
            "sound", "it does so, too, where the box and the ball are both respected",
            "robust accuracy at ε {setup.epsilon:g}: β 0 less β {setup.beta:g}, box then ball", above=0.2,
            source=QUESTION, value=lambda n: _fall(n, "box_then_eps"),
        ),
        claim(
            "start", "with a box the window starts later, as the clamp takes part of the feature away",
            "least broken β / ε: box then ball less no box", above=0.0, source=DERIVED,
            value=lambda n: n.edges["box_then_eps"]["start"] - n.edges["none"]["start"],
        ),
        claim(
            "end", "with a box the window ends later, too",
            "greatest broken β / ε: box then ball less no box", above=0.0, source=DERIVED,
            value=lambda n: n.edges["box_then_eps"]["end"] - n.edges["none"]["end"],
        ),
        claim(
            "narrows", "with a box fewer strengths break, where edges are missing, too",
            "broken strengths: no box less box then ball", above=0.0,
            source="ours: added when most seeds were seen not to break in the box, and so to have no edges",
            value=lambda n: n.broken("none") - n.broken("box_then_eps"),
        ),
        claim(
            "width", "respecting the ball does not change how many strengths break, of those beyond ε",
            "broken strengths above ε: absolute difference of the orders, where one breaks", below=1.0,
            source=QUESTION, value=_width_change,
        ),
        claim(
            "order", "beyond ε, the released order costs robustness, as it lets larger perturbations through",
            "robust accuracy at ε {setup.epsilon:g}, β {most:g}: box then ball less ball then box", above=0.0,
            source=DERIVED, value=lambda n: n.robust["box_then_eps"][n.most] - n.robust["eps_then_box"][n.most],
        ),
    ),
    read=_read,
    words=_Results._asdict,
)  # fmt: skip
"""Whether runs still break in a sound ball, and whether the window of strengths moves; all paired by seed."""


RECIPE = Recipe(
    name="co_features/box_modes",
    shows="Open question: does the window of broken strengths move when the ε-ball is respected?",
    item="Box modes (1.4 and open point 3 of the spec); ours",
    studies=RUNS.studies,
    collect=RUNS.collect,
    draw=draw,
    claims=CLAIMS,
)
