"""Induced catastrophic overfitting (spec: co_features.md)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "Augmentation before injection (control h of the spec's section 5)",
        "a flip changes what a digit is, and a shift cuts images of 8 x 8 pixels; it needs photographs",
    ),
    NotReproduced(
        "The feature on CIFAR-10 with networks that a CPU can train",
        "not trained yet: in sketches of one seed no strength at which it breaks training was found with one or three "
        "convolutions or a thin PreActResNet; a phase diagram of five seeds takes days of a core",
    ),
    NotReproduced(
        "Other networks and longer schedules (recollected, appendix)",
        "which networks and schedules, at which radii and strengths, was not found",
    ),
)
