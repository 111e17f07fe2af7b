"""The engine's dates of a recorded run: its own monitor is fed with the recording, and replays the weights kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from cotoolkit.evaluation.probe import Enough, Probe, ProbeResult
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.replay import ReplayMonitor
from cotoolkit.monitor.step_buffer import TOGETHER

CLASSES = 10
"""Of both data sets."""

TRACED = ("pert_align", "linearity")
"""Signals that need the update's input gradient, which a monitor asks for every `trace_every` iterations."""


class Dates(NamedTuple):
    """What the engine writes into the result of a run of its first break, in iterations; see `dating.Breakpoint`.

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


class Recorded:
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


def heard(iteration: int, signals: Mapping[str, float], trace_every: int) -> dict[str, float]:
    """What a monitor hears of an iteration's signals: those that need the update's gradient not every time."""
    skipped = TRACED if iteration % trace_every else ()
    return {name: value for name, value in signals.items() if name not in skipped}


def engine_dates(
    run: Recorded, config: MonitorConfig, signals: Sequence[Mapping[str, float]], *, epoch: int, total: int
) -> Dates | None:
    """Watch a recorded run as `Trainer.fit` does, up to its first break.

    Args:
        run: all weights that are finite.
        config: of the engine's monitor.
        signals: free signals of iterations 1, 2, ..., each with all that is known.
        epoch: iterations of one.
        total: iterations of the run as configured, after the last of which it is probed.

    Returns:
        None if the engine finds no break.
    """
    monitor, taken = ReplayMonitor(run, config, CLASSES), 0
    monitor.begin()
    for iteration in range(1, len(run.weights)):
        scheduled = config.scheduled(iteration) or iteration == total
        if not (scheduled or iteration % epoch == 0 or iteration - taken == TOGETHER):
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
