"""Units column by column, and what is no accuracy."""

import numpy as np
import pandas as pd
import pytest

from cotoolkit import diagnose_log
from cotoolkit.core.errors import ConfigError, DataError

ROWS = 20
SHARES = pd.DataFrame({
    "epoch": range(ROWS),
    "clean": np.linspace(0.311, 0.806, ROWS).round(3),
    "fgsm": np.linspace(0.213, 0.457, ROWS).round(3),
    "pgd": np.linspace(0.201, 0.433, ROWS).round(3),
})  # fmt: skip


def percent(table, *parts):
    return table.assign(**{part: (100 * table[part]).round(4) for part in parts})


def best(table, unit="auto"):
    found = diagnose_log(table, unit=unit, points=1000)
    return found.runs[0].best.row, found.notes


@pytest.mark.parametrize("parts", [("clean",), ("fgsm",), ("pgd",), ("clean", "fgsm"), ("fgsm", "pgd")])
def test_each_column_has_its_unit_where_the_digits_tell(parts):
    row, notes = best(percent(SHARES, *parts))
    assert (row.clean.value, row.fgsm.value, row.pgd.value) == pytest.approx((0.806, 0.457, 0.433))
    assert any("accuracies differ in their unit" in note for note in notes)


def test_two_digits_may_be_either_and_the_answer_is_given_by_column():
    mixed = percent(SHARES.round(2), "clean")
    with pytest.raises(DataError, match="say --unit fgsm=shares,pgd=shares or, where it is percent below 1, percent"):
        best(mixed)
    with pytest.raises(DataError, match="say --unit pgd=shares or"):
        best(mixed, "fgsm=shares")
    assert best(mixed, "fgsm=shares,pgd=shares")[0].pgd.value == pytest.approx(0.43)
    assert best(mixed, "shares,clean=percent")[0].pgd.value == pytest.approx(0.43)
    assert best(mixed, "percent")[0].pgd.value == pytest.approx(0.0043)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("miles", "'miles' is not one of auto, percent, shares"),
        ("train=percent", "'train' is not one of clean, fgsm, pgd"),
        ("pgd=", "'' is not one of auto"),
        ("", "'' is not one of auto"),
    ],
)
def test_units_that_are_none(unit, message):
    with pytest.raises(ConfigError, match=message):
        best(SHARES, unit)


WRONG = [
    (
        -0.2,
        "pgd is -0.2 in line 7: an accuracy is never below 0 (-1 stands for not measured); mend the log, "
        "or name another column",
    ),
    (140, "pgd is 140 in line 7: no accuracy in percent exceeds 100; mend the log"),
]


def test_negative_numbers_beside_percent_are_asked_for_no_unit():
    table = percent(SHARES, "clean", "fgsm").assign(pgd=-40.0)
    with pytest.raises(DataError, match="pgd is -40 in row 0: an accuracy is never below 0"):
        diagnose_log(table)


@pytest.mark.parametrize(("value", "message"), WRONG)
@pytest.mark.parametrize("above", ["", "\n\n"])
def test_what_is_no_accuracy_is_named_by_its_line(tmp_path, value, message, above):
    table = SHARES.copy()
    table.loc[5, "pgd"] = value
    (tmp_path / "log.csv").write_text(above + table.to_csv(index=False))
    unit = "auto" if value < 0 else "percent"
    with pytest.raises(DataError) as error:
        diagnose_log(tmp_path / "log.csv", unit=unit)
    assert str(error.value) == message.replace("line 7", f"line {7 + len(above)}")
    (tmp_path / "log.jsonl").write_text(table.to_json(orient="records", lines=True))
    with pytest.raises(DataError, match="in line 6:"):
        diagnose_log(tmp_path / "log.jsonl", unit=unit)
    table.to_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match="in record 6:"):
        diagnose_log(tmp_path / "log.parquet", unit=unit)
    with pytest.raises(DataError, match="in row 5:"):
        diagnose_log(table, unit=unit)


@pytest.mark.parametrize("fewer", [0, 3])
def test_runs_may_differ_in_their_unit(fewer):
    in_percent = percent(SHARES, "clean", "fgsm", "pgd").assign(run="b")
    both = pd.concat([SHARES.assign(run="a", clean=0.8), in_percent.tail(ROWS - fewer)])  # the index repeats itself
    found = diagnose_log(both, points=1000)
    assert [run.best.row.pgd.value for run in found.runs] == pytest.approx([0.433, 0.433])
    assert "a: accuracies are in shares of 1, and those of others in percent" in found.notes


def test_a_run_that_changes_its_unit_is_refused():
    table = percent(SHARES, "clean", "fgsm", "pgd")
    table.loc[12:] = SHARES.loc[12:]
    with pytest.raises(
        DataError, match="8 rows seem to be in shares of 1 and 12 in percent, the first of them in row 12"
    ):
        best(table)
    diverged = percent(SHARES, "clean", "fgsm", "pgd")
    diverged.loc[15:, ["clean", "fgsm", "pgd"]] = 1.0  # that of guessing, in a hundred classes
    assert diagnose_log(diverged, points=1000).runs[0].verdict == "diverged"


def test_percent_signs_among_shares():
    table = SHARES.astype({"pgd": object})
    table.loc[19, "pgd"] = "43.3%"
    table.loc[18, "pgd"] = "0.80 %"
    found = diagnose_log(table, points=1000).runs[0]
    assert found.best.row.pgd.value == pytest.approx(0.433)
    assert found.rows == ROWS
