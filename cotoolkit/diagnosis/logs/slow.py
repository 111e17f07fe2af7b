"""What does not come with a jump: a slow loss of robustness, a network that diverges, one that never learned."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cotoolkit.diagnosis.logs.learned import MOST_POINTS, learned_rows
from cotoolkit.diagnosis.logs.reading.courses import Course
from cotoolkit.evaluation.relative import DECLINED, SURE_LOSS, kept

WINDOW, PART = 5, 8
"""The mean of as many rows is compared, or of one part in eight of all where that is more."""

SHORTEST = 10
"""Rows that it takes to tell a slow loss."""

CHANCES, GREW = 3.0, 1.5
"""Standard errors of the mean distance of clean and PGD accuracy below which they are one, and by how much clean
accuracy grows, at least, from the first third of a training's rows to the last one (ours)."""

STAYS = 0.97
"""Share of training accuracy, or of clean accuracy where that is not known, that stays in robust overfitting (ours)."""


class Decline(NamedTuple):
    """A slow loss of PGD accuracy.

    Attributes:
        peak: the row around which it was best.
        last: the last row.
        kept: share of the best that is left.
        overfits: training accuracy stays, or clean accuracy where that is not known: robust overfitting. Otherwise the
            network is fitted less well, which a schedule may do.
        train_known: whether training accuracy says so.
    """

    peak: int
    last: int
    kept: float
    overfits: bool
    train_known: bool


def find_decline(course: Course, start: int, stop: int, points: int | None) -> Decline | None:
    """A slow loss in a stretch of rows in which no breakpoint lies.

    Args:
        course: the run.
        start: first row of the stretch.
        stop: the row after its last one.
        points: that each accuracy is a share of; None where that is not known.

    Returns:
        The loss; None where the last rows are as good as any, up to a tenth and to chance.
    """
    if stop - start < SHORTEST:
        return None
    pgd = course.pgd[start:stop]
    window = max(WINDOW, len(pgd) // PART)
    means = np.lib.stride_tricks.sliding_window_view(pgd, window).mean(axis=1)
    peak = int(means.argmax())
    end = max(float(means[-1]), float(np.median(pgd[-window:])))  # one low row is no slow loss
    best = float(means[peak])
    if best <= 0 or len(means) - 1 - peak < window:
        return None
    steps = np.diff(np.arcsin(np.sqrt(pgd)))
    own = float(1.4826 * np.median(np.abs(steps - np.median(steps))) / math.sqrt(2))
    spread = max(own, 1 / (2 * math.sqrt(points or MOST_POINTS)))
    loss = math.asin(math.sqrt(best)) - math.asin(math.sqrt(end))
    if kept(end, best) >= DECLINED or loss < SURE_LOSS * spread * math.sqrt(2 / window):
        return None
    train = None if course.train is None else _stays(course.train[start:stop], peak, window)
    stays = train if train is not None else course.clean is not None and _stays(course.clean[start:stop], peak, window)
    return Decline(start + peak + window // 2, stop - 1, kept(end, best), bool(stays), train is not None)


def _stays(part: np.ndarray, peak: int, window: int) -> bool | None:
    """Whether an accuracy is at the end what it was around a row; None where it is not known."""
    then, now = part[peak : peak + window], part[-window:]
    if np.isnan(then).all() or np.isnan(now).all():
        return None
    return bool(np.nanmedian(now) >= STAYS * np.nanmedian(then))


def diverged_at(course: Course, points: int | None, classes: int | None) -> int | None:
    """The row from which on the network answers the same to everything, or the training loss is no number.

    Args:
        course: the run.
        points: that each accuracy is a share of; None where that is not known.
        classes: number of classes; None where it is not known.

    Returns:
        The row; None where training does not end so.
    """
    if course.loss is not None and np.isnan(course.loss[-1]):
        missing = np.isnan(course.loss)
        finite = np.flatnonzero(~missing)
        first = int(finite[-1]) + 1
        # A loss that is logged now and then is missing between, too.
        if not missing[: finite[-1]].any():
            return first
    if course.clean is None or failed_to_train(course, points, classes):
        return None
    learned = np.flatnonzero(learned_rows(course, points, classes))
    row = int(learned[-1]) + 1 if len(learned) else 0
    if row in (0, len(course)) or float(course.clean[row:].max()) > 0.5 * float(course.clean[:row].max()):
        return None
    return row


def failed_to_train(course: Course, points: int | None, classes: int | None) -> bool:
    """Whether the network never did better than guessing.

    Args:
        course: the run.
        points: that each accuracy is a share of; None where that is not known.
        classes: number of classes; None where it is not known.

    Returns:
        With a known number of classes, whether clean accuracy stayed below twice chance (with few classes: halfway from
        chance to 1), as in the diagnosis of a network. Otherwise, whether clean accuracy is that under PGD in all rows,
        or in the mean, and grew in none.
    """
    if course.clean is None:
        return False
    if classes is not None:
        best = float(np.sort(course.clean)[-min(3, len(course)) :].mean())
        return best < min(2 / classes, (1 + 1 / classes) / 2)
    if not learned_rows(course, points, classes).any():
        return True
    apart = course.clean - course.pgd
    if len(course) < SHORTEST or float(apart.mean()) > CHANCES * float(apart.std()) / math.sqrt(len(course)):
        return False
    third = len(course) // 3
    return float(course.clean[-third:].mean()) < GREW * float(course.clean[:third].mean())
