"""The criterion: what counts as robust, as robustness lost and as recovered, from the probes of one training run.

Its rules are those of `cotoolkit.evaluation.relative`, which date breakpoints in logs too: a loss is measured against
what the network had, and against what the number of points can tell. Iterations count updates: iteration t is the
model after t optimiser steps.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, NamedTuple

from cotoolkit.evaluation.intervals import sign_test
from cotoolkit.evaluation.probe import Bounds, ProbeResult
from cotoolkit.evaluation.relative import (
    ABOVE_CHANCE,
    BACK,
    DECLINED,
    RISE,
    SURE_ON_SAME_POINTS,
    Levels,
    binomial_spread,
    is_lost,
    surely_lost,
)
from cotoolkit.monitor.config import MonitorConfig

Verdict = Literal["robust", "catastrophic overfitting", "recovered", "robust overfitting", "not robust", "diverged"]

Finding = Literal["intact", "doubtful", "breaks", "broken", "recovers"]
"""What one more probe says: robustness as before; lost, if the points did not deceive; lost since the last one; still
lost; or back."""

EARLY_ERROR = 0.0025
"""Error probability of each of the three bounds that let a probe end early: a look errs with 0.75 % at most (ours)."""

MOST_SEARCHES = 3
"""Times that the past is searched for robustness that no probe has found; a network that masks its gradients from the
start looks all the time as if it had lost some."""


class BestLevels(NamedTuple):
    """What the network had at best.

    Attributes:
        levels: clean, FGSM and PGD accuracy of the best probe.
        points: how many it took.
        robust: which of them withstood PGD.
    """

    levels: Levels
    points: int
    robust: tuple[bool, ...]


class BreakpointCriterion:
    """Remembers how robust the network was at best, and says whether it still is.

    Args:
        config: thresholds.
        classes: number of classes; of them follows the least PGD accuracy that can be lost.

    Attributes:
        floor: the least PGD accuracy called robust, `relative.ABOVE_CHANCE` times chance.
        had: what the probe of all points with the best PGD accuracy found; None before the first one.
        best_iteration: of that probe; 0 before the first one.
        broken_at: the breakpoint, while robustness is lost.
        breakpoints: how many there were.
        searches: how often the past was searched.
    """

    def __init__(self, config: MonitorConfig, classes: int) -> None:
        self.config, self.classes = config, classes
        self.floor = ABOVE_CHANCE / classes
        self.had: BestLevels | None = None
        self.best_iteration = 0
        self.broken_at: int | None = None
        self.breakpoints = 0
        self.searches = 0

    @property
    def best(self) -> float:
        """PGD accuracy of the best probe; 0 before the first one."""
        return 0.0 if self.had is None else self.had.levels.pgd

    @property
    def threshold(self) -> float:
        """PGD accuracy below which robustness may be lost."""
        return self.config.drop * self.best

    def is_broken(self, result: ProbeResult) -> bool:
        """Whether robustness is lost, and one step does not see it.

        Against what the network had: PGD accuracy is below `drop` of its best, FGSM accuracy relative to it at least
        doubled, and FGSM or clean accuracy stayed (`relative.is_lost`). As long as no robustness is known that a
        comparison could find missing: FGSM accuracy exceeds the clean one by `gap`, and is more than `relative.RISE`
        times PGD accuracy. An attack that helps the network says so by itself; networks that learn an injected feature
        get there before they withstand anything.

        Args:
            result: of a probe.

        Returns:
            Whether it is lost, by the accuracies as they are.
        """
        return self._is_broken(_levels(result))

    def may_be_broken(self, result: ProbeResult) -> bool:
        """Whether the probe's 95 % intervals leave room for a loss of robustness."""
        return self._is_broken(self._most(result.intervals()))

    def surely_broken(self, result: ProbeResult) -> bool:
        """Whether the probe's 95 % intervals leave room for nothing else."""
        return self._is_broken(self._least(result.intervals()))

    def is_no_accident(self, result: ProbeResult) -> bool:
        """Whether a probe that finds robustness lost has points enough to say so.

        Args:
            result: of a probe at which robustness is lost.

        Returns:
            Whether the loss is beyond what its points, and those of the best probe, may do by chance.
        """
        if self.had is None or self.best < self.floor:
            return True
        levels, behind = self.had.levels, self.had.points / result.points
        spread = binomial_spread(levels, result.points)
        return surely_lost(_levels(result), levels, spread, 1, behind, SURE_ON_SAME_POINTS)

    def decided(self, result: ProbeResult) -> bool:
        """Whether a probe of some of its points says already what all points would say of robustness.

        Before a breakpoint it is to say whether this is one (`is_broken`), after one whether robustness is still lost.
        Each look errs with probability 3 * `EARLY_ERROR` at most. A recovery is decided on all points.

        Args:
            result: of a probe of some points.

        Returns:
            Whether more points would say nothing new.
        """
        bounds = result.bounds(EARLY_ERROR)
        if self.broken_at is not None:
            return not self._recovers(self._least(bounds))
        lost = self._is_broken(self._least(bounds)) and self.is_no_accident(result)
        return lost or not self._is_broken(self._most(bounds))

    def seems_to_have_lost(self, result: ProbeResult) -> bool:
        """Whether a network that no probe has found robust resists one step so much better that it may have been.

        Then its past is worth a search, `MOST_SEARCHES` times at most.
        """
        if self.broken_at is not None or self.best >= self.floor or self.searches >= MOST_SEARCHES:
            return False
        if result.fgsm < self.floor or result.pgd * RISE >= result.fgsm:
            return False  # whatever the bounds, which import SciPy
        _, (fgsm, _), (_, pgd) = result.bounds(EARLY_ERROR)
        return fgsm >= self.floor and pgd * RISE < fgsm

    def remember(self, iteration: int, result: ProbeResult) -> None:
        """Take in a probe of a network that has not lost its robustness: the best so far, if it is complete and better.

        The best of many small samples would be too good.
        """
        if result.complete and result.pgd > self.best:
            self.had = BestLevels(_levels(result), result.points, result.robust)
            self.best_iteration = iteration

    def update(self, iteration: int, result: ProbeResult) -> Finding:
        """Take in a probe.

        Args:
            iteration: of the network probed.
            result: of the probe.

        Returns:
            What it says. After "breaks" the caller dates the breakpoint and calls `record_breakpoint`.
        """
        if self.broken_at is not None:
            if not self._recovers(_levels(result)):
                return "broken"
            self.broken_at = None
            return "recovers"
        if self.is_broken(result):
            return "breaks" if self.is_no_accident(result) else "doubtful"
        self.remember(iteration, result)
        return "intact"

    def record_breakpoint(self, iteration: int) -> None:
        """Note that robustness was lost at this iteration."""
        self.broken_at = iteration
        self.breakpoints += 1

    def clear_breakpoint(self) -> None:
        """Note that the network was put back to weights from before the breakpoint."""
        self.broken_at = None

    def verdict(self, last: ProbeResult, train: ProbeResult) -> Verdict:
        """Name the outcome of a finished run.

        Catastrophic overfitting is an abrupt loss of robustness. Robust overfitting (Rice et al., ICML 2020) is a slow
        loss of held-out robustness while training robustness stays: less than `relative.DECLINED` is left of the best
        probe's PGD accuracy, significant at 1 % on the same points (sign test), and of that on training points.

        Args:
            last: probe of the final model.
            train: the same probe on as many training points.

        Returns:
            The name; "diverged" is the trainer's to say.
        """
        if self.broken_at is not None:
            return "catastrophic overfitting"
        low, _ = last.intervals()[-1]  # of PGD accuracy: a few points are no evidence
        if last.pgd < self.floor or low <= 1 / self.classes:
            return "not robust"
        if self.breakpoints:
            return "recovered"
        if self.had is not None:
            pairs = list(zip(self.had.robust, last.robust, strict=True))
            lost, won = pairs.count((True, False)), pairs.count((False, True))
            significant = lost > won and sign_test(lost, won) < 0.01
            if significant and last.pgd < DECLINED * min(self.best, train.pgd):
                return "robust overfitting"
        return "robust"

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON data."""
        had = self.had
        return {
            "had": None if had is None else {**had._asdict(), "levels": asdict(had.levels), "robust": list(had.robust)},
            "best_iteration": self.best_iteration,
            "broken_at": self.broken_at,
            "breaks": self.breakpoints,
            "searches": self.searches,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        had = state["had"]
        if had is not None:
            had = BestLevels(Levels(**had["levels"]), had["points"], tuple(had["robust"]))
        self.had, self.best_iteration = had, state["best_iteration"]
        self.broken_at, self.breakpoints = state["broken_at"], state["breaks"]
        self.searches = state["searches"]

    def _most(self, bounds: Bounds) -> Levels:
        """The ends of bounds that speak the rather for a loss, than all accuracies between them.

        The more clean accuracy stays, the rather the loss is one; with nothing to compare, the less the attack helps.
        """
        clean, fgsm, pgd = bounds
        return Levels(pgd[0], fgsm[1], clean[1 if self.best >= self.floor else 0])

    def _least(self, bounds: Bounds) -> Levels:
        """The other ends."""
        clean, fgsm, pgd = ((high, low) for low, high in bounds)
        return self._most((clean, fgsm, pgd))

    def _is_broken(self, now: Levels) -> bool:
        if self.had is not None and self.best >= self.floor:
            return is_lost(now, self.had.levels, self.config.drop)
        assert now.fgsm is not None
        assert now.clean is not None
        return now.fgsm - now.clean > self.config.gap and self._resists_one_step(now)

    def _resists_one_step(self, now: Levels) -> bool:
        return now.pgd * RISE < (now.fgsm or 0.0)

    def _recovers(self, now: Levels) -> bool:
        if self.best < self.floor:
            return not self._resists_one_step(now)
        # Hysteresis: well above the drop, so that noise at the threshold is no recovery.
        return now.pgd >= max(BACK, self.config.drop) * self.best


def _levels(result: ProbeResult) -> Levels:
    return Levels(result.pgd, result.fgsm, result.clean)
