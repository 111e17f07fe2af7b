"""The criterion: what counts as robust, as robustness lost and as recovered, from the probes of one training run.

Iterations count updates: iteration t is the model after t optimiser steps.
"""

from __future__ import annotations

from typing import Any, Literal

from cotoolkit.evaluation.intervals import sign_test
from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.monitor.config import MonitorConfig

Verdict = Literal["robust", "catastrophic overfitting", "recovered", "robust overfitting", "not robust", "diverged"]

Finding = Literal["intact", "breaks", "broken", "recovers"]
"""What one more probe says: robustness as before, lost since the last one, still lost, or back."""

ROBUST = 1.5
"""The least PGD accuracy called robust, in units of chance (ours): the smallest networks known to overfit
catastrophically have 1.7 before they do (Andriushchenko & Flammarion, NeurIPS 2020, figure 11)."""

EARLY_ERROR = 0.0025
"""Error probability of each of the three bounds that let a probe end early: a look errs with 0.75 % at most (ours)."""


class BreakpointCriterion:
    """Remembers how robust the network was at best, and says whether it still is.

    Args:
        config: thresholds.
        classes: number of classes; of them follows the least PGD accuracy called robust, `ROBUST` times chance.

    Attributes:
        floor: the least PGD accuracy called robust.
        best: the best PGD accuracy of a probe of all points so far.
        best_iteration: of that probe; 0 before the first one.
        best_robust: the points that it found robust.
        broken_at: the breakpoint, while robustness is lost.
        breakpoints: how many there were.
    """

    def __init__(self, config: MonitorConfig, classes: int) -> None:
        self.config = config
        self.floor = ROBUST / classes
        self.best = 0.0
        self.best_iteration = 0
        self.best_robust: tuple[bool, ...] | None = None
        self.broken_at: int | None = None
        self.breakpoints = 0

    @property
    def threshold(self) -> float:
        """PGD accuracy below which robustness may be lost."""
        return self.config.drop * self.best

    def is_broken(self, result: ProbeResult, *, warned: bool = False) -> bool:
        """Whether robustness is lost, and one step does not see it.

        Either PGD accuracy fell below `drop` of its best while FGSM accuracy stayed `gap` above it. Or PGD accuracy is
        below `drop` of FGSM accuracy and `gap` below it, and FGSM accuracy exceeds the clean one by `gap`: an attack
        that helps the network says so by itself, also of a network that no probe has found robust. After an
        early warning the second needs no such excess: the warning says that something happened just now. (So in
        `cotoolkit.monitor.monitor`; the engine, which can replay, takes no warning for evidence.)

        Args:
            result: of a probe.
            warned: an early warning called for it.

        Returns:
            Whether it is lost.
        """
        return self._is_broken(result.clean, result.fgsm, result.pgd, warned)

    def may_be_broken(self, result: ProbeResult) -> bool:
        """Whether the probe's 95 % intervals leave room for a loss of robustness."""
        low, high = zip(*result.intervals(), strict=True)
        return self._is_broken(low[0], high[1], low[2], warned=False)

    def surely_broken(self, result: ProbeResult) -> bool:
        """Whether the probe's 95 % intervals leave room for nothing else."""
        low, high = zip(*result.intervals(), strict=True)
        return self._is_broken(high[0], low[1], high[2], warned=False)

    def decided(self, result: ProbeResult, *, warned: bool = False) -> bool:
        """Whether a probe of some of its points says already what all points would say of robustness.

        Before a breakpoint it is to say whether this is one (`is_broken`), after one whether robustness is still lost.
        Each look errs with probability 3 * `EARLY_ERROR` at most. A recovery is decided on all points.

        Args:
            result: of a probe of some points.
            warned: as in `is_broken`.

        Returns:
            Whether more points would say nothing new.
        """
        low, high = zip(*result.bounds(EARLY_ERROR), strict=True)
        if self.broken_at is not None:
            return not self._recovers(low[1], high[2])
        # The less clean and PGD and the more FGSM accuracy, the rather it is lost: the ends bound all between them.
        least, most = (high[0], low[1], high[2]), (low[0], high[1], low[2])
        return self._is_broken(*least, warned) == self._is_broken(*most, warned)

    def _is_broken(self, clean: float, fgsm: float, pgd: float, warned: bool) -> bool:
        lost = self.best >= self.floor and pgd < self.threshold and fgsm - pgd > self.config.gap
        helped = fgsm - clean > self.config.gap
        return lost or ((helped or warned) and self._resists_one_step(fgsm, pgd))

    def _resists_one_step(self, fgsm: float, pgd: float) -> bool:
        return pgd < self.config.drop * fgsm and fgsm - pgd > self.config.gap

    def _recovers(self, fgsm: float, pgd: float) -> bool:
        # Hysteresis: back above the drop by half as much again, so noise at the threshold is no recovery.
        back = pgd >= min(1.5 * self.config.drop, 1.0) * self.best
        return back and not self._resists_one_step(fgsm, pgd)

    def update(self, iteration: int, result: ProbeResult, *, warned: bool = False) -> Finding:
        """Take in a probe.

        Args:
            iteration: of the network probed.
            result: of the probe.
            warned: as in `is_broken`.

        Returns:
            What it says. After "breaks" the caller dates the breakpoint and calls `record_breakpoint`.
        """
        if self.broken_at is not None:
            if not self._recovers(result.fgsm, result.pgd):
                return "broken"
            self.broken_at = None
            return "recovers"
        if self.is_broken(result, warned=warned):
            return "breaks"
        if result.complete and result.pgd > self.best:  # the best of many small samples would be too good
            self.best, self.best_iteration, self.best_robust = result.pgd, iteration, result.robust
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
        loss of held-out robustness while training robustness stays: at least 3 points lost since the best probe,
        significant at 1 % on the same points (sign test), and a train-to-held-out gap of at least 5 points (thresholds
        ours).

        Args:
            last: probe of the final model.
            train: the same probe on as many training points.

        Returns:
            The name; "diverged" is the trainer's to say.
        """
        if self.broken_at is not None:
            return "catastrophic overfitting"
        low, _ = last.intervals()[-1]  # of PGD accuracy: a few points are no evidence
        if last.pgd < self.floor or low <= self.floor / ROBUST:
            return "not robust"
        if self.breakpoints:
            return "recovered"
        if self.best_robust is not None:
            pairs = list(zip(self.best_robust, last.robust, strict=True))
            lost, won = pairs.count((True, False)), pairs.count((False, True))
            significant = lost > won and sign_test(lost, won) < 0.01
            if significant and self.best - last.pgd >= 0.03 and train.pgd - last.pgd >= 0.05:
                return "robust overfitting"
        return "robust"

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON data."""
        return {
            "best": self.best,
            "best_iteration": self.best_iteration,
            "best_robust": None if self.best_robust is None else list(self.best_robust),
            "broken_at": self.broken_at,
            "breaks": self.breakpoints,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.best, self.best_iteration = state["best"], state["best_iteration"]
        self.best_robust = None if state["best_robust"] is None else tuple(state["best_robust"])
        self.broken_at, self.breakpoints = state["broken_at"], state["breaks"]
