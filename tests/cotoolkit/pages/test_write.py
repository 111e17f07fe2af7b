import base64
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure
from plotly.offline import get_plotlyjs

from cotoolkit.pages import Report, Section, write, write_report
from cotoolkit.pages.cells import packed_columns


def report() -> Report:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1], [0, 1])
    table = pd.DataFrame(
        {"name": ["a<b", None], "value": [0.123456, float("nan")], "count": [3.0, 1234.0], "flag": [True, False]}
    )
    return Report(
        title="Title & more",
        lead="First.\n\nSecond <script>.",
        sections=[
            Section("one", "A picture", "Read it so.", figure, "a line"),
            Section("two", "A table", table=table),
        ],
        facts={"seeds": "0, 1"},
        data={"long": pd.DataFrame({"x": range(100), "y": [(1, 2)] * 100})},
    )


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data.strip())


def test_a_report_is_a_page_with_its_files(tmp_path):
    path = write_report(report(), tmp_path / "deep")
    names = {"report.html", "one.png", "one.svg", "two.csv", "two.parquet", "long.csv", "long.parquet"}
    assert {file.name for file in path.parent.iterdir()} == names
    assert pd.read_parquet(tmp_path / "deep" / "long.parquet")["y"].iloc[0] == "(1, 2)"


def test_the_page_is_self_contained_and_escapes_what_it_shows(tmp_path):
    text = write_report(report(), tmp_path).read_text()
    page = Page(text)
    sources = [attributes[key] for _, attributes in page.tags for key in ("src", "href") if key in attributes]
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert not re.search(r"url\(|@import", text)
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 1  # sorts tables
    assert "default-src 'none'" in next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    assert {"Title & more", "First.", "Second <script>.", "a<b", "0.123", "1234", "seeds", "0, 1"} <= set(page.words)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert images[0]["alt"] == "a line"
    assert "nan" not in page.words
    assert "None" not in page.words


def test_shares_are_shown_in_per_cent_and_kept_as_they_are(tmp_path):
    table = pd.DataFrame({"accuracy": [0.12345, None], "points": [1000, 2], "cosine": [0.5, 0.25]})
    section = Section("one", "One", table=table, percent=("accuracy",))
    page = Page(write_report(Report("t", "l", [section], {}), tmp_path).read_text())
    assert {"12.3%", "1000", "0.5", "0.25"} <= set(page.words)
    assert "0.123" not in page.words
    assert pd.read_csv(tmp_path / "one.csv")["accuracy"].iloc[0] == 0.12345
    assert packed_columns(table, ["accuracy"])[0] == {"cells": ["12.3%", ""], "values": [0.12345, None]}


@pytest.mark.parametrize(("points", "title", "least"), [(9, "", 288), (6, "", 432), (9, "$10^{-2}$", 411)])
def test_a_picture_is_never_so_narrow_that_its_letters_cannot_be_read(tmp_path, points, title, least):
    figure = Figure(figsize=(4, 3))  # 288 pt wide: letters of 9 pt are 9 px high where it is 288 px wide
    figure.text(0.5, 0.5, "letters", fontsize=points)
    figure.text(0.5, 0.8, title, fontsize=9)
    page = write_report(Report("t", "l", [Section("one", "One", figure=figure)], {}), tmp_path).read_text()
    assert f'style="--least: {least}px"' in page


def test_a_picture_of_very_many_lines_stands_in_the_page_as_a_png(tmp_path, monkeypatch):
    sections = report().sections
    assert "data:image/svg+xml" in write_report(replace(report(), sections=sections), tmp_path / "few").read_text()
    monkeypatch.setattr(write, "LARGEST_SVG", 1000)
    page = write_report(replace(report(), sections=sections), tmp_path / "many").read_text()
    assert "data:image/svg+xml" not in page
    assert "data:image/png" in page
    assert 'width="288"' in page  # 3 inches, whatever the resolution of the file
    assert (tmp_path / "many" / "one.svg").exists()


def charted(name: str) -> Section:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1], [0, 1])
    chart = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], name="</script><script>alert(1)</script>"))
    return Section(name, "A chart", figure=figure, chart=chart, views={"all": (0, 1), "half": (0, 0.5)})


def test_a_page_has_the_chart_library_once_and_only_if_it_has_a_chart(tmp_path):
    two = replace(report(), sections=[charted("one"), charted("two")])
    text = write_report(two, tmp_path / "with").read_text()
    assert text.count('id="plotly"') == 1
    packed = text.partition('id="plotly"')[2].partition(">")[2].partition("<")[0]
    assert zlib.decompress(base64.b64decode(packed)).decode() == get_plotlyjs()
    assert len(text) < 3e6
    assert 'id="plotly"' not in write_report(report(), tmp_path / "without").read_text()
    page = Page(text)
    kinds = [attributes.get("type") for tag, attributes in page.tags if tag == "script"]
    assert kinds.count("text/plain") == 3  # the library and two charts
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 5  # two charts, tables, plotly, charts
    assert [attributes["data-high"] for tag, attributes in page.tags if tag == "button"] == ["1", "0.5"] * 2
    assert len([tag for tag, _ in page.tags if tag == "img"]) == 2  # for print


def test_a_chart_needs_a_picture_for_print():
    with pytest.raises(ValueError, match="'a' has a chart but no figure"):
        Section("a", "A", chart=go.Figure())
    with pytest.raises(ValueError, match="'a' has views but no chart"):
        Section("a", "A", views={"all": (0, 1)})


def test_the_same_report_is_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_report(replace(report(), sections=[*report().sections, charted("three")]), tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_a_picture_that_goes_on_is_shown_part_by_part(tmp_path):
    parts = [Figure(figsize=(1, 1)) for _ in range(3)]
    section = Section("all", "All", "", parts[0], "lines", more_figures=parts[1:])
    page = write_report(Report("t", "l", [section], {}), tmp_path).read_text()
    assert page.count("<figure") == 3
    assert 'alt="lines, part 3 of 3"' in page
    assert {path.stem for path in tmp_path.glob("all*.png")} == {"all", "all-2", "all-3"}
    with pytest.raises(ValueError, match="'more' has more figures but no first one"):
        Section("more", "More", more_figures=parts)
