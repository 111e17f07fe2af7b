"""The page of a diagnosis, from made-up measurements."""

import re

import matplotlib.image
import pandas as pd
import pytest

from cotoolkit.diagnosis.judging.verdict import reach_verdict
from cotoolkit.diagnosis.page import diagnosis_report, write_diagnosis
from cotoolkit.diagnosis.schema import Diagnosis
from tests._helpers.measured import EPSILON, diagnosis, measurements

FIGURES = (
    "attacks", "radius", "steps", "segment", "surface", "cosines", "spectrum", "duels", "classes", "ways", "change"
)  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diagnosis")
    return folder, write_diagnosis(diagnosis(), folder)


def test_the_page_opens_with_the_verdict_and_how_sure_it_is(written):
    text = written[1].read_text(encoding="utf-8")
    lead = re.sub(r"<[^>]+>", "", text[text.index('class="lead"') : text.index("<section")])
    assert "Verdict: robust" in lead
    assert "Confidence: high" in lead
    assert text.index('class="lead"') < text.index('id="evidence"') < text.index('id="findings"') < text.index("<img")


def test_the_files_are_there_and_read_back(written):
    folder, _ = written
    assert Diagnosis.from_json((folder / "diagnosis.json").read_text(encoding="utf-8")) == diagnosis()
    for name in FIGURES:
        assert (folder / f"{name}.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")
        assert matplotlib.image.imread(folder / f"{name}.png")[..., :3].std() > 0.01  # not blank


def test_nothing_is_asked_of_a_network(written):
    page = re.sub(r'(xmlns(:\w+)?|href)="[^"]*"', "", written[1].read_text(encoding="utf-8"))
    assert not re.search(r'src="(?!data:)', page)
    assert "https://" not in page.split("<script")[0]


def test_every_section_says_how_to_read_it():
    report = diagnosis_report(diagnosis())
    assert all(len(section.text) > 30 for section in report.sections)
    assert all(section.alternative for section in report.sections if section.figure is not None)
    assert {section.name for section in report.sections if section.figure is not None} == set(FIGURES)


def test_every_observation_is_in_the_table_those_against_after_those_for():
    found = measurements(alignment=0.1)
    one = diagnosis().model_copy(update={"measurements": found, "verdict": reach_verdict(found, EPSILON)})
    table = next(section.table for section in diagnosis_report(one).sections if section.name == "evidence")
    assert isinstance(table, pd.DataFrame)
    assert len(table) == len(one.verdict.evidence)
    sides = list(dict.fromkeys(table["speaks"]))
    assert sides[:2] == ["for", "against"]
    assert sides[2:]
    assert all(len(side.split()) > 1 and one.verdict.label not in side for side in sides[2:])
    assert set(table["what was seen"]) == {observation.sentence for observation in one.verdict.evidence}


def test_the_facts_let_a_number_be_trusted():
    facts = diagnosis_report(diagnosis()).facts
    assert "epsilon 0.1" in facts["Threat"]
    assert facts["Seed"] == "0"
    assert "torch 2" in facts["Versions"]
    assert "none" in facts["Protocol cards"]
    assert f"{diagnosis().verdict.floor:.1%}" in facts["Robust means"]


def test_a_network_without_any_gradient_still_has_a_page(tmp_path):
    found = measurements(zero=1.0, pgd=0.9, worst=0.0, duels={"black-box": (110, 0, 1e-9)})
    silent = tuple(signal.model_copy(update={"mean": None}) for signal in found.signals)
    spectrum = found.spectrum.model_copy(update={"fgsm": None})
    found = found.model_copy(update={"signals": silent, "spectrum": spectrum})
    one = diagnosis().model_copy(
        update={"measurements": found, "verdict": reach_verdict(found, EPSILON), "findings": ()}
    )
    page = write_diagnosis(one, tmp_path).read_text(encoding="utf-8")
    assert "gradient masking" in page
    assert 'id="findings"' not in page
