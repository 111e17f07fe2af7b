"""Settings that people typed: plain values, and what is wrong with them in one line."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from cotoolkit.core.errors import ConfigError

C = TypeVar("C", bound=type)


def plain(value: Any) -> Any:
    """Settings with Python's numbers and lists in place of those of numpy, torch, pandas, fractions and decimals."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, Fraction | Decimal):
        return float(value)
    return value.tolist() if hasattr(value, "tolist") else value


LONGEST_NAME = 80
"""Characters of a name that people give."""


def check_name(name: str) -> str:
    """A name that becomes part of a path, as it is.

    Raises:
        ValueError: it is empty or too long, or no name of a single file.
    """
    if not name.strip() or len(name) > LONGEST_NAME:
        raise ValueError(f"{name[:LONGEST_NAME]!r} is no name; give 1 to {LONGEST_NAME} characters")
    if name != name.strip() or name.startswith(".") or not name.isprintable() or set(name) & set("/\\"):
        raise ValueError(f"{name!r} is no name; leave out separators, leading dots and control characters")
    return name


def load_yaml(content: str | bytes) -> Any:
    """What YAML says: through libyaml where that is there, which takes an eighth of the time.

    Raises:
        yaml.YAMLError: no YAML, or nested deeper than libyaml goes.
        ValueError: a date that is none.
        RecursionError: nested deeper than Python goes.
    """
    import yaml

    return yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def read_settings(path: Path, kind: str = "file") -> Any:
    """What a YAML file of settings holds.

    Args:
        path: of the file.
        kind: of the file, for the message.

    Returns:
        Plain data, of which all keys are text.

    Raises:
        ConfigError: no such file, no YAML, keys that are no text, or nested too deeply.
    """
    import yaml

    try:
        data = load_yaml(path.read_text(encoding="utf-8-sig"))
        stray = next(_keys_without_text(data), None)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such {kind}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply") from None
    except (yaml.YAMLError, ValueError, OSError) as error:
        if "nesting depth" in str(error):
            raise ConfigError(f"{path}: is nested too deeply") from None
        raise ConfigError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    if stray:
        raise ConfigError(f"{path}: the name {stray[0]!r} is no text; put it in quotes")
    return data


def _keys_without_text(data: Any) -> Iterator[tuple[Any]]:
    if isinstance(data, dict):
        yield from ((key,) for key in data if not isinstance(key, str))
    if isinstance(data, dict | list):
        for part in data.values() if isinstance(data, dict) else data:
            yield from _keys_without_text(part)


def unknown_field(name: str, known: Any) -> str:
    """One line for a field that does not exist.

    Args:
        name: what was given.
        known: the names of the fields there are.

    Returns:
        The line, with the nearest names.
    """
    near = difflib.get_close_matches(name, list(known), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose from: {', '.join(known)}"
    return f"unknown setting {name!r}: {hint}"


def place_of(detail: Any, cls: type | None = None) -> str:
    """The field that an error of pydantic is about.

    Args:
        detail: one of its errors.
        cls: the dataclass whose constructor raised it, which knows its positional arguments by number.

    Returns:
        Dotted names; empty where it is about no field alone.
    """
    first, *rest = detail["loc"] or ("",)
    if isinstance(first, int) and cls is not None and dataclasses.is_dataclass(cls):
        fields = dataclasses.fields(cls)
        first = fields[first].name if first < len(fields) else first
    return ".".join(str(part) for part in (first, *rest))


def one_line(error: ValidationError, cls: type | None = None) -> str:
    """Errors of pydantic as one line: field, reason, and what was given.

    Args:
        error: of pydantic.
        cls: as for `place_of`.

    Returns:
        The line.
    """
    parts = []
    for detail in error.errors():
        where = place_of(detail, cls)
        reason = detail["msg"].removeprefix("Value error, ")
        if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            reason = "no such setting"
        given = detail.get("input")
        shown = f" (given: {given!r})" if isinstance(given, str | int | float) else ""
        parts.append(f"{where}: {reason}{shown}" if where else reason)
    return "; ".join(parts)


def refusing_in_one_line(cls: C) -> C:
    """Class decorator: the constructor of a pydantic model or dataclass raises a one-line `ConfigError`.

    Inside of other pydantic models nothing changes: these explain themselves.
    """
    return explaining(cls, lambda error: ConfigError(f"{cls.__name__}: {one_line(error, cls)}"))


def explaining(cls: C, explain: Callable[[ValidationError], ConfigError]) -> C:
    """A pydantic class whose constructor raises our errors in place of pydantic's several lines.

    Args:
        cls: the class, which is changed.
        explain: makes the error.

    Returns:
        The class.
    """
    init = cast("Any", cls).__init__

    @functools.wraps(init)
    def in_our_words(instance: Any, *args: Any, **fields: Any) -> None:
        try:
            init(instance, *args, **fields)
        except ValidationError as error:
            raise explain(error) from None

    cast("Any", cls).__init__ = in_our_words
    return cls
