"""How interactive charts look: as the static pictures do, and readable on a phone."""

from __future__ import annotations

from typing import Any, NamedTuple

COLOURS = [
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9",
]  # fmt: skip
"""Safe for colour-blind readers: seaborn's palette `colorblind`, written down, as its import takes a second."""

SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star", "pentagon", "x")
"""Markers of the seeds of a kind of run, so that colour is not all that tells them apart."""

INK, QUIET, GRID, SIGNAL = "#1c2330", "#5a6475", "#e4e8ee", "#33475b"
"""Of text and events, of axes, of grids, and of the lines of signals that have no colour of their own."""

IN_THE_DARK = {INK: "#e8ecf2", QUIET: "#a9b4c4", GRID: "#323c4b", SIGNAL: "#b7c6d8"}
"""What the page's script puts in place of these on a dark screen; all other colours can be read on both."""


CLEAR = "rgba(0,0,0,0)"
"""The page itself is the ground of a chart."""


class Line(NamedTuple):
    """How a probe accuracy is drawn: its name, and the looks that say the same with colour and without."""

    label: str
    dash: str
    symbol: str
    colour: str


PROBES = {  # as `cotoolkit.plotting.timeline.LINES` draws them
    "probe_clean": Line("clean", "dot", "circle", COLOURS[7]),
    "probe_fgsm": Line("FGSM", "dash", "square", COLOURS[1]),
    "probe_pgd": Line("PGD", "solid", "diamond", COLOURS[0]),
}


def layout(height: int, **more: Any) -> dict[str, Any]:
    """Layout that all charts share; narrow margins, for phones.

    Args:
        height: in pixels; the width is the page's.
        more: further fields of the layout.

    Returns:
        Fields of plotly's layout.
    """
    return {
        "height": height,
        "template": "none",
        "font": {"family": "system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif", "size": 12, "color": INK},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "modebar": {"bgcolor": CLEAR, "color": QUIET, "activecolor": INK},
        "margin": {"l": 48, "r": 12, "t": 40, "b": 44},
        "dragmode": "zoom",
        "hoverlabel": {"namelength": -1},
        **more,
    }


def legend(stack: Stack, room: int) -> dict[str, Any]:
    """A legend above all panels, where it covers no curve.

    Args:
        stack: of the panels.
        room: between the legend and the highest panel, in pixels.

    Returns:
        Fields of plotly's legend.
    """
    return {"orientation": "h", "x": 0, "y": 1 + room / stack.height, "yanchor": "bottom", "font": {"size": 12}}


def axis(**more: Any) -> dict[str, Any]:
    """An axis with a light grid."""
    lines = {"gridcolor": GRID, "linecolor": QUIET, "tickcolor": QUIET, "zeroline": False, "showline": True}
    return {**lines, "ticks": "outside", **more}


def heading(text: str, top: float) -> dict[str, Any]:
    """The title of a panel.

    Args:
        text: what it says.
        top: upper edge of the panel, in [0, 1] of the chart's height.

    Returns:
        Fields of plotly's annotation.
    """
    return {
        "text": text,
        "x": 0,
        "y": top,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 12},
    }


class Stack(NamedTuple):
    """Panels one above the other, in pixels turned into shares of the chart's height.

    Attributes:
        domains: (lower, upper) edge of each panel, from the top one down.
        height: of the chart without its margins, in pixels.
    """

    domains: list[tuple[float, float]]
    height: int

    @classmethod
    def of(cls, heights: list[int], gap: int) -> Stack:
        """Panels with a gap before each but the first.

        Args:
            heights: of the panels from the top one down, in pixels.
            gap: in pixels.

        Returns:
            The stack, whose height is that of all panels and gaps.
        """
        total = sum(heights) + gap * (len(heights) - 1)
        domains, top = [], total
        for height in heights:
            domains.append((max((top - height) / total, 0.0), top / total))
            top -= height + gap
        return cls(domains, total)
