"""What a record of the leaderboard holds of each seed: how its run ended, and the accuracies of its networks."""

from __future__ import annotations

from typing import Annotated, Self

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, model_validator

from cotoolkit.monitor.criterion import Verdict

Rate = Annotated[float, Ge(0), Le(1)]

TOLERANCE = 1e-6
"""Between a number that a record states and the same number computed again."""

DATED = ("catastrophic overfitting", "recovered")
"""Verdicts of runs that have a breakpoint."""

UNDATED = ("robust", "robust overfitting")
"""Verdicts of runs that have none; those that are not robust or diverged may have one."""


class Recorded(BaseModel):
    """A part of a record: what it does not know is refused, as are numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RecordedAccuracies(Recorded):
    """Of one network, on test images.

    Attributes:
        iteration: updates that the network has seen.
        clean: accuracy.
        robust: under the worst of the attacks that the protocol names.
        autoattack: under AutoAttack as well; None where it was not run.
    """

    iteration: Annotated[int, Ge(0)]
    clean: Rate
    robust: Rate
    autoattack: Rate | None = None

    @model_validator(mode="after")
    def _attacks_only_lower(self) -> Self:
        if self.robust > self.clean + TOLERANCE:
            raise ValueError(f"robust accuracy {self.robust:g} exceeds the clean one, {self.clean:g}")
        if self.autoattack is not None and self.autoattack > self.robust + TOLERANCE:
            raise ValueError(f"accuracy under AutoAttack {self.autoattack:g} exceeds the robust one, {self.robust:g}")
        return self


class RecordedRun(Recorded):
    """One seed.

    Attributes:
        seed: of the run.
        identity: of its configuration.
        verdict: of the monitor.
        breakpoint: iteration at which robustness was first lost; None where it never was.
        iterations: of the run; of one that diverged, until then.
        last: accuracies of the last network; None where training diverged.
        best: of the network that the probe on held-out images found most robust.
        average: of an average of weights, if the method makes one.
    """

    seed: Annotated[int, Ge(0)]
    identity: str
    verdict: Verdict
    breakpoint: Annotated[int, Ge(0)] | None
    iterations: Annotated[int, Ge(1)]
    last: RecordedAccuracies | None
    best: RecordedAccuracies | None
    average: RecordedAccuracies | None = None

    @model_validator(mode="after")
    def _ended_as_its_verdict_says(self) -> Self:
        stated = f"seed {self.seed}: its verdict is {self.verdict!r}"
        if self.breakpoint is None and self.verdict in DATED:
            raise ValueError(f"{stated}, but it has no breakpoint")
        if self.breakpoint is not None and self.verdict in UNDATED:
            raise ValueError(f"{stated}, but it has the breakpoint {self.breakpoint}")
        if (self.last is None) != (self.verdict == "diverged"):
            raise ValueError(f"{stated}, but it has {'no' if self.last is None else 'accuracies of a'} last network")
        return self

    @model_validator(mode="after")
    def _within_its_iterations(self) -> Self:
        latest = {"breakpoint": self.breakpoint, "best": None if self.best is None else self.best.iteration}
        for name, iteration in latest.items():
            if iteration is not None and iteration > self.iterations:
                raise ValueError(f"seed {self.seed}: {name} is of iteration {iteration}, but it had {self.iterations}")
        for name in ("last", "average"):
            network: RecordedAccuracies | None = getattr(self, name)
            if network is not None and network.iteration != self.iterations:
                of = f"{name} is of iteration {network.iteration}"
                raise ValueError(f"seed {self.seed}: {of}, but its last one is {self.iterations}")
        return self
