import math

import pytest

from analyses.early_warning.recorded.plan import FITTED_ON
from analyses.early_warning.scoring.calibrate import COMBINED, WARNING, benchmark, is_held_out, rule_cost, thresholds
from analyses.early_warning.scoring.rules import REFRACTORY, Series, statistic_series
from analyses.early_warning.scoring.score import Alarm, BreakOutcome, RuleOutcome
from analyses.early_warning.scoring.simulation import watch
from analyses.early_warning.tables import horizon_table, recorded_run_table, rule_table, setting_table
from cotoolkit.monitor.early_warning import Level
from tests._helpers.made_recordings import breaks_at, recording, run, surge

FIT_BROKEN, FIT_HEALTHY = sorted(FITTED_ON)[:2]
pytestmark = pytest.mark.usefixtures("coarse_scoring")


def made_runs():
    """Collapses that `abnormal_example` shows two iterations early, and healthy runs; `train_loss` is noise."""
    runs = []
    for seed in range(3):
        for setting, at in ((FIT_BROKEN, 150 + seed), ("new, broken", 200 + seed)):
            signals = {"abnormal_example": surge(at - 2, seed=seed), "train_loss": surge(9999, seed=seed + 10)}
            runs.append(run(setting, seed, breaks_at(at), **signals))
        for setting in (FIT_HEALTHY, "new, healthy"):
            signals = {"abnormal_example": surge(9999, seed=seed), "train_loss": surge(9999, seed=seed + 20)}
            runs.append(run(setting, seed, 0.5, **signals))
    return runs


@pytest.fixture(scope="module")
def runs():
    return made_runs()


@pytest.fixture(scope="module")
def watched(runs):
    return [watch(one) for one in runs]


@pytest.fixture(scope="module")
def rows(runs, watched):
    return benchmark(runs, watched)


def test_fitted_rules_are_scored_on_settings_that_had_no_part_in_the_fit(runs, rows):
    assert sum(is_held_out(one) for one in runs) == 6
    for row in rows:
        runs_scored = row.score.healthy + row.score.terminal.breaks
        assert runs_scored == (6 if row.scored == "held out" else 12)
        assert row.scored == "held out" or not row.fitted
    assert {row.rule for row in rows if row.fitted} == {
        "abnormal_example",
        "gradient_alignment",
        "train_loss",
        COMBINED,
    }


def test_a_signal_that_tells_all_is_fitted_without_fault(rows):
    (row,) = [row for row in rows if row.rule == "abnormal_example"]
    assert (row.score.terminal.missed.value, row.score.false.value, row.score.premature.value) == (0, 0, 0)
    assert -2 <= row.score.terminal.first.median.value <= 2


def test_noise_cannot_be_fitted(rows):
    (row,) = [row for row in rows if row.rule == "train_loss"]
    assert row.score.terminal.missed.value + row.score.false.value + row.score.premature.value > 0.3


def test_the_combined_detector_confirms_after_the_break(rows):
    for row in rows:
        if row.rule.startswith(COMBINED):
            assert (row.score.terminal.missed.value, row.score.false.value) == (0, 0)
            assert 0 <= row.score.terminal.first.median.value <= 16
    warning = next(row for row in rows if row.rule.startswith(WARNING))
    assert warning.score.terminal.missed.value == 0


def test_without_runs_to_fit_on_nothing_is_fitted(runs):
    held_out = [one for one in runs if is_held_out(one)]
    assert not any(row.fitted for row in benchmark(held_out, [watch(one) for one in held_out]))


def test_tables_have_a_row_for_each(runs, watched, rows):
    assert len(rule_table(rows)) == len(rows)
    table = setting_table(runs, watched).set_index("setting")
    columns = ["runs", "terminal", "healthy", "terminal_breaks", "terminal_missed", "false_in_healthy", "held_out"]
    assert table.loc["new, broken", columns].tolist() == [3, 3, 0, 3, 0, 0, True]
    assert table.loc[FIT_HEALTHY, columns].tolist() == [3, 0, 3, 0, 0, 0, False]
    assert table["runs"].sum() == len(runs)
    assert {*FITTED_ON} <= {*table.index}
    of_runs = recorded_run_table(runs, watched)
    assert of_runs.loc[of_runs["setting"] == "new, broken", "first"].tolist() == [200, 201, 202]
    assert of_runs["missed"].sum() == of_runs["false"].sum() == 0
    horizons = horizon_table(runs, watched, (0.01, 0.2))
    assert horizons["horizon"].tolist() == [0.01, 0.2]
    assert horizons["terminal_missed"].tolist() == [0, 0]


def test_cost_counts_misses_and_false_alarms_but_nothing_unclear():
    found, missed = BreakOutcome("a", True, True, 4, 1, 0.01), BreakOutcome("a", False, False)
    outcomes = [
        RuleOutcome("a", "terminal", (found,), 1),
        RuleOutcome("a", "transient", (missed,), 0),
        RuleOutcome("a", "healthy", (), 1),
    ]
    assert rule_cost(outcomes) == (pytest.approx(1 / 2 + 2 / 3), 4.0)
    assert rule_cost([*outcomes, RuleOutcome("a", "unclear", (), 9)]) == rule_cost(outcomes)
    assert rule_cost([RuleOutcome("a", "terminal", (missed,), 0)]) == (1.0, math.inf)


def test_thresholds_ignore_what_is_not_finite():
    assert thresholds([Series([1], [math.inf]), Series([], [])]) == []
    found = thresholds([Series([1, 2], [1.0, math.inf]), Series([1], [3.0])])
    assert found[0] == pytest.approx(2.0)
    assert found[-1] <= 3.0


def test_alarms_close_together_for_the_length_of_the_run_are_one():
    found = Series(list(range(1, 101)), [0.0] * 9 + [1.0] * 91)
    pause = round(REFRACTORY * 480)
    assert found.alarms(0.5, 480) == [Alarm(at, at) for at in (10, 10 + pause, 10 + 2 * pause, 10 + 3 * pause)]
    assert len(found.alarms(0.5, 4800)) == 1
    assert found.alarms(1.5, 480) == Series([], []).alarms(0.5, 480) == []


def test_series_leave_missing_values_out_and_turn_what_falls_around():
    trace = recording(0.5, iterations=4, pert_align=lambda i: math.nan if i == 2 else i).trace
    found = statistic_series(trace, "pert_align", "falls", Level(1.0))
    assert found == Series([1, 3, 4], [-1.0, -3.0, -4.0])
    assert statistic_series(trace, "unknown", "rises", Level(1.0)) == Series([], [])
