"""Pictures of the ways of attacks, of the verdict by radius, and of two networks compared: `(figure, axes)` each."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotoolkit.core.numbers import format_number
from cotoolkit.diagnosis.compare import NetworkComparison
from cotoolkit.diagnosis.page.accuracy_figures import COLOURS, LETTERS, LOOKS, PERCENT, WIDTH, legend_above
from cotoolkit.diagnosis.points import within
from cotoolkit.diagnosis.schema import Diagnosis, VerdictChange
from cotoolkit.plotting.style import STYLE


def ways_figure(diagnosis: Diagnosis) -> tuple[Figure, list[Axes]]:
    """Accuracy and loss from the images through their adversarial examples and beyond, for FGSM and for PGD."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        upper, lower = figure.subplots(2, sharex=True)
        for way in diagnosis.ways:
            marker, dash, colour = LOOKS["fgsm" if way.attack == "fgsm" else "pgd"]
            look = {"marker": marker, "ls": dash, "color": colour, "ms": 4, "label": way.attack.upper()}
            upper.plot(way.fractions, way.accuracy, **look)
            lower.plot(way.fractions, [np.nan if loss is None else loss for loss in way.median_loss], **look)
        for axis in (upper, lower):
            axis.axvline(1, color="0.5", lw=1)
        upper.text(1, 1.04, "adversarial example", ha="center", fontsize=LETTERS, color="0.3")
        upper.set(ylabel="accuracy", ylim=(-0.02, 1.02))
        upper.yaxis.set_major_formatter(PERCENT)
        legend_above(figure, upper)
        lower.set(ylabel="median loss", xlabel="part of the perturbation")
    return figure, [upper, lower]


def change_figure(change: VerdictChange, epsilon: float) -> tuple[Figure, list[Axes]]:
    """Accuracy under all attacks at every radius that was judged, with its verdict."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.42 * len(change.looked) + 1.2), layout="constrained")
        axis = figure.subplots()
        for row, one in enumerate(change.looked):
            colour = "black" if one.epsilon == epsilon else COLOURS[0]
            axis.plot([one.worst.low, one.worst.high], [row, row], color=colour, lw=2)
            axis.plot(one.worst.value, row, "D", color=colour, ms=6)
            axis.text(1.05, row, one.label, va="center", fontsize=LETTERS)
        axis.set(xlim=(-0.02, 1.02), ylim=(len(change.looked) - 0.4, -0.6), xlabel="accuracy under all attacks")
        axis.xaxis.set_major_formatter(PERCENT)
        axis.set_yticks(range(len(change.looked)), [format_number(one.epsilon) for one in change.looked])
        axis.set_ylabel("radius")
    return figure, [axis]


def pairs_figure(comparison: NetworkComparison) -> tuple[Figure, list[Axes]]:
    """Accuracies of two networks under every attack within epsilon, a line between the two."""
    rows = [row for row in comparison.rows if within(row.attack)]
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(WIDTH, 0.34 * len(rows) + 1.3), layout="constrained")
        axis = figure.subplots()
        places = range(len(rows))
        axis.hlines(places, [row.first for row in rows], [row.second for row in rows], color="0.6", lw=2)
        axis.plot([row.first for row in rows], places, "s", color=COLOURS[1], ms=7, label="first")
        axis.plot([row.second for row in rows], places, "D", color=COLOURS[0], ms=6, label="second")
        axis.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.4, -0.6), xlabel="points classified correctly")
        axis.xaxis.set_major_formatter(PERCENT)
        axis.set_yticks(places, [row.attack for row in rows])
        legend_above(figure, axis)
    return figure, [axis]
