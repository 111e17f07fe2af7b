"""Figures in a notebook are pictures: what draws here gives a figure and its axes, and pyplot knows of neither."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_pictures() -> None:
    """Let this session of IPython, if it is one, show figures, and pairs of a figure and its axes, as pictures."""
    from IPython import get_ipython

    session = get_ipython()
    if session is None:
        return
    pictures = session.display_formatter.formatters["image/png"]

    def first_of_pair(value: tuple[Any, ...]) -> Any:
        # The figures of pyplot, which end with a number, are shown at the end of the cell anyway.
        if len(value) != 2 or not hasattr(value[0], "savefig") or hasattr(value[0], "number"):
            return None
        return pictures(value[0])

    pictures.for_type(tuple, first_of_pair)
    pictures.for_type_by_name("matplotlib.figure", "Figure", png)


def png(figure: Figure) -> bytes:
    """A figure as a picture for the screen."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=figure.dpi, bbox_inches="tight")
    return content.getvalue()
