"""Does the window of collapse move when the epsilon-ball is respected? Three orders of clamping, one question of ours.

Injected images leave [0, 1]. The released code clamps to the ball and then to the box, which forces perturbations
larger than epsilon where the image leaves the box by more than that. A pixel leaves it by beta at most, so up to
beta = epsilon the two orders are the same projection in linf, and share their runs. Any box is another question: where
an image is black, as most of a digit is, the clamp takes away what the feature darkens.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.studies.scale import Scale
from figures.co_features.cells import Cell, boxed, broken, cell_table, few_betas, lines, study_of
from figures.co_features.world import WORLDS, World, world_of
from figures.elements import band, dots, names_below, percent, sheet, zero_line
from figures.recipe import Recipe
from figures.style import CYCLE, DASHES, MARKERS, PAGE

MODES = {"none": "no box", "box_then_eps": "box, then ball (sound)", "eps_then_box": "ball, then box (released)"}
"""Orders of the clamps, and how they are written."""

BEYOND = 1.6
"""Largest strength, in radii: there the two orders differ."""


def _betas(world: World) -> tuple[float, ...]:
    return (*few_betas(world, 0, 2 / 3, 1), round(BEYOND * world.epsilon, 6))


def _cells(world: World) -> list[Cell]:
    either = "eps_then_box" if world.base["box"] == "eps_then_box" else "box_then_eps"
    found = []
    for beta in sorted(set(_betas(world))):
        for mode in MODES:
            box = either if mode != "none" and beta <= world.epsilon else mode
            label: dict[str, str | float] = {"mode": mode, "beta": beta, "epsilon": world.epsilon}
            found.append(Cell(label, world.arm(beta, **boxed(world, box))))
    return found


STUDIES = {scale: (study_of(w, "box-modes", _cells(w), w.more_seeds),) for scale, w in WORLDS.items()}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per order, strength and seed."""
    world = WORLDS[scale]
    return cell_table(runner, world, STUDIES[scale][0], _cells(world), world.more_seeds)


def draw(data: pd.DataFrame) -> Figure:
    """Robust and clean accuracy against the strength; on the right what a box changes, by seed."""
    figure, (robust, clean, change) = sheet(PAGE, 2.5, 1, 3)
    shown = data.assign(strength=data["beta"] / data["epsilon"])
    for index, (mode, name) in enumerate(MODES.items()):
        rows = shown[shown["mode"] == mode]
        look = {"colour": CYCLE[index], "line": DASHES[index], "marker": MARKERS[index], "label": name}
        band(robust, rows, "strength", "robust", **look)
        band(clean, rows, "strength", "clean", **look)
    for axis, measure in ((robust, "robust"), (clean, "clean")):
        percent(axis)
        axis.set(title=f"{measure} accuracy", xlabel="strength of the feature, β / ε", ylim=(-0.03, 1.03))
    robust.set(ylabel="accuracy (%)")
    clean.legend(loc="lower left")
    table, betas = lines(data, "mode"), sorted(set(data["beta"]))
    for index, mode in enumerate(("box_then_eps", "eps_then_box"), start=1):
        for place, beta in enumerate(betas):
            difference = (table[mode][beta] - table["none"][beta]).tolist()
            dots(change, place + (index - 1.5) * 0.4, difference, CYCLE[index], marker=MARKERS[index])
    zero_line(change)
    names_below(change, [f"{beta / data['epsilon'].iloc[0]:.2g}" for beta in betas])
    percent(change)
    change.set(title="robust, less no box (points)", xlabel="strength of the feature, β / ε")
    return figure


def window(found: pd.DataFrame) -> pd.DataFrame:
    """Edges of the window by seed: columns start and end, the least and the greatest broken strength; nan if none.

    Args:
        found: which runs are broken; rows are seeds, columns strengths.
    """
    strengths = np.array(found.columns, dtype=float)
    inside = [strengths[row] if row.any() else np.array([np.nan]) for row in found.to_numpy()]
    edges = {"start": [row.min() for row in inside], "end": [row.max() for row in inside]}
    return pd.DataFrame(edges, index=found.index)


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """Whether collapse survives a sound ball, and whether its window moves; all paired by seed."""
    world, robust = world_of(data), lines(data, "mode")
    epsilon, beta, most = world.epsilon, world.beta, max(data["beta"])
    found = {mode: broken(robust[mode], robust[mode][0.0]) for mode in MODES}
    edges = {mode: window(found[mode]) / epsilon for mode in MODES}
    count = {mode: found[mode].sum(axis=1).astype(float) for mode in MODES}
    strong = sorted(beta for beta in set(data["beta"]) if beta > epsilon)
    sound, released = (found[mode][strong].sum(axis=1).astype(float) for mode in ("box_then_eps", "eps_then_box"))
    question = "ours: open question of the spec (section 7, 3)"
    derived = "ours: derived [D] from 1.4"
    return [
        check(
            Claim(
                "no_box", "without a box the feature breaks FGSM training",
                f"robust accuracy at ε {epsilon:g}: β 0 less β {beta:g}, no box", "above", 0.2, 0.0, question,
            ),
            robust["none"][0.0] - robust["none"][beta],
        ),
        check(
            Claim(
                "sound", "it does so, too, where the box and the ball are both respected",
                f"robust accuracy at ε {epsilon:g}: β 0 less β {beta:g}, box then ball", "above", 0.2, 0.0, question,
            ),
            robust["box_then_eps"][0.0] - robust["box_then_eps"][beta],
        ),
        check(
            Claim(
                "start", "with a box the window starts later, as the clamp takes part of the feature away",
                "least broken β / ε: box then ball less no box", "above", 0.0, 0.0, derived,
            ),
            edges["box_then_eps"]["start"] - edges["none"]["start"],
        ),
        check(
            Claim(
                "end", "with a box the window ends later, too",
                "greatest broken β / ε: box then ball less no box", "above", 0.0, 0.0, derived,
            ),
            edges["box_then_eps"]["end"] - edges["none"]["end"],
        ),
        check(
            Claim(
                "narrows", "with a box fewer strengths break, where edges are missing, too",
                "broken strengths: no box less box then ball", "above", 0.0, 0.0,
                "ours: added when most seeds were seen not to break in the box, and so to have no edges",
            ),
            count["none"] - count["box_then_eps"],
        ),
        check(
            Claim(
                "width", "respecting the ball does not change how many strengths break, of those beyond ε",
                "broken strengths above ε: absolute difference of the orders, where one breaks", "below", 1.0, 0.0,
                question,
            ),
            # Up to ε the two orders are one projection, so nothing can differ; where neither breaks, nothing is learnt.
            (sound - released).abs().where(sound + released > 0),
        ),
        check(
            Claim(
                "order", "beyond ε, the released order costs robustness, as it lets larger perturbations through",
                f"robust accuracy at ε {epsilon:g}, β {most:g}: box then ball less ball then box", "above", 0.0, 0.0,
                derived,
            ),
            robust["box_then_eps"][most] - robust["eps_then_box"][most],
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="co_features/box_modes",
    shows="Open question: does the window of collapse move when the ε-ball is respected?",
    item="Box modes (1.4 and open point 3 of the spec); ours",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
