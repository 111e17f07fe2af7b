"""What tells one configuration from another: its differences from the defaults, and numbers rounded as images are.

A configuration is a pydantic model of numbers, words, tuples and parts; a part is a pydantic model or dataclass again.
Only differences count, so a new field with a default changes the identity of nothing that was there before.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from pydantic.fields import FieldInfo

T = TypeVar("T")

LARGEST_DENOMINATOR = 255
"""The largest one of the fractions that rounding knows: pixel levels, thirds, sevenths and the like."""


@functools.lru_cache(maxsize=10_000)
def nearest(number: float) -> float:
    """Of all numbers with the same single-precision value, the one that people write.

    Between -1 and 1 that is the fraction with a denominator up to 255, if there is one; else the shortest decimal, of
    nine digits at most. Images are float32: a finer difference between two radii is none. Rounding to digits alone
    would part some k/255 from their own float32, which may lie on the other side of a rounding boundary.

    >>> nearest(0.10000000149011612), nearest(0.03137255) == 8 / 255, nearest(1 / 3) == 1 / 3, nearest(0.7071067811865)
    (0.1, True, True, 0.70710677)

    Raises:
        ValueError: not finite, as a number or in single precision.
    """
    with np.errstate(over="ignore"):
        single = np.float32(number)
    if not np.isfinite(single):
        raise ValueError(f"not a finite number: {number!r}")
    if abs(single) <= 1:
        fraction = float(Fraction(float(single)).limit_denominator(LARGEST_DENOMINATOR))
        if np.float32(fraction) == single:
            return fraction
    return float(str(single))


def rounded(value: T) -> T:
    """A configuration, or a value in one, with `nearest` in place of each of its floats.

    Raises:
        ValueError: a number is not finite, or a part refuses the rounded one.
    """
    near: Any = value
    if value is None or isinstance(value, str | int):  # as most are
        return value
    if isinstance(value, float):
        near = nearest(value)
    elif isinstance(value, Mapping):
        near = {key: rounded(item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        items = [rounded(item) for item in value]
        near = tuple(items) if isinstance(value, tuple) else items
    elif (fields := _fields(value)) is not None:
        given = {name: getattr(value, name) for name in fields}
        parts = {name: rounded(part) for name, part in given.items()}
        if all(parts[name] is part for name, part in given.items()):  # as in most, which are not made again
            return value
        near = type(value)(**parts)
    return value if near == value else near


def differences(value: Any) -> Any:
    """A configuration, or a value in one, as JSON data without what equals the default of its field.

    A part that equals the default vanishes. Any other part stands with its differences from the defaults of its own
    class, and a registered one with its name. Whole floats are written as integers, so 1 and 1.0 are one.

    >>> from cotoolkit.methods import DOM, FGSM, PGD
    >>> differences(PGD(steps=10, alpha=2)), differences(DOM(inner=FGSM())), differences(DOM(inner=PGD()))
    ({'name': 'pgd', 'alpha': 2}, {'name': 'dom'}, {'name': 'dom', 'inner': {'name': 'pgd'}})
    """
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if (fields := _fields(value)) is not None:
        kind: Any = type(value)
        registered = getattr(kind, "name", None)
        data = {"name": registered} if isinstance(registered, str) else {}
        defaults = _defaults(kind)
        for name in fields:
            given = getattr(value, name)
            if name in defaults and (given is defaults[name] or given == defaults[name]):
                continue  # most are, and need no look inside
            item = differences(given)
            if name not in defaults or item != _default_differences(kind)[name]:
                data[name] = item
        return data
    if isinstance(value, Mapping):
        return {key: differences(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [differences(item) for item in value]
    return value


def values_in(value: Any) -> Iterator[Any]:
    """A configuration, or a value in one, and everything in it at any depth."""
    yield value
    if (fields := _fields(value)) is not None:
        value = [getattr(value, name) for name in fields]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from values_in(item)


def identity_of(version: int, found: Any) -> str:
    """12 hex digits that tell configurations apart: the start of a hash.

    Args:
        version: of the defaults and of what the settings mean; a change of either raises it.
        found: `differences` of a configuration with rounded numbers.

    Returns:
        The digits.
    """
    text = json.dumps([version, found], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@functools.cache
def _defaults(cls: Any) -> dict[str, Any]:
    """Of the fields of a pydantic class that have one."""
    fields: Mapping[str, FieldInfo] = cls.__pydantic_fields__
    return {
        name: field.get_default(call_default_factory=True) for name, field in fields.items() if not field.is_required()
    }


@functools.cache
def _default_differences(cls: Any) -> dict[str, Any]:
    return {name: differences(default) for name, default in _defaults(cls).items()}


def _fields(value: Any) -> dict[str, FieldInfo] | None:
    """The fields of a pydantic model or dataclass by name; None for anything else."""
    return getattr(type(value), "__pydantic_fields__", None)
