"""Figure 6: norms of the filters and of the weights behind them, through FGSM training of one convolution.

The paper shows one seed, in which one filter of four takes over at the break; what is claimed over seeds is ours.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from cotoolkit.plotting.style import CYCLE, DASHES, PAGE
from cotoolkit.runs.checkpoints import trained_series
from cotoolkit.runs.folder import RunFolder
from figures.elements import mark_breakpoint, new_figure
from figures.gradalign.single_layer import (
    EPOCHS,
    STUDIES,
    broke_by_seed,
    parts_of,
    single_layer_table,
)
from figures.recipe import Recipe

PANELS = {"filter": "norm of\nthe filter", "outgoing": "norm of the\noutgoing weights"}


def norms(folder: RunFolder) -> pd.DataFrame:
    """l2 norms by filter after each epoch.

    Args:
        folder: of a finished run with kept weights.

    Returns:
        Columns epoch, filter, statistic ("filter" or "outgoing"), value.
    """
    rows = []
    for epoch, model in enumerate(trained_series(folder, folder.kept())):
        for statistic, weights in zip(PANELS, parts_of(model), strict=True):
            lengths = weights.flatten(1).norm(dim=1).tolist()
            rows += [
                {"epoch": epoch, "filter": index, "statistic": statistic, "value": length}
                for index, length in enumerate(lengths)
            ]
    return pd.DataFrame(rows)


def draw(data: pd.DataFrame) -> Figure:
    """A line per filter; a column per seed that broke, or per seed where none did."""
    broke = broke_by_seed(data)
    seeds = list((broke.dropna() if broke.notna().any() else broke).index)
    figure, axes = new_figure(PAGE, 3.2, len(PANELS), len(seeds), sharex=True, sharey="row", squeeze=False)
    for line, (statistic, label) in zip(axes, PANELS.items(), strict=True):
        for axis, seed in zip(line, seeds, strict=True):
            run = data[(data["seed"] == seed) & (data["statistic"] == statistic)]
            for number, rows in enumerate(run.groupby("filter")):
                look = {"color": CYCLE[number], "ls": DASHES[number], "label": f"filter {number + 1}"}
                axis.plot(rows[1]["epoch"], rows[1]["value"], **look)
            if np.isfinite(broke[seed]):
                mark_breakpoint(axis, broke[seed], named=False)
        line[0].set(ylabel=label, xlim=(0, EPOCHS), ylim=(0, None))
    for axis, seed in zip(axes[0], seeds, strict=True):
        axis.set(title=f"seed {seed}")
    for axis in axes[-1]:
        axis.set(xlabel="epoch")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def growth(data: pd.DataFrame, until: pd.Series[float]) -> pd.DataFrame:
    """How many times longer a filter's outgoing weights are at the end than at their shortest before some epoch.

    Args:
        data: the table of the figure.
        until: by seed, the epoch; nan leaves a seed out.

    Returns:
        A row per seed, a column per filter. The weights that training starts from do not count.
    """
    rows = data[data["statistic"] == "outgoing"]
    last = rows["seed"].map(until)
    before = rows[(rows["epoch"] >= 1) & (rows["epoch"] < last)]
    shortest = before.pivot_table(index="seed", columns="filter", values="value", aggfunc="min")
    end = rows[rows["epoch"] == EPOCHS].pivot_table(index="seed", columns="filter", values="value")
    return end.reindex(shortest.index) / shortest


def _with_break(data: pd.DataFrame) -> pd.DataFrame:
    return growth(data, broke_by_seed(data))


def _without_break(data: pd.DataFrame) -> pd.DataFrame:
    """Until the mean epoch of the others' breaks."""
    broke = broke_by_seed(data)
    return growth(data, broke.mask(broke.isna(), broke.mean()).where(broke.isna()))


GROWS = 3.0
"""How many times longer the weights have to get (ours)."""

MEASURE = "norm of a filter's outgoing weights, at the end over the least after an epoch before the break"

CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        claim(
            "one_grows", "After the break the outgoing weights of one filter grow severalfold",
            f"{MEASURE}: the largest", above=GROWS, null=1, source="paper [F]: figure 6",
            value=lambda data: _with_break(data).max(axis=1),
        ),
        claim(
            "others_do_not", "The outgoing weights of the other filters do not", f"{MEASURE}: the second largest",
            below=GROWS, null=1, source="paper [F]: figure 6",
            value=lambda data: _with_break(data).apply(lambda row: row.nlargest(2).iloc[-1], axis=1),
        ),
        claim(
            "not_without", "Without a break no filter's outgoing weights grow so",
            "norm of a filter's outgoing weights, at the end over the least after an epoch before the mean break of "
            "the others: the largest", below=GROWS, null=1, source="ours: control [M]",
            value=lambda data: _without_break(data).max(axis=1),
        ),
    ),
    read=lambda data: data,
)  # fmt: skip
"""One filter takes over at the break."""

RECIPE = Recipe(
    name="gradalign/filter_norms",
    shows="Norms of filters and of the weights behind them through FGSM training of one convolution",
    item="The GradAlign paper, figure 6",
    studies=STUDIES,
    collect=single_layer_table(norms),
    draw=draw,
    claims=CLAIMS,
)
