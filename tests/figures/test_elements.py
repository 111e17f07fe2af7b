import pytest
from matplotlib.figure import Figure

from figures.elements import percent


@pytest.mark.parametrize("top", [0.16, 0.011, 1.03])
def test_ticks_of_shares_say_where_they_stand(top):
    axis = Figure().subplots()
    axis.set_ylim(0, top)
    percent(axis)
    places = axis.get_yticks()
    assert [float(text) for text in axis.yaxis.get_major_formatter().format_ticks(places)] == pytest.approx(
        100 * places
    )
