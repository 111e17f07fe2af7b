"""Settings as people type them: `method=[fgsm,n_fgsm] epsilon=[4/255,8/255] intervention.beta=0.1 seed=0..4`.

`[a,b]` and `0..4` are several values, which make a grid; `(a,b)` is one value that is a list.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.validation import plain_yaml

LONGEST_RANGE = 100_000
"""Values that `first..last` may stand for."""

LONGEST_WORD = 60
"""Characters of a word that a message repeats."""

Grid = dict[str, tuple[Any, ...]]
"""Values by dotted field name; a grid's runs are all combinations."""


def parse_settings(words: Iterable[str]) -> Grid:
    """Parse `field=value` words.

    >>> parse_settings(["method=[fgsm,pgd]", "seed=0..2", "epsilon=8/255", "model.hidden=(32,32)"])
    {'method': ('fgsm', 'pgd'), 'seed': (0, 1, 2), 'epsilon': ('8/255',), 'model.hidden': ([32, 32],)}

    Raises:
        ConfigError: a word that is not `field=value`, a field given twice, unbalanced brackets, an empty list.
    """
    grid: Grid = {}
    for word in words:
        field, equals, text = word.partition("=")
        if not equals or not field or not text:
            raise ConfigError(f"{word!r} is not a setting; write field=value, for example epsilon=8/255")
        if field in grid:
            raise ConfigError(f"{field} is given twice")
        try:
            grid[field] = several_values(word, text)
        except RecursionError:
            raise ConfigError(f"{_short(word)}: is nested too deeply") from None
    return grid


def single_values(grid: Grid) -> dict[str, Any]:
    """Settings of one run.

    Args:
        grid: as `parse_settings` gives it.

    Returns:
        The value of each field.

    Raises:
        ConfigError: a field has several.
    """
    for field, values in grid.items():
        if len(values) != 1:
            raise ConfigError(f"{field} has {len(values)} values; `study run` trains grids, (a,b) is one list value")
    return {field: values[0] for field, values in grid.items()}


def _short(word: str) -> str:
    return word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}..."


def several_values(word: str, text: str) -> tuple[Any, ...]:
    """The values that a text stands for: of `[a,b]` two, of `0..4` five, else one.

    Args:
        word: that the text is part of, for the message.
        text: behind the field's name.

    Returns:
        The values.

    Raises:
        ConfigError: the text cannot be read.
    """
    span = re.fullmatch(r"(\d{1,30})\.\.(\d{1,30})", text)
    if span:
        first, last = int(span[1]), int(span[2])
        if last < first:
            raise ConfigError(f"{_short(word)}: the range is empty")
        if last - first >= LONGEST_RANGE:
            raise ConfigError(f"{_short(word)}: the range has {last - first + 1} values, at most {LONGEST_RANGE}")
        return tuple(range(first, last + 1))
    if text.startswith("["):
        if not text.endswith("]") or not text[1:-1].strip():
            raise ConfigError(f"{_short(word)}: write [a,b,...] with at least one value")
        return tuple(value for part in _split(word, text[1:-1]) for value in several_values(word, part))
    return (_value(word, text),)


def _value(word: str, text: str) -> Any:
    if not text.strip():
        raise ConfigError(f"{word}: a value is missing")
    if text.startswith("("):
        if not text.endswith(")"):
            raise ConfigError(f"{_short(word)}: the bracket is not closed")
        return [_value(word, part) for part in _split(word, text[1:-1]) if part]  # (1,) and () are lists, too
    if text.startswith("folder:") or " #" in text:  # a path may hold what means something else in YAML
        return text
    try:
        value = plain_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{_short(word)}: {error}") from None
    return text if isinstance(value, dict) and not text.startswith("{") else value


def _split(word: str, text: str) -> list[str]:
    """Split at the commas that no bracket encloses."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    if depth:
        raise ConfigError(f"{_short(word)}: the brackets do not match")
    return [*parts, text[start:].strip()]


def combinations(base: Mapping[str, Any], grid: Grid) -> list[dict[str, Any]]:
    """The configuration data of every point of a grid.

    Args:
        base: configuration data that all points share.
        grid: values by dotted field name.

    Returns:
        One set of data per point, in the grid's order, last field fastest.
    """
    fields = list(grid)
    return [
        apply(base, dict(zip(fields, values, strict=True)))
        for values in itertools.product(*(grid[field] for field in fields))
    ]


def _copied(value: Any) -> Any:
    """Data whose mappings may be changed; a study of thousands of runs has no time for `copy.deepcopy`."""
    return {name: _copied(item) for name, item in value.items()} if isinstance(value, Mapping) else value


def apply(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested configuration data with dotted settings put in; a part's name comes before its fields.

    >>> apply({"epochs": 3}, {"method.k": 2, "method": "n_fgsm"})
    {'epochs': 3, 'method': {'name': 'n_fgsm', 'k': 2}}

    Args:
        base: nested configuration data.
        settings: values by dotted field name.

    Returns:
        A changed copy of `base`.

    Raises:
        ConfigError: a field of something that has none.
    """
    data: dict[str, Any] = _copied(base)
    for field in sorted(settings, key=lambda name: name.count(".")):
        *parents, last = field.split(".")
        place = data
        for parent in parents:
            child = place.get(parent)
            if child is None:
                child = {}
            elif isinstance(child, str):
                child = {"name": child}
            elif not isinstance(child, dict):
                raise ConfigError(f"{field}: {parent} is {child!r}, which has no fields")
            place[parent] = child
            place = child
        place[last] = settings[field]
    return data
