import dataclasses
import sys

import pandas as pd
import pytest

from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.study import Study
from figures.facts import runs_of
from figures.make import Clock, make, train_first
from figures.recipe import table_of
from tests._helpers.made_figure import FOLDER, RECIPE, draw


def test_made_again_it_is_the_same_to_the_bit(gallery, runner, tmp_path):
    before = {path.name: path.read_bytes() for path in (gallery / FOLDER).iterdir()}
    make(RECIPE, "digits", runner, gallery)
    assert {path.name: path.read_bytes() for path in (gallery / FOLDER).iterdir()} == before


def test_an_unknown_scale(runner, tmp_path):
    with pytest.raises(ConfigError, match=r"field/made_up has no scale 'laptop'; choose from digits"):
        make(RECIPE, "laptop", runner, tmp_path)


def test_recipes_share_runs(runner, tmp_path):
    base = {
        "data": {"name": "digits", "train_size": 64, "test_size": 40},
        "model": {"name": "mlp", "hidden": [8]},
        "epochs": 1,
        "batch_size": 32,
        "monitor": {"interval": 0, "points": 20},
        "evaluation": ("clean", "fgsm"),
    }
    studies = [
        Study(name=name, base=base, grids=({"epsilon": radii, "seed": (0,)},))
        for name, radii in (("one", (0.1, 0.2)), ("two", (0.2, 0.3)))
    ]
    shared = [
        dataclasses.replace(
            RECIPE,
            name=f"field/{study.name}",
            studies={"smoke": (study,)},
            collect=lambda scale, runner, study=study: table_of(runner, [study])[["epsilon", "seed", "clean"]],
            draw=lambda data: draw(pd.DataFrame({"x": [0, 1], "y": [0, 1]})),
            claims=lambda data: [],
            compare=lambda data: [],
        )
        for study in studies
    ]
    train_first(shared, "smoke", runner)
    runs = {path.name: path.stat().st_mtime_ns for path in runner.root.glob("digits-*/result.json")}
    assert len(list(runner.root.glob("digits-*"))) == 3
    for recipe in shared:
        record = make(recipe, "smoke", runner, tmp_path / "gallery")
        assert len(record.making.runs) == 2
        assert record.making.seeds == (0,)
        assert set(record.making.protocols) == {"clean", "fgsm"}
        assert record.making.environment["torch"]
        took = [RunFolder(runner.root / run).result()["seconds"] for run in record.making.runs]
        assert record.making.training_seconds == round(sum(took), 1)
        assert runs_of(recipe, "smoke") == 2
    assert {path.name: path.stat().st_mtime_ns for path in runner.root.glob("digits-*/result.json")} == runs


def test_the_clock(monkeypatch):
    now = iter([0.0, 600.0, 700.0, 900.0])
    monkeypatch.setattr("figures.make.time.monotonic", lambda: next(now))
    clock = Clock(3)
    assert clock.tick() == "1 of 3, about 20 min left"
    assert clock.tick() == "2 of 3, about 6 min left"
    assert clock.tick() == "3 of 3"


def leaves(scale, runner):
    sys.exit(0)


def fails(scale, runner):
    return 1 / 0


NONSENSE = {
    "leaves": ({"collect": leaves}, r"field/made_up: SystemExit: 0 \(test_make\.py, line \d+\)"),
    "raises": ({"collect": fails}, r"field/made_up: ZeroDivisionError: division by zero \(test_make\.py, line \d+\)"),
    "no table": ({"collect": lambda scale, runner: None}, "collect returned NoneType; it has to return a table"),
    "no picture": ({"draw": lambda data: None}, "draw returned a NoneType; return a matplotlib Figure"),
    "no rows": ({"collect": lambda scale, runner: pd.DataFrame({"x": []})}, "collect returned a table without rows"),
    "no claims": ({"claims": lambda data: None}, "field/made_up: TypeError"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_a_recipe_that_fails_or_returns_nonsense_is_one_line_and_no_figure(case, runner, tmp_path):
    fields, message = NONSENSE[case]
    with pytest.raises(RunError, match=message) as caught:
        make(dataclasses.replace(RECIPE, **fields), "digits", runner, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("claims.json"))


@pytest.mark.parametrize("name", ["x", "", "a/b/c", "../x", "/etc/x", "field/", "field/..", "field/" + "x" * 81, None])
def test_names_that_are_no_figures(name):
    with pytest.raises(ConfigError, match="a figure is named PAPER/FIGURE"):
        dataclasses.replace(RECIPE, name=name)
