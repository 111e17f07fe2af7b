"""Columns that were exchanged are refused, or doubted."""

import numpy as np
import pandas as pd
import pytest

from cotoolkit import diagnose_log
from cotoolkit.core.errors import ConfigError, DataError
from tests._helpers.made_logs import broken_log, healthy_log

RNG = np.random.default_rng(4)
HEALTHY = healthy_log(RNG, points=1000, overfits=False, averaged=False).table
BROKEN = broken_log(RNG, points=1000, rows=40, partial=False, slow=False, early=False, recovers=False).table
KINDS = {"healthy": HEALTHY, "broken": BROKEN}

ONE_FOR_TWO = [
    ({"pgd": "clean", "clean": "clean"}, "column clean is named for pgd and for clean"),
    ({"fgsm": "pgd", "pgd": "pgd"}, "column pgd is named for pgd and for fgsm"),
    ({"time": "pgd", "pgd": "pgd"}, "column pgd is named for pgd and for time"),
    ({"pgd": "pgd", "run": "pgd"}, "column pgd is named for run and for pgd"),
]


@pytest.mark.parametrize(("named", "message"), ONE_FOR_TWO)
def test_one_column_for_two_parts(named, message):
    with pytest.raises(ConfigError, match=message):
        diagnose_log(HEALTHY, **named)


def test_a_named_column_is_guessed_for_nothing_else():
    with pytest.raises(DataError, match=r"clean \(taken for pgd\) is above fgsm \(taken for fgsm\) in"):
        diagnose_log(HEALTHY, pgd="clean")
    with pytest.raises(ConfigError, match="no column of PGD accuracy"):
        diagnose_log(HEALTHY, fgsm="pgd")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [1, 100])
@pytest.mark.parametrize(
    "named", [{"pgd": "fgsm", "fgsm": "pgd"}, {"pgd": "clean", "clean": "pgd"}, {"pgd": "clean", "fgsm": "none"}]
)
def test_exchanged_columns_are_refused(kind, factor, named):
    table = KINDS[kind].copy()
    table[["clean", "fgsm", "pgd"]] *= factor
    if named.get("fgsm") == "none":
        named = {**named, "clean": "pgd"}
    with pytest.raises(DataError, match="were the columns exchanged") as error:
        diagnose_log(table, **named)
    assert "\n" not in str(error.value)


def test_fgsm_above_clean_is_a_doubt():
    found = diagnose_log(HEALTHY, fgsm="clean", clean="fgsm")
    assert any(note.startswith("doubtful: clean (taken for fgsm) is above fgsm") for note in found.notes)
    assert not any("doubtful" in note for table in KINDS.values() for note in diagnose_log(table).notes)


def test_one_odd_run_among_many_is_a_doubt():
    odd = HEALTHY.rename(columns={"fgsm": "pgd", "pgd": "fgsm"})
    table = pd.concat([HEALTHY.assign(seed=0), HEALTHY.assign(seed=1), HEALTHY.assign(seed=2), odd.assign(seed=3)])
    found = diagnose_log(table)
    assert [note for note in found.notes if note.startswith("doubtful: pgd") and "most rows of 3;" in note]


def test_noise_is_no_exchange():
    rng = np.random.default_rng(0)
    same = rng.binomial(200, 0.4, (2, 60)) / 200
    table = pd.DataFrame({"epoch": range(60), "clean": 0.8, "fgsm": same[0], "pgd": same[1]})
    assert not any("doubtful" in note for note in diagnose_log(table, points=200).notes)
