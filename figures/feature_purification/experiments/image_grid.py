"""A grid of small pictures, of which each has its own scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from cotoolkit.plotting.style import PAGE
from figures.elements import new_figure
from figures.feature_purification.experiments.deep_measures import COLOURS

SIGNED = "RdBu_r"
"""Colours of weights and changes: white is 0."""


def image_grid(
    data: pd.DataFrame, part: str, rows: Mapping[str, str], count: int, *, height: float, plain: str = ""
) -> Figure:
    """A grid of pictures: a row per network, a column per unit or image. Of coloured weights and changes grey is 0.

    Args:
        data: of `measured_parts`.
        part: which pictures.
        rows: title of a row -> its network.
        count: pictures in a row.
        height: of the sheet in inches.
        plain: the network that stands for images, drawn from 0 to 1.

    Returns:
        The figure.
    """
    figure, axes = new_figure(PAGE, height, len(rows), count, squeeze=False)
    for line, (title, network) in zip(axes, rows.items(), strict=True):
        for index, axis in enumerate(line):
            shown = _picture(data, part, network, index)
            largest = np.abs(shown).max() or 1.0
            if shown.ndim == 3:
                axis.imshow(shown if network == plain else 0.5 + shown / largest / 2)
            else:
                vmin, vmax, colours = (0, 1, "gray") if network == plain else (-largest, largest, SIGNED)
                axis.imshow(shown, cmap=colours, vmin=vmin, vmax=vmax)
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(title, rotation=0, ha="right", va="center")
    if COLOURS[0] not in data:
        scale = ScalarMappable(Normalize(-1, 1), SIGNED)
        bar = figure.colorbar(scale, ax=axes, ticks=[-1, 0, 1], shrink=0.8, aspect=30, pad=0.01)
        bar.set_label("share of\nthe largest")
    return figure


def _picture(data: pd.DataFrame, part: str, network: str, index: int) -> Any:
    """One picture, (H, W) or (H, W, 3)."""
    rows = data[(data["part"] == part) & (data["network"] == network) & (data["statistic"] == "pixel")]
    picture = rows[rows["picture"] == index]
    planes = COLOURS if COLOURS[0] in picture else ("value",)
    values = [picture.pivot_table(index="row", columns="column", values=plane).to_numpy() for plane in planes]
    return np.stack(values, axis=-1) if len(values) > 1 else values[0]
