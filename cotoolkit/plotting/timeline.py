"""When robustness is lost: the course of a study's runs, with their breakpoints."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotoolkit.plotting.columns import kind_name, require_columns
from cotoolkit.plotting.style import STYLE

LINES = {  # signal: label, style, index into seaborn's colour-blind palette
    "probe_clean": ("clean", ":", 7),
    "probe_fgsm": ("FGSM", "--", 1),
    "probe_pgd": ("PGD", "-", 0),
}


def timeline(
    table: pd.DataFrame,
    metrics: pd.DataFrame,
    *,
    by: Sequence[str] = ("method", "epsilon", "beta"),
    signals: Sequence[str] = ("probe_fgsm", "probe_pgd"),
) -> tuple[Figure, list[Axes]]:
    """Probe accuracies against the iteration, a panel per kind of run, a line per seed, breakpoints marked.

    The band around a breakpoint is its interval of uncertainty.

    Args:
        table: one row per run (`cotoolkit.runs.tables.run_table`).
        metrics: one row per run, iteration and signal (`cotoolkit.runs.tables.metric_table`).
        by: columns of `table` that tell the panels apart.
        signals: probe signals to draw, of `LINES`.

    Returns:
        The figure and its axes, one per panel.

    Raises:
        ConfigError: no run, or a column that the table lacks.
    """
    require_columns(table, by)
    panels = list(table.groupby(list(by), dropna=False))
    rows = -(-len(panels) // 4)
    columns = -(-len(panels) // rows)
    colours = sns.color_palette("colorblind")
    values = metrics[metrics["signal"].isin(signals)].groupby(["run", "signal"])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * columns + 0.6, 2.6 * rows + 0.7), layout="constrained")
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        axes: list[Axes] = list(grid.flat)
        for axis, (key, runs) in zip(axes, panels, strict=False):
            for _, run in runs.iterrows():
                for signal in signals:
                    if (run["run"], signal) in values.groups:
                        line = values.get_group((run["run"], signal))
                        _, style, colour = LINES[signal]
                        axis.plot(line["iteration"], line["value"], style, color=colours[colour], lw=1.4, alpha=0.85)
                _mark_breakpoint(axis, run)
            axis.set_title(_panel_title(by, key, runs))
            axis.set_ylim(-0.03, 1.03)
            axis.yaxis.set_major_formatter("{x:.0%}")
        for axis in axes[len(panels) :]:
            axis.remove()
        axes = axes[: len(panels)]
        figure.supxlabel("iteration", fontsize=10)
        figure.supylabel("accuracy on held-out points", fontsize=10)
        for signal in signals:
            label, style, colour = LINES[signal]
            axes[0].plot([], [], style, color=colours[colour], lw=1.6, label=label)
        if table["breakpoint"].notna().any():
            axes[0].plot([], [], color="black", lw=1, label="breakpoint")
        figure.legend(loc="outside upper center", ncols=len(signals) + 1, frameon=False)
    return figure, axes


def _mark_breakpoint(axis: Axes, run: pd.Series) -> None:
    if pd.isna(run["breakpoint"]):
        return
    if run["latest"] > run["earliest"]:
        axis.axvspan(run["earliest"], run["latest"], color="0.5", alpha=0.18, lw=0)
    axis.axvline(run["breakpoint"], color="black", lw=1, alpha=0.8)


def _panel_title(by: Sequence[str], key: object, runs: pd.DataFrame) -> str:
    dated = runs["breakpoint"].notna().sum()
    return f"{kind_name(by, key)}\nbreakpoint in {dated} of {len(runs)}"
