"""What every monitor does: it watches free signals for an early warning, decides on probes, and tells events.

How a breakpoint is dated, and what training may go back to, is up to the loop that is watched. In the engine's own
trainer iterations are replayed (`replay`); in anybody's loop there are copies of recent weights (`monitor`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from cotoolkit.evaluation.probe import Enough, ProbeResult
from cotoolkit.evaluation.relative import RISE
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.criterion import BreakpointCriterion
from cotoolkit.monitor.early_warning import EarlyWarning
from cotoolkit.monitor.early_warning.rules import LEAST_SAMPLES

EventKind = Literal["warning", "breakpoint", "recovered", "failure"]

R = TypeVar("R")
"""What training can go back to."""


class Breakpoint(NamedTuple):
    """A dated loss of robustness. What dates it looks at some iterations, or at all (`dating`).

    Attributes:
        iteration: the first crossing: the first weights seen without robustness, after the last ones seen with it.
        sustained: the crossing that lasts: from here on no weights that were looked at are robust. None where none
            lasts.
        earliest: the first iteration that may have been the first crossing; it is `iteration` at latest.
        latest: the last iteration that may have been the lasting crossing.
        detected: the iteration whose probe raised the question.
        measured: the probes that dating took, by iteration.
        before: what there is of the network before the first crossing.
        after: what there is of it at `sustained`, or at `detected`.
    """

    iteration: int
    sustained: int | None
    earliest: int
    latest: int
    detected: int
    measured: Mapping[int, ProbeResult]
    before: Any
    after: Any


@dataclass(frozen=True)
class Event:
    """Something that happened to the network, or to its monitor.

    Attributes:
        kind: "warning": the free signals gave cause for a probe, whatever it found; "breakpoint": a probe found
            robustness lost; "recovered": a later probe found it back; "failure": the monitor could not do something,
            told once for each thing.
        iteration: when; of a breakpoint, the first crossing.
        detected: the iteration at which the monitor said so.
        probe: accuracies at `detected`; `NO_PROBE` of a failure.
        earliest: of a breakpoint, as `Breakpoint.earliest`.
        sustained: of a breakpoint, as `Breakpoint.sustained`.
        latest: of a breakpoint, as `Breakpoint.latest`.
        signal: of a warning, the free signal that gave cause for it.
        reason: of a failure, what failed and why, on one line.
    """

    kind: EventKind
    iteration: int
    detected: int
    probe: ProbeResult
    earliest: int | None = None
    sustained: int | None = None
    latest: int | None = None
    signal: str | None = None
    reason: str | None = None

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        return self.what if self.kind == "failure" else f"{self.what}: {self.advice}"

    @property
    def what(self) -> str:
        """What happened, in words, without advice."""
        if self.kind == "failure":
            return f"iteration {self.iteration:,}: {self.reason}"
        found = f"FGSM {self.probe.fgsm:.0%}, PGD {self.probe.pgd:.0%} on {self.probe.points} points"
        if self.kind == "warning":
            return (
                f"iteration {self.iteration:,}: warning, {self.signal} moves as in catastrophic overfitting ({found})"
            )
        if self.kind == "recovered":
            return f"iteration {self.iteration:,}: robustness is back ({found})"
        span = f"{self.earliest:,} to " if self.earliest not in (None, self.iteration) else ""
        last = f", for good by {self.sustained:,}" if self.sustained not in (None, self.iteration) else ""
        when = f"{span}{self.iteration:,}{last}, seen at {self.detected:,}"
        return f"catastrophic overfitting at iteration {when} ({found})"

    @property
    def advice(self) -> str:
        """What to do next, in words; docs/monitor.md says why."""
        if self.kind == "breakpoint":
            before = (self.earliest or self.iteration) - 1
            return (
                f"go back to the checkpoint with the most PGD accuracy of iteration {before:,} or before, continue "
                "with N-FGSM or a smaller radius"
            )
        if self.kind == "warning" and self.probe.pgd * RISE < self.probe.fgsm:
            return (
                "PGD accuracy is below half of FGSM's; if no breakpoint is told, the network may never have been "
                "robust: diagnose it, and warm up the radius or take a smaller one"
            )
        return {
            "warning": "nothing to do unless a breakpoint is told",
            "recovered": "before you use this network, compare it with one from before the breakpoint under AutoAttack",
            "failure": "training goes on; mend this if you need it",
        }[self.kind]


class MonitorCore(ABC, Generic[R]):
    """Criterion, early warning and events of one training run; `R` is what training can go back to.

    Args:
        config: when to probe, and what counts as robustness lost.
        classes: number of classes.

    Attributes:
        criterion: what the probes said so far.
        early_warning: what the free signals said so far.
        good: what the last good probe left to go back to; None before the first one.
        events: all that this monitor has told.
    """

    def __init__(self, config: MonitorConfig, classes: int) -> None:
        self.config = config
        self.criterion = BreakpointCriterion(config, classes)
        self.early_warning = EarlyWarning()
        self.good: R | None = None
        self.events: list[Event] = []

    @property
    def broken(self) -> bool:
        """Whether robustness is lost now."""
        return self.criterion.broken_at is not None

    @property
    def breakpoint(self) -> Event | None:
        """The latest breakpoint, if any."""
        return next((event for event in reversed(self.events) if event.kind == "breakpoint"), None)

    def on_signals(self, signals: Mapping[str, float], samples: int = LEAST_SAMPLES) -> str | None:
        """Take in the free signals of one more iteration; to be called with those of every one.

        Args:
            signals: values by signal name.
            samples: that they are means over.

        Returns:
            The signal that gives cause for a probe at once, or None.
        """
        raised = self.early_warning.update(signals, samples)
        return None if self.broken else raised

    def enough(self, *, scheduled: bool) -> Enough | None:
        """When the coming probe may end early.

        Args:
            scheduled: the schedule asks how robust the network is, which takes all points; a warning asks for one
                decision. As long as nothing is known to compare with, it asks for all points, too.

        Returns:
            Whether a result on some of the points will do; None if it never does.
        """
        known = self.criterion.best >= self.criterion.floor
        return self.criterion.decided if known and not scheduled else None

    def on_probe(self, iteration: int, result: ProbeResult, *, warned: bool = False) -> Breakpoint | None:
        """Take in a probe of the present network; date a breakpoint, and tell what happened.

        Args:
            iteration: of the network probed.
            result: of the probe.
            warned: a warning called for it.

        Returns:
            The breakpoint that was found, if any.
        """
        if self.criterion.seems_to_have_lost(result):
            self.criterion.searches += 1
            self._search(iteration)
        finding = self.criterion.update(iteration, result)
        if finding == "breaks":
            found = self._date(iteration, result)
            self.criterion.record_breakpoint(found.iteration)
            dates = {name: getattr(found, name) for name in ("earliest", "sustained", "latest")}
            self.tell(Event("breakpoint", found.iteration, iteration, result, **dates))
            return found
        if finding in ("intact", "recovers"):
            self._keep_good(iteration, result, warned)
        if finding == "recovers":
            self.tell(Event("recovered", iteration, iteration, result))
        return None

    def tell(self, event: Event) -> None:
        """Note an event."""
        self.events.append(event)

    @abstractmethod
    def _date(self, iteration: int, result: ProbeResult) -> Breakpoint:
        """Date the breakpoint that a probe has found; the arguments are those of `on_probe`."""

    @abstractmethod
    def _search(self, iteration: int) -> None:
        """Probe what there is of the network since the last good probe, or since the start, up to this iteration.

        The criterion is to remember what the probes found, and what training can go back to is the best of it.
        """

    @abstractmethod
    def _keep_good(self, iteration: int, result: ProbeResult, warned: bool) -> None:
        """Keep what training can go back to, if the probed network is worth it."""
