"""The course of runs as pictures: clean, FGSM and PGD accuracy against time, with what happened marked."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotoolkit.diagnosis.logs.reading.courses import Course
from cotoolkit.diagnosis.logs.schema import LogRun
from cotoolkit.pages.chart_style import COLOURS
from cotoolkit.plotting.style import STYLE

LINES = {"clean": ("clean", ":", COLOURS[7]), "fgsm": ("FGSM", "--", COLOURS[1]), "pgd": ("PGD", "-", COLOURS[0])}
MARKS = {"breakpoint": ("black", "-"), "recovery": (COLOURS[2], "-"), "divergence": (COLOURS[3], "--")}
SLOW = ("robust overfitting", "decline")

PANELS = 12
"""Runs in one picture; more of them make more pictures."""


def log_timeline(runs: Sequence[tuple[LogRun, Course]], unit: str) -> tuple[Figure, list[Axes]]:
    """A panel per run: its accuracies, breakpoints (black, with the interval they lie in), recoveries, slow losses.

    Args:
        runs: at most `PANELS` of them, each with its course.
        unit: of time.

    Returns:
        The figure and its axes, one per run.
    """
    columns = min(len(runs), 3)
    lines = -(-len(runs) // columns)
    size = (6.4, 3.8) if len(runs) == 1 else (2.9 * columns + 0.6, 2.2 * lines + 0.7)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        grid: list[Axes] = list(figure.subplots(lines, columns, squeeze=False).flat)
        for axis, (run, course) in zip(grid, runs, strict=False):
            for part, (_, style, colour) in LINES.items():
                values = getattr(course, part)
                if values is not None:
                    marker = "o" if len(course) < 40 else None
                    axis.plot(course.times, values, style, color=colour, lw=1.5, marker=marker, ms=3)
            _mark(axis, run)
            axis.set_title(f"{run.name}\n{run.verdict}" if run.key else run.verdict, fontsize=9)
            axis.set_ylim(-0.03, 1.03)
            axis.yaxis.set_major_formatter("{x:.0%}")
        for axis in grid[len(runs) :]:
            axis.remove()
        axes = grid[: len(runs)]
        figure.supxlabel(unit, fontsize=10)
        figure.supylabel("accuracy", fontsize=10)
        _legend(figure, axes[0], [run for run, _ in runs])
    return figure, axes


def _mark(axis: Axes, run: LogRun) -> None:
    for event in run.events:
        if event.kind in SLOW:
            axis.axvspan(event.earliest, event.latest, ymax=0.04, color=COLOURS[4], alpha=0.6, lw=0)
            continue
        colour, style = MARKS[event.kind]
        axis.axvline(event.at, color=colour, ls=style, lw=1.1)
        if event.latest > event.earliest:
            axis.axvspan(event.earliest, event.latest, color="0.5", alpha=0.18, lw=0)


def _legend(figure: Figure, axis: Axes, runs: Sequence[LogRun]) -> None:
    there = {event.kind for run in runs for event in run.events}
    for label, style, colour in LINES.values():
        axis.plot([], [], style, color=colour, lw=1.6, label=label)
    for kind, (colour, style) in MARKS.items():
        if kind in there:
            axis.plot([], [], style, color=colour, lw=1.1, label=kind)
    for kind in SLOW:
        if kind in there:
            axis.plot([], [], color=COLOURS[4], lw=4, alpha=0.6, label=kind)
    figure.legend(loc="outside upper center", ncols=5, frameon=False, fontsize=9)
