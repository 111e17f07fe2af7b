"""The engine's monitor: watches a run that can be replayed, and dates its breakpoint to the iteration.

Free signals are read from every step. A probe (clean, FGSM and PGD accuracy and gradient alignment on fixed held-out
points) runs at an interval, and at once when the alarm gives cause for it. When a probe finds robustness broken, the
monitor goes back to the last good snapshot, replays the iterations since, and dates the break (`dating`).

For a training loop that cannot be replayed there is `cotoolkit.monitor.monitor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.criterion import Judge
from cotoolkit.monitor.dating import Breakpoint, Enough, Replayable, date
from cotoolkit.monitor.early_warning import Alarm


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
        self._start: tuple[int, Any] | None = None

    def begin(self, snapshot: Any) -> None:
        """Take in the state before the first iteration: a network may be broken at its first probe."""
        self._start = 0, snapshot

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
            self.good, self._start = (iteration, trainer.snapshot()), None
            return ([Event("recovered", iteration, result.metrics())] if finding == "recovers" else []), None
        good = self.good or self._start
        assert good is not None  # `begin` was called
        found = date(trainer, self.judge, good, iteration, result)
        self.judge.broke(found.iteration)
        dates = {name: getattr(found, name) for name in ("sustained", "earliest", "latest", "detected")}
        detail = {**result.metrics(), "probe_points": result.points, **dates}
        return [Event("breakpoint", found.iteration, detail)], found

    def enough(self, scheduled: bool) -> Enough | None:
        """When the next probe may end early: an alarm asks for one decision; the schedule asks how robust it is."""
        return None if scheduled else self.judge.decided

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
