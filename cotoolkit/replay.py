"""The engine's monitor: watches a run that can be replayed, and dates its breakpoint to the iteration.

Free signals are read from every step. A probe (clean, FGSM and PGD accuracy and gradient alignment on fixed held-out
points) runs at an interval, and at once when the alarm gives cause for it. When a probe finds robustness broken, the
monitor goes back to the last good snapshot, replays the iterations since, and bisects.

For a training loop that cannot be replayed there is `cotoolkit.monitor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from cotoolkit.alarm import Alarm
from cotoolkit.judge import Judge, MonitorConfig
from cotoolkit.probe import ProbeResult


class Replayable(Protocol):
    """What the monitor needs of a trainer to go back in time."""

    def measure(self) -> ProbeResult:
        """Probe the model as it is now."""

    def snapshot(self) -> Any:
        """A copy of everything that the next iterations depend on."""

    def restore(self, snapshot: Any) -> None:
        """Put a snapshot back."""

    def advance(self, iterations: int) -> None:
        """Repeat the given number of iterations, as exactly as the device allows."""


class Breakpoint(NamedTuple):
    """A dated loss of robustness.

    Attributes:
        iteration: the first at which the probe finds robustness broken; found by bisection, so it is *a* crossing.
        earliest: the first at which the probe's 95 % interval no longer excludes a break.
        latest: the first at which it excludes intactness.
        detected: the iteration at which the alarm was raised.
        measured: the probes that the bisection took, by iteration.
        before: snapshot one iteration before `iteration`.
        after: snapshot at `iteration`.
    """

    iteration: int
    earliest: int
    latest: int
    detected: int
    measured: dict[int, ProbeResult]
    before: Any
    after: Any


class Event(NamedTuple):
    """Something worth telling: `kind` is suspicion, breakpoint or recovered; `detail` is JSON data."""

    kind: str
    iteration: int
    detail: dict[str, Any]


class ReplayMonitor:
    """Decides when to probe, and when robustness broke.

    Args:
        config: thresholds and intervals.
        classes: number of classes.
    """

    def __init__(self, config: MonitorConfig, classes: int) -> None:
        self.config = config
        self.judge = Judge(config, classes)
        self.alarm = Alarm()
        self.good: tuple[int, Any] | None = None

    def suspicious(self, signals: Mapping[str, float]) -> bool:
        """Whether the free signals of one more iteration give cause for a probe at once; to be fed with every one."""
        raised = self.alarm.update(signals)
        return raised is not None and self.judge.broken_at is None and self.good is not None

    def take(self, iteration: int, result: ProbeResult, trainer: Replayable) -> tuple[list[Event], Breakpoint | None]:
        """Take in a probe of the current model; on a break, date it. The trainer ends in the state it came in."""
        finding = self.judge.hear(iteration, result)
        if finding == "broken":
            return [], None
        if finding != "breaks":
            self.good = (iteration, trainer.snapshot())
            return ([Event("recovered", iteration, result.metrics())] if finding == "recovers" else []), None
        found = self._date(iteration, result, trainer)
        self.judge.broke(found.iteration)
        detail = {**result.metrics(), "earliest": found.earliest, "latest": found.latest, "detected": iteration}
        return [Event("breakpoint", found.iteration, detail)], found

    def would_date(self, result: ProbeResult) -> bool:
        """Whether `take` is going to replay iterations for this result."""
        return self.judge.broken_at is None and self.judge.is_broken(result)

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON data; the good snapshot is kept beside it by the trainer."""
        return {
            **self.judge.state(),
            "alarm": self.alarm.state(),
            "good_iteration": self.good[0] if self.good else None,
        }

    def load_state(self, state: dict[str, Any], good: Any) -> None:
        """Inverse of `state`; `good` is the snapshot that belongs to `good_iteration`."""
        self.judge.load_state(state)
        self.alarm.load_state(state["alarm"])
        self.good = None if state["good_iteration"] is None else (state["good_iteration"], good)

    def _date(self, detected: int, result: ProbeResult, trainer: Replayable) -> Breakpoint:
        """Bisect for the three crossings, oldest first, so that one snapshot moving forward serves all."""
        assert self.good is not None  # robustness can only break after a probe that found it
        judge = self.judge
        present = trainer.snapshot()
        known: dict[int, ProbeResult] = {detected: result}
        low, snapshot = self.good

        def doubtful(probe: ProbeResult) -> bool:
            return probe.interval()[0] < judge.threshold

        def surely_broken(probe: ProbeResult) -> bool:
            return judge.is_broken(probe) and probe.interval()[1] < judge.threshold

        def crossing(low: int, snapshot: Any, condition: Any) -> tuple[int, int, Any]:
            """First iteration in (low, high] where the condition holds, with the snapshot just before it."""
            high = min(iteration for iteration, probe in known.items() if iteration > low and condition(probe))
            while high - low > 1:
                middle = (low + high) // 2
                trainer.restore(snapshot)
                trainer.advance(middle - low)
                known[middle] = trainer.measure()
                if condition(known[middle]):
                    high = middle
                else:
                    low, snapshot = middle, trainer.snapshot()
            return high, low, snapshot

        earliest, low, snapshot = crossing(low, snapshot, doubtful)
        broken, low, before = crossing(low, snapshot, judge.is_broken)
        trainer.restore(before)
        trainer.advance(broken - low)
        after = trainer.snapshot()
        latest = crossing(low, before, surely_broken)[0] if surely_broken(result) else detected
        trainer.restore(present)
        del known[detected]
        return Breakpoint(broken, min(earliest, broken), max(latest, broken), detected, known, before, after)
