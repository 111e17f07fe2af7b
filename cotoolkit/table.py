"""Finished runs as tidy tables: one row per run, or one row per run, iteration and signal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cotoolkit.runs import RunFolder

if TYPE_CHECKING:
    import pandas as pd

COLLAPSED = "catastrophic overfitting"


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested configuration data by dotted name; a part's name stands under the part: `method`, `method.k`."""
    row: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            row |= flat(value, f"{prefix}{key}.")
        elif key == "name" and prefix:
            row[prefix.removesuffix(".")] = value
        else:
            row[f"{prefix}{key}"] = tuple(value) if isinstance(value, list) else value
    return row


def run_row(folder: RunFolder) -> dict[str, Any]:
    """One run as a flat row: its configuration, state, verdict, breakpoint, and accuracies in [0, 1]."""
    config = folder.config()
    row: dict[str, Any] = {"run": folder.path.name, "state": folder.state}
    row |= {"intervention": "none", **{k: v for k, v in flat(config.to_data()).items() if v is not None}}
    row["beta"] = row.get("intervention.beta", 0.0)
    row |= {"verdict": "", "breakpoint": None, "earliest": None, "latest": None, "collapsed": None}
    if folder.state not in ("done", "diverged"):
        return row
    result = folder.result()
    row |= {"verdict": result["verdict"], "collapsed": result["verdict"] == COLLAPSED, "seconds": result["seconds"]}
    row |= {"iterations": result["iterations"], "best_iteration": result["best_iteration"]}
    if result["breakpoint"]:
        detail = result["breakpoint"]["detail"]
        row |= {"breakpoint": result["breakpoint"]["iteration"]}
        row |= {"earliest": detail["earliest"], "latest": detail["latest"]}
    for name, accuracy in result["evaluation"].items():
        row |= {name: accuracy["value"], f"{name}_low": accuracy["low"], f"{name}_high": accuracy["high"]}
        row |= {f"{name}_hash": accuracy["card"]["hash"]}
    return row


def run_table(folders: Iterable[RunFolder]) -> pd.DataFrame:
    """One row per run, finished or not; see `run_row` for the columns."""
    import pandas as pd

    table = pd.DataFrame([run_row(folder) for folder in folders])
    for column in ("breakpoint", "earliest", "latest", "iterations", "best_iteration"):
        if column in table:
            table[column] = table[column].astype("Int64")
    if "collapsed" in table:
        table["collapsed"] = table["collapsed"].astype("boolean")
    return table


def metric_table(folders: Iterable[RunFolder]) -> pd.DataFrame:
    """One row per run, iteration and signal: columns run, iteration, signal, value."""
    import pandas as pd

    frames = [folder.metrics().assign(run=folder.path.name) for folder in folders]
    if not frames:
        return pd.DataFrame({"run": [], "iteration": [], "signal": [], "value": []})
    return pd.concat(frames, ignore_index=True)[["run", "iteration", "signal", "value"]]
