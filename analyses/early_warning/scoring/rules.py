"""The rules that are compared: the published ones with their own thresholds, and ours, whose thresholds are fitted."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analyses.early_warning.scoring.score import Alarm
from cotoolkit.monitor.early_warning import Level, QuarterShift, Rise, Rule, Shift, Sigmas, Statistic
from cotoolkit.signals import SIGNALS, Direction

PUBLISHED: Mapping[str, Rule] = {
    "Wong et al. 2020: PGD-5 on a training batch drops by 0.2 in an epoch": Rule("train_pgd", "falls", Rise(), 0.2),
    "SORA 2026: PertAlign falls by 0.5 within a window": Rule("pert_align", "falls", QuarterShift(), 0.5),
    "ELLE-A 2024: bilinear error above its mean by 2 sigma": Rule("bilinear_error", "rises", Sigmas(), 2.0),
}
"""Rules with a threshold of their own. The lengths of SORA's window and of ELLE-A's mean were not found; they are ours
(64 values, all values so far). ELLE-A uses its rule to raise a regulariser, not to tell people."""

STATISTICS: Sequence[Statistic] = (
    Level(0.1),
    Level(0.3),
    Shift(0.1, 0.02),
    Shift(0.3, 0.02),
    QuarterShift(32),
    Sigmas(),
)
"""What is tried on each signal."""

REFRACTORY = 1 / 16
"""Share of a run's iterations after an alarm in which a rule's further alarms are taken for the same one."""


def candidates(recorded: Iterable[str]) -> dict[str, Direction]:
    """Every registered signal that was recorded and has a direction at a breakpoint, by name.

    Args:
        recorded: columns of the recordings.

    Returns:
        The direction by signal name.
    """
    names = set(recorded)
    return {name: info.at_break for name, info in sorted(SIGNALS.items()) if name in names and info.at_break}


class Series(NamedTuple):
    """A statistic along a run: iterations, and its value at each where it was known."""

    iterations: list[int]
    values: list[float]

    def alarms(self, threshold: float, run: int) -> list[Alarm]:
        """When a rule with this threshold raises an alarm.

        Args:
            threshold: at and beyond which the statistic is suspicious.
            run: iterations of the whole run.
        """
        found: list[Alarm] = []
        if not self.iterations:
            return found
        at, next_one = np.asarray(self.iterations), -np.inf
        for iteration in at[np.asarray(self.values) >= threshold].tolist():
            if iteration >= next_one:
                found.append(Alarm(iteration, iteration))
                next_one = iteration + REFRACTORY * run
        return found


def statistic_series(trace: pd.DataFrame, signal: str, direction: Direction, statistic: Statistic) -> Series:
    """Stream a recorded signal through a fresh copy of a statistic, as the monitor does; missing values are left out.

    Args:
        trace: columns iteration and the signals; see `recorded.recording.Recording.trace`.
        signal: name of a column; one that is missing gives nothing.
        direction: which way it moves at a breakpoint.
        statistic: in the state before any value.
    """
    found, streamed = Series([], []), copy.deepcopy(statistic)
    if signal not in trace:
        return found
    for iteration, value in zip(trace["iteration"].tolist(), trace[signal].tolist(), strict=True):
        if math.isnan(value):
            continue
        reached = streamed.update(value if direction == "rises" else -value)
        if not math.isnan(reached):
            found.iterations.append(iteration)
            found.values.append(reached)
    return found
