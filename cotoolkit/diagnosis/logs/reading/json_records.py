"""Records in JSON: an object per line, a list of objects, columns by name, or objects by epoch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cotoolkit.core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def looks_like_json(text: str) -> bool:
    """Whether the first line with something on it, or the whole, is an object or a list in JSON."""
    start = text.lstrip()
    if not start.startswith(("{", "[")):
        return False
    for part in (start.splitlines()[0], start):
        try:
            return isinstance(json.loads(part), dict | list)
        except json.JSONDecodeError:
            continue
    return False


def json_table(text: str) -> tuple[pd.DataFrame, list[str]]:
    """Read JSON; what is nested gets dotted names.

    Args:
        text: an object per line, a list of objects, an object of lists, an object that has one such list or object of
            lists among others (`{"args": {...}, "history": [...]}`), or objects by epoch (`{"1": {...}, "2": {...}}`).

    Returns:
        The table, each row of a file with an object per line with its line, and whether a last line that was cut off is
        left out.

    Raises:
        DataError: no JSON, or no records in it.

    >>> json_table('{"3": {"pgd": 0.4}, "4": {"pgd": 0.5}}')[0].to_dict("list")
    {'epoch': [3, 4], 'pgd': [0.4, 0.5]}
    """
    import pandas as pd

    notes: list[str] = []
    lines: list[int] = []
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        found, notes = _by_line(text)
        lines, whole = list(found), list(found.values())
    records = _records(whole)
    if isinstance(records, dict):
        return pd.DataFrame(records), notes
    if not records or not all(isinstance(record, dict) for record in records):
        raise DataError("its records are no objects; write one object with names and numbers per line")
    table = pd.json_normalize(records)
    for name in filter(lambda name: pd.api.types.is_object_dtype(table[name]), table.columns):
        listed = table[name].map(lambda value: isinstance(value, list | dict))
        table[name] = table[name].where(~listed, table[name].astype(str))
    if lines:
        table.index = pd.Index([f"line {line}" for line in lines], dtype=object)
    return table, notes


def _by_line(text: str) -> tuple[dict[int, Any], list[str]]:
    """What the lines say, by their numbers; a last one that a killed run left half is passed over."""
    lines = {number: line for number, line in enumerate(text.splitlines(), start=1) if line.strip()}
    found = {}
    for number, line in lines.items():
        try:
            found[number] = json.loads(line)
        except json.JSONDecodeError as error:
            if number == max(lines) and len(found) > 1:
                return found, [f"line {number}, the last one, is cut off and left out"]
            raise DataError(f"line {number} is no JSON ({error.msg}); write one object per line") from None
    return found, []


def _records(whole: Any) -> list[Any] | dict[str, list[Any]]:
    """The records in a document, or its columns."""
    if not isinstance(whole, dict):
        return whole if isinstance(whole, list) else [whole]
    values = list(whole.values())
    if _is_columns(whole):
        return whole
    if values and all(isinstance(one, dict) for one in values) and all(_is_number(key) for key in whole):
        return [{"epoch": int(key), **record} for key, record in whole.items()]
    inside = [one for one in values if _is_objects(one) or _is_columns(one)]
    if len(inside) == 1:
        return _records(inside[0])
    if len(values) == 1 and isinstance(values[0], dict):
        return _records(values[0])
    return [whole]


def _is_columns(value: Any) -> bool:
    """Whether it is an object of lists of numbers."""
    if not isinstance(value, dict) or not value or not all(isinstance(one, list) for one in value.values()):
        return False
    return not any(map(_is_objects, value.values()))


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _is_number(key: str) -> bool:
    return key.strip().isdecimal()
