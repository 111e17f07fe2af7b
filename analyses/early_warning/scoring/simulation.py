"""The combined detector on a recorded run: free signals give the warning, a probe confirms the breakpoint.

The decisions are those of `BreakpointMonitor`: the same `EarlyWarning`, `BreakpointCriterion` and schedule. What is
taken from the recording is what the network would have answered, on all of the probe's points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from analyses.early_warning.recorded.recording import Run
from analyses.early_warning.recorded.truth import CLASSES
from analyses.early_warning.scoring.score import Alarm
from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.monitor.criterion import BreakpointCriterion
from cotoolkit.monitor.early_warning import EarlyWarning, Rule
from cotoolkit.monitor.step_buffer import MAX_BUFFERED_STEPS
from cotoolkit.signals import SIGNALS


class Detections(NamedTuple):
    """What the detector did in a run.

    Attributes:
        warnings: iterations at which free signals warned while robustness was not known to be lost.
        confirmed: iterations at which a probe confirmed a break, each with the one at which a probe found robustness
            back, or the last one of the run.
        probes: how many were taken.
    """

    warnings: list[int]
    confirmed: list[Alarm]
    probes: int


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


def watch(run: Run, rules: Sequence[Rule] | None = None) -> Detections:
    """Watch a recorded run as `BreakpointMonitor` would.

    Args:
        run: recorded.
        rules: of the early warning; None means the default ones.
    """
    config = run.config.monitor
    criterion = BreakpointCriterion(config, CLASSES)
    early_warning = EarlyWarning() if rules is None else EarlyWarning(rules)
    warnings: list[int] = []
    confirmed: list[Alarm] = []
    unread: list[dict[str, Any]] = []
    probes, due, warned, iteration = 0, False, False, 0
    for row in run.recording.trace.to_dict("records"):
        iteration = int(row["iteration"])
        unread.append(heard(iteration, {str(name): value for name, value in row.items()}, config.trace_every))
        scheduled = config.scheduled(iteration)
        if scheduled or len(unread) == MAX_BUFFERED_STEPS:
            raised = [early_warning.update(signals) for signals in unread]
            unread.clear()
            if any(raised) and probes and criterion.broken_at is None:
                warnings.append(iteration)
                warned = True
        due = due or warned or scheduled
        if due and not math.isnan(row["probe_pgd"]):
            probes += 1
            finding = criterion.update(iteration, probe_of(row, config.points), warned=warned)
            if finding == "breaks":
                criterion.record_breakpoint(iteration)
                confirmed.append(Alarm(iteration, iteration))
            elif finding == "recovers":
                confirmed[-1] = Alarm(confirmed[-1].start, iteration)
            due = warned = False
    if criterion.broken_at is not None:
        confirmed[-1] = Alarm(confirmed[-1].start, iteration)
    return Detections(warnings, confirmed, probes)


def probe_of(row: Mapping[Any, Any], points: int) -> ProbeResult:
    """The probe of all points in a row of a trace."""
    shares = row["probe_clean"], row["probe_fgsm"], row["probe_pgd"], row["gradient_alignment"]
    return ProbeResult(*shares, points, ())
