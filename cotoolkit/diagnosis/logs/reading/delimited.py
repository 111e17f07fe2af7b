"""Tables in text: which character separates the columns, and which one the decimals."""

from __future__ import annotations

import csv
import io
import itertools
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cotoolkit.diagnosis.logs.reading.words import TIMES, words_of

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = ("\t", ";", "|", ",")

DECIMAL_COMMA = r"[-+]?\d+(?:,\d+)?(?:[eE][-+]?\d+)?\s*%?"


def delimited_table(text: str) -> tuple[pd.DataFrame, list[str]]:
    r"""Read a header with rows below it, separated by tabs, semicolons, bars, commas or blanks.

    Args:
        text: of the table. Where commas do not separate, they may stand before decimals.

    Returns:
        The table, each row with its line, and what was left out.

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
    named = _has_row_names(list(lines.values()), " " if blanks else separator)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", pd.errors.ParserWarning)
        table = pd.read_csv(
            io.StringIO("\n".join(lines.values())), sep=r"\s+" if blanks else separator, skipinitialspace=True,
            index_col=0 if named else False,
        )  # fmt: skip
    if any(issubclass(one.category, pd.errors.ParserWarning) for one in told):
        notes.append("cells beyond those that the header names are left out")
    if len(table) == len(lines) - 1:  # not where a quoted text goes over several lines
        table.index = pd.Index([f"line {number}" for number in list(lines)[1:]], dtype=object)
    return table if separator == "," and not blanks else _with_points(table), notes


def _has_row_names(lines: Sequence[str], separator: str) -> bool:
    """Whether rows begin with a name that the header leaves out, as printed data frames and R's tables do.

    Otherwise what a row has beyond the header is at its end. The column of times tells: it counts.
    """
    try:
        header, *first = (_cells(line.strip(" "), separator) for line in lines[:2])
        if not first or len(first[0]) != len(header) + 1:  # nearly all tables
            return False
        rows = [_cells(line.strip(" "), separator) for line in lines[1:]]
    except (csv.Error, ValueError):
        return False
    if any(len(row) != len(header) + 1 or not row[-1] for row in rows):
        return False
    times = [place for place, name in enumerate(header) if set(words_of(name)) & TIMES.keys()]
    counted = [row[times[0] + 1 if times else 0] for row in rows]
    if not all(re.fullmatch(r"\d+(?:\.0*)?", one) for one in counted):
        return False
    steps = [float(later) - float(one) for one, later in itertools.pairwise(counted)]
    return all(step >= 0 for step in steps) if times else all(step == 1 for step in steps)


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
