"""Signals of catastrophic overfitting (CO): pure functions of tensors, each with its cost, direction and source."""

from cotoolkit.signals.local import gradient_alignment
from cotoolkit.signals.registry import SIGNALS, SignalInfo, signal
from cotoolkit.signals.step import (
    abnormal_example,
    gradient_norm,
    linearity,
    pert_align,
    perturbation_norm,
    step_signals,
)

__all__ = [
    "SIGNALS",
    "SignalInfo",
    "abnormal_example",
    "gradient_alignment",
    "gradient_norm",
    "linearity",
    "pert_align",
    "perturbation_norm",
    "signal",
    "step_signals",
]
