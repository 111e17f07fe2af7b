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
import functools
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text

from cotoolkit.core.files import write_atomically
from cotoolkit.core.processes.collection import without_collection
from cotoolkit.pages.cells import cell_class, cell_text, is_number, packed, packed_columns, packed_text
from cotoolkit.pages.chart_style import IN_THE_DARK
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

WIDE_TABLE = 9
"""Columns from which on a table is printed on a page turned round."""

LEAST_LETTERS = 9.0
"""Pixels of the smallest letters of a picture, however narrow the page; a wider picture scrolls."""

LARGEST_SVG = 400_000
"""Bytes of a picture from which on the page holds its PNG file in place of its SVG file."""

SCRIPT = 0.7
"""Size of an exponent or an index, as a share of that of the letters beside it."""


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Attributes:
        source: its SVG file as a data URL, or its PNG file if that is too large.
        width: as drawn, in pixels of the page.
        least_width: at which its smallest letters are `LEAST_LETTERS` high, in pixels of the page.
    """

    source: str
    width: int
    least_width: int


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
            `crowd_charts.course_lines`. They are for the screen alone.
        more_figures: the picture goes on in these, for print; with a chart the screen shows none of them.
        percent: columns of the table that hold shares, which the page shows in per cent; the files keep shares.
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
    percent: Collection[str] = ()

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


@without_collection()
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
    pictures: dict[str, list[Picture]] = {}
    for section in report.sections:
        figures = [] if section.figure is None else [section.figure, *section.more_figures]
        for place, figure in enumerate(figures, start=1):
            name = section.name if place == 1 else f"{section.name}-{place}"
            figure.draw_without_rendering()
            _keep_layout(figure)
            svg = _drawn(figure, "svg")
            png = _drawn(figure, "png")
            write_atomically(folder / f"{name}.svg", svg)
            write_atomically(folder / f"{name}.png", png)
            kind, content = ("svg+xml", svg) if len(svg) <= LARGEST_SVG else ("png", png)
            source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
            width = round(96 * float(figure.get_size_inches()[0]))
            pictures.setdefault(section.name, []).append(Picture(source, width, _least_width(figure)))
    path = folder / "report.html"
    write_atomically(path, _page(report, pictures).encode())
    return path


def _page(report: Report, pictures: Mapping[str, Sequence[Picture]]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cotoolkit.pages", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        paragraphs=lambda text: text.strip().split("\n\n"),
        cell=cell_text,
        class_of=lambda value: cell_class(str(value)),
        numeric=is_number,
        packed=packed,
        packed_text=packed_text,
        rows=packed_columns,
    )
    charts = {section.name: section.chart.to_json() for section in report.sections if section.chart is not None}
    live = bool(charts) or any(section.courses is not None for section in report.sections)
    template = environment.get_template("page.html.j2")
    return template.render(
        report=report,
        pictures=pictures,
        charts=charts,
        plotly=_packed_plotly() if live else "",
        dark=json.dumps(IN_THE_DARK),
        wide_table=WIDE_TABLE,
        long_table=LONG_TABLE,
        first_rows=FIRST_ROWS,
    )


@functools.cache
def _packed_plotly() -> str:
    """The library of charts, which is 5 MB when it is not deflated."""
    from plotly.offline import get_plotlyjs

    return packed_text(get_plotlyjs())


def _least_width(figure: Figure) -> int:
    """At which the smallest letters of a picture can be read, in pixels of the page."""
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    sizes = [float(text.get_fontsize()) * (SCRIPT if _has_script(text.get_text()) else 1.0) for text in texts]
    return round(LEAST_LETTERS / min(sizes, default=LEAST_LETTERS) * 72 * float(figure.get_size_inches()[0]))


def _has_script(text: str) -> bool:
    return text.count("$") > 1 and ("^" in text or "_" in text)


def _keep_layout(figure: Figure) -> None:
    """Lay out a figure no more. While it has an engine, even "none", matplotlib draws it twice for each file."""
    with mpl.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)


def _drawn(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "cotoolkit"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, dpi=RESOLUTION, metadata=metadata)
    return buffer.getvalue()
