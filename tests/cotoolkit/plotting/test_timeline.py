import pytest

from cotoolkit.core.errors import ConfigError
from cotoolkit.plotting.timeline import timeline
from tests._helpers.run_tables import run_tables


def test_timeline_has_a_panel_per_setting_a_line_per_seed_and_marks_breaks():
    figure, axes = timeline(*run_tables())
    assert len(axes) == 4
    titles = [axis.get_title() for axis in axes]
    assert titles[1] == "fgsm, ε 8/255, β 0.1\nbreakpoint in 2 of 2"
    assert titles[0].endswith("breakpoint in 0 of 2")
    broken, whole = axes[1], axes[2]
    drawn = [line for line in whole.lines if len(line.get_xdata()) == 3]
    assert len(drawn) == 4  # two seeds, two signals
    verticals = [line.get_xdata()[0] for line in broken.lines if len(line.get_xdata()) == 2]
    assert verticals == [50, 51]
    assert len(broken.patches) == 2  # the intervals of uncertainty
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["FGSM", "PGD", "breakpoint"]


def test_timeline_of_runs_that_hold_has_no_breakpoint_in_its_legend():
    table, metrics = run_tables()
    figure, axes = timeline(table[table["method"] == "pgd"], metrics, by=["beta"], signals=["probe_pgd"])
    assert len(axes) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["PGD"]


def test_an_empty_table_says_so():
    table, metrics = run_tables()
    with pytest.raises(ConfigError, match="no run to draw"):
        timeline(table[:0], metrics)
