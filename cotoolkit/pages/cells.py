"""What a cell of a page's table says, and tables packed for the page's script."""

from __future__ import annotations

import base64
import json
import math
import numbers
import zlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


NAME, SHORT, LONG = 16, 24, 40
"""Letters from which on a word may be broken in print; up to which a text stands on one line; and from which on it is
given much room."""


def is_number(value: object) -> bool:
    """Whether a cell holds a number; truth values are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def cell_text(value: object, *, percent: bool = False) -> str:
    """Three digits of what was measured; all of what was counted; shares in per cent.

    >>> cell_text(0.12345), cell_text(1234), cell_text(0.12345, percent=True), cell_text(float("nan"))
    ('0.123', '1234', '12.3%', '')

    Args:
        value: of the cell.
        percent: whether a number in it is a share.

    Returns:
        The text; empty where there is no value.
    """
    import pandas as pd

    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, numbers.Real) and is_number(value):
        number = float(value)
        if math.isnan(number):
            return ""
        if percent:
            return f"{number:.1%}"
        if not isinstance(value, numbers.Integral):
            return str(int(number)) if number.is_integer() else f"{number:.3g}"
    return str(value)


def cell_class(text: str) -> str:
    """How a text stands in its cell: short ones and names on one line, sentences on several.

    >>> cell_class("robust"), cell_class("boundary distortion, share of all points"), cell_class("digits-" + 40 * "x")
    ('', 'some', 'name')
    """
    if " " not in text:
        return "name" if len(text) > NAME else ""
    if len(text) <= SHORT:
        return ""
    return "some" if len(text) <= LONG else "long"


def packed_columns(table: pd.DataFrame, percent: Collection[str]) -> list[dict[str, Any]]:
    """A table as the page's script takes it: per column the cells, and of numeric cells the numbers.

    Args:
        table: any.
        percent: its columns that hold shares.

    Returns:
        A column each.
    """
    columns = []
    for place, name in enumerate(table.columns):
        values = table.iloc[:, place].tolist()
        numbers_in = [float(value) if is_number(value) else None for value in values]
        finite = [None if number is None or math.isnan(number) else number for number in numbers_in]
        known = {"cells": [cell_text(value, percent=name in percent) for value in values]}
        columns.append({**known, "values": finite} if any(number is not None for number in finite) else known)
    return columns


def packed(data: Any) -> str:
    """JSON data, deflated, in letters that end no script element."""
    return packed_text(json.dumps(data, separators=(",", ":")))


def packed_text(text: str) -> str:
    """A text, deflated, in letters that end no script element."""
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()
