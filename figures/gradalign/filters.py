"""Figure 5: the filter that takes over, at the last epoch before the break and at the first after it.

The paper shows the green channel of one filter, which becomes a Laplace filter: its weights sum to about zero, so that
it answers to noise and not to even areas. The measure of that is ours.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import PREMISE
from cotoolkit.plotting.style import PAGE
from cotoolkit.runs.checkpoints import trained_series
from cotoolkit.runs.folder import RunFolder
from figures.elements import new_figure
from figures.gradalign.single_layer import STEPS, STUDIES, parts_of, single_layer_table
from figures.recipe import Recipe

GREEN_CHANNEL = 1

LITTLE, RANDOM = 0.2, 0.33
"""Of `even_response`: what counts as hardly any (ours), and about what weights of random signs have."""

SHOWN = 6
"""Seeds in the picture."""


def filter_across_break(folder: RunFolder) -> pd.DataFrame:
    """The weights of the filter that takes over: its outgoing weights are the longest at the end.

    Args:
        folder: of a finished run with kept weights.

    Returns:
        Columns when ("before" or "after"), epoch, channel, row, column, value; no rows for a run that did not break.
    """
    found = folder.result()["breakpoint"]
    rows = []
    if found:
        before = math.floor(found["iteration"] / STEPS)
        kept = folder.kept()
        epochs = {"before": before, "after": before + 1}
        models = trained_series(folder, [kept[before], kept[before + 1], kept[-1]])
        grown = int(parts_of(models[-1])[1].norm(dim=1).argmax())
        for (when, epoch), model in zip(epochs.items(), models, strict=False):
            weights = parts_of(model)[0][grown].numpy()
            for (channel, row, column), value in np.ndenumerate(weights):
                place = {"channel": channel, "row": row, "column": column}
                rows.append({"when": when, "epoch": epoch, **place, "value": float(value)})
    return pd.DataFrame(rows, columns=["when", "epoch", "channel", "row", "column", "value"])


def draw(data: pd.DataFrame) -> Figure:
    """The green channel, before the break above and after it below, of the first seeds that broke."""
    seeds = data["seed"].unique()[:SHOWN]
    figure, axes = new_figure(PAGE, 2.6, 2, max(1, len(seeds)), squeeze=False)
    for line, when in zip(axes, ("before", "after"), strict=True):
        for axis, seed in zip(line, seeds, strict=False):
            run = data[(data["seed"] == seed) & (data["when"] == when) & (data["channel"] == GREEN_CHANNEL)]
            shown = run.pivot_table(index="row", columns="column", values="value").to_numpy()
            largest = np.abs(shown).max()
            picture = axis.imshow(shown, cmap="RdBu_r", vmin=-largest, vmax=largest)
            figure.colorbar(picture, ax=axis, shrink=0.7, ticks=[-largest, 0, largest], format="%.2g")
            axis.set(xticks=[], yticks=[], title=f"seed {seed}, epoch {run['epoch'].iloc[0]}")
            axis.grid(visible=False)
        line[0].set_ylabel(f"{when} the break")
    return figure


def even_response(data: pd.DataFrame, when: str) -> pd.Series[float]:
    """How much a filter answers to even areas: |sum of the weights| / sum of |weights|, the mean over channels.

    Args:
        data: the table of the figure.
        when: "before" or "after" the break.

    Returns:
        By seed, in [0, 1]: 0 for a Laplace filter, 1 for weights of one sign.
    """
    channels = data[data["when"] == when].groupby(["seed", "channel"])["value"]
    return (channels.sum().abs() / channels.agg(lambda values: values.abs().sum())).groupby(level="seed").mean()


EVEN_BEFORE: ClaimRow[pd.DataFrame] = claim(
    "even_before", "Before the break it answers to even areas",
    "|sum of the weights| / sum of |weights|, mean over channels, at the last epoch before the break",
    above=LITTLE, null=RANDOM, source=PREMISE, value=lambda data: even_response(data, "before"),
)  # fmt: skip
"""Else that it hardly does so afterwards is nothing that the break brought."""

CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        claim(
            "laplace", "After the break the filter that takes over hardly answers to even areas, as a Laplace filter",
            "|sum of the weights| / sum of |weights|, mean over channels, at the first epoch after the break",
            below=LITTLE, null=RANDOM, source="paper [F]: figure 5", premises=(EVEN_BEFORE,),
            value=lambda data: even_response(data, "after"),
        ),
        claim(
            "becomes", "It answers less to even areas after the break than before",
            "|sum of the weights| / sum of |weights|, mean over channels: the first epoch after the break minus the "
            "last before", below=0.0, source="paper [F]: figure 5",
            value=lambda data: even_response(data, "after") - even_response(data, "before"),
        ),
    ),
    read=lambda data: data,
)  # fmt: skip
"""What "becomes a Laplace filter" means in numbers."""

RECIPE = Recipe(
    name="gradalign/filters",
    shows="The filter that noise moves most, before and after the break",
    item="The GradAlign paper, figure 5",
    studies=STUDIES,
    collect=single_layer_table(filter_across_break),
    draw=draw,
    claims=CLAIMS,
)
