"""The early warning: what the free signals of the training steps say, before any probe is spent.

A rule follows one signal through a statistic, which grows as the signal becomes suspicious, up to a threshold. The
published rules are here beside ours; `cotoolkit bench-alarm` measures them all.
"""

from cotoolkit.monitor.early_warning.rules import DEFAULT_RULES, PAUSE, EarlyWarning, Rule
from cotoolkit.monitor.early_warning.statistics import (
    Departure,
    Level,
    QuarterShift,
    Rise,
    Shift,
    Sigmas,
    Statistic,
)

__all__ = [
    "DEFAULT_RULES",
    "PAUSE",
    "Departure",
    "EarlyWarning",
    "Level",
    "QuarterShift",
    "Rise",
    "Rule",
    "Shift",
    "Sigmas",
    "Statistic",
]
