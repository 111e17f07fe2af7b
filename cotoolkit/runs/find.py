"""Runs below a folder, and their checkpoints, by what people call them."""

from __future__ import annotations

from pathlib import Path

from cotoolkit.core.errors import AmbiguousName, ConfigError, RunError
from cotoolkit.runs.folder import Checkpoint, RunFolder


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


def find_checkpoint(root: Path | str, word: str) -> tuple[RunFolder, Checkpoint]:
    """The run and the checkpoint that a word means: RUN for its last weights, or RUN:CHECKPOINT.

    Args:
        root: folder of run folders.
        word: RUN as in `find_run`; CHECKPOINT is a name, such as best or averaged, or a kept iteration.

    Raises:
        ConfigError: no such checkpoint.
        RunError: no run matches.
        AmbiguousName: several do.
    """
    key, colon, name = word.rpartition(":")
    if not colon:
        return find_run(root, word), "last"
    folder = find_run(root, key)
    there = sorted(path.stem.removeprefix("iteration-") for path in folder.path.glob("checkpoints/*.safetensors"))
    if name not in there:
        raise ConfigError(f"{word}: no checkpoint {name!r}; there are: {', '.join(there) or 'none yet'}")
    return folder, int(name) if name.isdecimal() else name
