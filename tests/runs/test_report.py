import re
from html.parser import HTMLParser

import pandas as pd
from matplotlib.figure import Figure

from cotoolkit.report import Report, Section, write_report


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
    assert "script" not in [tag for tag, _ in page.tags]
    assert {"Title & more", "First.", "Second <script>.", "a<b", "0.123", "1234", "seeds", "0, 1"} <= set(page.words)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert images[0]["alt"] == "a line"
    assert "nan" not in page.words
    assert "None" not in page.words


def test_the_same_report_is_the_same_bytes(tmp_path):
    write_report(report(), tmp_path / "a")
    write_report(report(), tmp_path / "b")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name
