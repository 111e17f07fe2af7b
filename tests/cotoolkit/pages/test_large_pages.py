"""Pages of studies of thousands of runs, at small size: what does not stand in the page is packed in it."""

import base64
import json
import re
import zlib

import pandas as pd
import pytest
from matplotlib.figure import Figure

from cotoolkit.pages import Report, Section, study_page, write_report
from cotoolkit.pages.study_page import study_report
from tests._helpers.made_pages import large_page, made_study


def unpacked(page, kind):
    (text,) = re.findall(rf'<script type="text/plain" class="{kind}"[^>]*>([^<]*)</script>', page)
    return json.loads(zlib.decompress(base64.b64decode(text)))


def charts(page):
    texts = re.findall(r'<script type="text/plain" class="packed">([^<]*)</script>', page)
    return [json.loads(zlib.decompress(base64.b64decode(text))) for text in texts]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    study = made_study(root)
    return study, root, large_page(study, root, root / "page")


def test_all_rows_are_in_the_page_and_few_of_them_stand_in_it(page):
    _, _, path = page
    text = path.read_text()
    table = pd.read_csv(path.with_name("runs.csv"))
    columns = unpacked(text, "rows")
    assert len(columns) == len(table.columns)
    by_name = dict(zip(table.columns, columns, strict=True))
    assert by_name["identity"]["cells"] == table["identity"].tolist()
    assert by_name["epsilon"]["cells"] == ["0.1"] * 3 + ["0.2"] * 3 + ["0.1"] * 3 + ["0.2"] * 3
    assert by_name["PGD-3"]["values"] == [None if pd.isna(value) else value for value in table["PGD-3"]]
    assert "values" not in by_name["verdict"]
    assert "The first 4 of 12 rows; runs.csv and .parquet beside this page have all." in text
    assert len(re.findall("<tr>", text.split("</table>")[0])) == 1 + 4


def test_the_courses_are_those_of_the_runs_to_a_thousandth(page):
    study, root, path = page
    found = unpacked(path.read_text(), "courses")
    assert [line["name"] for line in found["lines"]] == ["FGSM", "PGD"]
    for folder in study.folders(root):
        metrics = folder.metrics()
        course = found["courses"][folder.path.name.rpartition("-")[2]]
        for (grid, shares), signal in zip(course["values"], ("probe_fgsm", "probe_pgd"), strict=True):
            rows = metrics[metrics["signal"] == signal].set_index("iteration")["value"]
            iterations = found["grids"][grid]
            assert len(iterations) == 8
            assert (iterations[0], iterations[-1]) == (rows.index[0], rows.index[-1])
            assert [share / 1000 for share in shares] == pytest.approx(rows[iterations].tolist(), abs=5.1e-4)
    dated = [course["breakpoint"] for course in found["courses"].values() if course["breakpoint"]]
    assert dated == [[200, 195, 206], [210, 205, 216], [220, 215, 226]]


def test_the_chart_shows_medians_and_how_many_are_broken(page):
    chart, _ = charts(page[2].read_text())
    titles = [note["text"] for note in chart["layout"]["annotations"]]
    assert "fgsm, ε 0.2: breakpoint in 3 of 3" in titles
    broken = next(trace for trace in chart["data"] if trace.get("name") == "runs past their breakpoint")
    share = dict(zip(broken["x"], broken["y"], strict=True))
    assert (share[180], share[200], share[220], share[400]) == (0, pytest.approx(1 / 3, abs=1e-4), 1, 1)


def test_a_small_study_looks_as_ever(page, tmp_path, monkeypatch):
    study, root, _ = page
    for picture in ("timeline", "phase_diagram"):  # which take longer to draw than all the rest of a page
        monkeypatch.setattr(study_page, picture, lambda *arguments, **options: (Figure((1, 1)), []))
    text = write_report(study_report(study, root), tmp_path).read_text()
    assert 'class="courses"' not in text
    assert 'class="rows"' not in text


def test_what_stands_in_a_cell_ends_no_script(tmp_path):
    table = pd.DataFrame({"name": ["</script><script>alert(1)</script>"] * 600, "identity": range(600)})
    section = Section("runs", "Runs", table=table, courses={"courses": {}})
    text = write_report(Report("t", "l", [section], {}), tmp_path).read_text()
    assert "<script>alert" not in text
    assert unpacked(text, "rows")[0]["cells"] == table["name"].tolist()
    with pytest.raises(ValueError, match="'a' has courses but no table"):
        Section("a", "A", courses={})
