"""When the engine says that a recorded run broke: its own monitor, fed with the recording, replays the probes taken.

Probes were taken at every iteration around the true breaks and at every `recorded.truth.EVERY` elsewhere; in between
the last one stands for the network. The engine's probes may end early, a recorded one has all points.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from analyses.early_warning.recorded.recording import Run
from analyses.early_warning.recorded.truth import CLASSES, TrueBreak
from analyses.early_warning.scoring.by_setting import Interval, percentiles, share
from analyses.early_warning.scoring.simulation import heard, probe_of
from cotoolkit.evaluation.probe import Enough, ProbeResult
from cotoolkit.monitor.replay import ReplayMonitor
from cotoolkit.monitor.step_buffer import MAX_BUFFERED_STEPS

Date = Literal["first", "sustained"]
"""Of a break: its first crossing, and the one that lasts; the engine and the truth have both."""


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


class RecordedProbes:
    """A recorded run as what `dating` replays.

    Args:
        run: its trace has at least one probe.
    """

    def __init__(self, run: Run) -> None:
        trace = run.recording.trace
        probed = trace[trace["probe_pgd"].notna()]
        self.at = probed["iteration"].tolist()
        self.rows = probed.to_dict("records")
        self.points = run.config.monitor.points
        self.iteration, self.total = 0, int(trace["iteration"].max())

    def measure(self, enough: Enough | None = None) -> ProbeResult:
        """The last probe at or before this iteration; before the first one that one."""
        return probe_of(self.rows[max(bisect_right(self.at, self.iteration) - 1, 0)], self.points)

    def snapshot(self) -> int:
        """The iteration stands for all that follows."""
        return self.iteration

    def restore(self, snapshot: int) -> None:
        """Go to an iteration."""
        self.iteration = snapshot

    def advance(self, iterations: int) -> None:
        """Go on."""
        self.iteration += iterations


def engine_dates(run: Run) -> Dates | None:
    """Watch a recorded run as `Trainer.fit` does, up to its first breakpoint.

    Returns:
        None if the engine finds no breakpoint.
    """
    config, rows = run.config.monitor, run.recording.trace.to_dict("records")
    replayed = RecordedProbes(run)
    monitor, taken = ReplayMonitor(replayed, config, CLASSES), 0
    monitor.begin()
    for iteration in range(1, replayed.total + 1):
        scheduled = config.scheduled(iteration) or iteration == run.recording.iterations
        if not (scheduled or iteration - taken == MAX_BUFFERED_STEPS):
            continue
        latest = [{str(name): value for name, value in row.items()} for row in rows[taken:iteration]]
        warnings = [monitor.on_signals(heard(int(row["iteration"]), row, config.trace_every)) for row in latest]
        taken = iteration
        if scheduled or any(warnings):
            replayed.iteration = iteration
            found = monitor.on_probe(iteration, replayed.measure())
            if found is not None:
                return Dates(found.iteration, found.sustained, found.earliest, found.latest, found.detected)
    return None


@dataclass(frozen=True)
class Dating:
    """One of the engine's two dates against the truth's, over the runs with a break in which it found one.

    It is the first breakpoint that the engine finds, held against the true break whose first crossing is nearest. The
    truth is taken on test images, the engine's probe on fewer other ones, held out from training where a run holds any
    out: a part of every difference is sampling. Intervals are by setting, see `by_setting`.

    Attributes:
        date: which crossing.
        runs: with a break.
        dated: share of them in which the engine found a breakpoint.
        error: median of engine minus truth, in iterations.
        size: median of its absolute value.
        size_ninety: 90th percentile of its absolute value.
        covered: share of dated runs whose `earliest` to `latest` holds the truth's date.
    """

    date: Date
    runs: int
    dated: Interval
    error: Interval
    size: Interval
    size_ninety: Interval
    covered: Interval


def score_dating(runs: Sequence[Run], dates: Sequence[Dates | None]) -> list[Dating]:
    """Hold the engine's first crossings against the truth's, and its lasting ones.

    Args:
        runs: recorded; those without a break count for nothing.
        dates: of the engine, of each run.
    """
    broken = [(run, found) for run, found in zip(runs, dates, strict=True) if run.truth.breaks]
    dated = [(run.setting, found, _nearest(run, found)) for run, found in broken if found is not None]
    at = [setting for setting, _, _ in dated]
    scored = []
    for date in get_args(Date):
        pairs = [(setting, getattr(found, date), getattr(true, date)) for setting, found, true in dated]
        errors = [(setting, ours - true) for setting, ours, true in pairs if ours is not None]
        settings = [setting for setting, _ in errors]
        (error,) = percentiles([value for _, value in errors], settings, (50,))
        size, ninety = percentiles([abs(value) for _, value in errors], settings, (50, 90))
        covered = [found.earliest <= getattr(true, date) <= found.latest for _, found, true in dated]
        found_one = share([found is not None for _, found in broken], [run.setting for run, _ in broken])
        scored.append(Dating(date, len(broken), found_one, error, size, ninety, share(covered, at)))
    return scored


def _nearest(run: Run, dates: Dates) -> TrueBreak:
    return min(run.truth.breaks, key=lambda found: abs(found.first - dates.first))
