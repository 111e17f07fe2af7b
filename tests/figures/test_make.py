"""From a recipe to its files, and back: what is stored is checked, and what is changed is found."""

import dataclasses
import json
import shutil
import sys

import pandas as pd
import pytest

from analyses.core.claims import Claim, check
from analyses.core.runner import StudyRunner
from analyses.core.statistics import estimate
from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.studies.study import Study
from figures.catalogue import find
from figures.cost import cost, runs_of
from figures.elements import band, mark_breakpoint, sheet
from figures.make import Clock, make, train_first
from figures.recipe import Comparison, Recipe, table_of
from figures.record import PICTURES, Record, read_data, read_record, stored
from figures.style import BLUE
from figures.verify import same_picture, verify

CLAIM = Claim("rises", "it rises", "slope", "above", 0.5, 0.0, "ours: made up")


def draw(data):
    figure, axis = sheet(3.3, 2.2)
    band(axis, data, "x", "y", colour=BLUE, label="y")
    mark_breakpoint(axis, 1.0)
    return figure


def slopes(data):
    wide = data.pivot_table(index="seed", columns="x", values="y")
    return wide[2] - wide[0]


def collect(scale, runner):
    return pd.DataFrame(
        [{"x": x, "seed": seed, "y": x * (0.9 + 0.1 * seed), "scale": scale} for x in range(3) for seed in range(3)]
    )


RECIPE = Recipe(
    name="field/made_up",
    shows="A line",
    item="none",
    studies={"smoke": ()},
    collect=collect,
    draw=draw,
    claims=lambda data: [check(CLAIM, slopes(data))],
    compare=lambda data: [Comparison("slope", "2", "repository [R]", estimate(slopes(data)), "made up")],
)


@pytest.fixture
def runner(tmp_path):
    return StudyRunner(tmp_path / "runs", tmp_path / "measured", jobs=1, device="cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    make(RECIPE, "smoke", StudyRunner(folder / "runs", folder / "measured", jobs=1, device="cpu"), folder / "gallery")
    return folder / "gallery"


@pytest.fixture
def gallery(made, tmp_path):
    return shutil.copytree(made, tmp_path / "gallery")


FOLDER = "field/made_up/smoke"


def test_the_files(gallery):
    folder = gallery / FOLDER
    assert {path.name for path in folder.iterdir()} == {*PICTURES, "data.csv", "claims.json"}
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "figure.pdf").read_bytes().startswith(b"%PDF")
    record = read_record(folder)
    assert record.making.command == "cotoolkit figures make field/made_up --scale smoke"
    assert record.making.runs == ()
    assert record.making.environment["matplotlib"]
    (claim,) = record.claims
    # slopes 1.8, 2.0, 2.2: mean 2, t interval 2 -+ 4.3027 * 0.2 / sqrt(3)
    assert claim.verdict == "supported"
    assert claim.found.mean == pytest.approx(2.0)
    assert claim.found.low == pytest.approx(2 - 4.302653 * 0.2 / 3**0.5)
    assert record.comparisons[0].ours.seeds == 3
    assert verify([RECIPE], gallery) == []


def test_fonts_are_embedded(gallery):
    assert b"/FontFile2" in (gallery / FOLDER / "figure.pdf").read_bytes()  # TrueType, in the file itself
    assert b"<text" not in (gallery / FOLDER / "figure.svg").read_bytes()  # outlines


def test_made_again_it_is_the_same_to_the_bit(gallery, runner, tmp_path):
    before = {path.name: path.read_bytes() for path in (gallery / FOLDER).iterdir()}
    make(RECIPE, "smoke", runner, gallery)
    assert {path.name: path.read_bytes() for path in (gallery / FOLDER).iterdir()} == before


def test_a_changed_number_is_found(gallery):
    path = gallery / FOLDER / "data.csv"
    path.write_text(path.read_text().replace("2,2,2.2", "2,2,2.3"))
    problems = verify([RECIPE], gallery)
    assert any("data.csv: is not the file that was made" in problem for problem in problems)
    assert any("claim 'rises': found is stored as" in problem for problem in problems)
    assert any("figure.svg: is not what its table draws" in problem for problem in problems)


@pytest.mark.parametrize(
    ("field", "value"),
    [("verdict", "not supported"), ("expected", "below 0.5"), ("statement", "it falls"), ("source", "paper: made up")],
)
def test_a_changed_record_is_found(gallery, field, value):
    path = gallery / FOLDER / "claims.json"
    record = json.loads(path.read_text())
    record["claims"][0][field] = value
    path.write_text(json.dumps(record))
    broken_seal, problem = verify([RECIPE], gallery)
    assert "its seal does not fit" in broken_seal
    assert f"claim 'rises': {field} is stored as {value!r}" in problem


def test_a_claim_whose_sign_is_turned_in_the_recipe_is_found(gallery):
    turned = dataclasses.replace(
        RECIPE, claims=lambda data: [check(dataclasses.replace(CLAIM, side="below"), slopes(data))]
    )
    (problem,) = verify([turned], gallery)
    assert "claim 'rises': expected is stored as 'above 0.5', its table says 'below 0.5'" in problem


def test_a_comparison_that_changed_is_found(gallery):
    path = gallery / FOLDER / "claims.json"
    record = json.loads(path.read_text())
    record["comparisons"][0]["printed"] = "3"
    path.write_text(json.dumps(record))
    _, problem = verify([RECIPE], gallery)
    assert "comparison 'slope': printed is stored as '3', its table says '2'" in problem


@pytest.mark.parametrize(
    ("field", "value"), [("training_seconds", 5.0), ("seeds", [0, 1, 2, 3]), ("command", "another"), ("runs", ["one"])]
)
def test_what_made_a_figure_cannot_be_changed_unseen(gallery, field, value):
    path = gallery / FOLDER / "claims.json"
    record = json.loads(path.read_text())
    record["making"][field] = value
    path.write_text(json.dumps(record))
    (problem,) = verify([RECIPE], gallery)
    assert "its seal does not fit" in problem


def test_a_claim_stored_twice_is_found(gallery):
    path = gallery / FOLDER / "claims.json"
    record = json.loads(path.read_text())
    record["claims"].insert(0, {**record["claims"][0], "verdict": "not supported"})
    path.write_text(Record.model_validate(record).sealed().model_dump_json())
    (problem,) = verify([RECIPE], gallery)
    assert "claims are stored in another order or number" in problem


@pytest.mark.parametrize("damage", ["", "x\n1\n", "a,b\n1,2,3\n4\n"])
def test_a_damaged_table_is_one_line_and_the_others_are_checked(gallery, damage):
    (gallery / FOLDER / "data.csv").write_text(damage)
    *_, problem = verify([RECIPE], gallery)
    assert "data.csv: cannot be judged" in problem
    assert "\n" not in problem


def test_a_file_that_no_recipe_makes_is_found(gallery):
    (gallery / FOLDER / "old.png").touch()
    assert verify([RECIPE], gallery) == [f"{gallery / FOLDER / 'old.png'}: no recipe makes this file"]


def test_pictures_may_differ_in_the_names_of_parts_and_in_the_last_digits():
    one = '<g id="p1234567890"><path d="M 1.50 2.5" clip-path="url(#p1234567890)"/></g>'
    assert same_picture(one, one.replace("p1234567890", "pabcdef1234").replace("1.50", "1.51"))
    assert not same_picture(one, one.replace("1.50", "1.7"))
    assert not same_picture(one, one.replace("path", "rect"))


@pytest.mark.parametrize("name", ["figure.png", "figure.pdf", "data.csv", "claims.json"])
def test_a_missing_file_is_found(gallery, name):
    (gallery / FOLDER / name).unlink()
    assert any(name in problem for problem in verify([RECIPE], gallery))


def test_a_figure_without_a_recipe_and_one_that_was_not_made(gallery):
    other = dataclasses.replace(RECIPE, name="field/other")
    assert verify([other], gallery) == [
        "field/other: not made at scale smoke; run `cotoolkit figures make field/other`",
        f"{gallery / FOLDER}: no recipe makes this figure",
    ]


def test_an_unreadable_record_is_one_line(gallery):
    (gallery / FOLDER / "claims.json").write_text("{}")
    (problem,) = verify([RECIPE], gallery)
    assert "claims.json" in problem
    assert "\n" not in problem


def test_numbers_keep_all_their_bits(gallery, runner):
    exact = dataclasses.replace(RECIPE, collect=lambda scale, runner: collect(scale, runner).assign(z=0.1 + 0.2))
    make(exact, "smoke", runner, gallery)
    assert read_data(gallery / FOLDER)["z"].iloc[0] == 0.1 + 0.2


def test_an_unknown_scale(runner, tmp_path):
    with pytest.raises(ConfigError, match=r"field/made_up has no scale 'laptop'; choose from smoke"):
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
        assert record.making.training_seconds > 0
        known = cost(runs_of(recipe, "smoke"), stored(tmp_path / "gallery", recipe, "smoke"))
        assert (known.runs, known.seconds) == (2, record.making.training_seconds)
    assert {path.name: path.stat().st_mtime_ns for path in runner.root.glob("digits-*/result.json")} == runs


def test_a_recipe_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / "own_figure_for_a_test.py"
    shutil.copy(__file__, file)
    (found,) = find(str(file))
    assert found.name == "field/made_up"
    with pytest.raises(ConfigError, match=r"absent\.py: no such file"):
        find(str(tmp_path / "absent.py"))
    (tmp_path / "apart").mkdir()
    (tmp_path / "apart" / "statistics.py").write_text("RECIPE = None")
    with pytest.raises(ConfigError, match="there is another module statistics"):
        find(str(tmp_path / "apart" / "statistics.py"))
    (tmp_path / "broken_figure_for_a_test.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match="importing it failed: ZeroDivisionError"):
        find(str(tmp_path / "broken_figure_for_a_test.py"))
    (tmp_path / "empty_figure_for_a_test.py").write_text("")
    with pytest.raises(ConfigError, match="defines no RECIPE"):
        find(str(tmp_path / "empty_figure_for_a_test.py"))


def test_names():
    assert [recipe.name for recipe in find("figure_1")] == ["co_features/figure_1"]
    assert "co_features/figure_1" in [recipe.name for recipe in find("co_features")]
    with pytest.raises(ConfigError, match="did you mean figure_1"):
        find("figure_2")


def test_a_record_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match="make the figure first"):
        read_record(tmp_path)
    with pytest.raises(RunError, match="make the figure first"):
        read_data(tmp_path)


def test_the_clock(monkeypatch):
    now = iter([0.0, 600.0, 700.0, 900.0])
    monkeypatch.setattr("figures.make.time.monotonic", lambda: next(now))
    clock = Clock(3)
    assert clock.tick() == "1 of 3, about 20 min left"
    assert clock.tick() == "2 of 3, about 6 min left"
    assert clock.tick() == "3 of 3"
