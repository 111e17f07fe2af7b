"""From a table with known columns to one course of accuracies per run: shares in [0, 1], in order, each row once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from cotoolkit.core.errors import DataError
from cotoolkit.diagnosis.logs.reading.columns import ACCURACIES, Columns
from cotoolkit.evaluation.relative import Levels

Unit = Literal["auto", "percent", "shares"]

LEAST_VALUES, ENOUGH_VALUES = 8, 500
"""Different accuracies that it takes to see on which grid of counts they lie, and that are looked at."""

OFTEN = 0.5
"""Share of rows that contradict an earlier row of the same run and time, beyond which they are other runs' rows."""


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


def courses_of(table: pd.DataFrame, columns: Columns, unit: Unit = "auto") -> tuple[list[Course], list[str]]:
    """The runs of a table.

    Args:
        table: one row per run and time.
        columns: which of its columns is which.
        unit: of the accuracies; "auto" decides by whole columns.

    Returns:
        The runs, in the order in which they come first, and what was done to all of them.

    Raises:
        DataError: a column without numbers, accuracies of no unit, or rows that contradict each other.
    """
    values, notes = _in_shares(table, columns, unit)
    groups: list[tuple[Any, pd.DataFrame]] = [((), values)]
    if columns.run:
        keys = table[list(columns.run)].astype(object).where(table[list(columns.run)].notna(), "")
        groups = list(values.groupby([keys[name] for name in columns.run], sort=False))
    runs = []
    for key, rows in groups:
        named = dict(zip(columns.run, key, strict=True))
        runs.append(_course({name: _plain(value) for name, value in named.items()}, rows, table, columns))
    return runs, notes


def _in_shares(table: pd.DataFrame, columns: Columns, unit: Unit) -> tuple[pd.DataFrame, list[str]]:
    """The columns in use as numbers under the names of their parts, accuracies as shares."""
    notes = []
    values = pd.DataFrame({part: _numbers(table[name], name) for part, name in columns.parts().items()})
    missing = values["time"].isna()
    if missing.any():
        notes.append(f"{int(missing.sum())} rows without {columns.time} are left out")
        values = values[~missing]
    parts = [part for part in ACCURACIES if part in values]
    for part in parts:
        skipped = values[part].eq(-1)
        if skipped.any():
            notes.append(f"{columns.parts()[part]} is -1 in {int(skipped.sum())} rows, taken for not measured")
            values.loc[skipped, part] = np.nan
    largest = {part: float(values[part].max()) for part in parts if values[part].notna().any()}
    if "pgd" not in largest:
        raise DataError(f"column {columns.pgd!r} has no number; name the column of PGD accuracies with --pgd")
    percent = _is_percent(largest, columns, unit)
    top = 100.0 if percent else 1.0
    for part in largest:
        wrong = values[part].lt(0) | values[part].gt(top * (1 + 1e-6))
        if wrong.any():
            row, bad = values.index[wrong][0], float(values[part][wrong].iloc[0])
            what = "percent" if percent else "shares"
            raise DataError(
                f"{columns.parts()[part]} is {bad:g} in row {row}: no accuracy in {what}; mend it or --unit"
            )
        values[part] = (values[part] / top).clip(0, 1)
        if columns.is_error(part):
            values[part] = 1 - values[part]
            notes.append(f"{columns.parts()[part]} is an error rate; accuracy is 1 minus it")
    how = "as asked" if unit != "auto" else f"the largest value is {max(largest.values()):g}"
    notes.insert(0, f"accuracies are in {'percent' if percent else 'shares of 1'} ({how})")
    return values, notes


def _is_percent(largest: Mapping[str, float], columns: Columns, unit: Unit) -> bool:
    if unit != "auto":
        return unit == "percent"
    percent = [part for part, value in largest.items() if value > 1 + 1e-6]
    shares = [part for part in largest if part not in percent]
    if percent and shares:
        said = " and ".join(f"{columns.parts()[part]} (at most {largest[part]:g})" for part in (percent[0], shares[0]))
        raise DataError(f"percent or shares? {said} do not look alike; say --unit percent or --unit shares")
    return bool(percent)


def _numbers(column: pd.Series, name: str) -> pd.Series:
    """A column as floats: "43.1 %" is 43.1, and what is no number is missing, unless most of it is none."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.astype(float).where(np.isfinite(column.astype(float)))
    text = column.astype("string").str.strip().str.removesuffix("%").str.strip()
    found = pd.to_numeric(text, errors="coerce").astype(float)
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
        free = [str(name) for name in table.columns if name not in columns.parts().values() and name not in columns.run]
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


def grid_of(values: Sequence[float] | np.ndarray) -> int | None:
    """The fewest points whose counts give all these shares, to the digits that they have.

    Args:
        values: shares in [0, 1].

    Returns:
        At most 10,000; None where the values lie on no such grid, as means over unequal batches do.

    >>> grid_of([0.25, 0.5, 0.125, 0.75, 0.375, 0.984375, 0.015625, 0.328125])
    64
    """
    known = np.unique(np.asarray(values, dtype=float))
    known = known[~np.isnan(known)][:: max(len(known) // ENOUGH_VALUES, 1)]
    digits = max(_digits(value) for value in known)
    grid = 10**digits
    # Coarser grids: a value lies on one by accident with probability points / grid.
    for points in range(20, min(grid // 4, 10_000) + 1) if len(known) >= LEAST_VALUES else ():
        if (np.abs(known * points - np.round(known * points)) <= 0.5005 * points / grid + 1e-9).all():
            return points
    return grid if 20 <= grid <= 10_000 else None


def _digits(value: float) -> int:
    text = f"{value:.8f}".rstrip("0")
    return len(text.partition(".")[2])
