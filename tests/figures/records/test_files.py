import dataclasses

import pytest

from cotoolkit.core.errors import RunError
from figures.make import make
from figures.records.files import PICTURES, read_data, read_record
from figures.records.verify import verify
from tests._helpers.made_figure import FOLDER, RECIPE, collect


def test_the_files(gallery):
    folder = gallery / FOLDER
    assert {path.name for path in folder.iterdir()} == {*PICTURES, "data.csv", "claims.json"}
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "figure.pdf").read_bytes().startswith(b"%PDF")
    record = read_record(folder)
    assert record.making.command == "cotoolkit figures make field/made_up --scale digits"
    assert record.making.runs == ()
    assert record.making.environment["matplotlib"]
    (claim,) = record.claims
    # slopes 1.8, 2.0 to 2.6: mean 2.2, t interval 2.2 -+ 2.776445 * 0.316228 / sqrt(5)
    assert claim.verdict == "supported"
    assert claim.found.mean == pytest.approx(2.2)
    assert claim.found.low == pytest.approx(2.2 - 2.776445 * 0.1**0.5 / 5**0.5)
    assert claim.values == {"values": pytest.approx((1.8, 2.0, 2.2, 2.4, 2.6))}
    assert record.comparisons[0].ours.seeds == 5
    assert verify([RECIPE], gallery) == []


def test_fonts_are_embedded(gallery):
    assert b"/FontFile2" in (gallery / FOLDER / "figure.pdf").read_bytes()  # TrueType, in the file itself
    assert b"<text" not in (gallery / FOLDER / "figure.svg").read_bytes()  # outlines


def test_numbers_keep_all_their_bits(gallery, runner):
    exact = dataclasses.replace(RECIPE, collect=lambda scale, runner: collect(scale, runner).assign(z=0.1 + 0.2))
    make(exact, "digits", runner, gallery)
    assert read_data(gallery / FOLDER)["z"].iloc[0] == 0.1 + 0.2


def test_a_record_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match="make the figure first"):
        read_record(tmp_path)
    with pytest.raises(RunError, match="make the figure first"):
        read_data(tmp_path)
