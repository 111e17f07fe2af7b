"""Verdicts, events and checkpoints of logs written by hand."""

import numpy as np
import pandas as pd
import pytest

from cotoolkit import diagnose_log
from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.diagnosis.logs.schema import LogDiagnosis
from tests._helpers.written_logs import log, the_run, wobbly

BROKEN = log([*wobbly(0.4, 10), *wobbly(0.02, 8)], [*wobbly(0.44, 10), *wobbly(0.6, 8)])


def test_a_breakpoint_with_its_interval_and_what_to_do():
    run = the_run(BROKEN)
    (event,) = run.events
    assert (run.verdict, run.confidence) == ("catastrophic overfitting", "high")
    assert (event.kind, event.at, event.earliest, event.latest) == ("breakpoint", 10, 9, 10)
    assert event.after.pgd.low < event.after.pgd.value < event.after.pgd.high < 0.05 < event.before.pgd.low
    assert event.kept == pytest.approx(0.05, abs=0.03)
    assert event.rise > 10
    assert "go back to the checkpoint with the most PGD accuracy of epoch 9 or before and continue with" in event.advice


def test_recovery_and_a_second_break():
    pgd = [*wobbly(0.4, 8), *[0.01] * 3, *wobbly(0.38, 6), *[0.02] * 5]
    fgsm = [*wobbly(0.44, 8), *[0.7] * 3, *wobbly(0.43, 6), *[0.8] * 5]
    run = the_run(log(pgd, fgsm))
    assert [(event.kind, event.at) for event in run.events] == [("breakpoint", 8), ("recovery", 11), ("breakpoint", 17)]
    assert run.verdict == "catastrophic overfitting"
    recovered = the_run(log(pgd[:17], fgsm[:17]))
    assert recovered.verdict == "recovered"
    assert recovered.recoveries[0].at == 11


def test_less_than_four_fifths_is_no_recovery():
    pgd = [*wobbly(0.4, 10), *[0.02] * 4, *[0.31] * 6]
    run = the_run(log(pgd, [*wobbly(0.44, 10), *[0.8] * 10]))
    assert (run.verdict, len(run.recoveries)) == ("catastrophic overfitting", 0)


def test_a_slow_loss_lies_in_an_interval():
    pgd = [*wobbly(0.2, 10), 0.16, 0.12, 0.08, 0.04, *[0.01] * 6]
    (event,) = the_run(log(pgd, [*wobbly(0.22, 10), 0.22, 0.24, 0.24, 0.25, *[0.26] * 6])).events
    assert event.earliest <= 10
    assert 11 <= event.at <= 13
    assert event.at <= event.latest <= 14


def test_robust_overfitting_and_a_schedule_that_costs_all():
    falling = np.concatenate([np.linspace(0.3, 0.5, 30), np.linspace(0.5, 0.38, 50)]) + wobbly(0, 80)
    train = np.linspace(0.4, 0.9, 80)
    run = the_run(log(falling, train_acc=train))
    assert (run.verdict, run.confidence) == ("robust overfitting", "high")
    assert run.events[0].at == pytest.approx(30, abs=8)
    assert the_run(log(falling)).confidence == "moderate"  # nothing known of training points
    fitted_less = the_run(log(falling, clean=np.concatenate([np.linspace(0.5, 0.7, 30), np.linspace(0.7, 0.5, 50)])))
    assert (fitted_less.verdict, fitted_less.events[0].kind) == ("declined", "decline")


def test_runs_that_had_nothing_to_lose():
    constant = np.full(12, 0.1)
    assert the_run(log(constant, constant, constant)).verdict == "failed to train"
    assert the_run(log(wobbly(0.11, 12), clean=wobbly(0.18, 12)), classes=10).verdict == "failed to train"
    standard = the_run(log(np.full(12, 0.01), np.full(12, 0.1), np.full(12, 0.9)))
    assert standard.verdict == "not robust"
    assert "catastrophic overfitting came before the first row, or the network masks" in standard.reason
    chance = the_run(log(wobbly(0.12, 12), classes=10), classes=10)
    assert chance.verdict == "not robust"


def test_robustness_close_to_clean_accuracy_is_robustness():
    easy = log(wobbly(0.95, 12), wobbly(0.955, 12), wobbly(0.96, 12))
    assert diagnose_log(easy, points=100).runs[0].verdict == "robust"
    lost = log([*wobbly(0.95, 12), *wobbly(0.1, 6)], [*wobbly(0.955, 12), *wobbly(0.95, 6)], wobbly(0.96, 18))
    assert diagnose_log(lost, points=100).runs[0].breakpoints[0].at == 12


def test_divergence_is_no_breakpoint():
    flat = [0.1] * 5
    pgd = [*wobbly(0.4, 10), *flat]
    run = the_run(log(pgd, [*wobbly(0.44, 10), *flat], [*wobbly(0.7, 10), *flat]))
    assert (run.verdict, run.events[-1].kind, run.events[-1].at) == ("diverged", "divergence", 10)
    assert not run.breakpoints
    loss = the_run(log(wobbly(0.4, 12), train_loss=[*[1.0] * 9, *[np.nan] * 3]))
    assert (loss.verdict, loss.events[-1].at) == ("diverged", 9)
    sparse = the_run(log(wobbly(0.4, 12), train_loss=[1.0, np.nan] * 6))
    assert sparse.verdict == "robust"


def test_what_cannot_be_told_is_said():
    assert the_run(BROKEN.head(2)).verdict == "inconclusive"
    alone = diagnose_log(BROKEN[["epoch", "pgd"]], points=1000)
    assert alone.runs[0].verdict == "inconclusive"
    assert "neither FGSM nor clean accuracy" in alone.runs[0].reason
    blind = the_run(BROKEN.drop(columns="fgsm"))
    assert blind.verdict == "catastrophic overfitting"
    assert "FGSM accuracy is missing" in blind.events[0].reasons[1]
    slowly = log(np.linspace(0.4, 0.1, 40)).drop(columns="fgsm")
    assert not the_run(slowly).breakpoints  # robust overfitting may end so


def test_few_points_need_more_rows():
    pgd, fgsm = [*[0.1] * 10, *[0.02] * 6], [*[0.12] * 10, *[0.2] * 6]
    sure, unsure = (diagnose_log(log(pgd, fgsm), points=points).runs[0].events for points in (5000, 100))
    assert (sure[0].at, sure[0].confidence) == (10, "high")
    assert [event.confidence for event in unsure] == ["low"]
    assert "fewer than 30 points were right" in unsure[0].reasons[1]
    assert "rows together do" in unsure[0].reasons[2]
    assert not diagnose_log(log(pgd[:11], fgsm[:11]), points=100).runs[0].events


@pytest.mark.parametrize(
    ("choice", "state", "at"),
    [("best", "before the breakpoint", None), ("last", "after the breakpoint", 17), (9, "before the breakpoint", 9),
     ("10", "after the breakpoint", 10)],
)  # fmt: skip
def test_where_a_checkpoint_stands(choice, state, at):
    checkpoint = the_run(BROKEN, checkpoint=choice).checkpoint
    assert checkpoint.state == state
    assert at is None or checkpoint.row.at == at
    assert ("its robustness is lost" in checkpoint.sentence) == (state == "after the breakpoint")


def test_checkpoints_that_are_none():
    with pytest.raises(ConfigError, match=r"--checkpoint 40: the run has no row of that epoch; it has 0 to 17"):
        the_run(BROKEN, checkpoint=40)
    with pytest.raises(ConfigError, match="say best, last, or the time of a row"):
        the_run(BROKEN, checkpoint="worst")


def test_what_is_written_is_read_again():
    found = diagnose_log(BROKEN)
    assert LogDiagnosis.from_json(found.to_json()) == found
    with pytest.raises(DataError, match="schema version 99"):
        LogDiagnosis.from_json(found.to_json().replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(DataError, match="this is no diagnosis of a log"):
        LogDiagnosis.from_json("[1]")
    with pytest.raises(DataError, match="damaged: unit"):
        LogDiagnosis.from_json(found.to_json().replace('"unit"', '"unity"'))
    assert found.table().loc[0, ["verdict", "breakpoint"]].tolist() == ["catastrophic overfitting", 10.0]
    assert "catastrophic overfitting" in found._repr_html_()


def test_the_table_is_left_as_it_was():
    before = BROKEN.copy()
    diagnose_log(BROKEN)
    pd.testing.assert_frame_equal(BROKEN, before)
    assert diagnose_log(BROKEN.set_index("epoch")) == diagnose_log(BROKEN)
    with pytest.raises(ConfigError, match="give a table or the path of a log, not a list"):
        diagnose_log([0.1, 0.2])
    with pytest.raises(DataError, match="no row"):
        diagnose_log(BROKEN.head(0))
    with pytest.raises(DataError, match="several columns 'pgd'"):
        diagnose_log(pd.concat([BROKEN, BROKEN[["pgd"]]], axis=1))
    with pytest.raises(ConfigError, match="points"):
        diagnose_log(BROKEN, points=0.5)


HARD = log([*[0.16, 0.163, 0.158, 0.161, 0.159] * 5, *[0.005] * 15], [*[0.19] * 25, *[0.28] * 15], [0.45] * 40)
"""A break at 25 in a task of many classes."""


@pytest.mark.parametrize("classes", [None, 10, 100])
@pytest.mark.parametrize(
    "row", [{"clean": 0.115, "fgsm": 0.115, "pgd": 0.114}, {"clean": 0.0}, {"clean": 0.16}], ids=str
)
def test_one_odd_row_does_not_tell_chance(row, classes):
    table = HARD.copy()
    table.loc[5, list(row)] = list(row.values())
    assert [event.at for event in the_run(table, classes=classes).breakpoints] == [25]


@pytest.mark.parametrize(("classes", "best"), [(None, 0.102), (10, 0.1), (5, 0.25)])
def test_what_guessing_gives_is_nothing_to_lose(classes, best):
    guesses = log([0.1] * 6, [0.1] * 6, [0.1] * 6)
    table = pd.concat([guesses, log([best] * 10, [best + 0.01] * 10, [0.4] * 10)], ignore_index=True)
    run = the_run(table.assign(epoch=range(16)), classes=classes)
    assert run.verdict == "not robust"
    assert f"where guessing gives {1 / (classes or 10):.1%}" in run.reason


@pytest.mark.parametrize("classes", [None, 200])
@pytest.mark.parametrize("at", [5, 8])
def test_the_first_epochs_of_many_classes_are_robust_too(classes, at):
    """Clean accuracy is hardly above PGD accuracy there."""
    clean = np.array([0.02, 0.033, 0.046, 0.056, 0.067, 0.078, 0.085, 0.091])[:at]
    lost = [0.15] * 28
    table = log([*(0.88 * clean), *[0.004] * 28], [*(0.92 * clean), *[0.13] * 28], [*clean, *lost])
    run = the_run(table, classes=classes)
    assert (run.verdict, [event.at for event in run.breakpoints]) == ("catastrophic overfitting", [at])


@pytest.mark.parametrize("rows", [1, 3, 15])
def test_a_break_may_dent_the_other_accuracies(rows):
    table = HARD.copy()
    table.loc[25 : 24 + rows, ["clean", "fgsm"]] = [0.33, 0.085]
    for stop in (25 + rows, 40):
        assert [event.at for event in the_run(table.head(stop)).breakpoints] == [25]
    table.loc[25:, ["clean", "fgsm", "pgd"]] = [0.1, 0.03, 0.005]  # training went wrong, and no step is defeated
    assert not the_run(table).breakpoints


def robust_overfitting(rng, points=1000):
    """PGD accuracy halves over fifty epochs after a rate drop, while FGSM accuracy stays."""
    pgd = np.r_[np.full(50, 0.18), np.linspace(0.2, 0.1, 50)] * np.exp(rng.normal(0, 0.04, 100))
    fgsm = np.maximum(np.r_[np.full(50, 0.2), np.linspace(0.23, 0.2, 50)], pgd)
    drawn = [rng.binomial(points, share) / points for share in (pgd, fgsm)]
    return log(*drawn, clean=[0.6] * 100, train_accuracy=np.linspace(0.3, 0.8, 100))


def test_robust_overfitting_after_a_rate_drop_is_no_breakpoint():
    rng = np.random.default_rng(21)
    verdicts = [the_run(robust_overfitting(rng)).verdict for _ in range(60)]
    assert verdicts.count("robust overfitting") >= 59


@pytest.mark.parametrize("rows", [5, 10, 15])
def test_a_slow_loss_is_within_its_interval(rows):
    falls, rises = np.linspace(0.2, 0.01, rows + 1)[1:], np.linspace(0.23, 0.3, rows + 1)[1:]
    rest = 30 - rows
    table = log([*[0.2] * 30, *falls, *[0.01] * rest], [*[0.23] * 30, *rises, *[0.3] * rest], [0.45] * 60)
    (event,) = the_run(table).breakpoints
    assert event.earliest == 29
    assert 30 <= event.at <= 30 + rows / 2


def test_a_recovery_in_part_is_followed_by_another_break():
    pgd = [*[0.16] * 20, *[0.005] * 10, *[0.12] * 15, *[0.005] * 15]
    fgsm = [*[0.19] * 20, *[0.28] * 10, *[0.16] * 15, *[0.28] * 15]
    run = the_run(log(pgd, fgsm, [0.45] * 60))
    assert [(event.kind, event.at) for event in run.events] == [
        ("breakpoint", 20),
        ("recovery", 30),
        ("breakpoint", 45),
    ]
    ahead = the_run(log(pgd, [*fgsm[:30], *[0.28] * 30], [0.45] * 60))  # one step stays defeated
    assert [event.at for event in ahead.breakpoints] == [20]


def test_a_recovery_is_no_surer_than_its_break():
    table = log([*[0.4, 0.41] * 5, 0.05, *[0.4, 0.41] * 5], [*[0.44] * 10, 0.6, *[0.44] * 10])
    run = the_run(table)
    assert (run.verdict, run.confidence) == ("recovered", "moderate")
    assert "it lasted one row" in run.reason


@pytest.mark.parametrize("chance", [0.005, 0.01, 0.1])
@pytest.mark.parametrize("known", [True, False])
def test_what_never_learned_failed_to_train(chance, known):
    rng = np.random.default_rng(3)
    table = log(*(rng.binomial(1000, chance, 30) / 1000 for _ in range(3)))
    assert the_run(table, classes=round(1 / chance) if known else None).verdict == "failed to train"
