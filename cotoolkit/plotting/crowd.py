"""Studies of so many runs that their curves hide each other: what is drawn of them is the spread of the curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CROWD = 300
"""Runs from which on a study is a crowd."""

MOST_KINDS = 12
"""Kinds of run that a picture of a crowd tells apart at most."""

POINTS = 60
"""Iterations at which a spread is worked out."""

QUANTILES = (0.1, 0.5, 0.9)
"""Of the runs: the lower end of the band, the line in it, and the upper end."""


Course = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Iterations and values."""


class Spread(NamedTuple):
    """The spread of a signal over runs, each between its first and its last value; arrays of one length.

    Attributes:
        iterations: at which it is known.
        low: 10 % of the runs lie below.
        median: half of them do.
        high: 90 % do.
    """

    iterations: NDArray[np.float64]
    low: NDArray[np.float64]
    median: NDArray[np.float64]
    high: NDArray[np.float64]


class Pooled(NamedTuple):
    """Which settings tell kinds of run apart, and those that do not since they have too many values."""

    by: list[str]
    over: dict[str, int]

    def note(self, runs: int) -> str:
        """How to read the picture, in one sentence.

        Args:
            runs: that are drawn.
        """
        over = ", ".join(f"{count} values of {name}" for name, count in self.over.items())
        return f"{runs:,} runs, with lines at the median and bands from 10 % to 90 % of the runs of a panel" + (
            f", which go over {over}" if over else ""
        )


def pooled(table: pd.DataFrame, by: Sequence[str]) -> Pooled:
    """The settings by which a crowd's kinds are told apart: the ones with the most values are given up first.

    >>> runs = pd.DataFrame({"method": ["fgsm", "pgd"] * 50, "epsilon": range(100), "verdict": "robust"})
    >>> pooled(runs, ["method", "epsilon"])
    Pooled(by=['method'], over={'epsilon': 100})

    Args:
        table: one row per run.
        by: columns of the table.

    Returns:
        The columns that are left, which make `MOST_KINDS` kinds at most, and how many values the others have.
    """
    left, over = list(by), dict[str, int]()
    while left and len(table.groupby(left, dropna=False).size()) > MOST_KINDS:
        counts = {name: int(table[name].nunique(dropna=False)) for name in left}
        most = max(reversed(left), key=lambda name: counts[name])
        left.remove(most)
        over[most] = counts[most]
    return Pooled(left, over)


def kinds_of(table: pd.DataFrame, by: Sequence[str]) -> list[tuple[object, pd.DataFrame]]:
    """Kinds of run with their runs; all runs are one kind if there is nothing to tell them apart."""
    return list(table.groupby(list(by), dropna=False)) if by else [((), table)]


class Courses:
    """The course of one signal in many runs.

    Args:
        metrics: one row per run, iteration and signal (`cotoolkit.runs.tables.run_table.metric_table`).
        signal: which of them.

    Attributes:
        courses: iterations and values by the run's name.
    """

    def __init__(self, metrics: pd.DataFrame, signal: str) -> None:
        rows = metrics[metrics["signal"] == signal]
        codes, names = pd.factorize(rows["run"])
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
        iterations, values = rows["iteration"].to_numpy(float)[order], rows["value"].to_numpy(float)[order]
        parts = zip(np.split(iterations, ends), np.split(values, ends), strict=True)
        self.courses: dict[str, Course] = dict(zip(map(str, names), parts, strict=False))

    def spread(self, runs: pd.Series) -> Spread | None:
        """Over some runs; None if none of them has the signal.

        Args:
            runs: their names.

        Returns:
            The spread at `POINTS` iterations at most.
        """
        courses = [self.courses[name] for name in runs if name in self.courses]
        if not courses:
            return None
        reached = np.unique(np.concatenate([iterations for iterations, _ in courses]))
        grid = reached[np.unique(np.linspace(0, len(reached) - 1, POINTS).round().astype(int))]
        values = np.array([np.interp(grid, *course, np.nan, np.nan) for course in courses])
        known = ~np.isnan(values).all(axis=0)
        return Spread(grid[known], *np.nanquantile(values[:, known], QUANTILES, axis=0))


def broken_share(runs: pd.DataFrame, iterations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of runs, the share that has had its breakpoint by an iteration.

    Args:
        runs: one row per run.
        iterations: at which it is asked.

    Returns:
        Shares in [0, 1].
    """
    found = np.sort(runs["breakpoint"].dropna().to_numpy(float))
    return np.searchsorted(found, iterations, side="right") / len(runs)
