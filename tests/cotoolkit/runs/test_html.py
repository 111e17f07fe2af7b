"""What a notebook shows of a run folder, a study and a diagnosis."""

import pytest

from cotoolkit.config import RunConfig
from cotoolkit.diagnosis.schema import Diagnosis
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.html import facts_html, settings_text
from cotoolkit.studies.study import Study

RESULT = {
    "verdict": "catastrophic overfitting",
    "breakpoint": {"kind": "breakpoint", "iteration": 268, "detail": {"earliest": 259, "latest": 270}, "count": 1},
    "iterations": 480,
    "best_iteration": 200,
    "evaluation": {"clean": {"value": 0.9, "low": 0.85, "high": 0.94, "points": 360, "card": {}}},
    "seconds": 5.0,
}


@pytest.fixture
def folder(tmp_path):
    config = RunConfig(epsilon="8/255")
    folder = RunFolder.of(tmp_path / "a <b> & c", config)
    folder.create(config)
    return folder


def test_a_run_is_a_table_of_facts(folder):
    folder.set_state("done")
    folder.write_result(RESULT)
    html = folder._repr_html_()
    for said in (
        "a &lt;b&gt; &amp; c",
        "epsilon=8/255",
        "catastrophic overfitting",
        "268 (interval of uncertainty 259",
    ):
        assert said in html
    assert "clean: 90.0% (85.0% to 94.0%)" in html
    assert "<b>" not in html
    assert "color" not in html


@pytest.mark.parametrize("name", ["config.yaml", "status.json", "result.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"null"])
def test_a_damaged_run_shows_too(name, content, folder):
    folder.set_state("done")
    folder.write_result(RESULT)
    (folder.path / name).write_bytes(content)
    assert "cannot be read: " in folder._repr_html_()


def test_a_run_that_is_not_there_is_new(tmp_path):
    assert "new" in RunFolder(tmp_path / "nowhere")._repr_html_()
    (tmp_path / "empty").mkdir()
    assert "no run here" in RunFolder(tmp_path / "empty")._repr_html_()


def test_a_study_shows_its_grids():
    study = Study(name="<radii>", base={"data": "digits"}, grids=({"epsilon": ("4/255", 8 / 255), "seed": (0, 1)},))
    html = study._repr_html_()
    assert "Study: &lt;radii&gt;" in html
    assert "epsilon=[4/255, 8/255]<br>seed=[0, 1]" in html


def test_a_study_that_cannot_be_shows_why():
    assert "cannot be read: " in Study(name="none", grids=({"epsilon": (-1,)},))._repr_html_()


def test_an_incomplete_diagnosis_shows_too():
    assert "cannot be read: " in Diagnosis.model_construct()._repr_html_()


def test_a_fact_that_raises_says_why():
    def broken():
        raise KeyError("x<y")

    assert "cannot be read: &#x27;x&lt;y&#x27;" in facts_html("title", {"broken": broken, "none": lambda: None})


def test_settings_are_written_as_people_type_them():
    assert settings_text({"epsilon": 8 / 255, "method": {"name": "pgd", "steps": 5}}) == (
        "epsilon=8/255\nmethod={name=pgd, steps=5}"
    )
