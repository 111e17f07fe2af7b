"""Where names stand in the picture of robustness against cost, and what it draws."""

import matplotlib as mpl
import numpy as np
import pytest

from analyses.method_comparison.outcomes import method_summary
from analyses.method_comparison.page.plots import (
    FAMILIES,
    breakpoint_times,
    methods_in_order,
    overfitting_shares,
    robustness_against_cost,
    spread,
)
from cotoolkit.plotting.style import PAPER_STYLE
from tests._helpers.made_comparison import made_outcomes


@pytest.fixture
def outcomes():
    return made_outcomes({"standard": 0, "fgsm": 4, "n_fgsm": 0, "pgd": 1}, seeds=4, groups=("a", "b"))


def test_names_keep_their_order_and_distance():
    assert spread([], 0.1, 0, 1) == []
    assert spread([0.2, 0.6], 0.1, 0, 1) == [0.2, 0.6]
    assert spread([0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.45, 0.55])
    assert spread([0.0, 0.0, 0.0], 0.1, 0, 1) == pytest.approx([0.0, 0.1, 0.2])
    assert spread([1.0, 1.0], 0.1, 0, 1) == pytest.approx([0.9, 1.0])
    many = spread(sorted(np.random.default_rng(0).random(30)), 0.05, 0, 1)
    assert np.diff(many).min() >= 0.05 - 1e-9
    assert max(many) == pytest.approx(1.0)


def test_each_method_is_drawn_at_its_cost_with_its_last_and_its_best_network(outcomes):
    summary = method_summary(outcomes)
    with mpl.rc_context(PAPER_STYLE):
        figure = robustness_against_cost(summary)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["a", "b"]
    drawn = [
        tuple(float(data[0]) for data in line.get_data()) for line in figure.axes[0].lines if len(line.get_xdata()) == 1
    ]
    for row in summary[summary["group"] == "a"].to_dict("records"):
        for value in (row["last_robust"], row["best_robust"]):
            assert any(y == pytest.approx(value) and abs(x / row["units"] - 1) < 0.2 for x, y in drawn), row["method"]
    assert {text.get_text() for text in figure.axes[1].texts} == {"standard", "fgsm", "n_fgsm", "pgd"}


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
