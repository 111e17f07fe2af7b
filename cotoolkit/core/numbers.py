"""Numbers as people give them: a radius of 8/255 is `"8/255"`, and values come as lists, arrays, tensors or columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le
from pydantic import BeforeValidator

from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def parse_number(value: Any) -> Any:
    """Any kind of finite number as a float: text, "8/255" included, and numbers of Python, numpy and torch.

    None stays, for the fields that may be left out.

    >>> parse_number("1/4"), parse_number(2), parse_number(Decimal("0.1"))
    (0.25, 2.0, 0.1)

    Raises:
        ValueError: anything else, a boolean among them, or what is not finite.
    """
    if value is None:
        return None
    try:
        number = _fraction(value) if isinstance(value, str) else float(_number(value))
    except (ValueError, TypeError, ArithmeticError, RuntimeError):
        raise ValueError(f"not a number: {shortened(value)}; write 0.03 or 8/255") from None
    if not math.isfinite(number):
        raise ValueError(f"not a finite number: {shortened(value)}")
    return number


def _fraction(text: str) -> float:
    numerator, slash, denominator = text.partition("/")
    return float(numerator) / float(denominator) if slash else float(numerator)


def _number(value: Any) -> Any:
    """A number as Python's own, out of its scalar array or tensor.

    Raises:
        TypeError: no number, or an array with a shape.
    """
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise TypeError
    return value


def shortened(value: Any) -> str:
    """What was given, on one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def format_number(value: float) -> str:
    """The shortest way people write it: "8/255" where the value is a whole number of pixel levels, else decimal.

    >>> format_number(8 / 255), format_number(0.25), format_number(0.0)
    ('8/255', '0.25', '0')
    """
    levels = value * 255
    if 0 < abs(value) <= 1 and abs(levels - round(levels)) < 1e-6 and round(levels) != 0 and len(f"{value:.6g}") > 5:
        return f"{round(levels)}/255"
    return f"{value:.6g}"


def parse_radius(value: Any) -> float:
    """`parse_number` for a radius, rounded as identities round: float32 and float64 of 0.1 are one radius.

    >>> import numpy as np
    >>> parse_radius(np.float32(8 / 255)) == parse_radius("8/255") == 8 / 255
    True

    Raises:
        ValueError: no finite number.
    """
    if value is None:
        raise ValueError("not a number: None; write 0.03 or 8/255")
    from cotoolkit.core.identity import nearest

    return nearest(parse_number(value))


def parse_whole(value: Any) -> Any:
    """A whole number of any kind as Python's own; a boolean is none.

    Raises:
        ValueError: it is no whole number.
    """
    try:
        number = _number(value)
        if number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"not a whole number: {shortened(value)}")


Whole = Annotated[int, BeforeValidator(parse_whole)]
"""A whole number of any kind; the range is the field's."""

Number = Annotated[float, BeforeValidator(parse_number)]
"""A float that may be given as text, "8/255" included."""

NonNegative = Annotated[float, BeforeValidator(parse_number), Ge(0)]
"""A radius, strength or rate: a `Number` that is not below 0."""

Radius = Annotated[float, BeforeValidator(parse_radius), Ge(0)]
"""The radius of a threat model."""

PixelLength = Annotated[NonNegative, "pixel units"]
"""The length of a method's step or start, in the units of images: a run refuses more than 1 in linf."""

Share = Annotated[NonNegative, Le(1)]
"""A probability, or a part of a whole, in [0, 1]."""


def refuse_beyond_range(value: float, what: str) -> None:
    """Refuse a radius or strength beyond the whole range of pixels: who types 8 means 8/255.

    Raises:
        ConfigError: above 1.
    """
    if value > 1:
        level = f"{value:g}/255" if value <= 255 and float(value).is_integer() else "8/255"
        raise ConfigError(f"{what} is {value:g}; give a share of the pixel range, at most 1, such as {level}")


def real_array(values: Any, what: str, dimensions: int | None = None, *, finite: bool = True) -> NDArray[np.float64]:
    """Real numbers from a list, an array, a tensor on any device, or a column or table of pandas.

    Args:
        values: the numbers.
        what: they are, for the message.
        dimensions: how many there have to be; None takes any.
        finite: refuse others; else a missing value (None, pandas' NA, a masked entry) is nan.

    Returns:
        float64, of the same shape.

    Raises:
        ConfigError: no real numbers, another number of dimensions, or a value that may not be nan or infinite.
    """
    import numpy as np

    try:
        found = _floats(values)
    except (ValueError, TypeError, OverflowError):
        raise ConfigError(f"{what}: give real numbers, not {shortened(values)}") from None
    if dimensions is not None and found.ndim != dimensions:
        raise ConfigError(f"{what}: give {_SHAPES[dimensions]}, not an array of shape {found.shape}")
    if finite and not np.isfinite(found).all():
        raise ConfigError(f"{what}: {np.sum(~np.isfinite(found))} of {found.size} values are nan or infinite")
    return found


_SHAPES = ("one number", "one number for each point, of shape (N,)", "a matrix of two dimensions")


def _floats(values: Any) -> NDArray[np.float64]:
    import numpy as np

    if isinstance(values, list | tuple):
        values = [one.detach().cpu() if hasattr(one, "detach") else one for one in values]
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()  # numpy knows no bfloat16
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(float), np.nan)
    found = np.asarray(values)
    if found.dtype == object:
        import pandas as pd

        if any(isinstance(item, str | bytes) for item in found.flat):
            raise TypeError
        found = np.where(pd.isna(found), np.nan, found).astype(float)
    if found.dtype.kind not in "biuf":
        raise TypeError
    return found.astype(np.float64)


def share_array(values: Any, what: str, dimensions: int | None = None) -> NDArray[np.float64]:
    """`real_array` of shares: booleans, or numbers in [0, 1].

    Args:
        values: the shares.
        what: they are, for the message.
        dimensions: how many there have to be.

    Returns:
        float64, of the same shape.

    Raises:
        ConfigError: as `real_array`, or a number outside of [0, 1].
    """
    found = real_array(values, what, dimensions)
    if found.size and not (found.min() >= 0 and found.max() <= 1):
        raise ConfigError(
            f"{what}: give booleans or shares in [0, 1], not values from {found.min():g} to {found.max():g}"
        )
    return found


def mark_array(values: Any, what: str, dimensions: int | None = None) -> NDArray[np.bool_]:
    """Which members are meant, as booleans, from booleans or zeros and ones.

    Args:
        values: the marks.
        what: they are, for the message.
        dimensions: how many there have to be.

    Returns:
        bool, of the same shape.

    Raises:
        ConfigError: as `real_array`, or another value, such as those of a list of indices.
    """
    found = real_array(values, what, dimensions)
    marks: NDArray[np.bool_] = found == 1
    if not (marks | (found == 0)).all():
        raise ConfigError(f"{what}: give booleans or 0 and 1, one for each member, not indices or other numbers")
    return marks


def whole_number(value: Any, what: str, least: int = 0) -> int:
    """A count, from any kind of number.

    Args:
        value: the count.
        what: is counted, for the message.
        least: that there has to be.

    Returns:
        It.

    Raises:
        ConfigError: no whole number, or a smaller one.
    """
    try:
        number: int = parse_whole(value)
    except ValueError:
        number = least - 1
    if number < least:
        raise ConfigError(f"{what}: give a whole number, {least} or more, not {shortened(value)}")
    return number


def probability(value: Any, what: str, most: float = 1.0) -> float:
    """A number strictly between 0 and an upper end, from any kind of number.

    Args:
        value: the probability.
        what: it is, for the message.
        most: the upper end.

    Returns:
        It.

    Raises:
        ConfigError: anything else.
    """
    try:
        number = float(_number(value))
        if 0 < number < most:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise ConfigError(f"{what}: give a number between 0 and {most:g}, not {shortened(value)}")


def has_channels_last(shape: Sequence[int]) -> bool:
    """Whether images are (N, H, W, C) rather than (N, C, H, W), by their shape alone.

    Pictures have 1, 3 or, with an alpha channel, 4 channels, and their sides are not far apart: a long and narrow shape
    is a signal's, with its channels first.

    >>> [has_channels_last(shape) for shape in [(9, 32, 32, 3), (9, 3, 32, 32), (9, 13, 1, 1), (9, 64, 4, 4)]]
    [True, False, False, False]

    Args:
        shape: of four dimensions.
    """
    _, height, width, channels = shape
    least, most = sorted((height, width))
    return least >= 4 and most <= 16 * least and (channels in (1, 3) or (channels == 4 < least == most))
