"""When robustness is lost: the course of a study's runs, with their breakpoints."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotoolkit.plotting.columns import kind_name, require_columns
from cotoolkit.plotting.crowd import CROWD, Courses, Pooled, broken_share, kinds_of, pooled
from cotoolkit.plotting.style import STYLE

LINES = {  # signal: label, style, index into seaborn's colour-blind palette
    "probe_clean": ("clean", ":", 7),
    "probe_fgsm": ("FGSM", "--", 1),
    "probe_pgd": ("PGD", "-", 0),
}

SHOWN = ("probe_fgsm", "probe_pgd")
"""Signals of a study's timeline."""


def timeline(
    table: pd.DataFrame,
    metrics: pd.DataFrame,
    *,
    by: Sequence[str] = ("method", "epsilon", "beta"),
    signals: Sequence[str] = SHOWN,
) -> tuple[Figure, list[Axes]]:
    """Probe accuracies against the iteration, a panel per kind of run, a line per seed, breakpoints marked.

    The band around a breakpoint is its interval of uncertainty. Of more than `CROWD` runs the spread is drawn in place
    of each line, and the share of runs that have had their breakpoint; the picture says so.

    Args:
        table: one row per run (`cotoolkit.runs.tables.run_table`).
        metrics: one row per run, iteration and signal (`cotoolkit.runs.tables.run_table.metric_table`).
        by: columns of `table` that tell the panels apart.
        signals: probe signals to draw, of `LINES`.

    Returns:
        The figure and its axes, one per panel.

    Raises:
        ConfigError: no run, or a column that the table lacks.
    """
    require_columns(table, by)
    crowd = pooled(table, by) if len(table) > CROWD else None
    by = by if crowd is None else crowd.by
    panels = kinds_of(table, by)
    rows = -(-len(panels) // 4)
    columns = -(-len(panels) // rows)
    colours = sns.color_palette("colorblind")
    courses = {signal: Courses(metrics, signal) for signal in signals}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * columns + 0.6, 2.6 * rows + 0.7), layout="constrained")
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        axes: list[Axes] = list(grid.flat)
        for axis, (key, runs) in zip(axes, panels, strict=False):
            draw = _each_run if crowd is None else _spread
            draw(axis, runs, courses)
            axis.set_title(_panel_title(by, key, runs))
            axis.set_ylim(-0.03, 1.03)
            axis.yaxis.set_major_formatter("{x:.0%}")
        for axis in axes[len(panels) :]:
            axis.remove()
        axes = axes[: len(panels)]
        figure.supxlabel("iteration" if crowd is None else f"iteration\n({_folded(crowd, table)})", fontsize=10)
        figure.supylabel("accuracy on held-out points", fontsize=10)
        for signal in signals:
            label, style, colour = LINES[signal]
            axes[0].plot([], [], style, color=colours[colour], lw=1.6, label=label)
        if table["breakpoint"].notna().any():
            label = "breakpoint" if crowd is None else "runs past their breakpoint"
            axes[0].plot([], [], color="black", lw=1, label=label)
        figure.legend(loc="outside upper center", ncols=len(signals) + 1, frameon=False)
    return figure, axes


def _each_run(axis: Axes, runs: pd.DataFrame, courses: Mapping[str, Courses]) -> None:
    colours = sns.color_palette("colorblind")
    for _, run in runs.iterrows():
        for signal, of_runs in courses.items():
            if run["run"] in of_runs.courses:
                _, style, colour = LINES[signal]
                axis.plot(*of_runs.courses[run["run"]], style, color=colours[colour], lw=1.4, alpha=0.85)
        _mark_breakpoint(axis, run)


def _spread(axis: Axes, runs: pd.DataFrame, courses: Mapping[str, Courses]) -> None:
    colours = sns.color_palette("colorblind")
    spreads = {signal: of_runs.spread(runs["run"]) for signal, of_runs in courses.items()}
    for signal, spread in spreads.items():
        if spread is not None:
            _, style, colour = LINES[signal]
            axis.fill_between(spread.iterations, spread.low, spread.high, color=colours[colour], alpha=0.2, lw=0)
            axis.plot(spread.iterations, spread.median, style, color=colours[colour], lw=1.6)
    longest = max((spread.iterations for spread in spreads.values() if spread is not None), key=len, default=None)
    if longest is not None and runs["breakpoint"].notna().any():
        axis.step(longest, broken_share(runs, longest), where="post", color="black", lw=1)


def _folded(crowd: Pooled, table: pd.DataFrame) -> str:
    return textwrap.fill(crowd.note(len(table)), 70)


def _mark_breakpoint(axis: Axes, run: pd.Series) -> None:
    if pd.isna(run["breakpoint"]):
        return
    if run["latest"] > run["earliest"]:
        axis.axvspan(run["earliest"], run["latest"], color="0.5", alpha=0.18, lw=0)
    axis.axvline(run["breakpoint"], color="black", lw=1, alpha=0.8)


def _panel_title(by: Sequence[str], key: object, runs: pd.DataFrame) -> str:
    dated = runs["breakpoint"].notna().sum()
    return f"{kind_name(by, key)}\nbreakpoint in {dated} of {len(runs)}"
