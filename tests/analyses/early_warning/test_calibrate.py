import math

import pytest

from analyses.early_warning.break_dates import Dates
from analyses.early_warning.calibrate import COMBINED, WARNING, benchmark, rule_cost, splits, thresholds
from analyses.early_warning.rules import REFRACTORY, Series, statistic_series
from analyses.early_warning.score import RuleOutcome
from analyses.early_warning.simulation import watch
from analyses.early_warning.tables import recorded_run_table, rule_table, setting_table
from cotoolkit.monitor.early_warning import Level
from tests._helpers.made_recordings import breaks_at, recording, run, surge


def made_runs():
    """Collapses that `abnormal_example` shows two iterations early, and healthy runs; `train_loss` is noise."""
    runs = []
    for seed in range(4):
        for setting, at in (("one", 150 + seed), ("two", 200 + seed)):
            signals = {"abnormal_example": surge(at - 2, seed=seed), "train_loss": surge(9999, seed=seed + 10)}
            dates = None if seed % 2 else Dates(at, at, at, at + 1, at + 10)
            runs.append(run(setting, seed, breaks_at(at), dates=dates, **signals))
        for setting in ("three", "four"):
            signals = {"abnormal_example": surge(9999, seed=seed), "train_loss": surge(9999, seed=seed + 20)}
            runs.append(run(setting, seed, 0.5, **signals))
    return runs


@pytest.fixture(scope="module")
def rows():
    return benchmark(made_runs())


def test_splits_part_the_runs_by_seed_and_by_setting():
    runs = made_runs()
    found = list(splits(runs))
    assert [part.by for part in found] == ["seed", "seed", "setting", "setting"]
    for part in found:
        assert {id(r) for r in part.calibration} | {id(r) for r in part.test} == {id(r) for r in runs}
        assert not {id(r) for r in part.calibration} & {id(r) for r in part.test}
        assert (
            {r.truth.kind for r in part.calibration} == {r.truth.kind for r in part.test} == {"breakpoint", "healthy"}
        )
    by_seed, by_setting = found[0], found[2]
    assert not {r.seed for r in by_seed.calibration} & {r.seed for r in by_seed.test}
    assert not {r.setting for r in by_setting.calibration} & {r.setting for r in by_setting.test}


def test_a_signal_that_tells_all_is_fitted_without_fault(rows):
    for row in rows:
        if row.rule == "abnormal_example":
            assert (row.score.missed.value, row.score.false.value, row.score.premature.value) == (0, 0, 0)
            assert -2 <= row.score.first.median.value <= 2
            assert not row.published


def test_noise_cannot_be_fitted(rows):
    for row in rows:
        if row.rule == "train_loss":
            assert row.score.missed.value + row.score.false.value + row.score.premature.value > 0.5


def test_the_combined_detector_confirms_after_the_break(rows):
    for row in rows:
        if row.rule.startswith(COMBINED):
            assert (row.score.missed.value, row.score.false.value) == (0, 0)
            assert 0 <= row.score.first.median.value <= 16
    warning = next(row for row in rows if row.rule.startswith(WARNING))
    assert warning.score.missed.value == 0


def test_tables_have_a_row_for_each(rows):
    runs = made_runs()
    assert len(rule_table(rows)) == len(rows)
    assert setting_table(runs)[["setting", "runs", "breakpoint", "healthy"]].to_numpy().tolist() == [
        ["one", 4, 4, 0],
        ["two", 4, 4, 0],
        ["three", 4, 0, 4],
        ["four", 4, 0, 4],
    ]
    table = recorded_run_table(runs, [watch(one) for one in runs])
    assert table.loc[table["setting"] == "one", "first"].tolist() == [150, 151, 152, 153]
    assert table.loc[table["setting"] == "one", "engine_first"].dropna().tolist() == [150, 152]
    assert table.loc[table["setting"] == "one", "engine_detected"].dropna().tolist() == [160, 162]


def test_cost_counts_misses_and_false_alarms_but_nothing_unclear():
    outcomes = [
        RuleOutcome("breakpoint", 4, 1, 1),
        RuleOutcome("breakpoint", None, None, 0),
        RuleOutcome("healthy", None, None, 1),
    ]
    assert rule_cost(outcomes) == (pytest.approx(1 / 2 + 2 / 3), 4.0)
    assert rule_cost([*outcomes, RuleOutcome("unclear", None, None, 9)]) == rule_cost(outcomes)
    assert rule_cost([RuleOutcome("breakpoint", None, None, 0)]) == (1.0, math.inf)


def test_thresholds_ignore_what_is_not_finite():
    assert thresholds([Series([1], [math.inf]), Series([], [])]) == []
    found = thresholds([Series([1, 2], [1.0, math.inf]), Series([1], [3.0])])
    assert found[0] == pytest.approx(2.0)
    assert found[-1] <= 3.0


def test_alarms_close_together_are_one():
    found = Series(list(range(1, 101)), [0.0] * 9 + [1.0] * 91)
    assert found.alarms(0.5) == [10, 10 + REFRACTORY, 10 + 2 * REFRACTORY]
    assert found.alarms(1.5) == []


def test_series_leave_missing_values_out_and_turn_what_falls_around():
    trace = recording(0.5, iterations=4, pert_align=lambda i: math.nan if i == 2 else i).trace
    found = statistic_series(trace, "pert_align", "falls", Level(1.0))
    assert found == Series([1, 3, 4], [-1.0, -3.0, -4.0])
    assert statistic_series(trace, "unknown", "rises", Level(1.0)) == Series([], [])
