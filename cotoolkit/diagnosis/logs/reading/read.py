"""A log as a table: CSV, TSV, Parquet, JSON lines, TensorBoard's event files, or the text that a script printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.diagnosis.logs.reading.printed import printed_table

if TYPE_CHECKING:
    import pandas as pd

TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
EVENTS = "events.out.tfevents"
"""How the names of TensorBoard's files begin."""


def read_log(path: Path | str) -> pd.DataFrame:
    """Read a log, whatever it is.

    Args:
        path: .csv, .tsv, .parquet, .jsonl or .json; an event file of TensorBoard or a folder with some, each folder of
            events a run; any other file is text, one record per epoch.

    Returns:
        One row per record; the columns as the log names them.

    Raises:
        ConfigError: nothing there, or TensorBoard's package is needed and not installed.
        DataError: not to be read, or without a row.
    """
    import pandas as pd

    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path}: no such log; name a file, or a folder of TensorBoard events")
    if path.is_dir() or path.name.startswith(EVENTS):
        return _events(path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            table = pd.read_parquet(path)
        elif suffix in TABLES:
            table = pd.read_csv(path, sep=TABLES[suffix], skipinitialspace=True, encoding="utf-8-sig")
        elif suffix in (".jsonl", ".ndjson", ".json"):
            table = _json(path.read_text(encoding="utf-8-sig"))
        else:
            table = printed_table(path.read_text(encoding="utf-8-sig", errors="replace"))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (ValueError, OSError, pd.errors.ParserError) as error:
        first = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise DataError(f"{path}: cannot be read as {suffix or 'text'}: {first[0]}") from None
    if table.empty:
        raise DataError(f"{path}: no row in it; it needs one per epoch or iteration")
    table.columns = [str(name).strip() for name in table.columns]
    return table


def _json(text: str) -> pd.DataFrame:
    """One object per line, or one list of objects; what is nested gets dotted names."""
    import json

    import pandas as pd

    try:
        whole = json.loads(text)
        records = whole if isinstance(whole, list) else [whole]
    except json.JSONDecodeError:
        records = []
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                try:
                    records.append(json.loads(line))
                except json.JSONDecodeError as error:
                    raise DataError(f"line {number} is no JSON ({error.msg}); write one object per line") from None
    if len(records) == 1 and isinstance(records[0], dict) and all(isinstance(one, list) for one in records[0].values()):
        return pd.DataFrame(records[0])  # columns by name
    if not all(isinstance(record, dict) for record in records):
        raise DataError("its records are no objects; write one object with names and numbers per line")
    return pd.json_normalize(records)


def _events(path: Path) -> pd.DataFrame:
    """Scalars of TensorBoard, a column per tag."""
    import pandas as pd

    try:
        from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator
    except ImportError:
        raise ConfigError("TensorBoard's package is not installed: pip install 'cotoolkit[tensorboard]'") from None
    files = [path] if path.is_file() else sorted(path.rglob(f"{EVENTS}*"))
    if not files:
        raise ConfigError(f"{path}: no file named {EVENTS}... in this folder; name the folder of one or more runs")
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
