"""Removes runs for good: whole ones vanish at once, and what a killed process left of one is no run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cotoolkit.core.errors import RunError
from cotoolkit.runs.folder import RunFolder

REMOVED = ".removed-"
"""Start of the names of folders that are being removed; `find_runs` takes none of them for a run."""


def remove_run(root: Path | str, run: RunFolder) -> int:
    """Remove a run's folder with all that is in it; links in it are removed, not followed.

    Args:
        root: folder of run folders, in which the run has to be.
        run: which may be damaged.

    Returns:
        Bytes of its files.

    Raises:
        RunInUse: a process is training it.
        RunError: it is a link, or elsewhere; or some of it could not be removed.
    """
    path = run.path
    if path.is_symlink() or path.parent.resolve() != Path(root).resolve():
        raise RunError(f"{path}: is a link or lies outside of {root}; remove it yourself")
    with run.lock():
        size = sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
        place = Path(tempfile.mkdtemp(prefix=REMOVED, dir=root))
        path.rename(place / path.name)
    _remove(place)
    return size


def sweep_removed(root: Path | str) -> None:
    """Remove what killed processes left of runs that they were removing."""
    for place in Path(root).glob(f"{REMOVED}*"):
        _remove(place)


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)  # another process may be at it
    if place.exists():
        raise RunError(f"{place}: cannot be removed entirely; the run is gone, remove the rest yourself")
