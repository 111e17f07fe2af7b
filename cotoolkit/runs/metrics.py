"""Signal values of a run by iteration, in memory and on disk."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cotoolkit.core.errors import RunError
from cotoolkit.core.files import damaged, unreadable, write_atomically

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

COLUMNS = {"iteration": "int64", "signal": "string", "value": "double"}
"""Of the table, with their types."""

PART_ROWS = 65_536
"""Rows from which on a part is closed: some megabytes in memory, and a file that is written in milliseconds."""


class Metrics:
    """Signal values by iteration: the latest ones in memory, in parts, so that long runs take no more of it.

    A run's folder holds one file per part. Only the last part is in memory, and the one before it, which `series` may
    look back into.

    Attributes:
        part: number of the last part.
    """

    def __init__(self) -> None:
        self.part = 0
        self._before: list[tuple[int, str, float]] = []
        self._rows: list[tuple[int, str, float]] = []

    def add(self, iteration: int, values: Mapping[str, float]) -> None:
        """Append one row per signal.

        Args:
            iteration: of the values.
            values: by signal name.
        """
        self._rows.extend((iteration, signal, value) for signal, value in values.items())

    def close_part(self) -> None:
        """Begin another part if the last one is full; called once that has been written."""
        if len(self._rows) >= PART_ROWS:
            self.part += 1
            self._before, self._rows = self._rows, []

    def series(self, signal: str) -> tuple[np.ndarray, np.ndarray]:
        """Iterations, increasing, and the last value of a signal at each, in the last two parts."""
        import numpy as np

        rows = itertools.chain(self._before, self._rows)
        last = sorted({iteration: value for iteration, name, value in rows if name == signal}.items())
        return np.array([i for i, _ in last], dtype=int), np.array([v for _, v in last], dtype=float)

    def table(self) -> pa.Table:
        """The last part: columns iteration, signal, value; by iteration, the last value of each signal."""
        import numpy as np
        import pyarrow as pa  # a tenth of what pandas takes to import

        # Replays of the monitor add rows out of order, and a run resumed before a replay adds them again.
        last: dict[tuple[int, str], float] = {}
        for iteration, signal, value in self._rows:
            last.pop((iteration, signal), None)
            last[iteration, signal] = value
        keys = sorted(last, key=lambda key: key[0])
        names = [signal.encode() for _, signal in keys]
        ends = np.cumsum([0, *map(len, names)], dtype=np.int32)
        iterations, values = np.array([i for i, _ in keys], np.int64), np.array([last[key] for key in keys], np.float64)
        # From buffers, since `pa.array` imports pandas to see whether it was given one of its objects.
        columns = [
            pa.Array.from_buffers(pa.int64(), len(keys), [None, pa.py_buffer(iterations)]),
            pa.StringArray.from_buffers(len(keys), pa.py_buffer(ends), pa.py_buffer(b"".join(names))),
            pa.Array.from_buffers(pa.float64(), len(keys), [None, pa.py_buffer(values)]),
        ]
        return pa.Table.from_arrays(columns, names=["iteration", "signal", "value"])

    @classmethod
    def up_to(cls, parts: Mapping[int, pd.DataFrame], iteration: int) -> Metrics:
        """From what a folder holds, without the rows after an iteration.

        Args:
            parts: by number, the last two if there are so many: columns iteration, signal, value.
            iteration: the last one to keep.

        Returns:
            Metrics that may be added to.
        """
        metrics = cls()
        metrics.part = max(parts, default=0)
        for number, frame in parts.items():
            kept = frame.loc[frame["iteration"] <= iteration, ["iteration", "signal", "value"]]
            rows = metrics._rows if number == metrics.part else metrics._before
            rows.extend(kept.itertuples(index=False, name=None))
        metrics.close_part()
        return metrics


class MetricFiles:
    """The metrics in a run's folder: metrics.parquet, and of long runs metrics-1.parquet, metrics-2.parquet, ...

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def paths(self) -> list[Path]:
        """The files that are there, one per part."""
        found: list[Path] = []
        while os.path.exists(path := self._path(len(found))):  # noqa: PTH110 - of thousands of runs
            found.append(Path(path))
        return found

    def parts(self, last: int | None = None) -> dict[int, pd.DataFrame]:
        """Parts by number: the last ones, or all.

        Raises:
            RunError: a file that cannot be read, or does not hold what it should.
        """
        files = list(enumerate(self.paths()))
        return {number: _read(path) for number, path in files[0 if last is None else -last :]}

    def arrow(self) -> pa.Table:
        """What `table` holds, without pandas: of thousands of runs that saves a minute.

        Raises:
            RunError: as `table`.
        """
        import pyarrow as pa

        paths = self.paths()
        return _read_arrow(paths[0]) if len(paths) == 1 else pa.Table.from_pandas(self.table(), pa.schema(COLUMNS))

    def table(self) -> pd.DataFrame:
        """All parts: columns iteration, signal, value; by iteration, the last value of each signal.

        Raises:
            RunError: there are none; or as `parts`.
        """
        import pandas as pd

        parts = list(self.parts().values())
        if not parts:
            raise RunError(f"{self._folder}: has no metrics yet; train it first")
        if len(parts) == 1:
            return parts[0]
        joint = pd.concat(parts).drop_duplicates(["iteration", "signal"], keep="last")
        return joint.sort_values("iteration", kind="stable", ignore_index=True)

    def write(self, metrics: Metrics) -> None:
        """Write the last part, in a time that does not grow with the run, and close it if it is full."""
        _write(Path(self._path(metrics.part)), metrics.table())
        metrics.close_part()

    def forget_after(self, iteration: int) -> None:
        """Remove the rows after an iteration from all files."""
        import pyarrow as pa

        for number, frame in self.parts().items():
            kept = frame[frame["iteration"] <= iteration]
            if len(kept) < len(frame):
                types = pa.schema([("iteration", pa.int64()), ("signal", pa.string()), ("value", pa.float64())])
                _write(Path(self._path(number)), pa.Table.from_pandas(kept, types, preserve_index=False))

    def _path(self, part: int) -> str:
        return f"{self._folder}/metrics{f'-{part}' if part else ''}.parquet"


def _write(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    content = io.BytesIO()
    pq.write_table(table, content, write_page_checksum=True)
    write_atomically(path, content.getvalue())


def _read(path: Path) -> pd.DataFrame:
    found: pd.DataFrame = _read_arrow(path).to_pandas()
    return found


def _read_arrow(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # `read_table` takes six times as long, which thousands of runs would feel, and a path a fifth more than bytes.
        content = pa.BufferReader(path.read_bytes())
        with pq.ParquetFile(content, page_checksum_verification=True, pre_buffer=False) as file:
            table = file.read(use_threads=False).replace_schema_metadata()
        columns = {name: str(kind) for name, kind in zip(table.schema.names, table.schema.types, strict=True)}
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise unreadable(path, error) from None
        raise damaged(path) from None  # pyarrow's own errors are OSErrors without a number
    if columns != COLUMNS:
        raise damaged(path)
    return table
