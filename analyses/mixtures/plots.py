"""Figures of weight mixtures, each returned as `(figure, axes)`. Weights are (n_units, n_in), of `units_of`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from scipy import stats
from scipy.cluster.hierarchy import leaves_list, linkage
from torch import Tensor

from analyses.mixtures.statistics.directions import coefficients, common_direction, same_sign
from analyses.mixtures.statistics.matching import (
    cosines,
    lineage_cosines,
    match,
    matched_cosines,
    matched_null,
    random_cosine,
)
from analyses.mixtures.statistics.spectrum import energies, weight_spectrum
from cotoolkit.core.errors import ConfigError
from cotoolkit.plotting.style import STYLE

COLOURS = sns.color_palette("colorblind")
LINE_STYLES = ("-", "--", "-.", ":")
MARKERS = "osD^vP"

Drawn = tuple[Figure, list[Axes]]


def cosine_maps(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> Drawn:
    """Cosines of all units of one network with all of another, a column per pair; above by index, below matched.

    Rows are in the order of a hierarchical clustering of the first network's cosines. Columns are in the same order
    above, and in that of the best one-to-one match below, so that a diagonal means the same unit.

    Args:
        pairs: title -> two weights of the same shape.
    """
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(2.7 * len(pairs) + 1.1, 5.9), layout="constrained")
        grid = figure.subplots(2, len(pairs), squeeze=False)
        for column, (title, (first, second)) in zip(grid.T, pairs.items(), strict=True):
            order = _clustered(first)
            for axis, partner in zip(column, (torch.arange(len(second)), match(first, second).cpu()), strict=True):
                shown = cosines(first, second).cpu()[order][:, partner[order]]
                image = axis.imshow(shown.numpy(), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
                axis.set_title(_diagonal(shown), fontsize=8.5)
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(True)
            column[0].set_title(f"{title}\n{column[0].get_title()}", fontsize=8.5)
        for axis, name in zip(grid[:, 0], ("units by index", "units matched"), strict=True):
            axis.set_ylabel(name)
        figure.colorbar(image, ax=grid.ravel().tolist(), shrink=0.6, label="cosine")
    return figure, list(grid.flat)


def cosine_histograms(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> Drawn:
    """|Cosine| of units with those of the same index, and with their match, a panel per pair, with both nulls."""
    bins = np.linspace(0, 1, 31)
    with _panels(len(pairs), width=3.4, height=2.9) as (figure, axes):
        for axis, (title, (first, second)) in zip(axes, pairs.items(), strict=True):
            null = matched_null(first, second, torch.Generator().manual_seed(0), draws=20).cpu().flatten()
            axis.stairs(
                _shares(lineage_cosines(first, second).abs(), bins), bins, fill=True, color=COLOURS[0], alpha=0.55
            )
            axis.stairs(_shares(matched_cosines(first, second), bins), bins, color=COLOURS[1], lw=1.8)
            axis.stairs(_shares(null, bins), bins, color="0.35", ls=":", lw=1.4)
            axis.axvline(random_cosine(first.shape[1]), color="0.35", ls="--", lw=1.2)
            axis.set_title(title)
            axis.set_xlim(0, 1)
            axis.yaxis.set_major_formatter(PercentFormatter(1))
        axes[0].fill_between([], [], color=COLOURS[0], alpha=0.55, lw=0, label="same index")
        axes[0].plot([], [], color=COLOURS[1], lw=1.8, label="matched")
        axes[0].plot([], [], color="0.35", ls="--", lw=1.2, label="mean of random units")
        axes[0].plot([], [], color="0.35", ls=":", lw=1.4, label="matched, coordinates shuffled")
        figure.supxlabel("|cosine|", fontsize=10)
        figure.supylabel("share of units", fontsize=10)
        figure.legend(loc="outside upper center", ncols=4 if len(pairs) > 2 else 2, frameon=False)
    return figure, axes


def checkpoint_series(table: pd.DataFrame, positions: Mapping[str, float], statistics: Sequence[str]) -> Drawn:
    """Statistics over checkpoints, a panel for each, a line per layer; dotted in the same colour: the null.

    Tables of several seeds, put under each other with a column `seed`, give a thin line per seed and their mean.

    Args:
        table: of `mixture_table`.
        positions: model name -> where it stands, such as its iteration; other models are left out.
        statistics: which, of `STATISTICS`.

    Returns:
        The figure and its axes, one per statistic.

    Raises:
        ConfigError: a statistic, or all positions, that the table lacks.
    """
    missing = [name for name in statistics if name not in set(table["statistic"])]
    if missing:
        raise ConfigError(f"the table has no statistic {', '.join(missing)}; see analyses.mixtures.STATISTICS")
    rows = table[table["model"].isin(list(positions))]
    if rows.empty:
        raise ConfigError(f"the table has no model {', '.join(positions)}")
    rows = rows.assign(position=rows["model"].map(dict(positions)))
    layers = list(rows["layer"].unique())
    with _panels(len(statistics), width=3.4, height=2.8) as (figure, axes):
        for axis, statistic in zip(axes, statistics, strict=True):
            for index, layer in enumerate(layers):
                chosen = rows[(rows["statistic"] == statistic) & (rows["layer"] == layer)]
                look = {"color": COLOURS[index % len(COLOURS)], "ls": LINE_STYLES[index // len(COLOURS) % 4]}
                if "seed" in chosen:
                    for _, one in chosen.groupby("seed"):
                        line = one.sort_values("position")
                        axis.plot(line["position"], line["value"], lw=0.6, alpha=0.45, **look)
                mean = chosen.groupby("position")[["value", "null"]].mean()
                axis.plot(mean.index, mean["value"], lw=1.6, marker=MARKERS[index % len(MARKERS)], ms=3.5, **look)
                axis.plot(mean.index, mean["null"], lw=1, **{**look, "ls": ":"})
            axis.set_title(statistic)
            axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        for index, layer in enumerate(layers):
            axes[0].plot(
                [],
                [],
                color=COLOURS[index % len(COLOURS)],
                ls=LINE_STYLES[index // len(COLOURS) % 4],
                marker=MARKERS[index % len(MARKERS)],
                ms=3.5,
                label=f"layer {layer}",
            )
        axes[0].plot([], [], color="0.35", ls=":", lw=1, label="random weights")
        figure.supxlabel("checkpoint", fontsize=10)
        figure.legend(loc="outside upper center", ncols=min(len(layers) + 1, 2 * len(statistics) + 1), frameon=False)
    return figure, axes


def mixture_histograms(layers: Mapping[str, tuple[Tensor, Tensor]]) -> Drawn:
    """How much of the clean units' common direction u1 each clean and each robust unit carries, a panel per layer.

    In theory the clean units all lie on one side of 0, and the robust ones near 0.

    Args:
        layers: title -> clean and robust weights of the same shape.
    """
    with _panels(len(layers), width=3.6, height=3.1) as (figure, axes):
        for axis, (title, (clean, robust)) in zip(axes, layers.items(), strict=True):
            u1 = common_direction(clean)
            found = {name: coefficients(rows, u1).cpu() for name, rows in (("clean", clean), ("robust", robust))}
            reach = 1.05 * max(float(values.abs().max()) for values in found.values())
            bins = np.linspace(-reach, reach, 26)
            lines = [title]
            for name, values in found.items():
                if name == "clean":
                    axis.stairs(_shares(values, bins), bins, fill=True, color=COLOURS[0], alpha=0.55)
                else:
                    axis.stairs(_shares(values, bins), bins, color=COLOURS[1], lw=1.8)
                side = same_sign(clean if name == "clean" else robust, u1)
                kurtosis = float(stats.kurtosis(values.numpy()))
                lines.append(
                    f"{name}: {float(values.mean()):.2f} ± {float(values.std()):.2f}, "
                    f"{side:.0%} on one side, kurtosis {kurtosis:.1f}"
                )
            axis.axvline(0, color="0.35", lw=1)
            axis.set_title("\n".join(lines), fontsize=8)
            axis.xaxis.set_major_locator(MaxNLocator(5))
            axis.yaxis.set_major_formatter(PercentFormatter(1))
        axes[0].fill_between([], [], color=COLOURS[0], alpha=0.55, lw=0, label="clean")
        axes[0].plot([], [], color=COLOURS[1], lw=1.8, label="robust")
        figure.supxlabel("mixture coefficient ⟨w / ‖w‖, u1 of the clean units⟩", fontsize=10)
        figure.supylabel("share of units", fontsize=10)
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure, axes


def weight_spectra(matrices: Mapping[str, Tensor]) -> Drawn:
    """Share of the energy in each singular direction, a line per matrix, with a random matrix of the first one's shape.

    Args:
        matrices: label -> weights, or changes of weights; unit-normalise weights before.

    Returns:
        The figure and its axis.
    """
    shape = next(iter(matrices.values())).shape
    random = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    with _panels(1, width=5.2, height=3.4) as (figure, axes):
        for index, (label, matrix) in enumerate([*matrices.items(), ("random", random)]):
            share = energies(matrix).cpu()
            is_random = index == len(matrices)
            axes[0].plot(
                range(1, len(share) + 1),
                share,
                color="0.35" if is_random else COLOURS[index % len(COLOURS)],
                ls=":" if is_random else LINE_STYLES[index % len(LINE_STYLES)],
                marker=None if is_random else MARKERS[index % len(MARKERS)],
                markevery=max(1, len(share) // 12),
                ms=4,
                label=f"{label} (effective rank {weight_spectrum(matrix).effective_rank:.1f})",
            )
        axes[0].set(yscale="log", xlabel="singular direction", ylabel="share of the energy")
        axes[0].legend(frameon=False)
    return figure, axes


@contextmanager
def _panels(count: int, width: float, height: float) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with so many panels, at most four a row, in the common style."""
    with mpl.rc_context(STYLE):
        rows = math.ceil(count / 4)
        columns = math.ceil(count / rows)
        size = (max(width * columns + 0.5, 4.2), height * rows + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        axes: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axis in axes[count:]:
            axis.remove()
        yield figure, axes[:count]


def _shares(values: Tensor, bins: np.ndarray) -> np.ndarray:
    return np.histogram(values.cpu().numpy(), bins)[0] / len(values)


def _clustered(rows: Tensor) -> Tensor:
    if len(rows) < 3:
        return torch.arange(len(rows))
    return torch.from_numpy(
        leaves_list(linkage(cosines(rows, rows).cpu().double().numpy(), "average")).astype(np.int64)
    )


def _diagonal(shown: Tensor) -> str:
    n = len(shown)
    diagonal = float(shown.diagonal().abs().mean())
    others = (float(shown.abs().sum()) - n * diagonal) / (n * (n - 1)) if n > 1 else math.nan
    return f"mean |cos|: diagonal {diagonal:.2f}, rest {others:.2f}"
