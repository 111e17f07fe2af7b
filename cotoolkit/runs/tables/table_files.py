"""Tables as files: CSV that no spreadsheet executes, Parquet, and LaTeX."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.files import write_atomically
from cotoolkit.runs.tables.run_table import value_text

if TYPE_CHECKING:
    import pandas as pd

IN_LEVELS = ("epsilon", "beta")
"""Last names of settings that people write in levels of pixels; an accuracy that happens to be k/255 is none."""

MISSING = "--"
"""In print, where there is no value."""

PAGE = 40
"""Rows that a page of LaTeX has room for; longer tables go over several."""


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table.

    Args:
        table: any.
        path: of the file; the suffix, .csv, .parquet or .tex, chooses the format. LaTeX, for the package booktabs, has
            numbers of four digits.

    Raises:
        ConfigError: another suffix.
    """
    import pandas as pd

    check_table_name(path)
    if path.suffix == ".csv":
        content = _with_texts(table, _harmless).to_csv(index=False).encode()
    elif path.suffix == ".tex":
        printed = {name: _printed(str(name), column.tolist()) for name, column in table.items()}
        content = pd.DataFrame(printed).to_latex(index=False, escape=True, longtable=len(table) > PAGE).encode()
    else:
        content = table.apply(_of_one_type).to_parquet(index=False)
    write_atomically(path, content)


def _with_texts(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """A table with the cells changed of columns that are not of numbers: to ask the others takes long."""
    import pandas as pd

    columns = [c if pd.api.types.is_numeric_dtype(c) else c.map(change) for _, c in table.items()]
    return pd.concat(columns, axis=1) if columns else table


def _printed(name: str, values: list[Any]) -> list[str]:
    """A column as it is printed: numbers with as many decimals, four at most; radii and strengths as k/255."""
    import pandas as pd

    texts = [MISSING if pd.api.types.is_scalar(value) and pd.isna(value) else value_text(value) for value in values]
    if name.rpartition(".")[2] in IN_LEVELS:
        return texts
    numbers = {place: value for place, value in enumerate(values) if isinstance(value, float) and not pd.isna(value)}
    decimals = max((len(f"{value:.4g}".partition(".")[2]) for value in numbers.values()), default=0)
    tiny = any(0 < abs(value) < 0.001 for value in numbers.values())
    form = ".4g" if tiny else f".{min(decimals, 4)}f"
    return [format(numbers[place], form) if place in numbers else text for place, text in enumerate(texts)]


def _of_one_type(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column as Parquet can hold it: tuples as text, and all values as text where they are of several kinds.

    They are where fields of two methods share a name, and one holds numbers and the other words.
    """
    if column.dtype != object:
        return column
    column = column.map(lambda value: str(value) if isinstance(value, tuple) else value)
    kinds = {type(value) for value in column.dropna()}
    numeric = all(issubclass(kind, Real) and not issubclass(kind, bool) for kind in kinds)
    return column if len(kinds) < 2 or numeric else column.map(str, na_action="ignore")


def _harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def check_table_name(path: Path) -> None:
    """Refuse a name that `write_table` will not write, before the work that makes the table.

    Raises:
        ConfigError: neither .csv nor .parquet nor .tex.
    """
    if path.suffix not in (".csv", ".parquet", ".tex"):
        raise ConfigError(f"{path}: end the name in .csv, .parquet or .tex")
