"""The page in the docs says what the kept results say."""

import pytest

from analyses.diagnosis_zoo.docs_page import DOCS, docs_page, table_lines
from analyses.diagnosis_zoo.page import zoo_report
from analyses.diagnosis_zoo.plots import accuracies
from analyses.diagnosis_zoo.records import read_results
from analyses.diagnosis_zoo.scoring import aims, scores
from cotoolkit.core.errors import ConfigError


@pytest.fixture(scope="module")
def zoo():
    return read_results()


def test_the_page_is_that_of_the_kept_results():
    assert (DOCS / "diagnosis_zoo.md").read_text(encoding="utf-8") == docs_page()


def test_the_report_names_every_failure(zoo):
    table = scores(zoo)
    report = zoo_report(zoo)
    for aim in aims(table):
        assert aim.reached == (aim.hits <= aim.most * aim.of)
        assert aim.reached or all(name in report.lead for name in aim.which)


def test_every_network_is_in_the_picture(zoo):
    table = scores(zoo)
    rows = table[table["budget"] == "quick"]
    _, axis = accuracies(rows)
    assert [label.get_text() for label in axis.get_yticklabels()] == rows["network"].tolist()[::-1]


def test_a_table_in_markdown_has_a_line_per_row(zoo):
    table = scores(zoo)[["network", "verdict"]]
    assert len(table_lines(table).splitlines()) == 2 + len(table)


def test_a_name_that_fits_no_network_is_refused(tmp_path):
    from analyses.diagnosis_zoo.command import bench_diagnosis

    with pytest.raises(ConfigError, match="no network has that in its name"):
        bench_diagnosis(out=tmp_path, only=["ImageNet"])
