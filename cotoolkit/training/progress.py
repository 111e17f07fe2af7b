"""What a run under way says of itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
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


class Pace:
    """How long what is left may take, from what was trained since this display began.

    Iterations that were trained before, by a killed process, and runs that were done before took no time now, so they
    count for nothing.

    Args:
        runs: to be trained, those included that turn out to be done.
        clock: seconds.
    """

    def __init__(self, runs: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._runs, self._clock = runs, clock
        self._began: float | None = None
        self._first: dict[str, tuple[float, int]] = {}
        self._last: dict[str, Progress] = {}
        self._ended: set[str] = set()

    def saw(self, name: str, progress: Progress) -> None:
        """Take note of a run under way.

        Args:
            name: of the run.
            progress: of it.
        """
        now = self._clock()
        self._began = now if self._began is None else self._began
        self._first.setdefault(name, (now, progress.iteration))
        self._last[name] = progress

    def ended(self, name: str) -> None:
        """Take note of the end of a run, whether it was trained now or before."""
        self._ended.add(name)

    def of(self, name: str) -> float | None:
        """Seconds that a run may still take; None before it can be told."""
        if name not in self._first:
            return None
        (began, first), last = self._first[name], self._last[name]
        return self._seconds(last.total - last.iteration, last.iteration - first, began)

    def of_all(self) -> float | None:
        """Seconds that all runs may take; None before it can be told. Runs not yet seen count as the mean of others."""
        if self._began is None:
            return None
        trained = sum(last.iteration - self._first[name][1] for name, last in self._last.items())
        left = sum(last.total - last.iteration for name, last in self._last.items() if name not in self._ended)
        unknown = self._runs - len(self._ended | self._last.keys())
        mean = sum(last.total for last in self._last.values()) / len(self._last)
        return self._seconds(left + unknown * mean, trained, self._began)

    def _seconds(self, left: float, trained: int, began: float) -> float | None:
        return (self._clock() - began) * left / trained if trained > 0 else None


def left_text(seconds: float | None) -> str:
    """Time left in a few characters; nothing where it is not known, or over.

    >>> left_text(42.1), left_text(600), left_text(12_600), left_text(None)
    ('42 s left', '10 min left', '3.5 h left', '')

    Args:
        seconds: that are left.

    Returns:
        The text, at most 12 characters.
    """
    if not seconds:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left" if seconds < 90 * 60 else f"{seconds / 3600:,.1f} h left"


def seldom(report: Report) -> Report:
    """A report for another process to show: it is told a few times a second, and of every note."""
    last = 0.0

    def told(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_EVERY or progress.note:
            last = time.monotonic()
            report(progress)

    return told
