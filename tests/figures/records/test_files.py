import dataclasses
import os
import time

import pytest

from cotoolkit.core.errors import RunError
from figures.make import make
from figures.records import files
from figures.records.files import PICTURES, read_data, read_record, stored_record
from figures.records.stored import stored_figures
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


def test_a_figure_whose_claims_were_not_written_is_none(gallery, runner, monkeypatch, caplog):
    """Killed while it is made again: the pictures are there, the record is not."""

    class Killed(BaseException):
        pass

    def dying(*args, **named):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(files, "rendered", dying)
        with pytest.raises(Killed):
            make(RECIPE, "digits", runner, gallery)
    assert (gallery / FOLDER / "figure.png").exists()
    assert stored_record(gallery, RECIPE.name, "digits") is None
    assert "has no claims.json; make the figure first; it is not taken for a figure" in caplog.text
    assert stored_figures([RECIPE], gallery) == []
    assert any("has no claims.json" in problem for problem in verify([RECIPE], gallery))
    (gallery / FOLDER / "claims.json").write_text('{"figure": 3}')
    assert stored_figures([RECIPE], gallery) == []
    make(RECIPE, "digits", runner, gallery)
    assert verify([RECIPE], gallery) == []


def test_what_killed_processes_left_is_swept(gallery, runner):
    left = gallery / FOLDER / ".figure.png.1234.tmp"
    for age, stays in ((10.0, True), (1e4, False)):
        left.write_bytes(b"half")
        os.utime(left, (time.time() - age,) * 2)
        make(RECIPE, "digits", runner, gallery)
        assert left.exists() == stays
