"""How far a run got, as displays are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cotoolkit.evaluation.probe import ProbeResult


class Progress(NamedTuple):
    """What a display shows of a run under way.

    Attributes:
        iteration: updates done.
        total: updates in all.
        probe: the latest probe, if any.
        note: what the run is doing besides training, or how it ended.
    """

    iteration: int
    total: int
    probe: ProbeResult | None
    note: str = ""


Report = Callable[[Progress], None]
"""Is told of progress."""
