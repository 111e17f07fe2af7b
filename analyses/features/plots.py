"""Pictures of what units and networks look for; each returns `(figure, axes)`.

Signed maps are drawn red (positive) and blue (negative) about white for one channel, as colours about grey for three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from analyses.features.filters import filter_pictures
from analyses.features.maximisation import Maximised
from analyses.features.spectra import shell_shares
from cotoolkit.core.errors import ConfigError
from cotoolkit.plotting.style import STYLE, percent_text

MARKERS = "osD^vP"
CELL = 0.72
"""Inches of a picture's side."""


def filter_figure(filters: Mapping[str, Tensor], units: Sequence[int] | None = None) -> tuple[Figure, list[Axes]]:
    """First-layer filters, a row per model and a column per unit, and beside them their mean spectra.

    Each filter has a scale of its own, symmetric about zero. A column shows kin only if all models started from the
    same weights. The spectra are means over all units, with that of white noise for comparison.

    Args:
        filters: by model name, each (units, C, h, w), as `first_filters` gives them.
        units: which to draw; None draws the first sixteen.

    Returns:
        The figure and its axes: the filters row by row, then the spectra.

    Raises:
        ConfigError: no filters, filters of different shapes, or of neither 1 nor 3 channels.
    """
    shapes = {tuple(one.shape) for one in filters.values()}
    if len(shapes) != 1:
        raise ConfigError(f"filters of one shape are needed, not of {len(shapes)}")
    ((count, channels, height, width),) = shapes
    _check_channels(channels)
    chosen = list(range(min(count, 16))) if units is None else list(units)
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        pictures_wide = CELL * len(chosen) + 1.0
        figure = Figure(figsize=(pictures_wide + 3.2, max(CELL * len(filters) + 0.6, 2.4)), layout="constrained")
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(pictures_wide, 3.2)).flat
        grid = left.subplots(len(filters), len(chosen), squeeze=False)
        for row, (name, one) in zip(grid, filters.items(), strict=True):
            pictures = 2 * filter_pictures(one.detach().cpu().float()) - 1
            for axis, unit in zip(row, chosen, strict=True):
                _signed(axis, pictures[unit])
            _row_title(row[0], name)
        for axis, unit in zip(grid[0], chosen, strict=True):
            axis.set_title(f"{unit}", fontsize=8)
        colours = "; weights red above zero, blue below" if channels == 1 else ""
        left.supxlabel(f"unit of the first layer{colours}", fontsize=9)
        spectrum = right.subplots()
        for index, (name, one) in enumerate(filters.items()):
            shares = shell_shares(one.cpu()).nanmean(0).numpy()
            colour = sns.color_palette("colorblind")[index % 10]
            spectrum.plot(shares, marker=MARKERS[index % len(MARKERS)], color=colour, label=name, ms=4)
        spectrum.plot(_white_noise(height, width), ":", color="0.4", label="white noise")
        spectrum.set(xlabel="DCT frequency shell", ylabel="share of energy", ylim=(0, None))
        spectrum.set_xticks(range(max(height, width)))
        spectrum.legend(frameon=False, fontsize=8)
    return figure, [*grid.flat, spectrum]


def maximisation_figure(
    found: Mapping[str, Maximised], units: Sequence[int], *, start: int = 0
) -> tuple[Figure, list[Axes]]:
    """Maximising images of the same units from the same start, a row per model: the images, then what was changed.

    Changes are on a scale of each picture's own, zero in the middle.

    Args:
        found: by model name, all of the same units and starts, such as clean first and robust below it.
        units: their indices, for the titles; U of them.
        start: which start to show.

    Returns:
        The figure and its axes, row by row.

    Raises:
        ConfigError: nothing to draw, other numbers of units, or images of neither 1 nor 3 channels.
    """
    if not found or any(len(one.images) != len(units) for one in found.values()):
        raise ConfigError(f"maximisation of these {len(units)} units is needed, by at least one model")
    _check_channels(next(iter(found.values())).images.shape[2])
    rows = [(name, kind, one) for kind in ("image", "change") for name, one in found.items()]
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        size = (CELL * (len(units) + 1) + 1.6, CELL * len(rows) + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(rows), len(units) + 1, squeeze=False)
        for row, (name, kind, one) in zip(grid, rows, strict=True):
            pictures = (one.images if kind == "image" else one.changes)[:, start].detach().cpu().float()
            if kind == "image":
                _image(row[0], one.starts[start].detach().cpu().float())
            else:
                row[0].set_axis_off()
            for axis, picture in zip(row[1:], pictures, strict=True):
                if kind == "image":
                    _image(axis, picture)
                else:
                    _signed(axis, picture / picture.abs().max().clamp_min(1e-12))
            _row_title(row[0], name if kind == "image" else f"{name},\nchange")
        grid[0, 0].set_title("start", fontsize=8)
        for axis, unit in zip(grid[0, 1:], units, strict=True):
            axis.set_title(f"unit {unit}", fontsize=8)
    return figure, list(grid.flat)


def attribution_figure(images: Tensor, maps: Mapping[tuple[str, str], Tensor]) -> tuple[Figure, list[Axes]]:
    """A row per image: the image, then its attribution map for every method and model.

    Maps are summed over channels, and scaled by the 99th percentile of their magnitudes. Saliency has no
    sign: all of it is red.

    Args:
        images: (B, C, H, W).
        maps: by (method, model), each (B, C, H, W), in the order of the columns.

    Returns:
        The figure and its axes, row by row.

    Raises:
        ConfigError: nothing to draw, maps of another shape, or images of neither 1 nor 3 channels.
    """
    if len(images) == 0 or not maps or any(one.shape != images.shape for one in maps.values()):
        raise ConfigError("attribution maps of the shape of the images are needed, and at least one image")
    _check_channels(images.shape[1])
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        size = (max(1.25 * CELL * (len(maps) + 1) + 0.3, 2.6), CELL * len(images) + 0.9)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(images), len(maps) + 1, squeeze=False)
        for row, image in zip(grid, images, strict=True):
            _image(row[0], image.detach().cpu().float())
        grid[0, 0].set_title("image", fontsize=8)
        for column, ((method, model), one) in zip(grid[:, 1:].T, maps.items(), strict=True):
            column[0].set_title(f"{method.replace('_', chr(10), 1).replace('_', ' ')}\n{model}", fontsize=8)
            for axis, credit in zip(column, one.detach().cpu().float().sum(1, keepdim=True), strict=True):
                _signed(axis, credit / credit.abs().quantile(0.99).clamp_min(1e-12))
        figure.supxlabel("red: for the class, blue: against it", fontsize=8)
    return figure, list(grid.flat)


def frequency_figure(
    table: pd.DataFrame, *, of: str = "input_gradient", order: Sequence[str] | None = None
) -> tuple[Figure, list[Axes]]:
    """Shares of energy at low, mid and high frequencies over models, such as the checkpoints of a run.

    Bands are the table's intervals over images.

    Args:
        table: of `feature_table`.
        of: "input_gradient" or "fgsm".
        order: model names from left to right; None takes them as the table does.

    Returns:
        The figure and its axis.

    Raises:
        ConfigError: the table has no such statistic, or lacks a model.
    """
    names = list(dict.fromkeys(table["model"])) if order is None else list(order)
    name = {"input_gradient": "input gradient", "fgsm": "FGSM perturbation"}.get(of, of)
    colours, place = sns.color_palette("colorblind"), np.arange(len(names))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(3.6, 0.45 * len(names) + 2), 3), layout="constrained")
        axis = figure.subplots()
        for index, band in enumerate(("low", "mid", "high")):
            lines = table[table["statistic"] == f"{of}_{band}_share"].set_index("model")
            missing = [model for model in names if model not in lines.index]
            if missing or not names:
                raise ConfigError(f"the table has no {of}_{band}_share of {', '.join(missing) or 'any model'}")
            line = lines.loc[names]
            axis.plot(place, line["value"], marker=MARKERS[index], color=colours[index], label=band, ms=4)
            axis.fill_between(place, line["low"], line["high"], color=colours[index], alpha=0.2, lw=0)
        axis.set_xticks(place, names, rotation=45 if len(names) > 4 else 0, ha="right" if len(names) > 4 else "center")
        axis.set(ylim=(0, None), ylabel="share of energy (%)", title=f"{name}: DCT frequencies")
        axis.yaxis.set_major_formatter(percent_text)
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure, [axis]


def _image(axis: Axes, image: Tensor) -> None:
    axis.imshow(_pixels(image.clamp(0, 1)), cmap="gray", vmin=0, vmax=1)
    _bare(axis)


def _signed(axis: Axes, values: Tensor) -> None:
    """(C, H, W), shown from -1 to 1."""
    if len(values) == 1:
        axis.imshow(_pixels(values), cmap="RdBu_r", vmin=-1, vmax=1)
    else:
        axis.imshow(_pixels((0.5 + values / 2).clamp(0, 1)))
    _bare(axis)


def _pixels(image: Tensor) -> np.ndarray:
    """(1, H, W) -> (H, W), (3, H, W) -> (H, W, 3)."""
    pixels: np.ndarray = image.permute(1, 2, 0).numpy()
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def _bare(axis: Axes) -> None:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(True)
    axis.spines[:].set_color("0.7")


def _row_title(axis: Axes, text: str) -> None:
    """At the left of the picture; not a label, which an axis that is off would hide."""
    axis.text(-0.12, 0.5, text, transform=axis.transAxes, ha="right", va="center", fontsize=9)


def _white_noise(height: int, width: int) -> np.ndarray:
    """Share of the coefficients in each shell."""
    impulse = torch.zeros(height * width, 1, height, width, dtype=torch.float64)
    impulse.view(height * width, -1).fill_diagonal_(1)
    shares: np.ndarray = shell_shares(impulse).mean(0).numpy()
    return shares


def _check_channels(channels: int) -> None:
    if channels not in {1, 3}:
        raise ConfigError(f"pictures have 1 or 3 channels, not {channels}")
