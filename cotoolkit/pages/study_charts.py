"""Interactive versions of a study's pictures: accuracies of all runs by iteration, and heat maps over its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cotoolkit.pages.chart_style import COLOURS, SYMBOLS, Stack, axis, heading, layout
from cotoolkit.plotting.columns import SHARE_OF_CO, axis_name, kind_name, number
from cotoolkit.runs.tables.accuracy_names import accuracy_title

Scale = tuple[tuple[float, str], ...]

BLUES: Scale = ((0, "#ffffff"), (1, "#6aaed6"))
"""Colours of accuracies: darker means more, and dark text stays readable on all of it."""

ORANGES: Scale = ((0, "#ffffff"), (1, "#f4a261"))
"""Colours of shares of seeds: darker means more, and dark text stays readable on all of it."""

DRAWN = {"probe_fgsm": ("FGSM", "dash"), "probe_pgd": ("PGD", "solid")}


def runs_chart(table: pd.DataFrame, metrics: pd.DataFrame, by: Sequence[str]) -> go.Figure:
    """FGSM and PGD accuracy against the iteration, a panel and a legend per kind of run, breakpoints as lines.

    Args:
        table: one row per run (`cotoolkit.runs.tables.run_table`).
        metrics: one row per run, iteration and signal (`cotoolkit.runs.tables.run_table.metric_table`).
        by: columns of `table` that tell kinds of runs apart.

    Returns:
        The chart, one y axis per kind, from the top down.
    """
    kinds = list(table.groupby(list(by), dropna=False))
    most = max(len(runs) for _, runs in kinds)
    stack = Stack.of([max(150, min(22 * most + 20, 260))] * len(kinds), gap=44)
    chart = go.Figure(layout=layout(stack.height + 90, hovermode="closest"))
    values = metrics[metrics["signal"].isin(DRAWN)].groupby(["run", "signal"])
    lines = {key: rows for key, rows in values if isinstance(key, tuple)}
    titles = []
    for place, ((key, runs), domain) in enumerate(zip(kinds, stack.domains, strict=True), start=1):
        suffix = "" if place == 1 else str(place)
        looks = {"y": domain[1], "yanchor": "top", "x": 1.01, "tracegroupgap": 2, "itemwidth": 30}
        height = {"maxheight": (domain[1] - domain[0])}
        chart.update_layout({f"legend{suffix}": {**looks, **height}})
        chart.update_layout({f"yaxis{suffix}": axis(domain=domain, range=[-0.04, 1.04], tickformat=".0%", nticks=5)})
        dated = int(runs["breakpoint"].notna().sum())
        titles.append(heading(f"{kind_name(by, key)}: breakpoint in {dated} of {len(runs)}", domain[1]))
        for position, (_, run) in enumerate(runs.iterrows()):
            chart.add_traces(_traces(run, lines, suffix, position))
    lowest = "y" if len(kinds) == 1 else f"y{len(kinds)}"
    chart.update_layout(annotations=titles, xaxis=axis(title="iteration", anchor=lowest))
    return chart


def phase_chart(table: pd.DataFrame, *, x: str, y: str, by: str | None, accuracy: str) -> go.Figure:
    """Heat maps over two settings: mean accuracy, and the share of seeds that overfit catastrophically.

    Values stand in the cells.

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
    measures = ((accuracy, f"{accuracy_title(accuracy)} accuracy, mean", BLUES), ("collapsed", SHARE_OF_CO, ORANGES))
    panels = [(kind, runs, *measure) for kind, runs in kinds for measure in measures]
    stack = Stack.of([36 * len(rows) + 10] * len(panels), gap=56)
    chart = go.Figure(
        layout=layout(stack.height + 90, margin={"l": 80, "r": 12, "t": 40, "b": 46}, plot_bgcolor="#ebebeb")
    )
    titles = []
    for place, ((kind, runs, column, title, colours), domain) in enumerate(
        zip(panels, stack.domains, strict=True), start=1
    ):
        suffix = "" if place == 1 else str(place)
        chart.add_trace(_heat_map(runs, x, y, column, columns, rows, colours, suffix))
        titles.append(heading(f"{kind}: {title}" if by else title, domain[1]))
        plain = {"type": "category", "showgrid": False, "fixedrange": True}
        name = axis_name(x) if place == len(panels) else None
        chart.update_layout(
            {
                f"xaxis{suffix}": axis(anchor=f"y{suffix}", title=name, **plain),
                f"yaxis{suffix}": axis(anchor=f"x{suffix}", domain=domain, title=axis_name(y), **plain),
            }
        )
    chart.update_layout(annotations=titles)
    return chart


def _traces(run: pd.Series, lines: dict[tuple[Any, ...], pd.DataFrame], suffix: str, position: int) -> list[go.Scatter]:
    """A run's two curves and its breakpoint, which its item in the legend shows and hides together."""
    colour, symbol = COLOURS[position % 7], SYMBOLS[position % len(SYMBOLS)]
    name = f"seed {run['seed']}"
    shared = {"yaxis": f"y{suffix}", "legend": f"legend{suffix}", "legendgroup": run["run"], "name": name}
    traces = []
    for signal, (label, dash) in DRAWN.items():
        if (run["run"], signal) in lines:
            rows = lines[run["run"], signal]
            traces.append(
                go.Scatter(
                    x=rows["iteration"].tolist(),
                    y=rows["value"].tolist(),
                    mode="lines+markers",
                    line={"color": colour, "dash": dash, "width": 1.6},
                    marker={"symbol": symbol, "size": 5},
                    hovertemplate=f"{label} %{{y:.1%}} at iteration %{{x}}<br>{name}, {run['run']}<extra></extra>",
                    showlegend=signal == "probe_pgd",
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
                line={"color": "black", "width": 1},
                marker={"symbol": ["circle", "triangle-down"], "size": [1, 8], "color": colour},
                hovertemplate=f"{text}<extra></extra>",
                showlegend=False,
                **shared,
            )
        )
    return traces


def _heat_map(
    runs: pd.DataFrame, x: str, y: str, column: str, columns: list[Any], rows: list[Any], colours: Scale, suffix: str
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
        zmin=0,
        zmax=1,
        colorscale=colours,
        showscale=False,
        xgap=1,
        ygap=1,
        texttemplate="%{z:.0%}",
        textfont={"size": 14, "color": "#1c2330"},
        hoverongaps=False,
        hovertemplate=f"{axis_name(x)} %{{x}}, {axis_name(y)} %{{y}}<br>%{{z:.1%}} (%{{customdata}} runs)"
        "<extra></extra>",
    )
