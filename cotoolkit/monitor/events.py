"""What a monitor has to tell about somebody's training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cotoolkit.evaluation.probe import ProbeResult

EventKind = Literal["warning", "breakpoint", "recovered"]


@dataclass(frozen=True)
class Event:
    """Something that happened to the network.

    Attributes:
        kind: "warning": the free signals gave cause for a probe, whatever it found; "breakpoint": a probe found
            robustness broken; "recovered": a later probe found it back.
        iteration: when; of a breakpoint, the first weights seen broken.
        detected: the iteration at which the monitor said so.
        probe: accuracies at `detected`.
        earliest: of a breakpoint, the first iteration that may have been the breaking one; it is `iteration` at latest.
        sustained: of a breakpoint, the first weights from which on all were seen broken; `iteration` at earliest.
        signal: of a warning, the free signal that gave cause for it.
    """

    kind: EventKind
    iteration: int
    detected: int
    probe: ProbeResult
    earliest: int | None = None
    sustained: int | None = None
    signal: str | None = None

    def __str__(self) -> str:
        found = f"FGSM {self.probe.fgsm:.0%}, PGD {self.probe.pgd:.0%} on {self.probe.points} points"
        if self.kind == "warning":
            return f"iteration {self.iteration}: warning, {self.signal} looks like catastrophic overfitting ({found})"
        if self.kind == "recovered":
            return f"iteration {self.iteration}: robustness is back ({found})"
        span = f"{self.earliest} to " if self.earliest != self.iteration else ""
        last = f", for good by {self.sustained}" if self.sustained not in (None, self.iteration) else ""
        return f"iteration {span}{self.iteration}: robustness broke{last}, seen at {self.detected} ({found})"
