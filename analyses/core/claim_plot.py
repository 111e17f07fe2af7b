"""Claims as a picture: where each number lies, with its interval, its threshold and its verdict."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.core.judging.verdicts import ClaimResult
from analyses.core.judging.words import Verdict
from cotoolkit.plotting.style import STYLE

MARKS: dict[Verdict, tuple[str, int]] = {
    "holds": ("o", 2),
    "fails": ("X", 3),
    "undecided": ("D", 7),
    "untestable": ("|", 7),
    "fact": ("s", 2),
    "shown": (".", 7),
}
"""Marker, and index into seaborn's colour-blind palette."""


def forest(results: Sequence[ClaimResult]) -> tuple[Figure, list[Axes]]:
    """A row per claim, on an axis of its own: mean, 95 % interval, threshold (bar) and the side that was claimed.

    The measures have different units, so each row is scaled to show its interval and its threshold.
    """
    colours = sns.color_palette("colorblind")
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(9.0, 0.36 * len(results) + 0.8), layout="constrained")
        axis = figure.subplots()
        for row, result in enumerate(results):
            claim, found = result.claim, result.found
            marker, colour = MARKS[result.verdict]
            low, high = (found.mean if np.isnan(end) else end for end in (found.low, found.high))
            known = [value for value in (low, high, claim.threshold, claim.null) if np.isfinite(value)]
            start, width = min(known), (max(known) - min(known)) or 1.0
            place = [(value - start) / width for value in (low, found.mean, high, claim.threshold)]
            edge = (place[3], 1.06) if claim.side == "above" else (-0.06, place[3])
            axis.fill_between(edge, row - 0.38, row + 0.38, color=colours[2], alpha=0.12, lw=0)
            axis.plot([place[3]] * 2, [row - 0.38, row + 0.38], color="black", lw=1.2)
            axis.plot([place[0], place[2]], [row, row], color=colours[colour], lw=2)
            axis.plot(place[1], row, marker, color=colours[colour], ms=7)
            axis.text(1.09, row, f"{result.words}:  {found}", va="center", fontsize=9)
            sign = ">" if claim.side == "above" else "<"
            axis.text(-0.09, row, f"{claim.key}  {sign} {claim.threshold:g}", va="center", ha="right", fontsize=9)
        axis.set(xlim=(-0.06, 1.06), ylim=(len(results) - 0.5, -0.5), xticks=[], yticks=[])
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.set_title("number (mean, 95 % interval over seeds), threshold (bar) and claimed side (shaded)", fontsize=9)
    return figure, [axis]
