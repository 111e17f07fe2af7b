import math

import pytest

from analyses.early_warning.scoring.engine_dates import Dates, engine_dates, score_dating
from analyses.early_warning.tables import dating_table
from tests._helpers.made_recordings import breaks_at, run, surge


@pytest.mark.parametrize("at", [70, 133, 201, 250])
def test_the_engine_dates_a_recorded_break_to_the_iteration(at):
    found = engine_dates(run(pgd=breaks_at(at)))
    assert (found.first, found.sustained) == (at, at)
    assert found.earliest <= at <= found.latest
    assert found.detected >= at


def test_a_warning_is_followed_by_a_probe():
    early = engine_dates(run(pgd=breaks_at(133), abnormal_example=surge(133)))
    assert (early.first, early.detected) == (133, 136)


def test_between_probes_the_last_one_stands():
    one = run(pgd=breaks_at(133))
    one.recording.trace.loc[one.recording.trace["iteration"] % 16 != 0, "probe_pgd"] = math.nan
    found = engine_dates(one)
    assert (found.first, found.sustained) == (144, 144)


def test_without_a_break_there_are_no_dates():
    assert engine_dates(run()) is None


def test_the_dating_by_hand():
    # The truth's crossings are 190 and 200.
    dates = [
        Dates(190, 200, 185, 205, 240),  # right
        Dates(193, 199, 192, 200, 240),  # 3 late, 1 early; the interval covers the lasting one alone
        Dates(186, 202, 184, 198, 240),  # 4 early, 2 late; it covers the first one alone
        Dates(100, 101, 95, 110, 112),  # another break
        None,
        Dates(1, 2, 1, 2, 3),
    ]
    broken = [run(pgd=lambda i: 0.0 if i in (190, 195) or i >= 200 else 0.5) for _ in range(5)]
    runs = [*broken, run()]
    first, sustained = score_dating(runs, dates)
    assert (first.date, sustained.date) == ("first", "sustained")
    for found, error, size, ninety, covered in (
        (first, -2, 3.5, 4 + 0.7 * 86, 2 / 4),  # errors 0, 3, -4, -90
        (sustained, -0.5, 1.5, 2 + 0.7 * 97, 2 / 4),  # 0, -1, 2, -99
    ):
        assert (found.runs, found.dated.value) == (5, pytest.approx(4 / 5))
        assert (found.error.value, found.size.value) == (error, size)
        assert found.size_ninety.value == pytest.approx(ninety)
        assert found.size.low <= size <= found.size.high
        assert found.covered.value == pytest.approx(covered)
    table = dating_table(runs, dates).set_index("date")
    assert table.loc["sustained", "error_size_90"] == pytest.approx(2 + 0.7 * 97)


def test_the_nearest_break_is_meant():
    twice = run(pgd=lambda i: 0.0 if 50 <= i < 80 or i >= 200 else 0.5)
    first, sustained = score_dating([twice], [Dates(203, 203, 199, 204, 240)])
    assert (first.error.value, sustained.error.value) == (3, 3)


def test_no_date_is_nan():
    first, _ = score_dating([run(pgd=breaks_at(200)), run()], [None, None])
    assert (first.runs, first.dated.value) == (1, 0)
    assert math.isnan(first.error.value)
    assert math.isnan(first.covered.low)
