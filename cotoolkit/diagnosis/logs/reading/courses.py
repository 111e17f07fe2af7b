"""From a table with known columns to one course of accuracies per run: shares in [0, 1], in order, each row once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cotoolkit.core.errors import DataError
from cotoolkit.diagnosis.logs.reading.columns import Columns
from cotoolkit.diagnosis.logs.reading.units import in_shares
from cotoolkit.diagnosis.logs.reading.words import ACCURACIES, TIMES, TRAIN, words_of
from cotoolkit.evaluation.relative import Levels

FINER = frozenset({"iteration", "iter", "itr", "step", "batch", "minibatch"})
"""Names of the time within an epoch."""

FEWEST_ROWS, MOST_STARTS = 3, 4
"""Rows that a run has at least, and how often a script is started, at most, to write to the same log."""

OFTEN = 0.5
"""Share of rows that contradict an earlier row of the same run and time, beyond which they are other runs' rows."""


OF_ALL = r"^(?:[A-Za-z]+\s*)?\[?\s*(\d+)\s*/\s*\d+\s*\]?$"
"""A number with that of all after it: `3/40`, `[3/40]`, `Epoch 3/40`."""

NAMED_TIME = rf"(?i)^(?:{'|'.join(TIMES)}|e)[\s_]*(\d+)$"
"""A time with its name: `ep03`, `epoch_3`."""

WRAPPED = r"^(?:torch\.)?(?:tensor|np\.float\d+|float\d*)\(\s*([-+.\deE]+)[^()]*\)$|^([-+.\deE]+)\s*(?:±|\+/-|\+-).*$"
"""A number as Python shows it, `tensor(0.43)`, or with its deviation, `43.1 ± 0.2`."""


@dataclass(frozen=True, eq=False)
class Course:
    """A run, row by row.

    Attributes:
        key: what tells the run from others, by column; empty for the only one.
        times: epochs, iterations or steps, rising.
        pgd: accuracies, without gaps.
        fgsm: accuracies; None where there are none.
        clean: accuracies; None where there are none.
        train: accuracies on training points, nan where missing; None where there are none.
        loss: of training, nan where missing or not finite; None where there is none.
        notes: what was done to the run's rows.
    """

    key: Mapping[str, Any]
    times: np.ndarray
    pgd: np.ndarray
    fgsm: np.ndarray | None = None
    clean: np.ndarray | None = None
    train: np.ndarray | None = None
    loss: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The run in a few words."""
        return ", ".join(str(value) for value in self.key.values()) or "the run"

    def __len__(self) -> int:
        return len(self.times)

    def levels(self, start: int, stop: int | None = None) -> Levels:
        """Mean accuracies of some rows; of one, if no end is given."""
        rows = slice(start, start + 1 if stop is None else stop)
        fgsm = None if self.fgsm is None else float(self.fgsm[rows].mean())
        clean = None if self.clean is None else float(self.clean[rows].mean())
        return Levels(float(self.pgd[rows].mean()), fgsm, clean)


def courses_of(table: pd.DataFrame, columns: Columns, unit: str = "auto") -> tuple[list[Course], list[str]]:
    """The runs of a table.

    Args:
        table: one row per run and time.
        columns: which of its columns is which.
        unit: of the accuracies, see `in_shares`.

    Returns:
        The runs, in the order in which they come first, and what was done to all of them.

    Raises:
        ConfigError: a unit that is none.
        DataError: a column without numbers, accuracies of no unit, or rows that contradict each other.
    """
    values = pd.DataFrame({part: _numbers(table[name], name, part) for part, name in columns.parts().items()})
    signed = {part: _signed(table[name], values[part]) for part, name in columns.parts().items() if part in ACCURACIES}
    keys = _keys(table, columns)
    names = None if keys is None else keys.astype(str).agg(", ".join, axis=1).to_numpy(dtype=object)
    values, notes = in_shares(values, columns, unit, signed=signed, runs=names)
    notes += _of_training(columns)
    values["place"] = np.arange(len(values))
    groups: list[tuple[Any, pd.DataFrame]] = [((), values)]
    if keys is not None:
        groups = list(values.groupby([keys[name] for name in columns.run], sort=False))
    runs = []
    for key, rows in groups:
        named = {name: _plain(value) for name, value in zip(columns.run, key, strict=True)}
        parts = _started_anew(rows)
        if len(parts) > 1:
            notes.append(f"{columns.time} begins again with other accuracies: {len(parts)} runs, one after the other")
        for part in parts:
            lines = {"rows": f"{part.index[0]} to {part.index[-1]}"} if len(parts) > 1 else {}
            runs.append(_course(named | lines, part, table, columns))
    return runs, notes


def _started_anew(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of a script, and of each time that it began again from its first time and wrote to the same log."""
    times, pgd = rows["time"].to_numpy(), rows["pgd"].to_numpy()
    starts = [0, *(place for place in range(1, len(rows)) if times[place - 1] > times[place] == times[0])]
    parts = [rows.iloc[start:stop] for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True)]
    others = all(abs(pgd[start] - pgd[before]) > 0 for before, start in itertools.pairwise(starts))
    courses = all(part["pgd"].notna().sum() >= FEWEST_ROWS for part in parts)
    return parts if 1 < len(parts) <= MOST_STARTS and others and courses else [rows]


def _finer_times(rows: pd.DataFrame, table: pd.DataFrame, columns: Columns) -> tuple[str, np.ndarray] | None:
    """The column of an iteration or batch that begins anew in each epoch, and the time that both make; None if none."""
    coarse = rows["time"].to_numpy()
    for name in (name for name in table if " ".join(words_of(str(name))) in FINER and name != columns.time):
        fine = pd.Series(table[name].iloc[rows["place"]].to_numpy())
        if not pd.api.types.is_numeric_dtype(fine) or not rows["time"].is_monotonic_increasing:
            continue
        within = fine.groupby(coarse)
        if all(steps.is_monotonic_increasing and steps.is_unique for _, steps in within):
            return str(name), coarse + within.cumcount().to_numpy() / within.size().max()
    return None


def _keys(table: pd.DataFrame, columns: Columns) -> pd.DataFrame | None:
    """What tells the run of each row; None for one run."""
    if not columns.run:
        return None
    told = table[list(columns.run)]
    return told.astype(object).where(told.notna(), "")


def _of_training(columns: Columns) -> list[str]:
    """A note on accuracies of training points, in place of those that are held out."""
    seen = [name for part, name in columns.parts().items() if part in ACCURACIES and TRAIN & set(words_of(name))]
    return [f"{', '.join(seen)}: on training points, where robust overfitting is not seen"] if seen else []


def _signed(column: pd.Series, numbers: pd.Series) -> np.ndarray:
    """Which of a column's numbers are written with a percent sign, (rows,)."""
    if pd.api.types.is_numeric_dtype(column):
        return np.zeros(len(column), dtype=bool)
    signed = column.astype("string").str.strip().str.endswith("%").fillna(False).to_numpy(dtype=bool)
    found: np.ndarray = signed & numbers.notna().to_numpy()
    return found


def _numbers(column: pd.Series, name: str, part: str) -> pd.Series:
    """A column as floats: "43.1 %" is 43.1; what is no number is missing, unless most is none.

    The time "3/40" is 3, the accuracy "30/64" its share.
    """
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.astype(float).where(np.isfinite(column.astype(float)))
    text = column.astype("string").str.strip().str.removesuffix("%").str.strip()
    if part == "time":
        text = text.str.replace(NAMED_TIME, r"\1", regex=True)
        if not text.str.match(r"0,\d").any():  # decimals
            text = text.str.replace(r"(?<=\d),(?=\d{3}\b)", "", regex=True)
    else:
        text = text.str.replace(WRAPPED, lambda found: found[1] or found[2], regex=True)
    shares = part in (*ACCURACIES, "train")
    if not shares:
        text = text.str.replace(OF_ALL, r"\1", regex=True)
    found = pd.to_numeric(text, errors="coerce").astype(float)
    if shares:
        counts = text.str.extract(r"^(\d+)\s*/\s*(\d+)$").astype(float)
        found = found.fillna(counts[0] / counts[1])
    stated = column.notna() & ~text.str.lower().isin(["", "nan", "none", "null", "-", "n/a", "inf", "-inf"]).fillna(
        True
    )
    unread = stated & found.isna()
    if unread.sum() > OFTEN * max(int(stated.sum()), 1):
        raise DataError(f"column {name!r} is no column of numbers: its first value is {column[unread].iloc[0]!r}")
    return found.where(np.isfinite(found))


def _course(key: dict[str, Any], rows: pd.DataFrame, table: pd.DataFrame, columns: Columns) -> Course:
    notes: list[str] = []
    rows = _each_once(rows, table, columns, notes)
    if not rows["time"].is_monotonic_increasing:
        rows = rows.sort_values("time", kind="stable")
        notes.append(f"rows were sorted by {columns.time}")
    measured = rows["pgd"].notna()
    if not measured.all():
        notes.append(f"{int((~measured).sum())} of {len(rows)} rows have no PGD accuracy and are left out")
        rows = rows[measured]
    found: dict[str, np.ndarray | None] = {}
    for part in ("fgsm", "clean"):
        found[part] = None
        if part in rows and rows[part].notna().any():
            gaps = int(rows[part].isna().sum())
            if gaps:
                notes.append(f"{part} accuracy is missing in {gaps} rows and taken from the nearest later one")
            found[part] = rows[part].bfill().ffill().to_numpy()
    others = {
        part: rows[part].to_numpy() if part in rows and rows[part].notna().any() else None for part in ("train", "loss")
    }
    return Course(key, rows["time"].to_numpy(), rows["pgd"].to_numpy(), **found, **others, notes=tuple(notes))


def _each_once(rows: pd.DataFrame, table: pd.DataFrame, columns: Columns, notes: list[str]) -> pd.DataFrame:
    """Rows of the same time as one: they complete each other; where they differ, the later one stands."""
    repeated = rows["time"].duplicated(keep=False)
    if not repeated.any():
        return rows
    groups = rows[repeated].groupby("time")
    differ = int((groups[[part for part in ACCURACIES if part in rows]].nunique() > 1).any(axis=1).sum())
    if differ > 1 and differ > OFTEN * rows["time"].nunique():
        finer = _finer_times(rows, table, columns)
        if finer is not None:
            notes.append(f"{columns.time} and {finer[0]} together are the time")
            return rows.assign(time=finer[1])
        known = {*columns.parts().values(), *columns.run}
        free = [str(name) for name in table.columns if name not in known]
        hint = f"; it may be one of: {', '.join(free)}" if free else ""
        raise DataError(
            f"{differ} values of {columns.time} occur more than once with other accuracies, so the table has several "
            f"runs: name the column that tells them apart with --run{hint}"
        )
    if differ:
        notes.append(f"{differ} values of {columns.time} occur more than once and differ: the later row stands")
    else:
        notes.append(
            f"{int(rows['time'].duplicated().sum())} rows complete or repeat others of the same {columns.time}"
        )
    return rows.groupby("time", sort=False, as_index=False).last()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
