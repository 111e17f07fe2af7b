"""Signal values of a run by iteration, in memory and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


class Metrics:
    """Signal values by iteration, in memory."""

    def __init__(self) -> None:
        self._iterations: list[int] = []
        self._signals: list[str] = []
        self._values: list[float] = []

    def add(self, iteration: int, values: Mapping[str, float]) -> None:
        """Append one row per signal.

        Args:
            iteration: of the values.
            values: by signal name.
        """
        self._iterations.extend([iteration] * len(values))
        self._signals.extend(values)
        self._values.extend(values.values())

    def series(self, signal: str) -> tuple[np.ndarray, np.ndarray]:
        """Iterations, increasing, and the last value of a signal at each."""
        import numpy as np

        rows = zip(self._iterations, self._signals, self._values, strict=True)
        last = sorted({iteration: value for iteration, name, value in rows if name == signal}.items())
        return np.array([i for i, _ in last], dtype=int), np.array([v for _, v in last], dtype=float)

    def table(self) -> pa.Table:
        """Columns iteration, signal, value; by iteration, the last value of each signal."""
        import numpy as np
        import pyarrow as pa  # a tenth of what pandas takes to import

        # Replays of the monitor add rows out of order, and a run resumed before a replay adds them again.
        last: dict[tuple[int, str], float] = {}
        for iteration, signal, value in zip(self._iterations, self._signals, self._values, strict=True):
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
    def up_to(cls, frame: pd.DataFrame, iteration: int) -> Metrics:
        """From a frame, without the rows after an iteration.

        Args:
            frame: columns iteration, signal, value, as `RunFolder.metrics` reads it.
            iteration: the last one to keep.

        Returns:
            Metrics that may be added to.
        """
        kept = frame[frame["iteration"] <= iteration]
        metrics = cls()
        metrics._iterations = kept["iteration"].tolist()
        metrics._signals = kept["signal"].tolist()
        metrics._values = kept["value"].tolist()
        return metrics
