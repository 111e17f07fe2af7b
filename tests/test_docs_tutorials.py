"""The tutorial notebooks run, each in a fresh kernel, and show what is stored of them."""

import os
import runpy
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
RUN = runpy.run_path(str(ROOT / "docs" / "run_tutorials.py"))
NAMES, read, executed, digest, kinds = (RUN[name] for name in ("ORDER", "read", "executed", "digest", "kinds"))

LARGEST = 300_000
"""Bytes of a notebook with its pictures."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all of them, in their order: what one has trained, the next finds."""
    return tmp_path_factory.mktemp("tutorials")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_runs_and_shows_what_is_stored(name, folder, monkeypatch):
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    assert kinds(executed(name, folder)) == kinds(read(name)), f"run: python docs/run_tutorials.py {name}"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_is_of_these_cells(name):
    notebook = read(name)
    assert notebook.metadata.get("outputs_of") == digest(notebook), f"run: python docs/run_tutorials.py {name}"
    assert (ROOT / "docs" / "tutorials" / f"{name}.ipynb").stat().st_size < LARGEST
    assert any(cell.get("outputs") for cell in notebook.cells)
    assert "\x1b" not in str(notebook)  # colours of a terminal


def test_every_notebook_is_run_and_stands_in_the_site():
    assert {path.stem for path in (ROOT / "docs" / "tutorials").glob("*.ipynb")} == set(NAMES)
    (tutorials,) = (one["Tutorials"] for one in _site()["nav"] if isinstance(one, dict) and "Tutorials" in one)
    assert [path for one in tutorials for path in one.values()] == [f"tutorials/{name}.md" for name in NAMES]


def _site():
    return yaml.safe_load((ROOT / "mkdocs.yml").read_text())
