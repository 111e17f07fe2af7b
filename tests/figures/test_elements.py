import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figures.elements import SHARES, interval_within, percent, seed_band, seed_points, seed_times


@pytest.mark.parametrize("top", [0.16, 0.011, 1.03])
def test_ticks_of_shares_say_where_they_stand(top):
    axis = Figure().subplots()
    axis.set_ylim(0, top)
    percent(axis)
    places = axis.get_yticks()
    assert [float(text) for text in axis.yaxis.get_major_formatter().format_ticks(places)] == pytest.approx(
        100 * places
    )


def test_intervals_of_accuracies_stay_where_accuracies_can_be():
    low, high = interval_within([0.9] * 9 + [0.1], *SHARES)
    assert 0 < low < 0.82 < high < 1
    low, high = interval_within([0.5, 0.501, 0.499, 0.5, 0.5], *SHARES)  # narrow ones are Student's
    assert (low, high) == pytest.approx(interval_within([0.5, 0.501, 0.499, 0.5, 0.5], -np.inf, np.inf), abs=1e-6)
    assert interval_within([1.0] * 6, *SHARES) == (1.0, 1.0)


def test_below_five_seeds_there_are_points_alone():
    for values, lines in (([0.1, 0.2, 0.3], 1), ([0.1, 0.2, 0.3, 0.4, 0.5], 3)):
        axis = Figure().subplots()
        seed_points(axis, 0, values, "black", within=SHARES)
        assert len(axis.lines) == lines
        assert list(axis.lines[0].get_ydata()) == values


def test_times_of_runs_without_a_break_are_hollow_and_have_no_mean():
    axis = Figure().subplots()
    seed_times(axis, 0, [3, 5, 9], [True, True, False], "red")
    assert [(*line.get_ydata(), line.get_mfc()) for line in axis.lines] == [(3, "red"), (5, "red"), (9, "none")]


def test_a_band_shows_its_seeds_where_it_is_told_to():
    data = pd.DataFrame({"x": [0, 0, 1, 1], "y": [0.0, 1.0, 0.0, 1.0]})
    axis = Figure().subplots()
    seed_band(axis, data, "x", "y", colour="red", dots=True)
    assert [list(line.get_ydata()) for line in axis.lines] == [[0.5, 0.5], [0.0, 1.0, 0.0, 1.0]]
