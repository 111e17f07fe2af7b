"""Runs below a folder, by what people call them."""

from __future__ import annotations

from pathlib import Path

from cotoolkit.core.errors import AmbiguousName, RunError
from cotoolkit.runs.folder import RunFolder


def find_runs(root: Path | str) -> list[RunFolder]:
    """All runs below a folder, by name."""
    return [RunFolder(path.parent) for path in sorted(Path(root).glob("*/config.yaml"))]


def find_run(root: Path | str, key: str) -> RunFolder:
    """The run that a word means.

    Args:
        root: folder of run folders.
        key: the start of the folder name, or of the identity, of one run; or a path to a run folder.

    Returns:
        The run's folder.

    Raises:
        RunError: no run matches.
        AmbiguousName: several do.
    """
    if (Path(key) / "config.yaml").exists():
        return RunFolder(key)
    folders = find_runs(root)
    matches = [f for f in folders if f.path.name.startswith(key) or f.path.name.rpartition("-")[2].startswith(key)]
    if len(matches) > 1:
        raise AmbiguousName(f"{root}: {len(matches)} runs match {key!r}; `cotoolkit runs list` shows them")
    if not matches:
        raise RunError(f"{root}: none of the {len(folders)} runs matches {key!r}; `cotoolkit runs list` shows them")
    return matches[0]
