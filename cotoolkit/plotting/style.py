"""How all figures look: settings, widths, colours, lines and markers; and how they are written.

Colours are safe for colour-blind readers; a line's style or marker always says the same as its colour.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 10,
    "axes.titlesize": 10,
    "savefig.dpi": 160,
    "svg.fonttype": "none",
    "svg.hashsalt": "cotoolkit",  # equal pictures are equal files
}
"""Settings for `matplotlib.rc_context` of pictures on a screen."""

PAPER_STYLE: dict[Any, Any] = {
    **STYLE,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that every machine draws the same
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "figure.titlesize": 8,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "savefig.dpi": 220,
    "pdf.fonttype": 42,  # embeds the fonts
    "svg.fonttype": "path",  # outlines them
}
"""`STYLE` for pictures that are printed: 8 pt type."""

COLUMN, PAGE = 3.3, 6.8
"""Widths in inches: of a paper's column, and of its page."""

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#7F7F7F",
)
"""The palette of Okabe and Ito (2008), with a grey for its black."""

CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY, YELLOW)
"""Colours for things without one of their own, in this order."""

DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (7, 3)))
"""Line styles beside `CYCLE`."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Markers beside `CYCLE`."""

METHOD_STYLES: dict[str, tuple[str, str, Any]] = {
    "standard": ("standard", GREY, ":"),
    "fgsm": ("FGSM", VERMILION, "-"),
    "rs_fgsm": ("RS-FGSM", ORANGE, "--"),
    "n_fgsm": ("N-FGSM", GREEN, "-."),
    "gradalign": ("GradAlign", PURPLE, (0, (3, 1, 1, 1, 1, 1))),
    "pgd": ("PGD", BLUE, "--"),
    "trades": ("TRADES", SKY, (0, (5, 1))),
    "holistic_robust": ("HR", GREEN, "-."),
    "benign": ("BAT-style", GREEN, "-."),
    "local_ball": ("LBT", GREEN, "-."),
}
"""Training methods: how they are written, their colour, their line; the same in every figure."""


def percent_text(share: float, place: float = 0) -> str:
    """A tick of an axis of shares in percent, with as many decimals as it has: ticks are never rounded.

    >>> [percent_text(share) for share in (0.0, 0.025, 0.5, -0.1)]
    ['0', '2.5', '50', '−10']

    Args:
        share: 1 for all.
        place: of the tick; matplotlib gives it, and it says nothing here.

    Returns:
        The number, without a sign of percent.
    """
    return f"{round(100 * share, 9) + 0:.6g}".replace("-", "\N{MINUS SIGN}")


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure.

    Args:
        figure: what is written.
        path: of the file; its suffix chooses the format. Missing folders are made.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
