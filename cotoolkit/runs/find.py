"""Runs below a folder, and their checkpoints, by what people call them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cotoolkit.core.errors import AmbiguousName, ConfigError, RunError
from cotoolkit.runs.folder import Checkpoint, RunFolder

IDENTITY_DIGITS = 12
"""Hex digits of an identity, see `core.identity`."""

SHORTEST_KEY = 6
"""Of them that people are shown at least."""


def run_names(root: Path | str) -> list[str]:
    """The names of all runs below a folder, in order. Names that begin with a dot are those of no run."""
    try:
        names = sorted(entry.name for entry in os.scandir(root) if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    # Of text, since a thousand paths take longer to make than to look up.
    return [name for name in names if os.path.exists(f"{root}/{name}/config.yaml")]  # noqa: PTH110


def find_runs(root: Path | str) -> list[RunFolder]:
    """All runs below a folder, by name."""
    return [RunFolder(Path(root) / name) for name in run_names(root)]


def find_run(root: Path | str, key: str) -> RunFolder:
    """The run that a word means.

    Args:
        root: folder of run folders.
        key: the start of the folder name, or of the identity, of one run, letter by letter; or a path to a run folder.

    Returns:
        The run's folder.

    Raises:
        RunError: no run matches.
        AmbiguousName: several do.
    """
    if (Path(key) / "config.yaml").exists():
        return RunFolder(key)
    names = run_names(root)
    matches = [name for name in names if name.startswith(key) or identity_in(name).startswith(key)]
    whole = [name for name in matches if name == key]
    if len(matches) > 1 and not whole:
        raise AmbiguousName(f"{root}: {len(matches)} runs match {key!r}; `cotoolkit runs list` shows them")
    if not matches:
        raise RunError(f"{root}: none of the {len(names)} runs matches {key!r}; `cotoolkit runs list` shows them")
    return RunFolder(Path(root) / (whole or matches)[0])


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
    return folder, checkpoint_of(folder, name)


def checkpoint_of(folder: RunFolder, name: Checkpoint) -> Checkpoint:
    """A checkpoint that a run has.

    Args:
        folder: of the run.
        name: such as best or averaged, or a kept iteration as a number or text.

    Raises:
        ConfigError: no such checkpoint.
    """
    there = sorted(path.stem.removeprefix("iteration-") for path in folder.path.glob("checkpoints/*.safetensors"))
    if str(name) not in there:
        raise ConfigError(
            f"{folder.path.name}: no checkpoint {str(name)!r}; there are: {', '.join(there) or 'none yet'}"
        )
    return int(name) if str(name).isdecimal() else name


def identity_in(name: str) -> str:
    """The identity with which the name of a run's folder ends."""
    return name.rpartition("-")[2]


def shortest_keys(names: Sequence[str]) -> dict[str, str]:
    """For each run the start of its identity that means this run alone to `find_run`; all are equally long.

    Args:
        names: of all run folders of a root.

    Returns:
        The keys by name; the name itself where no start of an identity will do.

    >>> shortest_keys(["digits-cnn-fgsm-52c0cb6feaf4", "digits-cnn-pgd-52c0cb7aaaaa", "a copy"])
    {'digits-cnn-fgsm-52c0cb6feaf4': '52c0cb6', 'digits-cnn-pgd-52c0cb7aaaaa': '52c0cb7', 'a copy': 'a copy'}
    """
    for length in range(SHORTEST_KEY, IDENTITY_DIGITS + 1):
        keys = {name: identity_in(name)[:length] for name in names if len(identity_in(name)) == IDENTITY_DIGITS}
        matches = Counter(start for name in names for start in {name[:length], identity_in(name)[:length]})
        if all(matches[key] == 1 for key in keys.values()):
            break
    return {name: keys[name] if name in keys and matches[keys[name]] == 1 else name for name in names}
