"""What folders hold: the metrics of runs of cotoolkit, or TensorBoard's events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.runs.metrics import MetricFiles

if TYPE_CHECKING:
    import pandas as pd

EVENTS = "events.out.tfevents"
"""How the names of TensorBoard's files begin."""

METRICS = "metrics.parquet"
"""By which the folder of a run of cotoolkit is known."""


def folder_table(path: Path) -> pd.DataFrame:
    """Read a folder.

    Args:
        path: of a run of cotoolkit, of several such folders, or with TensorBoard's events.

    Returns:
        Of runs of cotoolkit the metrics as `MetricFiles.table` gives them, of several with the name of each; otherwise
        the events, as `event_table`.

    Raises:
        ConfigError: neither metrics nor events, or TensorBoard's package is not installed.
        DataError: no scalars.
        RunError: metrics that cannot be read.
    """
    import pandas as pd

    if (path / METRICS).is_file():
        return MetricFiles(path).table()
    runs = sorted(file.parent for file in path.glob(f"*/{METRICS}"))
    if runs:
        return pd.concat([MetricFiles(run).table().assign(run=run.name) for run in runs], ignore_index=True)
    return event_table(path)


def event_table(path: Path) -> pd.DataFrame:
    """Read scalars of TensorBoard.

    Args:
        path: an event file, or a folder with some below it.

    Returns:
        A column per tag, and one for the run: the folder of its events.

    Raises:
        ConfigError: no event file, or TensorBoard's package is not installed.
        DataError: no scalars.
    """
    import pandas as pd

    try:
        from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator
    except ImportError:
        raise ConfigError("TensorBoard's package is not installed: pip install 'cotoolkit[tensorboard]'") from None
    files = [path] if path.is_file() else sorted(path.rglob(f"{EVENTS}*"))
    if not files:
        raise ConfigError(
            f"{path}: neither {METRICS} nor a file named {EVENTS}... in this folder; name that of one or more runs"
        )
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for place in sorted({file.parent if path.is_dir() else file for file in files}):
        run = str(place.relative_to(path)) if path.is_dir() else path.parent.name
        events = EventAccumulator(str(place), size_guidance={SCALARS: 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            for event in events.Scalars(tag):
                rows.setdefault((run, event.step), {})[tag] = event.value
    if not rows:
        raise DataError(f"{path}: its events hold no scalars")
    return pd.DataFrame([{"run": run, "step": step, **values} for (run, step), values in rows.items()])
