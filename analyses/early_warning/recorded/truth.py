"""When a run truly lost its robustness, and whether it came back, by its dense evaluation alone.

A break is dated as the monitor dates one (`monitor.dating`): by its first crossing, and by the crossing that lasts. It
is terminal if robustness does not come back by the end of the run, else transient. One run can have several.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cotoolkit.evaluation.relative import Levels, had_robustness, is_lost
from cotoolkit.monitor.dating import WINDOW

Kind = Literal["terminal", "transient", "healthy", "gradual", "diverged", "unclear"]
"""What a run is to the benchmark: `terminal` if its last break is, `transient` if it has breaks and none is; `unclear`
ones, with nothing but short dips of robustness or never robust, are counted and left out."""

EVERY = 16
"""Iterations between evaluations all over a run. The best so far is taken from these alone, so that where a run is
evaluated more densely does not raise it: the best of many evaluations is mostly luck."""

SMOOTH = 1 / 16
"""Share of the run over which the running median goes by which a run without a break is healthy or gradual."""

LOST = 0.5
"""A break leaves less than this share of the best PGD accuracy so far; what else it takes says `relative.is_lost`."""

CLASSES = 10
"""Of all data sets of the benchmark."""

CHANCE = 1.5 / CLASSES
"""Clean accuracy below which a run that ends there has diverged."""


class TrueBreak(NamedTuple):
    """A loss of robustness that lasts.

    Attributes:
        first: the first iteration without robustness, with no `WINDOW` robust ones in a row between it and `sustained`.
        sustained: the first iteration without robustness, as are the `WINDOW` that follow, or with all to the end.
        end: the last iteration before robustness is back; that of the run if it does not come back.
        terminal: whether it does not come back.
    """

    first: int
    sustained: int
    end: int
    terminal: bool


@dataclass(frozen=True)
class RunTruth:
    """Outcome of one run.

    Attributes:
        kind: what it is to the benchmark.
        breaks: in order.
        dips: first and last iteration of losses of robustness that do not last, outside the breaks.
        best: best PGD accuracy, in [0, 1]; without a break by the running median.
        last: PGD accuracy at the end, by the running median.
    """

    kind: Kind
    breaks: tuple[TrueBreak, ...]
    dips: tuple[tuple[int, int], ...]
    best: float
    last: float


def true_breaks(table: pd.DataFrame) -> list[TrueBreak]:
    """Date the breaks that last.

    Robustness is lost at an iteration if PGD accuracy is below `LOST` of its best so far, FGSM accuracy did not fall
    with it, and there was something to lose (`evaluation.relative`). It is back after a break where PGD accuracy is
    `LOST` of the best or more at `WINDOW` + 1 iterations in a row.

    Args:
        table: columns iteration, clean, fgsm, pgd; see `recording.Recording.truth`.
    """
    each = _each(table)
    lost, holds = each["lost"].to_numpy(dtype=bool), each["holds"].to_numpy(dtype=bool)
    last, at = len(each) - 1, 0
    found: list[TrueBreak] = []
    while True:
        hits = [int(hit) for hit in np.flatnonzero(lost) if hit >= at]
        sustained = next((hit for hit in hits if lost[hit : hit + WINDOW + 1].all()), None)
        if sustained is None:
            return found
        first = sustained
        for hit in reversed([hit for hit in hits if hit < sustained]):
            if first - hit > WINDOW:
                break
            first = hit
        back = next((i for i in range(sustained, last - WINDOW + 1) if holds[i : i + WINDOW + 1].all()), None)
        found.append(TrueBreak(first, sustained, last if back is None else back - 1, back is None))
        if back is None:
            return found
        at = back


def undated(table: pd.DataFrame) -> set[int]:
    """Iterations still to be evaluated before the dates of all breaks are exact to the iteration."""
    last, known = int(table["iteration"].max()), {*table["iteration"]}
    around: set[int] = set()
    for found in true_breaks(table):
        around |= {*range(max(0, found.first - WINDOW), min(last, found.sustained + WINDOW) + 1)}
    return around - known


def judge_truth(table: pd.DataFrame, *, diverged: bool) -> RunTruth:
    """Name a run's outcome.

    Healthy: robustness is never lost, and by the end at most a fifth of the best is gone (both are medians over
    `SMOOTH` of the run). Gradual: more is gone without a break. Diverged: the loss or the weights are no longer
    finite, or clean accuracy ends near chance. A run with breaks is named after them.

    Args:
        table: columns iteration, clean, fgsm, pgd; see `recording.Recording.truth`.
        diverged: whether training ended for a loss or weights that are not finite.
    """
    each, breaks = _each(table), tuple(true_breaks(table))
    window = max(2 * EVERY, round(SMOOTH * len(each)))
    smooth = each["pgd"].rolling(window, min_periods=1).median()
    last, top = float(smooth.iloc[-1]), float(smooth.max())
    dips = _dips(each["lost"].to_numpy(dtype=bool), breaks)
    kind: Kind
    if breaks:
        kind, top = "terminal" if breaks[-1].terminal else "transient", float(each["best"].iloc[-1])
    elif diverged or each["clean"].iloc[-1] < CHANCE:
        kind = "diverged"
    elif dips or not had_robustness(Levels(float(each["best"].iloc[-1])), CLASSES):
        kind = "unclear"
    else:
        kind = "healthy" if last >= 0.8 * top else "gradual"
    return RunTruth(kind, breaks, dips, top, last)


def _dips(lost: NDArray[np.bool_], breaks: tuple[TrueBreak, ...]) -> tuple[tuple[int, int], ...]:
    outside = lost.copy()
    for found in breaks:
        outside[found.first : found.end + 1] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], outside, [False]]).astype(int)))
    return tuple((int(start), int(end) - 1) for start, end in list(pairwise(edges))[::2])


def _each(table: pd.DataFrame) -> pd.DataFrame:
    """A row per iteration: accuracies, the best PGD accuracy so far, whether robustness is lost, and whether it holds.

    An iteration that was not evaluated counts as the last one before it that was.
    """
    rows, had, best = [], Levels(0.0), []
    for iteration, clean, fgsm, pgd in table[["iteration", "clean", "fgsm", "pgd"]].itertuples(index=False):
        now = Levels(pgd, fgsm, clean)
        if iteration % EVERY == 0 and pgd > had.pgd:
            had = now
        fell = pgd < LOST * had.pgd
        rows.append((iteration, fell and had_robustness(had, CLASSES) and is_lost(now, had), not fell))
        best.append(had.pgd)
    named = pd.DataFrame(rows, columns=["iteration", "lost", "holds"]).assign(best=best)
    known = table.merge(named, on="iteration").set_index("iteration")
    return known.reindex(range(int(known.index.max()) + 1)).ffill()
