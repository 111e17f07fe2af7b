"""Columns of a run table in pictures: that they are there, and how people write their names and values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import format_number

SHARE_OF_CO = "CO, share of seeds"
"""Title of the column `collapsed`, averaged over runs; CO is catastrophic overfitting."""


def require_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a table that cannot be drawn.

    Args:
        table: one row per run.
        columns: that it must have.

    Raises:
        ConfigError: it has no row, or lacks a column.
    """
    if table.empty:
        raise ConfigError("no run to draw")
    missing = [column for column in columns if column not in table]
    if missing:
        raise ConfigError(f"the table has no column {', '.join(missing)}; it has: {', '.join(table.columns)}")


def kind_name(by: Sequence[str], key: object) -> str:
    """A kind of run in a few words; settings that it does not have (nan) are left out.

    Args:
        by: columns that tell kinds apart.
        key: their values: one, or a tuple.

    Returns:
        The words.

    >>> kind_name(["method", "epsilon", "method.k"], ("fgsm", 8 / 255, float("nan")))
    'fgsm, ε 8/255'
    """
    values = key if isinstance(key, tuple) else (key,)
    return ", ".join(
        str(value) if name == "method" else f"{_symbol(name)} {number(value)}"
        for name, value in zip(by, values, strict=True)
        if not (isinstance(value, float) and math.isnan(value))
    )


def axis_name(name: str) -> str:
    """A setting as the title of an axis."""
    return {"epsilon": "radius ε", "beta": "feature strength β"}.get(name, name)


def number(value: object) -> str:
    """A setting's value as people write it."""
    return format_number(float(value)) if isinstance(value, float | int | np.number) else str(value)


def _symbol(name: str) -> str:
    return {"epsilon": "ε", "beta": "β"}.get(name, name)
