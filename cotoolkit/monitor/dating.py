"""From a probe that found robustness lost back to the iteration of the breakpoint, by replaying the run.

Accuracy near the threshold goes up and down from one iteration to the next, so there is not one crossing. Bisection
finds one of them; around it every iteration is probed, and the first crossing, the one that lasts, and an interval that
holds both are told apart.
"""

from __future__ import annotations

from typing import Any, Protocol

from cotoolkit.evaluation.probe import Enough, ProbeResult
from cotoolkit.monitor.core import Breakpoint
from cotoolkit.monitor.criterion import BreakpointCriterion

WINDOW = 16
"""Iterations in a row that have to be robust before a crossing for it to be the first, and not robust after one for it
to last (ours)."""


class Replayable(Protocol):
    """What it takes of a trainer to go back in time.

    Attributes:
        total: iterations of the whole run.
    """

    total: int

    def measure(self, enough: Enough | None = None) -> ProbeResult:
        """Probe the model as it is now, on no more points than it takes."""

    def snapshot(self) -> Any:
        """A copy of everything that the next iterations depend on."""

    def restore(self, snapshot: Any) -> None:
        """Put a snapshot back."""

    def advance(self, iterations: int) -> None:
        """Repeat the given number of iterations, as exactly as the device allows."""


class Past:
    """The iterations between the last good probe and one that found robustness lost, each probed once at most.

    Args:
        trainer: is moved about.
        good: the iteration of the last good probe, and the snapshot there.
        detected: a later iteration, at which the trainer is.
        result: the probe there.
        enough: when a probe may end early.
    """

    def __init__(
        self, trainer: Replayable, good: tuple[int, Any], detected: int, result: ProbeResult, enough: Enough
    ) -> None:
        self.trainer, self.enough = trainer, enough
        self.start, snapshot = good
        self.ends = self.start, detected
        self.snapshots = {self.start: snapshot, detected: trainer.snapshot()}
        self.now: int | None = None
        self.probes = {detected: result}

    def go(self, iteration: int) -> None:
        """Bring the trainer to an iteration, from the nearest snapshot before it or from where it is."""
        nearest = max(kept for kept in self.snapshots if kept <= iteration)
        if self.now is None or not nearest <= self.now <= iteration:
            self.trainer.restore(self.snapshots[nearest])
            self.now = nearest
        self.trainer.advance(iteration - self.now)
        self.now = iteration

    def probe(self, iteration: int) -> ProbeResult:
        """The probe of an iteration."""
        if iteration not in self.probes:
            self.go(iteration)
            self.probes[iteration] = self.trainer.measure(self.enough)
        return self.probes[iteration]

    def keep(self, iteration: int) -> None:
        """Keep a snapshot of an iteration; of the others the two ends, and the nearest that is a window older."""
        self.go(iteration)
        older = [kept for kept in self.snapshots if kept not in self.ends and kept <= iteration - WINDOW]
        self.snapshots = {kept: self.snapshots[kept] for kept in (*self.ends, *older[-1:])}
        self.snapshots[iteration] = self.trainer.snapshot()

    def leave(self) -> dict[int, ProbeResult]:
        """Put the trainer back to where it was; the probes that were taken."""
        _, detected = self.ends
        self.trainer.restore(self.snapshots[detected])
        return {iteration: probe for iteration, probe in self.probes.items() if iteration != detected}

    def bracket(self, condition: Enough, low: int, high: int, width: int) -> tuple[int, int]:
        """Bisect an interval of iterations at whose end a condition holds.

        Args:
            condition: says of a probe whether it holds.
            low: before the interval.
            high: its end.
            width: of the interval that is wanted, at most.

        Returns:
            Ends at most `width` apart, at the second of which the condition holds.
        """
        while high - low > width:
            middle = (low + high) // 2
            if condition(self.probe(middle)):
                high = middle
            else:
                low = middle
                self.keep(low)
        return low, high


def date(
    trainer: Replayable, criterion: BreakpointCriterion, good: tuple[int, Any], detected: int, result: ProbeResult
) -> Breakpoint:
    """Date a breakpoint; the trainer ends in the state it came in.

    Args:
        trainer: at iteration `detected`.
        criterion: says at which probes robustness is lost.
        good: the iteration of the last good probe, and the snapshot there.
        detected: the iteration of the probe that found robustness lost.
        result: that probe.

    Returns:
        The dates, with the trainer's snapshots one iteration before `iteration`, and at `sustained` or `detected`.
        `iteration` is the first iteration that the probe finds without robustness after `WINDOW` that it finds with it
        (or as many as there are since the last good probe). From `sustained` on every probe finds it lost, of the
        `WINDOW` iterations that follow (or of all to the end of the run), and of those probed from there to
        `detected`. It is None where no such crossing begins by `WINDOW` iterations after `detected`; so up to twice as
        many beyond it are probed, and `sustained` and `latest` may lie there. `earliest` is the first iteration at
        which the 95 % intervals of the probe's accuracies leave room for a breakpoint. `latest` is the first one from
        `sustained` on at which they leave room for nothing else; if there is none, the last one that was looked at.
    """
    past = Past(trainer, good, detected, result, criterion.decided)

    low, high = past.bracket(criterion.is_broken, past.start, detected, WINDOW)
    opened = low + 1  # from here to `high` every iteration is probed
    first = next(at for at in range(opened, high + 1) if criterion.is_broken(past.probe(at)))
    while (start := max(past.start + 1, first - WINDOW)) < opened:
        earlier = [at for at in range(start, opened) if criterion.is_broken(past.probe(at))]
        opened, first = start, min([first, *earlier])

    intact = [at for at, probe in past.probes.items() if first < at < detected and not criterion.is_broken(probe)]
    crossing = at = max(intact, default=first - 1) + 1  # behind what excursions `first` may lie
    while at < trainer.total and at - crossing < WINDOW and crossing <= detected + WINDOW:
        at += 1
        if not criterion.is_broken(past.probe(at)):
            crossing = at + 1
    lasts = at - crossing >= WINDOW or crossing <= at == trainer.total
    sustained = crossing if lasts else None

    past.go(first - 1)
    before = trainer.snapshot()
    past.go(detected if sustained is None else sustained)
    after = trainer.snapshot()

    sure = (i for i in range(crossing, at + 1) if criterion.surely_broken(past.probe(i)))
    latest = next(sure, max(at, detected))
    if latest == detected > at and criterion.surely_broken(result):
        latest = past.bracket(criterion.surely_broken, at, detected, 1)[1]
    earliest = next((i for i in range(opened, first) if criterion.may_be_broken(past.probe(i))), first)
    if earliest == opened:
        earliest = past.bracket(criterion.may_be_broken, past.start, opened, 1)[1]
    return Breakpoint(first, sustained, earliest, latest, detected, past.leave(), before, after)
