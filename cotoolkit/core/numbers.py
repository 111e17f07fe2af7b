"""Numbers as the field writes them: a radius of 8/255 is `"8/255"`."""

from __future__ import annotations

import math
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import BeforeValidator


def parse_number(value: Any) -> Any:
    """Turn "8/255" into 0.0313...; leave everything that is not text alone.

    >>> parse_number("1/4")
    0.25

    Raises:
        ValueError: text that is neither a decimal number nor a fraction, or that is not finite.
    """
    if not isinstance(value, str):
        return value
    try:
        numerator, slash, denominator = value.partition("/")
        number = float(numerator) / float(denominator) if slash else float(numerator)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"not a number: {value!r}; write 0.03 or 8/255") from None
    if not math.isfinite(number):
        raise ValueError(f"not a finite number: {value!r}")
    return number


def format_number(value: float) -> str:
    """The shortest way people write it: "8/255" where the value is a whole number of pixel levels, else decimal.

    >>> format_number(8 / 255), format_number(0.25), format_number(0.0)
    ('8/255', '0.25', '0')
    """
    levels = value * 255
    if 0 < abs(value) <= 1 and abs(levels - round(levels)) < 1e-6 and round(levels) != 0 and len(f"{value:.6g}") > 5:
        return f"{round(levels)}/255"
    return f"{value:.6g}"


Number = Annotated[float, BeforeValidator(parse_number)]
"""A float that may be given as text, "8/255" included."""

NonNegative = Annotated[float, BeforeValidator(parse_number), Ge(0)]
"""A radius, strength or rate: a `Number` that is not below 0."""

Share = Annotated[NonNegative, Le(1)]
"""A probability, or a part of a whole, in [0, 1]."""
