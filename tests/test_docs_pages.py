"""Code and links of the pages, as far as they can be looked at without building the site."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch

from tests._helpers.networks import conv_net

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")


def blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("name", ["faq.md", "configuration.md"])
def test_the_examples_of_a_page_run_as_printed(name, capsys):
    images, labels = torch.rand(20, 1, 6, 6), torch.arange(20) % 10
    names = {"model": conv_net(classes=10), "images": images, "labels": labels}
    assert blocks(name)
    for block in blocks(name):
        exec(block, names)
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_links_lead_somewhere(page):
    """Within the documentation to a file; outside of it they have the form of an address."""
    for target in LINK.findall(re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
        parts = urlsplit(target)
        if parts.scheme:
            assert parts.scheme == "https", target
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), target
        elif parts.path:
            assert (page.parent / parts.path).exists(), target


def test_the_arithmetic_of_the_radii():
    text = (DOCS / "faq.md").read_text(encoding="utf-8")
    assert f"8/255 is {8 / 255:.5f}..." in text
    assert f"0.031 is {0.031 * 255:.3f}/255, {100 * (1 - 0.031 * 255 / 8):.1f} % less" in text


def test_messages_that_the_troubles_quote_are_those_of_the_code():
    table = (DOCS / "faq.md").read_text(encoding="utf-8").partition("## Troubles with the toolkit")[2]
    quoted = re.findall(r"^\| `([^`]+ [^`]+)` \|", table, re.MULTILINE)
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS.parent / "cotoolkit").rglob("*.py"))
    assert len(quoted) >= 4
    assert [text for text in quoted if text not in sources] == []


def test_terms_of_the_glossary_stand_once():
    terms = re.findall(r"^### (.+)$", (DOCS / "concepts.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(terms) == len(set(terms)) > 15
