"""What a run under way says of itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from cotoolkit.evaluation.probe import ProbeResult

REPORT_EVERY = 0.25
"""Seconds between two reports to another process."""


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


def seldom(report: Report) -> Report:
    """A report for another process to show: it is told a few times a second, and of every note."""
    last = 0.0

    def told(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_EVERY or progress.note:
            last = time.monotonic()
            report(progress)

    return told
