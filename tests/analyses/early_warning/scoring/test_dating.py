import math

import pytest

from analyses.early_warning.scoring.dating import score_dating
from analyses.early_warning.scoring.simulation import Dates
from tests._helpers.made_recordings import breaks_at, run


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


def test_the_nearest_break_is_meant():
    twice = run(pgd=lambda i: 0.0 if 50 <= i < 80 or i >= 200 else 0.5)
    first, sustained = score_dating([twice], [Dates(203, 203, 199, 204, 240)])
    assert (first.error.value, sustained.error.value) == (3, 3)


def test_no_date_is_nan():
    first, _ = score_dating([run(pgd=breaks_at(200)), run()], [None, None])
    assert (first.runs, first.dated.value) == (1, 0)
    assert math.isnan(first.error.value)
    assert math.isnan(first.covered.low)
