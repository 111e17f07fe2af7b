"""The files of the user's own code that a run is made of: what has changed since it was trained is told.

A run's identity has the names of its parts, `module:function`, and not what is in the module: no hash could know all
that a function calls.
"""

from __future__ import annotations

import hashlib
import logging
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from cotoolkit.core.errors import RunError
from cotoolkit.core.identity import values_in
from cotoolkit.core.importing.siblings import SIBLINGS
from cotoolkit.core.user_code import is_installed, look_here
from cotoolkit.runs import documents
from cotoolkit.runs.folder import RunFolder

log = logging.getLogger(__name__)

FILE = "own_code.json"

NAMED = re.compile(r"(?:\w+=)?([A-Za-z_][\w.]*):[\w.]+")
"""A part by its name: module:function, or attack=module:function."""


def own_code(config: Any) -> dict[str, str]:
    """The digests of the user's files that define parts of a configuration.

    Args:
        config: of a run.

    Returns:
        12 hex digits of the sha256, by module; empty where all parts are of this project or of an installed package.
    """
    modules = set()
    for value in values_in(config):
        if isinstance(value, str):
            modules |= {found[1]} if (found := NAMED.fullmatch(value)) else set()
        else:
            modules.add(type(value).__module__)
    files = {module: file for module in sorted(modules) if (file := _own_file(module)) is not None}
    return {module: hashlib.sha256(file.read_bytes()).hexdigest()[:12] for module, file in files.items()}


def note_own_code(folder: RunFolder, config: Any) -> None:
    """Write down whose code trains a run, and tell in the log if it is other code than before.

    Args:
        folder: of the run; one that is finished keeps what was written.
        config: of the run.
    """
    now = own_code(config)
    try:
        before = documents.read_document(folder.path / FILE, documents.OwnCode)
    except RunError:  # a damaged note is none, and no reason to lose a run
        before = None
    known = {} if before is None else before.modules
    changed = ", ".join(name for name, digest in now.items() if known.get(name, digest) != digest)
    if changed and folder.finished:
        log.warning("%s: finished before module %s changed; add --fresh to train it again", folder.path, changed)
    elif changed and (folder.path / "resume.safetensors").exists():
        log.warning("%s: begun before module %s changed, and goes on; add --fresh to begin anew", folder.path, changed)
    if now and not folder.finished:
        documents.write_document(folder.path / FILE, {"modules": now})


def _own_file(module: str) -> Path | None:
    """The file of a module of the user's; None for any other, and for one that is no file or is not found."""
    if SIBLINGS.ours(module):
        return None
    file = Path(getattr(sys.modules.get(module), "__file__", None) or _origin(module) or "")
    return file if file.is_file() and not is_installed(file) else None


def _origin(module: str) -> str | None:
    """Where a module would be imported from; neither it nor the packages that it is in are imported."""
    look_here()
    parts, spec, folders = module.split("."), None, None
    for place in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:place]), folders)
        if spec is None:
            return None
        folders = list(spec.submodule_search_locations or ())
    return None if spec is None else spec.origin
