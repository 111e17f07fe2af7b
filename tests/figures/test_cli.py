"""`cotoolkit figures` as a user types it."""

import json

import pytest
from typer.testing import CliRunner

from cotoolkit.cli.app import app
from cotoolkit.core.errors import ConfigError
from figures.catalogue import not_reproduced, recipes

RECIPE = """
import pandas as pd
from analyses.core.judging.verdicts import Claim, check
from figures.recipe import Recipe
from figures.elements import new_figure

def collect(scale, runner):
    return pd.DataFrame({"seed": range(5), "value": [1.0, 1.1, 0.9, 1.05, 0.95]})

def draw(data):
    figure, axis = new_figure(3.3, 2.0)
    axis.plot(data["seed"], data["value"])
    return figure

def claims(data):
    return [check(Claim("one", "it is above 0", "value", "above", 0.0, 0.0, "ours"), data["value"])]

RECIPE = Recipe("mine/cli_test", "A line", "none", {"smoke": ()}, collect, draw, claims)
"""


def run(*words):
    return CliRunner().invoke(app, ["figures", *words], catch_exceptions=False)


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "figure_of_the_cli_test.py"
    path.write_text(RECIPE)
    return path


def test_all_figures_are_listed_and_what_is_missing_says_why():
    shown = run("list").output
    for recipe in recipes().values():
        assert recipe.name in shown
    for paper in not_reproduced().values():
        for one in paper:
            assert f"{one.item}: {one.why}" in shown


def test_figures_and_their_costs_as_json():
    listed = json.loads(run("list", "--json").output)
    assert {one["name"] for one in listed["figures"]} == {recipe.name for recipe in recipes().values()}
    assert all(set(one["seconds"]) <= set(one["runs"]) for one in listed["figures"])
    assert len(listed["not_reproduced"]) == sum(map(len, not_reproduced().values()))
    *plans, together = json.loads(run("plan", "local_ball", "--scale", "digits", "--json").output)
    assert together["name"] == "all together"
    assert 0 < max(plan["runs"] for plan in plans) <= together["runs"]


def test_making_and_verifying_a_figure_of_ones_own(own, tmp_path):
    made = run("make", str(own), "--root", str(tmp_path / "runs"), "--gallery", str(tmp_path / "gallery"))
    assert made.exit_code == 0
    assert "supported         one: 1 [" in made.output
    assert (tmp_path / "gallery/mine/cli_test/smoke/figure.png").exists()
    checked = run("verify", str(own), "--gallery", str(tmp_path / "gallery"))
    assert "1 figure checked: no problems" in checked.output, checked.stderr
    assert checked.exit_code == 0
    data = tmp_path / "gallery/mine/cli_test/smoke/data.csv"
    data.write_text(data.read_text().replace("1.1", "1.2"))
    checked = run("verify", str(own), "--gallery", str(tmp_path / "gallery"))
    assert checked.exit_code == 1
    assert "claim 'one': found is stored as" in " ".join(checked.stderr.split())


def test_a_figure_without_a_smoke_scale_is_made_at_its_smallest(own, tmp_path):
    own = own.with_stem("figure_of_the_cli_test_without_smoke")
    own.write_text(RECIPE.replace('"smoke"', '"digits"'))
    made = run("make", str(own), "--root", str(tmp_path / "runs"))
    assert "mine/cli_test has no scale smoke; it is made at scale digits" in made.output
    assert (tmp_path / "runs/figures/mine/cli_test/digits/figure.png").exists()
    asked_for = run("make", str(own), "--scale", "smoke", "--root", str(tmp_path / "runs"))
    assert "mine/cli_test has no scale 'smoke'; choose from digits" in asked_for.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("make", "no_such_figure"), "no figure 'no_such_figure'"),
        (("make", "holistic_robust", "--scale", "paper"), "holistic_robust has no figure at scale paper"),
        (("make", "no_such_file.py"), "no_such_file.py: no such file"),
        (("verify", "--gallery", "no/such/folder"), "no/such/folder: no such folder"),
    ],
)
def test_bad_input_is_one_line(words, message):
    with pytest.raises(ConfigError, match=message):
        run(*words)
