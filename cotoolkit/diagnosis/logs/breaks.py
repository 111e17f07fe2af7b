"""Breakpoints and recoveries of one course, row by row, by the rules of `cotoolkit.evaluation.relative`.

What the network had is its plateau: the rows since the start, or since the last recovery, whose PGD accuracy is near
the best so far. So neither a warm-up nor a learning rate that goes up and down looks like a loss, nor does a ratio of
FGSM to PGD accuracy that drifts through training look like a jump.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median

import numpy as np

from cotoolkit.diagnosis.logs.learned import MOST_POINTS, chance_of, learned_rows
from cotoolkit.diagnosis.logs.reading.courses import Course
from cotoolkit.evaluation.relative import (
    ABOVE_CHANCE,
    BACK,
    LOST,
    LOST_UNSEEN,
    RISE,
    SAFE,
    SURE_LOSS,
    Levels,
    Scatter,
    binomial_spread,
    had_robustness,
    is_lost,
    kept,
    loss_in_deviations,
    rise,
    surely_lost,
)

SMOOTHED, MOST_SMOOTHED = 3, 25
"""Rows whose median PGD accuracy counts as a best: 3 in 100 of the log, within these bounds. The best of many single
rows would be the luckiest one."""

PLATEAU = 9
"""Rows of the plateau that count, the latest."""

POOLED = (1, 2, 3, 5)
"""Rows over which a loss may show: one is enough where many points were measured."""

SUDDEN, AHEAD = 5, 3.0
"""Rows within which PGD accuracy goes from the plateau to a loss, and how often FGSM accuracy multiplies relative to
it. What comes later, or with less, or where FGSM accuracy is not known, may be robust overfitting: it is a loss if it
is one against as many rows right before, too."""

SLOWEST = 10
"""Rows within which nothing overfits robustly."""

SURE_NOW, SURE_IN_ONE = 3.0, 5.0
"""Standard deviations of that loss in the mean of two rows or more, and in one row."""

WHOLE, AT_ONCE = 0.95, 0.25
"""The share of the plateau's PGD accuracy below which a falling row takes part in the loss that follows, unless that
leaves no more than a quarter at once."""

RESTLESS = 0.02, 0.1
"""The least spread of a run from row to row, of the root's arcsine of PGD accuracy and of the ratio's logarithm, while
there are too few rows to see it."""

FEW_ROWS = 6
"""Rows from which on a run's own spread is taken for known."""

BACK_IN_PART, STEADY = 0.5, 5
"""The share of PGD accuracy whose mean over so many rows is a recovery, too, if FGSM accuracy is in proportion."""


@dataclass(frozen=True)
class Had:
    """What the network had before a row.

    Attributes:
        levels: PGD accuracy at its best, smoothed; FGSM and clean accuracy of the plateau.
        rows: how many the plateau has.
        since: the latest of them.
        spread: of one measurement.
    """

    levels: Levels
    rows: int
    since: int
    spread: Scatter


@dataclass(frozen=True)
class Break:
    """A loss of robustness.

    Attributes:
        row: the first one at which it is lost.
        earliest: the last one at which it was there.
        latest: the first one, from `row` on, at which it is lost beyond doubt.
        end: the row of the recovery; None where there is none.
        pooled: how many rows it took to be sure.
        had: what was there before.
    """

    row: int
    earliest: int
    latest: int
    pooled: int
    had: Had
    end: int | None = None


class Stretch:
    """Rows in which robustness is there, taken in one by one.

    Args:
        course: of which they are rows.
        points: how many were measured; None where that is not known.
        classes: number of classes; None where it is not known.
    """

    def __init__(self, course: Course, points: int | None, classes: int | None) -> None:
        self.course, self.points, self.classes = course, points, classes
        self.learned, self.chance = learned_rows(course, points, classes), chance_of(course, classes)
        self.best = 0.0
        self.last: deque[float] = deque(maxlen=min(max(SMOOTHED, len(course) // 33), MOST_SMOOTHED))
        self.plateau: deque[int] = deque(maxlen=PLATEAU)
        self.rows: list[int] = []

    def add(self, row: int) -> None:
        """Take in a row at which robustness is not lost; one of a network that has learned nothing says little."""
        if not self.learned[row]:
            return
        self.rows.append(row)
        self.last.append(float(self.course.pgd[row]))
        self.best = max(self.best, median(self.last))
        if self.course.pgd[row] >= BACK * self.best:
            self.plateau.append(row)

    def had(self) -> Had | None:
        """What there was to lose; None if there was nothing."""
        rows = [row for row in self.plateau if self.course.pgd[row] >= BACK * self.best]
        if not rows or self.best <= max(SAFE, ABOVE_CHANCE * self.chance):
            return None
        levels = Levels(self.best, *(_median(part, rows) for part in (self.course.fgsm, self.course.clean)))
        # FGSM and PGD accuracy of the same rows belong together; the best PGD accuracy may be of earlier ones.
        if levels.fgsm is not None:
            levels = Levels(self.best, levels.fgsm * self.best / float(np.median(self.course.pgd[rows])), levels.clean)
        if not had_robustness(levels, self.classes):
            return None
        return Had(levels, len(rows), rows[-1], self._spread(levels))

    def _spread(self, levels: Levels) -> Scatter:
        """What the points explain, or what the run shows from row to row if that is more."""
        drawn = binomial_spread(levels, self.points or MOST_POINTS)
        rows = self.rows[-200:]
        roots = np.arcsin(np.sqrt(self.course.pgd[rows]))
        own = _step_spread(roots)
        ratio = 0.0
        if self.course.fgsm is not None:
            safe = 0.5 / (self.points or MOST_POINTS)
            ratio = _step_spread(np.log((self.course.fgsm[rows] + safe) / (self.course.pgd[rows] + safe)))
        if len(rows) < FEW_ROWS:
            own, ratio = max(own, RESTLESS[0]), max(ratio, RESTLESS[1])
        return Scatter(max(drawn.pgd, own), max(drawn.ratio, ratio))


def find_breaks(course: Course, points: int | None, classes: int | None) -> list[Break]:
    """All breakpoints of a run, in order, each with the recovery that follows it.

    Args:
        course: the run.
        points: that each accuracy is a share of; None where that is not known.
        classes: number of classes; None where it is not known.

    Returns:
        The breakpoints; none after one without a recovery.
    """
    found: list[Break] = []
    stretch = Stretch(course, points, classes)
    broken: Break | None = None
    for row in range(len(course)):
        if broken is None:
            broken = _broken_at(course, row, stretch)
            if broken is None:
                stretch.add(row)
        elif stretch.learned[row] and _recovers(course, row, broken.had.levels):
            found.append(Break(broken.row, broken.earliest, broken.latest, broken.pooled, broken.had, end=row))
            broken, stretch = None, Stretch(course, points, classes)
            stretch.add(row)
    return [*found, broken] if broken is not None else found


def _broken_at(course: Course, row: int, stretch: Stretch) -> Break | None:
    if course.pgd[row] >= LOST * stretch.best:  # most rows; the rest is not cheap
        return None
    had = stretch.had()
    if had is None or not is_lost(course.levels(row), had.levels):
        return None
    grown = rise(course.levels(row), had.levels)
    late, little = row - had.since > SUDDEN, grown is not None and grown < AHEAD
    overfits = len(stretch.rows) >= SLOWEST  # robust overfitting takes its time
    unclear = (late or overfits) if grown is None else ((late or little) and overfits)
    if unclear and not _falls_now(course, row, had):
        return None
    for pooled in POOLED:
        if row + pooled > len(course):
            return None
        mean = course.levels(row, row + pooled)
        if is_lost(mean, had.levels) and surely_lost(mean, had.levels, had.spread, pooled, had.rows):
            return Break(row, _last_whole(course, row, had), _first_sure(course, row, pooled, had), pooled, had)
    return None


def _falls_now(course: Course, row: int, had: Had) -> bool:
    """Whether a row and those after it are lost against those right before, too.

    Robust overfitting leads away from the plateau as well, and its lowest rows look lost against it.
    """
    start = max(row - SUDDEN, 0)
    before = course.levels(start, row)
    for rows in (pooled for pooled in POOLED if row + pooled <= len(course)):
        now = course.levels(row, row + rows)
        grown, over = rise(now, before), math.sqrt(1 / (row - start) + 1 / rows)
        share = kept(now.pgd, before.pgd)
        lost = share < LOST_UNSEEN if grown is None else share < LOST and grown >= math.sqrt(RISE)
        sure = SURE_IN_ONE if rows == 1 else SURE_NOW
        if lost and loss_in_deviations(now.pgd, before.pgd, had.spread, over) >= sure:
            return True
    return False


def _last_whole(course: Course, row: int, had: Had) -> int:
    """The last row before a loss that takes no part in it: the rows of a slow one lie between."""
    before = row - 1
    while before > had.since and _is_falling(course.levels(before), had.levels):
        before -= 1
    slow = before < row - 1 or kept(float(course.pgd[row]), had.levels.pgd) > AT_ONCE
    while slow and before > 0 and course.pgd[before - 1] > course.pgd[before] < WHOLE * had.levels.pgd:
        before -= 1
    return before


def _is_falling(now: Levels, had: Levels) -> bool:
    grown = rise(now, had)
    return kept(now.pgd, had.pgd) < BACK and (grown is None or grown >= math.sqrt(RISE))


def _first_sure(course: Course, row: int, pooled: int, had: Had) -> int:
    """The first row from which one row alone says that robustness is lost; at the latest the end of those pooled."""
    for later in range(row, row + pooled):
        now = course.levels(later)
        if is_lost(now, had.levels) and surely_lost(now, had.levels, had.spread, 1, had.rows):
            return later
    return row + pooled - 1


def _recovers(course: Course, row: int, had: Levels) -> bool:
    """Whether PGD accuracy is back, and at the next row still; or steadily in part, and one step is no longer ahead."""
    back = BACK * had.pgd
    if course.pgd[row] >= back and float(course.pgd[row : row + 2].mean()) >= back:
        return True
    if course.pgd[row] < BACK_IN_PART * had.pgd or row + STEADY > len(course):
        return False
    now = course.levels(row, row + STEADY)
    grown = rise(now, had)
    return kept(now.pgd, had.pgd) >= BACK_IN_PART and grown is not None and grown < math.sqrt(RISE)


def sureness(found: Break, course: Course) -> float:
    """By how many standard deviations PGD accuracy fell in the rows that show it, in units of what is asked for."""
    now = course.levels(found.row, found.row + found.pooled)
    over = math.sqrt(1 / found.pooled + 1 / found.had.rows)
    return loss_in_deviations(now.pgd, found.had.levels.pgd, found.had.spread, over) / SURE_LOSS


def _median(part: np.ndarray | None, rows: list[int]) -> float | None:
    return None if part is None else float(np.median(part[rows]))


def _step_spread(values: np.ndarray) -> float:
    """Standard deviation of single values, from the steps between neighbours; few large steps do not count."""
    steps = np.diff(values)
    if len(steps) < 2:
        return 0.0
    return float(1.4826 * np.median(np.abs(steps - np.median(steps))) / math.sqrt(2))
