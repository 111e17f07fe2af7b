"""What the listing commands print, readable without importing what it is about: that would load torch first.

The facts are taken from the classes themselves and kept in a file, with a digest of each source file of their packages.
Where a source has changed since, or torch is loaded anyway, the classes are asked again, so that a listing may be slow
but not stale. `python -m cotoolkit.cli.facts` writes the file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["models", "datasets", "interventions", "carriers"]


@dataclass(frozen=True)
class RegistryEntry:
    """A registered class.

    Attributes:
        name: in the registry.
        summary: first paragraph of its docstring.
        settings: its fields with their defaults, `k=2.0 alpha=none`; required ones as `beta=?`.
    """

    name: str
    summary: str
    settings: str


CIFAR = 50_000
"""Training images of CIFAR-10, for which the memory of a method is told."""

NETWORK = "preact_resnet18"
"""The network for which it is told."""


@dataclass(frozen=True)
class MethodEntry(RegistryEntry):
    """A training method with its default settings; `family` to `source` are as in `methods.Method`.

    Attributes:
        aliases: other words for it.
        defaults: its fields' names, defaults, and where these come from.
        forward: passes a step, see `methods.Cost`; so are the next two.
        costs_more: passes beyond these, in words, of the method and of those that it stands around.
        bytes_per_image: of what it remembers, for each training image of the shape of CIFAR-10's.
        bytes_per_batch_image: the same for each image of a batch.
        bytes_besides: of what it remembers besides, with `NETWORK`.
        networks_besides: the same in units of that network's weights and buffers.
    """

    aliases: list[str]
    family: str
    formula: str
    bf16: bool
    source: str
    defaults: list[list[str]]
    forward: int
    backward: int
    double_backward: int
    costs_more: str
    bytes_per_image: int
    bytes_per_batch_image: int
    bytes_besides: int
    networks_besides: float


@dataclass(frozen=True)
class SignalEntry:
    """A signal, with its passes beyond the training step; the other fields are as in `signals.registry.SignalInfo`."""

    name: str
    title: str
    unit: str
    at_break: str | None
    source: str
    forward: int
    backward: int
    double_backward: int


@dataclass(frozen=True)
class FactFile:
    """Facts of several kinds, in one file.

    Attributes:
        path: of the file.
        packages: where the sources of each kind stand.
        ask: the facts of a kind as the classes have them, as JSON data.
    """

    path: Path
    packages: Mapping[str, str]
    ask: Callable[[str], list[dict[str, Any]]]

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """The facts of a kind: stored ones if they are current, else those of the classes."""
        if "torch" not in sys.modules:
            stored = self.stored()
            package = self.packages[kind]
            if stored.get("sources", {}).get(package) == digests(package):
                facts: list[dict[str, Any]] = stored[kind]
                return facts
        return self.ask(kind)

    def stored(self) -> dict[str, Any]:
        """The content of the file; empty where it is missing or damaged."""
        try:
            found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def current(self) -> dict[str, Any]:
        """What the file should hold."""
        sources = {package: digests(package) for package in dict.fromkeys(self.packages.values())}
        return {"sources": sources, **{kind: self.ask(kind) for kind in self.packages}}

    def write(self) -> None:
        """Bring the file up to date."""
        self.path.write_text(json.dumps(self.current(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


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


def method_entries() -> list[MethodEntry]:
    """All training methods, by name."""
    return [MethodEntry(**fact) for fact in FACTS.facts("methods")]


def signal_entries() -> list[SignalEntry]:
    """All signals, by cost and name."""
    return [SignalEntry(**fact) for fact in FACTS.facts("signals")]


def entries(kind: Kind) -> list[RegistryEntry]:
    """All registered classes of a kind, by name."""
    return [RegistryEntry(**fact) for fact in FACTS.facts(kind)]


def _asked(kind: str) -> list[dict[str, Any]]:
    if kind == "methods":
        return [asdict(method) for method in _methods()]
    if kind == "signals":
        return [asdict(signal) for signal in _signals()]
    registry = _registry(kind)
    return [asdict(_entry(name, registry[name])) for name in registry.names()]


def _registry(kind: str) -> Any:
    if kind == "models":
        from cotoolkit.models import MODELS

        return MODELS
    if kind == "datasets":
        from cotoolkit.data import DATASETS

        return DATASETS
    from interventions import CARRIERS, INTERVENTIONS

    return INTERVENTIONS if kind == "interventions" else CARRIERS


def _methods() -> list[MethodEntry]:
    from cotoolkit.methods import METHODS

    return [method_entry(name) for name in METHODS.names()]


def method_entry(name: str) -> MethodEntry:
    """All about one method.

    Args:
        name: in the registry, or MODULE:NAME of one's own.

    Returns:
        The entry.

    Raises:
        ConfigError: there is none, or its module cannot be imported.
    """
    from cotoolkit.methods import METHODS
    from cotoolkit.methods._memory.measured import method_memory

    cls, method = METHODS[name], METHODS.parse(name)
    return MethodEntry(
        **asdict(_entry(cls.name, cls)),
        aliases=METHODS.aliases(cls.name),
        family=cls.family,
        formula=cls.formula,
        bf16=all(part.bf16 for part in method.parts),
        source=cls.source,
        defaults=[[field, default, cls.constants.get(field, "")] for field, default in _defaults(cls).items()],
        **method.cost_per_step()._asdict(),
        costs_more="; ".join(part.costs_more for part in method.parts if part.costs_more),
        **method_memory(method, NETWORK)._asdict(),
    )


def _signals() -> list[SignalEntry]:
    from cotoolkit.signals import SIGNALS

    ordered = sorted(SIGNALS.values(), key=lambda info: (info.cost, info.name))
    return [SignalEntry(info.name, info.title, info.unit, info.at_break, info.source, *info.cost) for info in ordered]


def _entry(name: str, cls: Any) -> RegistryEntry:
    settings = " ".join(f"{field}={default}" if default else field for field, default in _defaults(cls).items())
    return RegistryEntry(name, " ".join((cls.__doc__ or "").split("\n\n")[0].split()), settings)


def _defaults(cls: Any) -> dict[str, str]:
    """The fields of a class with their defaults as people type them: "?" where there is none, "" where it is made."""
    found = {}
    for field in dataclasses.fields(cls):
        if field.default is dataclasses.MISSING:
            found[field.name] = "?" if field.default_factory is dataclasses.MISSING else ""
        else:
            shown = getattr(field.default, "name", field.default)
            found[field.name] = "none" if shown is None else str(shown)
    return found


FACTS = FactFile(
    path=Path(__file__).with_name("facts.json"),
    packages={
        "methods": "cotoolkit.methods",
        "signals": "cotoolkit.signals",
        "models": "cotoolkit.models",
        "datasets": "cotoolkit.data",
        "interventions": "interventions",
        "carriers": "interventions",
    },
    ask=_asked,
)


if __name__ == "__main__":
    FACTS.write()
