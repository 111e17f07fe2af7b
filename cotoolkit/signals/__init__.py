"""Signals of catastrophic overfitting: pure functions of tensors, each filed with its title, cost and source.

A new signal is a decorated function in a file of this package; no list names it.
"""

from cotoolkit.core.registry import load_entries
from cotoolkit.signals.observation import Observation, observed_signals
from cotoolkit.signals.registry import FREE, SHARE, SIGNALS, Direction, SignalInfo, signal

load_entries(__name__)

__all__ = ["FREE", "SHARE", "SIGNALS", "Direction", "Observation", "SignalInfo", "observed_signals", "signal"]
