"""A report as files.

report.html          opens anywhere, asks nothing of the network
NAME.csv .parquet    every table
NAME.png .svg        every picture; NAME-2, ... where one goes on

On the screen a browser with JavaScript sorts and filters the tables and shows charts to zoom into; in print, and
without JavaScript, the same page has plain tables and the static pictures. Of a table of thousands the page shows the
first rows, and holds the others packed: they are unpacked when they are asked for, as are the courses of single rows.
"""

from __future__ import annotations

import base64
import io
import json
import math
import numbers
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from cotoolkit.core.files import write_atomically
from cotoolkit.runs.tables.table_files import write_table

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

RESOLUTION = 160
"""Dots per inch of PNG files."""

LONG_TABLE = 500
"""Rows that stand in a page one by one; of a longer table the page holds the rows packed."""

FIRST_ROWS = 100
"""Of a longer table that stand in the page."""


@dataclass(frozen=True, eq=False)
class Section:
    """One thing to see.

    Attributes:
        name: of its files, without a suffix.
        heading: for people.
        text: how to read it; paragraphs are separated by blank lines.
        figure: a picture, if any.
        alternative: what the picture shows, for those who cannot see it.
        table: rows to show, if any.
        chart: an interactive version of the picture, shown in its place where the page has JavaScript; its layout says
            its height, and its width is the page's. Charts of two-dimensional traces only: maps fetch their outlines.
        courses: what a chart below the table shows of a row that is chosen: lines by the row's last cell, see
            `study_charts.course_lines`. They are for the screen alone.
        more_figures: the picture goes on in these, for print; with a chart the screen shows none of them.
        views: ranges of the chart's horizontal axis that a button each goes to, by the button's text; the first is
            that of the chart as drawn.

    Raises:
        ValueError: a chart or more pictures without a picture that stands for it in print, views without a chart, or
            courses without a table.
    """

    name: str
    heading: str
    text: str = ""
    figure: Figure | None = None
    alternative: str = ""
    table: pd.DataFrame | None = None
    chart: go.Figure | None = None
    views: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    more_figures: Sequence[Figure] = ()
    courses: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.chart is not None and self.figure is None:
            raise ValueError(f"section {self.name!r} has a chart but no figure to print")
        if self.more_figures and self.figure is None:
            raise ValueError(f"section {self.name!r} has more figures but no first one")
        if self.views and self.chart is None:
            raise ValueError(f"section {self.name!r} has views but no chart")
        if self.courses is not None and self.table is None:
            raise ValueError(f"section {self.name!r} has courses but no table")


@dataclass(frozen=True, eq=False)
class Report:
    """What a report says.

    Attributes:
        title: of the page.
        lead: the answer, before the evidence.
        sections: the evidence, in order.
        facts: protocol, seeds, versions, device, scale: what a number needs to be trusted.
        data: tables too long for the page, by the name of their files.
    """

    title: str
    lead: str
    sections: Sequence[Section]
    facts: Mapping[str, str]
    data: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def write_report(report: Report, folder: Path | str) -> Path:
    """Write a report: its page, and beside it every picture (SVG, PNG) and every table (CSV, Parquet).

    Args:
        report: what it says.
        folder: made if missing.

    Returns:
        Path of the page, `report.html`.
    """
    folder = Path(folder)
    tables = {section.name: section.table for section in report.sections if section.table is not None}
    for name, table in {**report.data, **tables}.items():
        for suffix in (".csv", ".parquet"):
            write_table(table, folder / f"{name}{suffix}")
    pictures: dict[str, list[str]] = {}
    for section in report.sections:
        figures = [] if section.figure is None else [section.figure, *section.more_figures]
        for place, figure in enumerate(figures, start=1):
            name = section.name if place == 1 else f"{section.name}-{place}"
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # laid out once, not once more per file
            svg = _drawn(figure, "svg")
            write_atomically(folder / f"{name}.svg", svg)
            write_atomically(folder / f"{name}.png", _drawn(figure, "png"))
            encoded = "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
            pictures.setdefault(section.name, []).append(encoded)
    path = folder / "report.html"
    write_atomically(path, _page(report, pictures).encode())
    return path


def _page(report: Report, pictures: Mapping[str, Sequence[str]]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cotoolkit.pages", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        paragraphs=lambda text: text.strip().split("\n\n"), cell=_cell, numeric=_numeric, packed=_packed, rows=_rows
    )
    # plotly writes <, > and / of its JSON as escapes, so no text in it can end the script element.
    charts = {section.name: section.chart.to_json() for section in report.sections if section.chart is not None}
    plotly_js = ""
    live = charts or any(section.courses is not None for section in report.sections)
    if live:
        from plotly.offline import get_plotlyjs

        plotly_js = get_plotlyjs()
    template = environment.get_template("page.html.j2")
    return template.render(
        report=report,
        pictures=pictures,
        charts=charts,
        plotly_js=plotly_js,
        long_table=LONG_TABLE,
        first_rows=FIRST_ROWS,
    )


def _packed(data: Any) -> str:
    """JSON data, deflated, in letters that end no script element."""
    text = json.dumps(data, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as the page's script takes it: per column the cells, and of numeric cells the numbers."""
    columns = []
    for place in range(table.shape[1]):
        values = table.iloc[:, place].tolist()
        numbers_in = [float(value) if _numeric(value) else None for value in values]
        finite = [None if number is None or math.isnan(number) else number for number in numbers_in]
        known = {"cells": [_cell(value) for value in values]}
        columns.append({**known, "values": finite} if any(number is not None for number in finite) else known)
    return columns


def _drawn(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "cotoolkit"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, dpi=RESOLUTION, metadata=metadata)
    return buffer.getvalue()


def _numeric(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _cell(value: object) -> str:
    """Three digits of what was measured; all of what was counted."""
    import pandas as pd

    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        number = float(value)
        return "" if math.isnan(number) else str(int(number)) if number.is_integer() else f"{number:.3g}"
    return str(value)
