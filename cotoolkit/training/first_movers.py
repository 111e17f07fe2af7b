"""Which signals moved first: when each one left its own baseline around a breakpoint."""

from __future__ import annotations

import numpy as np

from cotoolkit.runs.metrics import Metrics
from cotoolkit.signals.registry import SIGNALS, Direction

BASELINE_STEPS = 100
"""Iterations of the baseline window (ours)."""

GAP_STEPS = 50
"""Iterations between that window and the breakpoint, in which a signal may move ahead of it (ours)."""

MIN_DEVIATIONS = 5.0
"""Robust standard deviations from the baseline that a value in movement has at least (ours)."""

MIN_CONSECUTIVE = 3
"""Values in a row at that distance that make a movement (ours)."""

MIN_STD = 1e-3
"""Least standard deviation assumed, absolute and as a share of the median: rounding noise is no movement (ours)."""


def first_movement(
    iterations: np.ndarray, values: np.ndarray, breakpoint_iteration: int, direction: Direction
) -> int | None:
    """The first iteration at which a series leaves its baseline for good measure.

    The baseline is the median and the scaled median absolute deviation of the `BASELINE_STEPS` iterations that end
    `GAP_STEPS` iterations before the breakpoint (or of the first half, if the breakpoint came sooner).

    Args:
        iterations: (N,), increasing.
        values: (N,), nan where unknown.
        breakpoint_iteration: where robustness was lost.
        direction: which way the signal moves at a breakpoint.

    Returns:
        An iteration, or None if the series does not leave its baseline.
    """
    known = np.isfinite(values)
    iterations, values = iterations[known], values[known]
    split = max(breakpoint_iteration - GAP_STEPS, breakpoint_iteration // 2)
    window = values[(iterations > split - BASELINE_STEPS) & (iterations <= split)]
    if len(window) < 10:
        return None
    median = np.median(window)
    scale = 1.4826 * np.median(np.abs(window - median))
    sign = 1 if direction == "rises" else -1
    beyond = (iterations > split) & (
        sign * (values - median) > MIN_DEVIATIONS * max(scale, MIN_STD, MIN_STD * abs(median))
    )
    runs = np.convolve(beyond, np.ones(MIN_CONSECUTIVE), mode="valid") == MIN_CONSECUTIVE
    return int(iterations[runs.argmax()]) if runs.any() else None


def first_movements(metrics: Metrics, breakpoint_iteration: int) -> dict[str, int]:
    """First movements of all step signals.

    Args:
        metrics: of a run.
        breakpoint_iteration: where robustness was lost.

    Returns:
        The iteration of each signal that moved, by name, the earliest first.
    """
    found: dict[str, int] = {}
    for name, info in sorted(SIGNALS.items()):
        if info.at_break is None:
            continue
        iterations, values = metrics.series(name)
        moved = first_movement(iterations, values, breakpoint_iteration, info.at_break)
        if moved is not None:
            found[name] = moved
    return dict(sorted(found.items(), key=lambda item: item[1]))
