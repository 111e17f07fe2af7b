"""When and where robustness breaks: timelines of runs with their breakpoints, phase diagrams over a study's grid.

Figures are drawn from the tables of `cotoolkit.runs.tables` and returned as `(figure, axes)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import format_number
from cotoolkit.plotting.style import STYLE
from cotoolkit.runs.tables import varying

LINES = {  # signal: label, style, index into seaborn's colour-blind palette
    "probe_clean": ("clean", ":", 7),
    "probe_fgsm": ("FGSM", "--", 1),
    "probe_pgd": ("PGD", "-", 0),
}


class PhaseAxes(NamedTuple):
    """Columns of a study's table that span its phase diagram."""

    x: str
    y: str
    by: str | None


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

    Raises:
        ConfigError: no run, or a column that the table lacks.
    """
    _require(table, by)
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


def phase_diagram(
    table: pd.DataFrame, *, x: str = "beta", y: str = "epsilon", by: str | None = "method", accuracy: str = "pgd-50"
) -> tuple[Figure, list[Axes]]:
    """Heat maps over a grid of settings: mean PGD accuracy, and the share of seeds that collapsed.

    Cells without a run stay empty. Both colour scales run from 0 to 1, so that pictures of different studies compare.

    Args:
        table: one row per run; unfinished runs are left out.
        x: column of the horizontal axis.
        y: column of the vertical axis, growing upwards.
        by: column with a pair of heat maps for each of its values; None draws one pair of all runs.
        accuracy: the evaluation protocol shown on the left.

    Raises:
        ConfigError: no finished run, or a column that the table lacks.
    """
    _require(table, (x, y, accuracy, "collapsed", *([by] if by else [])))
    done = table[table["verdict"] != ""].assign(collapsed=lambda runs: runs["collapsed"].astype(float))
    if done.empty:
        raise ConfigError("no finished run to draw")
    columns, rows = sorted(done[x].unique()), sorted(done[y].unique())
    kinds = list(done.groupby(by)) if by else [("", done)]
    panels = ((accuracy, f"{accuracy.upper()} accuracy, mean", "cividis"), ("collapsed", "seeds collapsed", "rocket_r"))
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        size = (2 * (0.75 * len(columns) + 1.5), len(kinds) * (0.55 * len(rows) + 1.0) + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(kinds), 2, squeeze=False)
        for (kind, runs), pair in zip(kinds, grid, strict=True):
            for axis, (column, title, colours) in zip(pair, panels, strict=True):
                cells = runs.pivot_table(index=y, columns=x, values=column, aggfunc="mean")
                cells = cells.reindex(index=rows[::-1], columns=columns).astype(float)
                _heat_map(axis, cells, colours)
                axis.set(title=": ".join([str(kind), title]) if by else title, xlabel="", ylabel="")
        figure.supxlabel(axis_name(x), fontsize=10)
        figure.supylabel(axis_name(y), fontsize=10)
        figure.suptitle(
            _seeds_a_cell(done.groupby([y, x, *([by] if by else [])]).size()), fontsize=9, x=0.99, ha="right"
        )
    return figure, list(grid.flat)


def phase_axes(table: pd.DataFrame) -> PhaseAxes:
    """The settings to spread a phase diagram over: strength and radius, or the first numbers that vary.

    >>> runs = pd.DataFrame({"state": "done", "method": ["fgsm", "pgd"], "epsilon": [0.1, 0.2], "beta": [0.0, 0.1]})
    >>> phase_axes(runs.assign(verdict="robust"))
    PhaseAxes(x='beta', y='epsilon', by='method')
    >>> phase_axes(runs.assign(verdict="robust", epsilon=0.1))
    PhaseAxes(x='beta', y='method', by=None)
    """
    differing = [name for name in varying(table) if name != "seed"]
    numbers = [name for name in differing if pd.api.types.is_numeric_dtype(table[name]) and table[name].notna().all()]
    first = [name for name in ("beta", "epsilon") if name in numbers]
    x, *rest = [*first, *(name for name in numbers if name not in first)] or ["epsilon"]
    if rest:
        return PhaseAxes(x, rest[0], "method" if "method" in differing else None)
    return PhaseAxes(x, "method", None)


def _heat_map(axis: Axes, cells: pd.DataFrame, colours: str) -> None:
    shown = cells.map(lambda share: "" if pd.isna(share) else f"{share:.0%}")
    sns.heatmap(cells, ax=axis, vmin=0, vmax=1, cmap=colours, annot=shown, fmt="", linewidths=1, cbar=False)
    axis.set_facecolor("0.92")  # of empty cells
    axis.set_xticklabels([number(value) for value in cells.columns], rotation=0)
    axis.set_yticklabels([number(value) for value in cells.index], rotation=0)


def _mark_breakpoint(axis: Axes, run: pd.Series) -> None:
    if pd.isna(run["breakpoint"]):
        return
    if run["latest"] > run["earliest"]:
        axis.axvspan(run["earliest"], run["latest"], color="0.5", alpha=0.18, lw=0)
    axis.axvline(run["breakpoint"], color="black", lw=1, alpha=0.8)


def _panel_title(by: Sequence[str], key: object, runs: pd.DataFrame) -> str:
    broken = runs["breakpoint"].notna().sum()
    return f"{kind_name(by, key)}\n{broken} of {len(runs)} break"


def kind_name(by: Sequence[str], key: object) -> str:
    """A kind of run in a few words; settings that it does not have (nan) are left out.

    >>> kind_name(["method", "epsilon", "method.k"], ("fgsm", 8 / 255, float("nan")))
    'fgsm, ε 8/255'
    """
    values = key if isinstance(key, tuple) else (key,)
    return ", ".join(
        str(value) if name == "method" else f"{_symbol(name)} {number(value)}"
        for name, value in zip(by, values, strict=True)
        if not (isinstance(value, float) and math.isnan(value))
    )


def _seeds_a_cell(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return f"{low} seeds a cell" if low == high else f"{low} to {high} seeds a cell"


def _symbol(name: str) -> str:
    return {"epsilon": "ε", "beta": "β"}.get(name, name)


def axis_name(name: str) -> str:
    """A setting as the title of an axis."""
    return {"epsilon": "radius ε", "beta": "feature strength β"}.get(name, name)


def number(value: object) -> str:
    """A setting's value as people write it."""
    return format_number(float(value)) if isinstance(value, float | int | np.number) else str(value)


def _require(table: pd.DataFrame, columns: Sequence[str]) -> None:
    if table.empty:
        raise ConfigError("no run to draw")
    missing = [column for column in columns if column not in table]
    if missing:
        raise ConfigError(f"the table has no column {', '.join(missing)}; it has: {', '.join(table.columns)}")
