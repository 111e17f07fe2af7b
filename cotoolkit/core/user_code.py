"""A user's own code by name: `module:function`, or the name that a module registers."""

from __future__ import annotations

import importlib
import inspect
import site
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from cotoolkit.core.errors import CotoolkitError
from cotoolkit.core.importing.siblings import SIBLINGS

FAILURES = (Exception, SystemExit)
"""How code of somebody's own may end that we call; Ctrl-C is not its failure."""

_INSTALLED = {
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *(Path(folder) for folder in (*site.getsitepackages(), site.getusersitepackages())),
}


def import_callable(reference: str, error: type[CotoolkitError]) -> Callable[..., Any]:
    """The function or class that `module:function` names, looked up in the working directory and the Python path.

    Args:
        reference: for example `my_package.nets:tiny_net`.
        error: class of the exception raised.

    Returns:
        The function or class.

    Raises:
        CotoolkitError: of class `error`: no such module, the module fails when imported, no such callable in it.
    """
    module, attribute = import_named(reference, error), reference.partition(":")[2]
    found = getattr(module, attribute, None)
    if not callable(found):
        problem = "is not callable" if hasattr(module, attribute) else "does not exist"
        raise error(f"{reference}: {attribute!r} {problem} in {module.__file__}")
    return found  # type: ignore[no-any-return]


def import_named(reference: str, error: type[CotoolkitError]) -> ModuleType:
    """The module of `module:name`, imported as by `import_own`.

    Args:
        reference: for example `my_package.nets:tiny_net`.
        error: class of the exception raised.

    Returns:
        The module, whether it has that name or not.

    Raises:
        CotoolkitError: of class `error`: no such reference or module, or the module fails when imported.
    """
    module, _, attribute = reference.partition(":")
    if not module or not attribute:
        raise error(f"not a reference to code: {reference!r}; write module:function")
    return import_own(module, error, reference)


def look_here() -> None:
    """Put the working directory first on `sys.path`, as `python -m` does, where it stays."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def import_own(module_name: str, error: type[CotoolkitError], reference: str = "") -> ModuleType:
    """A user's module, looked up in the working directory and the Python path.

    The working directory is put first on `sys.path` and stays there, as with `python -m`, so that the module can import
    its neighbours when it is called, too.

    Args:
        module_name: dotted.
        error: class of the exception raised.
        reference: what names it, for the message, if it is not named alone.

    Returns:
        The module.

    Raises:
        CotoolkitError: of class `error`: no such module, or the module fails when imported.
    """
    reference = reference or module_name
    if module_name.endswith(".py") or module_name.startswith(".") or "/" in module_name or "\\" in module_name:
        path = PurePath(module_name.replace("\\", "/"))
        plain = path.stem if path.suffix == ".py" else path.name
        name = reference.replace(module_name, plain.strip(".") or "module", 1)
        raise error(f"{reference}: a module is wanted and not its file: in the folder that holds it, write {name}")
    look_here()
    importlib.invalidate_caches()  # the file may be younger than the last look into its folder
    if hidden := SIBLINGS.hidden(module_name):
        raise error(f"{reference}: {hidden} has the name of a package of cotoolkit; rename it")
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as missing:
        if missing.name and (hidden := SIBLINGS.hidden(missing.name)):
            raise error(
                f"{reference}: importing {module_name} failed: it imports {missing.name}, but {hidden} has the name of "
                "a package of cotoolkit; rename it"
            ) from None
        if missing.name and (module_name == missing.name or module_name.startswith(f"{missing.name}.")):
            raise error(
                f"{reference}: no module {missing.name!r} in {Path.cwd()} or on the Python path; run this in the "
                "folder that holds it, or set PYTHONPATH to that folder"
            ) from None
        raise error(f"{reference}: importing {module_name} failed: {missing}") from missing
    except FAILURES as failure:
        raise error(f"{reference}: importing {module_name} failed: {describe(failure)}") from failure


def is_installed(file: Path) -> bool:
    """Whether a file is of Python or of an installed package, and so nobody's own."""
    return any(file.is_relative_to(folder) for folder in _INSTALLED)


def takes(function: Callable[..., Any], *args: Any, **named: Any) -> bool:
    """Whether a function may be called with these arguments; yes where it does not tell, as C code does.

    >>> takes(len, "text"), takes(len), takes(lambda images, labels: images, 1, 2, 3)
    (True, False, False)
    """
    try:
        inspect.signature(function).bind(*args, **named)
    except ValueError:
        return True
    except TypeError:
        return False
    return True


def describe(failure: BaseException) -> str:
    """An exception on one line: its class and the first line of its message."""
    message = str(failure).strip().split("\n", 1)[0]
    return f"{type(failure).__name__}: {message}" if message else type(failure).__name__


def located(failure: BaseException) -> str:
    """An exception on one line, as `describe`, with file and line: where an installed package raised it, who called."""
    frames = traceback.extract_tb(failure.__traceback__)
    files = [frame for frame in frames if not frame.filename.startswith("<")]  # not what was never in a file
    written = [frame for frame in files if not is_installed(Path(frame.filename))]
    frame = (written or frames)[-1]
    return f"{describe(failure)} ({Path(frame.filename).name}, line {frame.lineno})"
