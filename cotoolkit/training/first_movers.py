"""Which signals moved first: when each one left its own baseline around a breakpoint."""

from __future__ import annotations

import numpy as np

from cotoolkit.runs.folder import Metrics
from cotoolkit.signals.registry import SIGNALS, Direction

BASELINE = 100
"""Iterations of the baseline window (ours)."""

QUIET = 50
"""Iterations between that window and the breakpoint, in which a signal may move ahead of it (ours)."""

DEVIATIONS = 5.0
"""Robust standard deviations that count as movement (ours) ..."""

LEAST = 1e-3
"""Least standard deviation assumed, absolute and as a share of the median: rounding noise is no movement (ours)."""

RUN = 3
"""... when that many values in a row show it (ours)."""


def first_movement(
    iterations: np.ndarray, values: np.ndarray, breakpoint_iteration: int, direction: Direction
) -> int | None:
    """The first iteration at which a series leaves its baseline for good measure; None if it does not.

    The baseline is the median and the scaled median absolute deviation of the `BASELINE` iterations that end `QUIET`
    iterations before the breakpoint (or of the first half, if the break came sooner).

    Args:
        iterations: (N,), increasing.
        values: (N,), nan where unknown.
        breakpoint_iteration: where robustness broke.
        direction: which way the signal moves at a break.
    """
    known = np.isfinite(values)
    iterations, values = iterations[known], values[known]
    split = max(breakpoint_iteration - QUIET, breakpoint_iteration // 2)
    window = values[(iterations > split - BASELINE) & (iterations <= split)]
    if len(window) < 10:
        return None
    median = np.median(window)
    scale = 1.4826 * np.median(np.abs(window - median))
    sign = 1 if direction == "rises" else -1
    beyond = (iterations > split) & (sign * (values - median) > DEVIATIONS * max(scale, LEAST, LEAST * abs(median)))
    runs = np.convolve(beyond, np.ones(RUN), mode="valid") == RUN
    return int(iterations[runs.argmax()]) if runs.any() else None


def first_movements(metrics: Metrics, breakpoint_iteration: int) -> dict[str, int]:
    """First movements of all step signals that moved, earliest first, by signal name."""
    found: dict[str, int] = {}
    for name, info in sorted(SIGNALS.items()):
        if info.at_break is None:
            continue
        iterations, values = metrics.series(name)
        moved = first_movement(iterations, values, breakpoint_iteration, info.at_break)
        if moved is not None:
            found[name] = moved
    return dict(sorted(found.items(), key=lambda item: item[1]))
