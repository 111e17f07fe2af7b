"""The monitor: watches a training run and dates its breakpoint to the iteration.

Free signals are read from every step. A probe (clean, FGSM and PGD accuracy and gradient alignment on fixed held-out
points) runs at an interval, and at once when the free signals give cause for suspicion. When a probe finds robustness
broken, the monitor goes back to the last good snapshot, replays the iterations since, and bisects.

Iterations count updates: iteration t is the model after t optimiser steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import torch
from annotated_types import Ge
from pydantic.dataclasses import dataclass

from cotoolkit.probe import ProbeResult
from interventions.registry import STRICT

Verdict = Literal["robust", "catastrophic overfitting", "recovered", "robust overfitting", "not robust", "diverged"]


EARLIEST_PROBE = 128
"""Before the first full interval, probes run at iterations 128, 256, ...: a break can come early."""


@dataclass(frozen=True, config=STRICT)
class MonitorConfig:
    """How closely a run is watched.

    Args:
        interval: iterations between scheduled probes; 0 probes only at the end.
        points: fixed held-out points of the probe.
        steps: PGD steps of the probe, of size epsilon / 4, from one uniform start.
        drop: robustness is broken when PGD accuracy is below this share of its best so far (ours; after the proposal
            "half its running maximum") ...
        gap: ... and FGSM accuracy exceeds it by this much (ours; no threshold is published).
        trace_every: iterations between values of PertAlign and linearity, which need the input gradient of the update.
            That costs next to nothing on a ResNet and 4 to 5 % of a step on a network as small as the demo's, hence 2.
            The other free signals are taken at every iteration.
        suspicion: probe at once when the PertAlign mean of the last quarter of a window is lower by this much than that
            of its first quarter (SORA's rule, read in its code: 0.5).
        window: values of that window (ours; the length was not found).
    """

    interval: Annotated[int, Ge(0)] = 500
    points: Annotated[int, Ge(1)] = 128
    steps: Annotated[int, Ge(1)] = 10
    trace_every: Annotated[int, Ge(1)] = 2
    drop: float = 0.5
    gap: float = 0.2
    suspicion: float = 0.5
    window: Annotated[int, Ge(4)] = 64


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


class BreakpointMonitor:
    """Decides when to probe, whether robustness is broken, and when it broke.

    Args:
        config: thresholds and intervals.
        classes: number of classes. Twice chance, or with few classes halfway from chance to 1, is the least PGD
            accuracy called robust (ours).
    """

    def __init__(self, config: MonitorConfig, classes: int) -> None:
        self.config = config
        chance = 1 / classes
        self.floor = min(2 * chance, (1 + chance) / 2)
        self.best = 0.0
        self.best_iteration = 0
        self.best_robust: tuple[bool, ...] | None = None
        self.broken_at: int | None = None
        self.breaks = 0
        self.good: tuple[int, Any] | None = None
        self.align: deque[float] = deque(maxlen=config.window)

    def scheduled(self, iteration: int) -> bool:
        """Whether a probe is due after this iteration whatever the signals say."""
        interval = self.config.interval
        early = EARLIEST_PROBE <= iteration < interval and iteration.bit_count() == 1
        return interval > 0 and (iteration % interval == 0 or early)

    def suspicious(self, signals: Mapping[str, float]) -> bool:
        """Whether the free signals of one more iteration give cause for a probe at once; to be fed with every one."""
        value = signals.get("pert_align", torch.nan)
        if value == value:  # noqa: PLR0124 - nan: no sample of the batch had a gradient
            self.align.append(value)
        window = self.config.window
        if self.broken_at is not None or self.good is None or len(self.align) < window:
            return False
        values, quarter = list(self.align), window // 4
        if (sum(values[:quarter]) - sum(values[-quarter:])) / quarter < self.config.suspicion:
            return False
        self.align.clear()  # the window has to fill anew, so that one fall costs one probe
        return True

    def judge(self, iteration: int, result: ProbeResult, trainer: Replayable) -> tuple[list[Event], Breakpoint | None]:
        """Take in a probe of the current model; on a break, date it. The trainer ends in the state it came in."""
        if self.broken_at is not None:
            # Hysteresis: back above the drop by half as much again, so noise at the threshold is no recovery.
            if result.pgd >= min(1.5 * self.config.drop, 1.0) * self.best:
                self.broken_at, self.good = None, (iteration, trainer.snapshot())
                return [Event("recovered", iteration, result.metrics())], None
            return [], None
        if not self.is_broken(result):
            if result.pgd > self.best:
                self.best, self.best_iteration, self.best_robust = result.pgd, iteration, result.robust
            self.good = (iteration, trainer.snapshot())
            return [], None
        found = self._date(iteration, result, trainer)
        self.broken_at = found.iteration
        self.breaks += 1
        detail = {**result.metrics(), "earliest": found.earliest, "latest": found.latest, "detected": iteration}
        return [Event("breakpoint", found.iteration, detail)], found

    def would_date(self, result: ProbeResult) -> bool:
        """Whether `judge` is going to replay iterations for this result."""
        return self.broken_at is None and self.is_broken(result)

    def is_broken(self, result: ProbeResult) -> bool:
        """PGD accuracy fell below `drop` of its best while FGSM accuracy stayed `gap` above it."""
        return self._was_robust() and result.pgd < self._threshold() and result.fgsm - result.pgd > self.config.gap

    def verdict(self, last: ProbeResult, train: ProbeResult) -> Verdict:
        """Name the outcome of a finished run.

        CO is an abrupt break. Robust overfitting (Rice et al., ICML 2020) is a slow loss of held-out robustness while
        training robustness stays: at least 3 points lost since the best probe, significant at 1 % on the same points
        (sign test), and a train-to-held-out gap of at least 5 points (thresholds ours).

        Args:
            last: probe of the final model.
            train: the same probe on as many training points.
        """
        from scipy.stats import binomtest

        if self.broken_at is not None:
            return "catastrophic overfitting"
        if last.pgd < self.floor:
            return "not robust"
        if self.breaks:
            return "recovered"
        if self.best_robust is not None:
            pairs = list(zip(self.best_robust, last.robust, strict=True))
            lost, won = pairs.count((True, False)), pairs.count((False, True))
            significant = lost > won and binomtest(lost, lost + won, alternative="greater").pvalue < 0.01
            if significant and self.best - last.pgd >= 0.03 and train.pgd - last.pgd >= 0.05:
                return "robust overfitting"
        return "robust"

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON data; the good snapshot is kept beside it by the trainer."""
        return {
            "best": self.best,
            "best_iteration": self.best_iteration,
            "best_robust": self.best_robust,
            "broken_at": self.broken_at,
            "breaks": self.breaks,
            "align": list(self.align),
            "good_iteration": self.good[0] if self.good else None,
        }

    def load_state(self, state: dict[str, Any], good: Any) -> None:
        """Inverse of `state`; `good` is the snapshot that belongs to `good_iteration`."""
        self.best, self.best_iteration = state["best"], state["best_iteration"]
        self.best_robust = None if state["best_robust"] is None else tuple(state["best_robust"])
        self.broken_at, self.breaks = state["broken_at"], state["breaks"]
        self.align = deque(state["align"], maxlen=self.config.window)
        self.good = None if state["good_iteration"] is None else (state["good_iteration"], good)

    def _was_robust(self) -> bool:
        return self.best >= self.floor

    def _threshold(self) -> float:
        return self.config.drop * self.best

    def _date(self, detected: int, result: ProbeResult, trainer: Replayable) -> Breakpoint:
        """Bisect for the three crossings, oldest first, so that one snapshot moving forward serves all."""
        assert self.good is not None  # robustness can only break after a probe that found it
        present = trainer.snapshot()
        known: dict[int, ProbeResult] = {detected: result}
        low, snapshot = self.good

        def doubtful(probe: ProbeResult) -> bool:
            return probe.interval()[0] < self._threshold()

        def surely_broken(probe: ProbeResult) -> bool:
            return self.is_broken(probe) and probe.interval()[1] < self._threshold()

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
        broken, low, before = crossing(low, snapshot, self.is_broken)
        trainer.restore(before)
        trainer.advance(broken - low)
        after = trainer.snapshot()
        latest = crossing(low, before, surely_broken)[0] if surely_broken(result) else detected
        trainer.restore(present)
        del known[detected]
        return Breakpoint(broken, min(earliest, broken), max(latest, broken), detected, known, before, after)
