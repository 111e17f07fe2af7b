"""The recipes of the comparison draw and judge what comes back from a file."""

import io
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

import figures
from analyses.core.runner import StudyRunner
from analyses.core.study import Findings
from analyses.method_comparison.leaderboard import read_leaderboard
from analyses.method_comparison.plan import comparison_plan
from cotoolkit.core.errors import RunError
from cotoolkit.methods import METHODS
from cotoolkit.plotting.style import PAPER_STYLE
from figures.make import make
from figures.method_comparison import cost, overfitting
from figures.method_comparison.data import LEADERBOARD, comparison_table, provenance_of_records, recorded_table
from figures.records.files import folder_of, read_data, stored_record
from tests._helpers.made_comparison import made_tables

GALLERY = Path(figures.__file__).parent / "gallery"

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
    words = {
        text.get_text().partition(",")[0] for axis in figure.axes for text in [*axis.texts, *axis.get_yticklabels()]
    }
    assert set(BROKE) <= words
    results = recipe.claims(stored)
    assert {result.verdict for result in results} <= {"holds", "fact"}
    assert [result.claim for result in results] == [result.claim for result in recipe.claims(table)]


def test_a_figure_of_failed_runs_is_none(findings):
    missing = pd.DataFrame([("ε 0.25", "pgd", 3, "died")], columns=["group", "method", "seed", "reason"])
    failed = Findings(findings.plan, {**findings.tables, "left_out": missing}, {})
    with pytest.raises(RunError, match=r"1 runs failed; pgd, ε 0\.25: died"):
        comparison_table(failed)


@pytest.mark.parametrize("scale", ["smoke", "digits"])
def test_all_methods_are_trained_on_digits(scale):
    assert {run.method.name for study in cost.RECIPE.at(scale) for run in study.runs()} == set(METHODS.names())
    assert cost.RECIPE.recorded(scale) is None
    assert "paper" not in cost.RECIPE.studies


@pytest.mark.parametrize("recipe", [cost.RECIPE, overfitting.RECIPE], ids=lambda recipe: recipe.name)
def test_on_cifar10_the_figures_are_made_of_the_leaderboard(recipe, tmp_path):
    record = make(recipe, "laptop", StudyRunner(tmp_path / "runs", tmp_path / "measured"), tmp_path / "gallery")
    assert record.making.command == f"cotoolkit figures make {recipe.name} --scale laptop"
    assert not (tmp_path / "runs").exists()  # nothing is trained
    stored = read_data(folder_of(LEADERBOARD.parent, recipe.name, "laptop"))
    pd.testing.assert_frame_equal(read_data(folder_of(tmp_path / "gallery", recipe.name, "laptop")), stored)
    kept = stored_record(LEADERBOARD.parent, recipe.name, "laptop")
    assert kept.making.runs == record.making.runs == tuple(stored["run"])
    assert [claim.verdict for claim in kept.claims] == [claim.verdict for claim in record.claims]


def test_records_say_what_trained_them():
    records = read_leaderboard(LEADERBOARD)
    assert {(record.scale, record.data["name"]) for record in records} == {("laptop", "cifar10")}
    other = records[0].model_copy(update={"environments": ({"torch": "9.9.9", "device": "cuda"},)})
    made = provenance_of_records([*records, other], "again")
    assert made.environment["torch"].endswith(", 9.9.9")
    assert made.environment["device"] == "cpu, cuda"
    assert set(made.seeds) == set(recorded_table(records)["seed"])
    assert made.training_seconds is None


def test_without_the_repository_the_figures_on_cifar10_say_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("figures.method_comparison.data.LEADERBOARD", tmp_path / "leaderboard")
    with pytest.raises(RunError, match="records that only the repository holds; `cotoolkit compare --scale laptop`"):
        make(cost.RECIPE, "laptop", StudyRunner(tmp_path / "runs", tmp_path / "measured"), tmp_path / "gallery")


@pytest.mark.parametrize("path", sorted(GALLERY.glob("method_comparison/overfitting/*/data.csv")), ids=str)
def test_no_two_methods_have_the_same_runs_but_for_averages_of_their_weights(path):
    """Breakpoints and last accuracies of all seeds: a method that changes nothing would stand beside FGSM unnoticed."""
    data = read_data(path.parent).sort_values(["group", "method", "seed"])
    numbers = ["seed", "breakpoint", *(name for name in data if name.startswith("last_"))]
    for _, runs in data.groupby("group"):
        same: dict[str, list[str]] = {}
        for method, own in runs.groupby("method"):
            same.setdefault(own[numbers].to_csv(index=False), []).append(method)
        assert [names for names in same.values() if len(names) > 1] in ([], [["ema", "fgsm", "swa"]])
