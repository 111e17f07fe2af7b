"""Pictures of memorisation, drawn from the tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analyses.core.statistics import estimate
from analyses.core.survival import kaplan_meier
from analyses.memorisation.dynamics import until_break
from analyses.memorisation.effects import Accuracies
from analyses.memorisation.settings import MARGIN, T_MEM
from cotoolkit.plotting.style import STYLE

PAIRS = {  # memorisation: label, line style, marker, index into seaborn's colour-blind palette
    "standard_clean": ("standard training, clean", "-", "o", 0),
    "adversarial_clean": ("adversarial training, clean", "--", "s", 1),
    "adversarial_robust": ("adversarial training, robust", ":", "^", 2),
}

EVENTS = {"clean": ("clean", "o", 0), "robust": ("robust", "s", 3), "robust_small": ("robust, half radius", "^", 2)}
"""Event: label, marker, index into the palette."""

BINS = 18
"""Of histograms on [0, 1], as those of the published values."""

ATTACKS = {"flagged": ("training attack", "-", "o", 3), "flagged_pgd": ("PGD-10", "--", "s", 0)}


def histograms(worlds: Mapping[str, pd.DataFrame]) -> tuple[Figure, list[Axes]]:
    """Memorisation of each kind (above) and the mean standard error by its value (below), a column per world."""
    colours = sns.color_palette("colorblind")
    edges = np.linspace(0, 1, BINS + 1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.3 * len(worlds) + 0.6, 4.6), layout="constrained")
        grid = figure.subplots(2, len(worlds), squeeze=False, sharex=True, height_ratios=(2, 1))
        for column, (world, images) in enumerate(worlds.items()):
            upper, lower = grid[:, column]
            for name, (label, style, marker, colour) in PAIRS.items():
                if f"mem_{name}" not in images:
                    continue
                values, errors = images[f"mem_{name}"].clip(0, 1), images[f"se_{name}"]
                counts = np.histogram(values.dropna(), edges)[0]
                upper.stairs(counts, edges, ls=style, lw=1.6, color=colours[colour], label=label)
                places = np.clip(np.digitize(values, edges) - 1, 0, BINS - 1)
                means = errors.groupby(places).mean()
                lower.plot(edges[means.index] + 0.5 / BINS, means, marker, ms=4, color=colours[colour])
            upper.axvline(T_MEM, color="black", lw=0.8)
            upper.set(yscale="log", title=f"{world}: {len(images):,} training images")
            lower.set(xlabel="memorisation (negative ones drawn at 0)", ylim=(0, None))
        grid[0, 0].set_ylabel("images")
        grid[1, 0].set_ylabel("standard error")
        handles: dict[str, Any] = {}
        for axis in grid[0]:
            handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3, frameon=False)
    return figure, list(grid.flat)


def against_memorisation(worlds: Mapping[str, pd.DataFrame]) -> tuple[Figure, list[Axes]]:
    """How often networks are right on an image they saw and on one they did not, by its memorisation (standard)."""
    colours = sns.color_palette("colorblind")
    edges = np.array([-1, 0.05, 0.15, 0.25, 0.5, 0.75, 1.0])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.3 * len(worlds) + 0.6, 3.6), layout="constrained")
        axes = figure.subplots(1, len(worlds), squeeze=False, sharey=True)[0]
        for axis, (world, images) in zip(axes, worlds.items(), strict=True):
            memory = images["mem_standard_clean"]
            places = np.clip(np.digitize(memory, edges) - 1, 0, len(edges) - 2)
            middle = memory.groupby(places).mean()
            for name, (label, _, marker, colour) in PAIRS.items():
                if f"mem_{name}" not in images:
                    continue
                for arm, style in (("seen", "-"), ("unseen", "--")):
                    means = images[f"{arm}_{name}"].groupby(places).mean()
                    text = f"{label}, {arm}" if world == next(iter(worlds)) else None
                    axis.plot(middle, means, ls=style, marker=marker, ms=4, color=colours[colour], label=text)
            axis.axvline(T_MEM, color="black", lw=0.8)
            axis.set(title=world, xlabel="memorisation (standard, clean)", ylim=(-0.03, 1.03))
        axes[0].set_ylabel("share of networks that are right")
        figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    return figure, list(axes)


def finding_a(table: pd.DataFrame, names: Mapping[str, str]) -> tuple[Figure, list[Axes]]:
    """Accuracy lost by leaving images out, by group of test images, with the equivalence margin.

    Args:
        table: accuracies.
        names: groups of test images with their names for people.
    """
    read = Accuracies(table)
    rows = [
        (f"{arm}:\n{text}", lambda event, arm=arm, group=group: read.less("adversarial", "all", arm, group, event))
        for arm in ("without atypical", "without typical")
        for group, text in names.items()
        if not read.of("adversarial", arm, group, "clean").empty
    ]
    return _intervals(rows, "accuracy lost, in points", MARGIN)


def finding_b(table: pd.DataFrame, group: str) -> tuple[Figure, list[Axes]]:
    """Accuracy on a group of test images without some training images, less that without as many atypical ones."""
    read = Accuracies(table)
    found = dict.fromkeys(table.loc[table["arm"].str.startswith("without"), "arm"])
    arms = ["all", *[arm for arm in found if arm != "without atypical"]]
    rows = []
    for kind in ("adversarial", "standard"):
        for arm in arms:
            if read.of(kind, arm, group, "clean").empty:
                continue
            rows.append(
                (
                    f"{kind}, {'trained on all' if arm == 'all' else arm}",
                    lambda event, kind=kind, arm=arm: read.less(kind, arm, "without atypical", group, event),
                )
            )
    return _intervals(rows, "accuracy less that without atypical, in points")


def controls(table: pd.DataFrame, arms: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Accuracy on all test images by method, less that of plain adversarial training; DOM would stretch the axes."""
    read = Accuracies(table)
    rows = [
        (arm, lambda event, arm=arm: read.less("adversarial", arm, "all", "all", event)) for arm in arms if arm != "dom"
    ]
    return _intervals(rows, "accuracy less that of plain training, in points")


def _intervals(rows: Sequence[tuple[str, Any]], label: str, margin: float | None = None) -> tuple[Figure, list[Axes]]:
    """A row per comparison and a panel per event: seeds as small dots, mean and 95 % interval."""
    colours = sns.color_palette("colorblind")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.4, 0.42 * len(rows) + 1.2), layout="constrained")
        axes = figure.subplots(1, len(EVENTS), squeeze=False, sharey=True)[0]
        for axis, (event, (title, marker, colour)) in zip(axes, EVENTS.items(), strict=True):
            if margin is not None:
                axis.axvspan(-100 * margin, 100 * margin, color=colours[7], alpha=0.25, lw=0)
            axis.axvline(0, color="black", lw=0.8)
            for row, (_, values_of) in enumerate(rows):
                values = 100 * np.asarray(values_of(event))
                if not len(values):
                    continue
                found = estimate(values)
                axis.plot(values, np.full(len(values), row), "|", color=colours[colour], alpha=0.6, ms=8)
                axis.plot([found.low, found.high], [row, row], color=colours[colour], lw=2)
                axis.plot(found.mean, row, marker, color=colours[colour], ms=7)
            low, high = axis.get_xlim()
            axis.set(title=title, xlim=(min(low, -1), max(high, 1)))
        axes[0].set_yticks(range(len(rows)), [name for name, _ in rows])
        axes[0].set_ylim(len(rows) - 0.5, -0.5)
        figure.supxlabel(label, fontsize=10)
    return figure, list(axes)


def gallery(
    pixels: NDArray[np.uint8], suspects: pd.DataFrame, images: pd.DataFrame, names: Sequence[str], columns: int = 8
) -> tuple[Figure, list[Axes]]:
    """The most confidently flagged training images with label and wrong class, and atypical ones that are not flagged.

    Args:
        pixels: (N, C, H, W) of the training images.
        suspects: looks at the end of training.
        images: what `image_table` gives.
        names: of the classes.
        columns: images per row.
    """
    looks = suspects.sort_values("index").reset_index(drop=True)
    flagged = looks[looks["flagged"]].sort_values("confidence", ascending=False, kind="stable")
    spared = looks[~looks["flagged"] & images["atypical"].to_numpy(dtype=bool)]
    memorised = images.loc[spared.index, "mem_standard_clean"].sort_values(ascending=False, kind="stable")
    spared = spared.loc[memorised.index]
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(9.4, 5.2), layout="constrained")
        grid = figure.subplots(3, columns, squeeze=False)
        for axis in grid.flat:
            axis.set_axis_off()
        shown = [*flagged.iloc[: 2 * columns].itertuples(), *spared.iloc[:columns].itertuples()]
        places = [*grid[:2].flat][: min(2 * columns, len(flagged))] + [*grid[2]][: min(columns, len(spared))]
        for axis, row in zip(places, shown, strict=True):
            image = pixels[int(row.index)].transpose(1, 2, 0)
            axis.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
            label = names[int(row.label)]
            other = f"\n→ {names[int(row.taken_for)]} {row.confidence:.2f}" if row.flagged else ""
            axis.set_title(f"{label}{other}", fontsize=8)
        figure.suptitle("flagged: label → the class it is taken for (two rows);  atypical and not flagged (last row)")
    return figure, list(grid.flat)


def courses(course: pd.DataFrame, onsets: pd.DataFrame) -> tuple[Figure, list[Axes]]:
    """Flagged share under the training attack and under PGD-10 against iterations since the break, a panel per arm.

    Only runs that broke; thin lines are runs. The strength gap is drawn below.
    """
    colours = sns.color_palette("colorblind")
    broke = onsets[onsets["onset"].notna()]
    arms = [arm for arm in onsets["arm"].unique() if arm in set(broke["arm"])]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.4, 4.6), layout="constrained")
        grid = figure.subplots(2, max(len(arms), 1), squeeze=False, sharex=True, sharey="row", height_ratios=(3, 2))
        for (upper, lower), arm in zip(grid.T, arms, strict=False):
            for run in broke[broke["arm"] == arm].to_dict("records"):
                looks = course[(course["arm"] == arm) & (course["seed"] == run["seed"])].sort_values("iteration")
                since = looks["iteration"] - run["onset"]
                for name, (label, style, _, colour) in ATTACKS.items():
                    upper.plot(since, looks[name], ls=style, lw=1.1, alpha=0.8, color=colours[colour], label=label)
                upper.plot(since, looks["clean_error"], ls=":", lw=1.1, color="black", label="clean error")
                lower.plot(since, looks["strength_gap"], lw=1.1, alpha=0.8, color=colours[4])
            for axis in (upper, lower):
                axis.axvline(0, color="black", lw=0.8)
            upper.set_title(arm.replace("without ", "without\n"), fontsize=9)
            upper.set(xlim=(-200, 200), xticks=(-150, 0, 150))
        grid[0, 0].set_ylabel("flagged share")
        grid[1, 0].set_ylabel("strength gap\n(PGD-10 less training)")
        figure.supxlabel("iterations since the breakpoint", fontsize=10)
        unique = dict(zip(*reversed(grid[0, 0].get_legend_handles_labels()), strict=True))
        figure.legend(unique.values(), unique.keys(), loc="outside upper center", ncols=3, frameon=False)
    return figure, list(grid.flat)


def onset_survival(onsets: pd.DataFrame) -> tuple[Figure, list[Axes]]:
    """When each run broke, by arm (left; open markers did not), and the share that had not yet (Kaplan-Meier)."""
    colours = sns.color_palette("colorblind")
    styles: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 1)), (0, (1, 1)), (0, (4, 1, 1, 1, 1, 1)))
    arms = list(dict.fromkeys(onsets["arm"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.4, max(0.38 * len(arms) + 1.0, 3.2)), layout="constrained")
        dots, curves = figure.subplots(1, 2)
        for row, arm in enumerate(arms):
            shares, broke = until_break(onsets[onsets["arm"] == arm])
            colour = colours[row % len(colours)]
            for share, broken in zip(shares, broke, strict=True):
                dots.plot(share, row, "o", ms=7, mfc=colour if broken else "none", mec=colour, alpha=0.8)
            dots.plot([np.median(shares)] * 2, [row - 0.3, row + 0.3], color="black", lw=1.5)
            found = kaplan_meier(shares, broke)
            style = styles[row % len(styles)]
            curves.step(
                np.r_[found.times, 1],
                np.r_[found.share, found.share[-1]],
                ls=style,
                where="post",
                color=colour,
                label=arm,
            )
        dots.set_yticks(range(len(arms)), arms)
        dots.set(ylim=(len(arms) - 0.5, -0.5), xlim=(0, 1.03), xlabel="share of training until the break (bar: median)")
        curves.set(xlim=(0, 1), ylim=(-0.03, 1.03), xlabel="share of training", ylabel="share of runs not broken")
        curves.legend(fontsize=8, frameon=False, loc="lower left")
    return figure, [dots, curves]
