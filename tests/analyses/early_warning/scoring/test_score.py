import math

import pytest

from analyses.early_warning.scoring.score import HORIZON, Alarm, BreakOutcome, RuleOutcome, rule_outcome, score
from tests._helpers.made_recordings import breaks_at, run

AHEAD = int(300 * HORIZON)
"""Iterations of the horizon in a made run."""


def raised(*at):
    return [Alarm(iteration, iteration) for iteration in at]


def found_after(delay, lag=0, terminal=True, setting="made"):
    """What a rule did about a break whose alarm came `delay` after the first crossing, and that `lag` before the
    lasting one."""
    return BreakOutcome(setting, terminal, True, delay, delay - lag, delay / 300)


def only(outcome):
    (found,) = outcome.breaks
    return found, outcome.false


def test_outcomes_by_hand():
    broken = run(pgd=breaks_at(200))
    missed = BreakOutcome("made", True, False)
    assert only(rule_outcome(broken, raised(210, 250))) == (found_after(10), 0)
    assert only(rule_outcome(broken, raised(200 - AHEAD, 210))) == (found_after(-AHEAD), 0)
    assert only(rule_outcome(broken, raised(20, 199 - AHEAD, 203))) == (found_after(3), 2)
    assert only(rule_outcome(broken, raised(20))) == (missed, 1)
    assert rule_outcome(run(), raised(20, 90)) == RuleOutcome("made", "healthy", (), 2)
    assert only(rule_outcome(broken, raised(120), horizon=0.3)) == (found_after(-80), 0)


def test_the_horizon_is_a_share_of_the_schedule():
    long = run(pgd=breaks_at(2000), iterations=3000)
    assert only(rule_outcome(long, raised(1700)))[0].since_first == -300
    assert not only(rule_outcome(run(pgd=breaks_at(200)), raised(160)))[0].found


def test_delays_are_counted_from_either_crossing():
    wavering = run(pgd=lambda i: 0.0 if i in (190, 195) or i >= 200 else 0.5)
    assert only(rule_outcome(wavering, raised(193))) == (found_after(3, 10), 0)
    # What is near goes by the first crossing.
    assert only(rule_outcome(wavering, raised(189 - AHEAD, 190 - AHEAD))) == (found_after(-AHEAD, 10), 1)


def test_every_break_of_a_run_is_scored():
    twice = run(pgd=lambda i: 0.0 if 50 <= i < 80 or i >= 200 else 0.5)
    assert rule_outcome(twice, raised(60, 205)).breaks == (found_after(10, terminal=False), found_after(5))
    assert rule_outcome(twice, raised(60)).breaks == (
        found_after(10, terminal=False),
        BreakOutcome("made", True, False),
    )
    # An alarm of the first that was never taken back stands for the second, without a delay.
    assert rule_outcome(twice, [Alarm(60, 300)]).breaks[1] == BreakOutcome("made", True, True)
    # A false one that was never taken back stands for nothing.
    assert rule_outcome(twice, [Alarm(150, 300)]).breaks[1] == BreakOutcome("made", True, False)
    assert rule_outcome(twice, [Alarm(150, 300)]).false == 1


def test_an_alarm_about_a_dip_is_not_false():
    dipped = run(pgd=lambda i: 0.0 if 100 <= i < 103 or i >= 200 else 0.5)
    assert rule_outcome(dipped, raised(101, 150)).false == 1


def test_scores_by_hand():
    outcomes = [
        *(RuleOutcome("a", "terminal", (found_after(delay, 4),), 0) for delay in (-10, 0, 2, 4, 6, 8, 10, 12, 14)),
        RuleOutcome("a", "terminal", (found_after(7, terminal=False), BreakOutcome("a", True, False)), 1),
        *[RuleOutcome("b", "healthy", (), 0)] * 19,
        RuleOutcome("b", "healthy", (), 2),
        RuleOutcome("c", "gradual", (), 1),
        RuleOutcome("c", "diverged", (), 0),
        RuleOutcome("c", "unclear", (), 50),
    ]
    found = score(outcomes)
    terminal = found.terminal
    assert (terminal.breaks, found.transient.breaks, found.healthy, found.other) == (10, 1, 20, 2)
    assert terminal.missed.value == pytest.approx(0.1)
    assert (terminal.first.median.value, terminal.sustained.median.value) == (6, 2)
    assert terminal.pace.value == pytest.approx(6 / 300)
    assert terminal.first.median.low <= 6 <= terminal.first.median.high
    assert terminal.first.median.low - terminal.sustained.median.low == pytest.approx(4)
    # Eight tenths of the way from 12... of nine values: 12 + 0.2 * 2.
    assert terminal.first.ninety.value == pytest.approx(12.4)
    assert terminal.sustained.ninety.value == pytest.approx(8.4)
    assert terminal.lead.value == pytest.approx(0.1)
    assert (found.transient.missed.value, found.transient.first.median.value) == (0, 7)
    assert (found.false.value, found.alarmed.value) == pytest.approx((0.1, 0.05))
    assert found.other_false.value == pytest.approx(0.5)
    assert found.premature.value == pytest.approx(0.1)


def test_a_break_for_which_an_alarm_stood_has_no_delay():
    found = score([RuleOutcome("a", "terminal", (BreakOutcome("a", True, True), found_after(4)), 0)]).terminal
    assert (found.missed.value, found.first.median.value, found.lead.value) == (0, 4, 0)


def test_nothing_to_score_is_nan():
    found = score([])
    assert math.isnan(found.terminal.missed.value)
    assert math.isnan(found.transient.first.median.low)
    assert math.isnan(found.false.high)
