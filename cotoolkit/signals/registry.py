"""What is known about each signal, filed once: its title, its unit, its cost, and what it does at a breakpoint."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from torch import Tensor

from cotoolkit.methods.base import Cost

Direction = Literal["falls", "rises"]

SHARE = "share"
"""The unit of values in [0, 1]."""

FREE = Cost(0, 0)
"""The cost of a signal that needs no pass through the network beyond the training step."""


@dataclass(frozen=True)
class SignalInfo:
    """What is known about a signal; tables, timelines, `bench-alarm` and the diagnosis all read it here.

    Attributes:
        name: as in tables and files: that of its function.
        title: for people.
        unit: of its values; `SHARE` for values in [0, 1], empty for plain numbers.
        log: whether its values span orders of magnitude, so that they are drawn on a logarithmic axis.
        cost: passes it takes beyond the training step.
        at_break: which way it moves at a breakpoint; None where no source says so.
        source: paper or code that introduced it.
        function: computes it, one value per sample.
        inputs: names of its function's parameters.
    """

    name: str
    title: str
    unit: str
    log: bool
    cost: Cost
    at_break: Direction | None
    source: str
    function: Callable[..., Tensor]
    inputs: tuple[str, ...]

    @property
    def label(self) -> str:
        """Title and unit, as on an axis."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


Function = TypeVar("Function", bound=Callable[..., Tensor])

SIGNALS: dict[str, SignalInfo] = {}
"""Every signal by name."""


def signal(
    *,
    title: str,
    at_break: Direction | None,
    source: str,
    unit: str = "",
    log: bool = False,
    cost: Cost = FREE,
) -> Callable[[Function], Function]:
    """File a function as a signal, under its own name.

    A free signal whose parameters are all fields of `observation.Observation` is computed in every training step, by
    the engine and by the monitor of a foreign loop.

    >>> import torch
    >>> @signal(title="largest logit", at_break="rises", source="an example")
    ... def largest_logit(logits):
    ...     return logits.amax(1)
    >>> SIGNALS.pop("largest_logit").inputs
    ('logits',)

    Args:
        title: for people.
        at_break: which way the signal moves at a breakpoint; None where no source says so.
        source: paper or code that introduced it.
        unit: of its values; `SHARE` for values in [0, 1].
        log: draw it on a logarithmic axis.
        cost: passes it takes beyond the training step.

    Returns:
        A decorator that gives the function back as it is.

    Raises:
        ValueError: another signal has that name.
    """

    def decorate(function: Function) -> Function:
        name = function.__name__
        if name in SIGNALS:
            raise ValueError(f"signal {name!r} is registered twice")
        inputs = tuple(inspect.signature(function).parameters)
        SIGNALS[name] = SignalInfo(name, title, unit, log, cost, at_break, source, function, inputs)
        return function

    return decorate
