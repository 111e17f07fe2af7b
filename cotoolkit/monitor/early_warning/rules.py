"""Rules that follow free signals, those by default, and what streams the signals of every step through them."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotoolkit.core.numbers import whole_number
from cotoolkit.monitor.early_warning.statistics import Departure, Statistic
from cotoolkit.signals.registry import Direction


@dataclass(frozen=True)
class Rule:
    """Suspicion about one signal.

    Attributes:
        signal: its name, as in `signals.SIGNALS` or a column of a run's metrics.
        direction: which way it moves at a breakpoint; what falls enters its statistic with the other sign.
        statistic: in the state before any value.
        threshold: at and beyond which the statistic is suspicious.
    """

    signal: str
    direction: Direction
    statistic: Statistic
    threshold: float


LEAST_SAMPLES = 64
"""Samples that a value is the mean of, at least: those of small batches are taken together, and so is a short last one
with the next. One odd sample in eight is chance."""

PAUSE = 8
"""Steps after a warning before the next one. While suspicion lasts and probes find nothing, pauses double."""

LONGEST_PAUSE = 0.02
"""The longest pause, as a share of the steps so far, if that is more than `PAUSE`."""

DEFAULT_RULES: tuple[Rule, ...] = (
    Rule("abnormal_example", "rises", Departure(), 0.05),
    Rule("attack_gain", "falls", Departure(relative=True), 0.5),
)
"""Ours: more examples whose loss the attack lowers, and an attack that gains less than half of what it did. Both need
the losses at the attack's two ends and nothing else. They and their thresholds were chosen on runs of the settings of
`cotoolkit bench-alarm` that may be fitted on (docs/early_warning.md)."""


class EarlyWarning:
    """Streams the free signals of every step; says when one gives cause for a probe at once, and which.

    Args:
        rules: any of which is cause enough.
        pause: steps after a warning during which no other is given, at first.

    Raises:
        ConfigError: the pause is no whole number.
    """

    def __init__(self, rules: Sequence[Rule] = DEFAULT_RULES, pause: int = PAUSE) -> None:
        self.rules = tuple(rules)
        self.pause = whole_number(pause, "pause")
        self.waiting = self.steps = self.quiet = 0
        self.patience = self.pause
        self.statistics = [copy.deepcopy(rule.statistic) for rule in self.rules]
        self.pools = [[0.0, 0.0] for _ in self.rules]  # of values that wait for more samples: their sum, and samples
        self._words = [f"{rule.signal} {rule.direction}: {rule.statistic!r}" for rule in self.rules]

    def update(self, signals: Mapping[str, float], samples: int = LEAST_SAMPLES) -> str | None:
        """Take in one more step; the signal that warns, or None. Values that are not finite are left out.

        Args:
            signals: means over the step's samples, by name.
            samples: how many there are.
        """
        cause = None
        for rule, statistic, pool in zip(self.rules, self.statistics, self.pools, strict=True):
            value = signals.get(rule.signal, math.nan)
            if not math.isfinite(value):
                continue
            if pool[1] or samples < LEAST_SAMPLES:
                pool[:] = pool[0] + samples * value, pool[1] + samples
                value = pool[0] / max(pool[1], 1)
            if max(pool[1], samples) >= LEAST_SAMPLES:
                pool[:] = 0.0, 0.0
                reached = statistic.update(value if rule.direction == "rises" else -value) >= rule.threshold
                cause = rule.signal if reached and cause is None else cause
        self.steps += 1
        self.waiting = max(0, self.waiting - 1)
        self.quiet = self.quiet + 1 if cause is None else 0
        if self.quiet > self.patience:
            self.patience = self.pause
        if cause is None or self.waiting:
            return None
        self.waiting = self.patience
        self.patience = max(self.pause, min(2 * self.patience, round(LONGEST_PAUSE * self.steps)))
        return cause

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON data."""
        return {
            "rules": self._words,
            **{name: getattr(self, name) for name in ("waiting", "steps", "quiet", "patience")},
            "statistics": [copy.deepcopy(vars(statistic)) for statistic in self.statistics],
            "pools": copy.deepcopy(self.pools),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`; what other rules followed, such as those of an earlier version, is forgotten."""
        self.waiting, self.steps = state["waiting"], state["steps"]
        self.quiet, self.patience = state["quiet"], state["patience"]
        self.statistics = [copy.deepcopy(rule.statistic) for rule in self.rules]
        self.pools = [[0.0, 0.0] for _ in self.rules]
        if state.get("rules") == self._words:
            self.pools = copy.deepcopy(state["pools"])
            for statistic, values in zip(self.statistics, state["statistics"], strict=True):
                vars(statistic).update(copy.deepcopy(values))
