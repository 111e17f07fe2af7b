"""What truly happened in a run, from its dense evaluation alone.

The truth's two dates of a break mean what the engine's do (`monitor.dating`): the first crossing, and the crossing
that lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from cotoolkit.monitor.dating import WINDOW

Kind = Literal["collapse", "healthy", "gradual", "diverged", "unclear"]
"""What a run is to the benchmark; `unclear` ones, such as short dips of robustness, are counted and left out."""

EVERY = 16
"""Iterations between evaluations all over a run. The best so far is taken from these alone, so that where a run is
evaluated more densely does not raise it: the best of many evaluations is mostly luck."""

SMOOTH = 32
"""Iterations of the running median by which a run without a break is healthy or gradual."""

GAP = 0.2
"""FGSM minus PGD accuracy of a break, the monitor's own definition (`judge`)."""

FLOOR = 0.2
"""PGD accuracy that a run must have reached to be robust: twice chance with ten classes."""


class Crossings(NamedTuple):
    """The two dates of a break that lasts.

    Attributes:
        first: the first broken iteration with no `WINDOW` intact ones in a row between it and `sustained`.
        sustained: the first iteration that is broken together with the `WINDOW` that follow, or with all to the end.
    """

    first: int
    sustained: int


@dataclass(frozen=True)
class Truth:
    """Outcome of one run.

    Attributes:
        kind: what it is to the benchmark.
        first: first crossing of the break that lasts, if it collapsed; see `Crossings`.
        sustained: the crossing that lasts, if it collapsed.
        best: best PGD accuracy until then, in [0, 1]; without a break that of the run, by the running median.
        last: PGD accuracy at the end, by the running median.
        recovered: whether a collapsed run ends with more than half of its best.
    """

    kind: Kind
    first: int | None
    sustained: int | None
    best: float
    last: float
    recovered: bool = False


def crossings(table: pd.DataFrame) -> Crossings | None:
    """Date the break that lasts, if there is one.

    Args:
        table: columns iteration, fgsm, pgd; see `record.Recording.truth`.
    """
    broken = _each(table)["broken"].to_numpy()
    hits = np.flatnonzero(broken)
    lasting = [int(at) for at in hits if broken[at : at + WINDOW + 1].all()]
    if not lasting:
        return None
    first = sustained = lasting[0]
    for at in hits[hits < sustained][::-1]:
        if first - at > WINDOW:
            break
        first = int(at)
    return Crossings(first, sustained)


def undated(table: pd.DataFrame) -> set[int]:
    """Iterations still to be evaluated before the dates of the break that lasts are exact to the iteration."""
    found = crossings(table)
    if found is None:
        return set()
    last = int(table["iteration"].max())
    return {*range(max(0, found.first - WINDOW), min(last, found.sustained + WINDOW) + 1)} - {*table["iteration"]}


def judge_truth(table: pd.DataFrame, *, diverged: bool) -> Truth:
    """Name a run's outcome.

    An iteration is broken if PGD accuracy is below half of its best so far and FGSM accuracy more than `GAP` above it.
    A collapse: a break that lasts (`Crossings`). Healthy: no broken iteration at all, and by the end at most a fifth of
    the best is lost (both are medians over `SMOOTH`). Gradual: more is lost without a break. Diverged: the loss or the
    weights are no longer finite, or clean accuracy ends near chance.

    Args:
        table: columns iteration, clean, fgsm, pgd; see `record.Recording.truth`.
        diverged: whether training ended for a loss or weights that are not finite.
    """
    each = _each(table)
    found = crossings(table)
    if found is not None:
        best = float(each["best"][found.sustained])
        after = float(each["pgd"].loc[found.sustained :].iloc[-SMOOTH:].median())
        return Truth("collapse", found.first, found.sustained, best, after, recovered=after >= best / 2)
    smooth = each["pgd"].rolling(SMOOTH, min_periods=1).median()
    last, top = float(smooth.iloc[-1]), float(smooth.max())
    if diverged or each["clean"].iloc[-1] < 0.15:
        return Truth("diverged", None, None, top, last)
    if each["broken"].any() or each["best"].iloc[-1] < FLOOR:
        return Truth("unclear", None, None, top, last)
    return Truth("healthy" if last >= 0.8 * top else "gradual", None, None, top, last)


def _each(table: pd.DataFrame) -> pd.DataFrame:
    """A row per iteration, with the best PGD accuracy so far and whether robustness is broken.

    An iteration that was not evaluated counts as the last one before it that was.
    """
    known = table.set_index("iteration")
    each = known.reindex(range(int(known.index.max()) + 1)).ffill()
    best = known["pgd"][known.index % EVERY == 0].cummax().reindex(each.index).ffill()
    broken = (each["pgd"] < best / 2) & (each["fgsm"] - each["pgd"] > GAP) & (best >= FLOOR)
    return each.assign(best=best, broken=broken)
