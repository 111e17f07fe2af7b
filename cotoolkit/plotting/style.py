"""How all figures look, and how they are written.

Colours are safe for colour-blind readers; markers and line styles say the same as colours.
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
    "svg.hashsalt": "cotoolkit",
}
"""Settings for `matplotlib.rc_context`; the salt makes equal figures equal files."""


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure; the suffix chooses the format."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
