"""Induced catastrophic overfitting (spec: co_features.md)."""

from figures.catalogue import NotReproduced

NOT_REPRODUCED: tuple[NotReproduced, ...] = (
    NotReproduced(
        "Augmentation before injection (a control of ours)",
        "a flip changes what a digit is, and a shift cuts images of 8 x 8 pixels; it needs photographs",
    ),
    NotReproduced(
        "A feature that causes the break on CIFAR-10, with networks that a CPU can train",
        "in pilots of one seed (one convolution of 16 filters, 30 epochs) strengths of 8 and 12/255 broke nothing at "
        "6/255, where training is safe without a feature, and in figure_1 a strong one prevents the break; a phase "
        "diagram of six seeds takes days of a core",
    ),
    NotReproduced(
        "The rest of the phase diagram on CIFAR-10: the feature alone (V only), the data alone (D only), reversed, "
        "permuted and orthogonal features, orders of the clamps, controls",
        "not trained yet: laptop has figure_1 and low_pass, and each further point is six runs of ten minutes of a "
        "core, of which there were two; digits has all of it",
    ),
    NotReproduced(
        "Anchors of figure_1 on CIFAR-10 with a thin PreActResNet-18",
        "not trained yet: hours of two cores a run",
    ),
    NotReproduced(
        "All figures at scale paper, CIFAR-10 with PreActResNet-18",
        "the plans are there (`cotoolkit figures plan co_features --scale paper`) and need a GPU; "
        "`benchmarks/gpu_slot.py`, which trains anchors of them in slots of minutes, has run on a CPU (`--toy`) and "
        "never on CUDA",
    ),
    NotReproduced(
        "Other networks and longer schedules (recollected, appendix)",
        "which networks and schedules, at which radii and strengths, was not found",
    ),
)
