"""Tables of runs in the terminal: as wide as it is, thousands of rows at once, no cell folded or cut."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.style import Style

from cotoolkit.cli.display import VERDICT_STYLE, console, say
from cotoolkit.runs.tables.accuracy_names import accuracy_title, split_accuracy
from cotoolkit.runs.tables.run_table import PARTS, differing, value_text

if TYPE_CHECKING:
    import pandas as pd

    from cotoolkit.runs.index import RunRecord

GAP = "  "

MISSING = object()
"""In place of a setting that a run's file does not name."""

SYMBOLS = {"epsilon": "ε", "beta": "β"}
"""Short names of settings."""


@dataclass(frozen=True)
class Column:
    """A column of text.

    Attributes:
        header: above it.
        cells: one per row.
        right: whether they end below each other.
        spare: how easily it is spared where the terminal is too narrow: 0 never, then the highest first.
        styles: of cells by what they say.
    """

    header: str
    cells: Sequence[str]
    right: bool = False
    spare: int = 0
    styles: Mapping[str, str] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Of the widest cell."""
        return max(map(cell_len, (self.header, *set(self.cells))))


@dataclass(frozen=True)
class Listing:
    """A table: columns of equal length, and what it is about."""

    columns: Sequence[Column]
    title: str = ""

    def fitting(self, width: int | None) -> tuple[list[Column], list[Column]]:
        """The columns that a terminal of so many characters has room for, and those that it has not.

        Args:
            width: of the terminal; None has room for all.
        """
        shown = list(self.columns)
        widths = {id(column): column.width + len(GAP) for column in shown}
        spared = sorted((c for c in shown if c.spare), key=lambda column: -column.spare)
        hidden = []
        while width is not None and spared and sum(widths[id(c)] for c in shown) - len(GAP) > width:
            hidden.append(spared.pop(0))
            shown.remove(hidden[-1])
        return shown, hidden


def show_listing(listing: Listing) -> None:
    """Print a table; where the output is a terminal, columns that do not fit are left out and named."""
    shown, hidden = listing.fitting(console.width if console.is_terminal else None)
    widths = [column.width for column in shown]
    if listing.title:
        say(listing.title, "bold")
    header = GAP.join(_padded(c.header, width, c.right) for c, width in zip(shown, widths, strict=True)).rstrip()
    rule = "─" * (sum(widths) + len(GAP) * (len(shown) - 1))
    cells = [_painted(column, width) for column, width in zip(shown, widths, strict=True)]
    rows = (GAP.join(row).rstrip() for row in zip(*cells, strict=True))
    # Not through rich, which takes a second for a thousand rows.
    console.file.write("\n".join([_styled(header, "bold"), rule, *rows, ""]))
    if hidden:
        names = ", ".join(column.header for column in hidden)
        say(f"left out for want of width: {names}; `cotoolkit runs export` writes all", "dim")


def _painted(column: Column, width: int) -> list[str]:
    looks = {
        text: _styled(_padded(_printable(text), width, column.right), column.styles.get(text))
        for text in set(column.cells)
    }
    return [looks[text] for text in column.cells]


def _padded(text: str, width: int, right: bool) -> str:
    room = " " * (width - cell_len(text))
    return room + text if right else text + room


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _styled(text: str, style: str | None) -> str:
    colours = console._color_system if console.is_terminal and not console.no_color else None
    return Style.parse(style).render(text, color_system=colours) if style and colours else text


def run_listing(records: Sequence[RunRecord], keys: Mapping[str, str]) -> Listing:
    """Runs as `cotoolkit runs list` shows them: what tells them apart, and what came of them.

    Args:
        records: of runs whose configurations can be read.
        keys: what to call each run, by its folder's name.

    Returns:
        The table.
    """
    names = dict.fromkeys(name for record in records for name in record.settings)
    values = {name: [record.settings.get(name, MISSING) for record in records] for name in names}
    # Of thousands of runs most settings are equal, and need not be written out.
    needed = [name for name in names if name in PARTS or values[name].count(values[name][0]) < len(records)]
    texts = {name: [None if v is MISSING else value_text(v) for v in values[name]] for name in (*needed, "seed")}
    results = [record.result for record in records]
    states = [result["state"] for result in results]
    columns = _columns(texts, differing(texts), results, [result["verdict"] for result in results])
    columns.insert(-1, Column("state", states, spare=100 if len(set(states)) == 1 else 3))
    return Listing([Column("run", [keys[record.folder.path.name] for record in records]), *columns])


def result_table(table: pd.DataFrame, *, title: str = "") -> Listing:
    """Accuracies, breakpoint and verdict, one row per run; columns that say the same of all runs are left out.

    Networks that a method gave besides the trained one, such as an average, stand in rows of their own below it.

    Args:
        table: of `cotoolkit.runs.tables.run_table`.
        title: above it.

    Returns:
        The table, ready to print; accuracies in per cent.
    """
    from cotoolkit.runs.tables.run_table import varying

    names = varying(table)
    texts = {name: table[name].map(_cell).tolist() for name in dict.fromkeys([*PARTS, *names, "seed"]) if name in table}
    plain = table.astype(object).where(table.notna(), None)
    rows: list[int] = []
    results: list[dict[Any, Any]] = []
    for row, run in enumerate(plain.to_dict("records")):
        rows.append(row)
        results.append(run)
        for label in filter(None, dict.fromkeys(split_accuracy(str(name))[0] for name in run)):
            accuracies = {str(name).removeprefix(f"{label}:"): run[name] for name in run if str(name).startswith(label)}
            if any(value is not None for value in accuracies.values()):
                rows.append(-1)
                results.append({**accuracies, "verdict": "", "state": "", "method": f"  {label}"})
    texts = {
        name: [found[row] if row >= 0 else run.get(name, "") for row, run in zip(rows, results, strict=True)]
        for name, found in texts.items()
    }
    return Listing(_columns(texts, names, results, [run["verdict"] or run["state"] for run in results]), title)


def _columns(
    texts: Mapping[str, Sequence[str | None]],
    names: Sequence[str],
    results: Sequence[Mapping[Any, Any]],
    verdicts: Sequence[str],
) -> list[Column]:
    """Settings, seed, accuracies, breakpoint and verdict."""
    shown = ["method", *(name for name in names if name not in ("method", "seed"))]
    settings = [
        Column(
            SYMBOLS.get(name, name), [text or "" for text in texts[name]], spare=1 if name == "method" else 10 + place
        )
        for place, name in enumerate(shown)
        if name in texts
    ]
    seeds = [Column("seed", [text or "" for text in texts["seed"]], right=True, spare=4)] if "seed" in texts else []
    protocols = dict.fromkeys(
        str(name).removesuffix("_hash")
        for result in results
        for name in result
        if str(name).endswith("_hash") and not split_accuracy(str(name))[0]
    )
    accuracies = [
        Column(
            accuracy_title(protocol),
            ["" if result.get(protocol) is None else f"{result[protocol]:.1%}" for result in results],
            right=True,
            spare=2 if place == len(protocols) - 1 else 40 if protocol == "clean" else 60,
        )
        for place, protocol in enumerate(protocols)
    ]
    breakpoints = Column("breakpoint", [breakpoint_text(result) for result in results], right=True, spare=1)
    return [*settings, *seeds, *accuracies, breakpoints, Column("verdict", verdicts, styles=VERDICT_STYLE)]


def breakpoint_text(run: Mapping[Any, Any]) -> str:
    """The dated breakpoint with its interval of uncertainty, or none; nothing of a run that has not ended."""
    if not run["verdict"]:
        return ""
    if run["breakpoint"] is None:
        return "none"
    return f"{run['breakpoint']} ({run['earliest']}-{run['latest']})"


def _cell(value: object) -> str:
    return "nan" if isinstance(value, float) and math.isnan(value) else value_text(value)
