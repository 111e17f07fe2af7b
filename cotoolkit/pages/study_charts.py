"""Interactive versions of a study's pictures: accuracies of all runs by iteration, and heat maps over its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cotoolkit.pages.chart_style import GRID, INK, PROBES, QUIET, SYMBOLS, Stack, axis, heading, layout, legend
from cotoolkit.plotting.columns import SHARE_OF_CO, axis_name, kind_name, number
from cotoolkit.plotting.phase_diagram import phase_scale
from cotoolkit.runs.tables.accuracy_names import accuracy_title

DRAWN = ("probe_fgsm", "probe_pgd")
"""Signals of a study's chart."""


def runs_chart(table: pd.DataFrame, metrics: pd.DataFrame, by: Sequence[str]) -> go.Figure:
    """FGSM and PGD accuracy against the iteration, a panel per kind of run, breakpoints as lines, a symbol per seed.

    Args:
        table: one row per run (`cotoolkit.runs.tables.run_table`).
        metrics: one row per run, iteration and signal (`cotoolkit.runs.tables.run_table.metric_table`).
        by: columns of `table` that tell kinds of runs apart.

    Returns:
        The chart, one y axis per kind, from the top down.
    """
    kinds = list(table.groupby(list(by), dropna=False))
    stack = Stack.of([150] * len(kinds), gap=44)
    seeds = sorted(table["seed"].unique())
    looks = {seed: SYMBOLS[place % len(SYMBOLS)] for place, seed in enumerate(seeds)}
    chart = go.Figure(layout=layout(stack.height + 170, hovermode="closest"))
    values = metrics[metrics["signal"].isin(DRAWN)].groupby(["run", "signal"])
    lines = {key: rows for key, rows in values if isinstance(key, tuple)}
    titles = []
    for place, ((key, runs), domain) in enumerate(zip(kinds, stack.domains, strict=True), start=1):
        suffix = "" if place == 1 else str(place)
        chart.update_layout({f"yaxis{suffix}": axis(domain=domain, range=[-0.04, 1.04], tickformat=".0%", nticks=5)})
        dated = int(runs["breakpoint"].notna().sum())
        titles.append(heading(f"{kind_name(by, key)}: breakpoint in {dated} of {len(runs)}", domain[1]))
        for _, run in runs.iterrows():
            chart.add_traces(_traces(run, lines, suffix, looks[run["seed"]]))
    chart.add_traces(_key(dated=bool(table["breakpoint"].notna().any())))
    chart.add_traces([_seed_key(seed, symbol) for seed, symbol in looks.items()])
    lowest = "y" if len(kinds) == 1 else f"y{len(kinds)}"
    chart.update_layout(
        annotations=titles,
        xaxis=axis(title="iteration", anchor=lowest),
        margin={"l": 48, "r": 12, "t": 80, "b": 84},
        legend={**legend(stack, 24), "itemclick": False, "itemdoubleclick": False},
        legend2={"orientation": "h", "x": 0, "y": -52 / stack.height, "yanchor": "top", "itemwidth": 30},
    )
    return chart


def phase_chart(table: pd.DataFrame, *, x: str, y: str, by: str | None, accuracy: str) -> go.Figure:
    """Heat maps over two settings: mean accuracy, and the share of seeds that overfit catastrophically.

    Values stand in the cells; all maps share one colour scale, that of `phase_diagram`.

    Args:
        table: one row per finished run.
        x: column of the horizontal axis.
        y: column of the vertical axis.
        by: column with a pair of heat maps for each of its values; None draws one pair.
        accuracy: the evaluation protocol of the first map of each pair.

    Returns:
        The chart, one map below the other; shares in [0, 1].
    """
    done = table.assign(collapsed=table["collapsed"].astype(float))
    columns, rows = sorted(done[x].unique()), sorted(done[y].unique())
    kinds = [(str(kind), runs) for kind, runs in done.groupby(by)] if by else [("", done)]
    measures = ((accuracy, f"{accuracy_title(accuracy)} accuracy, mean"), ("collapsed", SHARE_OF_CO))
    panels = [(kind, runs, *measure) for kind, runs in kinds for measure in measures]
    stack = Stack.of([36 * len(rows) + 10] * len(panels), gap=56)
    chart = go.Figure(
        layout=layout(stack.height + 150, margin={"l": 80, "r": 12, "t": 40, "b": 106}, plot_bgcolor=GRID)
    )
    titles = []
    for place, ((kind, runs, column, title), domain) in enumerate(zip(panels, stack.domains, strict=True), start=1):
        suffix = "" if place == 1 else str(place)
        chart.add_trace(_heat_map(runs, x, y, column, columns, rows, suffix))
        titles.append(heading(f"{kind}: {title}" if by else title, domain[1]))
        plain = {"type": "category", "showgrid": False, "fixedrange": True}
        name = axis_name(x) if place == len(panels) else None
        chart.update_layout(
            {
                f"xaxis{suffix}": axis(anchor=f"y{suffix}", title=name, **plain),
                f"yaxis{suffix}": axis(anchor=f"x{suffix}", domain=domain, title=axis_name(y), **plain),
            }
        )
    bar = {"orientation": "h", "x": 0.5, "y": -56 / stack.height, "yanchor": "top", "thickness": 12, "len": 1}
    ticks = {"tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1], "outlinewidth": 0}
    scale = {"cmin": 0, "cmax": 1, "colorscale": phase_scale(), "colorbar": {**bar, **ticks}}
    chart.update_layout(annotations=titles, coloraxis=scale)
    return chart


def _traces(run: pd.Series, lines: dict[tuple[Any, ...], pd.DataFrame], suffix: str, symbol: str) -> list[go.Scatter]:
    """A run's two curves and its breakpoint; the item of its seed in the legend shows and hides them."""
    name = _seed_name(run["seed"])
    shared = {"yaxis": f"y{suffix}", "legendgroup": name, "legend": "legend2", "name": name, "showlegend": False}
    traces = []
    for signal in DRAWN:
        if (run["run"], signal) in lines:
            label, dash, _, colour = PROBES[signal]
            rows = lines[run["run"], signal]
            traces.append(
                go.Scatter(
                    x=rows["iteration"].tolist(),
                    y=rows["value"].tolist(),
                    mode="lines+markers",
                    line={"color": colour, "dash": dash, "width": 1.6},
                    marker={"symbol": symbol, "size": 5},
                    hovertemplate=f"{label} %{{y:.1%}} at iteration %{{x}}<br>{name}, {run['run']}<extra></extra>",
                    **shared,
                )
            )
    if not pd.isna(run["breakpoint"]):
        text = f"breakpoint {run['breakpoint']} ({run['earliest']} to {run['latest']})<br>{name}, {run['run']}"
        traces.append(
            go.Scatter(
                x=[int(run["breakpoint"])] * 2,
                y=[0, 1],
                mode="lines+markers",
                line={"color": INK, "width": 1},
                marker={"symbol": ["circle", symbol], "size": [1, 7], "color": INK},
                hovertemplate=f"{text}<extra></extra>",
                **shared,
            )
        )
    return traces


def _key(*, dated: bool) -> list[go.Scatter]:
    """What colours and dashes say, for the legend."""
    lines = [{"name": p.label, "line": {"color": p.colour, "dash": p.dash}} for p in map(PROBES.__getitem__, DRAWN)]
    lines += [{"name": "breakpoint", "line": {"color": INK, "width": 1}}] if dated else []
    return [go.Scatter(x=[None], y=[None], mode="lines", legend="legend", **line) for line in lines]


def _seed_key(seed: object, symbol: str) -> go.Scatter:
    """What a symbol says, for the legend."""
    name = _seed_name(seed)
    marker = {"symbol": symbol, "size": 7, "color": QUIET}
    return go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name=name, legendgroup=name, legend="legend2")


def _seed_name(seed: object) -> str:
    return f"seed {seed}"


def _heat_map(
    runs: pd.DataFrame, x: str, y: str, column: str, columns: list[Any], rows: list[Any], suffix: str
) -> go.Heatmap:
    means = runs.pivot_table(index=y, columns=x, values=column, aggfunc="mean").reindex(index=rows, columns=columns)
    counts = runs.pivot_table(index=y, columns=x, values=column, aggfunc="count").reindex(index=rows, columns=columns)
    return go.Heatmap(
        x=[number(value) for value in columns],
        y=[number(value) for value in rows],
        z=means.astype(float).to_numpy().tolist(),
        customdata=counts.fillna(0).astype(int).to_numpy().tolist(),
        xaxis=f"x{suffix}",
        yaxis=f"y{suffix}",
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        texttemplate="%{z:.0%}",
        textfont={"size": 14},  # plotly chooses black or white, by the cell
        hoverongaps=False,
        hovertemplate=f"{axis_name(x)} %{{x}}, {axis_name(y)} %{{y}}<br>%{{z:.1%}} (%{{customdata}} runs)"
        "<extra></extra>",
    )
