"""A grid of small pictures, of which each has its own scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cotoolkit.plotting.style import PAGE
from figures.elements import new_figure

SIGNED = "RdBu_r"
"""Colours of weights and changes: white is 0."""


def image_grid(
    data: pd.DataFrame, part: str, rows: Mapping[str, str], count: int, *, height: float, plain: str = ""
) -> Figure:
    """A grid of pictures: a row per network, a column per unit or image.

    Args:
        data: of `measured_parts`.
        part: which pictures.
        rows: title of a row -> its network.
        count: pictures in a row.
        height: of the sheet in inches.
        plain: the network that stands for images, drawn in grey from 0 to 1.

    Returns:
        The figure.
    """
    figure, axes = new_figure(PAGE, height, len(rows), count, squeeze=False)
    for line, (title, network) in zip(axes, rows.items(), strict=True):
        for index, axis in enumerate(line):
            shown = _picture(data, part, network, index)
            largest = np.abs(shown).max() or 1.0
            look = {"cmap": "gray", "vmin": 0, "vmax": 1} if network == plain else {"cmap": SIGNED, "vmin": -largest}
            axis.imshow(shown, **{"vmax": largest, **look})
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(title, rotation=0, ha="right", va="center")
    return figure


def _picture(data: pd.DataFrame, part: str, network: str, index: int) -> Any:
    """One picture, (H, W)."""
    rows = data[(data["part"] == part) & (data["network"] == network) & (data["statistic"] == "pixel")]
    return rows[rows["picture"] == index].pivot_table(index="row", columns="column", values="value").to_numpy()
