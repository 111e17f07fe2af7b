"""The packages that stand beside this one, under two names: `cotoolkit.NAME`, and NAME alone.

A user's own folder may have that NAME, too, and stand first on the path. The rule: whoever is asked for first has it.
Ours is asked for as `cotoolkit.NAME`, by a package of ours that needs it, and by the command line. Both names give the
same modules, so that nothing is registered twice.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Collection, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from typing_extensions import override

from cotoolkit.core.errors import CotoolkitError

PACKAGE = __name__.partition(".")[0]


class NameTaken(CotoolkitError, ImportError):
    """A module of the user's has the name of a package of ours, and was imported before it."""


class Siblings(MetaPathFinder):
    """Finds the packages beside this one, where they stand, whatever the path says.

    Attributes:
        names: of the packages; each may use those before it.
        claimed: those of the names that mean ours.
    """

    names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.claimed: set[str] = set()
        self._beside = [str(Path(__file__).parents[3])]

    def install(self, names: Sequence[str]) -> None:
        """Find packages of these names from now on."""
        self.names = tuple(names)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def claim(self, names: Collection[str]) -> None:
        """Let these names, and those of the packages they use, mean ours from now on.

        Raises:
            NameTaken: a module of the user's has one of them already.
        """
        last = max((self.names.index(name) for name in names), default=-1)
        for name in self.names[: last + 1]:
            own = PathFinder.find_spec(name, self._beside)
            if name in self.claimed or own is None:
                continue
            taken = sys.modules.get(name)
            if taken is not None and not _same(taken.__spec__, own):
                raise NameTaken(
                    f"{name} is a package of {PACKAGE}, and another module of that name was imported before it "
                    f"({_place(taken.__spec__)}): import {PACKAGE}.{name} first, or rename the other"
                )
            self.claimed.add(name)

    def ours(self, module: str) -> bool:
        """Whether a module is of this package or of one beside it, by its dotted name."""
        return module.partition(".")[0] in (PACKAGE, *self.names)

    def hidden(self, module: str) -> str | None:
        """Where the user's module is that cannot be imported because a package of ours has its name.

        Args:
            module: its name, dotted or not.

        Returns:
            The file or folder; None where nothing is hidden.
        """
        name = module.partition(".")[0]
        if name not in self.claimed:
            return None
        found, own = PathFinder.find_spec(name), PathFinder.find_spec(name, self._beside)
        return None if found is None or _same(found, own) else _place(found)

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Of a package beside this one, or of a module in one under its longer name."""
        package, _, inner = fullname.partition(".")
        name = inner.partition(".")[0]
        if package == PACKAGE and name in self.names:
            self.claim([name])
            return None if find_spec(inner) is None else ModuleSpec(fullname, _SameModule(inner))
        return PathFinder.find_spec(fullname, self._beside) if fullname in self.claimed else None


class _SameModule(Loader):
    """Loads a module by giving the one that another name has."""

    def __init__(self, name: str) -> None:
        self._name = name

    @override
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    @override
    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # which the import system has just replaced


def _same(one: ModuleSpec | None, other: ModuleSpec | None) -> bool:
    """Whether two specifications are of one file, under whatever path."""
    files = [spec and spec.origin and os.path.realpath(spec.origin) for spec in (one, other)]
    return files[0] is not None and files[0] == files[1]


def _place(spec: ModuleSpec | None) -> str:
    if spec is None:
        return "of unknown place"
    return spec.origin or ", ".join(spec.submodule_search_locations or ())


SIBLINGS = Siblings()
"""The one finder of this process."""
