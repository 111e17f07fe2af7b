"""What the pictures of a comparison draw, and where."""

import matplotlib as mpl
import pytest

from analyses.method_comparison.outcomes import method_summary
from analyses.method_comparison.page.plots import (
    FAMILIES,
    breakpoint_times,
    methods_in_order,
    overfitting_shares,
    robustness_against_cost,
)
from cotoolkit.plotting.style import PAPER_STYLE
from tests._helpers.made_comparison import made_outcomes


@pytest.fixture
def outcomes():
    return made_outcomes({"standard": 0, "fgsm": 4, "n_fgsm": 0, "pgd": 1}, seeds=4, groups=("a", "b"))


def test_methods_of_equal_cost_stand_in_rows_with_their_seeds(outcomes):
    summary = method_summary(outcomes)
    with mpl.rc_context(PAPER_STYLE):
        figure = robustness_against_cost(outcomes, summary)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["a", "b"]
    named = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    units = summary.set_index("method")["units"].to_dict()
    assert named == [f"{method}, {units[method]:.3g}" for method in methods_in_order(summary)]
    for row in summary[summary["group"] == "a"].to_dict("records"):
        height = methods_in_order(summary).index(row["method"])
        marks = [line for line in figure.axes[0].lines if set(line.get_ydata()) == {height}]
        means = [mark.get_xdata()[0] for mark in marks if len(mark.get_xdata()) == 1]
        assert set(means) == {row["last_robust"], row["best_robust"]}
        (seeds,) = [line for line in figure.axes[0].lines if set(line.get_ydata()) == {height + 0.3}]
        assert len(seeds.get_xdata()) == 4


def test_rows_are_methods_by_cost_and_counts_stand_beside(outcomes):
    summary = method_summary(outcomes)
    assert methods_in_order(summary) == ["standard", "fgsm", "n_fgsm", "pgd"]
    figure = overfitting_shares(summary)
    assert [text.get_text() for text in figure.axes[0].texts] == ["0/4", "4/4", "0/4", "1/4"]
    marks = breakpoint_times(outcomes, summary).axes[0].lines
    broke = [mark for mark in marks if mark.get_marker() == "X"]
    assert sorted((*mark.get_ydata(), *mark.get_xdata()) for mark in broke) == [(1, 0.5)] * 4 + [(3, 0.5)]
    assert len(marks) - len(broke) == 11
    # A colour is that of a method's family, as in the picture of costs.
    families = summary.set_index("method")["family"].to_dict()
    for mark in marks:
        method = methods_in_order(summary)[int(mark.get_ydata()[0])]
        assert mark.get_color() == FAMILIES[families[method]][0]
