"""What the code imports is what pyproject.toml declares; what that declares is imported, bounded, pinned, explained."""

import ast
import importlib.metadata
import json
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("cotoolkit", "interventions", "analyses", "figures")
OURS = {*PACKAGES, "tests", "benchmarks", "examples", "docs", *(path.stem for path in ROOT.glob("benchmarks/*.py"))}

NOT_IMPORTED = {
    "wandb": "opened by Lightning's logger of that name",
    "mlflow": "opened by Lightning's logger of that name",
    "lightning": "imported by a name in a text: either package serves",
    "jupyterlab": "a command",
    "mkdocs": "a command",
    "mkdocs-material": "named in mkdocs.yml",
    "mkdocstrings": "named in mkdocs.yml",
    "ruff": "a command",
    "mypy": "a command",
    "pre-commit": "a command",
    "pytest-xdist": "a plug-in of pytest",
    "pytest-cov": "a plug-in of pytest",
    "pandas-stubs": "types",
    "types-pyyaml": "types",
    "ipykernel": "the process in which a notebook runs",
}
"""Declared and imported by no file, with the reason."""

BROUGHT = {"foolbox"}
"""Imported only to call an attack that the user made of that library."""

SUBCLASSED = {"torchmetrics"}
"""What one file makes a subclass of, and which only that file imports."""

NOT_ALWAYS_INSTALLED = {"griffe": "griffelib"}
"""Modules of packages that an environment for tests may lack, and their packages."""

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DISTRIBUTIONS = importlib.metadata.packages_distributions()


def requirements(texts):
    """By canonical name; extras of the project itself are left out."""
    parsed = [Requirement(text) for text in texts]
    return {canonicalize_name(one.name): one for one in parsed if one.name != "cotoolkit"}


CORE = requirements(PYPROJECT["project"]["dependencies"])
EXTRAS = requirements(chain(*PYPROJECT["project"]["optional-dependencies"].values()))
GROUPS = requirements(chain(*PYPROJECT["dependency-groups"].values()))


def sources(module):
    """The distributions that a module may come from; its own name where none is installed."""
    return {canonicalize_name(name) for name in DISTRIBUTIONS.get(module, [NOT_ALWAYS_INSTALLED.get(module, module)])}


def imports(node, *, at_import):
    """Modules that a syntax tree imports; with `at_import`, those that importing the file imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield node.module.split(".")[0]
    if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    if at_import and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    for child in ast.iter_child_nodes(node):
        yield from imports(child, at_import=at_import)


def third_party(folders, *, at_import=False):
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = {name for path in paths for name in imports(ast.parse(path.read_text()), at_import=at_import)}
    return found - set(sys.stdlib_module_names) - OURS


def undeclared(modules, declared):
    return sorted(module for module in modules if not sources(module) & set(declared))


def unused(declared, modules):
    used = set().union(*(sources(module) for module in modules))
    return sorted(name for name in declared if name not in used and name not in NOT_IMPORTED)


def test_every_import_is_declared():
    modules = third_party(PACKAGES)
    assert len(modules) > 15
    assert not undeclared(modules - BROUGHT, {**CORE, **EXTRAS})


def test_importing_a_file_needs_no_extra_but_what_it_makes_a_subclass_of():
    assert not undeclared(third_party(PACKAGES, at_import=True) - SUBCLASSED, CORE)


def test_every_import_of_tests_benchmarks_examples_and_docs_is_declared():
    modules = third_party(("tests", "benchmarks", "examples", "docs"))
    assert not undeclared(modules, {**CORE, **EXTRAS, **GROUPS})


def test_nothing_is_declared_in_vain():
    assert not unused({**CORE, **EXTRAS}, third_party(PACKAGES) | third_party(["docs"]))
    assert not unused(GROUPS, third_party((*PACKAGES, "tests", "benchmarks", "examples", "docs")))
    assert set(NOT_IMPORTED) <= {*CORE, *EXTRAS, *GROUPS}


def test_everything_has_a_lower_bound():
    assert not [name for name, one in {**CORE, **EXTRAS, **GROUPS}.items() if ">=" not in str(one.specifier)]


def test_the_pinned_versions_fit_and_are_those_of_the_gallery():
    pinned = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        one = Requirement(line)
        if one.marker is None or one.marker.evaluate({"python_full_version": "3.11.7", "sys_platform": "linux"}):
            (exactly,) = one.specifier
            assert exactly.operator == "=="
            pinned[canonicalize_name(one.name)] = exactly.version
    assert not [name for name, one in CORE.items() if not one.specifier.contains(pinned.get(name, "0"))]
    made_by = {}
    for path in (ROOT / "figures/gallery").glob("*/*/*/claims.json"):
        versions = json.loads(path.read_text())["making"]["environment"]
        for name in {*CORE} & {*versions}:
            made_by.setdefault(name, set()).add(versions[name])
    assert {"torch", "numpy", "matplotlib"} <= set(made_by)
    assert {name: {pinned[name]} for name in made_by} == made_by


def test_each_is_explained():
    page = (ROOT / "docs/dependencies.md").read_text()
    told = {canonicalize_name(name) for name in re.findall(r"^\| `([\w-]+)`", page, re.MULTILINE)}
    assert not {*CORE, *EXTRAS} - told
