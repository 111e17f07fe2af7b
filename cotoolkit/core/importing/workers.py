"""What a worker process imports of the user's: modules whose parts it needs, and the script only if it defines some.

Left alone, `multiprocessing` imports the user's script in every new process. That fails where there is no file, as on
standard input, and a script without `if __name__ == "__main__":` would start all over.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Iterable, Iterator
from multiprocessing import spawn
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.importing.siblings import SIBLINGS

MAIN = "__main__"

_importing = False
"""Whether this process is a worker that is importing the user's modules."""


class WorkerImports(NamedTuple):
    """What a worker process has to import before it finds all that its work names; it can be pickled.

    Attributes:
        modules: of the user, by name.
        script: where the user's script is, as `multiprocessing` says it; empty where it is not needed.
    """

    modules: tuple[str, ...]
    script: dict[str, str]

    @classmethod
    def of(cls, modules: Iterable[str]) -> WorkerImports:
        """For work that needs these modules; those of this project are found without.

        Raises:
            ConfigError: the script is needed, and is no file; or this process is a worker that is importing it.
        """
        if _importing:
            raise ConfigError(
                "the script defines a part of the run, so each worker process imports it, and it would start workers "
                'again: put what it runs under `if __name__ == "__main__":`'
            )
        others = {module for module in modules if not SIBLINGS.ours(module)}
        script = _script() if MAIN in others else {}
        return cls(tuple(sorted(others - {MAIN})), script)

    def load(self) -> None:
        """Import them, in the worker process."""
        global _importing  # noqa: PLW0603 - says where this process stands
        _importing = True
        try:
            if self.script:
                spawn.prepare(self.script)
            for module in self.modules:
                importlib.import_module(module)
        finally:
            _importing = False


def _script() -> dict[str, str]:
    data = {key: str(value) for key, value in spawn.get_preparation_data("").items() if key.startswith("init_main")}
    path = data.get("init_main_from_path")
    if not data or (path and not Path(path).is_file()):
        raise ConfigError(
            "part of this run is defined in a notebook, on standard input or at the prompt, where the processes that "
            "train cannot import it: write it to a file, and import that"
        )
    return data


_hiding = threading.Lock()
_hidden: list[ModuleType] = []
"""The script, once for each thread that hides it."""


@contextlib.contextmanager
def without_script() -> Iterator[None]:
    """Processes that are started inside do not import the user's script."""
    with _hiding:
        _hidden.append(_hidden[0] if _hidden else sys.modules[MAIN])
        sys.modules[MAIN] = ModuleType(MAIN)
    try:
        yield
    finally:
        with _hiding:
            script = _hidden.pop()
            if not _hidden:
                sys.modules[MAIN] = script
