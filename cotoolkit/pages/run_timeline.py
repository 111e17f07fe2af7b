"""All signals of one run against the iteration, with its events: a picture, and a chart to zoom into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotoolkit.pages.chart_style import COLOURS, INK, PROBES, SIGNAL, Stack, axis, heading, layout, legend
from cotoolkit.pages.signal_panels import Panel
from cotoolkit.plotting.style import STYLE
from cotoolkit.plotting.timeline import LINES

AROUND = 30
"""Iterations on either side of the breakpoint that its close view shows."""

A_PICTURE = 6
"""Panels of a picture at most: it has to fit a printed page below the report's lead."""

EVENTS = {"breakpoint": ("solid", "-", INK), "recovered": ("dash", "--", COLOURS[2])}
"""Dash in charts, style in pictures, and colour of an event's line."""

OTHER_EVENT = ("dot", ":", COLOURS[3])


def run_views(last: int, breakpoint_iteration: int | None) -> dict[str, tuple[float, float]]:
    """Ranges of iterations worth going to.

    Args:
        last: the run's last iteration.
        breakpoint_iteration: of its first breakpoint; None if it has none.

    Returns:
        (first, last) iteration by the name of the view; empty without a breakpoint.
    """
    if breakpoint_iteration is None:
        return {}
    close = (breakpoint_iteration - AROUND, breakpoint_iteration + AROUND)
    return {"whole run": (-0.01 * last, 1.01 * last), f"around the breakpoint, ±{AROUND} iterations": close}


def run_chart(panels: Sequence[Panel], events: Sequence[Mapping[str, Any]], last: int) -> go.Figure:
    """The interactive timeline: panels that share their horizontal axis, a vertical line through all for each event.

    Args:
        panels: at least one.
        events: of the run (`RunFolder.events`).
        last: the run's last iteration.

    Returns:
        The chart, one y axis per panel, from the top down.
    """
    stack = Stack.of([230, *[92] * (len(panels) - 1)], gap=30)
    chart = go.Figure(layout=layout(stack.height + 130, hovermode="x", hoversubplots="axis", hoverdistance=30))
    chart.update_layout(
        margin_t=100,
        legend=legend(stack, 24),
        annotations=[heading(panel.title, domain[1]) for panel, domain in zip(panels, stack.domains, strict=True)],
    )
    for number, (panel, domain) in enumerate(zip(panels, stack.domains, strict=True), start=1):
        suffix = "" if number == 1 else str(number)
        kind: dict[str, Any] = {"type": "log"} if panel.log else {}
        if panel.share:
            kind |= {"range": [-0.04, 1.04], "tickformat": ".0%"}
        chart.update_layout({f"yaxis{suffix}": axis(domain=domain, nticks=5, **kind)})
        for name in panel.series:
            chart.add_trace(_trace(panel, name, f"y{suffix}"))
    spikes = {"showspikes": True, "spikemode": "across", "spikesnap": "data", "spikethickness": 1, "spikedash": "dot"}
    lowest = "y" if len(panels) == 1 else f"y{len(panels)}"
    chart.update_layout(
        xaxis=axis(title="iteration", anchor=lowest, range=[-0.01 * last, 1.01 * last], **spikes),
        shapes=_event_shapes(events),
    )
    return chart


def run_pictures(panels: Sequence[Panel], events: Sequence[Mapping[str, Any]], last: int) -> list[Figure]:
    """The timeline for print: on the left the whole run, on the right what is around its first breakpoint, if any.

    A picture has at most `A_PICTURE` panels, so that each fits a printed page at its own size.

    Args:
        panels: at least one.
        events: of the run (`RunFolder.events`).
        last: the run's last iteration.

    Returns:
        The pictures, the first panels first.
    """
    parts = -(-len(panels) // A_PICTURE)
    size = -(-len(panels) // parts)
    return [_picture(panels[first : first + size], events, last) for first in range(0, len(panels), size)]


def _picture(panels: Sequence[Panel], events: Sequence[Mapping[str, Any]], last: int) -> Figure:
    ranges = list(run_views(last, _first_breakpoint(events)).values()) or [(0.0, float(last))]
    heights = [1.4 if len(panel.series) > 1 else 0.8 for panel in panels]
    with mpl.rc_context({**STYLE, "axes.titlesize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7}):
        figure = Figure(figsize=(7.5, sum(heights) + 1.0), layout="constrained")
        grid = figure.subplots(
            len(panels), len(ranges), sharex="col", squeeze=False, gridspec_kw={"height_ratios": heights}
        )
        for panel, row in zip(panels, grid, strict=True):
            for (low, high), cell in zip(ranges, row, strict=True):
                _draw(cell, panel, low, high)
                _mark(cell, events)
                cell.set_xlim(low, high)
            row[0].set_title(panel.title, loc="left")
        if len(ranges) > 1:
            grid[0, 1].set_title("around the breakpoint", loc="left")
        for name in panels[0].series:
            if name in LINES:
                label, style, _ = LINES[name]
                grid[0, 0].plot([], [], style, color=PROBES[name].colour, label=label)
        for kind in dict.fromkeys(event["kind"] for event in events):
            _, style, colour = EVENTS.get(kind, OTHER_EVENT)
            grid[0, 0].plot([], [], style, color=colour, lw=1, label=kind)
        if grid[0, 0].get_legend_handles_labels()[1]:
            figure.legend(loc="outside upper center", ncols=6, frameon=False, fontsize=8)
        figure.supxlabel("iteration", fontsize=9)
    return figure


def _trace(panel: Panel, name: str, y: str) -> go.Scatter:
    rows = panel.series[name]
    number = "%{y:.1%}" if panel.share else "%{y:.4g}"
    looks: dict[str, Any] = {"mode": "lines", "line": {"color": SIGNAL, "width": 1.2}, "showlegend": False}
    label = ""
    if name in PROBES:
        label, dash, symbol, colour = PROBES[name]
        line = {"color": colour, "width": 2, "dash": dash}
        looks = {"mode": "lines+markers", "line": line, "marker": {"symbol": symbol, "size": 6}}
    return go.Scatter(
        x=rows["iteration"].tolist(),
        y=rows["value"].tolist(),
        xaxis="x",
        yaxis=y,
        name=label or panel.title,
        hovertemplate=f"{label} {number} at iteration %{{x}}<extra></extra>".lstrip(),
        **looks,
    )


def _event_shapes(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Lines and bands; breakpoints stand in the legend one by one, other events by kind."""
    shapes: list[dict[str, Any]] = []
    named = set()
    for event in events:
        kind, iteration, detail = event["kind"], event["iteration"], event["detail"]
        dash, _, colour = EVENTS.get(kind, OTHER_EVENT)
        place = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1}
        label = kind
        if kind == "breakpoint":
            low, high = detail["earliest"], detail["latest"]
            label = f"breakpoint {iteration}"
            band = {"fillcolor": "#808080", "opacity": 0.18, "line": {"width": 0}, "layer": "below"}
            shapes.append({"type": "rect", "x0": low, "x1": high, "legendgroup": label, **place, **band})
        looks = {"line": {"color": colour, "width": 1.5, "dash": dash}, "showlegend": label not in named}
        shapes.append(
            {"type": "line", "x0": iteration, "x1": iteration, "name": label, "legendgroup": label, **place, **looks}
        )
        named.add(label)
    return shapes


def _draw(axes: Axes, panel: Panel, low: float, high: float) -> None:
    """Only what lies between two iterations, and its neighbours, so that the axis fits what is seen."""
    for name, rows in panel.series.items():
        inside = (rows["iteration"] >= low) & (rows["iteration"] <= high)
        seen = rows[inside | inside.shift(1, fill_value=False) | inside.shift(-1, fill_value=False)]
        if name in PROBES:
            axes.plot(seen["iteration"], seen["value"], LINES[name][1], color=PROBES[name].colour, lw=1.4)
            axes.plot(seen["iteration"], seen["value"], ".", color=PROBES[name].colour, ms=3)
        else:
            axes.plot(seen["iteration"], seen["value"], color=SIGNAL, lw=0.8)
    if panel.share:
        axes.set_ylim(-0.04, 1.04)
        axes.yaxis.set_major_formatter("{x:.0%}")
    if panel.log:
        axes.set_yscale("log")


def _mark(axes: Axes, events: Sequence[Mapping[str, Any]]) -> None:
    for event in events:
        _, style, colour = EVENTS.get(event["kind"], OTHER_EVENT)
        axes.axvline(event["iteration"], ls=style, color=colour, lw=1)
        if event["kind"] == "breakpoint":
            axes.axvspan(event["detail"]["earliest"], event["detail"]["latest"], color="0.5", alpha=0.18, lw=0)


def _first_breakpoint(events: Sequence[Mapping[str, Any]]) -> int | None:
    return next((int(event["iteration"]) for event in events if event["kind"] == "breakpoint"), None)
