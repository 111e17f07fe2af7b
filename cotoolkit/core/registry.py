"""Named, configurable parts: one registry class for interventions, methods, models and their like.

A registered class is a frozen pydantic dataclass. `Registry.parse` and `Registry.dump` turn its instances into plain
JSON data and back, `{"name": "inject", "beta": 0.03}`, so a run's configuration is data, which can be hashed.

The parts of a kind stand in one package, which finds its own files with `load_entries`: a new part is one new file.
"""

from __future__ import annotations

import dataclasses
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
from cotoolkit.core.importing.siblings import SIBLINGS
from cotoolkit.core.importing.workers import MAIN
from cotoolkit.core.numbers import shortened
from cotoolkit.core.user_code import import_named
from cotoolkit.core.validation import explaining, name_hint, place_of

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
    """A name no registry entry carries; the message gives the nearest ones and says where all are.

    Args:
        kind: of the entry.
        name: what was given.
        known: names and aliases, each with the name of its entry; of names alone, a list will do.
        everywhere: the command that lists all.
        own: how one of the user's own is named.
    """

    def __init__(
        self, kind: str, name: str, known: Mapping[str, str] | Iterable[str], everywhere: str = "", own: str = ""
    ) -> None:
        entries = dict(known) if isinstance(known, Mapping) else {word: word for word in known}
        advice = f"; if it is your own, name the module that it stands in: {own}" if own else ""
        super().__init__(f"unknown {kind} {name!r}: {name_hint(name, entries, everywhere)}{advice}")


class InvalidFields(ConfigError):
    """A registered class refused its fields; the message names the entry, the field and the reason on one line."""

    def __init__(self, kind: str, name: str, cls: type, error: ValidationError) -> None:
        super().__init__("; ".join(self._line(kind, name, cls, detail) for detail in error.errors()))

    @staticmethod
    def _line(kind: str, name: str, cls: type, detail: Any) -> str:
        where, fields = place_of(detail, cls), [field.name for field in dataclasses.fields(cast("Any", cls))]
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

    Args:
        kind: of its classes, for messages.
        everywhere: the command that lists all.
        own: how people name one of their own, with NAME in place of its name.
    """

    def __init__(self, kind: str, *, everywhere: str = "", own: str = "MODULE:NAME") -> None:
        self.kind = kind
        self._one = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        self._everywhere = everywhere
        self._own = own
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
            TypeError: from the decorator: the class is no pydantic dataclass, or has a field `module`.
            ValueError: from the decorator: a word is taken, and not by an earlier state of the same class.
        """

        def decorate(cls: C) -> C:
            if not is_pydantic_dataclass(cast("type[Any]", cls)):  # cast, lest mypy takes `cls` for one from here on
                raise TypeError(f"{cls.__name__} must be a pydantic dataclass to be registered as {self.kind} {name!r}")
            if "module" in cast("Any", cls).__dataclass_fields__:
                raise TypeError(
                    f"{cls.__name__} has a field 'module', which says where a {self.kind} stands: rename it"
                )
            for key in (name, *aliases):
                taken = self._classes.get(self._aliases.get(key, key))
                if taken is not None and not _reloaded(taken, cls):
                    places = " and ".join(dict.fromkeys((taken.__module__, cls.__module__)))
                    raise ValueError(f"{self.kind} {key!r} is registered twice, in {places}")
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
        module, colon, _ = name.rpartition(":")
        key = self._aliases.get(name, name)
        if key in self._classes:
            return self._classes[key]
        if colon and module:
            return self._of_module(name)
        known = {**{word: word for word in self._classes}, **self._aliases}
        raise UnknownName(self.kind, name, known, self._everywhere, self._own.replace("NAME", name))

    def _of_module(self, reference: str) -> type[T]:
        """The class that a user's module registers under a name, or that has this name there.

        Raises:
            ConfigError: no such module, it fails when imported, or it registers no such class.
        """
        module = import_named(reference, ConfigError)
        word = reference.rpartition(":")[2]
        named = getattr(module, word, None)
        cls = self._classes.get(self._aliases.get(word, word))
        if cls is not None and (cls is named or _stands_in(module.__name__, cls)):
            return cls
        if named in self._classes.values():
            return cast("type[T]", named)
        there = [name for name, cls in sorted(self._classes.items()) if _stands_in(module.__name__, cls)]
        found = f"it registers: {', '.join(there)}" if there else f"it registers no {self.kind} at all"
        raise ConfigError(f"{reference}: {module.__name__} registers no {self.kind} {word!r}; {found}")

    def parse(self, value: Any) -> T:
        """An instance from an instance, a name, or a mapping with `name` and fields.

        A name may be `module:name`, of a class that a module of the user's registers; in a mapping the module may stand
        apart, as `module`.

        Raises:
            UnknownName: no class has that name.
            ConfigError: the module cannot be imported, or registers no such class; or the value is none of these.
            InvalidFields: the class refused a field.
        """
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, Mapping):
            if type(value) in self._classes.values():
                return value  # type: ignore[no-any-return]
            raise ConfigError(f"not {self._one}: {shortened(value)}; give a name or a mapping with a name")
        if not isinstance(value.get("name"), str):
            raise ConfigError(f"{self._one} needs a name: choose from {', '.join(self.names())}")
        name, module = value["name"], value.get("module")
        if module is not None:
            name = f"{module}:{name.rpartition(':')[2]}"
        return self[name](**{key: item for key, item in value.items() if key not in ("name", "module")})

    def dump(self, instance: T) -> dict[str, Any]:
        """Plain JSON data from which `parse` makes an equal instance, in another process, too.

        A class that a script or notebook defines stands without a module: to import that would run it again.
        """
        cls: Any = type(instance)
        module = own_module(cls)
        return {
            "name": cls.name,
            **({"module": module} if module else {}),
            **_adapter(cls).dump_python(instance, mode="json"),
        }


def own_module(cls: type) -> str:
    """The user's module that defines a class; empty for this project's classes, and those of a script or notebook."""
    return "" if cls.__module__ == MAIN or SIBLINGS.ours(cls.__module__) else cls.__module__


def _stands_in(module: str, cls: type) -> bool:
    """Whether a class is defined in a module, or in one below that package."""
    return f"{cls.__module__}.".startswith(f"{module}.")


def _reloaded(old: type, new: type) -> bool:
    """Whether a class is defined anew: its module is reloaded, or imported again after it failed."""
    same = (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__)
    return same and old is not new


@functools.cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


class Registered:
    """Base of registered dataclasses: gives them their `name`, set by the registry's decorator."""

    name: ClassVar[str]
