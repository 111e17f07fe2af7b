"""What the listing commands print, readable without importing what it is about: that would load torch first.

The facts are taken from the classes and recipes themselves and kept in `facts.json`, with a digest of each source file
of their packages. Where a source has changed since, or torch is loaded anyway, the classes are asked again, so that a
listing may be slow but not stale. `python -m cotoolkit.cli.facts` writes the file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).with_name("facts.json")

Kind = Literal["models", "datasets", "interventions", "carriers"]

PACKAGES = {
    "methods": "cotoolkit.methods",
    "models": "cotoolkit.models",
    "datasets": "cotoolkit.data",
    "interventions": "interventions",
    "carriers": "interventions",
    "figures": "figures",
}
"""Where the sources of each listing stand."""


@dataclass(frozen=True)
class Part:
    """A registered class.

    Attributes:
        name: in the registry.
        summary: first paragraph of its docstring.
        settings: its fields with their defaults, `k=2.0 alpha=none`; required ones as `beta=?`.
    """

    name: str
    summary: str
    settings: str


@dataclass(frozen=True)
class MethodPart(Part):
    """A training method, with its passes a step (see `methods.Cost`) and its source."""

    source: str
    forward: int
    backward: int
    double_backward: int


@dataclass(frozen=True)
class Figure:
    """A figure of a paper: `runs` says by scale how many it trains, the others are as in `figures.recipe.Recipe`."""

    name: str
    shows: str
    item: str
    runs: dict[str, int]

    @property
    def paper(self) -> str:
        """Key of the paper, the first part of the name."""
        return self.name.partition("/")[0]


def methods() -> list[MethodPart]:
    """All training methods, by name."""
    return [MethodPart(**fact) for fact in _facts("methods")]


def parts(kind: Kind) -> list[Part]:
    """All parts of a kind, by name."""
    return [Part(**fact) for fact in _facts(kind)]


def figures() -> list[Figure]:
    """All figures, in the order of the papers."""
    return [Figure(**fact) for fact in _facts("figures")]


def _facts(kind: str) -> list[dict[str, Any]]:
    if "torch" not in sys.modules:
        stored = stored_facts()
        package = PACKAGES[kind]
        if stored.get("sources", {}).get(package) == digests(package):
            facts: list[dict[str, Any]] = stored[kind]
            return facts
    return asked(kind)


def stored_facts() -> dict[str, Any]:
    """The content of `facts.json`; empty where it is missing or damaged."""
    try:
        found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def digests(package: str) -> dict[str, str]:
    """12 hex digits of the SHA-256 of each source file of a package, by its path in it."""
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.submodule_search_locations is not None
    folder = Path(found.submodule_search_locations[0])
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()[:12]
        for path in sorted(folder.rglob("*.py"))
    }


def asked(kind: str) -> list[dict[str, Any]]:
    """The facts as the classes and recipes have them."""
    if kind == "methods":
        return [asdict(method) for method in _methods()]
    if kind == "figures":
        return [asdict(figure) for figure in _figures()]
    registry = _registry(kind)
    return [asdict(_part(name, registry[name])) for name in registry.names()]


def _registry(kind: str) -> Any:
    if kind == "models":
        from cotoolkit.models import MODELS

        return MODELS
    if kind == "datasets":
        from cotoolkit.data import DATASETS

        return DATASETS
    from interventions import CARRIERS, INTERVENTIONS

    return INTERVENTIONS if kind == "interventions" else CARRIERS


def _methods() -> list[MethodPart]:
    from cotoolkit.methods import METHODS

    found = []
    for name in METHODS.names():
        cls = METHODS[name]
        cost = METHODS.parse(name).passes()
        found.append(MethodPart(**asdict(_part(name, cls)), source=cls.source, **cost._asdict()))
    return found


def _figures() -> list[Figure]:
    from figures.catalogue import recipes
    from figures.cost import runs_of

    return [
        Figure(recipe.name, recipe.shows, recipe.item, {scale: runs_of(recipe, scale) for scale in recipe.studies})
        for recipe in recipes().values()
    ]


def _part(name: str, cls: Any) -> Part:
    return Part(name, " ".join((cls.__doc__ or "").split("\n\n")[0].split()), _settings(cls))


def _settings(cls: Any) -> str:
    words = []
    for field in dataclasses.fields(cls):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            words.append(f"{field.name}=?")
        elif field.default is not dataclasses.MISSING:
            default = field.default
            shown = getattr(default, "name", default)
            words.append(f"{field.name}={'none' if shown is None else shown}")
        else:
            words.append(field.name)
    return " ".join(words)


def current() -> dict[str, Any]:
    """What `facts.json` should hold."""
    sources = {package: digests(package) for package in dict.fromkeys(PACKAGES.values())}
    return {"sources": sources, **{kind: asked(kind) for kind in PACKAGES}}


if __name__ == "__main__":
    FILE.write_text(json.dumps(current(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
