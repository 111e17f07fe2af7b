"""How well a rule would have watched the recorded runs: delay, lead, false alarms, misses, with their uncertainty.

Breaks that last to the end of a run and breaks from which it recovers are scored apart. Horizons are shares of a run's
schedule, for 50 iterations are long in a run of 300 and nothing in one of 3,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analyses.early_warning.recorded.recording import Run
from analyses.early_warning.recorded.truth import Kind, TrueBreak
from analyses.early_warning.scoring.by_setting import Interval, percentiles, rate, share

HORIZON = 1 / 8
"""Share of a run's iterations before a break's first crossing from which an alarm is its warning; an earlier one is
false."""


class Alarm(NamedTuple):
    """What a rule says of a run.

    Attributes:
        start: the iteration at which it is raised.
        end: until when it stands: that at which it is taken back. Alarms that are not states end where they start.
    """

    start: int
    end: int


@dataclass(frozen=True)
class BreakOutcome:
    """What a rule did about one break.

    Attributes:
        setting: of the run.
        terminal: whether robustness did not come back.
        found: whether an alarm was raised from the horizon before the break to its end, or one of an earlier break
            still stood.
        since_first: the alarm minus the break's first crossing, in iterations; negative when it came first; None if
            there was none, or it stood already.
        since_sustained: likewise since the crossing that lasts.
        pace: `since_first` as a share of the run's iterations.
    """

    setting: str
    terminal: bool
    found: bool
    since_first: int | None = None
    since_sustained: int | None = None
    pace: float | None = None


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule did in one run.

    Attributes:
        setting: of the run.
        kind: of the run, see `truth.Kind`.
        breaks: one for each.
        false: alarms with no loss of robustness near.
    """

    setting: str
    kind: Kind
    breaks: tuple[BreakOutcome, ...]
    false: int


@dataclass(frozen=True)
class Delay:
    """Iterations from a date of the break to a rule's alarm, over the breaks that have both.

    Attributes:
        median: cluster bootstrap.
        ninety: 90th percentile; cluster bootstrap.
    """

    median: Interval
    ninety: Interval


@dataclass(frozen=True)
class BreakScore:
    """A rule over breaks of one sort. Intervals are by setting, see `by_setting`.

    Attributes:
        breaks: how many.
        settings: of how many settings.
        missed: share of them without an alarm from the horizon on.
        first: delay since the first crossing.
        sustained: delay since the crossing that lasts.
        pace: median delay since the first crossing as a share of the run.
        lead: share of breaks with an alarm before the first crossing.
    """

    breaks: int
    settings: int
    missed: Interval
    first: Delay
    sustained: Delay
    pace: Interval
    lead: Interval


@dataclass(frozen=True)
class Score:
    """A rule over many runs. Intervals are by setting.

    Attributes:
        terminal: over the breaks after which robustness does not come back.
        transient: over the others.
        healthy: runs that stayed healthy.
        false: false alarms per healthy run.
        alarmed: share of healthy runs with a false alarm.
        other: runs that lost robustness gradually or diverged.
        other_false: alarms per such run.
        premature: false alarms per run with a break.
    """

    terminal: BreakScore
    transient: BreakScore
    healthy: int
    false: Interval
    alarmed: Interval
    other: int
    other_false: Interval
    premature: Interval


def rule_outcome(run: Run, alarms: Sequence[Alarm], horizon: float = HORIZON) -> RuleOutcome:
    """Hold a rule's alarms against a run's truth.

    Args:
        run: recorded.
        alarms: in order.
        horizon: as `HORIZON`.
    """
    ahead = horizon * run.recording.iterations
    breaks = run.truth.breaks
    near = [*((found.first, found.end) for found in breaks), *run.truth.dips]
    true = [alarm for alarm in alarms if any(first - ahead <= alarm.start <= end for first, end in near)]
    outcomes = tuple(_about(run, found, true, ahead) for found in breaks)
    return RuleOutcome(run.setting, run.truth.kind, outcomes, len(alarms) - len(true))


def _about(run: Run, found: TrueBreak, alarms: Sequence[Alarm], ahead: float) -> BreakOutcome:
    raised = next((a.start for a in alarms if found.first - ahead <= a.start <= found.end), None)
    stands = any(a.start < found.first - ahead and a.end >= found.first for a in alarms)
    if stands or raised is None:
        return BreakOutcome(run.setting, found.terminal, stands)
    delay = raised - found.first
    pace = delay / run.recording.iterations
    return BreakOutcome(run.setting, found.terminal, True, delay, raised - found.sustained, pace)


def score(outcomes: Sequence[RuleOutcome], seed: int = 0) -> Score:
    """Sum up over runs; those without a break that are `unclear` count for nothing.

    Args:
        outcomes: of one rule.
        seed: of the bootstrap.
    """
    healthy = [found for found in outcomes if found.kind == "healthy"]
    other = [found for found in outcomes if found.kind in ("gradual", "diverged")]
    broken = [found for found in outcomes if found.breaks]
    breaks = [one for found in broken for one in found.breaks]
    settings = [found.setting for found in healthy]
    return Score(
        score_breaks([one for one in breaks if one.terminal], seed),
        score_breaks([one for one in breaks if not one.terminal], seed),
        len(healthy),
        rate([found.false for found in healthy], settings),
        share([found.false > 0 for found in healthy], settings),
        len(other),
        rate([found.false for found in other], [found.setting for found in other]),
        rate([found.false for found in broken], [found.setting for found in broken]),
    )


def score_breaks(breaks: Sequence[BreakOutcome], seed: int = 0) -> BreakScore:
    """Sum up over breaks of one sort.

    Args:
        breaks: what one rule did about each.
        seed: of the bootstrap.
    """
    settings = [one.setting for one in breaks]
    dated = [one for one in breaks if one.since_first is not None]
    at, percents = [one.setting for one in dated], (50, 90)
    first = percentiles([one.since_first for one in dated if one.since_first is not None], at, percents, seed)
    sustained = percentiles(
        [one.since_sustained for one in dated if one.since_sustained is not None], at, percents, seed
    )
    (pace,) = percentiles([one.pace for one in dated if one.pace is not None], at, (50,), seed)
    return BreakScore(
        len(breaks),
        len(set(settings)),
        share([not one.found for one in breaks], settings),
        Delay(*first),
        Delay(*sustained),
        pace,
        share([one.since_first is not None and one.since_first < 0 for one in breaks], settings),
    )
