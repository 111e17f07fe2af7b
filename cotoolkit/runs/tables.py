"""Finished runs as tidy tables: one row per run, or one row per run, iteration and signal."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.runs.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from cotoolkit.config import RunConfig

log = logging.getLogger(__name__)

CATASTROPHIC_OVERFITTING = "catastrophic overfitting"
"""The verdict of which the column `collapsed` says whether it was reached."""

DATES = ("sustained", "earliest", "latest")
"""What a run knows of its breakpoint besides the iteration of the first crossing; see `core.Breakpoint`."""


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested configuration data by dotted name; a part's name stands under the part: `method`, `method.k`.

    Args:
        data: nested.
        prefix: of all names.

    Returns:
        Values by name; lists as tuples.
    """
    row: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            row |= flat(value, f"{prefix}{key}.")
        elif key == "name" and prefix:
            row[prefix.removesuffix(".")] = value
        else:
            row[f"{prefix}{key}"] = tuple(value) if isinstance(value, list) else value
    return row


def settings_of(config: RunConfig) -> dict[str, Any]:
    """A configuration as flat columns; `beta` is the intervention's strength, 0 without one."""
    settings = {"intervention": "none", **{k: v for k, v in flat(config.to_data()).items() if v is not None}}
    return {**settings, "beta": settings.get("intervention.beta", 0.0)}


def result_of(folder: RunFolder) -> dict[str, Any]:
    """What came of a run: state, verdict, breakpoint, and accuracies in [0, 1]. Damaged files make it damaged."""
    row: dict[str, Any] = {"verdict": "", "breakpoint": None, **dict.fromkeys(DATES), "collapsed": None}
    try:
        row["state"] = folder.state
        if row["state"] not in ("done", "diverged"):
            return row
        result = folder.result()
    except RunError:
        return {**row, "state": "damaged"}
    row |= {
        "verdict": result["verdict"],
        "collapsed": result["verdict"] == CATASTROPHIC_OVERFITTING,
        "seconds": result["seconds"],
    }
    row |= {"iterations": result["iterations"], "best_iteration": result["best_iteration"]}
    if result["breakpoint"]:
        detail = result["breakpoint"]["detail"]
        row |= {"breakpoint": result["breakpoint"]["iteration"]}
        row |= {date: detail[date] for date in DATES}
    for name, accuracy in result["evaluation"].items():
        row |= {name: accuracy["value"], f"{name}_low": accuracy["low"], f"{name}_high": accuracy["high"]}
        row |= {f"{name}_hash": accuracy["card"]["hash"]}
    return row


def run_table(folders: Iterable[RunFolder]) -> pd.DataFrame:
    """One row per run, finished or not: its name and state, its settings, its results.

    Raises:
        RunError: a run without a readable configuration.
    """
    return configured_table((folder, folder.config()) for folder in folders)


def configured_table(runs: Iterable[tuple[RunFolder, RunConfig]]) -> pd.DataFrame:
    """The table of `run_table`, for runs whose configurations are known."""
    import pandas as pd

    rows = [({"run": f.path.name}, settings_of(config), result_of(f)) for f, config in runs]
    # Settings that only some runs have stand among the settings, not behind the results.
    order = dict.fromkeys(["run", "state", *(name for part in (1, 2) for row in rows for name in row[part])])
    table = pd.DataFrame([{**name, **settings, **result} for name, settings, result in rows])
    table = table.reindex(columns=list(order)) if rows else table
    for column in ("breakpoint", *DATES, "iterations", "best_iteration"):
        if column in table:
            table[column] = table[column].astype("Int64")
    if "collapsed" in table:
        table["collapsed"] = table["collapsed"].astype("boolean")
    return table


def varying(table: pd.DataFrame) -> list[str]:
    """Setting columns that differ between runs: `beta` stands for the intervention's, a method for its own fields."""
    columns = [str(name) for name in table.columns]
    names = columns[columns.index("state") + 1 : columns.index("verdict")]
    differing = [name for name in names if table[name].map(str).nunique() > 1]
    hidden = {"intervention.beta"}
    for part in ("data", "model", "intervention", "method"):
        for name in differing:
            # A field that only some kinds of a part have differs with the kind, which stands in the table already.
            if name.startswith(f"{part}.") and (table.groupby(part)[name].nunique(dropna=False) <= 1).all():
                hidden.add(name)
    return [name for name in differing if name not in hidden]


def metric_table(folders: Iterable[RunFolder]) -> pd.DataFrame:
    """One row per run, iteration and signal: columns run, iteration, signal, value.

    Runs whose metrics are missing or damaged are named in the log and left out.
    """
    import pandas as pd

    frames = []
    for folder in folders:
        try:
            frames.append(folder.metrics().assign(run=folder.path.name))
        except RunError as error:
            log.warning("%s; left out", error)
    if not frames:
        return pd.DataFrame({"run": [], "iteration": [], "signal": [], "value": []})
    return pd.concat(frames, ignore_index=True)[["run", "iteration", "signal", "value"]]


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table.

    Args:
        table: any.
        path: of the file; the suffix, .csv or .parquet, chooses the format.

    Raises:
        ConfigError: another suffix.
    """
    check_table_name(path)
    if path.suffix == ".csv":
        write_atomically(path, table.map(_harmless).to_csv(index=False).encode())
    else:
        write_atomically(path, table.apply(_of_one_type).to_parquet(index=False))


def _of_one_type(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column as Parquet can hold it: tuples as text, and all values as text where they are of several kinds.

    They are where fields of two methods share a name, and one holds numbers and the other words.
    """
    if column.dtype != object:
        return column
    column = column.map(lambda value: str(value) if isinstance(value, tuple) else value)
    kinds = {type(value) for value in column.dropna()}
    numeric = all(issubclass(kind, Real) and not issubclass(kind, bool) for kind in kinds)
    return column if len(kinds) < 2 or numeric else column.map(str, na_action="ignore")


def _harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def check_table_name(path: Path) -> None:
    """Refuse a name that `write_table` will not write, before the work that makes the table.

    Raises:
        ConfigError: neither .csv nor .parquet.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"{path}: end the name in .csv or .parquet")
