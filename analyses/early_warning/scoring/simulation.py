"""The monitor on a recorded run: free signals give the warning, a probe confirms the breakpoint, and it is dated.

What watches is the engine's own `ReplayMonitor`, with its early warning, its criterion and its dating; a recorded probe
stands for the network. A probe that a warning calls for is that of the next iteration which has one. Probes were taken
at every iteration around the true breaks and at every `recorded.truth.EVERY` elsewhere; where dating goes in between,
the last one stands. A monitor's probe may end early; a recorded one has all points.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from analyses.early_warning.recorded.recording import Run
from analyses.early_warning.recorded.truth import CLASSES
from analyses.early_warning.scoring.score import Alarm
from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.monitor.early_warning import EarlyWarning, Rule
from cotoolkit.monitor.replay import ReplayMonitor
from cotoolkit.monitor.step_buffer import MAX_BUFFERED_STEPS
from cotoolkit.signals import SIGNALS


class Dates(NamedTuple):
    """What the engine writes into the result of a run of its first breakpoint, in iterations; see `core.Breakpoint`.

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


class Detections(NamedTuple):
    """What the monitor did in a run.

    Attributes:
        warnings: iterations at which free signals warned while robustness was not known to be lost.
        confirmed: iterations at which a probe confirmed a break, each with the one at which a probe found robustness
            back, or the last one of the run.
        probes: how many were taken, those for dating not counted.
        dates: of the first breakpoint; None without one.
    """

    warnings: list[int]
    confirmed: list[Alarm]
    probes: int
    dates: Dates | None


class RecordedProbes:
    """A recorded run as what a monitor probes, and goes back in to date a breakpoint.

    Args:
        run: recorded.
    """

    def __init__(self, run: Run) -> None:
        trace = run.recording.trace
        probed = trace[trace["probe_pgd"].notna()]
        self.at = probed["iteration"].tolist()
        self.rows = probed.to_dict("records")
        self.points = run.config.monitor.points
        self.iteration, self.total = 0, int(trace["iteration"].max())

    def measure(self, enough: object = None) -> ProbeResult:
        """The last probe at or before this iteration; before the first one that one."""
        row: Mapping[Any, Any] = self.rows[max(bisect_right(self.at, self.iteration) - 1, 0)]
        shares = row["probe_clean"], row["probe_fgsm"], row["probe_pgd"], row["gradient_alignment"]
        return ProbeResult(*shares, self.points, ())

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


def watch(run: Run, rules: Sequence[Rule] | None = None) -> Detections:
    """Watch a recorded run as the engine's monitor would.

    Args:
        run: recorded.
        rules: of the early warning; None means the default ones.
    """
    config, replayed, traced = run.config.monitor, RecordedProbes(run), traced_signals()
    monitor, probed = ReplayMonitor(replayed, config, CLASSES), {*replayed.at}
    if rules is not None:
        monitor.early_warning = EarlyWarning(rules)
    monitor.begin()
    warnings: list[int] = []
    confirmed: list[Alarm] = []
    dates: Dates | None = None
    unread: list[dict[str, float]] = []
    probes, due = 0, False
    for row in run.recording.trace.to_dict("records"):
        iteration = int(row["iteration"])
        skipped = traced if iteration % config.trace_every else ()
        unread.append({str(name): value for name, value in row.items() if name not in skipped})
        scheduled = config.scheduled(iteration) or iteration == run.recording.iterations
        if scheduled or len(unread) == MAX_BUFFERED_STEPS:
            causes = [monitor.on_signals(signals, run.config.batch_size) for signals in unread]
            warned = any(cause is not None for cause in causes)
            unread.clear()
            warnings += [iteration] * warned
            due = due or warned or scheduled
        if not (due and iteration in probed):
            continue
        probes, due, replayed.iteration, was_broken = probes + 1, False, iteration, monitor.broken
        found = monitor.on_probe(iteration, replayed.measure())
        if found is not None:
            confirmed.append(Alarm(iteration, replayed.total))
            dates = dates or Dates(found.iteration, found.sustained, found.earliest, found.latest, found.detected)
        elif was_broken and not monitor.broken:
            confirmed[-1] = Alarm(confirmed[-1].start, iteration)
    return Detections(warnings, confirmed, probes, dates)
