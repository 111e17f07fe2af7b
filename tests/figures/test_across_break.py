"""The recipes across the breakpoint on hand-made measures, of one group and of two."""

import functools

import matplotlib as mpl
import pandas as pd
import pytest

from analyses.breakpoint_mixtures.plan import PLANS
from analyses.breakpoint_mixtures.study import STUDY
from analyses.core.study import Findings
from cotoolkit.pages import write_report
from cotoolkit.plotting.style import PAPER_STYLE
from figures.feature_purification import across_break, across_break_grafts, across_break_layers
from figures.feature_purification.across_break_data import results_by_group
from figures.paper_page import page_of
from figures.records.files import as_stored
from figures.records.provenance import Provenance
from tests._helpers.breakpoint_measures import measures

MODULES = (across_break, across_break_layers, across_break_grafts)
GROUPS = (("induced",), ("induced", "natural"))


@functools.cache
def findings(groups):
    numbered = measures(5).replace({"layer": {"a": "0", "b": "2"}})
    tables = {"measures": pd.concat([numbered.assign(group=group) for group in groups])}
    return Findings(PLANS["digits"], tables, STUDY.judge(PLANS["digits"], tables))


@pytest.mark.parametrize("groups", GROUPS, ids=len)
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_claims_of_the_figure_are_those_of_the_study(module, groups):
    found = findings(groups)
    own = module.RECIPE.claims(as_stored(module.RECIPE.of_findings(found)))
    theirs = {(group, one.claim.key): one.found for group, results in found.claims.items() for one in results}
    for result in own:
        key, _, group = result.claim.key.partition(" (")
        assert result.claim.source.startswith("ours: ")
        assert result.found == pytest.approx(theirs[group[:-1] or "induced", key], nan_ok=True)
    assert len({result.claim.key for result in own}) == len(own)
    assert len(own) == len(groups) * {across_break: 14, across_break_layers: 4, across_break_grafts: 5}[module]


def test_names_of_layers_that_are_numbers_stay_text():
    data = as_stored(across_break_layers.RECIPE.of_findings(findings(GROUPS[0])))
    results = results_by_group(data)["induced"]
    assert set(results.table["layer"]) == {"", "0", "2"}


@pytest.mark.parametrize("groups", GROUPS, ids=len)
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_legends_fit_their_figure(module, groups):
    with mpl.rc_context(PAPER_STYLE):
        figure = module.RECIPE.draw(as_stored(module.RECIPE.of_findings(findings(groups))))
        figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_layers_run_from_the_first_at_the_top_in_every_group():
    figure = across_break_layers.RECIPE.draw(as_stored(across_break_layers.RECIPE.of_findings(findings(GROUPS[1]))))
    assert len(figure.axes) == 10
    assert all(axis.yaxis_inverted() for axis in figure.axes)
    for axis in (figure.axes[0], figure.axes[5]):  # the first of each row
        assert [label.get_text() for label in axis.get_yticklabels()] == ["0", "2"]


def test_the_page_names_the_group_of_a_verdict(tmp_path):
    found = findings(GROUPS[1])
    shown = [(across_break_layers.RECIPE, as_stored(across_break_layers.RECIPE.of_findings(found)))]
    made = Provenance(command="", runs=(), seeds=(), protocols={}, environment={}, training_seconds=0.0)
    page = write_report(page_of(STUDY, found, shown, made), tmp_path).read_text()
    assert "natural: supported (" in page
    assert "All claims of the study: induced" in page
    assert (tmp_path / "across_break_layers.svg").exists()
