"""Whether the accuracies can be what their columns were taken for: more steps of an attack leave no more accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cotoolkit.core.errors import DataError
from cotoolkit.diagnosis.logs.learned import MOST_POINTS
from cotoolkit.diagnosis.logs.reading.columns import Columns
from cotoolkit.diagnosis.logs.reading.courses import Course

MOST_ROWS = 0.5
"""Share of rows beyond which an order that cannot be is no accident."""

FEWEST = 3
"""Rows below which nothing is said."""

DEVIATIONS = 2.0
"""Of the difference of two accuracies, beyond which one is the greater."""


def check_order(courses: Sequence[Course], counts: Sequence[int | None], columns: Columns) -> list[str]:
    """Refuse columns that were exchanged.

    Args:
        courses: all runs.
        counts: points behind the accuracies of each; None where that is not known.
        columns: what was taken for what.

    Returns:
        Doubts: of runs that contradict the order where most others do not, and of FGSM accuracy above clean accuracy,
        which catastrophic overfitting may explain.

    Raises:
        DataError: in most rows PGD accuracy is above FGSM or clean accuracy by more than noise.
    """
    notes = []
    for low, high in (("pgd", "fgsm"), ("pgd", "clean"), ("fgsm", "clean")):
        above = {
            course.name: rows
            for course, count in zip(courses, counts, strict=True)
            if (rows := _above(course, count, low, high)) is not None
        }
        total = sum(map(len, above.values()))
        if total < FEWEST:
            continue
        share = sum(int(rows.sum()) for rows in above.values()) / total
        names = f"{columns.parts()[low]} (taken for {low}) is above {columns.parts()[high]} (taken for {high})"
        hint = f"were the columns exchanged? Name them with --{low} and --{high}"
        if share > MOST_ROWS and low == "pgd":
            raise DataError(f"{names} in {share:.0%} of the rows: {hint}, or say --{high} none")
        odd = [name for name, rows in above.items() if len(rows) >= FEWEST and rows.mean() > MOST_ROWS]
        if odd:
            where = "most rows" if len(above) == 1 else f"most rows of {'; '.join(odd)}"
            notes.append(f"doubtful: {names} in {where}; {hint}")
    return notes


def _above(course: Course, points: int | None, low: str, high: str) -> np.ndarray | None:
    """The rows in which the accuracy that should be lower is higher by more than noise."""
    first, second = getattr(course, low), getattr(course, high)
    if first is None or second is None:
        return None
    mean = np.clip((first + second) / 2, 0, 1)
    noise = DEVIATIONS * np.sqrt(2 * mean * (1 - mean)) / math.sqrt(points or MOST_POINTS)
    rows: np.ndarray = first - second > np.maximum(noise, 1 / (points or MOST_POINTS))
    return rows
