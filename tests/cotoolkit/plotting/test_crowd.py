import numpy as np
import pandas as pd
import pytest

from cotoolkit.plotting import timeline as timeline_module
from cotoolkit.plotting.crowd import MOST_KINDS, POINTS, Courses, broken_share, pooled
from cotoolkit.plotting.phase_diagram import MOST_LABELS, phase_diagram
from cotoolkit.plotting.timeline import timeline
from tests._helpers.run_tables import run_tables


def course_table(courses):
    """Metrics of one signal, the rows of the runs in turn."""
    rows = [
        {"run": name, "iteration": iteration, "signal": "probe_pgd", "value": value}
        for name, course in courses.items()
        for iteration, value in course
    ]
    return pd.DataFrame(rows).sort_values("iteration", kind="stable")


def test_a_spread_is_that_of_the_courses_where_they_are_known():
    draws = np.random.default_rng(0)
    courses = {f"run-{n}": [(i, float(draws.uniform())) for i in range(0, 41 if n % 2 else 21, 10)] for n in range(20)}
    spread = Courses(course_table(courses), "probe_pgd").spread(pd.Series([*courses, "unknown"]))
    assert spread.iterations.tolist() == [0, 10, 20, 30, 40]
    for place, iteration in enumerate(spread.iterations):
        values = [dict(course)[iteration] for course in courses.values() if iteration in dict(course)]
        assert len(values) == (20 if iteration <= 20 else 10)
        expected = np.quantile(values, [0.1, 0.5, 0.9])
        assert [line[place] for line in spread[1:]] == pytest.approx(expected)


def test_between_its_values_a_course_is_a_line():
    courses = {"a": [(0, 0.0), (10, 1.0)], "b": [(0, 0.0), (5, 0.5), (10, 1.0)]}
    spread = Courses(course_table(courses), "probe_pgd").spread(pd.Series(["a", "b"]))
    assert spread.median.tolist() == [0, 0.5, 1]


def test_a_spread_has_few_points_and_both_ends():
    courses = {"a": [(i, 0.5) for i in range(1, 1000)]}
    spread = Courses(course_table(courses), "probe_pgd").spread(pd.Series(["a"]))
    assert len(spread.iterations) == POINTS
    assert spread.iterations[[0, -1]].tolist() == [1, 999]
    assert Courses(course_table(courses), "probe_fgsm").spread(pd.Series(["a"])) is None


def test_broken_runs_are_counted_from_their_breakpoint_on():
    runs = pd.DataFrame({"breakpoint": pd.array([5, 10, None, 10], dtype="Int64")})
    assert broken_share(runs, np.array([0.0, 4, 5, 9, 10, 99])).tolist() == [0, 0, 0.25, 0.25, 0.75, 0.75]


def test_kinds_are_few_enough():
    draws = np.random.default_rng(1)
    runs = pd.DataFrame(
        {name: draws.integers(values, size=5000) for name, values in zip("abcd", (2, 3, 9, 40), strict=True)}
    )
    by, over = pooled(runs, list("abcd"))
    assert (by, over) == (["a", "b"], {"d": 40, "c": 9})
    assert len(runs.groupby(by)) <= MOST_KINDS
    assert "which go over 40 values of d, 9 values of c" in pooled(runs, list("abcd")).note(5000)
    assert pooled(runs, ["d"]) == ([], {"d": 40})


def test_a_crowd_is_drawn_as_its_spread_and_says_so(monkeypatch):
    table, metrics = run_tables()
    _, axes = timeline(table, metrics)
    assert len(axes[0].lines) > 4
    monkeypatch.setattr(timeline_module, "CROWD", 7)
    figure, axes = timeline(table, metrics, by=["method", "beta"])
    assert "8 runs, with lines at the median and bands from 10 % to 90 %" in figure.get_supxlabel().replace("\n", " ")
    broken = axes[1]
    assert "breakpoint in 2 of 2" in broken.get_title()
    fgsm, pgd, share = broken.lines
    assert fgsm.get_ydata().tolist() == pgd.get_ydata().tolist() == [0.5] * 3
    assert share.get_ydata().tolist() == [0, 0.5, 1]
    assert len(broken.collections) == 2


def test_maps_of_many_values_hold_no_text_and_name_some():
    values = MOST_LABELS * 2 + 1
    rows = [
        {"method": "fgsm", "epsilon": e / 255, "beta": b / 100, "verdict": "robust", "collapsed": False, "pgd-50": 0.5}
        for e in range(values)
        for b in range(3)
    ]
    figure, axes = phase_diagram(pd.DataFrame(rows))
    assert figure.get_size_inches().max() < 30
    assert not axes[0].texts
    assert 1 < len(axes[0].get_yticklabels()) <= MOST_LABELS
    assert axes[0].get_yticklabels()[-1].get_text() == "0"
