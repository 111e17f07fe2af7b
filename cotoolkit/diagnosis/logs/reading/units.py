"""Accuracies of either unit as shares in [0, 1]: column by column, as asked or as the values say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.diagnosis.logs.reading.columns import Columns
from cotoolkit.diagnosis.logs.reading.grid import grid_of
from cotoolkit.diagnosis.logs.reading.words import ACCURACIES

Unit = Literal["auto", "percent", "shares"]

UNITS: tuple[Unit, ...] = ("auto", "percent", "shares")

MORE_THAN_PERCENT = 500
"""Shares on a finer grid than this would, as percent, be of more than 50,000 points, and no test set is so large."""

FEW_SHARES, CONTINUES = 3, 2.0
"""Different clean accuracies of rows that seem to be shares among percent, at least, and up to which factor they go on
with the others a hundred times as large: a network that diverged has one and the same small accuracy."""

ROUNDED = 1e-6
"""By how much an accuracy may lie beyond its range."""


def in_shares(
    values: pd.DataFrame,
    columns: Columns,
    unit: str = "auto",
    *,
    signed: Mapping[str, np.ndarray] | None = None,
    runs: np.ndarray | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Accuracies as shares; an error is turned round, and -1 is missing.

    Args:
        values: a column of numbers per part; the index tells where in the log a row is.
        columns: the names of the columns by part.
        unit: of all accuracies, or by part: "percent", "shares", "auto", "clean=percent,pgd=shares". "auto" sees it
            from the largest value of each column, and from percent signs.
        signed: by part, which numbers have a percent sign, (rows,).
        runs: name of the run of each row, (rows,); None for one run.

    Returns:
        The rows that have a time, and what was done to them.

    Raises:
        ConfigError: a unit that is none.
        DataError: no PGD accuracy, a unit that cannot be seen, or a value that is no accuracy.
    """
    asked = _asked(unit)
    notes = []
    missing = values["time"].isna()
    if missing.any():
        notes.append(f"{int(missing.sum())} rows without {columns.time} are left out")
    values = values[~missing].copy()
    parts = [part for part in ACCURACIES if part in values]
    for part in parts:
        skipped = values[part].eq(-1)
        if skipped.any():
            notes.append(f"{columns.parts()[part]} is -1 in {int(skipped.sum())} rows, taken for not measured")
            values.loc[skipped, part] = np.nan
    parts = [part for part in parts if values[part].notna().any()]
    if "pgd" not in parts:
        raise DataError(f"column {columns.pgd!r} has no number; name the column of PGD accuracies with --pgd")
    there = ~missing.to_numpy()
    for part in parts:
        _check_sign(values[part], columns.parts()[part])
        if signed and asked[part] == "auto":
            asked[part] = _read_signs(values, part, signed[part][there])
    units = _units(values[parts], columns, asked)
    named = np.zeros(len(values)) if runs is None else runs[there]
    seen = [part for part in parts if units[part] == "percent" and asked[part] == "auto"]
    if "clean" in seen:
        notes += _runs_in_shares(values, seen, named)
        _check_one_unit(values["clean"], named)
    for part in parts:
        _check(values[part], columns.parts()[part], units[part], asked[part] != "auto")
    notes.insert(0, _about(units, columns, values[parts], asked))
    for part in parts:
        values[part] = (values[part] / (100.0 if units[part] == "percent" else 1.0)).clip(0, 1)
        if columns.is_error(part):
            values[part] = 1 - values[part]
            notes.append(f"{columns.parts()[part]} is an error rate; accuracy is 1 minus it")
    return values, notes


def _asked(unit: str) -> dict[str, Unit]:
    """The unit of each part, as far as it was told."""
    asked: dict[str, Unit] = dict.fromkeys(ACCURACIES, "auto")
    for one in unit.split(","):
        part, _, name = one.rpartition("=")
        part, name = part.strip(), name.strip()
        if part and part not in ACCURACIES:
            raise ConfigError(f"--unit {unit}: {part!r} is not one of {', '.join(ACCURACIES)}")
        if name not in UNITS:
            raise ConfigError(
                f"--unit {unit}: {name!r} is not one of {', '.join(UNITS)}; or say clean=percent,pgd=shares"
            )
        for which in [part] if part else ACCURACIES:
            asked[which] = next(known for known in UNITS if known == name)
    return asked


def _units(values: pd.DataFrame, columns: Columns, asked: Mapping[str, Unit]) -> dict[str, Unit]:
    """The unit of each part; what exceeds 1 is percent, and the rest is shares unless another one is percent.

    Raises:
        DataError: values below 1 beside percent, which may be shares or small percent.
    """
    largest = {str(part): float(column.max()) for part, column in values.items()}
    units: dict[str, Unit] = {part: asked[part] for part in largest}
    units |= {part: "percent" for part in units if units[part] == "auto" and largest[part] > 1 + ROUNDED}
    percent = [part for part in units if units[part] == "percent"]
    unseen = []
    for part in [part for part in units if units[part] == "auto"]:
        grid = grid_of(values[part].to_numpy()) if percent else None
        units[part] = "shares"
        if percent and (grid is None or grid <= MORE_THAN_PERCENT):
            unseen.append(part)
    if unseen:
        small = ", ".join(f"{columns.parts()[part]} (at most {largest[part]:g})" for part in unseen)
        large = f"{columns.parts()[percent[0]]} (at most {largest[percent[0]]:g})"
        shares = ",".join(f"{part}=shares" for part in unseen)
        raise DataError(
            f"percent or shares? {large} is percent, and {small} may be either: say --unit {shares} or, where it is "
            "percent below 1, percent instead"
        )
    return units


def _read_signs(values: pd.DataFrame, part: str, signed: np.ndarray) -> Unit:
    """The unit that percent signs tell, where all have one; where some have, beside shares, these become shares."""
    column = values[part].to_numpy(copy=True)
    if signed.any() and signed[~np.isnan(column)].all():
        return "percent"
    if not (column[~signed] > 1 + ROUNDED).any():
        column[signed] /= 100
        values[part] = column
    return "auto"


def _runs_in_shares(values: pd.DataFrame, seen: list[str], runs: np.ndarray) -> list[str]:
    """Make percent of the shares of runs that are in shares beside others in percent; notes on them.

    A run is in shares if none of its accuracies exceeds 1, the clean one included.
    """
    notes = []
    for run in dict.fromkeys(runs.tolist()):
        rows = values[seen].to_numpy()[runs == run]
        changes = (np.nanmax(rows, axis=0, initial=0.0) > np.nanmin(rows, axis=0, initial=1.0)).any()
        if changes and not (rows > 1 + ROUNDED).any():
            values[seen] = values[seen].mul(np.where(runs == run, 100.0, 1.0), axis=0)
            notes.append(f"{run}: accuracies are in shares of 1, and those of others in percent")
    return notes


def _check_one_unit(clean: pd.Series, runs: np.ndarray) -> None:
    """Refuse rows in shares among others of a run in percent: a hundred times as large they go on with the others."""
    for run in dict.fromkeys(runs.tolist()):
        rows = clean[runs == run].dropna()
        small, large = rows[rows.between(0, 1, inclusive="right")], rows[rows > 1 + ROUNDED]
        if small.nunique() < FEW_SHARES or large.empty:
            continue
        if 1 / CONTINUES < 100 * small.median() / large.median() < CONTINUES:
            raise DataError(
                f"{len(small)} rows seem to be in shares of 1 and {len(large)} in percent, the first of them in "
                f"{_place(small.index[0])} and {_place(large.index[0])}; mend the log, or say --unit percent"
            )


def _check_sign(column: pd.Series, name: str) -> None:
    """Refuse numbers below 0, with their place in the log: of them a unit can be neither seen nor asked for."""
    wrong = column.lt(0)
    if wrong.any():
        raise DataError(
            f"{name} is {float(column[wrong].iloc[0]):g} in {_place(column.index[wrong][0])}: an accuracy is never "
            "below 0 (-1 stands for not measured); mend the log, or name another column"
        )


def _check(column: pd.Series, name: str, unit: Unit, asked: bool) -> None:
    """Refuse what exceeds every accuracy, with its place in the log."""
    top = 100 if unit == "percent" else 1
    wrong = column.gt(top * (1 + ROUNDED))
    if not wrong.any():
        return
    bad = float(column[wrong].iloc[0])
    if top == 1 and asked and bad <= 100:
        why = "no accuracy in shares; mend the log or say percent"
    else:
        why = f"no accuracy in {'percent' if top == 100 else 'shares'} exceeds {top}; mend the log"
    raise DataError(f"{name} is {bad:g} in {_place(column.index[wrong][0])}: {why}")


def _place(label: Any) -> str:
    """Where a row is: readers of files say it in the index; in a table it is the number of the row, from 0 on."""
    return label if isinstance(label, str) else f"row {label}"


def _about(units: Mapping[str, Unit], columns: Columns, values: pd.DataFrame, asked: Mapping[str, Unit]) -> str:
    said = {"percent": "percent", "shares": "shares of 1"}
    if len(set(units.values())) > 1:
        each = ", ".join(f"{columns.parts()[part]} in {said[unit]}" for part, unit in units.items())
        return f"accuracies differ in their unit: {each} (--unit says better)"
    how = "as asked" if asked["pgd"] != "auto" else f"the largest value is {values.max().max():g}"
    return f"accuracies are in {said[units['pgd']]} ({how})"
