"""Named, configurable parts: one registry class for interventions, methods, models and their like.

A registered class is a frozen pydantic dataclass. `Registry.parse` and `Registry.dump` turn its instances into plain
JSON data and back, `{"name": "inject", "beta": 0.03}`, so a run's configuration is data, which can be hashed.

The parts of a kind stand in one package, which finds its own files with `load_entries`: a new part is one new file.
"""

from __future__ import annotations

import difflib
import fnmatch
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import is_pydantic_dataclass

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.validation import explaining, place_of

T = TypeVar("T")
C = TypeVar("C", bound=type)

STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
"""Configuration, for pydantic, of every registered dataclass: an unknown field is an error, not silence."""


def load_entries(package: str) -> None:
    """Import every module of a package, so that the parts they hold are registered; subpackages are left alone.

    Called at the end of the package's `__init__`, with `__name__`. Nothing may depend on the order of the modules.

    >>> load_entries("cotoolkit.optimizers")
    >>> from cotoolkit.optimizers import OPTIMIZERS
    >>> OPTIMIZERS.names()
    ['adam', 'adamw', 'sgd']
    """
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if not module.ispkg:
            importlib.import_module(module.name)


class UnknownName(ConfigError):
    """A name no registry entry carries; the message lists the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose from: {', '.join(known)}"
        super().__init__(f"unknown {kind} {name!r}: {hint}")


class InvalidFields(ConfigError):
    """A registered class refused its fields; the message names the entry, the field and the reason on one line."""

    def __init__(self, kind: str, name: str, cls: type, error: ValidationError) -> None:
        super().__init__("; ".join(self._line(kind, name, cls, detail) for detail in error.errors()))

    @staticmethod
    def _line(kind: str, name: str, cls: type, detail: Any) -> str:
        where, fields = place_of(detail, cls), list(cast("Any", cls).__dataclass_fields__)
        if detail["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            near = difflib.get_close_matches(where, fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it takes: {', '.join(fields) or 'nothing'}"
            return f"{kind} {name!r} has no field {where!r}: {hint}"
        if detail["type"] in ("missing", "missing_argument"):
            return f"{kind} {name!r} needs a {where}"
        reason = detail["msg"].removeprefix("Value error, ")
        return f"{kind} {name!r}: {where}: {reason}" if where else f"{kind} {name!r}: {reason}"


class Registry(Generic[T]):
    """Classes of one kind by name, with aliases, wildcard listing and a JSON round trip of their instances.

    >>> from pydantic.dataclasses import dataclass
    >>> animals = Registry[object]("animal")
    >>> @animals.register("cat")
    ... @dataclass(frozen=True, config=STRICT)
    ... class Cat:
    ...     lives: int = 9
    >>> animals.parse({"name": "cat", "lives": 3})
    Cat(lives=3)
    >>> animals.dump(animals.parse("cat"))
    {'name': 'cat', 'lives': 9}
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._classes: dict[str, type[T]] = {}
        self._aliases: dict[str, str] = {}

    def register(self, name: str, *aliases: str) -> Callable[[C], C]:
        """Class decorator: file the class under `name` (set as its `name` attribute) and its aliases.

        Args:
            name: of the entry.
            aliases: other words for it.

        Returns:
            The decorator.

        Raises:
            TypeError: from the decorator: the class is no pydantic dataclass.
            ValueError: from the decorator: a word is taken.
        """

        def decorate(cls: C) -> C:
            if not is_pydantic_dataclass(cast("type[Any]", cls)):  # cast, lest mypy takes `cls` for one from here on
                raise TypeError(f"{cls.__name__} must be a pydantic dataclass to be registered as {self.kind} {name!r}")
            for key in (name, *aliases):
                if key in self._classes or key in self._aliases:
                    raise ValueError(f"{self.kind} {key!r} is registered twice")
            self._classes[name] = cls
            self._aliases.update(dict.fromkeys(aliases, name))
            cls.name = name  # type: ignore[attr-defined]
            return explaining(cls, lambda error: InvalidFields(self.kind, name, cls, error))

        return decorate

    def names(self, pattern: str = "*") -> list[str]:
        """Sorted names (aliases left out) that match a shell-style pattern."""
        return sorted(fnmatch.filter(self._classes, pattern))

    def aliases(self, name: str) -> list[str]:
        """Other words for an entry, in order."""
        return sorted(alias for alias, entry in self._aliases.items() if entry == name)

    def __getitem__(self, name: str) -> type[T]:
        key = self._aliases.get(name, name)
        if key not in self._classes:
            raise UnknownName(self.kind, name, [*self._classes, *self._aliases])
        return self._classes[key]

    def parse(self, value: Any) -> T:
        """An instance from an instance, a name, or a mapping with `name` and fields.

        Raises:
            UnknownName: no class has that name.
            InvalidFields: the class refused a field.
        """
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, Mapping):
            if type(value) in self._classes.values():
                return value  # type: ignore[no-any-return]
            raise ValueError(f"not a {self.kind}: {value!r}; give a name or a mapping with a name")
        if not isinstance(value.get("name"), str):
            raise ValueError(f"a {self.kind} needs a name: choose from {', '.join(self.names())}")
        return self[value["name"]](**{key: item for key, item in value.items() if key != "name"})

    def dump(self, instance: T) -> dict[str, Any]:
        """Plain JSON data from which `parse` makes an equal instance."""
        cls: Any = type(instance)
        return {"name": cls.name, **_adapter(cls).dump_python(instance, mode="json")}


@functools.cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


class Registered:
    """Base of registered dataclasses: gives them their `name`, set by the registry's decorator."""

    name: ClassVar[str]
