"""Signals of catastrophic overfitting (CO): pure functions of tensors, each with its cost, direction and source."""

from cotoolkit.signals.curvature import top_hessian_eigenvalue
from cotoolkit.signals.local import bilinear_error, gradient_alignment, input_curvature, taylor_residual
from cotoolkit.signals.masking import logit_spread, regained_accuracy, zero_gradient
from cotoolkit.signals.perturbation import perturbation_alignment, perturbation_spectrum
from cotoolkit.signals.registry import SIGNALS, SignalInfo, signal
from cotoolkit.signals.segment import boundary_distortion, smallest_fooling_fraction
from cotoolkit.signals.step import (
    abnormal_example,
    attack_gain,
    gradient_norm,
    linearity,
    logit_change,
    participation_ratio,
    pert_align,
    perturbation_norm,
    step_signals,
)

__all__ = [
    "SIGNALS",
    "SignalInfo",
    "abnormal_example",
    "attack_gain",
    "bilinear_error",
    "boundary_distortion",
    "gradient_alignment",
    "gradient_norm",
    "input_curvature",
    "linearity",
    "logit_change",
    "logit_spread",
    "participation_ratio",
    "pert_align",
    "perturbation_alignment",
    "perturbation_norm",
    "perturbation_spectrum",
    "regained_accuracy",
    "signal",
    "smallest_fooling_fraction",
    "step_signals",
    "taylor_residual",
    "top_hessian_eigenvalue",
    "zero_gradient",
]
