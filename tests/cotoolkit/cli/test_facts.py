import json
import sys

import pytest

from cotoolkit.cli.facts import FactFile

ASKED = [{"name": "asked"}]


@pytest.fixture
def facts(tmp_path, monkeypatch):
    """Of a package of one file, in a process that has not loaded torch."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch")
    package = tmp_path / "package_of_parts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    return FactFile(tmp_path / "facts.json", {"parts": package.name}, lambda kind: ASKED)


def store(facts):
    facts.write()
    facts.path.write_text(facts.path.read_text().replace("asked", "stored"))


def test_current_facts_are_read(facts):
    store(facts)
    assert facts.facts("parts") == [{"name": "stored"}]


@pytest.mark.parametrize("content", [None, "{}", "<<<<<<< not JSON", '{"sources": {}}'])
def test_without_stored_facts_the_classes_are_asked(facts, content):
    if content is not None:
        facts.path.write_text(content)
    assert facts.facts("parts") == ASKED


@pytest.mark.parametrize("change", ["edited", "added", "removed"])
def test_where_a_source_changed_the_classes_are_asked(facts, change):
    package = facts.path.parent / "package_of_parts"
    (package / "part.py").write_text("1")
    store(facts)
    if change == "removed":
        (package / "part.py").unlink()
    else:
        (package / ("part.py" if change == "edited" else "new.py")).write_text("2")
    assert facts.facts("parts") == ASKED


def test_where_torch_is_loaded_anyway_the_classes_are_asked(facts, monkeypatch):
    store(facts)
    monkeypatch.setitem(sys.modules, "torch", json)
    assert facts.facts("parts") == ASKED
