"""The engine's monitor: watches a run that can be replayed, and dates its breakpoint to the iteration.

Free signals are read from every step. A probe (clean, FGSM and PGD accuracy and gradient alignment on fixed held-out
points) runs at an interval, and at once when the early warning calls for it. When a probe finds robustness lost, the
monitor goes back to the last good snapshot, replays the iterations since, and dates the breakpoint (`dating`).

For a training loop that cannot be replayed there is `cotoolkit.monitor.monitor`.
"""

from __future__ import annotations

from typing import Any

from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.core import Breakpoint, MonitorCore
from cotoolkit.monitor.dating import Replayable, date
from cotoolkit.monitor.early_warning import EarlyWarning

Start = tuple[int, Any]
"""An iteration, and the trainer's snapshot there."""

SEARCHED = 8
"""Iterations that are probed to find robustness that no probe has seen (ours)."""


class ReplayMonitor(MonitorCore[Start]):
    """Decides when to probe, and when robustness was lost.

    Args:
        trainer: is moved about for dating, and left in the state it came in.
        config: thresholds and intervals.
        classes: number of classes.
    """

    def __init__(self, trainer: Replayable, config: MonitorConfig, classes: int) -> None:
        super().__init__(config, classes)
        self.trainer = trainer
        self._start: Start | None = None

    def begin(self) -> None:
        """Take in the state before the first iteration: a network may have lost its robustness by its first probe."""
        self._start = 0, self.trainer.snapshot()

    def will_date(self, result: ProbeResult) -> bool:
        """Whether `on_probe` is going to replay iterations for this result."""
        return not self.broken and self.criterion.is_broken(result)

    @property
    def last_good(self) -> Start:
        """Where training would go back to: the last good probe, or the start before there is one."""
        found = self.good or self._start
        assert found is not None  # `begin` was called
        return found

    def go_back(self, start: Start) -> None:
        """Training goes on, or ends, from an earlier moment; what the free signals said is forgotten.

        Args:
            start: its iteration, and the trainer's snapshot there.
        """
        iteration, _ = start
        if self.criterion.broken_at is not None and iteration < self.criterion.broken_at:
            self.criterion.clear_breakpoint()
        self.early_warning = EarlyWarning(self.early_warning.rules, self.early_warning.pause)
        self.good = start

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON data; the good snapshot is kept beside it by the trainer."""
        return {
            **self.criterion.state(),
            "alarm": self.early_warning.state(),
            "good_iteration": self.good[0] if self.good else None,
        }

    def load_state(self, state: dict[str, Any], good: Any) -> None:
        """Inverse of `state`.

        Args:
            state: of a monitor with the same configuration.
            good: the snapshot that belongs to its `good_iteration`.
        """
        self.criterion.load_state(state)
        self.early_warning.load_state(state["alarm"])
        self.good = None if state["good_iteration"] is None else (state["good_iteration"], good)

    def _date(self, iteration: int, result: ProbeResult) -> Breakpoint:
        return date(self.trainer, self.criterion, self.last_good, iteration, result)

    def _search(self, iteration: int) -> None:
        at, snapshot = self.last_good
        start, present = at, self.trainer.snapshot()
        self.trainer.restore(snapshot)
        for part in range(1, SEARCHED + 1):
            later = start + (iteration - start) * part // (SEARCHED + 1)
            if later > at:
                self.trainer.advance(later - at)
                at = later
                self.criterion.remember(at, self.trainer.measure())
                if self.criterion.best_iteration == at:
                    self.good = at, self.trainer.snapshot()
        self.trainer.restore(present)

    def _keep_good(self, iteration: int, result: ProbeResult, warned: bool) -> None:
        self.good, self._start = (iteration, self.trainer.snapshot()), None
