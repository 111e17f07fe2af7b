"""How closely a run is watched."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le
from pydantic.dataclasses import dataclass

from cotoolkit.core.numbers import Number, Share, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.core.validation import refusing_in_one_line
from cotoolkit.evaluation.relative import LOST

EARLIEST_PROBE = 32
"""Before the first full interval, probes run at iterations 32, 64, 128, ...: a breakpoint can come early."""

MANY_CLASSES, MOST_POINTS = 25, 8
"""Classes beyond which the probe takes more points, and how many times as many at most: with 100 classes and 128 points
a PGD accuracy of 5 % is six points, whose loss would be no evidence (ours)."""


@refusing_in_one_line
@dataclass(frozen=True, config=STRICT)
class MonitorConfig:
    """How closely a run is watched.

    Args:
        interval: iterations between scheduled probes after the early ones (`EARLIEST_PROBE`); 0 probes only at the end.
        points: fixed held-out points of the probe, with up to `MANY_CLASSES` classes; with more in proportion, up to
            `MOST_POINTS` times as many: robust points are rarer then.
        steps: PGD steps of the probe, of size epsilon / 4, from one uniform start.
        drop: robustness is lost when PGD accuracy is below this share of its best so far while that of FGSM stays:
            `cotoolkit.evaluation.relative.is_lost`, whose share it is, so that logs and runs have one criterion. With
            the proposal "half its running maximum" two of 16 collapses of the settings that thresholds may be fitted
            on were never confirmed (`cotoolkit bench-alarm`).
        gap: by how much FGSM accuracy exceeds the clean one, in [0, 1], where that alone shows a loss (ours):
            `BreakpointCriterion.is_broken`.
        trace_every: iterations between values of PertAlign and linearity, which need the input gradient of the update.
            That costs next to nothing on a ResNet and some per cent of a step on a network as small as the demo's,
            hence 2. A `BreakpointMonitor` takes them with `all_signals` only. The other free signals are taken at
            every iteration.
    """

    interval: Annotated[Whole, Ge(0)] = 500
    points: Annotated[Whole, Ge(1)] = 128
    steps: Annotated[Whole, Ge(1)] = 10
    trace_every: Annotated[Whole, Ge(1)] = 2
    drop: Annotated[Number, Gt(0), Le(1)] = LOST
    gap: Share = 0.2

    def scheduled(self, iteration: int) -> bool:
        """Whether a probe is due after this iteration whatever the signals say."""
        early = EARLIEST_PROBE <= iteration < self.interval and iteration.bit_count() == 1
        return self.interval > 0 and (iteration % self.interval == 0 or early)

    def points_for(self, classes: int) -> int:
        """How many points the probe of a network takes.

        >>> [MonitorConfig().points_for(classes) for classes in (2, 10, 100, 200, 1000)]
        [128, 128, 512, 1024, 1024]

        Args:
            classes: number of classes.

        Returns:
            The number, if as many are held out.
        """
        return round(self.points * min(max(classes / MANY_CLASSES, 1), MOST_POINTS))
