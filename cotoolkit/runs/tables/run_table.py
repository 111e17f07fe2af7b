"""Finished runs as tidy tables: one row per run, or one row per run, iteration and signal."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotoolkit.core.errors import RunError
from cotoolkit.core.numbers import format_number
from cotoolkit.runs.find import find_runs
from cotoolkit.runs.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from cotoolkit.config import RunConfig

log = logging.getLogger(__name__)

CATASTROPHIC_OVERFITTING = "catastrophic overfitting"
"""The verdict of which the column `collapsed` says whether it was reached."""

PARTS = ("data", "model", "intervention", "method", "remedy")
"""Settings that bring fields of their own along."""

TOGETHER = 256
"""Runs whose metrics are searched at a time: one by one takes longer, and all at once much memory."""

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
        if isinstance(value, dict):
            row |= flat(value, f"{prefix}{key}.")
        elif key == "name" and prefix:
            row[prefix.removesuffix(".")] = value
        elif key == "module" and "name" in data:
            continue  # it says where a part stands, not what it is
        else:
            row[prefix + key] = _flat_list(value) if isinstance(value, list) else value
    return row


def _flat_list(values: list[Any]) -> tuple[Any, ...]:
    """Lists as tuples; parts in them, such as the methods of a remedy, by their names."""
    return tuple(
        _flat_list(value)
        if isinstance(value, list)
        else value.get("name", str(value))
        if isinstance(value, dict)
        else value
        for value in values
    )


def value_text(value: object) -> str:
    """A setting's or result's value as people write it.

    >>> [value_text(value) for value in (8 / 255, None, (1, 2), "fgsm")]
    ['8/255', 'none', '(1,2)', 'fgsm']
    """
    if isinstance(value, list | tuple):
        return f"({','.join(map(value_text, value))})"
    if value is None:
        return "none"
    return format_number(value) if isinstance(value, float) else str(value)


def settings_in(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's configuration file holds as flat columns; `beta` is the intervention's strength, 0 without one.

    Settings that a later version added may be missing, and others are None: ask the run's `config` for all.

    Args:
        data: of the file.

    Returns:
        Values by dotted name.
    """
    settings = {"intervention": None, "remedy": None, **flat(data)}
    settings |= {part: settings[part] or "none" for part in ("intervention", "remedy")}
    return {**settings, "beta": settings.get("intervention.beta", 0.0)}


def settings_of(config: RunConfig) -> dict[str, Any]:
    """A configuration as flat columns, as `settings_in`, but all settings that are not None."""
    settings = {
        "intervention": "none",
        "remedy": "none",
        **{k: v for k, v in flat(config.to_data()).items() if v is not None},
    }
    return {**settings, "beta": settings.get("intervention.beta", 0.0)}


def damaged_result() -> dict[str, Any]:
    """In place of `result_of`, of a run whose files cannot be read."""
    return {"verdict": "", "breakpoint": None, **dict.fromkeys(DATES), "collapsed": None, "state": "damaged"}


def result_of(folder: RunFolder) -> dict[str, Any]:
    """What came of a run: state, verdict, breakpoint, and accuracies in [0, 1].

    Raises:
        RunError: damaged files.
    """
    row = {**damaged_result(), "state": folder.state}
    if row["state"] not in ("done", "diverged"):
        return row
    result = folder.result()
    row |= {"verdict": result["verdict"], "collapsed": result["verdict"] == CATASTROPHIC_OVERFITTING}
    row |= {"seconds": result["seconds"]}
    row |= {"iterations": result["iterations"], "best_iteration": result["best_iteration"]}
    if result["breakpoint"]:
        detail = result["breakpoint"]["detail"]
        row |= {"breakpoint": result["breakpoint"]["iteration"]}
        row |= {date: detail[date] for date in DATES}
    for name, accuracy in result["evaluation"].items():
        row |= {name: accuracy["value"], f"{name}_low": accuracy["low"], f"{name}_high": accuracy["high"]}
        row |= {f"{name}_hash": accuracy["card"]["hash"]}
    return row


def run_table(folders: Iterable[RunFolder] | Path | str) -> pd.DataFrame:
    """One row per run, finished or not: its name and state, its settings, its results.

    Args:
        folders: of the runs; or the folder that holds them all.

    Returns:
        The table.

    Raises:
        RunError: a run without a readable configuration.
    """
    return configured_table((folder, folder.config()) for folder in _folders(folders))


def configured_table(
    runs: Iterable[tuple[RunFolder, RunConfig]], results: Iterable[dict[str, Any]] | None = None
) -> pd.DataFrame:
    """The table of `run_table`, for runs whose configurations are known.

    Args:
        runs: folders and configurations.
        results: of the runs, as `result_of` has them, if they have been read; damaged ones stand as damaged.

    Returns:
        One row per run.
    """
    import pandas as pd

    runs = list(runs)
    found = [_result_or_damage(folder) for folder, _ in runs] if results is None else results
    rows = [
        ({"run": folder.path.name}, settings_of(config), result)
        for (folder, config), result in zip(runs, found, strict=True)
    ]
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


def _result_or_damage(folder: RunFolder) -> dict[str, Any]:
    try:
        return result_of(folder)
    except RunError as error:
        log.warning("%s", error)
        return damaged_result()


def varying(table: pd.DataFrame) -> list[str]:
    """Setting columns that differ between runs: `beta` stands for the intervention's, a method for its own fields."""
    columns = [str(name) for name in table.columns]
    names = columns[columns.index("state") + 1 : columns.index("verdict")]
    return differing({name: table[name].map(str).tolist() for name in names})


def differing(columns: Mapping[str, Sequence[str | None]]) -> list[str]:
    """Of settings as text, one value per run, those that tell runs apart; see `varying`.

    Args:
        columns: values by the name of the setting; None stands for a run that says nothing of it.

    Returns:
        Names, in their order.
    """
    found = [name for name, values in columns.items() if len(set(values) - {None}) > 1]
    hidden = {"intervention.beta"}
    for part in PARTS:
        for name in found:
            # A field that only some kinds of a part have differs with the kind, which stands in the table already.
            if name.startswith(f"{part}.") and len(set(zip(columns[part], columns[name], strict=True))) <= len(
                set(columns[part])
            ):
                hidden.add(name)
    return [name for name in found if name not in hidden]


def protocols_in(table: pd.DataFrame) -> list[str]:
    """The evaluation protocols whose accuracies a table of runs has."""
    return [name.removesuffix("_hash") for name in map(str, table.columns) if name.endswith("_hash")]


def telling_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Of a table of runs what tells them apart, and what came of them; a run is named by its identity.

    Args:
        table: of `run_table`.

    Returns:
        Columns run, method, settings that vary, seed, accuracies, breakpoint, verdict.
    """
    settings = dict.fromkeys(["method", *(name for name in varying(table) if name != "seed"), "seed"])
    names = ["run", *settings, *protocols_in(table), "breakpoint", "verdict"]
    return table.assign(run=table["run"].str.rpartition("-")[2])[names]


def metric_table(folders: Iterable[RunFolder] | Path | str, signals: Sequence[str] | None = None) -> pd.DataFrame:
    """One row per run, iteration and signal: columns run, iteration, signal, value.

    Runs whose metrics are missing or damaged are named in the log and left out.

    Args:
        folders: of the runs; or the folder that holds them all.
        signals: that are wanted; None means all.

    Returns:
        The table.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    found, tables = _metric_tables(_folders(folders)), []
    while some := list(itertools.islice(found, TOGETHER)):
        joint = pa.concat_tables(some)
        tables.append(joint if signals is None else joint.filter(pc.is_in(joint["signal"], pa.array(list(signals)))))
    if not tables:
        return pd.DataFrame({"run": [], "iteration": [], "signal": [], "value": []})
    table: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return table


def _folders(given: Iterable[RunFolder] | Path | str) -> Iterable[RunFolder]:
    return find_runs(given) if isinstance(given, str | Path) else given


def _metric_tables(folders: Iterable[RunFolder]) -> Iterator[pa.Table]:
    import pyarrow as pa

    for folder in folders:
        try:
            found = folder.metric_files.arrow()
        except RunError as error:
            log.warning("%s; left out", error)
        else:
            yield found.add_column(0, "run", pa.repeat(folder.path.name, len(found)))
