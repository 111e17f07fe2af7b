"""What the files of a root's runs say, kept in one file of the root, so that thousands of runs are listed in a second.

The file is never trusted over the folders. What it holds of a run counts only while that run's configuration, status
and result are the very files that were read, by times, size and inode, and while the code that read them is the same; a
checksum finds flipped bits. It is read without locks and replaced as a whole, so that any number of processes may share
it on any file system: of two that write at once one wins, and the other's rows are read once more. Whatever else is
wrong with it (missing, damaged, in a root that cannot be written) costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cotoolkit.core.errors import RunError
from cotoolkit.core.files import damaged, write_atomically
from cotoolkit.runs.find import find_runs
from cotoolkit.runs.folder import RunFolder
from cotoolkit.runs.tables.run_table import damaged_result, result_of, settings_in

log = logging.getLogger(__name__)

NAME = ".index.sqlite"
"""The file in the root."""

READ = ("config.yaml", "status.json", "result.json")
"""Files of a run that a row is made of."""

SETTLED = 3.0
"""Seconds after which a file that changes again gets another time: some file systems count seconds only."""

WORTH_WRITING = 50
"""Runs that have to be read, or are gone, before the file is written anew: to read fewer takes no longer than that."""

CODE = ("documents.py", "index.py", "tables/run_table.py")
"""Files beside this one that decide what a row says."""


@dataclass(frozen=True)
class RunRecord:
    """What a run's files say.

    Attributes:
        folder: of the run.
        settings: flat, by dotted name, as they stand in its configuration, see `run_table.settings_in`.
        result: see `run_table.result_of`.
        damage: what cannot be read, and the remedy; empty of a whole run.
    """

    folder: RunFolder
    settings: dict[str, Any] = field(repr=False)
    result: dict[str, Any] = field(repr=False)
    damage: str = ""


class _Row(NamedTuple):
    """As stored: bytes throughout, so that nothing is converted on the way."""

    name: bytes
    signature: bytes
    content: bytes

    def checksum(self) -> bytes:
        return hashlib.blake2b(b"\0".join((_code(), *self)), digest_size=8).digest()


class RunIndex:
    """Reads the runs of a root, and those that have not changed since the last time from one file.

    Args:
        root: folder of run folders.
    """

    def __init__(self, root: Path | str) -> None:
        self._root = Path(root)
        self._path = self._root / NAME

    def records(self, folders: Sequence[RunFolder] | None = None) -> list[RunRecord]:
        """What the files of runs say now.

        Args:
            folders: of runs, of which the index knows those directly below the root; None means all of these.

        Returns:
            One record per folder, in their order.
        """
        wanted = find_runs(self._root) if folders is None else folders
        known = self._rows()
        records, fresh = [], []
        for folder in wanted:
            if folder.path.parent != self._root:
                records.append(record_of(folder))
                continue
            signature = _signature(folder.path)
            row = known.get(os.fsencode(folder.path.name))
            record = None if row is None or row.signature != signature else _record(folder, row.content)
            if record is None:
                began = time.time_ns()
                record = record_of(folder)
                content = _content(record)
                if content is not None and _settled(signature, began):
                    fresh.append(_Row(os.fsencode(folder.path.name), signature, content))
            records.append(record)
        gone = set(known) - {os.fsencode(folder.path.name) for folder in wanted} if folders is None else set()
        if len(fresh) + len(gone) >= WORTH_WRITING:
            kept = {name: row for name, row in known.items() if name not in gone}
            self._write({**kept, **{row.name: row for row in fresh}}.values())
        return records

    def _rows(self) -> dict[bytes, _Row]:
        """All whole rows by name, whatever has become of their runs."""
        try:
            with _reading(self._path) as database:
                found = [(_Row(*row), checksum) for *row, checksum in database.execute("SELECT * FROM runs")]
            return {row.name: row for row, checksum in found if row.checksum() == checksum}
        except (sqlite3.Error, OSError, TypeError) as problem:
            log.debug("%s is not used: %s", self._path, problem)
            return {}

    def _write(self, rows: Iterable[_Row]) -> None:
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            database.execute("CREATE TABLE runs (name BLOB, signature BLOB, content BLOB, checksum BLOB)")
            database.executemany("INSERT INTO runs VALUES (?, ?, ?, ?)", ((*row, row.checksum()) for row in rows))
            database.commit()
            content = database.serialize()
        try:
            write_atomically(self._path, content)
        except OSError as problem:
            log.debug("%s is not written: %s", self._path, problem)


def record_of(folder: RunFolder) -> RunRecord:
    """What a run's files say, without an index."""
    try:
        settings = _settings(folder)
    except RunError as error:
        return RunRecord(folder, {}, damaged_result(), str(error))
    try:
        return RunRecord(folder, settings, result_of(folder))
    except RunError as error:
        return RunRecord(folder, settings, damaged_result(), str(error))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    # immutable: SQLite looks for no locks and no journal, since a file that stands under this name never changes.
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        yield database


def _settings(folder: RunFolder) -> dict[str, Any]:
    """Those of a configuration file, which holds nothing but JSON data in YAML."""
    data = folder.config_data()
    try:
        settings = settings_in(data)
        json.dumps(settings)
    except (AttributeError, TypeError, ValueError, RecursionError):
        raise damaged(folder.path / "config.yaml") from None
    return settings


def _content(record: RunRecord) -> bytes | None:
    """Of a whole run's row; None of what JSON would not give back as it was."""
    content = json.dumps([record.settings, record.result]).encode()
    again = _record(record.folder, content)
    same = (again.settings, again.result) == (record.settings, record.result)
    return content if same and not record.damage else None


def _record(folder: RunFolder, content: bytes) -> RunRecord:
    settings, result = json.loads(content)
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return RunRecord(folder, plain, result)


def _signature(folder: Path) -> bytes:
    """Changes whenever one of a run's files does."""
    return json.dumps([_stamp(f"{folder}/{name}") for name in READ]).encode()


def _stamp(path: str) -> list[int]:
    try:
        found = os.stat(path)  # noqa: PTH116 - of thousands of files
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]


def _settled(signature: bytes, now: int) -> bool:
    """Whether the files are so old that another change would be seen by their times."""
    return all(now - max(stamp[:2]) > SETTLED * 1e9 for stamp in json.loads(signature) if stamp)


@functools.cache
def _code() -> bytes:
    content = b"".join((Path(__file__).parent / name).read_bytes() for name in CODE)
    return hashlib.blake2b(content, digest_size=8).digest()
