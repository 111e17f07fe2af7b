"""The combined detector on a recorded run: free signals give the warning, a probe confirms the breakpoint.

The decisions are those of `BreakpointMonitor`: the same `EarlyWarning`, `BreakpointCriterion` and schedule. What is
taken from the recording is what the network would have answered, on all of the probe's points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from analyses.early_warning.break_dates import CLASSES, heard
from analyses.early_warning.recording import Run
from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.monitor.criterion import BreakpointCriterion
from cotoolkit.monitor.early_warning import EarlyWarning, Rule
from cotoolkit.monitor.step_buffer import MAX_BUFFERED_STEPS


class Detections(NamedTuple):
    """What the detector did in a run.

    Attributes:
        warnings: iterations at which free signals warned while robustness was not known to be lost.
        confirmed: iterations at which a probe confirmed a break.
        probes: how many were taken.
    """

    warnings: list[int]
    confirmed: list[int]
    probes: int


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
    confirmed: list[int] = []
    unread: list[dict[str, Any]] = []
    probes, due, warned = 0, False, False
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
            if criterion.update(iteration, _probe(row, config.points)) == "breaks":
                criterion.record_breakpoint(iteration)
                confirmed.append(iteration)
            due = warned = False
    return Detections(warnings, confirmed, probes)


def _probe(row: Mapping[Any, Any], points: int) -> ProbeResult:
    shares = row["probe_clean"], row["probe_fgsm"], row["probe_pgd"], row["gradient_alignment"]
    return ProbeResult(*shares, points, ())
