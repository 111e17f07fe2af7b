"""From a log to dated events and one verdict per run: `cotoolkit.diagnose_log`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.core.numbers import whole_number
from cotoolkit.diagnosis.logs.order import check_order
from cotoolkit.diagnosis.logs.outcome import Known, judge_run
from cotoolkit.diagnosis.logs.reading.columns import Columns, find_columns, only_a_course
from cotoolkit.diagnosis.logs.reading.courses import Course, courses_of
from cotoolkit.diagnosis.logs.reading.grid import grid_of
from cotoolkit.diagnosis.logs.reading.long import widened
from cotoolkit.diagnosis.logs.reading.read import read_log
from cotoolkit.diagnosis.logs.schema import LogDiagnosis

if TYPE_CHECKING:
    import pandas as pd

ROW = "row"
"""The time of a log that has none."""


def diagnose_log(
    log: pd.DataFrame | Path | str,
    *,
    time: str | None = None,
    clean: str | None = None,
    fgsm: str | None = None,
    pgd: str | None = None,
    run: str | Sequence[str] | None = None,
    points: int | None = None,
    classes: int | None = None,
    unit: str = "auto",
    checkpoint: str | float = "best",
) -> LogDiagnosis:
    """When did a training run lose its robustness, did it recover, did it overfit? From its log alone.

        diagnose_log("log.csv").table()

    Args:
        log: a table with a row per run and epoch, iteration or step, or a file with one, see `read_log`.
        time: column of epochs, iterations or steps; None to guess it from its name, as all columns.
        clean: column of clean accuracies; "none" for none.
        fgsm: column of accuracies under one step; "none" for none.
        pgd: column of accuracies under a multi-step attack.
        run: column or columns that tell runs apart.
        points: test points behind each accuracy. None to see on which grid of counts the accuracies lie; where they lie
            on none, noise is judged from the run itself.
        classes: number of classes, of which chance follows; None: a network that learned nothing tells it, if there is
            one in the log, or else the accuracies relative to each other.
        unit: of the accuracies: "percent", "shares", "auto" to see it from the values, or by part:
            "clean=percent,pgd=shares".
        checkpoint: the one to place: "best" (by PGD accuracy), "last", or a time.

    Returns:
        Per run a verdict, dated events, and whether the checkpoint is from before or after a breakpoint.

    Raises:
        ConfigError: a column that is not there, or cannot be guessed; a number that cannot be.
        DataError: a log that cannot be read, or no accuracies in it.
    """
    return diagnose_courses(
        log, time=time, clean=clean, fgsm=fgsm, pgd=pgd, run=run, points=points, classes=classes, unit=unit,
        checkpoint=checkpoint,
    )[0]  # fmt: skip


def diagnose_courses(
    log: pd.DataFrame | Path | str,
    *,
    time: str | None,
    clean: str | None,
    fgsm: str | None,
    pgd: str | None,
    run: str | Sequence[str] | None,
    points: int | None,
    classes: int | None,
    unit: str,
    checkpoint: str | float,
    key: Mapping[str, str] | None = None,
) -> tuple[LogDiagnosis, list[Course]]:
    """As `diagnose_log`, with the courses of the runs, which the page draws; a key is put before that of each run."""
    import pandas as pd

    if not isinstance(log, pd.DataFrame | Path | str):
        raise ConfigError(f"give a table or the path of a log, not a {type(log).__name__}")
    if isinstance(log, pd.DataFrame):
        source, table, notes = "a table", _checked(log), list[str]()
    else:
        source, (table, notes) = Path(log).name, read_log(log)
    table = widened(table)
    points = None if points is None else whole_number(points, "points", 2)
    classes = None if classes is None else whole_number(classes, "classes", 2)
    choice = _choice(checkpoint)
    told = {"time": time, "clean": clean, "fgsm": fgsm, "pgd": pgd}
    if time is None and only_a_course(table):
        table, told["time"] = table.assign(**{ROW: range(1, len(table) + 1)}), ROW
        notes.append("no column of epochs, iterations or steps: rows count as they come")
    columns = find_columns(table, told, [run] if isinstance(run, str) else run)
    courses, done = courses_of(table, columns, unit)
    notes += done
    empty = [course.name for course in courses if not len(course)]
    if empty:
        notes.append(f"left out, without any PGD accuracy: {'; '.join(empty)}")
    courses = [replace(course, key={**(key or {}), **course.key}) for course in courses if len(course)]
    counts = [points or _grid(course) for course in courses]
    if points is None:
        notes.append(_about_points(counts))
    notes += check_order(courses, counts, columns)
    runs = [
        judge_run(course, Known(count, classes, columns.time, choice))
        for course, count in zip(courses, counts, strict=True)
    ]
    guessed = tuple(part for part, way in columns.how.items() if way == "guessed")
    return LogDiagnosis(
        source=source, columns=_said(columns), guessed=guessed, unit=columns.time, classes=classes,
        notes=(*notes, *_missing(columns)), runs=tuple(runs),
    ), courses  # fmt: skip


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    """A table with rows, its columns named by different texts; an index with a name is a column, too."""
    named = [str(name) for name in table.index.names if name is not None]
    if named and not set(named) & {str(name) for name in table.columns}:
        table = table.reset_index()
    if table.empty:
        raise DataError("the table has no row; it needs one per epoch or iteration")
    names = [str(name) for name in table.columns]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"the table has several columns {twice[0]!r}; rename them")
    return table.set_axis(names, axis=1).reset_index(drop=True)


def _choice(choice: Any) -> Literal["best", "last"] | float:
    if choice in ("best", "last"):
        return choice  # type: ignore[no-any-return]
    try:
        return float(choice)
    except (TypeError, ValueError):
        raise ConfigError(f"checkpoint is {choice!r}; say best, last, or the time of a row") from None


def _grid(course: Course) -> int | None:
    """Of the attacked points: clean accuracy is often of more."""
    found = [part for part in (course.pgd, course.fgsm) if part is not None]
    return grid_of(np.concatenate(found))


def _about_points(grids: Sequence[int | None]) -> str:
    known = sorted({grid for grid in grids if grid is not None})
    if not known:
        return "the number of test points is not known (--points); noise is judged from the runs themselves"
    said = f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,} to {known[-1]:,}"
    unknown = "" if None not in grids else ", and of some runs not known"
    return f"test points are taken for {said}, by the grid on which the accuracies lie{unknown} (--points says better)"


def _missing(columns: Columns) -> list[str]:
    parts = columns.parts()
    notes = []
    if "fgsm" not in parts:
        notes.append(
            "no FGSM accuracy: a sudden loss of PGD accuracy is seen, but not whether the network defeats the one step"
        )
    if "clean" not in parts:
        notes.append("no clean accuracy: a network that learned nothing, or diverged, is not told from others")
    return notes


def _said(columns: Columns) -> dict[str, str]:
    return {**columns.parts(), **({"run": ", ".join(columns.run)} if columns.run else {})}
