"""What the fields of a configuration take and mean, read from their annotations and the docstrings of their classes."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator

from cotoolkit.core.numbers import format_number, parse_number, parse_radius, parse_whole
from cotoolkit.core.registry import Registered

NUMBERS = {parse_number: "number", parse_radius: "radius", parse_whole: "whole number"}
"""What the validators of `core.numbers` take."""

NAMES = {int: "whole number", float: "number", bool: "true or false", str: "text", Any: "model"}
"""Words for plain types; of our fields only a network may be anything."""

BOUNDS = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}
"""How a limit is written, and where it keeps its number."""

REQUIRED = "(required)"

ENTRY = re.compile(r"^(\w+): (.*(?:\n .*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Setting:
    """A field of a configuration, in words.

    Attributes:
        name: of the field.
        kind: what it takes: "radius", "text or null".
        default: as people type it; `REQUIRED` where there is none.
        limits: of numbers, or the words to choose from; empty where there are none.
        meaning: from the docstring.
        nested: the configuration classes that it holds.
    """

    name: str
    kind: str
    default: str
    limits: str
    meaning: str
    nested: tuple[type, ...]


def settings_in_words(cls: Any) -> list[Setting]:
    """The fields of a configuration class, in their order.

    Args:
        cls: a pydantic model or dataclass.

    Returns:
        What each takes and means.

    Raises:
        ValueError: the docstrings of the class and its bases leave out a field.
    """
    meanings = _meanings(cls)
    found = []
    for name, info in cls.__pydantic_fields__.items():
        if name not in meanings:
            raise ValueError(f"the docstring of {cls.__name__} does not say what {name} is")
        kind, limits = _described(info.annotation, info.metadata)
        default = REQUIRED if info.is_required() else shown(info.get_default(call_default_factory=True))
        found.append(Setting(name, kind, default, limits, meanings[name], tuple(_held(info.annotation))))
    return found


def shown(value: Any) -> str:
    """A default as people type it; empty for a configuration within, which is shown field by field.

    >>> shown(8 / 255), shown(None), shown((0.5, 0.75)), shown(True)
    ('8/255', 'null', '(0.5,0.75)', 'true')
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, list | tuple):
        return f"({','.join(map(shown, value))})"
    return _shown_part(value) if hasattr(value, "__pydantic_fields__") else str(value)


def _shown_part(part: Any) -> str:
    """Its name, and what differs from its defaults."""
    if not hasattr(part, "name"):
        return ""
    changed = {
        name: getattr(part, name)
        for name, info in part.__pydantic_fields__.items()
        if isinstance(part, Registered) and getattr(part, name) != info.get_default(call_default_factory=True)
    }
    return " ".join([str(part.name), *(f"{name}={shown(item)}" for name, item in changed.items())])


def _meanings(cls: type) -> dict[str, str]:
    """What the docstrings of a class and its bases say about fields, by name; the class's own words count first."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        text = inspect.cleandoc(base.__doc__ or "")
        for section in re.findall(r"^(?:Args|Attributes):\n((?:(?:    .*)?\n?)*)", text, re.MULTILINE):
            entries = ENTRY.findall(inspect.cleandoc(f"\n{section}"))
            found |= {name: " ".join(meaning.split()) for name, meaning in entries}
    return found


def _described(annotation: Any, metadata: Any = ()) -> tuple[str, str]:
    """Kind and limits of an annotation with its marks."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _described(inside[0], (*inside[1:], *metadata))
    if origin in (Union, types.UnionType):
        each = [_described(one) for one in inside]
        return " or ".join(dict.fromkeys(kind for kind, _ in each)), ", ".join(limits for _, limits in each if limits)
    if origin is Literal:
        return "word", ", ".join(f"`{word}`" for word in inside)
    if origin in (tuple, list):
        kind, limits = _described(inside[0])
        return f"list of: {kind}", limits
    bounds = (f"{sign} {getattr(mark, number):g}" for mark in metadata for sign, number in _bound(mark))
    kinds = [NUMBERS[m.func] for m in metadata if isinstance(m, BeforeValidator) and m.func in NUMBERS]
    return kinds[0] if kinds else _named(annotation), ", ".join(bounds)


def _bound(mark: Any) -> Iterator[tuple[str, str]]:
    yield from (found for kind, found in BOUNDS.items() if isinstance(mark, kind))


def _named(annotation: Any) -> str:
    """The word for a type."""
    if annotation is type(None):
        return "null"
    if annotation in NAMES:
        return NAMES[annotation]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", annotation.__name__).lower()
    return words if issubclass(annotation, Registered) else "fields"


def _held(annotation: Any) -> Iterator[type]:
    """The configuration classes in an annotation that are no registered parts."""
    if hasattr(annotation, "__pydantic_fields__") and not issubclass(annotation, Registered):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _held(inner)
