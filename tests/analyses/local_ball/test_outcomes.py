"""Thresholds and areas by hand."""

import numpy as np
import pytest

from analyses.local_ball.outcomes import area_between, escape_radius, height_above, predicted_right
from cotoolkit.core.errors import ConfigError

RHOS = [0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0]


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        ([0, 0, 0, 1, 1, 1, 1], 0.375),
        ([1, 1, 1, 1, 1, 1, 1], 0.025),
        ([0, 0, 0, 0, 0, 0, 0], np.inf),
        ([0, 0, 0, 1, 1, 1, 0], 0.375),  # one run on the wrong side
        ([0, 1, 0, 1, 1, 1, 1], (0.075 + 0.375) / 2),  # two thresholds are equally good
        ([0, 0, 0, 0, 0, 1, 0], np.inf),  # a threshold below 1 is wrong once, and so is none
        ([0, 0, 0, 1, 0, 1, 0], np.inf),
    ],
)
def test_escape_radius(escaped, expected):
    assert escape_radius(RHOS, [bool(one) for one in escaped]) == pytest.approx(expected)
    shuffled = [3, 0, 6, 1, 5, 2, 4]
    again = escape_radius([RHOS[i] for i in shuffled], [bool(escaped[i]) for i in shuffled])
    assert again == pytest.approx(expected)


def test_predicted_right():
    assert predicted_right([0.1, 0.5, 1.0], [False, True, True], 0.3) == 1
    assert predicted_right([0.1, 0.5, 1.0], [False, True, False], 0.3) == pytest.approx(2 / 3)
    assert predicted_right([0.1, 0.5], [True, True], 0.0) == 1


def test_areas_by_hand():
    assert area_between([1, 3], [0, 2], [1, 3], [1, 1]) == pytest.approx(0)
    assert area_between([3, 1], [2, 0], [2, 2.5], [0, 0]) == pytest.approx(
        1.25
    )  # heights 1 and 1.5; order is no matter
    assert np.isnan(area_between([1, 2], [0, 1], [3, 4], [0, 1]))
    assert area_between([1, 1, 2], [0, 1, 1], [1, 2], [0, 0]) == pytest.approx(1)  # the better of two of one cost


def test_a_single_shared_cost_has_no_area():
    assert np.isnan(area_between([1, 2], [0, 1], [2], [0.25]))  # ends where the other begins
    assert np.isnan(area_between([72, 96], [0, 1], [72], [0.4]))  # pgd-2 costs what LBT-M costs at m = 0
    assert np.isnan(area_between([1, 3], [0, 2], [2, 2], [0.25, 0.5]))
    assert np.isnan(area_between([1], [0], [1], [1]))
    assert height_above([1, 3], [0, 2], 2, 0.25) == pytest.approx(0.75)
    assert height_above([3, 1, 1], [2, 0, 1], 1, 0.25) == pytest.approx(0.75)
    assert np.isnan(height_above([1, 3], [0, 2], 3.5, 0))


def test_curves_without_points_are_refused():
    for curves in (([], [], [1, 2], [0, 0]), ([1, 2], [0, 0], [], [])):
        with pytest.raises(ConfigError, match="a curve without points"):
            area_between(*curves)
    with pytest.raises(ConfigError, match="a curve without points"):
        height_above([], [], 1, 0)
