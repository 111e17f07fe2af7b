"""Error rates on logs of trainings that never were, at accuracies, points and schedules of all kinds.

`python benchmarks/log_errors.py` counts them on more logs, and docs/diagnose_log.md states them.
"""

import numpy as np
import pytest

from cotoolkit.diagnosis.logs.breaks import find_breaks
from cotoolkit.diagnosis.logs.reading.courses import Course
from tests._helpers.made_logs import SCHEDULES, broken_log, healthy_log

LEAST = 30
"""Right points under PGD below which one row is no evidence."""


def found_in(made, points):
    columns = (made.table[name].to_numpy(dtype=float) for name in ("epoch", "pgd", "fgsm", "clean"))
    return find_breaks(Course({}, *columns), points, None)


@pytest.mark.parametrize("known", [True, False], ids=["points known", "points unknown"])
def test_healthy_runs_are_not_called(known):
    rng = np.random.default_rng(11)
    made = [healthy_log(rng, schedule=SCHEDULES[run % len(SCHEDULES)]) for run in range(250)]
    called = [one.says for one in made if found_in(one, one.points if known else None)]
    assert len(called) <= 1, called


@pytest.mark.parametrize("early", [False, True], ids=["later", "in the first rows"])
def test_losses_are_found_and_dated(early):
    rng = np.random.default_rng(12)
    made = [broken_log(rng, early=early, partial=False) for _ in range(150)]
    made = [one for one in made if one.pgd * one.points >= LEAST]
    found = [found_in(one, one.points) for one in made]
    missed = [one.says for one, breaks in zip(made, found, strict=True) if not breaks]
    late = [
        one.says
        for one, breaks in zip(made, found, strict=True)
        if breaks and min(abs(each.row - one.breaks[0]) for each in breaks) > 1
    ]
    assert len(made) > 100
    assert len(missed) <= (4 if early else 1), missed
    assert len(late) <= 4, late


def test_recoveries_within_ten_rows_are_seen():
    rng = np.random.default_rng(13)
    made = [broken_log(rng, partial=False, early=False, recovers=True, points=1000) for _ in range(80)]
    made = [one for one in made if one.recovery is not None and one.pgd >= 0.1]
    right = [
        any(each.end is not None and abs(each.end - one.recovery) <= 1 for each in found_in(one, 1000)) for one in made
    ]
    assert len(made) > 40
    assert np.mean(right) >= 0.9


def test_partial_losses_are_mostly_found():
    rng = np.random.default_rng(14)
    made = [broken_log(rng, partial=True, early=False, recovers=False, points=2000) for _ in range(80)]
    assert np.mean([bool(found_in(one, 2000)) for one in made]) >= 0.95
