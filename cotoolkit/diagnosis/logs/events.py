"""Events of a run as they are written down: dated, with the interval they lie in, how sure they are and why."""

from __future__ import annotations

from cotoolkit.diagnosis.logs.breaks import FEW_ROWS, Break, sureness
from cotoolkit.diagnosis.logs.reading.courses import Course
from cotoolkit.diagnosis.logs.schema import AtRow, LogEvent, Share
from cotoolkit.diagnosis.logs.slow import Decline
from cotoolkit.diagnosis.shares import Confidence
from cotoolkit.evaluation.intervals import wilson
from cotoolkit.evaluation.relative import LOST_UNSEEN, RISE, Levels, kept, rise

ENOUGH_RIGHT = 30
"""Points right under PGD from which on a loss is more than a few of them (ours)."""

BEYOND = 1.5
"""A loss so many times what is asked for leaves no doubt about its size (ours)."""


def break_event(course: Course, found: Break, points: int | None, unit: str) -> LogEvent:
    """A breakpoint."""
    had, now = found.had.levels, course.levels(found.row, found.row + found.pooled)
    left, grown = kept(now.pgd, had.pgd), rise(now, had)
    seen = f"PGD accuracy fell to {left:.0%} of the {had.pgd:.1%} there was"
    if grown is None:
        seen += ", while clean accuracy stayed"
    else:
        seen += f", and FGSM accuracy became {grown:.1f} times as large relative to it"
    doubts = _doubts(course, found, points, left)
    at, before = course.times[found.row], course.times[found.earliest]
    goes_on = "" if found.end is not None else " and continue with a method that averts it (N-FGSM) or a smaller radius"
    if one_step_defeated(had):
        goes_on += ", but diagnose it first"
    return LogEvent(
        kind="breakpoint", at=at, earliest=before, latest=course.times[found.latest],
        confidence=level(len(doubts)), reasons=(seen, *doubts),
        before=at_row(course, found.earliest, points), after=at_row(course, found.row, points),
        kept=left, rise=grown,
        sentence=f"catastrophic overfitting at {unit} {at:g} (after {before:g}): {seen}",
        advice=f"go back to the checkpoint with the most PGD accuracy of {unit} {before:g} or before{goes_on}",
    )  # fmt: skip


def _doubts(course: Course, found: Break, points: int | None, left: float) -> list[str]:
    doubts = []
    if course.fgsm is None:
        doubts.append("FGSM accuracy is missing, so that nobody can tell whether one step is defeated")
    if points is None:
        doubts.append("the number of points is not known, so that noise is judged from the run itself")
    elif found.had.levels.pgd * points < ENOUGH_RIGHT:
        doubts.append(f"fewer than {ENOUGH_RIGHT} points were right under PGD before")
    if found.had.rows < 3:
        rows = "one row shows" if found.had.rows == 1 else f"{found.had.rows} rows show"
        doubts.append(f"only {rows} what there was before")
    if one_step_defeated(found.had.levels):
        doubts.append("PGD accuracy was below half of FGSM accuracy before, too: it may have begun earlier")
    if found.pooled > 1:
        doubts.append(f"no single row shows it beyond chance: {found.pooled} rows together do")
    elif found.end is not None and found.end - found.row == 1:
        doubts.append("it lasted one row")
    if left > LOST_UNSEEN:
        doubts.append(f"{left:.0%} of PGD accuracy is left")
    if sureness(found, course) < BEYOND and found.pooled == 1:
        doubts.append("the loss is little more than chance allows")
    return doubts


def recovery_event(course: Course, found: Break, points: int | None, unit: str) -> LogEvent:
    """The recovery after a breakpoint."""
    row = found.end
    assert row is not None
    had, now = found.had.levels, course.levels(row)
    left, grown = kept(now.pgd, had.pgd), rise(now, had)
    seen = f"PGD accuracy is back at {left:.0%} of the {had.pgd:.1%} there was before the breakpoint"
    doubts = [] if row + 1 < len(course) else ["it is the last row"]
    if grown is not None and grown > 1.25:
        doubts.append(f"FGSM accuracy relative to PGD accuracy is still {grown:.1f} times what it was")
    if one_step_defeated(now):
        doubts.append("PGD accuracy is below half of FGSM accuracy")
    return LogEvent(
        kind="recovery", at=course.times[row], earliest=course.times[row - 1], latest=course.times[row],
        confidence=level(len(doubts)), reasons=(seen, *doubts),
        before=at_row(course, row - 1, points), after=at_row(course, row, points), kept=left, rise=grown,
        sentence=f"recovery at {unit} {course.times[row]:g}: {seen}",
        advice="compare the checkpoint with one from before the breakpoint under AutoAttack before you use it",
    )  # fmt: skip


def decline_event(course: Course, found: Decline, points: int | None, unit: str) -> LogEvent:
    """A slow loss."""
    peak, last = course.times[found.peak], course.times[found.last]
    seen = f"PGD accuracy went down to {found.kept:.0%} of its best"
    doubts = []
    if found.overfits:
        what = "accuracy on training points" if found.train_known else "clean accuracy"
        seen += f", while {what} stayed"
        if not found.train_known:
            doubts.append("accuracy on training points is missing")
    else:
        doubts.append("accuracy on training points or clean accuracy fell as well: the schedule may be the reason")
    kind, name = ("robust overfitting", "robust overfitting") if found.overfits else ("decline", "slow decline")
    return LogEvent(
        kind="robust overfitting" if kind == "robust overfitting" else "decline",
        at=peak, earliest=peak, latest=last, confidence=level(len(doubts)), reasons=(seen, *doubts),
        before=at_row(course, found.peak, points), after=at_row(course, found.last, points), kept=found.kept,
        rise=rise(course.levels(found.last), course.levels(found.peak)),
        sentence=f"{name} from {unit} {peak:g} on: {seen}",
        advice=f"use a checkpoint from about {unit} {peak:g}, or average weights",
    )  # fmt: skip


def divergence_event(course: Course, row: int, points: int | None, unit: str) -> LogEvent:
    """The end of a training that went wrong."""
    before = max(row - 1, 0)
    seen = "from there on the training loss is no number, or all inputs get the same answer"
    return LogEvent(
        kind="divergence", at=course.times[row], earliest=course.times[before], latest=course.times[row],
        confidence="high" if len(course) - row > 1 else "moderate", reasons=(seen,),
        before=at_row(course, before, points), after=at_row(course, row, points),
        kept=kept(float(course.pgd[-1]), float(course.pgd[: row or 1].max())), rise=None,
        sentence=f"training diverged at {unit} {course.times[row]:g}: {seen}",
        advice="start again with a smaller learning rate or clipped gradients",
    )  # fmt: skip


def at_row(course: Course, row: int, points: int | None) -> AtRow:
    """The accuracies of a row, with intervals where the number of points is known."""
    levels = course.levels(row)
    fgsm, clean = (None if one is None else _share(one, points) for one in (levels.fgsm, levels.clean))
    return AtRow(at=float(course.times[row]), pgd=_share(levels.pgd, points), fgsm=fgsm, clean=clean)


def one_step_defeated(levels: Levels) -> bool:
    """Whether PGD accuracy is below half of FGSM accuracy, as it is where the one step is defeated."""
    return levels.fgsm is not None and levels.pgd * RISE < levels.fgsm


def level(doubts: int) -> Confidence:
    """How sure something is."""
    return "high" if not doubts else "moderate" if doubts == 1 else "low"


def few_rows(course: Course) -> list[str]:
    """A doubt about runs of which little is known."""
    return [f"the log has only {len(course)} rows"] if len(course) < FEW_ROWS else []


def _share(value: float, points: int | None) -> Share:
    if points is None:
        return Share(value=value)
    low, high = wilson(round(value * points), points)
    return Share(value=value, low=low, high=high)
