"""Settings that people typed: plain values, and what is wrong with them in one line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError


def plain(value: Any) -> Any:
    """Settings with Python's numbers and lists in place of those of numpy, torch and pandas."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value.tolist() if hasattr(value, "tolist") else value


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


def one_line(error: ValidationError) -> str:
    """Errors of pydantic as one line: field, reason, and what was given."""
    parts = []
    for detail in error.errors():
        where = ".".join(str(part) for part in detail["loc"])
        reason = detail["msg"].removeprefix("Value error, ")
        if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            reason = "no such setting"
        given = detail.get("input")
        shown = f" (given: {given!r})" if isinstance(given, str | int | float) else ""
        parts.append(f"{where}: {reason}{shown}" if where else reason)
    return "; ".join(parts)
