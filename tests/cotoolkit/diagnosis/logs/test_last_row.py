"""Logs that end where robustness is lost, logs without FGSM accuracy, and logs that lack or have other columns."""

import numpy as np
import pytest

from cotoolkit import diagnose_log
from cotoolkit.core.errors import ConfigError
from tests._helpers.written_logs import log, the_run, wobbly

BROKEN = log([*wobbly(0.4, 10), *wobbly(0.02, 8)], [*wobbly(0.44, 10), *wobbly(0.6, 8)])


def overfitting_robustly(level=0.24, rows=40):
    """PGD accuracy that goes slowly down by a quarter after fifteen rows."""
    slow = np.concatenate([np.ones(15), np.linspace(1, 0.75, rows - 15)])
    return level * slow * np.exp(0.01 * np.random.default_rng(5).standard_normal(rows))


@pytest.mark.parametrize("known", [True, False], ids=["FGSM known", "FGSM unknown"])
def test_a_breakpoint_in_the_last_row_is_seen_after_robust_overfitting(known):
    pgd = np.append(overfitting_robustly(), 0.002)
    fgsm = np.append(1.25 * pgd[:-1], 0.28) if known else None
    run = the_run(log(pgd, fgsm, clean=np.full(41, 0.55)).drop(columns=[] if known else "fgsm"))
    assert (run.verdict, run.breakpoints[0].at) == ("catastrophic overfitting", 40)


def test_one_low_row_after_robust_overfitting_is_no_breakpoint_without_fgsm():
    pgd = overfitting_robustly()
    pgd[30] *= 0.6
    assert not the_run(log(pgd).drop(columns="fgsm")).breakpoints


@pytest.mark.parametrize("clean", [0.52, 0.4])
def test_without_fgsm_a_whole_loss_may_dent_clean_accuracy(clean):
    table = log([*wobbly(0.4, 12), 0.006], clean=[*wobbly(0.75, 12), clean]).drop(columns="fgsm")
    assert the_run(table).breakpoints[0].at == 12


def test_a_low_last_row_is_said_where_it_decides_nothing():
    table = log([*wobbly(0.4, 12), 0.15], clean=[*wobbly(0.75, 12), 0.4]).drop(columns="fgsm")
    run = the_run(table)
    assert run.verdict == "robust"
    assert "the last row has 37% of it; one row more would tell" in run.reason


@pytest.mark.parametrize("rows", [1, 2])
def test_of_too_few_rows_nothing_is_said_at_all(rows):
    run = the_run(log([0.4, 0.01][:rows], [0.45, 0.8][:rows], clean=[0.8, 0.8][:rows]))
    assert (run.verdict, run.confidence, run.events) == ("inconclusive", "low", ())
    assert run.reason == ("1 row with a PGD accuracy says" if rows == 1 else "2 rows with a PGD accuracy say") + (
        " nothing about a training run"
    )
    assert "cannot be told" in run.checkpoint.sentence


def test_rows_without_a_time_count_as_they_come():
    found = diagnose_log(BROKEN.drop(columns="epoch"), points=1000)
    assert (found.unit, found.runs[0].breakpoints[0].at) == ("row", 11)
    assert "rows count as they come" in " ".join(found.notes)


@pytest.mark.parametrize("name", ["pgd_asr", "attack_success_rate", "pgd_fooling_rate"])
def test_how_often_an_attack_succeeds_is_no_accuracy(name):
    table = BROKEN.assign(**{name: 1 - BROKEN["pgd"]}).drop(columns="pgd")
    with pytest.raises(ConfigError, match=f"{name}: how often an attack succeeds is no accuracy"):
        diagnose_log(table)
    with pytest.raises(ConfigError, match=f"column {name} counts how often an attack succeeds"):
        diagnose_log(table, pgd=name)
