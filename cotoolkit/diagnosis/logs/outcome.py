"""How a run ended: its events in order, one verdict, and where its checkpoints stand."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from cotoolkit.core.errors import ConfigError
from cotoolkit.diagnosis.logs.breaks import Break, Stretch, find_breaks
from cotoolkit.diagnosis.logs.events import (
    at_row,
    break_event,
    decline_event,
    divergence_event,
    few_rows,
    level,
    recovery_event,
)
from cotoolkit.diagnosis.logs.reading.courses import Course
from cotoolkit.diagnosis.logs.schema import LogCheckpoint, LogEvent, LogRun, LogVerdict
from cotoolkit.diagnosis.logs.slow import diverged_at, failed_to_train, find_decline
from cotoolkit.diagnosis.shares import Confidence
from cotoolkit.evaluation.relative import LOST_UNSEEN, kept

FEWEST_ROWS = 3
"""Rows below which a log says nothing."""


class Known(NamedTuple):
    """What is known of all runs of a log.

    Attributes:
        points: that each accuracy is a share of; None where that is not known.
        classes: number of classes; None where it is not known.
        unit: the name of the column of times.
        checkpoint: "best", "last", or a time.
    """

    points: int | None
    classes: int | None
    unit: str
    checkpoint: Literal["best", "last"] | float


class _Outcome(NamedTuple):
    verdict: LogVerdict
    confidence: Confidence
    reason: str


def judge_run(course: Course, known: Known) -> LogRun:
    """Judge one run.

    Args:
        course: the run; one row at least.
        known: of all runs.

    Returns:
        Its events, verdict and checkpoints.

    Raises:
        ConfigError: a checkpoint at a time that the run does not have.
    """
    enough = len(course) >= FEWEST_ROWS
    breaks = find_breaks(course, known.points, known.classes) if enough else []
    diverged = diverged_at(course, known.points, known.classes) if enough else None
    if diverged is not None:
        breaks = [one for one in breaks if one.row < diverged]
    events = _events(course, breaks, diverged, known)
    outcome = _outcome(course, breaks, diverged, events, known)
    best, last = (_checkpoint(course, choice, breaks, known) for choice in ("best", "last"))
    chosen = {"best": best, "last": last}.get(str(known.checkpoint))
    return LogRun(
        name=course.name, key=dict(course.key), **outcome._asdict(), events=tuple(events),
        checkpoint=chosen or _checkpoint(course, known.checkpoint, breaks, known), best=best, last=last,
        rows=len(course), points=known.points, notes=course.notes,
    )  # fmt: skip


def _events(course: Course, breaks: list[Break], diverged: int | None, known: Known) -> list[LogEvent]:
    points, unit = known.points, known.unit
    found = [break_event(course, one, points, unit) for one in breaks]
    found += [recovery_event(course, one, points, unit) for one in breaks if one.end is not None]
    starts = [0, *(one.end for one in breaks if one.end is not None)]
    stops = [*(one.earliest + 1 for one in breaks), len(course) if diverged is None else diverged]
    for start, stop in zip(starts, stops, strict=False):
        slow = find_decline(course, start, stop, points)
        if slow is not None:
            found.append(decline_event(course, slow, points, unit))
    if diverged is not None:
        found.append(divergence_event(course, diverged, points, unit))
    return sorted(found, key=lambda event: event.at)


def _outcome(
    course: Course, breaks: list[Break], diverged: int | None, events: list[LogEvent], known: Known
) -> _Outcome:
    """The first of these that applies decides."""
    unit, last = known.unit, breaks[-1] if breaks else None
    if len(course) < FEWEST_ROWS:
        says = "says" if len(course) == 1 else "say"
        return _Outcome(
            "inconclusive", "low", f"{_rows(course)} with a PGD accuracy {says} nothing about a training run"
        )
    if diverged is not None:
        return _Outcome("diverged", "high", events[-1].sentence)
    if failed_to_train(course, known.points, known.classes):
        return _Outcome(
            "failed to train", level(len(few_rows(course))), "accuracy is never better than that of guessing"
        )
    if last is not None:
        told = [next(one for one in reversed(events) if one.kind == "breakpoint")]
        if last.end is not None:  # a recovery is as sure as what it is from
            told.insert(0, next(one for one in reversed(events) if one.kind == "recovery"))
        verdict: LogVerdict = "catastrophic overfitting" if last.end is None else "recovered"
        doubts = [doubt for event in told for doubt in event.reasons[1:]]
        reason = told[0].sentence + (f". But {'; '.join(doubts)}" if doubts else "")
        return _Outcome(verdict, level(len(doubts)), reason)
    return _without_break(course, events, known, unit)


def _without_break(course: Course, events: list[LogEvent], known: Known, unit: str) -> _Outcome:
    if course.fgsm is None and course.clean is None:
        low = float(course.pgd[-1]) < LOST_UNSEEN * float(course.pgd.max())
        fell = (
            f"PGD accuracy ends below half of its best (at {unit} {course.times[int(course.pgd.argmax())]:g}), and "
            if low
            else ""
        )
        return _Outcome("inconclusive", "low", f"{fell}with neither FGSM nor clean accuracy no breakpoint can be told")
    whole = Stretch(course, known.points, known.classes)
    for row in range(len(course)):
        whole.add(row)
    if whole.had() is None:
        return _never_robust(course, whole.chance)
    doubts = few_rows(course)
    if course.fgsm is None:
        doubts.append("without FGSM accuracy only a sudden loss of half of PGD accuracy is seen")
    for event in events:
        if event.kind == "robust overfitting" and event.latest == course.times[-1]:
            return _Outcome("robust overfitting", event.confidence, event.sentence)
        if event.kind == "decline" and event.latest == course.times[-1]:
            return _Outcome("declined", event.confidence, f"{event.sentence}. But {'; '.join(event.reasons[1:])}")
    end = kept(float(np.median(course.pgd[-FEWEST_ROWS:])), whole.best)
    latest = kept(float(course.pgd[-1]), whole.best)
    if latest < LOST_UNSEEN <= end:
        doubts.insert(0, f"the last row has {latest:.0%} of it; one row more would tell whether that is an accident")
    if end < LOST_UNSEEN:
        reason = (
            f"PGD accuracy ends at {end:.0%} of its best, and FGSM accuracy fell with it: no catastrophic overfitting"
        )
        return _Outcome("declined", "low", reason)
    why = f"no breakpoint in {len(course)} rows; PGD accuracy ends at {end:.0%} of its best"
    return _Outcome("robust", level(len(doubts)), ". But ".join([why, *(["; ".join(doubts)] if doubts else [])]))


def _never_robust(course: Course, chance: float) -> _Outcome:
    best = int(course.pgd.argmax())
    levels = course.levels(best)
    reason = f"PGD accuracy is {levels.pgd:.1%} at best, too little to be lost"
    if chance > 0:
        reason += f" where guessing gives {chance:.1%}"
    if levels.fgsm is not None and levels.fgsm > 2 * max(levels.pgd, 1e-4):
        reason += (
            f"; FGSM accuracy is {levels.fgsm:.1%} there, so catastrophic overfitting came before the first row, or "
            "the network masks its gradients"
        )
    return _Outcome("not robust", level(len(few_rows(course))), reason)


def _rows(course: Course) -> str:
    return "1 row" if len(course) == 1 else f"{len(course)} rows"


def _checkpoint(course: Course, choice: str | float, breaks: list[Break], known: Known) -> LogCheckpoint:
    """Where a checkpoint stands."""
    if choice == "best":
        row = int(course.pgd.argmax())
    elif choice == "last":
        row = len(course) - 1
    else:
        there = np.flatnonzero(np.isclose(course.times, float(choice)))
        if not len(there):
            times = f"{course.times[0]:g} to {course.times[-1]:g}"
            raise ConfigError(
                f"--checkpoint {float(choice):g}: {course.name} has no row of that {known.unit}; it has {times}"
            )
        row = int(there[0])
    where = f"the {choice} checkpoint ({known.unit} {course.times[row]:g}, PGD {course.pgd[row]:.1%})"
    if isinstance(choice, float):
        where = f"the checkpoint of {known.unit} {choice:g} (PGD {course.pgd[row]:.1%})"
    held = at_row(course, row, known.points)
    if len(course) < FEWEST_ROWS:
        sentence = f"{where}: whether there was a breakpoint cannot be told of {_rows(course)}"
        return LogCheckpoint(choice=str(choice), row=held, state="no breakpoint", sentence=sentence)
    before = [one for one in breaks if one.row <= row]
    if not breaks:
        return LogCheckpoint(
            choice=str(choice), row=held, state="no breakpoint", sentence=f"{where}: there is no breakpoint"
        )
    if not before:
        end = f"{known.unit} {course.times[-1]:g}, PGD {course.pgd[-1]:.1%}"
        first = f"{course.times[breaks[0].row]:g}"
        sentence = f"{where} is from before the breakpoint at {first}: it is another network than the last one ({end})"
        return LogCheckpoint(choice=str(choice), row=held, state="before the breakpoint", sentence=sentence)
    last, date = before[-1], f"{course.times[before[-1].row]:g}"
    if last.end is not None and last.end <= row:
        sentence = f"{where} is from after the breakpoint at {date} and the recovery at {course.times[last.end]:g}"
        return LogCheckpoint(choice=str(choice), row=held, state="after the recovery", sentence=sentence)
    sentence = f"{where} is from after the breakpoint at {date}: its robustness is lost"
    return LogCheckpoint(choice=str(choice), row=held, state="after the breakpoint", sentence=sentence)
