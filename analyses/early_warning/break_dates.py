"""When a run truly lost its robustness, by its dense evaluation alone, and when the engine says that it did.

Both have two dates of a breakpoint (`monitor.dating`): the first crossing, and the crossing that lasts. The engine's
own monitor is fed with the recording, and replays the weights that were kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor, nn

from cotoolkit.evaluation.probe import Enough, Probe, ProbeResult
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.dating import WINDOW
from cotoolkit.monitor.replay import ReplayMonitor
from cotoolkit.monitor.step_buffer import MAX_BUFFERED_STEPS
from cotoolkit.signals import SIGNALS

Kind = Literal["breakpoint", "healthy", "gradual", "diverged", "unclear"]
"""What a run is to the benchmark; `unclear` ones, such as short dips of robustness, are counted and left out."""

EVERY = 16
"""Iterations between evaluations all over a run. The best so far is taken from these alone, so that where a run is
evaluated more densely does not raise it: the best of many evaluations is mostly luck."""

SMOOTH = 32
"""Iterations of the running median by which a run without a breakpoint is healthy or gradual."""

GAP = 0.2
"""FGSM minus PGD accuracy of a breakpoint, as the monitor defines it (`monitor.criterion`)."""

FLOOR = 0.2
"""PGD accuracy that a run must have reached to be robust: twice chance with ten classes."""


class Crossings(NamedTuple):
    """The two dates of a breakpoint that lasts.

    Attributes:
        first: the first iteration without robustness, with no `WINDOW` robust ones in a row between it and `sustained`.
        sustained: the first iteration without robustness, as are the `WINDOW` that follow, or with all to the end.
    """

    first: int
    sustained: int


@dataclass(frozen=True)
class RunTruth:
    """Outcome of one run.

    Attributes:
        kind: what it is to the benchmark.
        first: first crossing of the breakpoint that lasts, if there is one; see `Crossings`.
        sustained: the crossing that lasts, if there is one.
        best: best PGD accuracy until then, in [0, 1]; without a breakpoint that of the run, by the running median.
        last: PGD accuracy at the end, by the running median.
        recovered: whether a run with a breakpoint ends with more than half of its best.
    """

    kind: Kind
    first: int | None
    sustained: int | None
    best: float
    last: float
    recovered: bool = False


def crossings(table: pd.DataFrame) -> Crossings | None:
    """Date the breakpoint that lasts, if there is one.

    Args:
        table: columns iteration, fgsm, pgd; see `recording.Recording.truth`.
    """
    broken = _each(table)["broken"].to_numpy()
    hits = np.flatnonzero(broken)
    lasting = [int(at) for at in hits if broken[at : at + WINDOW + 1].all()]
    if not lasting:
        return None
    first = sustained = lasting[0]
    for at in hits[hits < sustained][::-1]:
        if first - at > WINDOW:
            break
        first = int(at)
    return Crossings(first, sustained)


def undated(table: pd.DataFrame) -> set[int]:
    """Iterations still to be evaluated before the dates of the breakpoint that lasts are exact to the iteration."""
    found = crossings(table)
    if found is None:
        return set()
    last = int(table["iteration"].max())
    return {*range(max(0, found.first - WINDOW), min(last, found.sustained + WINDOW) + 1)} - {*table["iteration"]}


def judge_truth(table: pd.DataFrame, *, diverged: bool) -> RunTruth:
    """Name a run's outcome.

    Robustness is lost at an iteration if PGD accuracy is below half of its best so far and FGSM accuracy more than
    `GAP` above it.
    A breakpoint counts if it lasts (`Crossings`). Healthy: no such iteration at all, and by the end at most a fifth
    of the best is lost (both are medians over `SMOOTH`). Gradual: more is lost without a breakpoint. Diverged: the loss
    or the weights are no longer finite, or clean accuracy ends near chance.

    Args:
        table: columns iteration, clean, fgsm, pgd; see `recording.Recording.truth`.
        diverged: whether training ended for a loss or weights that are not finite.
    """
    each = _each(table)
    found = crossings(table)
    if found is not None:
        best = float(each["best"][found.sustained])
        after = float(each["pgd"].loc[found.sustained :].iloc[-SMOOTH:].median())
        return RunTruth("breakpoint", found.first, found.sustained, best, after, recovered=after >= best / 2)
    smooth = each["pgd"].rolling(SMOOTH, min_periods=1).median()
    last, top = float(smooth.iloc[-1]), float(smooth.max())
    if diverged or each["clean"].iloc[-1] < 0.15:
        return RunTruth("diverged", None, None, top, last)
    if each["broken"].any() or each["best"].iloc[-1] < FLOOR:
        return RunTruth("unclear", None, None, top, last)
    return RunTruth("healthy" if last >= 0.8 * top else "gradual", None, None, top, last)


def _each(table: pd.DataFrame) -> pd.DataFrame:
    """A row per iteration, with the best PGD accuracy so far and whether robustness is lost.

    An iteration that was not evaluated counts as the last one before it that was.
    """
    known = table.set_index("iteration")
    each = known.reindex(range(int(known.index.max()) + 1)).ffill()
    best = known["pgd"][known.index % EVERY == 0].cummax().reindex(each.index).ffill()
    broken = (each["pgd"] < best / 2) & (each["fgsm"] - each["pgd"] > GAP) & (best >= FLOOR)
    return each.assign(best=best, broken=broken)


CLASSES = 10
"""Of both data sets."""


class Dates(NamedTuple):
    """What the engine writes into the result of a run of its first breakpoint, in iterations; see `dating.Breakpoint`.

    Attributes:
        first: the first crossing, `Breakpoint.iteration`.
        sustained: the crossing that lasts; None if none does.
        earliest: start of the interval that covers both.
        latest: its end.
        detected: whose probe raised the question.
    """

    first: int
    sustained: int | None
    earliest: int
    latest: int
    detected: int


class RecordedWeights:
    """A run whose weights are all kept, as what `dating` replays.

    Args:
        weights: of every iteration from 0 on.
        model: takes them.
        probe: of the engine.
    """

    def __init__(self, weights: Sequence[Mapping[str, Tensor]], model: nn.Module, probe: Probe) -> None:
        self.weights, self.model, self.probe = weights, model, probe
        self.iteration, self.total = 0, len(weights) - 1

    def at(self, iteration: int) -> nn.Module:
        """The network after that many updates, until the next call."""
        self.model.load_state_dict(self.weights[iteration])
        return self.model

    def measure(self, enough: Enough | None = None) -> ProbeResult:
        """Probe the network of this iteration."""
        return self.probe.measure(self.at(self.iteration), enough)

    def snapshot(self) -> int:
        """The iteration stands for all that follows."""
        return self.iteration

    def restore(self, snapshot: int) -> None:
        """Go to an iteration."""
        self.iteration = snapshot

    def advance(self, iterations: int) -> None:
        """Go on."""
        self.iteration += iterations


def traced_signals() -> frozenset[str]:
    """Signals that need the update's input gradient, which a monitor asks for every `trace_every` iterations."""
    return frozenset(name for name, info in SIGNALS.items() if "update_gradient" in info.inputs)


def heard(iteration: int, signals: Mapping[str, float], trace_every: int) -> dict[str, float]:
    """What a monitor hears of an iteration's signals: those that need the update's gradient not every time.

    Args:
        iteration: updates done.
        signals: all that is known, by name.
        trace_every: iterations between update gradients.
    """
    skipped = traced_signals() if iteration % trace_every else ()
    return {name: value for name, value in signals.items() if name not in skipped}


def engine_dates(
    run: RecordedWeights, config: MonitorConfig, signals: Sequence[Mapping[str, float]], *, epoch: int, total: int
) -> Dates | None:
    """Watch a recorded run as `Trainer.fit` does, up to its first breakpoint.

    Args:
        run: all weights that are finite.
        config: of the engine's monitor.
        signals: free signals of iterations 1, 2, ..., each with all that is known.
        epoch: iterations of one.
        total: iterations of the run as configured, after the last of which it is probed.

    Returns:
        None if the engine finds no breakpoint.
    """
    monitor, taken = ReplayMonitor(run, config, CLASSES), 0
    monitor.begin()
    for iteration in range(1, len(run.weights)):
        scheduled = config.scheduled(iteration) or iteration == total
        if not (scheduled or iteration % epoch == 0 or iteration - taken == MAX_BUFFERED_STEPS):
            continue
        latest = range(taken + 1, iteration + 1)
        warnings = [monitor.on_signals(heard(at, signals[at - 1], config.trace_every)) for at in latest]
        taken = iteration
        if scheduled or any(warnings):
            run.iteration = iteration
            found = monitor.on_probe(iteration, run.measure(monitor.enough(scheduled=scheduled)))
            if found is not None:
                return Dates(found.iteration, found.sustained, found.earliest, found.latest, found.detected)
    return None
