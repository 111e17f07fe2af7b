"""What every method refuses, by what it and those that it stands around declare."""

from __future__ import annotations

from itertools import chain
from typing import Any, cast, get_args

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import PixelLength, refuse_beyond_range
from cotoolkit.methods.base import Method, RunSettings

PIXEL_UNITS = get_args(PixelLength)[-1]
"""The mark of a `PixelLength` among the annotations of a field."""


def check_method(method: Method, config: RunSettings) -> None:
    """Refuse the configuration of a run that the method, or one that it stands around, cannot train under.

    Args:
        method: of the run.
        config: of the run.

    Raises:
        ConfigError: the method says so itself, it needs single precision, or in linf a length is above 1.
    """
    method.check_config(config)
    for part in method.parts:
        if config.precision != "32" and not part.bf16:
            raise ConfigError(f"{part.name} compares numbers too close for {config.precision}; set precision=32")
        if config.threat.norm == "linf":  # in l2 a step may be longer than the range of one pixel
            _check_lengths(part)


def _check_lengths(method: Method) -> None:
    for name, info in cast("Any", type(method)).__pydantic_fields__.items():
        alternatives = (getattr(one, "__metadata__", ()) for one in get_args(info.annotation))
        if PIXEL_UNITS in chain(info.metadata, *alternatives):
            refuse_beyond_range(getattr(method, name) or 0.0, f"{method.name}: {name}")
