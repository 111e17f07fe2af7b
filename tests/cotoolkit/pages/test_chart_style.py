"""Charts have the colours of the static pictures."""

import seaborn as sns

from cotoolkit.pages.chart_style import COLOURS


def test_the_palette_is_that_of_seaborn():
    assert sns.color_palette("colorblind").as_hex() == COLOURS
