"""The recipes of the comparison draw and judge what comes back from a file."""

import io

import matplotlib as mpl
import pandas as pd
import pytest

from analyses.core.study import Findings
from analyses.method_comparison.plan import comparison_plan
from cotoolkit.core.errors import RunError
from cotoolkit.methods import METHODS
from cotoolkit.plotting.style import PAPER_STYLE
from figures.method_comparison import cost, overfitting
from figures.method_comparison.data import ON_CIFAR10, comparison_table
from tests._helpers.made_comparison import made_tables

BROKE = {"fgsm": 10, "n_fgsm": 0, "pgd": 0}


@pytest.fixture
def findings():
    plan = comparison_plan("digits", list(BROKE))
    return Findings(plan, made_tables(plan, BROKE), {})


@pytest.mark.parametrize("recipe", [cost.RECIPE, overfitting.RECIPE], ids=lambda recipe: recipe.name)
def test_a_recipe_draws_and_judges_its_stored_table(recipe, findings):
    table = recipe.of_findings(findings)
    assert set(table["scale"]) == {"digits"}
    stored = pd.read_csv(io.StringIO(table.to_csv(index=False)))
    with mpl.rc_context(PAPER_STYLE):
        figure = recipe.draw(stored)
    words = {text.get_text() for axis in figure.axes for text in [*axis.texts, *axis.get_yticklabels()]}
    assert set(BROKE) <= words
    results = recipe.claims(stored)
    assert {result.verdict for result in results} <= {"holds", "fact"}
    assert [result.claim for result in results] == [result.claim for result in recipe.claims(table)]


def test_a_figure_of_failed_runs_is_none(findings):
    missing = pd.DataFrame([("ε 0.25", "pgd", 3, "died")], columns=["group", "method", "seed", "reason"])
    failed = Findings(findings.plan, {**findings.tables, "left_out": missing}, {})
    with pytest.raises(RunError, match=r"1 runs failed; pgd, ε 0\.25: died"):
        comparison_table(failed)


def test_the_gallery_has_all_methods_on_digits_and_some_on_cifar10():
    trained = {
        scale: {run.method.name for study in cost.RECIPE.at(scale) for run in study.runs()}
        for scale in ("smoke", "laptop")
    }
    assert trained["smoke"] == set(METHODS.names())
    assert trained["laptop"] == set(ON_CIFAR10) < trained["smoke"]
    assert "paper" not in cost.RECIPE.studies
