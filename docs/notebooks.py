"""Makes a page of each notebook, with what its cells showed; the notebook itself can be downloaded from it.

The converter is nbconvert's to Markdown, so that a notebook gets the theme, the contents and the search of every other
page. (A converter to HTML would bring Jupyter's style and scripts, some of them from the network.)
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

DOWNLOAD = """[Download this notebook]({name}.ipynb "the notebook itself") to run it. What it shows below is from when
it last ran here, on a CPU."""

LINK = re.compile(r"\]\(([\w./]+)\.ipynb\)")
"""To a notebook: in the site to its page, in the repository to the notebook itself."""

NOT_MARKDOWN = re.compile(r"<style scoped>.*?</style>\n?", re.DOTALL)
"""What pandas puts before each table, for pages that have no style of their own."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called once with all files below docs/: adds the pages of the notebooks, and their pictures."""
    for file in [one for one in files if one.src_uri.endswith(".ipynb")]:
        for made in _pages(file, config):
            files.append(made)
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Called once with the text of each page."""
    return LINK.sub(r"](\1.md)", markdown)


def _pages(file: File, config: MkDocsConfig) -> list[File]:
    from nbconvert import MarkdownExporter

    place = PurePosixPath(file.src_uri)
    pictures = {"unique_key": place.stem, "output_files_dir": f"{place.stem}_files"}
    text, found = MarkdownExporter().from_filename(str(file.abs_src_path), resources=pictures)
    made = [File.generated(config, f"{place.parent}/{name}", content=data) for name, data in found["outputs"].items()]
    return [File.generated(config, str(place.with_suffix(".md")), content=_page(text, place.stem)), *made]


def _page(text: str, name: str) -> str:
    """Markdown as the other pages have it."""
    text = NOT_MARKDOWN.sub("", text).replace('<table border="1" class="dataframe">', "<table>")
    text = text.replace('<tr style="text-align: right;">', "<tr>").replace("![png](", "![What the cell above draws](")
    title, _, rest = text.lstrip().partition("\n")
    return f"{title}\n\n{DOWNLOAD.format(name=name)}\n{rest}"
