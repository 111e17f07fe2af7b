"""The theory's predictions P1-P16 and what follows from them, as a picture of verdicts.

The theorems are asymptotic; a threshold for finite sizes is ours. Which predictions are stated in texts of the paper
that could be read, and which are recollected or derived, stands in each claim's source.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.core.judging.verdicts import ClaimResult
from analyses.core.judging.words import WORDS, Verdict
from cotoolkit.plotting.style import BLUE, GREEN, GREY, PAGE, VERMILION
from figures.elements import new_figure
from figures.feature_purification.experiments.synthetic_world import RECIPES_OF, every_setting, theory_claims

MARKS: dict[Verdict, tuple[str, str]] = {
    "holds": ("o", BLUE),
    "fails": ("X", VERMILION),
    "undecided": ("D", GREY),
    "untestable": ("|", GREY),
    "fact": ("s", BLUE),
    "shown": (".", GREY),
}

DRAWN = theory_claims()
"""All, also those that other figures judge."""


def draw(data: pd.DataFrame) -> Figure:
    """A row per prediction on an axis of its own: mean, interval, threshold (bar) and the side that is claimed."""
    results = DRAWN(data)
    figure, axis = new_figure(PAGE, 0.19 * len(results) + 0.9)
    for row, result in enumerate(results):
        _draw_row(axis, row, result)
    for verdict in dict.fromkeys(result.verdict for result in results):
        marker, colour = MARKS[verdict]
        axis.plot([], [], marker, color=colour, label=WORDS[verdict])
    axis.set(xlim=(-0.06, 1.06), ylim=(len(results) - 0.4, -0.6), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(
        "mean and 95 % interval over seeds, threshold (bar), claimed side (shaded); each row has its own scale"
    )
    return figure


def _draw_row(axis: Axes, row: int, result: ClaimResult) -> None:
    claim, found = result.claim, result.found
    marker, colour = MARKS[result.verdict]
    low, high = (found.mean if np.isnan(end) else end for end in (found.low, found.high))
    known = [value for value in (low, high, claim.threshold, claim.null) if np.isfinite(value)]
    start, width = min(known), (max(known) - min(known)) or 1.0
    left, middle, right, bar = ((value - start) / width for value in (low, found.mean, high, claim.threshold))
    side = (bar, 1.06) if claim.side == "above" else (-0.06, bar)
    axis.fill_between(side, row - 0.38, row + 0.38, color=GREEN, alpha=0.12, lw=0)
    axis.plot([bar, bar], [row - 0.38, row + 0.38], color="black", lw=1)
    axis.plot([left, right], [row, row], color=colour, lw=1.5)
    axis.plot(middle, row, marker, color=colour, ms=4)
    whose = "paper" if claim.source.startswith("paper") else "ours"
    sign = ">" if claim.side == "above" else "<"
    axis.text(-0.09, row, f"{claim.statement} ({whose}, {claim.key})", va="center", ha="right", fontsize=6.5)
    axis.text(1.09, row, f"{found}, {sign} {claim.threshold:g}", va="center", fontsize=6.5)


RECIPE = RECIPES_OF.recipe(
    "feature_purification/predictions",
    shows="Predictions of the theory, each with its threshold, in the theory's own world",
    item="The paper's theorems, put as predictions P1 to P16",
    table=every_setting("scalars", "course"),
    draw=draw,
    claims=theory_claims("predictions"),
)
