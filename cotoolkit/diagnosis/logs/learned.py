"""Which rows are of a network that has learned something, and what chance is where that is not known.

A network that always answers the same has one accuracy under all attacks, and none of it is robustness.
"""

from __future__ import annotations

import numpy as np

from cotoolkit.diagnosis.logs.reading.courses import Course

NO_GUESS = 0.6
"""Clean accuracy that no network reaches which always answers the same: of two classes half the points are in one."""

MOST_POINTS = 10_000
"""Points of the largest usual test set; no more are assumed where their number is not known."""

SAME = 0.0015
"""Accuracies that differ by less are taken for one: a point in a thousand may change its mind."""

GROWN = 2.0
"""Times the least clean accuracy of a run, from which on a network has learned to answer differently (ours)."""

OVER_CHANCE = 1.5
"""Times chance, where it is known, from which on clean accuracy is no accident of the classes' sizes (ours)."""

SURE, VERY_SURE = 2.0, 3.0
"""Standard deviations of an accuracy beyond which a difference is none of the points: between two accuracies of a row,
and between two rows."""


def learned_rows(course: Course, points: int | None, classes: int | None) -> np.ndarray:
    """Which rows are of a network that does more than guess.

    Its clean accuracy is surely above PGD accuracy; or above what networks that guess have, which are the worst of the
    run's rows, or the number of classes if it is known.

    Args:
        course: the run.
        points: that each accuracy is a share of; None where that is not known.
        classes: number of classes; None where it is not known.

    Returns:
        (rows,) booleans; all of them where clean accuracy is not known.
    """
    if course.clean is None:
        return np.ones(len(course), dtype=bool)
    count = points or MOST_POINTS
    deviation = np.maximum(_deviation(course.clean, count), 0.5 / count)
    found: np.ndarray = (course.clean > NO_GUESS) | (course.clean - course.pgd > SURE * deviation)
    if classes is not None:
        chance = 1 / classes
        found |= course.clean > OVER_CHANCE * chance + VERY_SURE * float(_deviation(np.array(chance), count))
        return found
    least = float(course.clean[course.clean > 0].min(initial=1.0))
    found |= course.clean > GROWN * least + VERY_SURE * _deviation(course.clean, count)
    return found


def chance_of(course: Course, classes: int | None) -> float:
    """The accuracy of guessing; 0 where neither the classes nor the run's rows tell it.

    A network that always answers the same has all its accuracies on the same points, and they are one. One such row may
    be an accident; two with the same number are not, and of several numbers the least is that of guessing.

    Args:
        course: the run.
        classes: number of classes; None where it is not known.

    Returns:
        It, in [0, 1].
    """
    if classes is not None:
        return 1 / classes
    if course.clean is None:
        return 0.0
    alike = np.abs(course.clean - course.pgd) < SAME
    if course.fgsm is not None:
        alike &= np.abs(course.fgsm - course.pgd) < SAME
    levels = np.sort(course.pgd[alike & (course.pgd > 0)])
    twice = levels[1:][np.diff(levels) < SAME]
    return float(twice.min(initial=1.0)) if len(twice) else 0.0


def _deviation(share: np.ndarray, points: int) -> np.ndarray:
    """Standard deviation of an accuracy, of the points that are drawn."""
    found: np.ndarray = np.sqrt(np.clip(share * (1 - share), 0, None) / points)
    return found
