"""How closely a run is watched."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from pydantic.dataclasses import dataclass

from cotoolkit.core.numbers import Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.core.validation import refusing_in_one_line

EARLIEST_PROBE = 32
"""Before the first full interval, probes run at iterations 32, 64, 128, ...: a breakpoint can come early."""


@refusing_in_one_line
@dataclass(frozen=True, config=STRICT)
class MonitorConfig:
    """How closely a run is watched.

    Args:
        interval: iterations between scheduled probes after the early ones (`EARLIEST_PROBE`); 0 probes only at the end.
        points: fixed held-out points of the probe.
        steps: PGD steps of the probe, of size epsilon / 4, from one uniform start.
        drop: robustness is lost when PGD accuracy is below this share of its best so far (ours; after the proposal
            "half its running maximum"), and FGSM accuracy exceeds it by `gap`.
        gap: difference of accuracies, in [0, 1] (ours; no threshold is published). What is enough after an early
            warning, and where FGSM accuracy exceeds the clean one, see `BreakpointCriterion.is_broken`.
        trace_every: iterations between values of PertAlign and linearity, which need the input gradient of the update.
            That costs next to nothing on a ResNet and 4 to 5 % of a step on a network as small as the demo's, hence 2.
            The other free signals are taken at every iteration.
    """

    interval: Annotated[Whole, Ge(0)] = 500
    points: Annotated[Whole, Ge(1)] = 128
    steps: Annotated[Whole, Ge(1)] = 10
    trace_every: Annotated[Whole, Ge(1)] = 2
    drop: float = 0.5
    gap: float = 0.2

    def scheduled(self, iteration: int) -> bool:
        """Whether a probe is due after this iteration whatever the signals say."""
        early = EARLIEST_PROBE <= iteration < self.interval and iteration.bit_count() == 1
        return self.interval > 0 and (iteration % self.interval == 0 or early)
