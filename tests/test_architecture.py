"""The rules of CONTRIBUTING.md on where things stand, proved on the sources."""

import ast
import functools
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

DRAWING = re.search(r"```text\n(.*?)```", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.DOTALL)
assert DRAWING is not None
LAYERS = [re.findall(r"cotoolkit(?:\.\w+)?(?= |$)|^\w+", line) for line in reversed(DRAWING[1].splitlines())]
"""From the ground up, as the architecture page draws them."""

ROOT_FILES = {"__init__", "config"}

LONGEST_FILE, LONGEST_FUNCTION, LARGEST_FOLDER = 300, 60, 12

ENTRIES = {
    "cotoolkit/methods",
    "cotoolkit/models/architectures",
    "cotoolkit/signals",
    "figures/benign_at",
    "figures/co_features",
    "figures/feature_purification",
    "figures/field",
    "figures/holistic_robust",
    "figures/local_ball",
    "interventions",
}
"""Folders of a registry or of a paper's figures, one file an entry: they may hold as many as there are entries."""

RECIPE = {"collect", "draw", "claims", "compare"}
"""What each recipe of a figure defines."""


def sources() -> dict[str, Path]:
    """Files by dotted name."""
    found = {}
    for package in ("cotoolkit", "interventions", "analyses", "figures"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


SOURCES = sources()


@functools.cache
def tree_of(name: str) -> ast.Module:
    """A file, parsed."""
    return ast.parse(SOURCES[name].read_text(encoding="utf-8"))


def home(name: str) -> str:
    """The package of `LAYERS` that a module belongs to."""
    packages = (package for layer in LAYERS for package in layer)
    return max((one for one in packages if name == one or name.startswith(f"{one}.")), key=len)


def height(name: str) -> int:
    """The layer of a module, 0 at the ground."""
    return next(number for number, layer in enumerate(LAYERS) if home(name) in layer)


def imports(name: str) -> set[str]:
    """The project's modules that a file imports, inside functions and for type checkers, too."""
    found = set()
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name}: write imports in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    known = {one if one in SOURCES else one.rpartition(".")[0] for one in found}
    return {one for one in known if one in SOURCES and one != name}


def test_nothing_imports_upward():
    refuse([
        f"{name} imports {other}"
        for name in SOURCES
        if name != "cotoolkit"  # whose public names are looked up when they are first used
        for other in imports(name)
        if height(other) > height(name)
    ])  # fmt: skip


def test_packages_form_no_circle():
    graph = defaultdict(set)
    for name in SOURCES:
        graph[home(name)] |= {home(other) for other in imports(name)} - {home(name)}
    graph.pop("cotoolkit", None)
    done: set[str] = set()

    def visit(package: str, path: tuple[str, ...]) -> None:
        assert package not in path, " -> ".join((*path, package))
        if package not in done:
            for other in sorted(graph.get(package, ())):
                visit(other, (*path, package))
            done.add(package)

    for package in sorted(graph):
        visit(package, ())


def test_files_form_no_circle():
    """A circle of two files is one file, or a third that both rest on."""
    graph = {name: {one for one in imports(name) if SOURCES[one].name != "__init__.py"} for name in SOURCES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_the_engine_names_no_upper_package():
    for name, path in SOURCES.items():
        if home(name).startswith("cotoolkit"):
            for node in ast.walk(tree_of(name)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert not node.value.startswith(("analyses.", "figures.")), f"{path}:{node.lineno}"


def test_the_root_of_the_engine_holds_no_loose_file():
    assert {path.stem for path in (ROOT / "cotoolkit").glob("*.py")} == ROOT_FILES


@pytest.mark.parametrize("word", ["utils", "util", "helpers", "helper", "common", "misc"])
def test_no_file_has_a_name_that_says_nothing(word):
    assert not [name for name in SOURCES if name.rpartition(".")[2] == word]


def is_table(tree: ast.Module) -> bool:
    """A file of data: nine of ten lines stand in assignments outside functions."""
    lines = sum(node.end_lineno - node.lineno + 1 for node in tree.body)
    kinds = ast.Assign | ast.AnnAssign | ast.Expr
    data = sum(node.end_lineno - node.lineno + 1 for node in tree.body if isinstance(node, kinds))
    return data > 0.9 * lines


def refuse(found: list[str]) -> None:
    """Fail with one line per finding."""
    assert not found, "\n" + "\n".join(found)


def test_files_are_short():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in SOURCES.items()}
    refuse([
        f"{SOURCES[name]}: {length} lines, at most {LONGEST_FILE}"
        for name, length in lengths.items()
        if length > LONGEST_FILE and not is_table(tree_of(name))
    ])  # fmt: skip


def test_functions_are_short():
    refuse([
        f"{SOURCES[name]}:{node.lineno}: {node.name} has {length} lines, at most {LONGEST_FUNCTION}"
        for name in SOURCES
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := node.end_lineno - node.lineno + 1) > LONGEST_FUNCTION
    ])  # fmt: skip


def test_folders_are_small():
    count = defaultdict(int)
    for path in SOURCES.values():
        count[path.parent.relative_to(ROOT).as_posix()] += 1
    refuse([
        f"{folder}/: {n} files, at most {LARGEST_FOLDER}"
        for folder, n in count.items()
        if n > LARGEST_FOLDER and folder not in ENTRIES
    ])  # fmt: skip


def test_a_public_name_stands_once():
    homes = defaultdict(list)
    for name in SOURCES:
        for node in tree_of(name).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    for word in RECIPE & set(homes):
        homes[word] = [name for name in homes[word] if not name.startswith("figures.")]
    refuse([f"{word}: {', '.join(names)}" for word, names in homes.items() if len(names) > 1])


def test_tests_mirror_the_packages():
    for folder in {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("*.py")}:
        assert folder.parts[:1] == ("_helpers",) or (ROOT / folder).is_dir(), f"tests/{folder}: no package {folder}"
