"""Pictures of the benchmark: how late each rule is, and what it costs in misses and false alarms."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.early_warning.recorded.recording import Run
from cotoolkit.plotting.style import STYLE


def delays(table: pd.DataFrame) -> tuple[Figure, Axes]:
    """Median delay of each rule since the first crossing of a terminal break with its interval, and its 90 % delay; its
    median delay since the crossing that lasts; misses and false alarms beside it.

    Args:
        table: of `tables.rule_table`, one row per rule, in the order drawn.
    """
    rows = table.iloc[::-1].reset_index(drop=True)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 0.34 * len(rows) + 1.5), layout="constrained")
        axis, beside = figure.subplots(1, 2, sharey=True, width_ratios=(4, 1.1))
        blue, orange = (sns.color_palette("colorblind")[index] for index in (0, 1))
        heights = np.arange(len(rows))
        axis.hlines(heights, rows["terminal_delay_low"], rows["terminal_delay_high"], color=blue, lw=2)
        axis.plot(rows["terminal_delay"], heights, "o", color=blue, label="since the first crossing: median, interval")
        axis.plot(
            rows["terminal_delay_sustained"], heights, "o", color=blue, mfc="none", ms=9, label="since the lasting one"
        )
        axis.plot(rows["terminal_delay_90"], heights, "|", color=orange, ms=11, mew=2.5, label="90 % found by")
        axis.axvline(0, color="black", lw=1)
        axis.set_yticks(heights, rows["label"])
        axis.set_xlabel("iterations after the true break (negative: before it)")
        axis.set_ylim(-0.7, len(rows) - 0.3)
        beside.axis("off")
        for x, title, column in ((0.0, "missed", "terminal_missed"), (0.65, "false", "false_per_healthy_run")):
            beside.text(x, 1.01, title, transform=beside.transAxes, fontsize=9, va="bottom")
            for height, value in enumerate(rows[column]):
                text = f"{value:.0%}" if column == "terminal_missed" else f"{value:.2f}"
                beside.text(x, height, text, transform=beside.get_yaxis_transform(), fontsize=9, va="center")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure, axis


def trade_off(table: pd.DataFrame) -> tuple[Figure, Axes]:
    """Missed terminal breaks against false alarms per healthy run, a point per rule; published rules are squares."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        axis = figure.subplots()
        colours = sns.color_palette("colorblind")
        for fitted, marker, colour, label in (
            (True, "o", colours[0], "ours, fitted on other settings"),
            (False, "s", colours[1], "thresholds as published or shipped"),
        ):
            part = table[table["fitted"] == fitted]
            axis.plot(part["false_per_healthy_run"], part["terminal_missed"], marker, color=colour, label=label, ms=7)
        for (false, missed), there in table.groupby(["false_per_healthy_run", "terminal_missed"]):
            text = "\n".join(", ".join(there["number"].iloc[at : at + 6]) for at in range(0, len(there), 6))
            axis.annotate(text, (false, missed), xytext=(6, 4), textcoords="offset points", fontsize=8)
        axis.set_xscale("symlog", linthresh=0.01)
        axis.set_xlim(-0.002, None)
        axis.set_ylim(-0.03, 1.03)
        axis.yaxis.set_major_formatter("{x:.0%}")
        axis.set(xlabel="false alarms per healthy run", ylabel="missed terminal breaks")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure, axis


COLOURS = {"healthy": 2, "terminal": 3, "transient": 1, "gradual": 4, "diverged": 5, "unclear": 7}
"""Of what became of a run, in seaborn's colour-blind palette."""


def settings_picture(table: pd.DataFrame) -> tuple[Figure, Axes]:
    """How many runs of each setting became what, and how many are still to be trained.

    Args:
        table: of `tables.setting_table`.
    """
    rows = table.iloc[::-1].reset_index(drop=True)
    heights, colours = np.arange(len(rows)), sns.color_palette("colorblind")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 0.21 * len(rows) + 1.2), layout="constrained")
        axis = figure.subplots()
        done = np.zeros(len(rows))
        for kind, colour in COLOURS.items():
            axis.barh(heights, rows[kind], left=done, color=colours[colour], label=kind)
            done += rows[kind].to_numpy(dtype=float)
        missing = np.maximum(rows["planned"] - rows["runs"], 0)
        axis.barh(heights, missing, left=done, color="none", edgecolor="0.6", lw=0.8, label="planned")
        names = [f"{row.setting}{'' if row.held_out else ' (fit)'}" for row in rows.itertuples()]
        axis.set_yticks(heights, names, fontsize=8)
        axis.set_ylim(-0.7, len(rows) - 0.3)
        axis.set_xlabel("runs")
        figure.legend(loc="outside lower center", ncols=len(COLOURS) + 1, frameon=False)
    return figure, axis


def example(run: Run, signals: Sequence[str], warning: int | None, detected: int | None) -> tuple[Figure, list[Axes]]:
    """One break: the truth above, the free signals below, with the warning and its confirmation.

    Args:
        run: that has a break; its last one is shown.
        signals: columns of its trace.
        warning: iteration of the first warning near the break, if any.
        detected: iteration of the probe that confirmed it, if any.
    """
    first, sustained, _, _ = run.truth.breaks[-1]
    around = first - 80, sustained + 80
    colours = sns.color_palette("colorblind")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 1.5 * len(signals) + 2.6), layout="constrained")
        axes: list[Axes] = list(figure.subplots(len(signals) + 1, 1, sharex=True))
        truth = run.recording.truth
        for column, style, colour, label in (("fgsm", "--", 1, "FGSM"), ("pgd", "-", 0, "PGD-20")):
            axes[0].plot(truth["iteration"], truth[column], style, color=colours[colour], label=label)
        axes[0].set_ylabel("accuracy (truth)")
        axes[0].set_ylim(-0.03, 1.03)
        axes[0].yaxis.set_major_formatter("{x:.0%}")
        for axis, signal in zip(axes[1:], signals, strict=True):
            axis.plot(run.recording.trace["iteration"], run.recording.trace[signal], color="0.35", lw=1)
            axis.set_ylabel(signal)
        for axis in axes:
            axis.axvspan(first, sustained, color="0.85")
            axis.axvline(first, color="black", lw=1.2, label="first crossing")
            axis.axvline(sustained, color="black", lw=1.2, ls=":", label="lasting crossing")
            for iteration, style, label in ((warning, ":", "warning"), (detected, "--", "confirmed")):
                if iteration is not None:
                    axis.axvline(iteration, color=colours[3], lw=1.4, ls=style, label=label)
        axes[-1].set_xlim(*around)
        axes[-1].set_xlabel("iteration")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure, axes
