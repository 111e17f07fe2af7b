"""From rows to courses: units, gaps, order, repetitions, errors, several runs."""

import numpy as np
import pandas as pd
import pytest

from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.diagnosis.logs.reading.columns import find_columns
from cotoolkit.diagnosis.logs.reading.courses import courses_of
from cotoolkit.diagnosis.logs.reading.grid import grid_of

ROWS = pd.DataFrame(
    {
        "epoch": [0, 1, 2, 3],
        "clean": [0.3, 0.5, 0.6, 0.7],
        "fgsm": [0.2, 0.3, 0.35, 0.4],
        "pgd": [0.19, 0.28, 0.3, 0.33],
    }
)


def one(table, unit="auto", **named):
    runs, notes = courses_of(table, find_columns(table, named), unit)
    assert len(runs) == 1
    return runs[0], " | ".join((*notes, *runs[0].notes))


def test_percent_is_seen_by_the_whole_column():
    percent = ROWS.assign(**{name: 100 * ROWS[name] for name in ("clean", "fgsm", "pgd")})
    course, notes = one(percent)
    assert course.pgd == pytest.approx(ROWS["pgd"])
    assert "accuracies are in percent (the largest value is 70)" in notes
    assert "in shares of 1 (the largest value is 0.7)" in one(ROWS)[1]


def test_units_that_do_not_look_alike_are_asked_for():
    mixed = ROWS.assign(clean=100 * ROWS["clean"])
    both = r"clean \(at most 70\) is percent, and fgsm \(at most 0.4\), pgd \(at most 0.33\) may be either"
    with pytest.raises(DataError, match=both):
        one(mixed)
    assert one(mixed, unit="percent")[0].pgd == pytest.approx(ROWS["pgd"] / 100)
    with pytest.raises(DataError, match="clean is 30 in row 0: no accuracy in shares; mend the log or say percent"):
        one(mixed, unit="shares")


def test_errors_are_turned_round():
    course, notes = one(ROWS.assign(pgd_error=1 - ROWS["pgd"]).drop(columns="pgd"))
    assert course.pgd == pytest.approx(ROWS["pgd"])
    assert "pgd_error is an error rate" in notes


def test_order_gaps_and_what_was_not_measured():
    table = pd.DataFrame({
        "epoch": [3, 0, 1, 2], "clean": ["70 %", "30%", "", "60"], "fgsm": [40, 20, None, 35], "pgd": [33, 19, -1, 30],
    })  # fmt: skip
    course, notes = one(table)
    assert course.times.tolist() == [0, 2, 3]
    assert course.pgd == pytest.approx([0.19, 0.3, 0.33])
    assert course.clean == pytest.approx([0.3, 0.6, 0.7])
    for said in ("pgd is -1 in 1 rows", "rows were sorted by epoch", "1 of 4 rows have no PGD accuracy"):
        assert said in notes


def test_fgsm_accuracy_of_some_rows_is_that_of_the_nearest_later_one():
    course, notes = one(ROWS.assign(fgsm=[0.2, np.nan, 0.35, np.nan]))
    assert course.fgsm == pytest.approx([0.2, 0.35, 0.35, 0.35])
    assert "fgsm accuracy is missing in 2 rows" in notes


def test_rows_of_one_epoch_complete_each_other_and_the_later_one_stands():
    apart = pd.concat([ROWS[["epoch", "clean"]], ROWS[["epoch", "fgsm", "pgd"]]])
    course, notes = one(apart)
    assert (len(course), course.clean.tolist()) == (4, ROWS["clean"].tolist())
    assert "rows complete or repeat others" in notes
    resumed = pd.concat([ROWS, ROWS.iloc[[2]].assign(pgd=0.25)])
    course, notes = one(resumed)
    assert course.pgd.tolist() == [0.19, 0.28, 0.25, 0.33]
    assert "1 values of epoch occur more than once and differ: the later row stands" in notes


def test_several_runs_in_one_table():
    two = pd.concat([ROWS.assign(seed=0, colour="red"), ROWS.assign(seed=1, colour="blue", pgd=0.1)])
    runs, _ = courses_of(two, find_columns(two, {}))
    assert [run.key for run in runs] == [{"seed": 0}, {"seed": 1}]
    assert runs[1].pgd.tolist() == [0.1] * 4
    nameless = two.drop(columns="seed").sort_values("epoch", kind="stable")
    with pytest.raises(
        DataError, match=r"the table has several runs: name the column .* --run; it may be one of: colour"
    ):
        courses_of(nameless, find_columns(nameless, {}))
    runs, _ = courses_of(nameless, find_columns(nameless, {}, ["colour"]))
    assert [run.name for run in runs] == ["red", "blue"]


def test_a_script_that_began_again_wrote_two_runs():
    begun = pd.concat([ROWS.iloc[:3], ROWS.assign(pgd=ROWS["pgd"] / 2)]).set_axis([f"line {n}" for n in range(2, 9)])
    runs, notes = courses_of(begun, find_columns(begun, {}))
    assert [run.key for run in runs] == [{"rows": "line 2 to line 4"}, {"rows": "line 5 to line 8"}]
    assert runs[1].pgd == pytest.approx(ROWS["pgd"] / 2)
    assert "epoch begins again with other accuracies: 2 runs, one after the other" in notes


@pytest.mark.parametrize("step", ["iteration", "batch"])
def test_a_time_within_the_epoch_completes_it(step):
    table = pd.DataFrame({"epoch": [0, 0, 1, 1], step: [0, 50, 0, 50], "pgd": [0.1, 0.2, 0.25, 0.3]})
    (course,), _ = courses_of(table, find_columns(table, {}))
    assert course.times.tolist() == [0, 0.5, 1, 1.5]
    assert f"epoch and {step} together are the time" in course.notes


@pytest.mark.parametrize("name", ["batch_size", "fold", "step_size"])
def test_what_tells_runs_apart_is_no_time_within_the_epoch(name):
    table = pd.DataFrame({"epoch": [0, 0, 1, 1], name: [1, 2, 1, 2], "pgd": [0.1, 0.2, 0.25, 0.3]})
    with pytest.raises(DataError, match=f"name the column that tells them apart with --run; it may be one of: {name}"):
        courses_of(table, find_columns(table, {}))


def test_rows_that_complete_each_other_stay_together():
    table = pd.DataFrame({
        "epoch": [0, 0, 1, 1, 2, 2], "batch": [1, 50] * 3, "clean": [0.5, None, 0.6, None, 0.6, None],
        "pgd": [None, 0.1, None, 0.2, None, 0.3],
    })  # fmt: skip
    (course,), _ = courses_of(table, find_columns(table, {}))
    assert course.times.tolist() == [0, 1, 2]
    assert course.clean.tolist() == [0.5, 0.6, 0.6]


@pytest.mark.parametrize("constant", ["epochs", "total_steps", "warmup_epochs"])
def test_a_setting_is_no_time(constant):
    runs = pd.concat([ROWS.assign(seed=seed) for seed in (0, 1)]).assign(**{constant: 30})
    assert find_columns(runs, {}).time == "epoch"


def test_rows_of_other_words_have_no_time():
    table = ROWS.astype({"epoch": str})
    more = pd.concat([table, table.assign(epoch=[f"swa {number}" for number in table["epoch"]], pgd=0.5)])
    course, _ = one(more)
    assert course.pgd == pytest.approx(ROWS["pgd"])


def test_short_parts_are_no_runs():
    one_more = pd.concat([ROWS, ROWS.iloc[[0]].assign(pgd=0.9)]).reset_index(drop=True)
    course, _ = one(one_more)
    assert len(course) == 4


def test_numbers_as_people_write_them():
    table = pd.DataFrame({
        "epoch": ["ep01", "ep02", "ep03"], "clean": ["45/64", "48/64", "50/64"], "fgsm": ["tensor(0.4)"] * 3,
        "pgd": ["0.31 ± 0.02", "0.32 +/- 0.01", "0.33±.01"], "step": ["1,170", "2,340", "3,510"],
    })  # fmt: skip
    course, _ = one(table.drop(columns="step"))
    assert course.times.tolist() == [1, 2, 3]
    assert course.clean == pytest.approx([45 / 64, 48 / 64, 50 / 64])
    assert course.fgsm == pytest.approx([0.4] * 3)
    assert course.pgd == pytest.approx([0.31, 0.32, 0.33])
    assert one(table.drop(columns="epoch"))[0].times.tolist() == [1170, 2340, 3510]


def test_a_column_of_words_is_refused():
    with pytest.raises(DataError, match="column 'pgd' is no column of numbers: its first value is 'good'"):
        one(ROWS.assign(pgd=["good", "bad", "worse", "0.1"]))
    with pytest.raises(ConfigError, match="no column of PGD accuracy with values among epoch, clean, fgsm, pgd"):
        one(ROWS.assign(pgd=np.nan))
    with pytest.raises(DataError, match="column 'pgd' has no number"):
        one(ROWS.assign(pgd="nan"))


@pytest.mark.parametrize("points", [64, 200, 256, 1000, 1280])
def test_the_grid_of_counts(points):
    rng = np.random.default_rng(points)
    shares = rng.integers(0, points, 60) / points
    assert grid_of(shares) == points
    assert grid_of(shares.round(5)) == points
    assert grid_of(rng.random(60)) is None
    assert grid_of(rng.random(60).round(4)) == 10_000
