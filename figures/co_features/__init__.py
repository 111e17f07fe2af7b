"""Induced catastrophic overfitting (spec: co_features.md)."""

from figures.catalogue import Unbuilt

RECIPES: tuple[str, ...] = (
    "figure_1",
    "training_dynamics",
    "ablations",
    "feature_share",
    "perturbations",
    "spectra",
    "steps",
    "calibration",
    "orthogonal",
    "box_modes",
    "methods",
    "controls",
    "low_pass",
    "shortcut",
    "warm_start",
    "l2",
    "data_sets",
)
"""Modules of this package, in the order of the gallery."""

UNBUILT: tuple[Unbuilt, ...] = (
    Unbuilt(
        "Augmentation before injection (control h of the spec's section 5)",
        "a flip changes what a digit is, and a shift cuts images of 8 x 8 pixels; it needs photographs",
    ),
    Unbuilt(
        "Other networks and longer schedules (recollected, appendix)",
        "which networks and schedules, at which radii and strengths, was not found",
    ),
)
