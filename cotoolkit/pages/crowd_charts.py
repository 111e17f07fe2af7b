"""Interactive charts of studies of thousands of runs: the spread of all courses, and the one that is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cotoolkit.pages.chart_style import INK, PROBES, Stack, axis, heading, layout, legend
from cotoolkit.plotting.columns import kind_name
from cotoolkit.plotting.crowd import Course, Courses, Spread, broken_share, kinds_of
from cotoolkit.plotting.timeline import SHOWN

MOST_POINTS = 48
"""Values of a course that a page holds of each run at most."""


def crowd_chart(table: pd.DataFrame, metrics: pd.DataFrame, by: Sequence[str]) -> go.Figure:
    """FGSM and PGD accuracy against the iteration, a panel per kind of run: median, band, and share of broken runs.

    Args:
        table: one row per run (`cotoolkit.runs.tables.run_table`).
        metrics: one row per run, iteration and signal (`cotoolkit.runs.tables.run_table.metric_table`).
        by: columns of `table` that tell the kinds apart, see `crowd.pooled`.

    Returns:
        The chart, one y axis per kind, from the top down.
    """
    kinds = kinds_of(table, by)
    stack = Stack.of([170] * len(kinds), gap=44)
    chart = go.Figure(layout=layout(stack.height + 130, hovermode="x unified"))
    courses = {signal: Courses(metrics, signal) for signal in SHOWN}
    titles, explained = [], False
    for place, ((key, runs), domain) in enumerate(zip(kinds, stack.domains, strict=True), start=1):
        suffix = "" if place == 1 else str(place)
        chart.update_layout({f"yaxis{suffix}": axis(domain=domain, range=[-0.04, 1.04], tickformat=".0%", nticks=5)})
        dated = int(runs["breakpoint"].notna().sum())
        titles.append(heading(f"{kind_name(by, key)}: breakpoint in {dated} of {len(runs)}", domain[1]))
        spreads = {signal: of_runs.spread(runs["run"]) for signal, of_runs in courses.items()}
        for signal, spread in spreads.items():
            if spread is not None:
                chart.add_traces(_band(signal, spread, suffix, legend=place == 1))
        longest = max((spread.iterations for spread in spreads.values() if spread is not None), key=len, default=None)
        if longest is not None and dated:
            chart.add_trace(_broken(runs, longest, suffix, legend=not explained))
            explained = True
    lowest = "y" if len(kinds) == 1 else f"y{len(kinds)}"
    chart.update_layout(annotations=titles, xaxis=axis(title="iteration", anchor=lowest))
    chart.update_layout(margin_t=80, legend=legend(stack, 24))
    return chart


def course_lines(table: pd.DataFrame, metrics: pd.DataFrame) -> dict[str, Any]:
    """What a page's script draws of a run that is chosen from its table.

    Args:
        table: one row per run.
        metrics: one row per run, iteration and signal.

    Returns:
        `courses`: of each run, by identity, an accuracy per thousand at the points of one of the `grids` for each of
        the `lines`, and the breakpoint with its interval; `layout` of the chart.
    """
    grids: dict[tuple[int, ...], int] = {}
    by_signal = [Courses(metrics, signal).courses for signal in SHOWN]
    courses = {}
    dates = table[["breakpoint", "earliest", "latest"]].astype(object)
    dates = dates.where(dates.notna(), None)
    for name, dated in zip(table["run"], dates.itertuples(index=False, name=None), strict=True):
        found = [of_runs[name] for of_runs in by_signal if name in of_runs]
        courses[name.rpartition("-")[2]] = {
            "values": [_thinned(course, grids) for course in found],
            "breakpoint": None if dated[0] is None else dated,
        }
    probes = [PROBES[signal] for signal in SHOWN]
    return {
        "courses": courses,
        "grids": [list(grid) for grid in grids],
        "lines": [
            {"name": p.label, "mode": "lines+markers", "line": {"color": p.colour, "dash": p.dash}} for p in probes
        ],
        "layout": layout(
            330,
            margin={"l": 48, "r": 12, "t": 90, "b": 44},
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            xaxis=axis(title="iteration"),
            yaxis=axis(range=[-0.04, 1.04], tickformat=".0%"),
        ),
    }


def _thinned(course: Course, grids: dict[tuple[int, ...], int]) -> tuple[int, list[int | None]]:
    """The number of the grid, which is added if it is new, and the values in thousandths; of nan, None."""
    iterations, values = course
    if len(values) > MOST_POINTS:
        kept = np.linspace(0, len(values) - 1, MOST_POINTS).round().astype(int)
        iterations, values = iterations[kept], values[kept]
    grid = tuple(map(int, iterations.tolist()))
    shares = [None if math.isnan(value) else round(1000 * value) for value in values.tolist()]
    return grids.setdefault(grid, len(grids)), shares


def _band(signal: str, spread: Spread, suffix: str, *, legend: bool) -> list[go.Scatter]:
    probe = PROBES[signal]
    x, shared = spread.iterations.tolist(), {"yaxis": f"y{suffix}", "legendgroup": signal}
    edge = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    fill = {"fill": "tonexty", "fillcolor": f"rgba{(*_rgb(probe.colour), 0.2)}"}
    texts = [f"{low:.1%} to {high:.1%}" for low, high in zip(spread.low, spread.high, strict=True)]
    return [
        go.Scatter(x=x, y=spread.low.round(4).tolist(), **edge, **shared),
        go.Scatter(x=x, y=spread.high.round(4).tolist(), **edge, **fill, **shared),
        go.Scatter(
            x=x,
            y=spread.median.round(4).tolist(),
            mode="lines",
            line={"color": probe.colour, "dash": probe.dash, "width": 1.8},
            name=probe.label,
            showlegend=legend,
            text=texts,
            hovertemplate=f"{probe.label}: median %{{y:.1%}}, %{{text}}<extra></extra>",
            **shared,
        ),
    ]


def _broken(runs: pd.DataFrame, iterations: Any, suffix: str, *, legend: bool) -> go.Scatter:
    return go.Scatter(
        x=iterations.tolist(),
        y=broken_share(runs, iterations).round(4).tolist(),
        mode="lines",
        line={"color": INK, "width": 1, "shape": "hv"},
        name="runs past their breakpoint",
        legendgroup="broken",
        showlegend=legend,
        hovertemplate="past their breakpoint: %{y:.1%} of the runs<extra></extra>",
        yaxis=f"y{suffix}",
    )


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
