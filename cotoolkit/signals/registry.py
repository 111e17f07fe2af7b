"""What is known about each signal: its cost, which way it moves at the break, and who introduced it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

from torch import Tensor

from cotoolkit.methods.base import Cost

Direction = Literal["falls", "rises"]


class SignalInfo(NamedTuple):
    """What is known about a signal.

    Attributes:
        name: as in tables and files.
        cost: passes it takes beyond the training step.
        at_break: which way it moves when robustness breaks; None where no source says so.
        source: paper or code that introduced it.
    """

    name: str
    cost: Cost
    at_break: Direction | None
    source: str


Function = TypeVar("Function", bound=Callable[..., Tensor])

SIGNALS: dict[str, SignalInfo] = {}
"""Every signal by name."""


def signal(*, cost: Cost, at_break: Direction | None, source: str) -> Callable[[Function], Function]:
    """File a function with its metadata under its own name."""

    def decorate(function: Function) -> Function:
        SIGNALS[function.__name__] = SignalInfo(function.__name__, cost, at_break, source)
        return function

    return decorate


FREE = Cost(0, 0)
