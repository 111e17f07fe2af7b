"""Pictures of what decisions rest on besides pixels: bands of frequencies, and units of a layer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from analyses.features.attributions.frequency_bands import BandAblation
from analyses.features.plots import MARKERS
from cotoolkit.core.errors import ConfigError
from cotoolkit.plotting.style import STYLE

MOST_UNITS = 16
"""Units that a picture of conductance shows."""


def band_figure(found: Mapping[str, BandAblation]) -> tuple[Figure, list[Axes]]:
    """Mean drop of the logit without each band of frequencies, a line per model, with standard errors over images.

    Args:
        found: by model name, such as the networks before and after a breakpoint; of the same bands.

    Returns:
        The figure and its axis.

    Raises:
        ConfigError: nothing to draw, or other bands.
    """
    limits = {tuple(one.edges.tolist()) for one in found.values()}
    if len(limits) != 1:
        raise ConfigError(f"ablations of the same bands are needed, not of {len(limits)} sets of bands")
    edges = np.array(next(iter(limits)))
    limits_of = itertools.pairwise(edges)
    names = [f"{low:.0f}" if high - low <= 1 else f"{low:.0f}–{high - 1:.0f}" for low, high in limits_of]
    colours, place = sns.color_palette("colorblind"), np.arange(len(names))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(3.6, 0.45 * len(names) + 2), 3), layout="constrained")
        axis = figure.subplots()
        axis.axhline(0, color="0.6", lw=0.8)
        for index, (name, one) in enumerate(found.items()):
            drop = one.drop.detach().cpu().double()
            mean = drop.mean(0).numpy()
            error = (drop.std(0, correction=0) / max(1, len(drop) - 1) ** 0.5).numpy()
            colour = colours[index % 10]
            axis.plot(place, mean, marker=MARKERS[index % len(MARKERS)], color=colour, label=name, ms=4)
            axis.fill_between(place, mean - error, mean + error, color=colour, alpha=0.2, lw=0)
        axis.set_xticks(place, names)
        axis.set(xlabel="DCT frequencies taken out, half-cycles per image", ylabel="drop of the logit")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure, [axis]


def conductance_figure(found: Mapping[str, Tensor]) -> tuple[Figure, list[Axes]]:
    """Mean conductance of the units of one layer, a line per model, in the order of the first model.

    Shown are the units that carry most in any model. A unit has the same number in all: they should be states of one
    training, such as the networks before and after a breakpoint.

    Args:
        found: by model name, each (B, units), as `unit_conductance` gives it.

    Returns:
        The figure and its axis.

    Raises:
        ConfigError: nothing to draw, or other numbers of units.
    """
    if len({one.shape[1] for one in found.values()}) != 1:
        raise ConfigError("conductances of one layer are needed, of at least one model")
    means = {name: one.detach().cpu().double().mean(0).numpy() for name, one in found.items()}
    first, largest = next(iter(means.values())), np.max([np.abs(one) for one in means.values()], axis=0)
    shown = np.sort(np.argsort(-largest, kind="stable")[:MOST_UNITS])
    order = shown[np.argsort(-first[shown], kind="stable")]
    colours, place = sns.color_palette("colorblind"), np.arange(len(order))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(3.6, 0.32 * len(order) + 1.6), 3), layout="constrained")
        axis = figure.subplots()
        axis.axhline(0, color="0.6", lw=0.8)
        for index, (name, one) in enumerate(means.items()):
            marker = MARKERS[index % len(MARKERS)]
            axis.plot(place, one[order], marker=marker, color=colours[index % 10], label=name, ms=4, lw=1)
        axis.set_xticks(place, [str(unit) for unit in order], fontsize=8)
        axis.set(xlabel="unit, in the first network's order", ylabel="mean conductance")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure, [axis]
