"""The option `--json` of commands that list something: data for programs in place of a table for people."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]


def say_json(data: Any) -> None:
    """Print JSON on stdout. Numbers that are not finite, which JSON has not, become null.

    Args:
        data: of plain types, paths among them.
    """
    typer.echo(json.dumps(_plain(data), indent=1, ensure_ascii=False, allow_nan=False))


def table_rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """A table as data for `say_json`: a mapping per row, missing values as None."""
    rows: list[dict[Any, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return rows


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple | set):
        return [_plain(value) for value in data]
    if isinstance(data, Path):
        return str(data)
    if hasattr(data, "item"):  # a number of numpy
        return _plain(data.item())
    return None if isinstance(data, float) and not math.isfinite(data) else data
