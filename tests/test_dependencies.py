"""What the packages import is what pyproject.toml declares."""

import ast
import importlib.metadata
import itertools
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("cotoolkit", "interventions", "analyses", "figures")

THERE = {"IPython", "foolbox"}
"""Imported only inside a notebook, or to call an attack of that library, which bring them."""


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_every_import_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[<>=!\[ ]", requirement)[0].lower() for requirement in requirements}
    distributions = importlib.metadata.packages_distributions()
    modules = {name for package in PACKAGES for path in (ROOT / package).rglob("*.py") for name in imported(path)}
    third_party = modules - set(sys.stdlib_module_names) - {*PACKAGES, *THERE, "tests"}
    sources = {name: {source.lower().replace("_", "-") for source in distributions[name]} for name in third_party}
    assert not {name for name, found in sources.items() if not declared & found}
    assert len(third_party) > 15
