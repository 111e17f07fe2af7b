"""The one style of all figures: sizes of a paper's column and page, 8 pt type, colours safe for colour-blind readers.

Fonts are embedded (PDF) or outlined (SVG). A line's style or marker always says the same as its colour.
"""

from __future__ import annotations

from typing import Any

COLUMN, PAGE = 3.3, 6.8
"""Widths in inches: of a column, and of a page."""

STYLE: dict[Any, Any] = {
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
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "savefig.dpi": 220,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "cotoolkit",  # equal pictures are equal files
}
"""Settings for `matplotlib.rc_context`."""

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

METHODS: dict[str, tuple[str, str, Any]] = {
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
