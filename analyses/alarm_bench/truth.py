"""What truly happened in a run, from its dense evaluation alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analyses.alarm_bench.record import Recording

Kind = Literal["collapse", "healthy", "gradual", "diverged", "unclear"]
"""What a run is to the benchmark; `unclear` ones, such as short dips of robustness, are counted and left out."""

WINDOW = 32
"""Iterations over which a break has to last: its medians over them are broken, too."""

GAP = 0.2
"""FGSM minus PGD accuracy of a break, the monitor's own definition (`judge`)."""

FLOOR = 0.2
"""PGD accuracy that a run must have reached to be robust: twice chance with ten classes."""


@dataclass(frozen=True)
class Truth:
    """Outcome of one run.

    Attributes:
        kind: what it is to the benchmark.
        broken_at: first iteration of the break that lasts, if it collapsed.
        best: best PGD accuracy before that, or of the run, in [0, 1].
        last: PGD accuracy at the end.
        recovered: whether a collapsed run ends with more than half of its best.
    """

    kind: Kind
    broken_at: int | None
    best: float
    last: float
    recovered: bool = False


def judge_truth(recording: Recording) -> Truth:
    """Name a run's outcome.

    A collapse: PGD accuracy below half of its best so far, FGSM accuracy more than `GAP` above it, at the iteration and
    in the median of the following `WINDOW`. Healthy: no such iteration at all, and by the end at most a fifth of the
    best is lost (both are medians over `WINDOW`, as the best of many evaluations is mostly luck). Gradual: more is lost
    without a break. Diverged: the loss or the weights are no longer finite, or clean accuracy ends near chance.

    An iteration between two evaluations counts as the earlier one: around crossings every iteration is evaluated.
    """
    table = recording.truth
    diverged = int(recording.trace["iteration"].max()) < recording.iterations
    every = table.set_index("iteration").reindex(range(int(table["iteration"].max()) + 1)).ffill()
    best = every["pgd"].cummax()
    broken = (every["pgd"] < best / 2) & (every["fgsm"] - every["pgd"] > GAP) & (best >= FLOOR)
    smooth = every["pgd"].rolling(WINDOW, min_periods=1).median()
    last, top = float(smooth.iloc[-1]), float(smooth.max())
    for iteration in every.index[broken]:
        ahead = every.loc[iteration : iteration + WINDOW].median()
        if ahead["pgd"] < best[iteration] / 2 and ahead["fgsm"] - ahead["pgd"] > GAP:
            was = float(best[iteration])
            after = float(every["pgd"].loc[iteration:].iloc[-WINDOW:].median())
            return Truth("collapse", int(iteration), was, after, recovered=after >= was / 2)
    if diverged or every["clean"].iloc[-1] < 0.15:
        return Truth("diverged", None, top, last)
    if broken.any() or best.iloc[-1] < FLOOR:
        return Truth("unclear", None, top, last)
    return Truth("healthy" if last >= 0.8 * top else "gradual", None, top, last)
