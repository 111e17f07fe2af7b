import dataclasses
import json

import pytest

from analyses.core.judging.verdicts import check
from figures.records.record import FigureRecord
from figures.records.verify import _same, same_picture, verify
from tests._helpers.made_figure import CLAIM, FOLDER, RECIPE, slopes


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
    path.write_text(FigureRecord.model_validate(record).sealed().model_dump_json())
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


def test_round_off_of_another_processor_is_no_difference():
    stored = {"found": {"values": (0.21920284980253374, 1.0), "seeds": 2}, "labels": ["a"]}
    assert _same(stored, {"found": {"values": (0.2192028498025337, 1.0), "seeds": 2}, "labels": ["a"]})
    assert not _same(stored, {"found": {"values": (0.219204, 1.0), "seeds": 2}, "labels": ["a"]})
    assert not _same(stored, {"found": {"values": (0.21920284980253374,), "seeds": 2}, "labels": ["a"]})


@pytest.mark.parametrize("name", ["figure.png", "figure.pdf", "data.csv", "claims.json"])
def test_a_missing_file_is_found(gallery, name):
    (gallery / FOLDER / name).unlink()
    assert any(name in problem for problem in verify([RECIPE], gallery))


def test_a_figure_without_a_recipe_and_one_that_was_not_made(gallery):
    other = dataclasses.replace(RECIPE, name="field/other")
    assert verify([other], gallery) == [
        "field/other: not made at scale digits; run `cotoolkit figures make field/other --scale digits`",
        f"{gallery / FOLDER}: no recipe makes this figure",
    ]


def test_a_figure_that_somebody_made_at_another_scale_is_checked_alone(gallery):
    other = dataclasses.replace(RECIPE, studies={"digits": (), **RECIPE.studies, "laptop": ()})
    (gallery / FOLDER).rename(gallery / FOLDER.replace("digits", "laptop"))
    (of_the_record,) = verify([other], gallery, complete=False)
    assert "its record is of" in of_the_record
    assert "not made at scale digits" in verify([other], gallery)[0]


def test_an_unreadable_record_is_one_line(gallery):
    (gallery / FOLDER / "claims.json").write_text("{}")
    (problem,) = verify([RECIPE], gallery)
    assert "claims.json" in problem
    assert "\n" not in problem
