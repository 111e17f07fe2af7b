"""Tables in text: which character separates the columns, and which one the decimals."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = ("\t", ";", "|", ",")

DECIMAL_COMMA = r"[-+]?\d+(?:,\d+)?(?:[eE][-+]?\d+)?\s*%?"


def delimited_table(text: str) -> tuple[pd.DataFrame, list[str]]:
    r"""Read a header with rows below it, separated by tabs, semicolons, bars, commas or blanks.

    Args:
        text: of the table. Where commas do not separate, they may stand before decimals.

    Returns:
        The table, each row with its line, and whether a last line that was cut off is left out.

    Raises:
        ValueError: no table.

    >>> delimited_table("epoch;pgd\n1;0,5\n2;0,25\n")[0]["pgd"].tolist()
    [0.5, 0.25]
    """
    import pandas as pd

    lines = {number: line for number, line in enumerate(text.splitlines(), start=1) if line.strip()}
    while lines and next(iter(lines.values())).lstrip().startswith("#"):  # a comment above the header
        del lines[min(lines)]
    notes: list[str] = []
    header = next(iter(lines.values()), "")
    counts = {separator: len(_cells(header, separator)) for separator in SEPARATORS}
    separator = max(counts, key=lambda one: counts[one])
    blanks = counts[separator] == 1 and len(header.split()) > 1
    if len(lines) > 2 and not blanks:
        (_, whole), (last, line) = list(lines.items())[-2:]
        if len(_cells(line, separator)) < len(_cells(whole, separator)) == counts[separator] or line.count('"') % 2:
            del lines[last]
            notes.append(f"line {last}, the last one, is cut off and left out")
    whole = "\n".join(lines.values())
    named = _has_row_names(whole, None if blanks else separator)
    table = pd.read_csv(
        io.StringIO(whole), sep=r"\s+" if blanks else separator, skipinitialspace=True,
        index_col=0 if named else False,
    )  # fmt: skip
    if len(table) == len(lines) - 1:  # not where a quoted text goes over several lines
        table.index = pd.Index([f"line {number}" for number in list(lines)[1:]], dtype=object)
    return table if separator == "," and not blanks else _with_points(table), notes


def _has_row_names(text: str, separator: str | None) -> bool:
    """Whether rows begin with a name that the header leaves out, as printed data frames and R's tables do.

    Raises:
        ValueError: a row has more cells than the header has names, and they are no names of rows.
    """
    if separator is None:
        rows = [line.split() for line in text.splitlines()]
    else:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True))
    names, others = len(rows[0]) if rows else 0, rows[1:]
    longer = [(place, row) for place, row in enumerate(others, start=2) if len(row) > names and any(row[names:])]
    if longer and all(len(row) == names + 1 for row in others):
        return True
    if longer:
        place, row = longer[0]
        raise ValueError(f"row {place} has {len(row)} cells, and the header {names} names")
    return False


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])


def _with_points(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of numbers with decimal commas as columns of numbers."""
    import pandas as pd

    for name in table.select_dtypes(exclude="number"):
        text = table[name].dropna().astype(str).str.strip()
        if len(text) and text.str.fullmatch(DECIMAL_COMMA).all():
            table[name] = pd.to_numeric(text.str.rstrip("% ").str.replace(",", ".")).reindex(table.index)
    return table
