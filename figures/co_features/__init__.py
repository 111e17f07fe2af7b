"""Induced catastrophic overfitting (spec: co_features.md)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "Augmentation before injection (control h of the spec's section 5)",
        "a flip changes what a digit is, and a shift cuts images of 8 x 8 pixels; it needs photographs",
    ),
    NotReproduced(
        "A feature that causes the break on CIFAR-10, with networks that a CPU can train",
        "in pilots of one seed (one convolution of 16 filters, 30 epochs) strengths of 8 and 12/255 broke nothing at "
        "6/255, where training is safe without a feature, and in figure_1 a strong one prevents the break; a phase "
        "diagram of six seeds takes days of a core",
    ),
    NotReproduced(
        "Other networks and longer schedules (recollected, appendix)",
        "which networks and schedules, at which radii and strengths, was not found",
    ),
)
