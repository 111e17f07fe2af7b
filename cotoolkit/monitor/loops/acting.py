"""What a monitor says of its events, and does about them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import override

from cotoolkit.evaluation.probe import NO_PROBE
from cotoolkit.monitor.actions import Action, actions_by_event
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.core import Event, EventKind, MonitorCore
from cotoolkit.monitor.early_warning.rules import LEAST_SAMPLES
from cotoolkit.monitor.loggers import MonitorLog
from cotoolkit.monitor.loops.failures import Failures
from cotoolkit.monitor.weight_history import RestorePoint

log = logging.getLogger(__name__)

NOTHING_FOLLOWED = 64
"""Iterations without anything that the early warning follows after which that is told."""


class ActingCore(MonitorCore[RestorePoint]):
    """The part of a monitor that writes events to loggers, and does what its user asked for; failures are events too.

    Args:
        config: when to probe, and what counts as robustness lost.
        classes: number of classes.
        on: actions by event; None for none.
        loggers: one or several, see `loggers.MonitorLog`.
        log_every: iterations over which logged free signals are averaged.

    Attributes:
        iteration: updates seen.
        failures: what went wrong, and how often.
        should_stop: an action asked for the end of training.
        postponed: actions wait for `act`.

    Raises:
        ConfigError: actions or loggers that are none.
    """

    iteration: int

    def __init__(
        self,
        config: MonitorConfig,
        classes: int,
        on: Mapping[EventKind, Action | Sequence[Action]] | None,
        loggers: Any,
        log_every: int,
    ) -> None:
        super().__init__(config, classes)
        self.failures = Failures(self._tell_failure)
        self.actions = actions_by_event({} if on is None else on)
        self._log = MonitorLog(loggers, log_every, self.failures)
        self.should_stop, self.postponed = False, False
        self._waiting_events: list[Event] = []
        self._followed = self._iterations_read = 0

    def __repr__(self) -> str:
        last = self.events[-1].what if self.events else "no event yet"
        return f"<{type(self).__name__} after iteration {self.iteration:,}; {last}>"

    @override
    def on_signals(self, signals: Mapping[str, float], samples: int = LEAST_SAMPLES) -> str | None:
        """As `MonitorCore.on_signals`; says once if there is nothing for the early warning to follow."""
        self._iterations_read += 1
        self._followed += any(rule.signal in signals for rule in self.early_warning.rules)
        if self._iterations_read == NOTHING_FOLLOWED and not self._followed:
            log.warning(
                "iteration %d: the early warning has nothing to follow, and breakpoints are found by scheduled probes "
                "alone; it follows %s, and docs/monitor.md says what these are read from",
                self.iteration,
                ", ".join(rule.signal for rule in self.early_warning.rules),
            )
        return super().on_signals(signals, samples)

    @override
    def tell(self, event: Event) -> None:
        """Note an event, log it, and do what `on` says."""
        again = event.kind == "warning" and self.events[-1:] and self.events[-1].kind == "warning"
        super().tell(event)
        text = event.what if again else str(event)  # one warning after another has the same advice
        log.log(logging.INFO if event.kind == "recovered" else logging.WARNING, "%s", text)
        self._log.mark(event, self.iteration)
        self._waiting_events.append(event)
        if not self.postponed:
            self.act()

    def act(self) -> None:
        """Do what `on` says about the events that were told while actions were `postponed`."""
        while self._waiting_events:
            event = self._waiting_events.pop(0)
            for number, action in enumerate(self.actions.get(event.kind, []), start=1):
                with self.failures.caught(f"action {number} on a {event.kind}"):
                    action(self, event)

    def _tell_failure(self, reason: str) -> None:
        self.tell(Event("failure", self.iteration, self.iteration, NO_PROBE, reason=reason))
