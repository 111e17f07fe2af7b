"""How well the engine dates the breaks that it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from analyses.early_warning.recorded.recording import Run
from analyses.early_warning.recorded.truth import TrueBreak
from analyses.early_warning.scoring.by_setting import Interval, percentiles, share
from analyses.early_warning.scoring.simulation import Dates

Date = Literal["first", "sustained"]
"""Of a break: its first crossing, and the one that lasts; the engine and the truth have both."""


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
